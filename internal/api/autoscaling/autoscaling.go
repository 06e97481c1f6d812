// Package autoscaling is the API of Application Auto Scaling, for the desired
// count of ECS services: targets, target tracking and step policies, and the
// alarms of target tracking.
//
// It owns scalable targets and policies, and writes the alarms that a target
// tracking policy needs; controllers/scaling evaluates them and acts, and also
// brings a service between a target's new bounds. Scheduled and predictive
// scaling, and other services than ECS, are refused by name. It waits for
// nothing. Safe for concurrent use.
package autoscaling

import (
	"context"
	_ "embed"
	"slices"
	"strings"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/autoscaling"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

const writer = "api/autoscaling"

// Deps are what the API needs.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock
	IDs   *ident.Source
	Place ident.Place
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API { return &API{Deps: d} }

func (a *API) update(ctx context.Context, fn func(*store.Tx) error) error {
	return a.DB.Update(ctx, writer, fn)
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "ValidationException", format, args...)
}

func noTarget(ns, id, dim string) error {
	return fault.New(fault.NotFound, "ObjectNotFoundException", "No scalable target found for service namespace: %s, resource ID: %s, scalable dimension: %s", ns, id, dim)
}

func key(ns, id, dim string) string {
	return model.ScalableTarget{Namespace: ns, ResourceID: id, Dimension: dim}.Key()
}

// checkScope accepts the desired count of ECS services and refuses the rest.
func checkScope(ns, dim string) error {
	if ns != "ecs" || dim != "ecs:service:DesiredCount" {
		return fault.New(fault.NotImplemented, "NotImplemented", "Scaling %s of %s is not implemented by Berth; ecs:service:DesiredCount of ecs is.", dim, ns)
	}
	return nil
}

// service finds the service that a resource id names.
func service(r store.Reader, id string) (model.Service, bool) {
	f := strings.Split(id, "/")
	if len(f) != 3 || f[0] != "service" {
		return model.Service{}, false
	}
	for _, s := range state.Services.By(r, "name", f[1]+"/"+f[2]) {
		if s.Status != "INACTIVE" {
			return s, true
		}
	}
	return model.Service{}, false
}

// RegisterScalableTarget makes or changes a target; the service's desired
// count is then brought between the bounds. Errors: ValidationException,
// LimitExceededException.
func (a *API) RegisterScalableTarget(ctx context.Context, in *shape.RegisterScalableTargetInput) (*shape.RegisterScalableTargetOutput, error) {
	ns, id, dim := wire.Val(in.ServiceNamespace), wire.Val(in.ResourceId), wire.Val(in.ScalableDimension)
	if err := checkScope(ns, dim); err != nil {
		return nil, err
	}
	fresh := model.ScalableTarget{
		ARN: a.Place.ARN("application-autoscaling", "scalable-target/0"+a.IDs.Hex(35)), Namespace: ns, ResourceID: id, Dimension: dim, CreatedAt: a.Clock.Now(),
	}
	var arn string
	err := a.update(ctx, func(tx *store.Tx) error {
		if _, ok := service(tx, id); !ok {
			return invalid("ECS service doesn't exist: %s", id)
		}
		t, had := state.ScalableTargets.Get(tx, key(ns, id, dim))
		if !had {
			t = fresh
			if in.MinCapacity == nil || in.MaxCapacity == nil {
				return invalid("Both MinCapacity and MaxCapacity are required for registering a new scalable target")
			}
		}
		t = model.Clone(t)
		t.Min, t.Max = wire.Or(in.MinCapacity, t.Min), wire.Or(in.MaxCapacity, t.Max)
		switch {
		case t.Min < 0 || t.Max < 0:
			return invalid("Minimum and maximum capacity must not be negative")
		case t.Min > t.Max:
			return invalid("Maximum capacity cannot be less than minimum capacity")
		}
		// The service-linked role does the work: the role that is given is
		// kept and not used (facts/deployments 3.1).
		t.RoleARN = wire.Or(in.RoleARN, t.RoleARN)
		if s := in.SuspendedState; s != nil {
			t.SuspendIn, t.SuspendOut = wire.Or(s.DynamicScalingInSuspended, t.SuspendIn), wire.Or(s.DynamicScalingOutSuspended, t.SuspendOut)
			t.SuspendScheduled = wire.Or(s.ScheduledScalingSuspended, t.SuspendScheduled)
		}
		for k, v := range in.Tags {
			t.Tags = model.SetTags(t.Tags, []model.Tag{{Key: k, Value: v}})
		}
		t.Clamp = true
		arn = t.ARN
		return state.ScalableTargets.Put(tx, t)
	})
	if err != nil {
		return nil, err
	}
	return &shape.RegisterScalableTargetOutput{ScalableTargetARN: wire.Ptr(arn)}, nil
}

