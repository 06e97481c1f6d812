package ec2

import (
	"context"
	"time"

	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// imageOwner is the account of Amazon's ECS-optimized images.
const imageOwner = "591542846629"

var images = noun[catalog.Image]{
	id: func(m catalog.Image) string { return m.ID }, absent: "InvalidAMIID.NotFound", called: "image id",
	tags: func(catalog.Image) []model.Tag { return nil },
	filters: map[string]func(catalog.Image) []string{
		"architecture":        one(func(m catalog.Image) string { return m.Architecture }),
		"description":         one(func(m catalog.Image) string { return m.Description }),
		"image-id":            one(func(m catalog.Image) string { return m.ID }),
		"image-type":          fixed[catalog.Image]("machine"),
		"is-public":           fixed[catalog.Image]("true"),
		"name":                one(func(m catalog.Image) string { return m.Name }),
		"owner-alias":         fixed[catalog.Image]("amazon"),
		"root-device-type":    fixed[catalog.Image]("ebs"),
		"state":               fixed[catalog.Image]("available"),
		"virtualization-type": fixed[catalog.Image]("hvm"),
	},
}

// DescribeImages lists the images that there are: the ECS-optimized ones of the
// Region. Errors: InvalidAMIID.NotFound, InvalidAMIID.Malformed,
// InvalidParameterValue.
func (a *API) DescribeImages(_ context.Context, in *shape.DescribeImagesInput) (*shape.DescribeImagesOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	all := catalog.Images(a.Place.Region)
	if len(in.Owners) > 0 && !amazons(in.Owners) {
		all = nil
	}
	q := a.query(in, in.ImageIds, in.Filters)
	q.account = imageOwner
	found, next, err := images.list(all, q)
	return &shape.DescribeImagesOutput{NextToken: next, Images: each(found, showImage)}, err
}

// amazons reports whether Amazon is among owners.
func amazons(owners []string) bool {
	for _, o := range owners {
		if o == "amazon" || o == imageOwner {
			return true
		}
	}
	return false
}

func showImage(m catalog.Image) shape.Image {
	return shape.Image{
		ImageId: &m.ID, Name: &m.Name, Description: &m.Description, Architecture: &m.Architecture,
		CreationDate:  wire.Ptr(m.CreatedAt.Format(time.RFC3339)),
		ImageLocation: wire.Ptr("amazon/" + m.Name), ImageType: wire.Ptr("machine"), Public: yes, OwnerId: wire.Ptr(imageOwner),
		ImageOwnerAlias: wire.Ptr("amazon"), State: wire.Ptr("available"), RootDeviceName: &m.RootDevice, RootDeviceType: wire.Ptr("ebs"),
		VirtualizationType: wire.Ptr("hvm"), Hypervisor: wire.Ptr("xen"), EnaSupport: yes, PlatformDetails: wire.Ptr("Linux/UNIX"),
		UsageOperation: wire.Ptr("RunInstances"),
		BlockDeviceMappings: []shape.BlockDeviceMapping{{
			DeviceName: &m.RootDevice,
			Ebs:        &shape.EbsBlockDevice{VolumeSize: wire.Ptr(int64(rootGiB)), VolumeType: wire.Ptr("gp2"), DeleteOnTermination: yes},
		}},
	}
}
