package capacity_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/controllers/capacity"
	"berth/internal/controllers/reaper"
	"berth/internal/controllers/task"
	"berth/internal/dispatch"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/state/statetest"
	"berth/internal/store"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}
)

const (
	service    = "arn:aws:ecs:ap-northeast-1:000000000000:service/c/web"
	definition = "arn:aws:ecs:ap-northeast-1:000000000000:task-definition/web:1"
)

// drivers stand for the packages that launch, register, address and run.
type drivers struct{ db *state.DB }

func (drivers) Name() string { return "drivers" }

func (drivers) Wake() store.Rules {
	return store.Rules{
		store.On(state.Instances, "the instance", func(_, i *model.Instance) []string {
			if i == nil {
				return nil
			}
			return []string{i.ID}
		}),
		store.On(state.Tasks, "the task", func(_, t *model.Task) []string {
			if t == nil {
				return nil
			}
			return []string{t.ARN}
		}),
	}
}

func (h drivers) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	if i, ok := state.Instances.Get(h.db.View(), r.Key); ok {
		return h.instance(ctx, r.Now, i)
	}
	t, _ := state.Tasks.Get(h.db.View(), r.Key)
	switch {
	case t.DesiredStatus == model.TaskStopped && (t.Instance != "" || t.LastStatus == model.TaskDeprovisioning) &&
		t.LastStatus != model.TaskStopped:
		return control.Result{}, errors.Join(statetest.Walk(ctx, h.db, t.ARN, model.TaskStopped),
			h.task(ctx, t.ARN, "controllers/network", func(t *model.Task) { t.StoppedAt = r.Now }))
	case t.Instance != "" && t.LastStatus == model.TaskProvisioning:
		return control.Result{}, errors.Join(statetest.Walk(ctx, h.db, t.ARN, model.TaskRunning),
			h.task(ctx, t.ARN, "controllers/traffic", func(t *model.Task) { t.StartedAt = r.Now }))
	}
	return control.Result{}, nil
}

func (h drivers) task(ctx context.Context, arn, writer string, fn func(*model.Task)) error {
	return h.db.Update(ctx, writer, func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, arn, func(t *model.Task) error { fn(t); return nil })
	})
}

func (h drivers) instance(ctx context.Context, now time.Time, i model.Instance) (control.Result, error) {
	edit := func(writer string, fn func(*model.Instance)) error {
		return h.db.Update(ctx, writer, func(tx *store.Tx) error {
			return state.Instances.Edit(tx, i.ID, func(i *model.Instance) error { fn(i); return nil })
		})
	}
	switch {
	case i.Goal == model.GoalTerminate && i.State != model.InstanceTerminated:
		return control.Result{}, edit("controllers/instance", func(i *model.Instance) {
			i.State, i.Status, i.TerminatedAt = model.InstanceTerminated, model.ContainerInstanceInactive, now
		})
	case i.State == model.InstancePending:
		return control.Result{After: 20 * time.Second}, edit("controllers/instance", func(i *model.Instance) {
			i.State, i.LaunchedAt = model.InstanceRunning, now
		})
	case i.State == model.InstanceRunning && i.Status == "" && now.Sub(i.LaunchedAt) < 20*time.Second:
		return control.Result{After: 20*time.Second - now.Sub(i.LaunchedAt)}, nil
	case i.State == model.InstanceRunning && i.Status == "":
		return control.Result{}, edit("dispatch", func(i *model.Instance) {
			i.Status, i.Connected, i.RegisteredAt, i.Registered = model.ContainerInstanceActive, true, now, i.Expected
		})
	}
	return control.Result{}, nil
}

type world struct {
	*testing.T
	db     *state.DB
	clock  *clock.Stepped
	engine *control.Engine
	live   []string // tasks that are desired, the oldest first
	made   int
}

