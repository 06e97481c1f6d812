package userland_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"berth/internal/userland"
)

// Who was in the folder before cannot have anything written outside it, nor have
// who writes wait: a link that leads out is refused or replaced, and so is a pipe.
func TestNothingIsInstalledOutsideTheRoot(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	kept := filepath.Join(outside, "passwd")
	if err := os.WriteFile(kept, []byte("the host's"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, plant := range map[string]struct {
		do      func(root string) error
		refused bool
	}{
		"a link for a file":             {func(root string) error { return os.Symlink(kept, filepath.Join(root, "etc/passwd")) }, false},
		"a pipe for a file":             {func(root string) error { return syscall.Mkfifo(filepath.Join(root, "etc/passwd"), 0o600) }, false},
		"a link for a folder":           {func(root string) error { return os.Symlink(outside, filepath.Join(root, "var")) }, true},
		"a link upwards for a folder":   {func(root string) error { return os.Symlink("../..", filepath.Join(root, "home")) }, true},
		"a folder in place of a file":   {func(root string) error { return os.MkdirAll(filepath.Join(root, "etc/passwd/x"), 0o700) }, true},
		"a link within, which is kept":  {func(root string) error { return os.Symlink("etc", filepath.Join(root, "mnt")) }, false},
		"nothing but what it makes now": {func(string) error { return nil }, false},
	} {
		root := t.TempDir()
		if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := plant.do(root); err != nil {
			t.Fatal(err)
		}
		err := userland.Install(root, map[string]string{"/etc/resolv.conf": "nameserver 10.0.0.2\n"})
		if (err != nil) != plant.refused {
			t.Errorf("%s: %v, want it refused: %t", what, err, plant.refused)
		}
		if b, err := os.ReadFile(kept); err != nil || string(b) != "the host's" {
			t.Errorf("%s: outside is %q, %v", what, b, err)
		}
		if list, err := os.ReadDir(outside); err != nil || len(list) != 1 {
			t.Errorf("%s: outside are %v, %v", what, list, err)
		}
		if b, err := os.ReadFile(filepath.Join(root, "etc/resolv.conf")); !plant.refused && (err != nil || string(b) != "nameserver 10.0.0.2\n") {
			t.Errorf("%s: %q, %v", what, b, err)
		}
	}
}
