package autoscaling

import (
	"context"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/lang/schedule"
	"berth/internal/model"
	"berth/internal/page"
	plan "berth/internal/plan/scaling"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/autoscaling"
)

// maxActions is the quota of a group.
const maxActions = 125

func actionOf(r store.Reader, group, name string) (model.ScheduledAction, bool) {
	for _, x := range state.ScheduledActions.By(r, "target", model.GroupTarget(group)) {
		if x.Name == name {
			return x, true
		}
	}
	return model.ScheduledAction{}, false
}

// PutScheduledUpdateGroupAction makes or changes a scheduled action: at its
// start, and by its recurrence thereafter, it gives the group sizes. What a call
// does not give goes. Errors: ValidationError, LimitExceeded,
// ScalingActivityInProgress.
func (a *API) PutScheduledUpdateGroupAction(
	ctx context.Context, in *shape.PutScheduledUpdateGroupActionInput,
) (*shape.PutScheduledUpdateGroupActionOutput, error) {
	now, id := a.Clock.Now(), a.IDs.UUID()
	return nil, a.update(ctx, func(tx *store.Tx) error {
		g, err := group(tx, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		name := wire.Val(in.ScheduledActionName)
		x := model.ScheduledAction{
			ARN:  a.Place.ARN("autoscaling", "scheduledUpdateGroupAction:"+id+":autoScalingGroupName/"+g.Name+":scheduledActionName/"+name),
			Name: name, Target: model.GroupTarget(g.Name), CreatedAt: now, Schedule: wire.Val(in.Recurrence), Timezone: wire.Val(in.TimeZone),
			EndAt: wire.Val(in.EndTime), Min: in.MinSize, Max: in.MaxSize, Desired: in.DesiredCapacity,
		}
		if x.StartAt = wire.Val(in.StartTime); in.StartTime == nil {
			x.StartAt = wire.Val(in.Time)
		}
		if old, ok := actionOf(tx, g.Name, name); ok {
			x.ARN, x.CreatedAt, x.LastAt = old.ARN, old.CreatedAt, now
		} else if len(state.ScheduledActions.By(tx, "target", x.Target)) >= maxActions {
			return fault.New(fault.Invalid, "LimitExceeded", "A group may have %d scheduled actions.", maxActions)
		}
		if err := checkAction(x, now); err != nil {
			return err
		}
		return state.ScheduledActions.Put(tx, x)
	})
}

func checkAction(x model.ScheduledAction, now time.Time) error {
	negative := func(n *int64) bool { return n != nil && *n < 0 }
	switch {
	case x.Min == nil && x.Max == nil && x.Desired == nil:
		return invalid("At least one of MinSize, MaxSize and DesiredCapacity must be specified")
	case negative(x.Min) || negative(x.Max) || negative(x.Desired):
		return invalid("Sizes must not be less than 0")
	case x.Min != nil && x.Max != nil && *x.Min > *x.Max:
		return invalid("Max bound, %d, must be greater than or equal to min bound, %d", *x.Max, *x.Min)
	case x.Schedule == "" && x.StartAt.IsZero():
		return invalid("Either StartTime or Recurrence must be specified")
	case !x.StartAt.IsZero() && !x.StartAt.After(now):
		return invalid("Given start time is in the past")
	case !x.EndAt.IsZero() && (!x.EndAt.After(now) || !x.EndAt.After(x.StartAt)):
		return invalid("End time must be after the start time, and in the future")
	}
	zone, err := schedule.Zone(x.Timezone)
	if err != nil {
		return invalid("%s", fault.MessageOf(err))
	}
	if x.Schedule == "" {
		return nil
	}
	if _, err := schedule.Recurrence(x.Schedule, zone); err != nil {
		return invalid("Given recurrence string: %s is invalid: %s", x.Schedule, fault.MessageOf(err))
	}
	return nil
}

// DeleteScheduledAction deletes a scheduled action. Errors: ValidationError,
// ScalingActivityInProgress.
func (a *API) DeleteScheduledAction(ctx context.Context, in *shape.DeleteScheduledActionInput) (*shape.DeleteScheduledActionOutput, error) {
	return nil, a.update(ctx, func(tx *store.Tx) error {
		g, err := group(tx, in.AutoScalingGroupName)
		if err != nil {
			return err
		}
		x, ok := actionOf(tx, g.Name, wire.Val(in.ScheduledActionName))
		if !ok {
			return absent("Scheduled action name not found - Scheduled action '%s' not found", wire.Val(in.ScheduledActionName))
		}
		return state.ScheduledActions.Delete(tx, x.ARN)
	})
}

// DescribeScheduledActions lists what is to be done, in a span of time if one is
// given. Errors: InvalidNextToken, ValidationError.
func (a *API) DescribeScheduledActions(
	_ context.Context, in *shape.DescribeScheduledActionsInput,
) (*shape.DescribeScheduledActionsOutput, error) {
	now := a.Clock.Now()
	all := slices.DeleteFunc(state.ScheduledActions.All(a.DB.View()), func(x model.ScheduledAction) bool {
		next, ok := plan.Next(x, now)
		return !x.OfGroup() || in.AutoScalingGroupName != nil && groupNamed(x.Target) != *in.AutoScalingGroupName ||
			!wanted(in.ScheduledActionNames, x.Name) || !ok || in.StartTime != nil && next.Before(*in.StartTime) ||
			in.EndTime != nil && next.After(*in.EndTime)
	})
	key := func(x model.ScheduledAction) string { return page.Key(x.Target, x.Name) }
	slices.SortFunc(all, func(x, y model.ScheduledAction) int { return strings.Compare(key(x), key(y)) })
	all, next, err := page.Cut(pages, in, all, key)
	return &shape.DescribeScheduledActionsOutput{NextToken: next, ScheduledUpdateGroupActions: each(all,
		func(x model.ScheduledAction) shape.ScheduledUpdateGroupAction {
			at, _ := plan.Next(x, now)
			out := shape.ScheduledUpdateGroupAction{
				AutoScalingGroupName: wire.Ptr(groupNamed(x.Target)), ScheduledActionName: &x.Name, ScheduledActionARN: &x.ARN, Time: &at,
				StartTime: &at, Recurrence: text(x.Schedule), MinSize: x.Min, MaxSize: x.Max, DesiredCapacity: x.Desired, TimeZone: text(x.Timezone),
			}
			if !x.EndAt.IsZero() {
				out.EndTime = &x.EndAt
			}
			return out
		})}, err
}
