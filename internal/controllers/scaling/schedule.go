package scaling

import (
	"context"
	"fmt"
	"time"

	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/model"
	plan "berth/internal/plan/scaling"
	"berth/internal/state"
	"berth/internal/store"
	shape "berth/internal/wire/shape/applicationautoscaling"
)

// scheduled runs the scheduled actions of a target that have fallen due, in
// their order. While they are suspended they pass without effect.
func (l *Controller) scheduled(ctx context.Context, key string, now time.Time) (control.Result, error) {
	view := l.DB.View()
	_, grouped := groupOf(view, key)
	t, ok := state.ScalableTargets.Get(view, key)
	if !ok && !grouped {
		return control.Result{}, nil
	}
	runs, at, more := plan.Due(state.ScheduledActions.By(view, "target", key), now)
	for _, r := range runs {
		var err error
		if grouped {
			g, _ := groupOf(l.DB.View(), key) // as the run before left it
			err = l.bounded(ctx, g, r, now)
		} else {
			err = l.run(ctx, t, r, now)
		}
		if err != nil {
			return control.Result{}, err
		}
	}
	if !more {
		return control.Result{}, nil
	}
	return control.Result{After: at.Sub(now)}, nil
}

// run carries out one scheduled action: the target gets the new bounds, and
// the service with them.
func (l *Controller) run(ctx context.Context, t model.ScalableTarget, r plan.Run, now time.Time) error {
	if t.SuspendScheduled {
		return l.ran(ctx, r, nil)
	}
	bounds := bounds(r.Action)
	x := model.ScalingActivity{
		ID: l.IDs.UUID(), Target: t.Key(), StartedAt: now, EndedAt: now, Description: "Setting " + bounds,
		Cause: "scheduled action name " + r.Action.Name + " was triggered", Status: model.ActivitySuccessful,
		Message: "Successfully set " + bounds,
	}
	_, err := shape.Client{Caller: l.As(l.linked())}.RegisterScalableTarget(ctx, &shape.RegisterScalableTargetInput{
		ServiceNamespace: &t.Namespace, ResourceId: &t.ResourceID, ScalableDimension: &t.Dimension, MinCapacity: r.Action.Min,
		MaxCapacity: r.Action.Max,
	})
	if err != nil {
		x.Status, x.Message = model.ActivityFailed, "Failed to set "+bounds+". Reason: "+fault.MessageOf(err)
	}
	return l.ran(ctx, r, &x)
}

func bounds(a model.ScheduledAction) string {
	switch {
	case a.Max == nil:
		return fmt.Sprintf("min capacity to %d", *a.Min)
	case a.Min == nil:
		return fmt.Sprintf("max capacity to %d", *a.Max)
	default:
		return fmt.Sprintf("min capacity to %d and max capacity to %d", *a.Min, *a.Max)
	}
}

// ran remembers that an action has run.
func (l *Controller) ran(ctx context.Context, r plan.Run, x *model.ScalingActivity) error {
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if x != nil {
			if err := state.ScalingActivities.Put(tx, *x); err != nil {
				return err
			}
		}
		return ran(tx, r)
	})
}

// ran remembers that an action has run; that of a group which runs once is
// forgotten.
func ran(tx *store.Tx, r plan.Run) error {
	if _, ok := state.ScheduledActions.Get(tx, r.Action.ARN); !ok {
		return nil
	}
	if r.Action.Once() {
		return state.ScheduledActions.Delete(tx, r.Action.ARN)
	}
	return state.ScheduledActions.Edit(tx, r.Action.ARN, func(a *model.ScheduledAction) error { a.LastAt = r.At; return nil })
}
