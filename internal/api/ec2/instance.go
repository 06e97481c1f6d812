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
		"operator.managed":         flag(managed),
		"operator.principal":       one(principal),
		"image-id":                 one(func(i model.Instance) string { return wire.Val(image(i)) }),
		"instance-lifecycle":       one(func(i model.Instance) string { return wire.Val(lifecycle(i)) }),
		"monitoring-state":         one(monitoring),
	},
}

// managed reports whether ECS owns an instance: those of Managed Instances.
func managed(i model.Instance) bool { return i.Kind != model.KindEC2 }

func principal(i model.Instance) string {
	if managed(i) {
		return "ecs.amazonaws.com"
	}
	return ""
}

// operatorOf is who operates an instance, if not its owner.
func operatorOf(i model.Instance) *shape.OperatorResponse {
	if managed(i) {
		return operator
	}
	return &shape.OperatorResponse{Managed: wire.Ptr(false)}
}

// image is what an instance of one's own was launched from.
func image(i model.Instance) *string {
	if i.Launch == nil {
		return nil
	}
	return &i.Launch.ImageID
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

// owned are the account's instances: slices of Fargate are not its own.
func owned(r store.Reader) []model.Instance {
	return slices.DeleteFunc(state.Instances.All(r), func(i model.Instance) bool { return i.Kind == model.KindSlice })
}

// pick lists instances: managed ones only by id or when they are visible.
func (a *API) pick(view store.Reader, include *bool, q query) ([]model.Instance, *string, error) {
	all := owned(view)
	n := instances
	vpcOf := func(i model.Instance) string { s, _ := state.Subnets.Get(view, i.Subnet); return s.VPC }
	n.filters = with(n.filters, "vpc-id", one(vpcOf))
	if len(q.ids) == 0 && !wire.Val(include) && !visible(view) {
		all = slices.DeleteFunc(all, managed)
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
		out := shape.Reservation{
			ReservationId: wire.Ptr(derived("r", i.ID)), OwnerId: &a.Place.Account, RequesterId: wire.Ptr("amazon-ecs"),
			Groups: []shape.GroupIdentifier{}, Instances: []shape.Instance{a.showInstance(view, i)},
		}
		if i.Launch != nil {
			out.ReservationId, out.RequesterId = &i.Launch.Reservation, nil
		}
		return out
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
	if l := i.Launch; l != nil {
		out.ImageId, out.ClientToken, out.Operator = &l.ImageID, text(l.Token), operatorOf(i)
		out.MetadataOptions.HttpTokens, out.MetadataOptions.HttpPutResponseHopLimit = &l.Metadata.Tokens, &l.Metadata.HopLimit
		out.MetadataOptions.HttpEndpoint, out.MetadataOptions.InstanceMetadataTags = &l.Metadata.Endpoint, &l.Metadata.Tags
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
		out.PublicIpAddress = text(n.PublicIP)
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
			Operator: operatorOf(i),
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
		out.DisableApiTermination = &shape.AttributeBooleanValue{Value: wire.Ptr(i.Launch != nil && i.Launch.Protected)}
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
		if i.Launch != nil {
			out.UserData.Value = text(i.Launch.UserData)
		}
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
	all := slices.DeleteFunc(owned(view), func(i model.Instance) bool {
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

// refused is EC2's answer to whoever would change a managed instance.
func (a *API) refused(dry *bool, ids []string, verb string) error {
	view, err := a.look(dry)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return lacking("InstanceId")
	}
	if err := instances.present(owned(view), ids); err != nil {
		return err
	}
	for _, id := range ids {
		if i, _ := state.Instances.Get(view, id); managed(i) {
			return fault.New(fault.Denied, "OperationNotPermitted", "%s", fmt.Sprintf(
				"The instance '%s' may not be %s. It is managed by the service provider ecs.amazonaws.com: you cannot modify it.", id, verb))
		}
	}
	return nil
}

// TerminateInstances ends instances; those that ECS manages it refuses. Errors:
// OperationNotPermitted, InvalidInstanceID.NotFound, MissingParameter.
func (a *API) TerminateInstances(ctx context.Context, in *shape.TerminateInstancesInput) (*shape.TerminateInstancesOutput, error) {
	if err := a.refused(nil, in.InstanceIds, "terminated"); err != nil {
		return nil, err
	}
	out, now, group := &shape.TerminateInstancesOutput{}, a.Clock.Now(), wire.CallFrom(ctx).Principal.Service != ""
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		out.TerminatingInstances = nil
		for _, id := range in.InstanceIds {
			i, ok := state.Instances.Get(tx, id)
			if !ok {
				return instances.gone(id)
			}
			if i.Launch.Protected && !group {
				return fault.New(fault.Denied, "OperationNotPermitted", "The instance '%s' may not be terminated. "+
					"Modify its 'disableApiTermination' instance attribute and try again.", id)
			}
			if err := state.Instances.Edit(tx, id, func(i *model.Instance) error { return terminate(i, now) }); err != nil {
				return err
			}
			current := &shape.InstanceState{Code: wire.Ptr(states["shutting-down"]), Name: wire.Ptr("shutting-down")}
			if i.State == model.InstanceTerminated {
				current = stateOf(i)
			}
			out.TerminatingInstances = append(out.TerminatingInstances, shape.InstanceStateChange{
				InstanceId: &id, PreviousState: stateOf(i), CurrentState: current,
			})
		}
		return nil
	})
	return out, err
}

func terminate(i *model.Instance, now time.Time) error {
	if i.Goal != model.GoalTerminate {
		i.Goal, i.GoalReason, i.GoalAt = model.GoalTerminate, "User initiated", now
		i.Version++
	}
	return nil
}

// unbuilt refuses what Berth cannot do with an instance of one's own either.
func (a *API) unbuilt(dry *bool, ids []string, verb, operation string) error {
	if err := a.refused(dry, ids, verb); err != nil {
		return err
	}
	return wire.NotBuilt("ec2", operation)
}

// StopInstances is refused: an instance's machine has no disk that outlives it.
// Errors: OperationNotPermitted,
// InvalidInstanceID.NotFound.
func (a *API) StopInstances(_ context.Context, in *shape.StopInstancesInput) (*shape.StopInstancesOutput, error) {
	return nil, a.unbuilt(in.DryRun, in.InstanceIds, "stopped", "StopInstances")
}

// StartInstances is refused, as StopInstances is. Errors:
// OperationNotPermitted, InvalidInstanceID.NotFound.
func (a *API) StartInstances(_ context.Context, in *shape.StartInstancesInput) (*shape.StartInstancesOutput, error) {
	return nil, a.unbuilt(in.DryRun, in.InstanceIds, "started", "StartInstances")
}

// RebootInstances is refused, as StopInstances is. Errors:
// OperationNotPermitted, InvalidInstanceID.NotFound.
func (a *API) RebootInstances(_ context.Context, in *shape.RebootInstancesInput) (*shape.RebootInstancesOutput, error) {
	return nil, a.unbuilt(in.DryRun, in.InstanceIds, "rebooted", "RebootInstances")
}
