package inroot_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"berth/internal/kernel/inroot"
	"berth/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// place is a root with a folder outside of it that links try to reach.
func place(t *testing.T) (root, outside string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root, outside = filepath.Join(dir, "root"), filepath.Join(dir, "outside")
	for _, d := range []string{filepath.Join(root, "var", "own"), filepath.Join(outside, "secret")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"abs": outside, "up": "../outside", "far": "../../../../../../..", "top": "/", "self": "self", "inside": "/var/own",
		"dangling": "/nowhere", "var/own/magic": "/proc/self/root",
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root, outside
}

func where(t *testing.T, f *os.File) string {
	t.Helper()
	to, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestNothingLeadsOutside(t *testing.T) {
	root, outside := place(t)
	for name, want := range map[string]string{
		"/": "", "": "", ".": "", "..": "", "/../../etc/..": "", "top": "", "far": "", "inside": "/var/own", "/var/../var/own": "/var/own",
		"top/var": "/var", "inside/../../../..": "",
	} {
		f, err := inroot.OpenDir(root, name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if got := where(t, f); got != filepath.Join(root, filepath.Join("/", want)) {
			t.Errorf("%q is %s", name, got)
		}
		_ = f.Close()
	}
	for _, name := range []string{"abs", "abs/secret", "up", "far/" + outside, "self", "dangling", "dangling/x", "var/own/magic", "missing"} {
		if f, err := inroot.OpenDir(root, name); err == nil {
			t.Errorf("%q is %s", name, where(t, f))
			_ = f.Close()
		}
	}
	if _, err := inroot.OpenDir("relative", "x"); err == nil {
		t.Error("a relative root was taken")
	}
}

func TestMkdirAllStaysBelow(t *testing.T) {
	root, outside := place(t)
	for name, want := range map[string]string{
		"a/b/c": "/a/b/c", "/inside/x/y": "/var/own/x/y", "top/z": "/z", "../../up2": "/up2", "/": "", "far/w": "/w",
	} {
		f, err := inroot.MkdirAll(root, name, 0o755)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if got := where(t, f); got != filepath.Join(root, want) {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
		_ = f.Close()
	}
	for _, name := range []string{"abs/new", "up/new", "dangling", "self/x"} {
		f, err := inroot.MkdirAll(root, name, 0o755)
		if err == nil {
			t.Errorf("%q was made: %s", name, where(t, f))
			_ = f.Close()
		}
	}
	if left, _ := os.ReadDir(outside); len(left) != 1 {
		t.Errorf("outside has %v", left)
	}
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := inroot.MkdirAll(root, "file/x", 0o755); !errors.Is(err, unix.ENOTDIR) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("below a file: %v", err)
	}
}

// TestSwappedWhileOpened has somebody turn a folder into a link to the outside
// and back while it is opened.
func TestSwappedWhileOpened(t *testing.T) {
	root, outside := place(t)
	swap, link := filepath.Join(root, "swap"), filepath.Join(root, "link")
	if err := errors.Join(os.MkdirAll(filepath.Join(swap, "secret"), 0o755), os.Symlink(outside, link)); err != nil {
		t.Fatal(err)
	}
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-end:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, swap, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
			}
		}
	})
	defer wg.Wait()
	defer close(end)
	for range 2000 {
		f, err := inroot.MkdirAll(root, "swap/secret", 0o755)
		if err != nil {
			continue
		}
		var out, got unix.Stat_t
		if err := errors.Join(unix.Stat(filepath.Join(outside, "secret"), &out), unix.Fstat(int(f.Fd()), &got)); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		if got.Ino == out.Ino && got.Dev == out.Dev {
			t.Fatal("the outside was opened")
		}
	}
}
