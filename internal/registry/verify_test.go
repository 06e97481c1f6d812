package registry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"berth/internal/registry"
)

// problems are what Verify says of a registry.
func problems(t *testing.T, s *registry.Store) (blobs int, told []string) {
	t.Helper()
	blobs, err := s.Verify(t.Context(), func(problem string) { told = append(told, problem) })
	if err != nil {
		t.Fatal(err)
	}
	return blobs, told
}

// A copy of a registry is all that an image needs, and what is missing or
// damaged is said.
func TestARegistryIsVerified(t *testing.T) {
	l := newLab(t, t.TempDir())
	if err := remote.Write(ref(t, l.serve(t)+"/web:v1"), randomImage(t)); err != nil {
		t.Fatal(err)
	}
	blobs, told := problems(t, l.store)
	if blobs != 4 || told != nil { // a manifest, a configuration, two layers
		t.Fatalf("%d blobs: %q", blobs, told)
	}
	parts, err := l.store.Parts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range parts {
		kind := filepath.Base(filepath.Dir(p.Name))
		if p.Path != "" {
			kind = "blob"
		}
		if seen[kind] {
			continue
		}
		seen[kind] = true
		damaged(t, l, filepath.Join(l.dir, p.Name), kind)
	}
	for _, kind := range []string{"_tags", "_manifests", "_layers", "blob"} {
		if !seen[kind] {
			t.Errorf("no part is of the kind %s", kind)
		}
	}
}

// damaged changes a file, sees that it is said, and puts it back.
func damaged(t *testing.T, l *lab, file, kind string) {
	t.Helper()
	was, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if kind == "_layers" { // only that it is there counts
		err = os.Remove(file)
	} else {
		err = os.WriteFile(file, []byte(strings.Repeat("x", 90)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, told := problems(t, l.store); len(told) == 0 {
		t.Errorf("a damaged %s is not said", kind)
	}
	if err := registry.WriteFile(file, was); err != nil {
		t.Fatal(err)
	}
	if _, told := problems(t, l.store); told != nil {
		t.Errorf("mended, and still %q", told)
	}
}
