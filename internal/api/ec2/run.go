package ec2

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

const (
	// maxUserData is how many characters of base64 user data may have: 16 KiB.
	maxUserData = (16<<10 + 2) / 3 * 4
	// maxRun is how many instances one call may launch.
	maxRun = 100
	// rootGiB is the size of an ECS-optimized image's root volume.
	rootGiB = 30
	// groupTag is the tag by which Auto Scaling says whose an instance is.
	groupTag = "aws:autoscaling:groupName"
)

func tooMuchUserData() error { return value("User data is limited to 16384 bytes") }

// launch is what an instance is to be.
type launch struct {
	data    shape.RequestLaunchTemplateData
	subnet  *string
	image   catalog.Image
	kind    catalog.Type
	profile model.InstanceProfile
	place   model.Subnet
	groups  []string
	tags    []model.Tag
	from    model.LaunchTemplate
	version int64
}

// RunInstances launches instances of ECS-optimized images: it writes them down,
// and controllers make machines of them. Errors: MissingParameter,
// InvalidAMIID.NotFound, InvalidParameterValue, InvalidParameterCombination, InvalidSubnetID.NotFound, InvalidGroup.NotFound,
// InvalidKeyPair.NotFound, InvalidLaunchTemplateId.NotFound,
// InvalidLaunchTemplateName.NotFoundException,
// InvalidLaunchTemplateId.VersionNotFound, InstanceLimitExceeded, Unsupported.
func (a *API) RunInstances(ctx context.Context, in *shape.RunInstancesInput) (*shape.RunInstancesOutput, error) {
	least, most := wire.Val(in.MinCount), wire.Val(in.MaxCount)
	switch {
	case in.MinCount == nil:
		return nil, lacking("MinCount")
	case in.MaxCount == nil:
		return nil, lacking("MaxCount")
	case least < 1 || most < least:
		return nil, value("Invalid value '%d' for maxCount. It must be no less than minCount, and both more than 0.", most)
	case most > maxRun:
		return nil, bad("InstanceLimitExceeded", "You have requested more instances (%d) than one call of Berth may launch (%d).",
			most, maxRun)
	}
	l, err := a.launchOf(ctx, a.DB.View(), in)
	if err != nil {
		return nil, err
	}
	reservation := a.id("r", in.ClientToken)
	made := make([]model.Instance, most)
	for n := range made {
		made[n] = a.instanceOf(l, a.id("i", tokenOf(in.ClientToken, n)), reservation, wire.Val(in.ClientToken))
	}
	var out []model.Instance
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		out = nil
		for _, i := range made {
			if was, ok := state.Instances.Get(tx, i.ID); ok {
				out = append(out, was) // the same call again
				continue
			}
			if err := state.Instances.Put(tx, i); err != nil {
				return err
			}
			out = append(out, i)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	view := a.DB.View()
	return &shape.RunInstancesOutput{
		ReservationId: &reservation, OwnerId: &a.Place.Account, Groups: []shape.GroupIdentifier{},
		Instances: each(out, func(i model.Instance) shape.Instance { return a.showInstance(view, i) }),
	}, nil
}

// tokenOf is a token for one of several instances.
func tokenOf(token *string, n int) *string {
	if wire.Val(token) == "" {
		return nil
	}
	return wire.Ptr(*token + "/" + number(int64(n)))
}

func (a *API) instanceOf(l launch, id, reservation, token string) model.Instance {
	return model.Instance{
		ID: id, Kind: model.KindEC2, Type: l.kind.Name, AvailabilityZone: l.place.AvailabilityZone, Subnet: l.place.ID,
		SecurityGroups: l.groups,
		ProfileARN:     l.profile.ARN, CapacityOption: "ON_DEMAND", StorageGiB: storage(l.data.BlockDeviceMappings),
		Monitoring: detail(l.data),
		Tags:       l.tags, Why: "its owner asked for it", WantedAt: a.Clock.Now(), Expected: catalog.Registered(l.kind), Goal: model.GoalRun,
		State: model.InstancePending, Group: model.TagValue(l.tags, groupTag), Version: 1,
		Launch: &model.Launch{
			ImageID: l.image.ID, UserData: wire.Val(l.data.UserData), Reservation: reservation, Token: token, Template: l.from.ID,
			TemplateVersion: l.version, PublicIP: publicIP(l.data), Metadata: metadataOptions(l.data.MetadataOptions),
			Protected: wire.Val(l.data.DisableApiTermination),
		},
	}
}

func detail(d shape.RequestLaunchTemplateData) string {
	if d.Monitoring != nil && wire.Val(d.Monitoring.Enabled) {
		return "DETAILED"
	}
	return "BASIC"
}

func publicIP(d shape.RequestLaunchTemplateData) *bool {
	if len(d.NetworkInterfaces) == 0 {
		return nil
	}
	return d.NetworkInterfaces[0].AssociatePublicIpAddress
}

// hops is how far answers of the metadata service go on the ECS-optimized
// images: to containers behind the instance's bridge too. No other number is
// built.
const hops = 2

func metadataOptions(o *shape.LaunchTemplateInstanceMetadataOptionsRequest) model.MetadataOptions {
	if o == nil {
		o = &shape.LaunchTemplateInstanceMetadataOptionsRequest{}
	}
	return model.MetadataOptions{
		Tokens: wire.Or(o.HttpTokens, "optional"), Endpoint: wire.Or(o.HttpEndpoint, "enabled"),
		HopLimit: wire.Or(o.HttpPutResponseHopLimit, hops),
		Tags:     wire.Or(o.InstanceMetadataTags, "disabled"),
	}
}

// storage is the size of all volumes: they are one data volume of the machine.
func storage(all []shape.LaunchTemplateBlockDeviceMappingRequest) int64 {
	root, more := int64(rootGiB), int64(0)
	for _, m := range all {
		if m.Ebs == nil {
			continue
		}
		if name := wire.Val(m.DeviceName); name == "/dev/xvda" {
			root = wire.Or(m.Ebs.VolumeSize, root)
		} else {
			more += wire.Val(m.Ebs.VolumeSize)
		}
	}
	return root + more
}

// launchOf gathers and checks what a call and its launch template say.
func (a *API) launchOf(ctx context.Context, r store.Reader, in *shape.RunInstancesInput) (launch, error) {
	l := launch{subnet: in.SubnetId}
	for _, step := range []func() error{
		func() error { return l.read(r, in) },
		func() error { return a.imageAndType(&l) },
		func() error { return a.network(r, &l) },
		func() error { return a.identity(ctx, r, &l) },
		func() error { return l.tagged(ctx, in) },
	} {
		if err := step(); err != nil {
			return l, err
		}
	}
	return l, nil
}

// read puts what the call says over what its template says.
func (l *launch) read(r store.Reader, in *shape.RunInstancesInput) error {
	under := "{}"
	if s := in.LaunchTemplate; s != nil {
		t, err := findTemplate(r, s.LaunchTemplateId, s.LaunchTemplateName)
		if err != nil {
			return err
		}
		v, err := version(t, wire.Val(s.Version))
		if err != nil {
			return err
		}
		under, l.from, l.version = v.Data, t, v.Number
	}
	said := *in
	said.TagSpecifications, said.LaunchTemplate = nil, nil // these add to the template's
	over, err := json.Marshal(said)
	if err != nil {
		return err
	}
	all, err := overlay(under, string(over))
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(all), &l.data)
}

