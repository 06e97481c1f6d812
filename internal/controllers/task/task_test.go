package task_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/control"
	"berth/internal/controllers/task"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestWake(t *testing.T) {
	waiting := model.Task{ARN: "t", Cluster: "c", LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning}
	explained := waiting
	explained.Refusal = "no capacity"
	stopping := waiting
	stopping.DesiredStatus = model.TaskStopped
	active := model.Instance{
		ID: "i", Cluster: "c", Goal: model.GoalRun, State: model.InstanceRunning, Status: model.ContainerInstanceActive, Connected: true,
	}
	seen := active
	seen.LastSeenAt = now
	lost := active
	lost.Connected = false
	tests := []struct {
		name string
		c    store.Change
		want []string
	}{
		{"a new task", state.Tasks.Change(nil, &waiting), []string{"c"}},
		{"a reason is no news", state.Tasks.Change(&waiting, &explained), nil},
		{"a task told to stop", state.Tasks.Change(&waiting, &stopping), []string{"c"}},
		{"a task forgotten", state.Tasks.Change(&waiting, nil), []string{"c"}},
		{"an instance", state.Instances.Change(nil, &active), []string{"c"}},
		{"a heartbeat", state.Instances.Change(&active, &seen), nil},
		{"an agent lost", state.Instances.Change(&active, &lost), []string{"c"}},
		{"a cluster", state.Clusters.Change(nil, &model.Cluster{Name: "c"}), []string{"c"}},
		{"a VPC", state.VPCs.Change(nil, &model.VPC{ID: "v"}), nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, task.Controller{}.Wake().Keys(tt.c)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

type world struct {
	*testing.T
	db   *state.DB
	loop task.Controller
}

func newWorld(t *testing.T) world {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	w := world{t, db, task.New(task.Deps{DB: db, IDs: ident.Seeded(1), Log: slog.New(slog.DiscardHandler)})}
	w.as("api/ec2", func(tx *store.Tx) error {
		return errors.Join(
			state.Subnets.Put(tx, model.Subnet{ID: "subnet-a", AvailabilityZone: "a"}),
			state.Subnets.Put(tx, model.Subnet{ID: "subnet-c", AvailabilityZone: "c"}),
		)
	})
	w.as("api/ecs", func(tx *store.Tx) error {
		return errors.Join(
			state.Clusters.Put(tx, model.Cluster{Name: "c", DefaultStrategy: []model.StrategyItem{{Provider: "cp", Weight: 1}}}),
			state.TaskDefinitions.Put(tx, model.TaskDefinition{ARN: "td", NetworkMode: "awsvpc", CPU: 256, Memory: 512}),
			state.Services.Put(tx, model.Service{ARN: "svc", Name: "web", Cluster: "c"}))
	})
	return w
}

func (w world) as(writer string, fn func(*store.Tx) error) {
	w.Helper()
	if err := w.db.Update(w.Context(), writer, fn); err != nil {
		w.Fatal(err)
	}
}

func (w world) task(arn string, edit func(*model.Task)) {
	w.Helper()
	t := model.Task{
		ARN: arn, Cluster: "c", Service: "svc", Group: "service:web", TaskDefinition: "td", LastStatus: model.TaskProvisioning,
		DesiredStatus: model.TaskRunning, CreatedAt: now, Network: model.NetworkConfiguration{Subnets: []string{"subnet-a", "subnet-c"}},
	}
	w.as("api/ecs", func(tx *store.Tx) error { return state.Tasks.Put(tx, t) })
	if edit != nil {
		w.as("controllers/task", func(tx *store.Tx) error {
			return state.Tasks.Edit(tx, arn, func(t *model.Task) error { edit(t); return nil })
		})
	}
}

func (w world) instance(id, zone string) {
	w.Helper()
	w.as("controllers/capacity", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: id, ARN: "arn/" + id, Cluster: "c", CapacityProvider: "cp", AvailabilityZone: zone, Goal: model.GoalRun,
			State: model.InstancePending,
		})
	})
	w.as("controllers/instance", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error { i.State = model.InstanceRunning; return nil })
	})
	w.as("dispatch", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error {
			i.Status, i.Connected, i.Registered = model.ContainerInstanceActive, true, model.Resources{CPU: 2048, Memory: 3700, ENIs: 10}
			return nil
		})
	})
}

func (w world) run(at time.Time) control.Result {
	w.Helper()
	r, err := w.loop.Reconcile(w.Context(), control.Request{Key: "c", Now: at})
	if err != nil {
		w.Fatal(err)
	}
	return r
}

func (w world) get(arn string) model.Task {
	t, _ := state.Tasks.Get(w.db.View(), arn)
	return t
}

func TestAWaitingTaskGetsAProviderThenAnInstance(t *testing.T) {
	w := newWorld(t)
	w.task("t1", nil)
	if r := w.run(now); r.After != 5*time.Minute {
		t.Errorf("looks again after %s", r.After)
	}
	if x := w.get("t1"); x.CapacityProvider != "cp" || x.Instance != "" || x.Refusal == "" {
		t.Errorf("%+v", x)
	}
	w.instance("i-1", "c")
	w.run(now.Add(time.Second))
	if x := w.get("t1"); x.Instance != "arn/i-1" || x.Subnet != "subnet-c" || x.AvailabilityZone != "c" || x.Refusal != "" ||
		x.LastStatus != model.TaskProvisioning {
		t.Errorf("%+v", x)
	}
	var verbs []string
	for _, d := range state.Decisions.By(w.db.View(), "subject", "t1") {
		verbs = append(verbs, d.Verb)
	}
	if diff := cmp.Diff([]string{"refused", "placed"}, verbs); diff != "" {
		t.Error(diff)
	}
}

