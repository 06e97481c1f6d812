package reaper_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/control"
	"berth/internal/controllers/reaper"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// Proves: D53
func TestOnlyWhatIsLongOverIsForgotten(t *testing.T) {
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	old, fresh := now.Add(-reaper.Kept), now.Add(-reaper.Kept+time.Second)
	if err := db.Update(t.Context(), "test", func(tx *store.Tx) error {
		return errors.Join(
			state.Tasks.Put(tx, model.Task{ARN: "old", LastStatus: model.TaskStopped, StoppedAt: old}),
			state.Tasks.Put(tx, model.Task{ARN: "fresh", LastStatus: model.TaskStopped, StoppedAt: fresh}),
			state.Tasks.Put(tx, model.Task{ARN: "runs", LastStatus: model.TaskRunning, StatusAt: old}),
			state.Instances.Put(tx, model.Instance{ID: "old", State: model.InstanceTerminated, TerminatedAt: old}),
			state.Instances.Put(tx, model.Instance{ID: "fresh", State: model.InstanceTerminated, TerminatedAt: fresh}),
			state.Instances.Put(tx, model.Instance{ID: "runs", State: model.InstanceRunning}),
			state.NATGateways.Put(tx, model.NATGateway{ID: "old", State: model.NATDeleted, DeletedAt: old}),
			state.NATGateways.Put(tx, model.NATGateway{ID: "going", State: model.NATDeleting, DeletedAt: old}),
			state.Credentials.Put(tx, model.Credential{AccessKeyID: "old", Expires: now.Add(-time.Second)}),
			state.Credentials.Put(tx, model.Credential{AccessKeyID: "fresh", Expires: now.Add(time.Second)}),
			state.Credentials.Put(tx, model.Credential{AccessKeyID: "for ever"}))
	}); err != nil {
		t.Fatal(err)
	}
	l := reaper.New(reaper.Deps{DB: db})
	r, err := l.Reconcile(t.Context(), control.Request{Key: "all", Now: now})
	if err != nil || r.After != time.Minute {
		t.Fatal(r, err)
	}
	var left []string
	view := db.View()
	for _, x := range state.Tasks.All(view) {
		left = append(left, "task "+x.ARN)
	}
	for _, x := range state.Instances.All(view) {
		left = append(left, "instance "+x.ID)
	}
	for _, x := range state.NATGateways.All(view) {
		left = append(left, "gateway "+x.ID)
	}
	for _, x := range state.Credentials.All(view) {
		left = append(left, "key "+x.AccessKeyID)
	}
	want := []string{"task fresh", "task runs", "instance fresh", "instance runs", "gateway going", "key for ever", "key fresh"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Error(diff)
	}
	before := view.Revision()
	if _, err := l.Reconcile(t.Context(), control.Request{Key: "all", Now: now}); err != nil || db.View().Revision() != before {
		t.Error("a second pass writes", err)
	}
}

// A deleted stack goes with its events and change sets; one that lives, or was
// deleted a moment later, stays whole.
func TestDeletedStacksAreForgottenAfterNinetyDays(t *testing.T) {
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), "test", func(tx *store.Tx) error {
		var all []error
		for id, s := range map[string]model.Stack{
			"old":   {Status: model.StackDeleteComplete, DeletedAt: now.Add(-reaper.KeptStacks)},
			"fresh": {Status: model.StackDeleteComplete, DeletedAt: now.Add(-reaper.KeptStacks + time.Second)},
			"lives": {Status: model.StackCreateComplete},
		} {
			s.ID = id
			all = append(all, state.Stacks.Put(tx, s), state.StackEvents.Put(tx, model.StackEvent{Stack: id, Seq: 1}),
				state.StackEvents.Put(tx, model.StackEvent{Stack: id, Seq: 2}), state.ChangeSets.Put(tx, model.ChangeSet{ID: "set " + id, Stack: id}))
		}
		return errors.Join(all...)
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := reaper.New(reaper.Deps{DB: db}).Reconcile(t.Context(), control.Request{Key: "all", Now: now}); err != nil {
		t.Fatal(err)
	}
	view := db.View()
	for id, want := range map[string]int{"old": 0, "fresh": 4, "lives": 4} {
		got := len(state.StackEvents.By(view, "stack", id)) + len(state.ChangeSets.By(view, "stack", id))
		if _, ok := state.Stacks.Get(view, id); ok {
			got++
		}
		if got != want {
			t.Errorf("%s: %d records, want %d", id, got, want)
		}
	}
}