func (a *API) imageAndType(l *launch) error {
	id := wire.Val(l.data.ImageId)
	var ok bool
	switch l.image, ok = catalog.ImageOf(a.Place.Region, id); {
	case id == "":
		return lacking("ImageId")
	case !ok:
		return fault.New(fault.NotFound, "InvalidAMIID.NotFound",
			"The image id '[%s]' does not exist: Berth has the ECS-optimized images only. "+
				"Write the public parameter in its place, such as {{resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id}}.", id)
	}
	name := wire.Or(l.data.InstanceType, "m1.small")
	switch l.kind, ok = catalog.Lookup(name); {
	case !ok:
		return value("Invalid value '%s' for InstanceType.", name)
	case l.kind.Architecture() != l.image.Architecture:
		return value("The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. "+
			"Specify an instance type and an AMI that have matching architectures, and try again.", l.kind.Architecture(),
			l.image.Architecture)
	case len(l.kind.Accelerators) > 0:
		return fault.New(fault.NotImplemented, "Unsupported", "Instance type %s has accelerators, which are not built in Berth.", name)
	case l.data.KeyName != nil:
		return lost("InvalidKeyPair.NotFound", "key pair", *l.data.KeyName)
	case len(wire.Val(l.data.UserData)) > maxUserData:
		return tooMuchUserData()
	}
	if _, err := base64.StdEncoding.DecodeString(wire.Val(l.data.UserData)); err != nil {
		return value("Invalid BASE64 encoding of user data.")
	}
	return nil
}

