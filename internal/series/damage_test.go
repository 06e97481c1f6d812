package series_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/disk"
	"berth/internal/disk/disktest"
	"berth/internal/series"
)

// killed makes a store with tables and logs in a folder, and ends it as kill -9
// does: nothing is closed.
func killed(t *testing.T) (data string, all map[string]string) {
	t.Helper()
	alive := t.TempDir()
	s, err := series.Open(filepath.Join(alive, "series"), series.Small(series.Options{Disk: disk.Open(alive, func(string) {})}))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateStream("g", "s", at(0)); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		size := 20
		if i < 14 {
			size = 20_000 // more than a memtable holds, so that there are tables too
		}
		text := fmt.Sprint(i) + strings.Repeat("x", size)
		if err := s.Append("g", "s", at(i), []series.Event{{At: at(i), Message: text}}); err != nil {
			t.Fatal(err)
		}
	}
	snap := s.Snapshot()
	all = pairs(t, snap)
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(alive, "ballast")); err != nil {
		t.Fatal(err)
	}
	data = disktest.AtRest(t, alive)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return data, all
}

// look opens a store and returns all that it has; told is what it warned of.
func look(data string, goOn bool) (all map[string]string, told []string, err error) {
	var warned disktest.Warnings
	defer func() { told = warned.All() }()
	s, err := series.Open(filepath.Join(data, "series"), series.Small(series.Options{
		Disk: disk.Open(filepath.Join(data, "none"), func(string) {}), Recover: goOn, Warn: warned.Add,
	}))
	if err != nil {
		return nil, nil, err
	}
	all = map[string]string{}
	snap := s.Snapshot()
	err = snap.Each(func(k, v []byte) error { all[string(k)] = string(v); return nil })
	if e := snap.Close(); err == nil {
		err = e
	}
	if e := s.Close(); err == nil {
		err = e
	}
	return all, nil, err
}

// TestDamageIsNeverSilent removes, cuts and changes every file of a store in turn:
// either all that was acknowledged is there, or the store says that it is not.
func TestDamageIsNeverSilent(t *testing.T) {
	t.Parallel()
	data, want := killed(t)
	if tables, err := filepath.Glob(filepath.Join(data, "series", "*.sst")); err != nil || len(tables) == 0 {
		t.Fatalf("there are no tables to damage: %v", err)
	}
	said := 0
	disktest.Each(t, data, func(string) bool { return true }, func(what, _, copied string) {
		got, told, err := look(copied, false)
		switch {
		case err != nil || len(told) > 0:
			said++
		case !maps.Equal(got, want):
			t.Errorf("%s: silently %d records of %d", what, len(got), len(want))
		}
		if err != nil && !strings.Contains(err.Error(), copied) {
			t.Errorf("%s: the error does not name the folder: %v", what, err)
		}
	})
	if said == 0 {
		t.Error("no damage was found")
	}
	if got, told, err := look(data, false); err != nil || len(told) > 0 || !maps.Equal(got, want) {
		t.Errorf("undamaged: %d records of %d, told %q: %v", len(got), len(want), told, err)
	}
}

// What is lost is said, and one may go on without it.
func TestGoingOnWithoutLostLogs(t *testing.T) {
	t.Parallel()
	data, want := killed(t)
	logs, err := filepath.Glob(filepath.Join(data, "series", "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatal(logs, err)
	}
	for _, l := range logs {
		if err := os.Remove(l); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, _, err := look(data, false); err == nil || !strings.Contains(err.Error(), ".log is missing, with changes that are nowhere else") ||
			!strings.Contains(err.Error(), "--recover") {
			t.Fatal(err)
		}
	}
	if got, told, err := look(data, true); err != nil || len(told) == 0 || len(got) >= len(want) {
		t.Fatalf("%d records of %d, told %q: %v", len(got), len(want), told, err)
	}
	if _, told, err := look(data, false); err != nil || len(told) > 0 {
		t.Errorf("afterwards: told %q: %v", told, err)
	}
}
