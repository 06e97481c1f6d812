package instance

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/machine"
	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/state"
	"berth/internal/store"
)

// session is the name that ECS gives to its sessions of an infrastructure
// role.
const session = "ECSManagedInstances"

// admit checks what AWS would refuse: the infrastructure role's rights, and
// the instance profile. It returns the role in the profile.
func (l Controller) admit(r store.Reader, i model.Instance) (model.Role, error) {
	if i.Kind == model.KindSlice || i.Kind == model.KindEC2 {
		return l.role(r, i) // who asked for one of the user's own was asked then
	}
	infra, err := l.Access.Assume(r, control.Assumption{
		Service: "ecs.amazonaws.com", Role: i.InfraRoleARN, Session: session, For: l.Place.ARN("ecs", "capacity-provider/"+i.CapacityProvider),
	})
	if err != nil {
		return model.Role{}, refusal(err)
	}
	ec2 := func(resource string) string { return l.Place.ARN("ec2", resource) }
	tagged := map[string]string{"aws:RequestTag/AmazonECSManaged": "true", "aws:TagKeys": "AmazonECSManaged", "ec2:InstanceType": i.Type}
	image := "arn:" + l.Place.Partition + ":ec2:" + l.Place.Region + "::image/" + imageID(l.Place.Region, i.Type)
	for _, need := range []struct {
		action, resource string
		keys             map[string]string
	}{
		{"ec2:CreateFleet", ec2("fleet/*"), tagged},
		{"ec2:CreateFleet", ec2("instance/*"), tagged},
		{"ec2:CreateFleet", ec2("subnet/" + i.Subnet), nil},
		{"ec2:RunInstances", ec2("instance/*"), tagged},
		{"ec2:RunInstances", ec2("volume/*"), tagged},
		{"ec2:RunInstances", ec2("network-interface/*"), tagged},
		{"ec2:RunInstances", ec2("subnet/" + i.Subnet), nil},
		{"ec2:RunInstances", image, nil},
	} {
		if err := l.Access.Allow(r, infra, need.action, need.resource, need.keys); err != nil {
			return model.Role{}, refusal(err)
		}
	}
	for _, g := range i.SecurityGroups {
		if err := l.Access.Allow(r, infra, "ec2:RunInstances", ec2("security-group/"+g), nil); err != nil {
			return model.Role{}, refusal(err)
		}
	}
	role, err := l.role(r, i)
	if err != nil {
		return model.Role{}, err
	}
	if err := l.Access.Allow(r, infra, "iam:PassRole", role.ARN, map[string]string{"iam:PassedToService": "ec2.amazonaws.com"}); err != nil {
		return model.Role{}, refusal(err)
	}
	return role, nil
}

// refusal words a denial as EC2 does.
func refusal(err error) error {
	if c := fault.ClassOf(err); c != fault.Denied && c != fault.NotFound {
		return err
	}
	return &fault.Error{
		Class: fault.Denied, Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation. " + fault.MessageOf(err),
		Cause: err,
	}
}

// role finds the role in the instance profile, which must trust EC2. A slice
// has no profile: it speaks for ECS, by its service-linked role.
func (l Controller) role(r store.Reader, i model.Instance) (model.Role, error) {
	if i.Kind == model.KindSlice {
		return model.Role{Name: "AWSServiceRoleForECS", ARN: l.Place.GlobalARN("iam", model.ServiceRole)}, nil
	}
	if i.Kind == model.KindEC2 && i.ProfileARN == "" {
		return model.Role{}, nil
	}
	profile, ok := state.InstanceProfiles.One(r, "arn", i.ProfileARN)
	if !ok || len(profile.Roles) == 0 {
		return model.Role{}, fault.New(
			fault.Invalid, "InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN",
			i.ProfileARN,
		).With(map[string]string{model.FactProfile: i.ProfileARN})
	}
	role, ok := state.Roles.Get(r, profile.Roles[0])
	if !ok {
		return role, fault.New(
			fault.Invalid, "InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.arn is invalid. Its role %s does not exist",
			i.ProfileARN, profile.Roles[0],
		).With(map[string]string{model.FactProfile: i.ProfileARN})
	}
	if _, err := l.Access.Assume(r, control.Assumption{Service: "ec2.amazonaws.com", Role: role.ARN, Session: i.ID}); err != nil {
		return role, refusal(err)
	}
	return role, nil
}

// spec is the machine of an instance, complete.
func (l Controller) spec(r store.Reader, i model.Instance, eni model.NetworkInterface, role model.Role) (machine.Spec, error) {
	if i.Kind == model.KindSlice {
		return l.sliceSpec(r, i, eni, role)
	}
	t, ok := catalog.Lookup(i.Type)
	if !ok {
		return machine.Spec{}, fault.New(fault.Invalid, "InvalidParameterValue", "Invalid value '%s' for InstanceType.", i.Type)
	}
	subnet, _ := state.Subnets.Get(r, eni.Subnet)
	vpc, _ := state.VPCs.Get(r, eni.VPC)
	network, err := netip.ParsePrefix(vpc.CIDR)
	if err != nil {
		return machine.Spec{}, fault.Wrap(fault.Internal, err, "read network %q of %s", vpc.CIDR, eni.VPC)
	}
	tags := map[string]string{}
	for _, tag := range i.Tags {
		tags[tag.Key] = tag.Value
	}
	return own(i, machine.Spec{
		ID: i.ID, Type: i.Type, VCPU: t.VCPU, MemoryMiB: t.MemoryMiB, ReservedMiB: catalog.HoldBack(t.MemoryMiB), StorageGiB: i.StorageGiB,
		Architecture: t.Architecture(), Interface: eni.ID, MAC: eni.MAC, PrivateIP: eni.IP, SubnetCIDR: subnet.CIDR, Subnet: eni.Subnet,
		VPC: eni.VPC, Zone: i.AvailabilityZone, ZoneID: subnet.AvailabilityZoneID, Region: l.Place.Region, Account: l.Place.Account,
		Cluster: i.Cluster, ImageID: imageID(l.Place.Region, i.Type), ProfileARN: i.ProfileARN, RoleName: role.Name, Tags: tags,
		SecurityGroups: i.SecurityGroups, CABundle: l.CABundle, Nameserver: network.Masked().Addr().Next().Next().String(),
		ContainerInstanceARN: i.ARN,
	}), nil
}

// own is the machine of an instance of the user's own: of the image and with the
// user data that its owner chose.
func own(i model.Instance, s machine.Spec) machine.Spec {
	l := i.Launch
	if i.Kind != model.KindEC2 || l == nil {
		return s
	}
	s.Own, s.ImageID, s.UserData, s.OpenMetadata = true, l.ImageID, l.UserData, l.Metadata.Tokens == "optional"
	if l.Metadata.Tags != "enabled" {
		s.Tags = nil
	}
	return s
}

// imageID names the image of managed instances: one a Region and architecture,
// as AWS has it.
func imageID(region, typ string) string {
	arch := "x86_64"
	if t, ok := catalog.Lookup(typ); ok {
		arch = t.Architecture()
	}
	h := sha256.Sum256([]byte("ecs-managed-instances-standard-" + arch + "|" + region))
	return "ami-0" + hex.EncodeToString(h[:])[:16]
}
