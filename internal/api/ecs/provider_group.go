package ecs

import (
	"context"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// Capacity providers of Auto Scaling groups (docs/facts/ec2-launch-type.md E300
// and on). They are of no cluster until PutClusterCapacityProviders or
// CreateCluster names them.

const (
	switchOn, switchOff = "ENABLED", "DISABLED"
	badProtection       = "The managed termination protection setting for the capacity provider is invalid. To enable managed termination " +
		"protection for a capacity provider, "
)

// readGroupProvider reads what a call says of the group. Errors:
// InvalidParameterException, ClientException.
func readGroupProvider(in *shape.AutoScalingGroupProvider) (*model.GroupProvider, error) {
	arn := wire.Val(in.AutoScalingGroupArn)
	if arn == "" {
		return nil, invalid("autoScalingGroupArn is required.")
	}
	g := &model.GroupProvider{
		Name: arn[strings.LastIndexByte(arn, '/')+1:], ARN: arn, Drains: true,
		Scaling: model.ManagedScaling{Target: 100, MinStep: 1, MaxStep: 10000, WarmUp: 300},
	}
	return g, setGroupProvider(g, in.ManagedScaling, in.ManagedTerminationProtection, in.ManagedDraining)
}

// setGroupProvider writes what is given over what there is, and checks the
// whole. Errors: InvalidParameterException, ClientException.
func setGroupProvider(g *model.GroupProvider, scaling *shape.ManagedScaling, protects, drains *string) error {
	if s := scaling; s != nil {
		g.Scaling = model.ManagedScaling{
			Enabled: wire.Or(s.Status, off(!g.Scaling.Enabled)) == switchOn, Target: wire.Or(s.TargetCapacity, g.Scaling.Target),
			MinStep: wire.Or(s.MinimumScalingStepSize, g.Scaling.MinStep), MaxStep: wire.Or(s.MaximumScalingStepSize, g.Scaling.MaxStep),
			WarmUp: wire.Or(s.InstanceWarmupPeriod, g.Scaling.WarmUp),
		}
	}
	g.Protects = wire.Or(protects, off(!g.Protects)) == switchOn
	g.Drains = wire.Or(drains, off(!g.Drains)) == switchOn
	switch s := g.Scaling; {
	case s.Target < 1 || s.Target > 100:
		return invalid("targetCapacity must be between 1 and 100.")
	case s.MinStep < 1 || s.MinStep > 10000 || s.MaxStep < 1 || s.MaxStep > 10000:
		return invalid("minimumScalingStepSize and maximumScalingStepSize must be between 1 and 10000.")
	case s.MinStep > s.MaxStep:
		return invalid("minimumScalingStepSize cannot be greater than maximumScalingStepSize.")
	case s.WarmUp < 0 || s.WarmUp > 10000:
		return invalid("instanceWarmupPeriod must be between 0 and 10000.")
	case g.Protects && !s.Enabled:
		return client(badProtection + "managed scaling must be enabled.")
	}
	return nil
}

func off(is bool) string {
	if is {
		return switchOff
	}
	return switchOn
}

// newGroupProvider makes one. Errors: ClientException.
func newGroupProvider(tx *store.Tx, p model.CapacityProvider) error {
	if old, ok := state.CapacityProviders.Get(tx, p.Name); ok && old.Status != model.ProviderInactive {
		return client(alreadyThere)
	}
	g, ok := state.AutoScalingGroups.Get(tx, p.Group.Name)
	if !ok || g.Deleting || strings.Contains(p.Group.ARN, ":") && p.Group.ARN != g.ARN {
		return client("The specified Auto Scaling group ARN is invalid. Specify a valid Auto Scaling group ARN and try again.")
	}
	for _, o := range state.CapacityProviders.All(tx) {
		if o.Group != nil && o.Group.Name == g.Name && o.Name != p.Name && o.Status != model.ProviderInactive {
			return client("The specified Auto Scaling group ARN is already being used by another capacity provider. Specify a unique Auto " +
				"Scaling group ARN and try again.")
		}
	}
	p.Group.ARN = g.ARN
	if err := protectable(tx, p); err != nil {
		return err
	}
	return state.CapacityProviders.Put(tx, p)
}

// protectable checks that the group's instances are protected from the start,
// if they are to be. Errors: ClientException.
func protectable(r store.Reader, p model.CapacityProvider) error {
	if g, _ := state.AutoScalingGroups.Get(r, p.Group.Name); p.Group.Protects && !g.NewProtected {
		return client(badProtection + "the Auto Scaling group must have instance protection from scale in enabled.")
	}
	return nil
}

// updateGroupProvider changes how a group is scaled. Errors: ClientException,
// InvalidParameterException.
func (a *API) updateGroupProvider(ctx context.Context, in *shape.UpdateCapacityProviderInput) (*shape.UpdateCapacityProviderOutput, error) {
	var p model.CapacityProvider
	now := a.Clock.Now()
	err := a.update(ctx, func(tx *store.Tx) error {
		var err error
		if p, err = provider(tx, wire.Val(in.Name), in.Cluster); err != nil {
			return err
		}
		if p.Group == nil {
			return invalid("The specified capacity provider is not an Auto Scaling group capacity provider.")
		}
		p = model.Clone(p)
		u := in.AutoScalingGroupProvider
		if err := setGroupProvider(p.Group, u.ManagedScaling, u.ManagedTerminationProtection, u.ManagedDraining); err != nil {
			return err
		}
		if err := protectable(tx, p); err != nil {
			return err
		}
		p.UpdateStatus, p.ChangedAt = model.ProviderUpdateComplete, now
		return state.CapacityProviders.Put(tx, p)
	})
	if err != nil {
		return nil, err
	}
	out := showGroupProvider(p, true)
	return &shape.UpdateCapacityProviderOutput{CapacityProvider: &out}, nil
}

func showGroupProvider(p model.CapacityProvider, tags bool) shape.CapacityProvider {
	g, s := p.Group, p.Group.Scaling
	out := shape.CapacityProvider{
		CapacityProviderArn: &p.ARN, Name: &p.Name, Status: wire.Ptr(string(p.Status)), UpdateStatus: wire.Ptr(string(p.UpdateStatus)),
		Type: wire.Ptr("EC2_AUTOSCALING"), Tags: []shape.Tag{},
		AutoScalingGroupProvider: &shape.AutoScalingGroupProvider{
			AutoScalingGroupArn: &g.ARN, ManagedTerminationProtection: wire.Ptr(off(!g.Protects)), ManagedDraining: wire.Ptr(off(!g.Drains)),
			ManagedScaling: &shape.ManagedScaling{
				Status: wire.Ptr(off(!s.Enabled)), TargetCapacity: &s.Target, MinimumScalingStepSize: &s.MinStep, MaximumScalingStepSize: &s.MaxStep,
				InstanceWarmupPeriod: &s.WarmUp,
			},
		},
	}
	if tags {
		out.Tags = showTags(p.Tags)
	}
	return out
}

// groupAttachments are what ECS attaches to a cluster for one of its providers
// of an Auto Scaling group.
func groupAttachments(p model.CapacityProvider) []shape.Attachment {
	one := func(kind string) shape.Attachment {
		return shape.Attachment{
			Id: wire.Ptr(kind + "/" + p.Name), Type: &kind, Status: wire.Ptr("CREATED"),
			Details: []shape.KeyValuePair{{Name: wire.Ptr("capacityProviderName"), Value: &p.Name}},
		}
	}
	var out []shape.Attachment
	if p.Group.Scaling.Enabled {
		out = append(out, one("as_policy"))
	}
	if p.Group.Drains {
		out = append(out, one("managed_draining"))
	}
	return out
}
