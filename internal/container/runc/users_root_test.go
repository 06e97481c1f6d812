//go:build root

package runc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/internal/container"
	"berth/internal/container/containertest"
	"berth/internal/container/hostroot"
	"berth/internal/kernel"
)

const firstUser = 0x7000_0000

// mapped is a lab whose containers have user namespaces, and a network that
// belongs to one.
func mapped(tb testing.TB) lab {
	tb.Helper()
	l := setUp(tb)
	if err := kernel.CheckUsers(firstUser, l.dir); err != nil {
		tb.Skipf("skipped: %v", err)
	}
	l.users, l.netns = firstUser, filepath.Join(l.dir, "netns")
	ns, err := kernel.CreateOwnedNetns(l.netns, l.users)
	if err != nil {
		tb.Fatal(err)
	}
	_ = ns.Close()
	tb.Cleanup(func() {
		if err := kernel.DeleteNetns(l.netns); err != nil {
			tb.Error(err)
		}
	})
	return l
}

func TestConformanceInUserNamespaces(t *testing.T) {
	l := mapped(t)
	containertest.Run(t, containertest.Subject{
		New:   func(t *testing.T) container.Driver { return l.driver(t) },
		Base:  l.spec(""),
		Exits: []string{"/probe", "exit", "7"}, Serves: []string{"/probe", "serve"}, Deaf: []string{"/probe", "deaf"},
		Missing: []string{"/nowhere"}, Echo: []string{"/probe", "echo"},
	})
}

// TestRootInAContainerIsNobodyOnTheHost has containers hold the host's whole file
// system, and a folder of a privileged one's own choice that belongs to root, as
// after an escape.
func TestRootInAContainerIsNobodyOnTheHost(t *testing.T) {
	l := mapped(t)
	secret := filepath.Join(l.dir, "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*container.Spec){
		"plain":      func(*container.Spec) {},
		"all":        func(s *container.Spec) { s.CapAdd = []string{"ALL"} },
		"privileged": func(s *container.Spec) { s.Privileged = true },
	} {
		for _, root := range []string{"", "/"} {
			spec := l.spec(name, "escape", "/host"+secret)
			spec.Mounts = []container.Mount{{Source: "/", Root: root, Destination: "/host"}}
			change(&spec)
			_, out := output(t, l, spec)
			contains(t, out, "done")
			for _, bad := range []string{"READ", "WROTE", "CHANGED"} {
				if strings.Contains(out, bad) {
					t.Errorf("%s: %s", name, out)
				}
			}
		}
	}
	var st unix.Stat_t
	if err := unix.Stat("/", &st); err != nil || st.Uid != 0 {
		t.Errorf("the host's root folder was given to %d: %v", st.Uid, err)
	}
}

// TestAContainerHasItsOwn holds that what a container does with its own files,
// network and outputs works in a user namespace as without.
func TestAContainerHasItsOwnInAUserNamespace(t *testing.T) {
	l := mapped(t)
	volumes, given := filepath.Join(l.dir, "volumes"), filepath.Join(l.dir, "hosts")
	for _, err := range []error{os.MkdirAll(filepath.Join(volumes, "v"), 0o755), os.WriteFile(given, []byte("x"), 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{filepath.Join(volumes, "v"), given} {
		if err := os.Chown(path, l.users, l.users); err != nil {
			t.Fatal(err)
		}
	}
	for _, privileged := range []bool{false, true} {
		spec := l.spec("own", "own", "/v/file", "/etc/hosts", "/etc/new", "/etc/passwd", "/tmp/new")
		spec.Privileged, spec.CapAdd = privileged, []string{"NET_ADMIN"}
		spec.Mounts = []container.Mount{
			{Source: "/dev/shm", Destination: "/bare", ReadOnly: true}, // of options that may not be left out
			{Root: volumes, Source: "/v", Destination: "/v"}, {Source: given, Destination: "/etc/hosts"},
		}
		_, out := output(t, l, spec)
		contains(t, out, "user 0 0", "stdout <nil>", "network <nil>", "done")
		if strings.Contains(out, "FAILED") {
			t.Error(out)
		}
		if privileged {
			contains(t, out, "mount <nil>", "settings <nil>")
		}
	}
}

// TestAFolderIsTheRoot runs the host's shell on a folder of its own, with the host's
// programs read-only: what it writes stays there, in its user 0's name, and it changes
// nothing of the host's.
func TestAFolderIsTheRoot(t *testing.T) {
	l := mapped(t)
	root := filepath.Join(l.dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := hostroot.Make(root); err != nil {
		t.Fatal(err)
	}
	own := func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, l.users, l.users)
	}
	if err := filepath.WalkDir(root, own); err != nil {
		t.Fatal(err)
	}
	spec := l.spec("root")
	spec.Layers, spec.Root, spec.Cwd = nil, root, "/"
	spec.Mounts = hostroot.Mounts()
	spec.Args = []string{"/bin/sh", "-c", "id -u; echo kept > /data; touch /usr/bin/new || echo refused; mknod /disk b 8 0 || echo no device"}
	_, out := output(t, l, spec)
	contains(t, out, "0", "refused", "no device")
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(root, "data"), &st); err != nil || int(st.Uid) != l.users {
		t.Errorf("what it wrote belongs to %d: %v", st.Uid, err)
	}
}