func newWorld(t *testing.T, edit func(*model.CapacityProvider)) *world {
	t.Helper()
	c := clock.NewStepped(start)
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	ids, log := ident.Seeded(1), slog.New(slog.DiscardHandler)
	w := &world{T: t, db: db, clock: c, engine: control.New(db, c, log)}
	w.engine.Begin(t.Context(), true)
	w.engine.Add(
		task.New(task.Deps{DB: db, IDs: ids, Log: log}),
		capacity.New(capacity.Deps{DB: db, IDs: ids, Place: place, Architectures: []string{"x86_64"}, Log: log}),
		reaper.New(reaper.Deps{DB: db}), dispatch.Controller{DB: db}, drivers{db})
	low, high := 1.0, 5.0
	small, large := 1024.0, 5120.0
	p := model.CapacityProvider{
		Name: "cp", Cluster: "c", Status: model.ProviderProvisioning, UpdateStatus: model.ProviderCreateInProgress, ChangedAt: start,
		CreatedAt: start, Subnets: []string{"subnet-a", "subnet-c"}, CapacityOption: "ON_DEMAND", StorageSizeGiB: 30,
		PropagateTags: "CAPACITY_PROVIDER",
		Tags:          []model.Tag{{Key: "env", Value: "dev"}},
		Requirements: &model.InstanceRequirements{
			VCpuCount: model.Range{Min: &low, Max: &high}, MemoryMiB: model.Range{Min: &small, Max: &large},
			CpuManufacturers: []string{"intel", "amd"}, BurstablePerformance: "included",
		},
	}
	if edit != nil {
		edit(&p)
	}
	w.as("api/ec2", func(tx *store.Tx) error {
		return errors.Join(
			state.Subnets.Put(tx, model.Subnet{ID: "subnet-a", VPC: "vpc", AvailabilityZone: "ap-northeast-1a"}),
			state.Subnets.Put(tx, model.Subnet{ID: "subnet-c", VPC: "vpc", AvailabilityZone: "ap-northeast-1c"}))
	})
	w.as("api/ecs", func(tx *store.Tx) error {
		return errors.Join(
			state.Clusters.Put(tx, model.Cluster{
				Name: "c", Status: model.ClusterActive, DefaultStrategy: []model.StrategyItem{{Provider: "cp", Weight: 1}},
			}),
			state.CapacityProviders.Put(tx, p),
			state.TaskDefinitions.Put(tx, model.TaskDefinition{ARN: definition, NetworkMode: "awsvpc", CPU: 256, Memory: 512}),
			state.Services.Put(tx, model.Service{ARN: service, Name: "web", Cluster: "c", Status: model.ServiceActive}))
	})
	w.engine.Open()
	return w
}

func (w *world) as(writer string, fn func(*store.Tx) error) {
	w.Helper()
	if err := w.db.Update(w.Context(), writer, fn); err != nil {
		w.Fatal(err)
	}
}

