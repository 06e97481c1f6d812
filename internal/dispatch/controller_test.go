package dispatch_test

import (
	"slices"
	"testing"

	"berth/internal/control"
	"berth/internal/dispatch"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/state/statetest"
	"berth/internal/store"
)

// Nobody else may end a task of a lost machine: whoever did, would leave its
// targets to the next task that gets its address.
func TestATaskOfALostMachineGoesPastItsTargets(t *testing.T) {
	b := newBench(t)
	registered := b.task("t1", model.ContainerDefinition{Name: "app"}, nil)
	alone := b.task("t2", model.ContainerDefinition{Name: "app"}, nil)
	if err := statetest.Walk(t.Context(), b.db, registered, model.TaskRunning); err != nil {
		t.Fatal(err)
	}
	b.as("controllers/traffic", func(tx *store.Tx) error {
		return state.Targets.Put(tx, model.Target{Group: "g", ID: "192.168.2.11", Port: 80, Task: registered})
	})
	b.as("controllers/instance", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error { i.State = model.InstanceTerminated; return nil })
	})
	for range 2 { // what waits for controllers/traffic is left to it
		if _, err := (dispatch.Controller{DB: b.db}).Reconcile(t.Context(), control.Request{Key: id, Now: start}); err != nil {
			t.Fatal(err)
		}
	}
	for arn, want := range map[string]model.TaskStatus{registered: model.TaskDeactivating, alone: model.TaskDeprovisioning} {
		x, _ := state.Tasks.Get(b.db.View(), arn)
		if x.LastStatus != want || x.DesiredStatus != model.TaskStopped || x.StopCode != "TerminationNotice" ||
			x.StoppedReason != "Host EC2 (instance "+id+") terminated." {
			t.Errorf("want %s: %+v", want, x)
		}
	}
}

func TestWhatWakesTheController(t *testing.T) {
	for name, c := range map[string]struct {
		change store.Change
		want   []string
	}{
		"a task on an instance":   {state.Tasks.Change(nil, &model.Task{ARN: "t", Instance: "i", LastStatus: model.TaskStopping}), []string{"t"}},
		"a task without one":      {state.Tasks.Change(nil, &model.Task{ARN: "t", LastStatus: model.TaskProvisioning}), nil},
		"a task that is leaving":  {state.Tasks.Change(nil, &model.Task{ARN: "t", Instance: "i", LastStatus: model.TaskDeprovisioning}), nil},
		"a task forgotten":        {state.Tasks.Change(&model.Task{ARN: "t", Instance: "i"}, nil), nil},
		"an instance that runs":   {state.Instances.Change(nil, &model.Instance{ID: id, State: "running"}), nil},
		"an instance that ended":  {state.Instances.Change(nil, &model.Instance{ID: id, State: "terminated"}), []string{id}},
		"something else entirely": {state.Services.Change(nil, &model.Service{ARN: "s"}), nil},
	} {
		if got := (dispatch.Controller{}).Wake().Keys(c.change); !slices.Equal(got, c.want) {
			t.Errorf("%s wakes %v, want %v", name, got, c.want)
		}
	}
}
