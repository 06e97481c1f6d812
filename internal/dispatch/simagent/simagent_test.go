package simagent_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/dispatch"
	"berth/internal/dispatch/simagent"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}
	arn   = place.ARN("ecs", "container-instance/c/abc")
	task  = place.ARN("ecs", "task/c/t1")
	rev   = place.ARN("ecs", "service-revision/c/web/1")
)

const id = "i-0123456789abcdef0"

type world struct {
	t       *testing.T
	db      *state.DB
	clock   *clock.Stepped
	engine  *control.Engine
	gateway *dispatch.Gateway
}

func newWorld(t *testing.T, conf simagent.Config) *world {
	t.Helper()
	c := clock.NewStepped(start)
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w := &world{t: t, db: db, clock: c, engine: control.New(db, c, log)}
	w.gateway = dispatch.New(dispatch.Deps{
		DB: db, Clock: c, Real: c, IDs: ident.Seeded(1), Place: place, Log: log,
		Authenticate: func(*http.Request) (ident.Principal, error) { return ident.Principal{}, errors.New("no wire here") },
	})
	w.engine.Add(dispatch.Controller{DB: db}, simagent.Controller{DB: db, Gateway: w.gateway, Config: conf})
	w.as("controllers/capacity", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: id, ARN: arn, Cluster: "c", Type: "c6a.large", AvailabilityZone: "ap-northeast-1a", Goal: model.GoalRun,
			State: model.InstanceRunning, ProfileARN: "arn:aws:iam::000000000000:instance-profile/ecsInstanceRole",
			Expected: model.Resources{ENIs: 9},
		})
	})
	w.as("api/ecs", func(tx *store.Tx) error {
		return errors.Join(
			state.TaskDefinitions.Put(tx, model.TaskDefinition{
				ARN: "td", Family: "web", Revision: 1, NetworkMode: "awsvpc",
				Containers: []model.ContainerDefinition{
					{Name: "app", Image: "app:latest", Essential: true, HealthCheck: &model.HealthCheck{Command: []string{"CMD", "true"}}},
				},
			}),
			state.ServiceRevisions.Put(tx, model.ServiceRevision{ARN: rev, Cluster: "c", TaskDefinition: "td"}))
	})
	w.as("controllers/service", func(tx *store.Tx) error {
		return state.Tasks.Put(tx, model.Task{
			ARN: task, ID: "t1", Cluster: "c", Revision: rev, TaskDefinition: "td", LastStatus: model.TaskProvisioning,
			DesiredStatus: model.TaskRunning, Health: model.HealthUnknown,
			Containers: []model.TaskContainer{{Name: "app", Image: "app:latest", LastStatus: model.ContainerPending, Health: model.HealthUnknown}},
		})
	})
	w.as("controllers/task", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, task, func(t *model.Task) error { t.Instance = arn; return nil })
	})
	w.as("controllers/instance", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error { i.LaunchedAt = start; return nil })
	})
	w.move("controllers/network", model.TaskPending)
	w.engine.Open()
	return w
}

func (w *world) as(writer string, fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.db.Update(w.t.Context(), writer, fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) move(writer string, to model.TaskStatus) {
	w.t.Helper()
	w.as(writer, func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, task, func(t *model.Task) error { t.LastStatus, t.StatusAt = to, w.clock.Now(); return nil })
	})
}

func (w *world) stop() {
	w.as("api/ecs", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, task, func(t *model.Task) error {
			t.DesiredStatus, t.StopCode, t.StoppedReason = model.TaskStopped, "UserInitiated", "Task stopped by user"
			return nil
		})
	})
}

func (w *world) advance(d time.Duration) model.Task {
	w.t.Helper()
	for range int(d / time.Second) {
		if _, err := w.engine.Settle(w.t.Context(), 1000); err != nil {
			w.t.Fatal(err)
		}
		w.clock.Advance(time.Second)
	}
	if _, err := w.engine.Settle(w.t.Context(), 1000); err != nil {
		w.t.Fatal(err)
	}
	t, _ := state.Tasks.Get(w.db.View(), task)
	return t
}

var slow = simagent.Config{
	Seed: 1, BootMin: 10 * time.Second, BootMax: 10 * time.Second, PullMin: 5 * time.Second, PullMax: 5 * time.Second,
	StopMin: 2 * time.Second, StopMax: 2 * time.Second,
}

