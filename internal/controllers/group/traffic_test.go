package group_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"berth/internal/control"
	"berth/internal/controllers/group"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	"berth/internal/wire/shape/elbv2"
)

// behind is a group g of one instance, with target group tg; what the
// controller calls is written down and has no effect.
type behind struct {
	t     *testing.T
	db    *state.DB
	l     group.Controller
	calls []string
	now   time.Time
}

func newBehind(t *testing.T) *behind {
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &behind{t: t, db: db, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	as := func(ident.Principal) wire.Caller { return wire.CallerFunc(w.call) }
	w.l = group.New(group.Deps{DB: db, Series: &taken{}, As: as, Log: slog.New(slog.DiscardHandler)})
	w.put(func(tx *store.Tx) error {
		return state.TargetGroups.Put(tx, model.TargetGroup{ARN: "tg", Port: 80, TargetType: "instance"})
	})
	w.put(func(tx *store.Tx) error {
		return state.AutoScalingGroups.Put(tx, model.AutoScalingGroup{
			Name: "g", Max: 1, Desired: 1, HealthByTraffic: true, HealthCheckGrace: 60, Traffic: []model.GroupTraffic{{TargetGroup: "tg"}},
		})
	})
	w.put(func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: "i-1", Group: "g", State: model.InstanceRunning, Goal: model.GoalRun, LaunchedAt: w.now.Add(-time.Hour), ServingAt: w.now,
		})
	})
	return w
}

func (w *behind) call(_ context.Context, o *wire.Operation, in any) (any, error) {
	call := o.Name
	switch in := in.(type) {
	case *elbv2.RegisterTargetsInput:
		call += fmt.Sprintf(" %s:%d", *in.Targets[0].Id, *in.Targets[0].Port)
		w.calls = append(w.calls, call)
		return &elbv2.RegisterTargetsOutput{}, nil
	case *elbv2.DeregisterTargetsInput:
		call += fmt.Sprintf(" %s:%d", *in.Targets[0].Id, *in.Targets[0].Port)
		w.calls = append(w.calls, call)
		return &elbv2.DeregisterTargetsOutput{}, nil
	}
	w.t.Errorf("%s is called", call)
	return nil, nil
}

func (w *behind) put(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.db.Update(w.t.Context(), "test", fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *behind) target(s model.TargetState) {
	w.put(func(tx *store.Tx) error {
		return state.Targets.Put(tx, model.Target{Group: "tg", ID: "i-1", Port: 80, State: s, RegisteredAt: w.now})
	})
}

// look has the controller look, and answers what it called and when it looks
// again.
func (w *behind) look(key string) ([]string, time.Duration) {
	w.t.Helper()
	w.calls = nil
	r, err := w.l.Reconcile(w.t.Context(), control.Request{Key: key, Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.calls, r.After
}

func (w *behind) group() model.AutoScalingGroup {
	g, _ := state.AutoScalingGroups.Get(w.db.View(), "g")
	return g
}

// Proves: E9
func TestInstancesInServiceAreRegistered(t *testing.T) {
	w := newBehind(t)
	if calls, _ := w.look("g"); !slices.Equal(calls, []string{"RegisterTargets i-1:80"}) {
		t.Errorf("it calls %q", calls)
	}
	w.target(model.TargetHealthy)
	if calls, after := w.look("target|i-1"); calls != nil || after != 0 {
		t.Errorf("when all is well it calls %q, and looks again after %s", calls, after)
	}
	w.put(func(tx *store.Tx) error {
		return state.AutoScalingGroups.Edit(tx, "g", func(g *model.AutoScalingGroup) error { g.Traffic[0].Removing = true; return nil })
	})
	if calls, _ := w.look("g"); !slices.Equal(calls, []string{"DeregisterTargets i-1:80"}) {
		t.Errorf("to detach it calls %q", calls)
	}
	w.put(func(tx *store.Tx) error { return state.Targets.Delete(tx, state.TargetKey("tg", "i-1", 80)) })
	if w.look("g"); len(w.group().Traffic) != 0 {
		t.Error("a target group without registrations stays attached")
	}
}

// Proves: E10, E11
func TestGraceBeforeATargetGroupsHealthChecksCount(t *testing.T) {
	w := newBehind(t)
	w.target(model.TargetUnhealthy)
	w.now = w.now.Add(20 * time.Second)
	if _, after := w.look("target|i-1"); after != 40*time.Second || len(w.group().Sick) != 0 {
		t.Errorf("in the grace period it calls %v unhealthy, and looks again after %s", w.group().Sick, after)
	}
	w.put(func(tx *store.Tx) error { // nothing is ended here: EC2 would be asked
		return state.AutoScalingGroups.Edit(tx, "g", func(g *model.AutoScalingGroup) error { g.Suspended = []string{"Terminate"}; return nil })
	})
	w.now = w.now.Add(40 * time.Second)
	if w.look("g"); !slices.Equal(w.group().Sick, []string{"i-1"}) {
		t.Errorf("after it it calls %v unhealthy", w.group().Sick)
	}
}

func TestTargetsThatWakeTheController(t *testing.T) {
	instance, address := &model.Target{ID: "i-1"}, &model.Target{ID: "10.0.0.1"}
	wake := (group.Controller{}).Wake()
	if got := wake.Keys(state.Targets.Change(nil, instance)); !slices.Equal(got, []string{"target|i-1"}) {
		t.Errorf("an instance wakes %q", got)
	}
	if got := wake.Keys(state.Targets.Change(nil, address)); len(got) != 0 {
		t.Errorf("an address wakes %q", got)
	}
}
