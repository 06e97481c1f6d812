package reservation_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/internal/control"
	"berth/internal/controllers/reservation"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	"berth/internal/wire/shape/autoscaling"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 30, 0, time.UTC)
	place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}
)

// world has a provider of a group with two instances; calls are what Auto
// Scaling was asked.
type world struct {
	*testing.T
	db     *state.DB
	loop   *reservation.Controller
	now    time.Time
	calls  []string
	points []series.Datum
}

// Call implements wire.Caller.
func (w *world) Call(_ context.Context, o *wire.Operation, in any) (any, error) {
	switch v := in.(type) {
	case *autoscaling.SetDesiredCapacityInput:
		w.calls = append(w.calls, o.Name+" "+string(rune('0'+*v.DesiredCapacity)))
		return &autoscaling.SetDesiredCapacityOutput{}, nil
	case *autoscaling.SetInstanceProtectionInput:
		on := map[bool]string{true: " on", false: " off"}[*v.ProtectedFromScaleIn]
		w.calls = append(w.calls, o.Name+" "+strings.Join(v.InstanceIds, ",")+on)
	}
	return &autoscaling.SetInstanceProtectionOutput{}, nil
}

// Put implements reservation.Metrics.
func (w *world) Put(_ context.Context, data ...series.Datum) error {
	w.points = append(w.points, data...)
	return nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &world{T: t, db: db, now: start}
	w.loop = reservation.New(reservation.Deps{
		DB: db, Place: place, Series: w, As: func(ident.Principal) wire.Caller { return w }, Log: slog.New(slog.DiscardHandler),
	})
	put(w, "api/ec2", state.Subnets, model.Subnet{ID: "subnet-a", AvailabilityZone: "a"})
	put(w, "api/ec2", state.LaunchTemplates, model.LaunchTemplate{
		ID: "lt-1", Default: 1, Versions: []model.LaunchTemplateVersion{{Number: 1, Data: `{"InstanceType":"t3.large"}`}},
	})
	put(w, "api/autoscaling", state.AutoScalingGroups, model.AutoScalingGroup{
		Name: "hosts", Max: 5, Desired: 2, Template: "lt-1", TemplateVersion: "1", Subnets: []string{"subnet-a"}, Protected: []string{"i-2"},
	})
	put(w, "api/ecs", state.Clusters, model.Cluster{Name: "c", Status: model.ClusterActive})
	put(w, "api/ecs", state.TaskDefinitions, model.TaskDefinition{ARN: "d", NetworkMode: model.NetworkBridge, CPU: 128, Memory: 6000})
	put(w, "api/ecs", state.CapacityProviders, model.CapacityProvider{
		Name: "cp", Cluster: "c", Status: model.ProviderActive, Group: &model.GroupProvider{
			Name: "hosts", Protects: true, Scaling: model.ManagedScaling{Enabled: true, Target: 100, MinStep: 1, MaxStep: 10, WarmUp: 60},
		},
	})
	for _, id := range []string{"i-1", "i-2"} {
		put(w, "api/ec2", state.Instances, model.Instance{
			ID: id, ARN: "arn:" + id, Kind: model.KindEC2, Group: "hosts", Cluster: "c", Goal: model.GoalRun, State: model.InstancePending,
			Expected: model.Resources{CPU: 2048, Memory: 7000}, AvailabilityZone: "a",
		})
		w.edit("controllers/instance", id, func(i *model.Instance) { i.State, i.LaunchedAt = model.InstanceRunning, start.Add(-time.Hour) })
		w.edit("dispatch", id, func(i *model.Instance) {
			i.Status, i.Connected, i.Registered = model.ContainerInstanceActive, true, i.Expected
		})
	}
	return w
}

func put[T any](w *world, writer string, t *store.Table[T], v T) {
	w.Helper()
	if err := w.db.Update(w.Context(), writer, func(tx *store.Tx) error { return t.Put(tx, v) }); err != nil {
		w.Fatal(err)
	}
}

func (w *world) edit(writer, id string, fn func(*model.Instance)) {
	w.Helper()
	if err := w.db.Update(w.Context(), writer, func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error { fn(i); return nil })
	}); err != nil {
		w.Fatal(err)
	}
}

// look lets the clock move on and the controller look.
func (w *world) look(key string, d time.Duration) time.Duration {
	w.Helper()
	w.now = w.now.Add(d)
	r, err := w.loop.Reconcile(w.Context(), control.Request{Key: key, Now: w.now})
	if err != nil {
		w.Fatal(err)
	}
	return r.After
}

