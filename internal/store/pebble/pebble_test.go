package pebble_test

import (
	"path/filepath"
	"testing"

	"berth/internal/store"
	"berth/internal/store/pebble"
	"berth/internal/store/storetest"
)

func TestPebbleKeepsWhatStoreAsks(t *testing.T) {
	dirs := map[string]string{}
	storetest.Run(t, func(t *testing.T) store.KV {
		t.Helper()
		if dirs[t.Name()] == "" {
			dirs[t.Name()] = filepath.Join(t.TempDir(), "state")
		}
		kv, err := pebble.Open(dirs[t.Name()], pebble.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return kv
	})
}
