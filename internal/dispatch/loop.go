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

// Loop finishes tasks for which no report will come: those whose containers
// were gone before they were told to stop, and those whose machine is gone.
type Loop struct{ DB *state.DB }

var _ control.Loop = Loop{}

// Name implements control.Loop.
func (Loop) Name() string { return writer }

// Wake implements control.Loop: a task on an instance wakes its ARN; an
// instance that has ended wakes its id.
func (Loop) Wake(c store.Change) []string {
	switch n := c.New.(type) {
	case model.Task:
		if n.Instance != "" && model.TaskRank(n.LastStatus) < model.TaskRank(model.TaskDeprovisioning) {
			return []string{n.ARN}
		}
	case model.Instance:
		if n.State == "terminated" {
			return []string{n.ID}
		}
	}
	return nil
}

// Reconcile implements control.Loop.
func (l Loop) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
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

func (Loop) tasks(r store.Reader, key string) []model.Task {
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
// the desk.
func (l Loop) over(r store.Reader, t model.Task) bool {
	if t.Instance == "" || model.TaskRank(t.LastStatus) >= model.TaskRank(model.TaskDeprovisioning) {
		return false
	}
	if t.ExecutionStoppedAt.IsZero() {
		_, ended := hostEnded(r, t)
		return ended
	}
	return t.LastStatus == model.TaskStopping
}

// hostEnded says whether the task's machine is gone, and its id.
func hostEnded(r store.Reader, t model.Task) (string, bool) {
	i, ok := state.Instances.One(r, "arn", t.Instance)
	return i.ID, !ok || i.State == "terminated"
}

func (l Loop) finish(tx *store.Tx, arn string, now time.Time) error {
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
				stop(t, codeTermination, "Host EC2 (instance "+host+") terminated.", now)
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
