package fargate_test

import (
	"errors"
	"testing"
	"time"

	"berth/internal/control"
	"berth/internal/controllers/fargate"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// world has one slice and its task.
func world(t *testing.T, task model.Task, slice model.Instance) (*state.DB, fargate.Controller) {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	task.ARN, task.ID, task.Instance = "task", "id", "slice"
	slice.ID, slice.ARN = "i-1", "slice"
	if err := db.Update(t.Context(), "test", func(tx *store.Tx) error {
		return errors.Join(state.Tasks.Put(tx, task), state.Instances.Put(tx, slice))
	}); err != nil {
		t.Fatal(err)
	}
	return db, fargate.Controller{DB: db}
}

// Proves: FG14
func TestWhenASliceEnds(t *testing.T) {
	runs, stopped := model.Task{LastStatus: model.TaskRunning}, model.Task{LastStatus: model.TaskStopped}
	slice := func(interrupt time.Time) model.Instance {
		return model.Instance{Kind: model.KindSlice, Goal: model.GoalRun, State: model.InstanceRunning, InterruptAt: interrupt}
	}
	for name, c := range map[string]struct {
		task  model.Task
		slice model.Instance
		ends  bool
		told  string // the task's stop code
		after time.Duration
	}{
		"its task runs":         {task: runs, slice: slice(time.Time{})},
		"its task has stopped":  {task: stopped, slice: slice(time.Time{}), ends: true},
		"it is taken away soon": {task: runs, slice: slice(now.Add(time.Minute)), told: "SpotInterruption", after: time.Minute},
		"it is taken away":      {task: runs, slice: slice(now), ends: true},
		"it is no slice":        {task: stopped, slice: model.Instance{Goal: model.GoalRun, State: model.InstanceRunning}},
	} {
		t.Run(name, func(t *testing.T) {
			db, l := world(t, c.task, c.slice)
			r, err := l.Reconcile(t.Context(), control.Request{Key: "slice", Now: now})
			if err != nil || r.After != c.after {
				t.Fatal(r, err)
			}
			i, _ := state.Instances.Get(db.View(), "i-1")
			task, _ := state.Tasks.Get(db.View(), "task")
			if ends := i.Goal == model.GoalTerminate; ends != c.ends || task.StopCode != c.told {
				t.Errorf("ends %t, stop code %q", ends, task.StopCode)
			}
			before := db.View().Revision()
			if _, err := l.Reconcile(t.Context(), control.Request{Key: "slice", Now: now}); err != nil {
				t.Fatal(err)
			}
			if left := db.View().Revision() - before; c.ends && left != 0 {
				t.Errorf("a second pass writes %d times", left)
			}
		})
	}
}

func TestOnlySpotIsInterrupted(t *testing.T) {
	slice := model.Instance{Kind: model.KindSlice, Goal: model.GoalRun, State: model.InstanceRunning}
	const none = fault.Internal
	over := slice
	over.Goal = model.GoalTerminate
	for name, c := range map[string]struct {
		task, provider string
		slice          model.Instance
		refused        fault.Class
	}{
		"by ARN":        {"task", model.ProviderFargateSpot, slice, none},
		"by id":         {"id", model.ProviderFargateSpot, slice, none},
		"unknown":       {"other", model.ProviderFargateSpot, slice, fault.NotFound},
		"not on Spot":   {"task", model.ProviderFargate, slice, fault.Invalid},
		"ended already": {"task", model.ProviderFargateSpot, over, fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			db, l := world(t, model.Task{LastStatus: model.TaskRunning, CapacityProvider: c.provider}, c.slice)
			err := l.Interrupt(t.Context(), now, c.task)
			if (err == nil) != (c.refused == none) || err != nil && !fault.Is(err, c.refused) {
				t.Fatal(err)
			}
			again := l.Interrupt(t.Context(), now.Add(time.Minute), c.task)
			if (again == nil) != (err == nil) {
				t.Fatal(again)
			}
			i, _ := state.Instances.Get(db.View(), "i-1")
			want := time.Time{}
			if err == nil {
				want = now.Add(fargate.Notice) // the first notice holds
			}
			if !i.InterruptAt.Equal(want) {
				t.Errorf("it is taken away at %s, not %s", i.InterruptAt, want)
			}
		})
	}
}
