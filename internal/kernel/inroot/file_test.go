package inroot_test

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"berth/internal/fault"
	"berth/internal/kernel/inroot"
)

// A file is read below its root, wherever links say that it is; what is none is
// not opened, and nobody waits for it.
func TestAFileIsReadBelowItsRoot(t *testing.T) {
	root, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	for _, err := range []error{
		os.WriteFile(outside, []byte("host"), 0o600), os.WriteFile(filepath.Join(root, "file"), []byte("own"), 0o600),
		os.Symlink("/file", filepath.Join(root, "inside")), os.Symlink(outside, filepath.Join(root, "outside")),
		syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"file", "/inside", "../../file"} {
		f, err := inroot.OpenFile(root, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b, err := io.ReadAll(f); err != nil || string(b) != "own" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		_ = f.Close()
	}
	for _, name := range []string{"pipe", "."} {
		if _, err := inroot.OpenFile(root, name); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range [][2]string{{root, "outside"}, {root, "lost"}, {"relative", "file"}} {
		if f, err := inroot.OpenFile(c[0], c[1]); err == nil {
			t.Errorf("%s was opened", f.Name())
		}
	}
}
