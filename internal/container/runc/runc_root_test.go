//go:build root

package runc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/await"
	"berth/internal/container"
	"berth/internal/container/containertest"
	"berth/internal/container/runc"
	"berth/internal/fault"
)

type lab struct {
	dir, layer, group string
	users             int    // user 0 of containers, if they have user namespaces
	netns             string // which belongs to them then
}

// setUp builds the probe once for each test and takes its cgroup away again.
func setUp(tb testing.TB) lab {
	tb.Helper()
	if os.Getuid() != 0 {
		tb.Skip("skipped: needs root")
	}
	if _, err := exec.LookPath("runc"); err != nil {
		tb.Skip("skipped: needs runc in PATH")
	}
	dir := tb.TempDir()
	l := lab{dir: dir, layer: filepath.Join(dir, "layer"), group: fmt.Sprintf("/berth-test-%d", os.Getpid())}
	for _, d := range []string{"etc", "tmp", "work"} {
		if err := os.MkdirAll(filepath.Join(l.layer, d), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	passwd := "root:x:0:0:root:/root:/bin/sh\nalice:x:1001:1002:Alice:/home/alice:/bin/sh\n"
	groups := "root:x:0:\nteam:x:50:alice,bob\nalice:x:1002:\n"
	for name, text := range map[string]string{"passwd": passwd, "group": groups} {
		if err := os.WriteFile(filepath.Join(l.layer, "etc", name), []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(l.layer, "probe"), "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build probe: %v: %s", err, out)
	}
	tb.Cleanup(func() { removeGroups(tb, l.group) })
	return l
}

func removeGroups(tb testing.TB, name string) {
	tb.Helper()
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*" + name)
	for _, d := range append(dirs, "/sys/fs/cgroup"+name) {
		if children, _ := filepath.Glob(d + "/*/cgroup.procs"); len(children) > 0 {
			tb.Errorf("cgroups left: %v", children)
		}
		_ = os.Remove(d)
	}
}

func (l lab) driver(tb testing.TB) *runc.Driver {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	d, err := runc.New(runc.Deps{
		Dir: filepath.Join(l.dir, "run"), Self: self, Users: l.users, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = d.Close() })
	return d
}

func (l lab) spec(id string, args ...string) container.Spec {
	return container.Spec{
		ID: id, Layers: []string{l.layer}, Args: append([]string{"/probe"}, args...), CgroupParent: l.group, Hostname: "ctr", Netns: l.netns,
	}
}

// started is a container that runs until it is removed at the test's end.
func (l lab) started(t *testing.T, id string, args ...string) (*runc.Driver, container.Spec) {
	t.Helper()
	d, spec := l.driver(t), l.spec(id, args...)
	if err := d.Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Remove(context.WithoutCancel(t.Context()), spec.ID); err != nil {
			t.Error(err)
		}
	})
	if err := d.Start(t.Context(), spec.ID); err != nil {
		t.Fatal(err)
	}
	return d, spec
}

// Proves: MI29, D58
func TestConformance(t *testing.T) {
	l := setUp(t)
	containertest.Run(t, containertest.Subject{
		New:   func(t *testing.T) container.Driver { return l.driver(t) },
		Base:  l.spec(""),
		Exits: []string{"/probe", "exit", "7"}, Serves: []string{"/probe", "serve"}, Deaf: []string{"/probe", "deaf"},
		Missing: []string{"/nowhere"}, Echo: []string{"/probe", "echo"},
	})
}

// output runs a container to its end.
func output(t *testing.T, l lab, spec container.Spec) (container.State, string) {
	t.Helper()
	d := l.driver(t)
	if err := d.Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Remove(context.WithoutCancel(t.Context()), spec.ID); err != nil {
			t.Error(err)
		}
	}()
	if err := d.Start(t.Context(), spec.ID); err != nil {
		t.Fatal(err)
	}
	st, err := d.Wait(await.Context(t), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	return st, text(t, st.LogPath)
}

// text is what the lines of a log say.
func text(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out strings.Builder
	for d := json.NewDecoder(f); ; {
		var line struct{ S, M string }
		if err := d.Decode(&line); err != nil {
			return out.String()
		}
		out.WriteString(line.M + "\n")
	}
}

