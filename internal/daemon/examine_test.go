package daemon_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"berth/internal/daemon"
	"berth/internal/disk/disktest"
	"berth/internal/doctor"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// remade are the files that a server writes anew at its next start, or that hold
// nothing.
var remade = []string{
	"server.json", "registry/token.key",
}

// unwitnessed are files of which a removal or a change is seen when they are used
// and not before: nothing else says that there was a tag, and when an image was
// pushed.
func unwitnessed(name, what string) bool {
	return strings.Contains(name, "/_tags/") && strings.HasSuffix(what, "removed") || strings.Contains(name, "/_manifests/") ||
		strings.Contains(name, "/_layers/")
}

// newest reports whether of the audit log only the newest lines are missing, which
// nothing tells.
func newest(t *testing.T, good, copied, name string) bool {
	t.Helper()
	if !strings.HasPrefix(name, "audit/") {
		return false
	}
	was, err := os.ReadFile(filepath.Join(good, name))
	must(t, err)
	is, err := os.ReadFile(filepath.Join(copied, name))
	return err != nil || bytes.HasPrefix(was, is)
}

// unread leaves out the part of the authority's key that repeats what its
// certificate has, and that nobody reads.
var unread = cmpopts.IgnoreMapEntries(func(name, _ string) bool { return name == "/ca/ca-key.pem" })

// TestEveryFileOfADataFolder removes, cuts and changes every file of a data folder
// in turn: the doctor says so, or all is there. The files of the two databases are
// TestDamageIsNeverSilent's, in store/pebble and in series, those of the image cache
// but its layers registry/mirror's TestDamageOfTheCacheIsTold's.
func TestEveryFileOfADataFolder(t *testing.T) {
	t.Parallel()
	good := folder(t)
	withFunction(t, good)
	must(t, os.Remove(filepath.Join(good, "ballast")))
	whole := filepath.Join(t.TempDir(), "whole")
	must(t, os.CopyFS(whole, os.DirFS(good)))
	want := kept(t, whole)
	sound, err := daemon.Examine(t.Context(), good)
	must(t, err)
	if len(sound) != 7 || problems(sound) > 0 {
		t.Fatalf("undamaged: %+v", sound)
	}
	said := map[string]int{}
	disktest.Each(t, good, func(name string) bool {
		return !slices.Contains(remade, name) && !strings.HasPrefix(name, "state/") && !strings.HasPrefix(name, "series/") &&
			(!strings.HasPrefix(name, "mirror/") || strings.HasPrefix(name, "mirror/blobs/"))
	}, func(what, name, copied string) {
		found, err := daemon.Examine(t.Context(), copied)
		must(t, err)
		if problems(found) > 0 {
			said[strings.Split(name, "/")[0]]++
			for _, f := range found {
				if f.Status != doctor.OK && f.Cure == "" {
					t.Errorf("%s: %+v", what, f)
				}
			}
			return
		}
		if unwitnessed(name, what) || newest(t, good, copied, name) {
			return
		}
		if d := cmp.Diff(want, kept(t, copied), unread); d != "" {
			t.Errorf("%s: nothing was said, and there is a difference: %.300s", what, d)
		}
	})
	for _, part := range []string{"registry", "functions", "ca", "server.lock", "state.mark", "mirror", "audit"} {
		if said[part] == 0 {
			t.Errorf("of the damages to %s none was said: %v", part, said)
		}
	}
}

func problems(found []doctor.Finding) (n int) {
	for _, f := range found {
		if f.Status != doctor.OK {
			n++
		}
	}
	return n
}

// withFunction has a state name the package that is there.
func withFunction(t *testing.T, data string) {
	t.Helper()
	p := opened(t, data)
	defer p.close(t)
	digest, err := p.code.Put(zipped(t))
	must(t, err)
	must(t, p.db.Update(t.Context(), "test", func(tx *store.Tx) error {
		return state.Functions.Put(tx, model.Function{Name: "f", CodeSHA256: digest})
	}))
}

// To examine a folder changes nothing of it.
func TestExamineWritesNothing(t *testing.T) {
	t.Parallel()
	data := folder(t)
	before := kept(t, data)
	walk := func() (out []string) {
		must(t, filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error {
			if info, e := d.Info(); e == nil && !d.IsDir() && d.Name() != "LOCK" {
				out = append(out, path+" "+info.ModTime().String())
			}
			return err
		}))
		return out
	}
	names := walk()
	_, err := daemon.Examine(t.Context(), data)
	must(t, err)
	if d := cmp.Diff(names, walk()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(before, kept(t, data)); d != "" {
		t.Error(d)
	}
	if found, err := daemon.Examine(t.Context(), filepath.Join(t.TempDir(), "none")); err != nil || problems(found) > 0 {
		t.Errorf("%+v: %v", found, err)
	}
}
