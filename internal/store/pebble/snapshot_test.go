package pebble_test

import (
	"maps"
	"path/filepath"
	"testing"

	"berth/internal/store"
	"berth/internal/store/pebble"
)

// A snapshot is the database as it was, whatever is written meanwhile.
func TestASnapshotStaysAsItWas(t *testing.T) {
	kv, err := pebble.Open(filepath.Join(t.TempDir(), "state"), pebble.Small(pebble.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := kv.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := kv.Load(t.Context(), func(string, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	put := func(rev int64, key, value string) {
		t.Helper()
		if err := kv.Commit(t.Context(), rev, []store.Op{{Key: key, Value: []byte(value)}}); err != nil {
			t.Fatal(err)
		}
	}
	put(1, "a", "1")
	put(2, "b", "1")
	s, err := kv.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	put(3, "a", "2")
	put(4, "c", "1")
	got := map[string]string{}
	if err := s.Each(func(key, value []byte) error { got[string(key)] = string(value); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"a": "1", "b": "1"}; s.Revision != 2 || !maps.Equal(got, want) {
		t.Errorf("revision %d: %v, want 2 and %v", s.Revision, got, want)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := kv.Writable(); err != nil {
		t.Errorf("a store that knows no disk refuses: %v", err)
	}
}
