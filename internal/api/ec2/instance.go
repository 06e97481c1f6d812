package ec2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

var operator = &shape.OperatorResponse{Managed: yes, Principal: wire.Ptr("ecs.amazonaws.com"), HiddenByDefault: yes}

// states are EC2's codes of instance states.
var states = map[string]int64{"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}

var instances = noun[model.Instance]{
	id: func(i model.Instance) string { return i.ID }, absent: "InvalidInstanceID.NotFound", called: "instance ID",
	tags: func(i model.Instance) []model.Tag { return i.Tags },
	filters: map[string]func(model.Instance) []string{
		"instance-id":              one(func(i model.Instance) string { return i.ID }),
		"instance-type":            one(func(i model.Instance) string { return i.Type }),
		"instance-state-name":      one(func(i model.Instance) string { return string(i.State) }),
		"instance-state-code":      one(func(i model.Instance) string { return number(states[string(i.State)]) }),
		"availability-zone":        one(func(i model.Instance) string { return i.AvailabilityZone }),
		"subnet-id":                one(func(i model.Instance) string { return i.Subnet }),
		"private-ip-address":       one(func(i model.Instance) string { return i.PrivateIP }),
		"instance.group-id":        func(i model.Instance) []string { return i.SecurityGroups },
		"iam-instance-profile.arn": one(func(i model.Instance) string { return i.ProfileARN }),
		"operator.managed":         fixed[model.Instance]("true"),
		"operator.principal":       fixed[model.Instance]("ecs.amazonaws.com"),
		"instance-lifecycle":       one(func(i model.Instance) string { return wire.Val(lifecycle(i)) }),
		"monitoring-state":         one(monitoring),
	},
}

func lifecycle(i model.Instance) *string {
	if i.CapacityOption == catalog.Spot {
		return wire.Ptr("spot")
	}
	return nil
}

func monitoring(i model.Instance) string {
	if i.Monitoring == "DETAILED" {
		return "enabled"
	}
	return "disabled"
}

// visibility is the setting that lists managed resources like all others.
const visibility = "ec2.managedResourceVisibility"

func visible(r store.Reader) bool {
	s, _ := state.Settings.Get(r, visibility)
	return s.Value == "visible"
}

// ModifyManagedResourceVisibility says whether listings show what AWS services
// manage in the account. Errors: MissingParameter.
func (a *API) ModifyManagedResourceVisibility(
	ctx context.Context, in *shape.ModifyManagedResourceVisibilityInput,
) (*shape.ModifyManagedResourceVisibilityOutput, error) {
	if in.DefaultVisibility == nil {
		return nil, lacking("DefaultVisibility")
	}
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		return state.Settings.Put(tx, state.Setting{Name: visibility, Value: *in.DefaultVisibility})
	})
	return &shape.ModifyManagedResourceVisibilityOutput{
		Visibility: &shape.ManagedResourceVisibilitySettings{DefaultVisibility: in.DefaultVisibility},
	}, err
}

// GetManagedResourceVisibility shows that setting.
func (a *API) GetManagedResourceVisibility(
	_ context.Context, in *shape.GetManagedResourceVisibilityInput,
) (*shape.GetManagedResourceVisibilityOutput, error) {
	view, err := a.look(in.DryRun)
	v := "hidden"
	if visible(view) {
		v = "visible"
	}
	return &shape.GetManagedResourceVisibilityOutput{Visibility: &shape.ManagedResourceVisibilitySettings{DefaultVisibility: &v}}, err
}

// pick lists instances: managed ones, and there are no others, only by id or
// when they are visible.
func (a *API) pick(view store.Reader, include *bool, q query) ([]model.Instance, *string, error) {
	all := state.Instances.All(view)
	n := instances
	vpcOf := func(i model.Instance) string { s, _ := state.Subnets.Get(view, i.Subnet); return s.VPC }
	n.filters = with(n.filters, "vpc-id", one(vpcOf))
	if len(q.ids) == 0 && !wire.Val(include) && !visible(view) {
		all = nil
	}
	return n.list(all, q)
}

