// Package task is the loop that gives waiting tasks an instance: one key a
// cluster, one plan for all of its tasks at once.
//
// It owns a task's Instance, CapacityProvider, AvailabilityZone, Subnet,
// PlacedAt and Refusal, and moves on the tasks that nobody else can: those
// told to stop before they had an instance, and those that waited for one too
// long. Tasks whose instance is gone are dispatch's: they may have targets.
// It buys nothing (controllers/capacity does) and gives no address
// (controllers/network does). Only the control engine calls it.
package task

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"berth/internal/control"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/plan/placement"
	"berth/internal/state"
	"berth/internal/store"
)

const name = "controllers/task"

// weariness is how long a task without a service waits for capacity before it
// is given up: on AWS between 10 and 30 minutes (aws/containers-roadmap#2381,
// read 2026-11-29). A service would only make another.
const weariness = 30 * time.Minute

// patience is how long a task waits before its service is told why. Waiting
// for an instance that is on its way is no event on AWS.
const patience = 5 * time.Minute

// Deps are what the loop needs.
type Deps struct {
	DB  *state.DB
	IDs *ident.Source
	Log *slog.Logger
}

// Loop implements control.Loop.
type Loop struct{ Deps }

var _ control.Loop = Loop{}

// New returns the loop.
func New(d Deps) Loop { return Loop{d} }

// Name implements control.Loop.
func (Loop) Name() string { return name }

// Wake implements control.Loop: a cluster is looked at when one of its tasks
// comes, moves or goes, when an instance gains or loses the ability to take
// tasks, and when its default strategy may have changed.
func (Loop) Wake(c store.Change) []string {
	switch n := either(c).(type) {
	case model.Task:
		if o, ok := c.Old.(model.Task); ok && c.New != nil && same(o, n) {
			return nil
		}
		return []string{n.Cluster}
	case model.Instance:
		if o, ok := c.Old.(model.Instance); ok && c.New != nil && still(o, n) {
			return nil
		}
		return []string{n.Cluster}
	case model.Cluster:
		if o, ok := c.Old.(model.Cluster); ok && c.New != nil && slices.Equal(o.DefaultStrategy, n.DefaultStrategy) {
			return nil // its tags are none of placement's business
		}
		return []string{n.Name}
	}
	return nil
}

func either(c store.Change) any {
	if c.New != nil {
		return c.New
	}
	return c.Old
}

func same(o, n model.Task) bool {
	return o.LastStatus == n.LastStatus && o.DesiredStatus == n.DesiredStatus && o.Instance == n.Instance && o.CapacityProvider == n.CapacityProvider
}

func still(o, n model.Instance) bool {
	return o.Goal == n.Goal && o.State == n.State && o.Status == n.Status && o.Connected == n.Connected &&
		o.Registered.CPU == n.Registered.CPU && o.Registered.Memory == n.Registered.Memory
}

func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Reconcile implements control.Loop.
func (l Loop) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	view := l.DB.View()
	w := look(view, r)
	if len(w.facts.Tasks) == 0 {
		return control.Result{}, nil
	}
	asks := w.facts.Asks()
	plan := placement.Place(w.facts.Now(), asks)
	w.explain(plan)
	events, after := w.events(plan)
	weary, then := w.weary(plan)
	moves := append(w.cancelled(), weary...)
	after = sooner(after, then)
	for i := range events {
		events[i].id = l.IDs.UUID()
	}
	if len(moves)+len(asks)+len(events) == 0 {
		return control.Result{After: after}, nil
	}
	err := l.DB.Update(ctx, name, func(tx *store.Tx) error {
		return write(tx, r.Now, moves, asks, plan, events)
	})
	if err == nil {
		for _, p := range plan.Placed {
			l.Log.Info("task placed", "cluster", r.Key, "task", p.Task, "instance", p.Node, "reason", p.Why)
		}
	}
	return control.Result{After: after}, err
}
