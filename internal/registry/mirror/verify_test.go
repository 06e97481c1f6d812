package mirror_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/internal/disk/disktest"
	"berth/internal/registry/mirror"
)

// A cache's file that was changed, cut or removed is told, but what nothing has a
// witness of: a record or a tag that is gone, and when an image came.
func TestDamageOfTheCacheIsTold(t *testing.T) {
	w := newWorld(t)
	w.hub.put(t, "docker.io/library/nginx:latest", 1000)
	m := w.open(nil)
	if _, err := w.agent(m).pull("nginx"); err != nil {
		t.Fatal(err)
	}
	verify := func(dir string) (problems []string) {
		if _, err := mirror.Verify(t.Context(), dir, func(p string) { problems = append(problems, p) }); err != nil {
			problems = append(problems, err.Error())
		}
		return problems
	}
	list := func(dir string) []mirror.Entry {
		all, _, err := w.open(func(d *mirror.Deps) { d.Dir = dir }).List()
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if p := verify(w.dir); len(p) > 0 {
		t.Fatalf("undamaged: %v", p)
	}
	witnessed := func(name string) bool { return name != "salt" && !strings.Contains(name, "/_layers/") }
	told := map[string]bool{}
	disktest.Each(t, w.dir, witnessed, func(what, name, copied string) {
		switch {
		case len(verify(copied)) > 0:
			told[strings.Split(name, "/")[0]] = true
		case strings.HasSuffix(what, "removed") && !strings.HasPrefix(name, "blobs/"), strings.Contains(name, "/_manifests/"):
		case filepath.Dir(name) == "references" && slices.Equal(list(copied), list(w.dir)):
		default:
			t.Errorf("%s: nothing was said", what)
		}
	})
	if !told["blobs"] || !told["references"] {
		t.Errorf("told of %v", told)
	}
	if p := verify(filepath.Join(w.dir, "none")); slices.Compact(p) != nil {
		t.Error(p)
	}
}