// DeregisterScalableTarget removes a target with its policies and their
// alarms. Errors: ObjectNotFoundException.
func (a *API) DeregisterScalableTarget(ctx context.Context, in *shape.DeregisterScalableTargetInput) (*shape.DeregisterScalableTargetOutput, error) {
	ns, id, dim := wire.Val(in.ServiceNamespace), wire.Val(in.ResourceId), wire.Val(in.ScalableDimension)
	return &shape.DeregisterScalableTargetOutput{}, a.update(ctx, func(tx *store.Tx) error {
		t, ok := state.ScalableTargets.Get(tx, key(ns, id, dim))
		if !ok {
			return noTarget(ns, id, dim)
		}
		for _, p := range state.ScalingPolicies.By(tx, "target", t.Key()) {
			if err := deletePolicy(tx, p); err != nil {
				return err
			}
		}
		return state.ScalableTargets.Delete(tx, t.Key())
	})
}

func deletePolicy(tx *store.Tx, p model.ScalingPolicy) error {
	for _, n := range p.Alarms {
		if err := state.Alarms.Delete(tx, n); err != nil {
			return err
		}
	}
	return state.ScalingPolicies.Delete(tx, p.ARN)
}

// page cuts one page out of a list; the token is the key of the last item.
func page[T any](all []T, token *string, limit *int64, key func(T) string) ([]T, *string, error) {
	if t := wire.Val(token); t != "" {
		i := slices.IndexFunc(all, func(v T) bool { return key(v) == t })
		if i < 0 {
			return nil, nil, fault.New(fault.Invalid, "InvalidNextTokenException", "Invalid next token")
		}
		all = all[i+1:]
	}
	if n := int(wire.Or(limit, 50)); n > 0 && n < len(all) {
		return all[:n], wire.Ptr(key(all[n-1])), nil
	}
	return all, nil, nil
}

// DescribeScalableTargets lists targets. Errors: InvalidNextTokenException.
func (a *API) DescribeScalableTargets(_ context.Context, in *shape.DescribeScalableTargetsInput) (*shape.DescribeScalableTargetsOutput, error) {
	var all []model.ScalableTarget
	for _, t := range state.ScalableTargets.All(a.DB.View()) {
		if t.Namespace == wire.Val(in.ServiceNamespace) && (in.ScalableDimension == nil || *in.ScalableDimension == t.Dimension) &&
			(len(in.ResourceIds) == 0 || slices.Contains(in.ResourceIds, t.ResourceID)) {
			all = append(all, t)
		}
	}
	all, next, err := page(all, in.NextToken, in.MaxResults, model.ScalableTarget.Key)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeScalableTargetsOutput{NextToken: next, ScalableTargets: []shape.ScalableTarget{}}
	for _, t := range all {
		out.ScalableTargets = append(out.ScalableTargets, shape.ScalableTarget{
			ServiceNamespace: wire.Ptr(t.Namespace), ResourceId: wire.Ptr(t.ResourceID), ScalableDimension: wire.Ptr(t.Dimension), MinCapacity: wire.Ptr(t.Min), MaxCapacity: wire.Ptr(t.Max),
			RoleARN: wire.Ptr(a.linkedRole()), CreationTime: wire.Ptr(t.CreatedAt), ScalableTargetARN: wire.Ptr(t.ARN),
			SuspendedState: &shape.SuspendedState{DynamicScalingInSuspended: wire.Ptr(t.SuspendIn), DynamicScalingOutSuspended: wire.Ptr(t.SuspendOut), ScheduledScalingSuspended: wire.Ptr(t.SuspendScheduled)},
		})
	}
	return out, nil
}

// linkedRole is the role that Application Auto Scaling really uses.
func (a *API) linkedRole() string {
	return a.Place.GlobalARN("iam", "role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService")
}