func contains(t *testing.T, out string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if !strings.Contains(out, w) {
			t.Errorf("output lacks %q: %.2000s", w, out)
		}
	}
}

func TestUsersComeFromTheImage(t *testing.T) {
	l := setUp(t)
	for user, want := range map[string]string{
		"":            "0 0 [",
		"alice":       "1001 1002 [50] /work ctr /home/alice yes 1",
		"1001":        "1001 1002 [50] ",
		"alice:team":  "1001 50 [] ",
		"4000":        "4000 0 [] /work ctr / yes",
		"4000:4001":   "4000 4001 []",
		"alice:1002":  "1001 1002 []",
		"0:team":      "0 50 []",
		"alice:9":     "1001 9 []",
		"root:alice ": "",
	} {
		spec := l.spec("who", "id")
		spec.User, spec.Cwd, spec.Env = user, "/work", []string{"X=no", "X=yes"}
		if want == "" {
			if err := l.driver(t).Create(t.Context(), spec); err == nil {
				t.Errorf("user %q was taken", user)
			}
			continue
		}
		_, out := output(t, l, spec)
		contains(t, out, want)
	}
}

func TestOutOfMemoryIsSeen(t *testing.T) {
	l := setUp(t)
	spec := l.spec("hungry", "eat")
	spec.MemoryBytes, spec.MemoryReserved = 32<<20, 16<<20
	st, _ := output(t, l, spec)
	if st.ExitCode != 137 || !st.OOMKilled {
		t.Errorf("state: %+v", st)
	}
}

// Proves: MI30
func TestHardening(t *testing.T) {
	l := setUp(t)
	_, out := output(t, l, l.spec("hard", "cat", "/proc/1/status", "/proc/keys", "/proc/1/mounts"))
	contains(
		t, out, "CapBnd:\t00000000a80425fb", "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000", "Seccomp:\t2", "/proc/keys=<nil>",
		"sysfs /sys sysfs ro", "proc /proc/sys proc ro",
	)
	_, out = output(t, l, l.spec("calls", "syscalls"))
	contains(t, out, "unshare: operation not permitted", "clone3: function not implemented", "mount: operation not permitted")
	spec := l.spec("ro", "write", "/x")
	spec.ReadonlyRoot = true
	_, out = output(t, l, spec)
	contains(t, out, "read-only file system")
	spec = l.spec("caps", "cat", "/proc/1/status")
	spec.CapDrop, spec.CapAdd = []string{"ALL"}, []string{"NET_ADMIN"}
	_, out = output(t, l, spec)
	contains(t, out, "CapBnd:\t0000000000001000")
	spec = l.spec("priv", "cat", "/proc/1/status")
	spec.Privileged = true
	_, out = output(t, l, spec)
	contains(t, out, "Seccomp:\t2", "CapBnd:\t00000100bcecffff")
}

// TestAPrivilegedContainerIsNotTheHost has containers with every right that
// there is try what would reach the host.
func TestAPrivilegedContainerIsNotTheHost(t *testing.T) {
	l := setUp(t)
	for name, change := range map[string]func(*container.Spec){
		"privileged": func(s *container.Spec) { s.Privileged = true },
		"all":        func(s *container.Spec) { s.CapAdd = []string{"ALL"} },
		"plain":      func(*container.Spec) {},
	} {
		spec := l.spec(name, "attack")
		change(&spec)
		_, out := output(t, l, spec)
		for _, bad := range []string{"CALLED", "READ", "OPENED"} {
			if strings.Contains(out, bad) {
				t.Errorf("%s: %s", name, out)
			}
		}
		contains(t, out, "done")
		if spec.Privileged {
			contains(t, out, "name <nil>", "tun <nil>", "network <nil>")
		}
	}
	spec := l.spec("time", "exit", "0")
	for _, c := range []string{"SYS_TIME", "SYS_MODULE", "SYSLOG", "BPF", "PERFMON", "SYS_RAWIO"} {
		spec.CapAdd = []string{c}
		if err := l.driver(t).Create(t.Context(), spec); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c) {
			t.Errorf("%s: %v", c, err)
		}
	}
}

