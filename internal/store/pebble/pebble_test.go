package pebble_test

import (
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
			dirs[t.Name()] = t.TempDir()
		}
		kv, err := pebble.Open(dirs[t.Name()])
		if err != nil {
			t.Fatal(err)
		}
		return kv
	})
}