// DescribeInstances lists instances. Errors: InvalidInstanceID.NotFound,
// InvalidParameterValue.
func (a *API) DescribeInstances(_ context.Context, in *shape.DescribeInstancesInput) (*shape.DescribeInstancesOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	all, next, err := a.pick(view, in.IncludeManagedResources, a.query(in, in.InstanceIds, in.Filters))
	return &shape.DescribeInstancesOutput{NextToken: next, Reservations: each(all, func(i model.Instance) shape.Reservation {
		return shape.Reservation{
			ReservationId: wire.Ptr(derived("r", i.ID)), OwnerId: &a.Place.Account, RequesterId: wire.Ptr("amazon-ecs"),
			Groups: []shape.GroupIdentifier{}, Instances: []shape.Instance{a.showInstance(view, i)},
		}
	})}, err
}

func (a *API) showInstance(r store.Reader, i model.Instance) shape.Instance {
	t, _ := catalog.Lookup(i.Type)
	s, _ := state.Subnets.Get(r, i.Subnet)
	zero := int64(0)
	out := shape.Instance{
		InstanceId: &i.ID, InstanceType: &i.Type, State: stateOf(i), Architecture: wire.Ptr(t.Architecture()), Hypervisor: wire.Ptr("xen"),
		VirtualizationType: wire.Ptr("hvm"), RootDeviceType: wire.Ptr("ebs"), RootDeviceName: wire.Ptr("/dev/xvda"),
		EbsOptimized: wire.Ptr(false), EnaSupport: yes, ImageId: wire.Ptr(a.imageOf(t)), AmiLaunchIndex: &zero, LaunchTime: launched(i),
		Monitoring: &shape.Monitoring{State: wire.Ptr(monitoring(i))},
		Placement: &shape.Placement{
			AvailabilityZone: &i.AvailabilityZone, AvailabilityZoneId: text(s.AvailabilityZoneID), Tenancy: wire.Ptr("default"),
			GroupName: wire.Ptr(""),
		},
		SubnetId: text(i.Subnet), VpcId: text(s.VPC), PrivateIpAddress: text(i.PrivateIP), PublicDnsName: wire.Ptr(""),
		PrivateDnsName: wire.Ptr(""), SecurityGroups: groupsOf(r, i.SecurityGroups), SourceDestCheck: yes, Tags: showTags(i.Tags),
		ClientToken: text(i.FleetID), InstanceLifecycle: lifecycle(i), PlatformDetails: wire.Ptr("Linux/UNIX"),
		UsageOperation: wire.Ptr("RunInstances"), Operator: operator,
		CpuOptions: &shape.CpuOptions{CoreCount: &t.Cores, ThreadsPerCore: &t.ThreadsPerCore}, ProductCodes: []shape.ProductCode{},
		MetadataOptions: &shape.InstanceMetadataOptionsResponse{
			State: wire.Ptr("applied"), HttpTokens: wire.Ptr("required"), HttpPutResponseHopLimit: wire.Ptr(int64(1)),
			HttpEndpoint: wire.Ptr("enabled"), HttpProtocolIpv6: wire.Ptr("disabled"), InstanceMetadataTags: wire.Ptr("enabled"),
		},
		StateTransitionReason: wire.Ptr(""), NetworkInterfaces: []shape.InstanceNetworkInterface{},
		BlockDeviceMappings: []shape.InstanceBlockDeviceMapping{},
	}
	if i.ProfileARN != "" {
		out.IamInstanceProfile = &shape.IamInstanceProfile{Arn: &i.ProfileARN, Id: wire.Ptr(profileID(r, i.ProfileARN))}
	}
	if i.PrivateIP != "" {
		out.PrivateDnsName = a.privateName(i.PrivateIP)
	}
	if i.State == model.InstanceTerminated && i.StateReason != "" {
		code, _, _ := strings.Cut(i.StateReason, ":")
		out.StateReason = &shape.StateReason{Code: &code, Message: &i.StateReason}
	}
	if n, ok := state.NetworkInterfaces.Get(r, i.ENI); ok {
		out.NetworkInterfaces = append(out.NetworkInterfaces, a.attached(r, n))
	}
	return out
}

