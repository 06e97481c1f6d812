package applicationautoscaling

import (
	"context"
	"regexp"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/lang/schedule"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/applicationautoscaling"
)

// maxActions is the quota of a scalable target.
const maxActions = 200

// badName is what the model's pattern, which has a look-ahead, refuses.
var badName = regexp.MustCompile(`^ | $|[\x00-\x1f\x7f-\x{9f}:/|]`)

// actionOf finds a scheduled action of a target by name.
func actionOf(r store.Reader, p place, name string) (model.ScheduledAction, bool) {
	for _, x := range state.ScheduledActions.By(r, "target", p.key()) {
		if x.Name == name {
			return x, true
		}
	}
	return model.ScheduledAction{}, false
}

// PutScheduledAction makes or changes a scheduled action. Errors:
// ValidationException, ObjectNotFoundException, LimitExceededException.
func (a *API) PutScheduledAction(ctx context.Context, in *shape.PutScheduledActionInput) (*shape.PutScheduledActionOutput, error) {
	p, err := where(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	name, now := wire.Val(in.ScheduledActionName), a.Clock.Now()
	if badName.MatchString(name) {
		return nil, invalid("The name '%s' of the scheduled action begins or ends with a blank, or has a control character or one of : / |", name)
	}
	fresh := model.ScheduledAction{
		ARN:  a.Place.ARN("autoscaling", "scheduledAction:"+a.IDs.UUID()+":resource/"+namespace+"/"+p.resource+":scheduledActionName/"+name),
		Name: name, Target: p.key(), CreatedAt: now,
	}
	return &shape.PutScheduledActionOutput{}, a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.ScalableTargets.Get(tx, p.key()); !ok {
			return p.noTarget()
		}
		old, exists := actionOf(tx, p, name)
		x := model.Clone(old)
		if !exists {
			if x = fresh; len(state.ScheduledActions.By(tx, "target", p.key())) >= maxActions {
				return fault.New(
					fault.Invalid, "LimitExceededException", "The maximum number of scheduled actions for the scalable target, %d, is reached.",
					maxActions,
				)
			}
		}
		if err := setAction(&x, in, now); err != nil {
			return err
		}
		return state.ScheduledActions.Put(tx, x)
	})
}

// setAction writes what a call gives into an action and checks the whole. What
// is not given stays, but for start and end: those go.
func setAction(x *model.ScheduledAction, in *shape.PutScheduledActionInput, now time.Time) error {
	x.StartAt, x.EndAt = wire.Val(in.StartTime), wire.Val(in.EndTime)
	x.Timezone = wire.Or(in.Timezone, x.Timezone)
	if c := in.ScalableTargetAction; c != nil {
		x.Min, x.Max = c.MinCapacity, c.MaxCapacity
	}
	if in.Schedule != nil || in.StartTime != nil || in.Timezone != nil {
		x.LastAt = now // what the old schedule missed is missed
	}
	x.Schedule = wire.Or(in.Schedule, x.Schedule)
	switch {
	case x.Schedule == "":
		return invalid("Schedule must be specified")
	case x.Min == nil && x.Max == nil:
		return invalid("At least one of MinCapacity and MaxCapacity must be specified")
	case x.Min != nil && *x.Min < 0 || x.Max != nil && *x.Max < 0:
		return invalid("Minimum capacity cannot be less than 0")
	case x.Min != nil && x.Max != nil && *x.Max < *x.Min:
		return invalid("Maximum capacity cannot be less than minimum capacity")
	case !x.StartAt.IsZero() && !x.EndAt.IsZero() && !x.EndAt.After(x.StartAt):
		return invalid("The end time must be after the start time")
	}
	zone, err := schedule.Zone(x.Timezone)
	if err != nil {
		return invalid("%s", fault.MessageOf(err))
	}
	if _, err := schedule.Parse(x.Schedule, zone); err != nil {
		return invalid("%s", fault.MessageOf(err))
	}
	return nil
}

// DeleteScheduledAction removes a scheduled action. Errors:
// ObjectNotFoundException.
func (a *API) DeleteScheduledAction(ctx context.Context, in *shape.DeleteScheduledActionInput) (*shape.DeleteScheduledActionOutput, error) {
	p, err := where(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	return &shape.DeleteScheduledActionOutput{}, a.update(ctx, func(tx *store.Tx) error {
		x, ok := actionOf(tx, p, wire.Val(in.ScheduledActionName))
		if !ok {
			return fault.New(fault.NotFound, "ObjectNotFoundException",
				"No scheduled action found for service namespace: %s, resource ID: %s, scalable dimension: %s, scheduled action name: %s", namespace,
				p.resource, dimension, wire.Val(
					in.ScheduledActionName,
				))
		}
		return state.ScheduledActions.Delete(tx, x.ARN)
	})
}

// DescribeScheduledActions lists scheduled actions. Errors:
// ValidationException, InvalidNextTokenException.
func (a *API) DescribeScheduledActions(
	_ context.Context, in *shape.DescribeScheduledActionsInput,
) (*shape.DescribeScheduledActionsOutput, error) {
	keys, err := filter(in.ServiceNamespace, in.ScalableDimension, given(in.ResourceId)...)
	if err != nil {
		return nil, err
	}
	all, next, err := list(in, state.ScheduledActions.All(a.DB.View()), keys, in.ScheduledActionNames,
		func(x model.ScheduledAction) (target, name string) { return x.Target, x.Name })
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeScheduledActionsOutput{ScheduledActions: []shape.ScheduledAction{}, NextToken: next}
	for _, x := range all {
		out.ScheduledActions = append(out.ScheduledActions, showAction(x))
	}
	return out, nil
}

func showAction(x model.ScheduledAction) shape.ScheduledAction {
	f := strings.Split(x.Target, "|")
	out := shape.ScheduledAction{
		ScheduledActionName: wire.Ptr(x.Name), ScheduledActionARN: wire.Ptr(x.ARN), ServiceNamespace: wire.Ptr(f[0]), ResourceId: wire.Ptr(f[1]),
		ScalableDimension: wire.Ptr(f[2]), Schedule: wire.Ptr(x.Schedule), Timezone: text(x.Timezone), CreationTime: wire.Ptr(x.CreatedAt),
		ScalableTargetAction: &shape.ScalableTargetAction{MinCapacity: x.Min, MaxCapacity: x.Max},
	}
	if !x.StartAt.IsZero() {
		out.StartTime = wire.Ptr(x.StartAt)
	}
	if !x.EndAt.IsZero() {
		out.EndTime = wire.Ptr(x.EndAt)
	}
	return out
}