func TestTheServiceIsToldOnceAfterFiveMinutes(t *testing.T) {
	w := newWorld(t)
	w.task("t1", nil)
	w.task("t2", nil)
	for _, d := range []time.Duration{0, 4 * time.Minute, 5 * time.Minute, 6 * time.Minute, time.Hour} {
		w.run(now.Add(d))
	}
	s, _ := state.Services.Get(w.db.View(), "svc")
	if len(s.Events) != 1 || !s.Events[0].At.Equal(now.Add(5*time.Minute)) {
		t.Errorf("%+v", s.Events)
	}
}

func TestATaskStoppedBeforeItWasPlaced(t *testing.T) {
	w := newWorld(t)
	w.task("t1", func(t *model.Task) { t.DesiredStatus = model.TaskStopped })
	w.run(now)
	if x := w.get("t1"); x.LastStatus != model.TaskDeprovisioning || x.StoppedReason != "" {
		t.Errorf("%+v", x)
	}
}

func TestADrainingInstanceGetsNoTask(t *testing.T) {
	w := newWorld(t)
	w.instance("i-1", "a")
	w.as("api/ecs", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, "i-1", func(i *model.Instance) error {
			i.Goal, i.Status = model.GoalDrain, model.ContainerInstanceDraining
			return nil
		})
	})
	w.task("t1", nil)
	w.run(now)
	if x := w.get("t1"); x.Instance != "" ||
		x.Refusal != "no container instance met all of its requirements: of 1 instance, 1 is draining; the task needs 256 CPU units and 512 "+
			"MiB and an interface" {
		t.Errorf("%+v", x)
	}
}

// Proves: FG10
func TestATaskOfFargateGetsASlice(t *testing.T) {
	w := newWorld(t)
	w.as("api/ecs", func(tx *store.Tx) error {
		return state.Clusters.Edit(tx, "c", func(c *model.Cluster) error {
			c.DefaultStrategy = []model.StrategyItem{{Provider: model.ProviderFargateSpot, Weight: 1}}
			return nil
		})
	})
	w.task("t1", nil)
	w.run(now)
	x := w.get("t1")
	i, ok := state.Instances.One(w.db.View(), "arn", x.Instance)
	if !ok || x.CapacityProvider != model.ProviderFargateSpot || x.Subnet != "subnet-a" {
		t.Fatalf("%+v", x)
	}
	if i.Kind != model.KindSlice || i.CapacityOption != "SPOT" || i.StorageGiB != 20 || i.Expected.CPU != 256 || i.AvailabilityZone != "a" {
		t.Errorf("%+v", i)
	}
	if len(state.Instances.By(w.db.View(), "cluster", "c")) != 0 || len(state.Instances.By(w.db.View(), "slices", "c")) != 1 {
		t.Error("the slice is a container instance")
	}
}

// Proves: E114, E115, E118
func TestATaskOfTheLaunchTypeEC2WaitsForNothingToBeBought(t *testing.T) {
	w := newWorld(t)
	put := func(arn, service, host string) {
		w.as("api/ecs", func(tx *store.Tx) error {
			return state.Tasks.Put(tx, model.Task{
				ARN: arn, Cluster: "c", Service: service, Group: "g", TaskDefinition: "host", LaunchType: model.LaunchEC2, Host: host,
				LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning, CreatedAt: now, Memory: 100,
			})
		})
	}
	w.as("api/ecs", func(tx *store.Tx) error {
		return state.TaskDefinitions.Put(tx, model.TaskDefinition{ARN: "host", NetworkMode: "host"})
	})
	put("alone", "", "")
	put("served", "svc", "")
	w.run(now)
	none := "No Container Instances were found in your cluster."
	if x := w.get("alone"); x.LastStatus != model.TaskDeprovisioning || x.StoppedReason != none {
		t.Errorf("%+v", x)
	}
	s, _ := state.Services.Get(w.db.View(), "svc")
	want := "(service web) was unable to place a task because no container instance met all of its requirements. Reason: No Container " +
		"Instances were found in your cluster. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
	if len(s.Events) != 1 || s.Events[0].Message != want {
		t.Fatalf("%+v", s.Events)
	}
	w.as("api/ec2", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: "i-own", Kind: model.KindEC2, CapacityProvider: "asg", AvailabilityZone: "a", Goal: model.GoalRun, State: model.InstancePending,
		})
	})
	w.as("dispatch", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, "i-own", func(i *model.Instance) error {
			i.ARN, i.Cluster, i.Status, i.Connected = "arn/i-own", "c", model.ContainerInstanceActive, true
			i.Registered = model.Resources{CPU: 1000, Memory: 250}
			return nil
		})
	})
	put("elsewhere", "svc", "arn/other")
	w.run(now)
	if x := w.get("served"); x.Instance != "arn/i-own" || x.CapacityProvider != "" || x.Subnet != "" {
		t.Errorf("%+v", x)
	}
	if x := w.get("elsewhere"); x.Instance != "" {
		t.Errorf("placed on another instance than its own: %+v", x)
	}
}
