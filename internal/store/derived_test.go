package store_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/internal/store"
)

// paints are the ids of each color. What is of the color "all" is in every
// paint.
func paints(db *store.DB) *store.Derived[string] {
	rules := store.Rules{store.OnAny(things, "the color", func(t *thing) string {
		if t.Color == "all" {
			return store.Everything
		}
		return t.Color
	})}
	return store.NewDerived(db, rules, func(r store.Reader, color string) (string, bool) {
		own, all := things.By(r, "color", color), things.By(r, "color", "all")
		text := ""
		for _, t := range append(own, all...) {
			text += t.ID + " "
		}
		return text, len(own) > 0
	})
}

// What is kept by difference is what would be made from nothing, after any
// sequence of changes and however many of them come between two looks.
func TestDerivedEqualsFromNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db := open(t, store.NewMemory())
		kept := paints(db)
		id, color := rapid.StringMatching(`[a-d]`), rapid.SampledFrom([]string{"red", "blue", "green", "all"})
		for range rapid.IntRange(1, 8).Draw(t, "looks") {
			for range rapid.IntRange(0, 4).Draw(t, "transactions") {
				change(t, db, id, color)
			}
			view := db.View()
			kept.To(view)
			fresh := paints(db)
			fresh.To(view)
			if diff := cmp.Diff(maps.Collect(fresh.Parts()), maps.Collect(kept.Parts())); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func change(t *rapid.T, db *store.DB, id, color *rapid.Generator[string]) {
	_, err := db.Update(ctx(), nil, func(tx *store.Tx) error {
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			if rapid.Bool().Draw(t, "delete") {
				if err := things.Delete(tx, id.Draw(t, "id")); err != nil {
					return err
				}
				continue
			}
			if err := things.Put(tx, thing{ID: id.Draw(t, "id"), Color: color.Draw(t, "color")}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDerivedMakesOnlyWhatChanged(t *testing.T) {
	db := open(t, store.NewMemory())
	for i := range 100 {
		put(t, db, thing{ID: fmt.Sprint(i), Color: fmt.Sprint("color", i)})
	}
	d := paints(db)
	d.To(db.View())
	before := d.Made()
	put(t, db, thing{ID: "7", Color: "color8"})
	if diff := cmp.Diff([]string{"color7", "color8"}, d.To(db.View())); diff != "" {
		t.Error(diff)
	}
	if got := d.To(db.View()); len(got) != 0 {
		t.Errorf("without a change %v were made again", got)
	}
	if made := d.Made() - before; made != 2 {
		t.Errorf("one change made %d parts", made)
	}
}

// What is too long ago, or was never seen, is looked at whole.
func TestDerivedThatSleptTooLongIsMadeWhole(t *testing.T) {
	db := open(t, store.NewMemory())
	put(t, db, thing{ID: "gone", Color: "grey"})
	d := paints(db)
	d.To(db.View())
	for i := range 1100 {
		put(t, db, thing{ID: "gone", Color: fmt.Sprint(i)})
	}
	if diff := cmp.Diff([]string{"1099", "grey"}, d.To(db.View())); diff != "" {
		t.Error(diff)
	}
	if db.Since(1, db.View(), func(store.Change) { t.Error("told of a change") }) {
		t.Error("what is long ago is said to be known")
	}
}
