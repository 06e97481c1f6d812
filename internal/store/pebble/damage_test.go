package pebble_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/disk/disktest"
	"berth/internal/store"
	"berth/internal/store/pebble"
)

// written makes a database of several tables, levels and logs, and ends it as
// kill -9 does: nothing is closed. It returns what was acknowledged.
func written(t *testing.T, dir string) (rev int64, rows map[string]string) {
	t.Helper()
	kv, err := pebble.Open(dir, pebble.Small(pebble.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Load(t.Context(), func(string, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	rows = map[string]string{}
	commit := func(key, value string) {
		rev++
		rows[key] = value
		if err := kv.Commit(t.Context(), rev, []store.Op{{Key: key, Value: []byte(value)}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 14 { // more than a memtable holds, so that there are tables too
		commit(fmt.Sprintf("big\x00%d", i), fmt.Sprint(i)+strings.Repeat("x", 20_000))
	}
	for i := range 40 {
		commit(fmt.Sprintf("small\x00%d", i), fmt.Sprintf("value %d", i))
	}
	// What is around the database goes along: the whole folder is copied.
	parent := filepath.Dir(dir)
	copied := disktest.AtRest(t, parent)
	if err := kv.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(parent); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(copied, parent); err != nil {
		t.Fatal(err)
	}
	return rev, rows
}

// read opens a database and returns all that it has; told is what it warned of.
func read(t *testing.T, dir string, goOn bool) (rev int64, rows map[string]string, told []string, err error) {
	t.Helper()
	var warned disktest.Warnings
	defer func() { told = warned.All() }()
	kv, err := pebble.Open(dir, pebble.Small(pebble.Options{Recover: goOn, Warn: warned.Add}))
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() {
		if e := kv.Close(); e != nil && err == nil {
			err = e
		}
	}()
	rows = map[string]string{}
	rev, err = kv.Load(t.Context(), func(k string, v []byte) error { rows[k] = string(v); return nil })
	return rev, rows, nil, err
}

// TestDamageIsNeverSilent removes, cuts and changes every file of a database in
// turn: either all that was acknowledged is there, or the database says that it
// is not.
func TestDamageIsNeverSilent(t *testing.T) {
	t.Parallel()
	good := filepath.Join(t.TempDir(), "state")
	rev, rows := written(t, good)
	if r, got, told, err := read(t, disktest.CopyOf(t, good), false); err != nil || r != rev || !maps.Equal(got, rows) || len(told) > 0 {
		t.Fatalf("undamaged: revision %d of %d, %d rows of %d, told %q: %v", r, rev, len(got), len(rows), told, err)
	}
	if tables, err := filepath.Glob(filepath.Join(good, "*.sst")); err != nil || len(tables) == 0 {
		t.Fatalf("there are no tables to damage: %v", err)
	}
	said := 0
	disktest.Each(t, filepath.Dir(good), func(string) bool { return true }, func(what, _, copied string) {
		dir := filepath.Join(copied, "state")
		r, got, told, err := read(t, dir, false)
		switch whole := r == rev && maps.Equal(got, rows); {
		case err != nil:
			said++
			if !strings.Contains(err.Error(), dir) {
				t.Errorf("%s: the error does not name the folder: %v", what, err)
			}
		case !whole:
			t.Errorf("%s: silently at revision %d of %d with %d rows of %d, told %q", what, r, rev, len(got), len(rows), told)
		}
	})
	if said == 0 {
		t.Error("no damage was found")
	}
}

// What is lost is said, again and again, and one may go on without it.
func TestGoingOnWithoutWhatIsLost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ files, want string }{
		"logs":   {"state/*.log", ".log is missing, with changes that are nowhere else"},
		"folder": {"state", "is damaged: MANIFEST-000001 is missing"},
	} {
		dir := filepath.Join(t.TempDir(), "state")
		rev, _ := written(t, dir)
		gone, err := filepath.Glob(filepath.Join(filepath.Dir(dir), tt.files))
		if err != nil || len(gone) == 0 {
			t.Fatal(gone, err)
		}
		for _, path := range gone {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			_, _, _, err := read(t, dir, false)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "--recover") {
				t.Fatalf("%s: %v, want %s", name, err, tt.want)
			}
		}
		if r, _, told, err := read(t, dir, true); err != nil || len(told) == 0 || r >= rev {
			t.Fatalf("%s: going on: %v at revision %d of %d, told %q", name, err, r, rev, told)
		}
		if _, _, told, err := read(t, dir, false); err != nil || len(told) > 0 {
			t.Errorf("%s: afterwards: %v, told %q", name, err, told)
		}
	}
}

func TestAMissingMarkIsSaid(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"missing": "", "torn": "000000000", "changed": "00000000000000000003 00000000\n"} {
		dir := filepath.Join(t.TempDir(), "state")
		rev, rows := written(t, dir)
		if err := os.Remove(dir + ".mark"); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if err := os.WriteFile(dir+".mark", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, got, told, err := read(t, dir, false)
		if err != nil || r != rev || !maps.Equal(got, rows) || len(told) != 1 || !strings.Contains(told[0], "cannot be told") {
			t.Errorf("%s: revision %d of %d, told %q: %v", name, r, rev, told, err)
		}
	}
}
