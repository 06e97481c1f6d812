package runc_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/internal/container"
	"berth/internal/container/runc"
	"berth/internal/fault"
)

// created writes a bundle, which needs no root, and reads what the runtime is told.
func created(t *testing.T, s container.Spec) (*specs.Spec, error) {
	t.Helper()
	dir := t.TempDir()
	d, err := runc.New(runc.Deps{Dir: dir, RuntimePath: "/bin/true", Self: "/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	s.ID = "c"
	if err := d.Create(t.Context(), s); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, "c", "c", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out specs.Spec
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return &out, nil
}

func TestTheRuntimeIsToldLimitsNamesAndPlaces(t *testing.T) {
	out, err := created(t, container.Spec{
		Args: []string{"run"}, Env: []string{"A=1", "A=2"}, Netns: "/run/netns/x", Hostname: "h", CgroupParent: "/p", CPUShares: 1, CPUQuota: 0.5,
		MemoryBytes: 1 << 20, MemoryReserved: 1 << 19, PidsLimit: 9, Init: true, NoNewPrivileges: true, ReadonlyRoot: true,
		Mounts: []container.Mount{{Source: "/s", Destination: "/dev/shm"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := out.Linux.Resources
	if *r.CPU.Shares != 2 || *r.CPU.Quota != 50_000 || *r.CPU.Period != 100_000 ||
		*r.Memory.Limit != 1<<20 || *r.Memory.Reservation != 1<<19 || *r.Pids.Limit != 9 {
		t.Errorf("resources: %+v", r)
	}
	if out.Linux.CgroupsPath != "/p/c" || !out.Root.Readonly || !out.Process.NoNewPrivileges || out.Process.Cwd != "/" {
		t.Errorf("specification: %+v", out)
	}
	want := []string{"A=2", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=h"}
	if !slices.Equal(out.Process.Env, want) {
		t.Errorf("environment: %v", out.Process.Env)
	}
	if a := out.Process.Args; len(a) != 4 || a[1] != "shim" || a[2] != "init" || a[3] != "run" {
		t.Errorf("arguments: %v", a)
	}
	if !slices.ContainsFunc(out.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.NetworkNamespace && n.Path == "/run/netns/x"
	}) {
		t.Errorf("namespaces: %+v", out.Linux.Namespaces)
	}
	var shm []specs.Mount
	for _, m := range out.Mounts {
		if m.Destination == "/dev/shm" {
			shm = append(shm, m)
		}
	}
	if len(shm) != 1 || shm[0].Source != "/s" {
		t.Errorf("a mount of the caller's does not replace the default: %+v", shm)
	}
	clone3 := slices.IndexFunc(out.Linux.Seccomp.Syscalls, func(s specs.LinuxSyscall) bool { return slices.Contains(s.Names, "clone3") })
	if clone3 < 0 || *out.Linux.Seccomp.Syscalls[clone3].ErrnoRet != 38 {
		t.Error("clone3 does not answer ENOSYS")
	}
}

func TestImpossibleContainersAreRefused(t *testing.T) {
	for what, s := range map[string]container.Spec{
		"no command":     {},
		"user":           {Args: []string{"x"}, User: "nobody-here"},
		"group":          {Args: []string{"x"}, User: "0:nogroup-here"},
		"capability":     {Args: []string{"x"}, CapAdd: []string{"FLY"}},
		"ulimit":         {Args: []string{"x"}, Ulimits: []container.Ulimit{{Name: "patience"}}},
		"relative mount": {Args: []string{"x"}, Mounts: []container.Mount{{Source: "/a", Destination: "b"}}},
	} {
		if _, err := created(t, s); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestAPipeForAFileOfUsersHoldsNobodyUp has an image whose passwd is a pipe
// that nobody writes to.
func TestAPipeForAFileOfUsersHoldsNobodyUp(t *testing.T) {
	layer := t.TempDir()
	if err := os.Mkdir(filepath.Join(layer, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(layer, "etc", "passwd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := created(t, container.Spec{Args: []string{"x"}, User: "alice", Layers: []string{layer}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a user out of a pipe: %v", err)
	}
}
