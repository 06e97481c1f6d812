package store_test

import (
	"testing"

	"berth/internal/store"
)

func TestAForkGoesItsOwnWay(t *testing.T) {
	kv := store.NewMemory()
	db := open(t, kv)
	put(t, db, thing{ID: "a", Color: "red", Tags: []string{"x"}})
	fork := db.Fork()
	put(t, fork, thing{ID: "a", Color: "blue", Tags: []string{"y"}})
	put(t, fork, thing{ID: "b", Color: "blue"})
	put(t, db, thing{ID: "c", Color: "red"})
	for _, c := range []struct {
		of         *store.DB
		color, tag string
		red, blue  int
	}{{db, "red", "x", 2, 0}, {fork, "blue", "y", 0, 2}} {
		v := c.of.View()
		if a, _ := things.Get(v, "a"); a.Color != c.color {
			t.Errorf("a is %s, want %s", a.Color, c.color)
		}
		if r, b, tagged := len(things.By(v, "color", "red")), len(things.By(v, "color", "blue")), len(things.By(v, "tag", c.tag)); r != c.red ||
			b != c.blue || tagged != 1 {
			t.Errorf("red %d, blue %d, tagged %d", r, b, tagged)
		}
	}
	if err := fork.Close(); err != nil {
		t.Error(err)
	}
	// The fork was on no disk.
	if n := len(things.All(open(t, kv).View())); n != 2 {
		t.Errorf("%d things are kept, want 2", n)
	}
}

func TestAForkIsRewound(t *testing.T) {
	db := open(t, store.NewMemory())
	put(t, db, thing{ID: "a", Color: "red"})
	fork := db.Fork()
	before := fork.View()
	for _, color := range []string{"blue", "green"} {
		put(t, fork, thing{ID: "a", Color: color})
		if got := len(things.By(fork.View(), "color", color)); got != 1 {
			t.Errorf("%d things are %s", got, color)
		}
		fork.Rewind(before)
		if a, _ := things.Get(fork.View(), "a"); a.Color != "red" || len(things.By(fork.View(), "color", color)) != 0 {
			t.Errorf("after going back a is %s", a.Color)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("what is on disk was rewound")
		}
	}()
	db.Rewind(db.View())
}
