// Package fargate is the controller that ends slices: those whose task has
// stopped, and those of Fargate Spot that are taken away, two minutes after
// their tasks were told. One key a slice, by its ARN.
//
// It owns InterruptAt, and the goal of a slice. Slices are made with the
// placement of their tasks (controllers/task), and launched and terminated as
// every machine is (controllers/instance). Only the control engine calls it,
// but for Interrupt.
package fargate

import (
	"context"
	"time"

	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

const name = "controllers/fargate"

// Notice is how long a task of Fargate Spot has after it was told
// (docs/facts/fargate.md FG14).
const Notice = 2 * time.Minute

// Stop code and reason of a task that lost its slice, as AWS words them.
const (
	codeSpot   = "SpotInterruption"
	reasonSpot = "Your Spot Task was interrupted."
)

// Controller implements control.Controller.
type Controller struct{ DB *state.DB }

var _ control.Controller = Controller{}

// Name implements control.Controller.
func (Controller) Name() string { return name }

// Wake implements control.Controller.
func (Controller) Wake() store.Rules {
	return store.Rules{
		store.On(state.Tasks, "the task's slice, when it has stopped", stopped),
		store.OnPart(state.Instances, "the slice", slicePart, func(p part) []string { return store.Key(p.arn) }),
	}
}

type part struct {
	arn   string
	until int64
}

func slicePart(i *model.Instance) part {
	if i.Kind != model.KindSlice || i.Goal == model.GoalTerminate || i.State == model.InstanceTerminated {
		return part{}
	}
	return part{i.ARN, i.InterruptAt.UnixNano()}
}

func stopped(old, t *model.Task) []string {
	if t == nil {
		t = old
	} else if t.LastStatus != model.TaskStopped {
		return nil
	}
	if !model.IsFargate(t.CapacityProvider) {
		return nil
	}
	return store.Key(t.Instance)
}

// Reconcile implements control.Controller.
func (l Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	view := l.DB.View()
	i, ok := state.Instances.One(view, "arn", r.Key)
	if !ok || slicePart(&i) == (part{}) {
		return control.Result{}, nil
	}
	left := i.InterruptAt.Sub(r.Now)
	switch {
	case !serves(view, r.Key):
		return control.Result{}, l.end(ctx, r.Now, i.ID, "its task has stopped")
	case i.InterruptAt.IsZero():
		return control.Result{}, nil
	case left <= 0:
		return control.Result{}, l.end(ctx, r.Now, i.ID, "it was interrupted: Fargate Spot took the capacity back")
	}
	return control.Result{After: left}, l.tell(ctx, r)
}

// serves reports whether a slice has a task that has not stopped.
func serves(r store.Reader, arn string) bool {
	for t := range state.Tasks.Each(r, "instance", arn) {
		if t.LastStatus != model.TaskStopped {
			return true
		}
	}
	return false
}

func (l Controller) end(ctx context.Context, now time.Time, id, why string) error {
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error {
			if i.Goal != model.GoalTerminate {
				i.Goal, i.GoalReason, i.GoalAt = model.GoalTerminate, why, now
				i.Version++
			}
			return nil
		})
	})
}

// tell stops the tasks of a slice that will be taken away.
func (l Controller) tell(ctx context.Context, r control.Request) error {
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		for _, t := range state.Tasks.By(tx, "instance", r.Key) {
			if t.DesiredStatus == model.TaskStopped {
				continue
			}
			if err := state.Tasks.Edit(tx, t.ARN, func(t *model.Task) error {
				t.DesiredStatus, t.StopCode, t.StoppedReason, t.StoppingAt = model.TaskStopped, codeSpot, reasonSpot, r.Now
				t.Version++
				return nil
			}); err != nil {
				return err
			}
			if err := state.Note(tx, r.Now, model.Decision{
				By: name, Subject: t.ARN, Verb: "interrupted", Reason: reasonSpot, Cluster: t.Cluster, Service: t.Service,
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Interrupt takes the slice of a task of Fargate Spot away, Notice from now.
// Errors: fault.NotFound, fault.Invalid for a task that is not on Spot or has
// no slice any more.
func (l Controller) Interrupt(ctx context.Context, now time.Time, task string) error {
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		t, ok := state.Tasks.Get(tx, task)
		if !ok {
			if t, ok = state.Tasks.One(tx, "id", task); !ok {
				return fault.New(fault.NotFound, "", "there is no task %s", task)
			}
		}
		if t.CapacityProvider != model.ProviderFargateSpot {
			return fault.New(fault.Invalid, "", "task %s is not on %s: only there are tasks interrupted", t.ID, model.ProviderFargateSpot)
		}
		i, ok := state.Instances.One(tx, "arn", t.Instance)
		if !ok || slicePart(&i) == (part{}) {
			return fault.New(fault.Invalid, "", "task %s has no slice that could be taken away", t.ID)
		}
		return state.Instances.Edit(tx, i.ID, func(i *model.Instance) error {
			if i.InterruptAt.IsZero() {
				i.InterruptAt = now.Add(Notice)
				i.Version++
			}
			return nil
		})
	})
}