func (a *API) attached(r store.Reader, n model.NetworkInterface) shape.InstanceNetworkInterface {
	s := a.showInterface(r, n)
	return shape.InstanceNetworkInterface{
		NetworkInterfaceId: &n.ID, SubnetId: &n.Subnet, VpcId: &n.VPC, MacAddress: &n.MAC, PrivateIpAddress: &n.IP,
		PrivateDnsName: s.PrivateDnsName, Status: s.Status, InterfaceType: s.InterfaceType, Groups: s.Groups, OwnerId: s.OwnerId,
		SourceDestCheck: s.SourceDestCheck, Description: &n.Description,
		Attachment: &shape.InstanceNetworkInterfaceAttachment{
			AttachmentId: s.Attachment.AttachmentId, AttachTime: &n.CreatedAt, DeleteOnTermination: yes, DeviceIndex: s.Attachment.DeviceIndex,
			Status: s.Attachment.Status,
		},
		PrivateIpAddresses: []shape.InstancePrivateIpAddress{{PrivateIpAddress: &n.IP, Primary: yes, PrivateDnsName: s.PrivateDnsName}},
		Operator:           operator,
	}
}

func stateOf(i model.Instance) *shape.InstanceState {
	return &shape.InstanceState{Code: wire.Ptr(states[string(i.State)]), Name: wire.Ptr(string(i.State))}
}

func launched(i model.Instance) *time.Time {
	if i.LaunchedAt.IsZero() {
		return &i.WantedAt
	}
	return &i.LaunchedAt
}

func profileID(r store.Reader, arn string) string {
	p, _ := state.InstanceProfiles.One(r, "arn", arn)
	return p.ID
}

// imageOf is the id of the image that managed instances of an architecture
// run, which no account owns. An instance says the same of itself
// (controllers/instance).
func (a *API) imageOf(t catalog.Type) string {
	h := sha256.Sum256([]byte("ecs-managed-instances-standard-" + t.Architecture() + "|" + a.Place.Region))
	return "ami-0" + hex.EncodeToString(h[:])[:16]
}

// DescribeInstanceStatus lists the checks of running instances, or of all.
// Errors: InvalidInstanceID.NotFound, InvalidParameterValue.
func (a *API) DescribeInstanceStatus(
	_ context.Context, in *shape.DescribeInstanceStatusInput,
) (*shape.DescribeInstanceStatusOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	all, next, err := a.pick(view, in.IncludeManagedResources, a.query(in, in.InstanceIds, in.Filters))
	if !wire.Val(in.IncludeAllInstances) {
		all = slices.DeleteFunc(slices.Clone(all), func(i model.Instance) bool { return i.State != model.InstanceRunning })
	}
	return &shape.DescribeInstanceStatusOutput{NextToken: next, InstanceStatuses: each(all, func(i model.Instance) shape.InstanceStatus {
		ok := summary(i)
		return shape.InstanceStatus{
			InstanceId: &i.ID, AvailabilityZone: &i.AvailabilityZone, InstanceState: stateOf(i), InstanceStatus: ok, SystemStatus: ok,
			Operator: operator,
		}
	})}, err
}

func summary(i model.Instance) *shape.InstanceStatusSummary {
	if i.State != model.InstanceRunning {
		return &shape.InstanceStatusSummary{Status: wire.Ptr("not-applicable")}
	}
	return &shape.InstanceStatusSummary{
		Status: wire.Ptr("ok"), Details: []shape.InstanceStatusDetails{{Name: wire.Ptr("reachability"), Status: wire.Ptr("passed")}},
	}
}

// DescribeInstanceAttribute shows one attribute. Errors:
// InvalidInstanceID.NotFound, InvalidParameterValue.
func (a *API) DescribeInstanceAttribute(
	_ context.Context, in *shape.DescribeInstanceAttributeInput,
) (*shape.DescribeInstanceAttributeOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	i, err := get(view, instances, state.Instances, in.InstanceId, "instanceId")
	if err != nil {
		return nil, err
	}
	no := &shape.AttributeBooleanValue{Value: wire.Ptr(false)}
	out := &shape.DescribeInstanceAttributeOutput{InstanceId: &i.ID}
	switch wire.Val(in.Attribute) {
	case "instanceType":
		out.InstanceType = &shape.AttributeValue{Value: &i.Type}
	case "groupSet":
		out.Groups = groupsOf(view, i.SecurityGroups)
	case "disableApiTermination":
		out.DisableApiTermination = no
	case "disableApiStop":
		out.DisableApiStop = no
	case "sourceDestCheck":
		out.SourceDestCheck = &shape.AttributeBooleanValue{Value: yes}
	case "ebsOptimized":
		out.EbsOptimized = no
	case "enaSupport":
		out.EnaSupport = &shape.AttributeBooleanValue{Value: yes}
	case "rootDeviceName":
		out.RootDeviceName = &shape.AttributeValue{Value: wire.Ptr("/dev/xvda")}
	case "userData":
		out.UserData = &shape.AttributeValue{}
	case "instanceInitiatedShutdownBehavior":
		out.InstanceInitiatedShutdownBehavior = &shape.AttributeValue{Value: wire.Ptr("terminate")}
	default:
		return nil, value("Value (%s) for parameter attribute is invalid. Unknown attribute.", wire.Val(in.Attribute))
	}
	return out, nil
}

