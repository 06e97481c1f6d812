package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"berth/internal/store"
	"berth/internal/store/storetest"
)

type thing struct {
	ID    string
	Color string
	Tags  []string
}

var things = store.NewTable("thing", func(t thing) thing { t.Tags = slices.Clone(t.Tags); return t },
	func(t thing) string { return t.ID },
	store.By("color", func(t thing) string { return t.Color }),
	store.Index[thing]{Name: "tag", Values: func(t thing) []string { return t.Tags }})

func TestMemoryKeepsWhatStoreAsks(t *testing.T) {
	kvs := map[string]*store.Memory{}
	storetest.Run(t, func(t *testing.T) store.KV {
		t.Helper()
		if kvs[t.Name()] == nil {
			kvs[t.Name()] = store.NewMemory()
		}
		return kvs[t.Name()]
	})
}

func open(t interface{ Fatal(...any) }, kv store.KV) *store.DB {
	db, err := store.Open(ctx(), kv, things)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func put(t *testing.T, db *store.DB, v thing) int64 {
	t.Helper()
	rev, err := db.Update(t.Context(), nil, func(tx *store.Tx) error { return things.Put(tx, v) })
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func TestASnapshotDoesNotChange(t *testing.T) {
	db := open(t, store.NewMemory())
	put(t, db, thing{ID: "a", Color: "red"})
	before := db.View()
	put(t, db, thing{ID: "a", Color: "blue"})
	if v, _ := things.Get(before, "a"); v.Color != "red" {
		t.Errorf("the old snapshot shows %s", v.Color)
	}
	if got := len(things.By(before, "color", "red")); got != 1 {
		t.Errorf("the old snapshot's index has %d red things", got)
	}
	if got := len(things.By(db.View(), "color", "red")); got != 0 {
		t.Errorf("the new snapshot's index still has %d red things", got)
	}
}

func TestEachIsByWithoutCopies(t *testing.T) {
	db := open(t, store.NewMemory())
	for _, id := range []string{"a", "b", "c"} {
		put(t, db, thing{ID: id, Color: map[bool]string{true: "red", false: "blue"}[id == "b"]})
	}
	view := db.View()
	var each, every []string
	for v := range things.Each(view, "color", "blue") {
		each = append(each, v.ID)
	}
	for v := range things.Every(view) {
		every = append(every, v.ID)
		if v != things.Ref(view, v.ID) {
			t.Errorf("%s is two records", v.ID)
		}
	}
	if !slices.Equal(each, []string{"a", "c"}) || !slices.Equal(every, []string{"a", "b", "c"}) || things.Ref(view, "d") != nil {
		t.Errorf("each %v, every %v", each, every)
	}
}

func TestAnErrorChangesNothing(t *testing.T) {
	db := open(t, store.NewMemory())
	boom := errors.New("boom")
	if _, err := db.Update(t.Context(), nil, func(tx *store.Tx) error {
		if err := things.Put(tx, thing{ID: "a"}); err != nil {
			return err
		}
		return boom
	}); !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	if things.Len(db.View()) != 0 {
		t.Error("a refused transaction left a record")
	}
}

func TestWritingTheSameMakesNoRevision(t *testing.T) {
	db := open(t, store.NewMemory())
	first := put(t, db, thing{ID: "a", Tags: []string{"x"}})
	if again := put(t, db, thing{ID: "a", Tags: []string{"x"}}); again != first {
		t.Errorf("revision went from %d to %d", first, again)
	}
}

func TestAFailedCommitStopsAllWrites(t *testing.T) {
	kv := store.NewMemory()
	db := open(t, kv)
	kv.Fail = func(int64) error { return errors.New("disk full") }
	for range 2 {
		if _, err := db.Update(t.Context(), nil, func(tx *store.Tx) error { return things.Put(tx, thing{ID: "a"}) }); err == nil {
			t.Fatal("a write that is not on disk was promised")
		}
	}
	if things.Len(db.View()) != 0 {
		t.Error("a view shows what is not on disk")
	}
}

func TestAWatchSeesEveryChangeOnceAndInOrder(t *testing.T) {
	db := open(t, store.NewMemory())
	_, w := db.Watch()
	defer w.Stop()
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				_, _ = db.Update(ctx(), nil, func(tx *store.Tx) error {
					return things.Put(tx, thing{ID: fmt.Sprintf("%d-%d", i, j)})
				})
			}
		})
	}
	wg.Wait()
	seen, last := map[string]bool{}, int64(0)
	for len(seen) < writers*each {
		cs, err := w.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cs {
			if c.Rev < last || seen[c.Key] {
				t.Fatalf("change %s at %d after %d", c.Key, c.Rev, last)
			}
			last, seen[c.Key] = c.Rev, true
		}
	}
}

// Whatever is written, indexes and rows agree, and a reopened store shows the same.
func TestIndexesAndRowsAgreeAfterAnyHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kv := store.NewMemory()
		db := open(rt, kv)
		want := map[string]thing{}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			id := strconv.Itoa(rapid.IntRange(0, 5).Draw(rt, "id"))
			v := thing{
				ID: id, Color: rapid.SampledFrom([]string{"", "red", "blue"}).Draw(rt, "color"),
				Tags: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 3, rapid.ID).Draw(rt, "tags"),
			}
			del := rapid.Bool().Draw(rt, "delete")
			if _, err := db.Update(ctx(), nil, func(tx *store.Tx) error {
				if del {
					return things.Delete(tx, id)
				}
				return things.Put(tx, v)
			}); err != nil {
				rt.Fatal(err)
			}
			if del {
				delete(want, id)
			} else {
				want[id] = v
			}
		}
		for _, d := range []*store.DB{db, open(rt, kv)} {
			view := d.View()
			if things.Len(view) != len(want) {
				rt.Fatalf("%d rows, want %d", things.Len(view), len(want))
			}
			for _, c := range []string{"red", "blue"} {
				n := 0
				for _, v := range want {
					if v.Color == c {
						n++
					}
				}
				if got := len(things.By(view, "color", c)); got != n {
					rt.Fatalf("index has %d %s, want %d", got, c, n)
				}
			}
			for _, tag := range []string{"x", "y", "z"} {
				n := 0
				for _, v := range want {
					if slices.Contains(v.Tags, tag) {
						n++
					}
				}
				if got := len(things.By(view, "tag", tag)); got != n {
					rt.Fatalf("index has %d tagged %s, want %d", got, tag, n)
				}
			}
		}
	})
}

func TestBackwardBeginsWithTheGreatest(t *testing.T) {
	db := open(t, store.NewMemory())
	for id, color := range map[string]string{"a": "red:01", "b": "red:10", "c": "red:09", "d": "redder:99", "e": "blue:11"} {
		put(t, db, thing{ID: id, Color: color})
	}
	var got []string
	things.Backward(db.View(), "color", "red:", func(v thing) bool {
		got = append(got, v.ID)
		return len(got) < 2
	})
	if !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("got %v", got)
	}
	things.Backward(db.View(), "color", "green:", func(v thing) bool {
		t.Errorf("%v is not green", v)
		return true
	})
}
