package store

import "sync"

// remembered is how many transactions' changes a DB keeps for Since.
const remembered = 1024

// history is what the newest transactions changed, each at its revision modulo
// the length: revisions have no gaps.
type history struct {
	mu sync.Mutex
	of [remembered][]Change
}

func (h *history) add(rev int64, changes []Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of[rev%remembered] = changes
}

// since is what changed after revision from up to revision to.
func (h *history) since(from, to int64) (out [][]Change, ok bool) {
	if from < 0 || from > to || to-from > remembered {
		return nil, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for rev := from + 1; rev <= to; rev++ {
		cs := h.of[rev%remembered]
		if len(cs) == 0 || cs[0].Rev != rev {
			return nil, false
		}
		out = append(out, cs)
	}
	return out, true
}

// Since calls fn with every change after a revision up to the view's, in their
// order. It reports false, and calls nobody, where that is no longer known:
// then all has to be looked at.
func (db *DB) Since(rev int64, v *View, fn func(Change)) bool {
	all, ok := db.past.since(rev, v.Revision())
	for _, cs := range all {
		for _, c := range cs {
			fn(c)
		}
	}
	return ok
}
