package dispatch

import (
	"context"
	"strings"
	"time"

	"berth/internal/control"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Controller finishes tasks for which no report will come: those whose containers
// were gone before they were told to stop, and those whose machine is gone.
type Controller struct{ DB *state.DB }

var _ control.Controller = Controller{}

// Name implements control.Controller.
func (Controller) Name() string { return writer }

// Wake implements control.Controller.
func (Controller) Wake() store.Rules {
	return store.Rules{
		store.On(state.Tasks, "the task, while it is on an instance", func(_, t *model.Task) []string {
			if t == nil || t.Instance == "" || !t.LastStatus.Before(model.TaskDeprovisioning) {
				return nil
			}
			return []string{t.ARN}
		}),
		store.On(state.Instances, "the instance, when it has ended", func(_, i *model.Instance) []string {
			if i == nil || i.State != model.InstanceTerminated {
				return nil
			}
			return []string{i.ID}
		}),
	}
}

// Reconcile implements control.Controller.
func (l Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	view := l.DB.View()
	var leaving []string
	for _, t := range l.tasks(view, r.Key) {
		if l.over(view, t) {
			leaving = append(leaving, t.ARN)
		}
	}
	if len(leaving) == 0 {
		return control.Result{}, nil
	}
	return control.Result{}, l.DB.Update(ctx, writer, func(tx *store.Tx) error {
		for _, arn := range leaving {
			if err := l.finish(tx, arn, r.Now); err != nil {
				return err
			}
		}
		return nil
	})
}

func (Controller) tasks(r store.Reader, key string) []model.Task {
	if strings.HasPrefix(key, "i-") {
		i, _ := state.Instances.Get(r, key)
		return state.Tasks.By(r, "instance", i.ARN)
	}
	if t, ok := state.Tasks.Get(r, key); ok {
		return []model.Task{t}
	}
	return nil
}

// over says that a task has no containers any more and waits for nobody but
// the gateway.
func (l Controller) over(r store.Reader, t model.Task) bool {
	if t.Instance == "" || !t.LastStatus.Before(model.TaskDeprovisioning) {
		return false
	}
	if t.ExecutionStoppedAt.IsZero() {
		_, ended := hostEnded(r, t)
		return ended
	}
	return t.LastStatus == model.TaskStopping
}

// hostEnded says whether the task's machine is gone, and which it is.
func hostEnded(r store.Reader, t model.Task) (model.Instance, bool) {
	i, ok := state.Instances.One(r, "arn", t.Instance)
	return i, !ok || i.State == model.InstanceTerminated
}

// lost is the stop code and reason of a task whose machine is gone. A slice that
// never ran had no host to end (docs/facts/fargate.md FG13).
func lost(i model.Instance) (code, reason string) {
	switch {
	case i.Kind == model.KindSlice && i.LaunchedAt.IsZero():
		return codeFailedToStart, i.StateReason
	case i.Kind == model.KindSlice:
		return codeTermination, reasonSlice
	}
	return codeTermination, "Host EC2 (instance " + i.ID + ") terminated."
}

func (l Controller) finish(tx *store.Tx, arn string, now time.Time) error {
	t, ok := state.Tasks.Get(tx, arn)
	if !ok || !l.over(tx, t) {
		return nil
	}
	before := t.LastStatus
	host, ended := hostEnded(tx, t)
	targets := len(state.Targets.By(tx, "task", arn)) > 0
	if err := state.Tasks.Edit(tx, arn, func(t *model.Task) error {
		if ended && t.ExecutionStoppedAt.IsZero() {
			if t.DesiredStatus != model.TaskStopped {
				code, reason := lost(host)
				stop(t, code, reason, now)
			}
			stopped(t, TaskReport{}, now, targets)
		} else {
			move(t, model.TaskDeprovisioning, now)
		}
		t.Version++
		return nil
	}); err != nil {
		return err
	}
	t, _ = state.Tasks.Get(tx, arn)
	return note(tx, t, before, now)
}
