// Package storetest is the suite that every store.KV must pass.
package storetest

import (
	"bytes"
	"fmt"
	"testing"

	"berth/internal/store"
)

// Factory opens the same KV again and again: what was committed before is
// there. Lossy KVs (memory) return the same value.
type Factory func(t *testing.T) store.KV

// Run runs the suite.
func Run(t *testing.T, open Factory) {
	t.Run("an empty KV is at revision zero", func(t *testing.T) {
		kv := open(t)
		defer shut(t, kv)
		if rev, got := load(t, kv); rev != 0 || len(got) != 0 {
			t.Fatalf("rev %d with %d keys, want nothing", rev, len(got))
		}
	})
	t.Run("a batch is applied whole and in order", func(t *testing.T) {
		kv := open(t)
		commit(t, kv, 1, store.Op{Key: "a\x00x", Value: []byte("1")}, store.Op{Key: "a\x00y", Value: []byte("2")})
		commit(t, kv, 2, store.Op{Key: "a\x00x", Delete: true}, store.Op{Key: "a\x00y", Value: []byte("3")}, store.Op{
			Key: "b\x00", Value: []byte{},
		})
		shut(t, kv)
		kv = open(t)
		defer shut(t, kv)
		rev, got := load(t, kv)
		if rev != 2 {
			t.Errorf("revision %d, want 2", rev)
		}
		if want := `a\x00y=3 b\x00= `; render(got) != want {
			t.Errorf("got %q, want %q", render(got), want)
		}
	})
	t.Run("deleting what is not there is success", func(t *testing.T) {
		kv := open(t)
		defer shut(t, kv)
		commit(t, kv, 3, store.Op{Key: "none", Delete: true})
	})
	t.Run("large values come back whole", func(t *testing.T) {
		kv := open(t)
		big := bytes.Repeat([]byte("berth"), 200_000)
		commit(t, kv, 4, store.Op{Key: "big", Value: big})
		shut(t, kv)
		kv = open(t)
		defer shut(t, kv)
		_, got := load(t, kv)
		for _, p := range got {
			if p.key == "big" && bytes.Equal(p.value, big) {
				return
			}
		}
		t.Error("the value is not the one that was written")
	})
}

type pair struct {
	key   string
	value []byte
}

func load(t *testing.T, kv store.KV) (int64, []pair) {
	t.Helper()
	var out []pair
	rev, err := kv.Load(t.Context(), func(k string, v []byte) error {
		out = append(out, pair{k, bytes.Clone(v)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rev, out
}

func render(ps []pair) string {
	var b bytes.Buffer
	for _, p := range ps {
		q := fmt.Sprintf("%q", p.key)
		fmt.Fprintf(&b, "%s=%s ", q[1:len(q)-1], p.value)
	}
	return b.String()
}

func commit(t *testing.T, kv store.KV, rev int64, ops ...store.Op) {
	t.Helper()
	if err := kv.Commit(t.Context(), rev, ops); err != nil {
		t.Fatal(err)
	}
}

func shut(t *testing.T, kv store.KV) {
	t.Helper()
	if err := kv.Close(); err != nil {
		t.Fatal(err)
	}
}
