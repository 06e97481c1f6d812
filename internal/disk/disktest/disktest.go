// Package disktest damages files for tests: each is removed, cut at ten places and
// has a bit changed at ten.
package disktest

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each calls try for every damage to every file of a folder that takes accepts, by
// its name below the folder. Each time it is a copy of the folder that is damaged;
// what says how. Of an empty file there is only one damage: it is removed.
func Each(t *testing.T, good string, takes func(name string) bool, try func(what, file, copied string)) {
	t.Helper()
	for _, name := range files(t, good) {
		if !takes(name) {
			continue
		}
		info, err := os.Stat(filepath.Join(good, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range damages(info.Size()) {
			copied := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(copied, os.DirFS(good)); err != nil {
				t.Fatal(err)
			}
			if err := d.do(filepath.Join(copied, name)); err != nil {
				t.Fatal(err)
			}
			try(name+" "+d.what, name, copied)
			if err := os.RemoveAll(copied); err != nil {
				t.Error(err)
			}
		}
	}
}

// CopyOf copies a database's folder with all that is beside it, and returns where
// it is then.
func CopyOf(t *testing.T, dir string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(filepath.Dir(dir))); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(copied, filepath.Base(dir))
}

// AtRest copies a folder that another goroutine may write, as it was at one moment:
// two copies, one after the other, that are equal.
func AtRest(t *testing.T, dir string) string {
	t.Helper()
	last := ""
	for before := map[string]string(nil); ; {
		copied := filepath.Join(t.TempDir(), "all")
		now := map[string]string{}
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		} else if err == nil {
			now = contents(t, copied)
		}
		if len(now) > 0 && maps.Equal(before, now) {
			return last
		}
		before, last = now, copied
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range files(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(b)
	}
	return all
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			out = append(out, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// damage is one thing that happens to a file.
type damage struct {
	what string
	do   func(path string) error
}

func damages(size int64) []damage {
	out := []damage{{"removed", os.Remove}}
	var places []int64
	for i := range int64(10) {
		if at := size * i / 10; at < size && !slices.Contains(places, at) {
			places = append(places, at)
		}
	}
	for _, at := range places {
		out = append(out, damage{fmt.Sprintf("cut at %d of %d", at, size), func(path string) error { return os.Truncate(path, at) }},
			damage{fmt.Sprintf("with a bit of byte %d of %d changed", at, size), func(path string) error { return flip(path, at) }})
	}
	return out
}

func flip(path string, at int64) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[at] ^= 0x10
	return os.WriteFile(path, b, 0o600)
}
