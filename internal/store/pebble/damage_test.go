package pebble_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	copied := filepath.Join(t.TempDir(), "all")
	if err := os.CopyFS(copied, os.DirFS(parent)); err != nil {
		t.Fatal(err)
	}
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
	kv, err := pebble.Open(dir, pebble.Small(pebble.Options{Recover: goOn, Warn: func(text string) { told = append(told, text) }}))
	if err != nil {
		return 0, nil, told, err
	}
	defer func() {
		if e := kv.Close(); e != nil && err == nil {
			err = e
		}
	}()
	rows = map[string]string{}
	rev, err = kv.Load(t.Context(), func(k string, v []byte) error { rows[k] = string(v); return nil })
	return rev, rows, told, err
}

// damage is one thing that happens to a file.
type damage struct {
	name string
	do   func(t *testing.T, path string)
}

func damages(size int64) []damage {
	out := []damage{{"removed", func(t *testing.T, path string) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}}}
	for i := range int64(10) {
		at := size * i / 10
		out = append(out, damage{fmt.Sprintf("cut at %d of %d", at, size), func(t *testing.T, path string) {
			t.Helper()
			if err := os.Truncate(path, at); err != nil {
				t.Fatal(err)
			}
		}}, damage{fmt.Sprintf("a bit of byte %d of %d", at, size), func(t *testing.T, path string) {
			t.Helper()
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) > 0 {
				b[at] ^= 0x10
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}})
	}
	return out
}

// TestDamageIsNeverSilent removes, cuts and changes every file of a database in
// turn: either all that was acknowledged is there, or the database says that it
// is not.
func TestDamageIsNeverSilent(t *testing.T) {
	t.Parallel()
	good := filepath.Join(t.TempDir(), "state")
	rev, rows := written(t, good)
	if r, got, told, err := read(t, copyOf(t, good), false); err != nil || r != rev || !maps.Equal(got, rows) || len(told) > 0 {
		t.Fatalf("undamaged: revision %d of %d, %d rows of %d, told %q: %v", r, rev, len(got), len(rows), told, err)
	}
	files, err := os.ReadDir(good)
	if err != nil {
		t.Fatal(err)
	}
	if tables, err := filepath.Glob(filepath.Join(good, "*.sst")); err != nil || len(tables) == 0 {
		t.Fatalf("there are no tables to damage: %v", err)
	}
	said := 0
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range damages(info.Size()) {
			dir := copyOf(t, good)
			d.do(t, filepath.Join(dir, f.Name()))
			r, got, told, err := read(t, dir, false)
			switch whole := r == rev && maps.Equal(got, rows); {
			case err != nil:
				said++
				if !strings.Contains(err.Error(), dir) {
					t.Errorf("%s, %s: the error does not name the folder: %v", f.Name(), d.name, err)
				}
			case !whole:
				t.Errorf("%s, %s: silently at revision %d of %d with %d rows of %d, told %q", f.Name(), d.name, r, rev, len(got), len(rows), told)
			}
			if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
				t.Error(err)
			}
		}
	}
	if said == 0 {
		t.Error("no damage was found")
	}
}

func copyOf(t *testing.T, good string) string {
	t.Helper()
	parent := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(parent, os.DirFS(filepath.Dir(good))); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(parent, filepath.Base(good))
}

// What is lost is said, again and again, and one may go on without it.
func TestGoingOnWithoutWhatIsLost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ files, want string }{
		"logs":   {"state/*.log", "changes of the state in "},
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
