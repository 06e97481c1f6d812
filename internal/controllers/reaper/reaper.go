// Package reaper is the controller that forgets: tasks, instances and NAT gateways an
// hour after their end, as AWS does, deleted stacks with their events after 90
// days, decisions beyond the last ten thousand, and keys that have expired.
//
// It deletes records and changes none. Only the control engine calls it.
package reaper

import (
	"context"
	"time"

	"berth/internal/control"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

const (
	name  = "controllers/reaper"
	every = time.Minute
	// Kept is how long what has ended stays describable.
	Kept = time.Hour
	// KeptStacks is how long a deleted stack stays describable.
	KeptStacks = 90 * 24 * time.Hour
	// MaxDecisions is how many decisions are kept.
	MaxDecisions = 10000
	// most bounds one transaction.
	most = 5000
)

// Deps are what the controller needs.
type Deps struct{ DB *state.DB }

// Controller implements control.Controller.
type Controller struct{ Deps }

var (
	_ control.Controller = Controller{}
	_ control.Starter    = Controller{}
)

// New returns the controller.
func New(d Deps) Controller { return Controller{d} }

// Name implements control.Controller.
func (Controller) Name() string { return name }

// Wake implements control.Controller: changes never wake it, time does.
func (Controller) Wake() store.Rules { return nil }

// Start implements control.Starter.
func (Controller) Start(store.Reader) []string { return []string{"all"} }

// Reconcile implements control.Controller.
func (l Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	old := find(l.DB.View(), r.Now)
	if old.empty() {
		return control.Result{After: every}, nil
	}
	return control.Result{After: every}, l.DB.Update(ctx, name, old.forget)
}

// old are the keys of what may be forgotten.
type old struct {
	tasks, instances, gateways, decisions, credentials []string
	stacks, events, changes                            []string
}

func (o old) empty() bool {
	return len(o.tasks)+len(o.instances)+len(o.gateways)+len(o.decisions)+len(o.credentials)+len(o.stacks) == 0
}

func find(view store.Reader, now time.Time) old {
	var o old
	due := func(at time.Time) bool { return !at.IsZero() && !now.Before(at.Add(Kept)) }
	for _, t := range state.Tasks.By(view, "status", string(model.TaskStopped)) {
		if due(latest(t.StoppedAt, t.StatusAt)) {
			o.tasks = append(o.tasks, t.ARN)
		}
	}
	for _, i := range state.Instances.By(view, "state", "terminated") {
		if due(latest(i.TerminatedAt, i.GoalAt)) {
			o.instances = append(o.instances, i.ID)
		}
	}
	for _, n := range state.NATGateways.All(view) {
		if n.State == model.NATDeleted && due(n.DeletedAt) {
			o.gateways = append(o.gateways, n.ID)
		}
	}
	for _, c := range state.Credentials.All(view) {
		if !c.Expires.IsZero() && now.After(c.Expires) {
			o.credentials = append(o.credentials, c.AccessKeyID)
		}
	}
	o.findStacks(view, now)
	surplus := min(state.Decisions.Len(view)-MaxDecisions, most)
	if surplus > 0 {
		state.Decisions.From(view, "", func(d model.Decision) bool {
			o.decisions = append(o.decisions, state.Decisions.Key(d))
			return len(o.decisions) < surplus
		})
	}
	o.tasks, o.instances, o.credentials = o.tasks[:min(len(o.tasks), most)], o.instances[:min(len(o.instances), most)], o.credentials[:min(
		len(o.credentials), most,
	)]
	return o
}

// findStacks finds deleted stacks with all that is kept of them.
func (o *old) findStacks(view store.Reader, now time.Time) {
	for _, s := range state.Stacks.All(view) {
		if s.Status != model.StackDeleteComplete || s.DeletedAt.IsZero() || now.Before(s.DeletedAt.Add(KeptStacks)) || len(o.events) >= most {
			continue
		}
		o.stacks = append(o.stacks, s.ID)
		for _, e := range state.StackEvents.By(view, "stack", s.ID) {
			o.events = append(o.events, state.StackEvents.Key(e))
		}
		for _, c := range state.ChangeSets.By(view, "stack", s.ID) {
			o.changes = append(o.changes, c.ID)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (o old) forget(tx *store.Tx) error {
	for _, k := range o.tasks {
		if err := state.Tasks.Delete(tx, k); err != nil {
			return err
		}
	}
	for _, k := range o.instances {
		if err := state.Instances.Delete(tx, k); err != nil {
			return err
		}
	}
	for _, k := range o.gateways {
		if err := state.NATGateways.Delete(tx, k); err != nil {
			return err
		}
	}
	for _, k := range o.credentials {
		if err := state.Credentials.Delete(tx, k); err != nil {
			return err
		}
	}
	for _, k := range o.decisions {
		if err := state.Decisions.Delete(tx, k); err != nil {
			return err
		}
	}
	return o.forgetStacks(tx)
}

func (o old) forgetStacks(tx *store.Tx) error {
	for _, k := range o.stacks {
		if err := state.Stacks.Delete(tx, k); err != nil {
			return err
		}
	}
	for _, k := range o.events {
		if err := state.StackEvents.Delete(tx, k); err != nil {
			return err
		}
	}
	for _, k := range o.changes {
		if err := state.ChangeSets.Delete(tx, k); err != nil {
			return err
		}
	}
	return nil
}