// scale makes tasks of the service, or stops the newest.
func (w *world) scale(n int, memory int64) {
	w.Helper()
	w.as("controllers/service", func(tx *store.Tx) error {
		for len(w.live) < n {
			arn := fmt.Sprintf("arn:aws:ecs:ap-northeast-1:000000000000:task/c/%04d", w.made)
			w.made++
			w.live = append(w.live, arn)
			if err := state.Tasks.Put(tx, model.Task{
				ARN: arn, Cluster: "c", Service: service, Group: "service:web", TaskDefinition: definition, CPU: 256, Memory: memory,
				LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning, CreatedAt: w.clock.Now(),
				Network: model.NetworkConfiguration{Subnets: []string{"subnet-a", "subnet-c"}},
			}); err != nil {
				return err
			}
		}
		for len(w.live) > n {
			arn := w.live[len(w.live)-1]
			w.live = w.live[:len(w.live)-1]
			if _, ok := state.Tasks.Get(tx, arn); !ok {
				continue // it ended with its instance and was forgotten
			}
			if err := state.Tasks.Edit(tx, arn, func(t *model.Task) error {
				t.DesiredStatus = model.TaskStopped
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) advance(d time.Duration) {
	w.Helper()
	for end := w.clock.Now().Add(d); ; {
		if _, err := w.engine.Settle(w.Context(), 10000); err != nil {
			w.Fatal(err)
		}
		next, ok := w.engine.NextDue()
		if !ok || next.After(end) {
			w.clock.Advance(end.Sub(w.clock.Now()))
			return
		}
		w.clock.Advance(max(next.Sub(w.clock.Now()), 0))
	}
}

// fleet writes the instances that live as "type zone tasks".
func (w *world) fleet() string {
	view := w.db.View()
	var out []string
	for _, i := range state.Instances.All(view) {
		if i.State == model.InstanceTerminated {
			continue
		}
		n := 0
		for _, t := range state.Tasks.By(view, "instance", i.ARN) {
			if t.LastStatus == model.TaskRunning {
				n++
			}
		}
		out = append(out, fmt.Sprintf("%s %s %d", i.Type, i.AvailabilityZone[len(i.AvailabilityZone)-1:], n))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (w *world) want(fleet string) {
	w.Helper()
	if diff := cmp.Diff(fleet, w.fleet()); diff != "" {
		w.Error(diff)
	}
}

func (w *world) provider() model.CapacityProvider {
	p, _ := state.CapacityProviders.Get(w.db.View(), "cp")
	return p
}

func TestAProviderTakesItsTimeToBecomeActive(t *testing.T) {
	w := newWorld(t, nil)
	w.scale(1, 512)
	w.advance(20 * time.Second)
	if p := w.provider(); p.Status != model.ProviderProvisioning || w.fleet() != "" {
		t.Errorf("%s, %q", p.Status, w.fleet())
	}
	w.advance(10 * time.Second)
	if p := w.provider(); p.Status != model.ProviderActive || p.UpdateStatus != model.ProviderCreateComplete {
		t.Errorf("%s %s", p.Status, p.UpdateStatus)
	}
	w.want("c6a.large a 0")
}

// The seed's story: 1, 2 and 4 tasks on one instance, 8 need a second in the
// other zone, and back at 1 the second goes after its wait.
func TestTheSeedsStory(t *testing.T) {
	w := newWorld(t, nil)
	w.advance(time.Minute)
	for _, step := range []struct {
		n    int
		want string
	}{{1, "c6a.large a 1"}, {2, "c6a.large a 2"}, {4, "c6a.large a 4"}, {8, "c6a.large a 7, c6a.large c 1"}} {
		w.scale(step.n, 512)
		w.advance(time.Minute)
		w.want(step.want)
	}
	w.scale(1, 512)
	w.advance(time.Minute)
	w.want("c6a.large a 1, c6a.large c 0")
	w.advance(time.Minute)
	w.want("c6a.large a 1")
	w.scale(0, 512)
	w.advance(3 * time.Minute)
	w.want("")
	if n := state.Instances.Len(w.db.View()); n != 2 {
		t.Errorf("%d instances are describable", n)
	}
	w.advance(2 * time.Hour)
	if n, m := state.Instances.Len(w.db.View()), state.Tasks.Len(w.db.View()); n+m != 0 {
		t.Errorf("%d instances and %d tasks are never forgotten", n, m)
	}
}

// Proves: MI41, MI62, MI65
func TestAnInstanceHasAllThatTheMachineNeeds(t *testing.T) {
	w := newWorld(t, func(p *model.CapacityProvider) {
		p.SecurityGroups, p.InstanceProfileARN, p.InfrastructureRoleARN, p.Monitoring = []string{"sg"}, "profile", "role", "DETAILED"
	})
	w.scale(1, 512)
	w.advance(time.Minute)
	i := state.Instances.All(w.db.View())[0]
	if i.Subnet != "subnet-a" || i.ProfileARN != "profile" || i.InfraRoleARN != "role" || i.StorageGiB != 30 || i.Monitoring != "DETAILED" ||
		!slices.Equal(i.SecurityGroups, []string{"sg"}) || model.TagValue(i.Tags, "env") != "dev" ||
		model.TagValue(i.Tags, "aws:ec2:managed-launch") == "" ||
		!strings.HasPrefix(i.ARN, "arn:aws:ecs:ap-northeast-1:000000000000:container-instance/c/") {
		t.Errorf("%+v", i)
	}
	x := state.Tasks.All(w.db.View())[0]
	if x.Instance != i.ARN || x.CapacityProvider != "cp" || x.Subnet != "subnet-a" || x.AvailabilityZone != "ap-northeast-1a" ||
		x.PlacedAt.IsZero() || x.Refusal != "" {
		t.Errorf("%+v", x)
	}
}

func TestDeletingAProviderEndsItsInstances(t *testing.T) {
	w := newWorld(t, nil)
	w.scale(1, 512)
	w.advance(time.Minute)
	w.as("api/ecs", func(tx *store.Tx) error {
		return state.CapacityProviders.Edit(tx, "cp", func(p *model.CapacityProvider) error {
			p.Status, p.UpdateStatus, p.ChangedAt = model.ProviderDeprovisioning, model.ProviderDeleteInProgress, w.clock.Now()
			return nil
		})
	})
	w.advance(time.Minute)
	w.want("")
	if p := w.provider(); p.Status != model.ProviderInactive || p.UpdateStatus != model.ProviderDeleteComplete {
		t.Errorf("%s %s", p.Status, p.UpdateStatus)
	}
	x := state.Tasks.All(w.db.View())[0]
	if x.LastStatus != model.TaskStopped || !strings.HasPrefix(x.StoppedReason, "Host EC2 (instance i-") ||
		!strings.HasSuffix(x.StoppedReason, ") terminated.") {
		t.Errorf("%s %q", x.LastStatus, x.StoppedReason)
	}
}

func TestATaskTooLargeIsExplained(t *testing.T) {
	w := newWorld(t, nil)
	w.scale(1, 9000)
	w.advance(20 * time.Minute)
	w.want("")
	s, _ := state.Services.Get(w.db.View(), service)
	var got []string
	for _, e := range s.Events {
		got = append(got, e.Message)
	}
	want := []string{
		"(service web) was unable to place a task because no container instance met all of its requirements. Reason: No Container Instances " +
			"were found in your capacity provider.",
		"(service web) was unable to place a task. Reason: No instance type of capacity provider cp can hold the task: it needs 256 CPU units " +
			"and 9000 MiB.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	x := state.Tasks.All(w.db.View())[0]
	if x.Refusal != "no container instance met all of its requirements: capacity provider cp has no instance" {
		t.Error(x.Refusal)
	}
}

func TestATaskToldToStopBeforeItHadAnInstance(t *testing.T) {
	w := newWorld(t, nil)
	w.scale(1, 9000)
	w.advance(time.Second)
	w.scale(0, 9000)
	w.advance(time.Second)
	if x := state.Tasks.All(w.db.View())[0]; x.LastStatus != model.TaskStopped {
		t.Error(x.LastStatus)
	}
}

// Proves: MI45
func TestNothingIsBoughtForFiveMinutesAfterARefusal(t *testing.T) {
	w := newWorld(t, nil)
	w.advance(time.Minute)
	w.as("controllers/instance", func(tx *store.Tx) error {
		return state.CapacityProviders.Edit(tx, "cp", func(p *model.CapacityProvider) error {
			p.LastFailureAt = w.clock.Now()
			return nil
		})
	})
	w.scale(1, 512)
	w.advance(4 * time.Minute)
	w.want("")
	w.advance(2 * time.Minute)
	w.want("c6a.large a 1")
}

func TestDecisionsAreTrimmed(t *testing.T) {
	w := newWorld(t, nil)
	w.as("test", func(tx *store.Tx) error {
		for range reaper.MaxDecisions + 7 {
			if err := state.Note(tx, start, model.Decision{By: "test"}); err != nil {
				return err
			}
		}
		return nil
	})
	w.advance(2 * time.Minute)
	if n := state.Decisions.Len(w.db.View()); n > reaper.MaxDecisions {
		t.Error(n)
	}
}

// A settled world is at rest: running the loops again writes nothing.
func TestSettlingTwiceWritesNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.scale(5, 512)
	w.advance(10 * time.Minute)
	before := w.db.View().Revision()
	for _, l := range []string{"controllers/task", "controllers/capacity"} {
		w.engine.Kick(l, map[string]string{"controllers/task": "c", "controllers/capacity": "cp"}[l])
	}
	if _, err := w.engine.Settle(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	if after := w.db.View().Revision(); after != before {
		t.Errorf("from revision %d to %d", before, after)
	}
}