func TestMountsUlimitsAndManyLayers(t *testing.T) {
	l := setUp(t)
	hosts := filepath.Join(l.dir, "hosts")
	if err := os.WriteFile(hosts, []byte("10.0.0.1 me"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec := l.spec("mounted", "cat", "/etc/hosts", "/etc/top", "/proc/1/limits", "/proc/1/mounts")
	spec.Mounts = []container.Mount{
		{Source: hosts, Destination: "/etc/hosts", ReadOnly: true},
		{Destination: "/scratch", Tmpfs: true, SizeBytes: 1 << 20},
	}
	spec.Ulimits = []container.Ulimit{{Name: "nofile", Soft: 1024, Hard: 2048}, {Name: "nproc", Soft: 1 << 60, Hard: 1 << 60}}
	spec.Layers = nil
	for i := range 120 {
		dir := filepath.Join(l.dir, "a-layer-folder-with-a-name-that-is-as-long-as-a-digest-would-be", fmt.Sprint(i), "etc")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "top"), fmt.Append(nil, i), 0o644); err != nil {
			t.Fatal(err)
		}
		spec.Layers = append(spec.Layers, filepath.Dir(dir))
	}
	spec.Layers = append([]string{l.layer}, spec.Layers...)
	_, out := output(t, l, spec)
	contains(t, out, "/etc/hosts=10.0.0.1 me", "/etc/top=119", "tmpfs /scratch tmpfs rw,nosuid,nodev", "size=1024k")
	// Go's own start-up raises the soft limit to just below the hard one.
	if !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(out, "|", " ")), " "), "Max open files 2047 2048") {
		t.Errorf("limits: %s", out)
	}
}

func TestInitReapsAndPassesTheExitCodeOn(t *testing.T) {
	l := setUp(t)
	spec := l.spec("init", "orphan")
	spec.Init = true
	st, out := output(t, l, spec)
	if st.ExitCode != 5 {
		t.Errorf("state: %+v, output %q", st, out)
	}
	d := l.driver(t)
	spec = l.spec("init-stop", "serve")
	spec.Init = true
	if err := d.Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Remove(context.WithoutCancel(t.Context()), spec.ID) }()
	if err := d.Start(t.Context(), spec.ID); err != nil {
		t.Fatal(err)
	}
	awaitLine(t, d, spec.ID, "ready")
	if err := d.Stop(t.Context(), spec.ID, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if st, _ := d.State(t.Context(), spec.ID); st.ExitCode == 137 {
		t.Errorf("killed rather than stopped: %+v", st)
	}
}

