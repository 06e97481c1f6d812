package store_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"berth/internal/store"
)

// What is kept by difference is what the index says, after any sequence of
// changes and however many of them come between two looks.
func TestGroupedEqualsTheIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db := open(t, store.NewMemory())
		kept := store.NewGrouped(db, things, func(t *thing) string { return t.Color })
		id, color := rapid.StringMatching(`[a-d]`), rapid.SampledFrom([]string{"red", "blue", "green", ""})
		for range rapid.IntRange(1, 8).Draw(t, "looks") {
			for range rapid.IntRange(0, 4).Draw(t, "transactions") {
				change(t, db, id, color)
			}
			view := db.View()
			kept.To(view)
			for _, c := range []string{"red", "blue", "green", ""} {
				if diff := cmp.Diff(things.By(view, "color", c), records(kept.Of(c)), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("%q: %s", c, diff)
				}
			}
		}
	})
}

func records(ts []*thing) (out []thing) {
	for _, t := range ts {
		out = append(out, *t)
	}
	return out
}

func TestGroupedThatSleptTooLongIsMadeWhole(t *testing.T) {
	db := open(t, store.NewMemory())
	kept := store.NewGrouped(db, things, func(t *thing) string { return t.Color })
	put(t, db, thing{ID: "stays", Color: "grey"})
	kept.To(db.View())
	for i := range 1100 {
		put(t, db, thing{ID: "moves", Color: fmt.Sprint(i % 3)})
	}
	kept.To(db.View())
	for color, want := range map[string]int{"grey": 1, "0": 0, "1": 1, "2": 0} {
		if got := len(kept.Of(color)); got != want {
			t.Errorf("%s has %d", color, got)
		}
	}
}
