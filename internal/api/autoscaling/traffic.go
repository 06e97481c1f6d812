package autoscaling

import (
	"context"
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/autoscaling"
)

// Target groups of a group. They are called traffic sources too, of the type
// elbv2, and each operation has a twin of that name.

// balancerType is the type of a traffic source that is a target group.
const balancerType = "elbv2"

// mostAttached is how many target groups a group may have.
const mostAttached = 50

// trafficARNs are target groups that are named in either way.
func trafficARNs(arns []string, sources []shape.TrafficSourceIdentifier) ([]string, error) {
	out := slices.Clone(arns)
	for _, s := range sources {
		if kind := wire.Or(s.Type, balancerType); kind != balancerType {
			return nil, invalid("Traffic sources of the type %s are not built in Berth: %s are.", kind, balancerType)
		}
		out = append(out, wire.Val(s.Identifier))
	}
	return out, nil
}

// attach has the group's instances registered in target groups of its network
// whose targets are instances. One that is being detached is taken back.
func attach(r store.Reader, g *model.AutoScalingGroup, arns []string) error {
	for _, arn := range arns {
		t, ok := state.TargetGroups.Get(r, arn)
		switch {
		case !ok:
			return invalid("Provided Target Groups may not be valid. Please ensure they exist and try again.")
		case t.TargetType != "instance":
			return invalid("Target group %s has the target type %s: instances can only be registered in one of the type instance.", arn, t.TargetType)
		case slices.ContainsFunc(g.Subnets, func(id string) bool { s, _ := state.Subnets.Get(r, id); return s.VPC != t.VPC }):
			return invalid("Target group %s is of another VPC than the subnets of the Auto Scaling group.", arn)
		}
		g.Traffic = slices.DeleteFunc(g.Traffic, func(a model.GroupTraffic) bool { return a.TargetGroup == arn })
		g.Traffic = append(g.Traffic, model.GroupTraffic{TargetGroup: arn})
	}
	if len(g.Traffic) > mostAttached {
		return invalid("A group may have %d target groups.", mostAttached)
	}
	return nil
}

// detach begins to deregister the group's instances; a target group in which
// none is registered is forgotten at once.
func detach(r store.Reader, g *model.AutoScalingGroup, arns []string) error {
	for _, arn := range arns {
		n := slices.IndexFunc(g.Traffic, func(a model.GroupTraffic) bool { return a.TargetGroup == arn })
		if n < 0 {
			return invalid("Trying to remove Target Groups that are not part of the group")
		}
		g.Traffic[n].Removing = true
		if !slices.ContainsFunc(state.Targets.By(r, "group", arn), func(t model.Target) bool {
			i, ok := state.Instances.Get(r, t.ID)
			return ok && i.Group == g.Name
		}) {
			g.Traffic = slices.Delete(g.Traffic, n, n+1)
		}
	}
	return nil
}

func attachedTo(g model.AutoScalingGroup) []string {
	out := []string{}
	for _, a := range g.Traffic {
		if !a.Removing {
			out = append(out, a.TargetGroup)
		}
	}
	return out
}

func trafficSource(arn string) shape.TrafficSourceIdentifier {
	return shape.TrafficSourceIdentifier{Identifier: &arn, Type: wire.Ptr(balancerType)}
}

// AttachLoadBalancerTargetGroups has the instances of a group registered in
// target groups. Errors: ValidationError, ScalingActivityInProgress.
func (a *API) AttachLoadBalancerTargetGroups(
	ctx context.Context, in *shape.AttachLoadBalancerTargetGroupsInput,
) (*shape.AttachLoadBalancerTargetGroupsOutput, error) {
	return &shape.AttachLoadBalancerTargetGroupsOutput{}, a.edit(ctx, in.AutoScalingGroupName,
		func(tx *store.Tx, g *model.AutoScalingGroup) error { return attach(tx, g, in.TargetGroupARNs) })
}

// DetachLoadBalancerTargetGroups has them deregistered. Errors: ValidationError,
// ScalingActivityInProgress.
func (a *API) DetachLoadBalancerTargetGroups(
	ctx context.Context, in *shape.DetachLoadBalancerTargetGroupsInput,
) (*shape.DetachLoadBalancerTargetGroupsOutput, error) {
	return &shape.DetachLoadBalancerTargetGroupsOutput{}, a.edit(ctx, in.AutoScalingGroupName,
		func(tx *store.Tx, g *model.AutoScalingGroup) error { return detach(tx, g, in.TargetGroupARNs) })
}