// Proves: D52
func TestATaskWalksByReports(t *testing.T) {
	w := newWorld(t, slow)
	if got := w.advance(9 * time.Second); got.LastStatus != model.TaskPending {
		t.Fatalf("before the agent signed in: %s", got.LastStatus)
	}
	got := w.advance(2 * time.Second)
	i, _ := state.Instances.Get(w.db.View(), id)
	if i.Status != model.ContainerInstanceActive || !i.Connected || i.Registered.CPU != 2048 || i.Registered.Memory == 0 ||
		i.Registered.ENIs != 9 {
		t.Fatalf("instance: %+v", i)
	}
	if got.LastStatus != model.TaskActivating || got.StartedAt.IsZero() || got.Containers[0].ImageDigest == "" || got.Health != model.Healthy {
		t.Fatalf("task: %+v", got)
	}
	if r, _ := state.ServiceRevisions.Get(w.db.View(), rev); r.Images["app"] != got.Containers[0].ImageDigest {
		t.Errorf("the revision's images: %v", r.Images)
	}
	w.move("controllers/traffic", model.TaskRunning)
	w.stop()
	w.move("controllers/traffic", model.TaskStopping)
	if got := w.advance(time.Second); got.LastStatus != model.TaskStopping {
		t.Fatalf("stopped too early: %s", got.LastStatus)
	}
	got = w.advance(2 * time.Second)
	if got.LastStatus != model.TaskDeprovisioning || got.StoppedReason != "Task stopped by user" ||
		got.Containers[0].LastStatus != model.ContainerStopped || *got.Containers[0].ExitCode != 143 {
		t.Fatalf("task: %+v", got)
	}
}

type script struct {
	pull string
	exit *int64
}

func (s *script) Pull(model.Task) string { return s.pull }
func (s *script) Exit(model.Task) (int64, bool) {
	if s.exit == nil {
		return 0, false
	}
	return *s.exit, true
}
func (s *script) Health(model.Task) string   { return "HEALTHY" }
func (s *script) Silent(model.Instance) bool { return false }

func TestAFailedPullEndsTheTaskWithItsReason(t *testing.T) {
	w := newWorld(t, simagent.Config{
		Faults: &script{pull: "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref"},
	})
	got := w.advance(time.Second)
	if got.LastStatus != model.TaskDeprovisioning || got.StopCode != "TaskFailedToStart" ||
		!strings.HasPrefix(got.StoppedReason, "CannotPullContainerError") {
		t.Fatalf("task: %+v", got)
	}
}

func TestAnEssentialExitWaitsForDeregistration(t *testing.T) {
	code := int64(3)
	s := &script{}
	w := newWorld(t, simagent.Config{Faults: s})
	w.advance(time.Second)
	w.as("controllers/traffic", func(tx *store.Tx) error {
		return state.Targets.Put(tx, model.Target{Group: "tg", ID: "10.0.0.1", Port: 80, Task: task})
	})
	w.move("controllers/traffic", model.TaskRunning)
	s.exit = &code
	w.engine.Kick("dispatch/simagent", task)
	got := w.advance(time.Second)
	if got.LastStatus != model.TaskDeactivating || got.StopCode != "EssentialContainerExited" || got.DesiredStatus != model.TaskStopped ||
		*got.Containers[0].ExitCode != 3 {
		t.Fatalf("task: %+v", got)
	}
	w.move("controllers/traffic", model.TaskStopping)
	if got := w.advance(time.Second); got.LastStatus != model.TaskDeprovisioning {
		t.Fatalf("after deregistration: %s", got.LastStatus)
	}
}

func TestALostMachineEndsItsTasks(t *testing.T) {
	w := newWorld(t, simagent.Config{})
	w.advance(time.Second)
	w.as("controllers/instance", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error { i.State = model.InstanceTerminated; return nil })
	})
	got := w.advance(time.Second)
	if got.LastStatus != model.TaskDeprovisioning || got.StoppedReason != "Host EC2 (instance "+id+") terminated." ||
		got.DesiredStatus != model.TaskStopped {
		t.Fatalf("task: %+v", got)
	}
	if i, _ := state.Instances.Get(w.db.View(), id); i.Connected {
		t.Error("the agent of a lost machine is connected")
	}
}

func TestOnlyTheMachineItselfMaySpeakForIt(t *testing.T) {
	w := newWorld(t, simagent.Config{})
	w.advance(time.Second)
	stranger := ident.AsRole("arn:aws:iam::000000000000:role/ecsInstanceRole", "i-0000000000000000f")
	_, err := w.gateway.SubmitTask(context.Background(), stranger, dispatch.TaskReport{Task: task, Status: "STOPPED"})
	if !fault.Is(err, fault.Denied) {
		t.Errorf("report of a stranger: %v", err)
	}
	_, err = w.gateway.Register(context.Background(), stranger, dispatch.Registration{
		Cluster: "c", Document: `{"instanceId":"` + id + `","instanceType":"c6a.large"}`,
	})
	if !fault.Is(err, fault.Denied) {
		t.Errorf("registration of a stranger: %v", err)
	}
	own := ident.AsRole("arn:aws:iam::000000000000:role/ecsInstanceRole", id)
	for what, r := range map[string]dispatch.Registration{
		"another cluster": {Cluster: "other", Document: `{"instanceId":"` + id + `","instanceType":"c6a.large"}`},
		"another type":    {Cluster: "c", Document: `{"instanceId":"` + id + `","instanceType":"t3.large"}`},
		"no document":     {Cluster: "c"},
		"another ARN":     {Cluster: "c", Instance: "arn:x", Document: `{"instanceId":"` + id + `","instanceType":"c6a.large"}`},
	} {
		if _, err := w.gateway.Register(context.Background(), own, r); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
