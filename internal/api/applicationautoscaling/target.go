package applicationautoscaling

import (
	"context"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/applicationautoscaling"
	"berth/internal/wire/shape/ecs"
)

// RegisterScalableTarget makes or changes a scalable target, and brings the
// service's desired count between its bounds at once. Errors:
// ValidationException, NotImplemented.
func (a *API) RegisterScalableTarget(
	ctx context.Context, in *shape.RegisterScalableTargetInput,
) (*shape.RegisterScalableTargetOutput, error) {
	p, err := where(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	view := a.DB.View()
	svc, ok := p.find(view)
	if !ok {
		return nil, invalid("ECS service doesn't exist: %s", p.resource)
	}
	if err := a.permitted(ctx, view, svc.ARN, "ecs:DescribeServices", "ecs:UpdateService"); err != nil {
		return nil, err
	}
	fresh := model.ScalableTarget{
		ARN: a.Place.ARN("application-autoscaling", "scalable-target/"+a.IDs.Hex(36)), Namespace: namespace, ResourceID: p.resource,
		Dimension: dimension, RoleARN: a.linkedARN(), CreatedAt: a.Clock.Now(),
	}
	var t model.ScalableTarget
	err = a.update(ctx, func(tx *store.Tx) error {
		old, exists := state.ScalableTargets.Get(tx, p.key())
		if t = fresh; exists {
			t = model.Clone(old)
		}
		if err := setTarget(&t, in, exists); err != nil {
			return err
		}
		return state.ScalableTargets.Put(tx, t)
	})
	if err != nil {
		return nil, err
	}
	return &shape.RegisterScalableTargetOutput{ScalableTargetARN: &t.ARN}, a.clamp(ctx, p, t)
}

// setTarget writes what a call gives into a target and checks the whole.
func setTarget(t *model.ScalableTarget, in *shape.RegisterScalableTargetInput, exists bool) error {
	switch {
	case !exists && in.MinCapacity == nil:
		return invalid("Minimum capacity must be specified")
	case !exists && in.MaxCapacity == nil:
		return invalid("Maximum capacity must be specified")
	case exists && len(in.Tags) > 0:
		return invalid(
			"The scalable target that you tried to tag already exists. To update tags on an existing scalable target, use the TagResource API.",
		)
	}
	t.Min, t.Max = wire.Or(in.MinCapacity, t.Min), wire.Or(in.MaxCapacity, t.Max)
	switch {
	case t.Min < 0:
		return invalid("Minimum capacity cannot be less than 0")
	case t.Max < t.Min:
		return invalid("Maximum capacity cannot be less than minimum capacity")
	}
	if s := in.SuspendedState; s != nil {
		t.SuspendIn = wire.Or(s.DynamicScalingInSuspended, t.SuspendIn)
		t.SuspendOut = wire.Or(s.DynamicScalingOutSuspended, t.SuspendOut)
		t.SuspendScheduled = wire.Or(s.ScheduledScalingSuspended, t.SuspendScheduled)
	}
	if exists {
		return nil
	}
	var err error
	t.Tags, err = tagged(nil, in.Tags)
	return err
}

// DeregisterScalableTarget removes a scalable target with its policies, their
// alarms and its scheduled actions. Errors: ObjectNotFoundException.
func (a *API) DeregisterScalableTarget(
	ctx context.Context, in *shape.DeregisterScalableTargetInput,
) (*shape.DeregisterScalableTargetOutput, error) {
	p, err := where(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	view := a.DB.View()
	if _, ok := state.ScalableTargets.Get(view, p.key()); !ok {
		return nil, p.noTarget()
	}
	var alarms []string
	for _, policy := range state.ScalingPolicies.By(view, "target", p.key()) {
		alarms = append(alarms, policy.Alarms...)
	}
	if err := a.deleteAlarms(ctx, alarms); err != nil {
		return nil, err
	}
	return &shape.DeregisterScalableTargetOutput{}, a.update(ctx, func(tx *store.Tx) error {
		for _, policy := range state.ScalingPolicies.By(tx, "target", p.key()) {
			if err := state.ScalingPolicies.Delete(tx, policy.ARN); err != nil {
				return err
			}
		}
		for _, action := range state.ScheduledActions.By(tx, "target", p.key()) {
			if err := state.ScheduledActions.Delete(tx, action.ARN); err != nil {
				return err
			}
		}
		return state.ScalableTargets.Delete(tx, p.key())
	})
}

// DescribeScalableTargets lists scalable targets. Errors:
// ValidationException, InvalidNextTokenException.
func (a *API) DescribeScalableTargets(
	_ context.Context, in *shape.DescribeScalableTargetsInput,
) (*shape.DescribeScalableTargetsOutput, error) {
	keys, err := filter(in.ServiceNamespace, in.ScalableDimension, in.ResourceIds...)
	if err != nil {
		return nil, err
	}
	var all []model.ScalableTarget
	for _, t := range state.ScalableTargets.All(a.DB.View()) {
		if keys == nil || keys[t.Key()] {
			all = append(all, t)
		}
	}
	all, next, err := page.Cut(pages, in, all, model.ScalableTarget.Key)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeScalableTargetsOutput{ScalableTargets: []shape.ScalableTarget{}, NextToken: next}
	for _, t := range all {
		out.ScalableTargets = append(out.ScalableTargets, shape.ScalableTarget{
			ServiceNamespace: wire.Ptr(t.Namespace), ResourceId: wire.Ptr(t.ResourceID), ScalableDimension: wire.Ptr(t.Dimension),
			MinCapacity: wire.Ptr(t.Min), MaxCapacity: wire.Ptr(t.Max), RoleARN: wire.Ptr(t.RoleARN), CreationTime: wire.Ptr(t.CreatedAt),
			ScalableTargetARN: wire.Ptr(t.ARN), SuspendedState: &shape.SuspendedState{
				DynamicScalingInSuspended: wire.Ptr(t.SuspendIn), DynamicScalingOutSuspended: wire.Ptr(t.SuspendOut),
				ScheduledScalingSuspended: wire.Ptr(t.SuspendScheduled),
			},
		})
	}
	return out, nil
}

// filter reads what a Describe call narrows itself to: the keys of targets, or
// nil for all of the namespace.
func filter(ns, dim *string, resources ...string) (map[string]bool, error) {
	if err := known(wire.Val(ns), wire.Val(dim)); err != nil {
		return nil, err
	}
	if len(resources) == 0 {
		if dim != nil {
			return nil, invalid("Resource ID must be specified when scalable dimension is specified")
		}
		return nil, nil
	}
	keys := map[string]bool{}
	for _, r := range resources {
		p, err := parse(r)
		if err != nil {
			return nil, err
		}
		keys[p.key()] = true
	}
	return keys, nil
}

// list is one page of what belongs to targets, in order of target and name: of
// the targets keys, if they are not nil, and of the names, if there are any.
func list[T any](in any, from []T, keys map[string]bool, names []string, of func(T) (target, name string)) ([]T, *string, error) {
	all := slices.DeleteFunc(from, func(x T) bool {
		target, name := of(x)
		if !strings.HasPrefix(target, namespace+"|") {
			return true // of an Auto Scaling group
		}
		return keys != nil && !keys[target] || len(names) > 0 && !slices.Contains(names, name)
	})
	key := func(x T) string { return page.Key(of(x)) }
	slices.SortFunc(all, func(x, y T) int { return strings.Compare(key(x), key(y)) })
	return page.Cut(pages, in, all, key)
}

// given is an optional resource ID as a list.
func given(resource *string) []string {
	if resource == nil {
		return nil
	}
	return []string{*resource}
}

// clamp brings the desired count between the bounds. ECS's refusal is the
// activity's, not the call's, which has been taken.
func (a *API) clamp(ctx context.Context, p place, t model.ScalableTarget) error {
	svc, ok := p.find(a.DB.View())
	to, cause := svc.DesiredCount, ""
	switch {
	case !ok || svc.Status != model.ServiceActive:
		return nil
	case to < t.Min:
		to, cause = t.Min, "minimum capacity was set to "
	case to > t.Max:
		to, cause = t.Max, "maximum capacity was set to "
	default:
		return nil
	}
	act := model.ScalingActivity{ID: a.IDs.UUID(), Target: t.Key(), To: to, StartedAt: a.Clock.Now(), Status: model.ActivityInProgress}
	act.Description, act.Cause, act.Message = setting(to), cause+count(to), success(to)
	_, err := ecs.Client{Caller: a.As(a.linked("AutoScaling-UpdateDesiredCapacity"))}.UpdateService(ctx,
		&ecs.UpdateServiceInput{Cluster: &p.cluster, Service: &p.service, DesiredCount: &to})
	if err != nil {
		act.Status, act.Message, act.EndedAt = model.ActivityFailed,
			"Failed to set desired count to "+count(to)+". Reason: "+fault.MessageOf(err), act.StartedAt
	}
	return a.update(ctx, func(tx *store.Tx) error { return state.ScalingActivities.Put(tx, act) })
}