// DescribeScalingActivities lists what was done, newest first. Errors:
// InvalidNextTokenException.
func (a *API) DescribeScalingActivities(_ context.Context, in *shape.DescribeScalingActivitiesInput) (*shape.DescribeScalingActivitiesOutput, error) {
	var all []model.ScalingActivity
	for _, x := range state.ScalingActivities.All(a.DB.View()) {
		f := strings.Split(x.Target, "|")
		if f[0] != wire.Val(in.ServiceNamespace) || in.ResourceId != nil && *in.ResourceId != f[1] || in.ScalableDimension != nil && *in.ScalableDimension != f[2] {
			continue
		}
		if len(x.NotScaled) > 0 && !wire.Val(in.IncludeNotScaledActivities) {
			continue
		}
		all = append(all, x)
	}
	slices.SortStableFunc(all, func(x, y model.ScalingActivity) int { return y.StartedAt.Compare(x.StartedAt) })
	all, next, err := page(all, in.NextToken, in.MaxResults, func(x model.ScalingActivity) string { return x.ID })
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeScalingActivitiesOutput{NextToken: next, ScalingActivities: []shape.ScalingActivity{}}
	for _, x := range all {
		out.ScalingActivities = append(out.ScalingActivities, showActivity(x))
	}
	return out, nil
}

func showActivity(x model.ScalingActivity) shape.ScalingActivity {
	f := strings.Split(x.Target, "|")
	out := shape.ScalingActivity{
		ActivityId: wire.Ptr(x.ID), ServiceNamespace: wire.Ptr(f[0]), ResourceId: wire.Ptr(f[1]), ScalableDimension: wire.Ptr(f[2]), Description: wire.Ptr(x.Description),
		Cause: wire.Ptr(x.Cause), StartTime: wire.Ptr(x.StartedAt), StatusCode: wire.Ptr(x.Status),
	}
	if !x.EndedAt.IsZero() {
		out.EndTime = wire.Ptr(x.EndedAt)
	}
	if x.Message != "" {
		out.StatusMessage = wire.Ptr(x.Message)
	}
	if x.Details != "" {
		out.Details = wire.Ptr(x.Details)
	}
	for _, n := range x.NotScaled {
		out.NotScaledReasons = append(out.NotScaledReasons, shape.NotScaledReason{Code: wire.Ptr(n)})
	}
	return out
}

func noResource(arn string) error {
	return fault.New(fault.NotFound, "ResourceNotFoundException", "The resource %s could not be found", arn)
}

// retag changes the tags of the target with an ARN.
func (a *API) retag(ctx context.Context, arn string, fn func([]model.Tag) []model.Tag) error {
	return a.update(ctx, func(tx *store.Tx) error {
		for _, t := range state.ScalableTargets.All(tx) {
			if t.ARN == arn {
				return state.ScalableTargets.Edit(tx, t.Key(), func(x *model.ScalableTarget) error { x.Tags = fn(x.Tags); return nil })
			}
		}
		return noResource(arn)
	})
}

// TagResource adds tags to a target. Errors: ResourceNotFoundException.
func (a *API) TagResource(ctx context.Context, in *shape.TagResourceInput) (*shape.TagResourceOutput, error) {
	var more []model.Tag
	for k, v := range in.Tags {
		more = append(more, model.Tag{Key: k, Value: v})
	}
	return &shape.TagResourceOutput{}, a.retag(ctx, wire.Val(in.ResourceARN), func(old []model.Tag) []model.Tag { return model.SetTags(old, more) })
}

// UntagResource removes tags from a target. Errors: ResourceNotFoundException.
func (a *API) UntagResource(ctx context.Context, in *shape.UntagResourceInput) (*shape.UntagResourceOutput, error) {
	return &shape.UntagResourceOutput{}, a.retag(ctx, wire.Val(in.ResourceARN), func(old []model.Tag) []model.Tag { return model.DropTags(old, in.TagKeys) })
}

// ListTagsForResource lists a target's tags. Errors:
// ResourceNotFoundException.
func (a *API) ListTagsForResource(_ context.Context, in *shape.ListTagsForResourceInput) (*shape.ListTagsForResourceOutput, error) {
	for _, t := range state.ScalableTargets.All(a.DB.View()) {
		if t.ARN != wire.Val(in.ResourceARN) {
			continue
		}
		out := &shape.ListTagsForResourceOutput{Tags: map[string]string{}}
		for _, x := range t.Tags {
			out.Tags[x.Key] = x.Value
		}
		return out, nil
	}
	return nil, noResource(wire.Val(in.ResourceARN))
}

// DescribeScheduledActions lists none: PutScheduledAction is not built.
func (a *API) DescribeScheduledActions(context.Context, *shape.DescribeScheduledActionsInput) (*shape.DescribeScheduledActionsOutput, error) {
	return &shape.DescribeScheduledActionsOutput{ScheduledActions: []shape.ScheduledAction{}}, nil
}