// DescribeIamInstanceProfileAssociations lists which instance has which
// profile. Errors: InvalidAssociationID.NotFound, InvalidParameterValue.
func (a *API) DescribeIamInstanceProfileAssociations(
	_ context.Context, in *shape.DescribeIamInstanceProfileAssociationsInput,
) (*shape.DescribeIamInstanceProfileAssociationsOutput, error) {
	view := a.DB.View()
	n := noun[model.Instance]{
		id:     func(i model.Instance) string { return derived("iip-assoc", i.ID) },
		absent: "InvalidAssociationID.NotFound", called: "association ID",
		filters: map[string]func(model.Instance) []string{
			"instance-id": one(func(i model.Instance) string { return i.ID }),
			"state":       fixed[model.Instance]("associated"),
		},
	}
	all := slices.DeleteFunc(state.Instances.All(view), func(i model.Instance) bool {
		return i.ProfileARN == "" || i.State == model.InstanceTerminated
	})
	all, next, err := n.list(all, a.query(in, in.AssociationIds, in.Filters))
	return &shape.DescribeIamInstanceProfileAssociationsOutput{NextToken: next,
		IamInstanceProfileAssociations: each(all, func(i model.Instance) shape.IamInstanceProfileAssociation {
			return shape.IamInstanceProfileAssociation{
				AssociationId: wire.Ptr(n.id(i)), InstanceId: &i.ID, State: wire.Ptr("associated"),
				IamInstanceProfile: &shape.IamInstanceProfile{Arn: &i.ProfileARN, Id: wire.Ptr(profileID(view, i.ProfileARN))},
			}
		})}, err
}

// refused is EC2's answer to whoever would change a managed instance. Every
// instance is one.
func (a *API) refused(dry *bool, ids []string, verb string) error {
	view, err := a.look(dry)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return lacking("InstanceId")
	}
	if err := instances.present(state.Instances.All(view), ids); err != nil {
		return err
	}
	return fault.New(fault.Denied, "OperationNotPermitted", "%s", fmt.Sprintf(
		"The instance '%s' may not be %s. It is managed by the service provider ecs.amazonaws.com: you cannot modify it.", ids[0], verb))
}

// TerminateInstances is refused: ECS ends its instances. Errors:
// OperationNotPermitted, InvalidInstanceID.NotFound.
func (a *API) TerminateInstances(_ context.Context, in *shape.TerminateInstancesInput) (*shape.TerminateInstancesOutput, error) {
	return nil, a.refused(in.DryRun, in.InstanceIds, "terminated")
}

// StopInstances is refused, as TerminateInstances is. Errors: as
// TerminateInstances.
func (a *API) StopInstances(_ context.Context, in *shape.StopInstancesInput) (*shape.StopInstancesOutput, error) {
	return nil, a.refused(in.DryRun, in.InstanceIds, "stopped")
}

// StartInstances is refused, as TerminateInstances is. Errors: as
// TerminateInstances.
func (a *API) StartInstances(_ context.Context, in *shape.StartInstancesInput) (*shape.StartInstancesOutput, error) {
	return nil, a.refused(in.DryRun, in.InstanceIds, "started")
}

// RebootInstances is refused, as TerminateInstances is. Errors: as
// TerminateInstances.
func (a *API) RebootInstances(_ context.Context, in *shape.RebootInstancesInput) (*shape.RebootInstancesOutput, error) {
	return nil, a.refused(in.DryRun, in.InstanceIds, "rebooted")
}