// AttachTrafficSources is AttachLoadBalancerTargetGroups under its newer name.
// Errors: ValidationError, ScalingActivityInProgress.
func (a *API) AttachTrafficSources(ctx context.Context, in *shape.AttachTrafficSourcesInput) (*shape.AttachTrafficSourcesOutput, error) {
	arns, err := trafficARNs(nil, in.TrafficSources)
	if err != nil {
		return nil, err
	}
	return &shape.AttachTrafficSourcesOutput{}, a.edit(ctx, in.AutoScalingGroupName,
		func(tx *store.Tx, g *model.AutoScalingGroup) error { return attach(tx, g, arns) })
}

// DetachTrafficSources is DetachLoadBalancerTargetGroups under its newer name.
// Errors: ValidationError, ScalingActivityInProgress.
func (a *API) DetachTrafficSources(ctx context.Context, in *shape.DetachTrafficSourcesInput) (*shape.DetachTrafficSourcesOutput, error) {
	arns, err := trafficARNs(nil, in.TrafficSources)
	if err != nil {
		return nil, err
	}
	return &shape.DetachTrafficSourcesOutput{}, a.edit(ctx, in.AutoScalingGroupName,
		func(tx *store.Tx, g *model.AutoScalingGroup) error { return detach(tx, g, arns) })
}

// DescribeLoadBalancerTargetGroups lists a group's target groups and how far
// their registrations are. Errors: InvalidNextToken, ValidationError,
// ScalingActivityInProgress.
func (a *API) DescribeLoadBalancerTargetGroups(
	_ context.Context, in *shape.DescribeLoadBalancerTargetGroupsInput,
) (*shape.DescribeLoadBalancerTargetGroupsOutput, error) {
	view := a.DB.View()
	g, err := group(view, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(pages, in, traffic(g), attachment)
	return &shape.DescribeLoadBalancerTargetGroupsOutput{NextToken: next, LoadBalancerTargetGroups: each(all,
		func(t model.GroupTraffic) shape.LoadBalancerTargetGroupState {
			return shape.LoadBalancerTargetGroupState{LoadBalancerTargetGroupARN: &t.TargetGroup, State: wire.Ptr(registration(view, g, t))}
		})}, err
}

// DescribeTrafficSources is DescribeLoadBalancerTargetGroups under its newer
// name. Errors: InvalidNextToken, ValidationError, ScalingActivityInProgress.
func (a *API) DescribeTrafficSources(
	_ context.Context, in *shape.DescribeTrafficSourcesInput,
) (*shape.DescribeTrafficSourcesOutput, error) {
	view := a.DB.View()
	g, err := group(view, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	attached := traffic(g)
	if wire.Or(in.TrafficSourceType, balancerType) != balancerType {
		attached = nil
	}
	all, next, err := page.Cut(pages, in, attached, attachment)
	return &shape.DescribeTrafficSourcesOutput{NextToken: next, TrafficSources: each(all,
		func(t model.GroupTraffic) shape.TrafficSourceState {
			return shape.TrafficSourceState{TrafficSource: &t.TargetGroup, Identifier: &t.TargetGroup, Type: wire.Ptr(balancerType),
				State: wire.Ptr(registration(view, g, t))}
		})}, err
}

func attachment(t model.GroupTraffic) string { return t.TargetGroup }

func traffic(g model.AutoScalingGroup) []model.GroupTraffic {
	all := slices.Clone(g.Traffic)
	slices.SortFunc(all, func(x, y model.GroupTraffic) int { return strings.Compare(x.TargetGroup, y.TargetGroup) })
	return all
}

// registration is how far a target group is: Adding while instances in service
// are not registered, InService once one of them is healthy.
func registration(r store.Reader, g model.AutoScalingGroup, t model.GroupTraffic) string {
	if t.Removing {
		return "Removing"
	}
	of := map[string]model.Target{}
	for _, x := range state.Targets.By(r, "group", t.TargetGroup) {
		of[x.ID] = x
	}
	out := "Added"
	for _, i := range members(r, g) {
		x, ok := of[i.ID]
		switch {
		case lifecycle(r, i) != "InService":
		case !ok:
			return "Adding"
		case x.State == model.TargetHealthy:
			out = "InService"
		}
	}
	return out
}
