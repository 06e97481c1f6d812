package stack

import (
	"cmp"
	"slices"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// signalsOf are the signals that the act under way of a resource was sent, the
// first first.
func (r *run) signalsOf(rec *model.StackResource) []model.StackSignal {
	return slices.DeleteFunc(slices.Clone(r.signals), func(s model.StackSignal) bool {
		return s.LogicalID != rec.LogicalID || s.Act != rec.Token
	})
}

// readSignals reads a stack's signals in the order in which they came.
func readSignals(r store.Reader, stack string) []model.StackSignal {
	out := state.StackSignals.By(r, "stack", stack)
	slices.SortStableFunc(out, func(a, b model.StackSignal) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.UniqueID, b.UniqueID))
	})
	return out
}

// tellSignals adds an event for every signal that has none yet.
func (r *run) tellSignals() {
	for i := range r.signals {
		s := &r.signals[i]
		rec := r.recs[s.LogicalID]
		if s.Told || rec == nil || s.Act != rec.Token || !r.inFlight(rec) {
			continue
		}
		r.note(rec, rec.Status, "Received "+string(s.Status)+" signal with UniqueId "+s.UniqueID)
		s.Told = true
		r.told = append(r.told, state.StackSignals.Key(*s))
	}
}

// writeSignals notes which signals were told of, and forgets all when nothing
// is under way any more.
func (r *run) writeSignals(tx *store.Tx) error {
	for _, key := range r.told {
		if _, ok := state.StackSignals.Get(tx, key); !ok {
			continue
		}
		if err := state.StackSignals.Edit(tx, key, func(s *model.StackSignal) error { s.Told = true; return nil }); err != nil {
			return err
		}
	}
	if r.stale || r.stack.Status.InProgress() {
		return nil
	}
	for _, s := range state.StackSignals.By(tx, "stack", r.stack.ID) {
		if err := state.StackSignals.Delete(tx, state.StackSignals.Key(s)); err != nil {
			return err
		}
	}
	return nil
}