// awaitLine waits until a container has printed something.
func awaitLine(t *testing.T, d *runc.Driver, id, want string) {
	t.Helper()
	st, err := d.State(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	await.True(t, fmt.Sprintf("container %s has printed %q", id, want), func() bool { return strings.Contains(text(t, st.LogPath), want) })
}

func TestALogIsBounded(t *testing.T) {
	l := setUp(t)
	d := l.driver(t)
	spec := l.spec("loud", "print", "600000")
	if err := d.Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Remove(context.WithoutCancel(t.Context()), spec.ID) }()
	if err := d.Start(t.Context(), spec.ID); err != nil {
		t.Fatal(err)
	}
	st, err := d.Wait(t.Context(), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	log, _ := os.ReadFile(st.LogPath)
	old, _ := os.ReadFile(st.LogPath + ".1")
	if len(log) > 17<<20 || len(old) > 17<<20 || len(old) < 16<<20 {
		t.Errorf("sizes: %d and %d", len(log), len(old))
	}
	contains(t, string(log[max(0, len(log)-200):]), "line 599999")
}

func TestTheContainerOutlivesAParentThatIsKilled(t *testing.T) {
	l := setUp(t)
	d, spec := l.started(t, "alone", "talk")
	awaitLine(t, d, spec.ID, "ready")
	st, _ := d.State(t.Context(), spec.ID)
	parent := parentOf(t, st.PID)
	ended := make(chan container.State, 2)
	for range 2 { // as an agent's Wait, and that of its Stop
		go func() {
			st, err := d.Wait(t.Context(), spec.ID)
			if err != nil {
				t.Error(err)
			}
			ended <- st
		}()
	}
	for range 2 {
		if err := syscall.Kill(parent, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if st, _ = d.State(t.Context(), spec.ID); st.Status != container.Running {
			t.Fatalf("state: %+v", st)
		}
		parent = anotherParent(t, l, spec.ID, parent)
	}
	// It may write: the new parent holds the other end of its output.
	if err := d.Signal(t.Context(), spec.ID, "SIGUSR1"); err != nil {
		t.Fatal(err)
	}
	awaitLine(t, d, spec.ID, "heard")
	if err := d.Stop(t.Context(), spec.ID, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	awaitLine(t, d, spec.ID, "bye")
	known := kernelTellsEnds(t)
	for range 2 {
		if st := <-ended; st.Status != container.Stopped || known && st.ExitCode != 3 || st.FinishedAt.IsZero() {
			t.Errorf("state: %+v", st)
		}
	}
}

func TestAContainerMayWriteWhileItHasNoParent(t *testing.T) {
	l := setUp(t)
	d, spec := l.started(t, "unheard", "talk")
	awaitLine(t, d, spec.ID, "ready")
	st, _ := d.State(t.Context(), spec.ID)
	if err := syscall.Kill(parentOf(t, st.PID), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := d.Signal(t.Context(), spec.ID, "SIGUSR1"); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = d.Wait(t.Context(), spec.ID) }() // brings a parent
	awaitLine(t, d, spec.ID, "heard")
	if now, _ := d.State(t.Context(), spec.ID); now.Status != container.Running || now.PID != st.PID {
		t.Errorf("state: %+v, before: %+v", now, st)
	}
}

// anotherParent waits until the container's record names another parent.
func anotherParent(t *testing.T, l lab, id string, than int) int {
	t.Helper()
	return await.Value(t, "the container has a new parent", func() (int, bool) {
		var st struct{ Parent struct{ PID int } }
		data, err := os.ReadFile(filepath.Join(l.dir, "run/c", id, "status.jsonl"))
		ok := err == nil && json.Unmarshal(data[bytes.LastIndex(data, []byte("\n{"))+1:], &st) == nil
		return st.Parent.PID, ok && st.Parent.PID != than
	})
}

// kernelTellsEnds: from 6.15 on, whoever has a descriptor of a process learns
// how it ended.
func kernelTellsEnds(t *testing.T) bool {
	t.Helper()
	var release unix.Utsname
	if err := unix.Uname(&release); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	_, err := fmt.Sscanf(unix.ByteSliceToString(release.Release[:]), "%d.%d", &major, &minor)
	return err == nil && major*100+minor >= 615
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var parent int
	_, rest, _ := strings.Cut(string(data), "PPid:")
	if _, err := fmt.Sscan(rest, &parent); err != nil || parent < 2 {
		t.Fatalf("parent of %d: %d, %v", pid, parent, err)
	}
	return parent
}

func TestExecWithATerminal(t *testing.T) {
	l := setUp(t)
	d, spec := l.started(t, "term", "serve")
	var out bytes.Buffer
	code, err := d.Exec(t.Context(), spec.ID, container.ExecSpec{
		Args: []string{"/probe", "tty"}, TTY: true, Stdin: strings.NewReader("word\n"), Stdout: &out,
	})
	if err != nil || code != 0 {
		t.Errorf("exec: %d, %v", code, err)
	}
	contains(t, out.String(), "tty true", "got word")
	if _, err := d.Exec(t.Context(), spec.ID, container.ExecSpec{Args: []string{"/nowhere"}}); err == nil {
		t.Error("a command that is not there ran")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := d.Exec(ctx, spec.ID, container.ExecSpec{Args: []string{"/probe", "deaf"}}); ctx.Err() == nil || err == nil {
		t.Errorf("exec past its context: %v", err)
	}
}

func TestNothingIsLeft(t *testing.T) {
	l := setUp(t)
	d := l.driver(t)
	for i := range 3 {
		spec := l.spec(fmt.Sprintf("left-%d", i), "serve")
		if err := d.Create(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		if err := d.Start(t.Context(), spec.ID); err != nil {
			t.Fatal(err)
		}
		if err := d.Remove(t.Context(), spec.ID); err != nil {
			t.Fatal(err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), l.dir) {
		t.Errorf("mounts left in the caller's namespace (%v)", err)
	}
	for _, sub := range []string{"run/c", "run/r", "run/d"} {
		if left, _ := os.ReadDir(filepath.Join(l.dir, sub)); len(left) != 0 {
			t.Errorf("left in %s: %v", sub, left)
		}
	}
}