// network finds the subnet and the security groups.
func (a *API) network(r store.Reader, l *launch) error {
	l.groups = l.data.SecurityGroupIds
	if len(l.data.NetworkInterfaces) > 0 {
		n := l.data.NetworkInterfaces[0]
		switch {
		case len(l.data.NetworkInterfaces) > 1 || wire.Val(n.DeviceIndex) != 0:
			return fault.New(fault.NotImplemented, "Unsupported", "Berth gives an instance one network interface, with DeviceIndex 0.")
		case len(l.groups) > 0:
			return bad("InvalidParameterCombination",
				"Network interfaces and an instance-level security groups may not be specified on the same request")
		}
		l.groups = n.Groups
		if n.SubnetId != nil {
			l.subnet = n.SubnetId
		}
	}
	subnet, err := a.subnetOf(r, l.subnet)
	if err != nil {
		return err
	}
	l.place = subnet
	for _, id := range l.groups {
		g, ok := state.SecurityGroups.Get(r, id)
		switch {
		case !ok:
			return nouns.group.gone(id)
		case g.VPC != subnet.VPC:
			return value("Security group %s and subnet %s belong to different networks.", id, subnet.ID)
		}
	}
	if len(l.groups) == 0 {
		v, _ := state.VPCs.Get(r, subnet.VPC)
		l.groups = []string{v.DefaultGroup}
	}
	return nil
}

// subnetOf is the subnet that is named, or one of the default VPC's.
func (a *API) subnetOf(r store.Reader, id *string) (model.Subnet, error) {
	if id != nil {
		return get(r, nouns.subnet, state.Subnets, id, "subnetId")
	}
	for _, s := range state.Subnets.All(r) {
		if v, _ := state.VPCs.Get(r, s.VPC); v.Default {
			return s, nil
		}
	}
	return model.Subnet{}, bad("MissingInput", "No subnets found for the default VPC. Please specify a subnet.")
}

// identity finds the instance profile, whose role the caller must be allowed to
// pass.
func (a *API) identity(ctx context.Context, r store.Reader, l *launch) error {
	p := l.data.IamInstanceProfile
	if p == nil || p.Arn == nil && p.Name == nil {
		return nil
	}
	var ok bool
	if p.Arn != nil {
		l.profile, ok = state.InstanceProfiles.One(r, "arn", *p.Arn)
	} else {
		l.profile, ok = state.InstanceProfiles.Get(r, *p.Name)
	}
	if !ok {
		return value("Value (%s) for parameter iamInstanceProfile.%s is invalid. Invalid IAM Instance Profile",
			cmp.Or(wire.Val(p.Arn), wire.Val(p.Name)),
			map[bool]string{true: "arn", false: "name"}[p.Arn != nil])
	}
	if len(l.profile.Roles) == 0 || a.Access == nil {
		return nil
	}
	role, _ := state.Roles.Get(r, l.profile.Roles[0])
	err := a.Access.Allow(r, wire.CallFrom(ctx).Principal, "iam:PassRole", role.ARN,
		map[string]string{"iam:PassedToService": "ec2.amazonaws.com"})
	if err != nil {
		return fault.New(fault.Denied, "UnauthorizedOperation", "You are not authorized to perform this operation. %s",
			fault.MessageOf(err))
	}
	return nil
}

// tagged gathers the instance's tags: the template's and the call's.
func (l *launch) tagged(ctx context.Context, in *shape.RunInstancesInput) error {
	var specs []shape.TagSpecification
	for _, s := range slices.Backward(l.data.TagSpecifications) {
		specs = append(specs, shape.TagSpecification(s))
	}
	for _, s := range append(specs, in.TagSpecifications...) {
		switch kind := wire.Val(s.ResourceType); kind {
		case "instance":
			tags, err := readTags(ctx, s.Tags)
			if err != nil {
				return err
			}
			l.tags = model.SetTags(l.tags, tags)
		case "volume", "network-interface": // they are the instance's own, and shown with it
		default:
			return value("'%s' is not a valid taggable resource type for this operation.", kind)
		}
	}
	if model.TagValue(l.tags, groupTag) != "" && wire.CallFrom(ctx).Principal.Service != "autoscaling.amazonaws.com" {
		return value("Tag keys starting with 'aws:' are reserved for internal use")
	}
	return nil
}