func (w *world) said(want ...string) {
	w.Helper()
	if !slices.Equal(w.calls, want) {
		w.Errorf("it called %q, want %q", w.calls, want)
	}
	w.calls = nil
}

func task(arn string) model.Task {
	return model.Task{
		ARN: arn, ID: arn, Cluster: "c", TaskDefinition: "d", Group: "g", Memory: 6000, CPU: 128,
		LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning,
	}
}

// TestOneMinute: instances become the provider's, those with tasks are spared,
// the reservation is told once a minute, and the group grows.
//
// Proves: E302, E303, E307
func TestOneMinute(t *testing.T) {
	w := newWorld(t)
	if after := w.look("group|hosts", 0); after != 30*time.Second {
		t.Errorf("it looks again after %s", after)
	}
	for _, id := range []string{"i-1", "i-2"} {
		if i, _ := state.Instances.Get(w.db.View(), id); i.CapacityProvider != "cp" {
			t.Errorf("%s is of %q", id, i.CapacityProvider)
		}
	}
	w.said()
	for _, arn := range []string{"t1", "t2", "t3"} {
		put(w, "api/ecs", state.Tasks, task(arn))
		if err := w.db.Update(t.Context(), "controllers/task", func(tx *store.Tx) error {
			return state.Tasks.Edit(tx, arn, func(t *model.Task) error {
				t.CapacityProvider, t.Instance = "cp", map[string]string{"t1": "arn:i-1"}[arn]
				return nil
			})
		}); err != nil {
			t.Fatal(err)
		}
	}
	w.look("cp", 10*time.Second) // the same minute
	w.said("SetInstanceProtection i-1 on")
	w.look("cp", time.Minute)
	w.said("SetInstanceProtection i-1 on", "SetDesiredCapacity 3") // nobody answered the first
	if len(w.points) != 2 || w.points[0].Set.Sum != 0 || w.points[1].Set.Sum != 150 ||
		w.points[1].Metric.Name != "CapacityProviderReservation" {
		t.Errorf("%+v", w.points)
	}
	if p, _ := state.CapacityProviders.Get(w.db.View(), "cp"); !p.LowSince.IsZero() {
		t.Errorf("it is low since %s", p.LowSince)
	}
	// Without a cluster nothing is its own.
	if err := w.db.Update(t.Context(), "api/ecs", func(tx *store.Tx) error {
		return state.CapacityProviders.Edit(tx, "cp", func(p *model.CapacityProvider) error { p.Cluster = ""; return nil })
	}); err != nil {
		t.Fatal(err)
	}
	if after := w.look("cp", time.Minute); after != 0 {
		t.Errorf("it looks again after %s", after)
	}
	if i, _ := state.Instances.Get(w.db.View(), "i-1"); i.CapacityProvider != "" {
		t.Errorf("it is still of %q", i.CapacityProvider)
	}
}

// TestTooManyAreLetGo: after a quarter of an hour below the target.
//
// Proves: E306
func TestTooManyAreLetGo(t *testing.T) {
	w := newWorld(t)
	w.look("cp", 0)
	since := func() time.Time {
		p, _ := state.CapacityProviders.Get(w.db.View(), "cp")
		return p.LowSince
	}
	if !since().Equal(start) {
		t.Errorf("low since %s", since())
	}
	for range 14 {
		w.look("cp", time.Minute)
	}
	w.said()
	w.look("cp", time.Minute)
	w.said("SetDesiredCapacity 1")
}

func TestWhatWakesTheController(t *testing.T) {
	rules := (&reservation.Controller{}).Wake()
	for name, c := range map[string]struct {
		change store.Change
		want   string
	}{
		"a provider of a group": {state.CapacityProviders.Change(nil, &model.CapacityProvider{Name: "cp", Group: &model.GroupProvider{}}), "cp"},
		"another provider":      {state.CapacityProviders.Change(&model.CapacityProvider{Name: "cp"}, nil), ""},
		"a group":               {state.AutoScalingGroups.Change(nil, &model.AutoScalingGroup{Name: "g"}), "group|g"},
		"one of its instances":  {state.Instances.Change(nil, &model.Instance{ID: "i", Group: "g"}), "group|g"},
		"an instance of no one": {state.Instances.Change(nil, &model.Instance{ID: "i"}), ""},
		"a task":                {state.Tasks.Change(nil, &model.Task{ARN: "t", CapacityProvider: "cp"}), "cp"},
	} {
		if got := strings.Join(rules.Keys(c.change), " "); got != c.want {
			t.Errorf("%s wakes %q", name, got)
		}
	}
}
