package hostroot_test

import (
	"os"
	"path/filepath"
	"testing"

	"berth/internal/container/hostroot"
)

// Everything that is mounted finds its place, links lead where the host's lead,
// and to make it again changes nothing.
func TestARootHasAPlaceForEachMount(t *testing.T) {
	root := t.TempDir()
	for range 2 {
		if err := hostroot.Make(root); err != nil {
			t.Fatal(err)
		}
	}
	mounts := hostroot.Mounts()
	if len(mounts) == 0 {
		t.Fatal("the host has no programs")
	}
	for _, m := range mounts {
		if info, err := os.Lstat(filepath.Join(root, m.Destination)); err != nil || info.Mode()&os.ModeSymlink != 0 || !m.ReadOnly {
			t.Errorf("%s: %v, %v, read-only %v", m.Destination, info, err, m.ReadOnly)
		}
	}
	if want, err := os.Readlink("/bin"); err == nil {
		if got, err := os.Readlink(filepath.Join(root, "bin")); err != nil || got != want {
			t.Errorf("/bin leads to %q, want %q: %v", got, want, err)
		}
	}
	if err := hostroot.Make(filepath.Join(root, "etc/localtime")); err == nil {
		t.Error("a root was made in a file")
	}
}

// What a container wrote in its root before does not lead out of it.
func TestARootMadeAgainStaysWithinItself(t *testing.T) {
	for _, name := range []string{"tmp", "etc", "usr", "etc/ssl", "etc/localtime", "etc/ld.so.cache"} {
		root, outside := t.TempDir(), t.TempDir()
		file := filepath.Join(outside, "file")
		if err := os.WriteFile(file, []byte("kept"), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{outside, file} {
			_ = os.Remove(filepath.Join(root, name))
			if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
			err := hostroot.Make(root)
			entries, readErr := os.ReadDir(outside)
			text, _ := os.ReadFile(file)
			info, statErr := os.Stat(outside)
			if readErr != nil || statErr != nil || len(entries) != 1 || string(text) != "kept" || info.Mode().Perm() != 0o755 {
				t.Errorf("%s as a link to %s: made %v, outside now %v %v (%q)", name, to, err, info, entries, text)
			}
		}
	}
}
