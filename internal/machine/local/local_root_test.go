//go:build root

package local_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/kernel"
	"berth/internal/kernel/cgroup"
	"berth/internal/machine"
	"berth/internal/machine/local"
	"berth/internal/machine/machinetest"
)

type world struct {
	data   string
	driver *local.Driver
	t      *testing.T
}

func newWorld(t *testing.T) world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("machines are made by root only")
	}
	data, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := kernel.EnsureShared(filepath.Join(data, "run", "netns")); err != nil {
		t.Fatal(err)
	}
	w := world{data: data, t: t}
	w.driver = w.open()
	t.Cleanup(func() {
		all, _ := w.driver.List(context.Background())
		for _, m := range all {
			_ = w.driver.Terminate(context.Background(), m.ID)
		}
		if err := w.driver.Close(); err != nil {
			t.Error(err)
		}
		if _, err := cgroup.Open(local.CgroupRoot(data)); !fault.Is(err, fault.NotFound) {
			t.Errorf("control group left behind: %v", err)
		}
		if err := kernel.UnmountBelow(data); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w world) open() *local.Driver {
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	real := clock.Real(w.t.Context())
	d, err := local.New(local.Deps{
		Data: w.data, Instance: []string{self, "instance"}, Agent: []string{self, "agent"}, Clock: real, Real: real,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w world) spec(n int) machine.Spec {
	eni := fmt.Sprintf("eni-%017x", n)
	if n < 9 {
		ns, err := kernel.CreateNetns(filepath.Join(w.data, "run", "netns", eni))
		if err != nil {
			w.t.Fatal(err)
		}
		ns.Close()
	}
	return machine.Spec{
		ID: fmt.Sprintf("i-%017x", n), Type: "c6a.large", VCPU: 2, MemoryMiB: 512, Interface: eni, PrivateIP: "10.0.0.5",
		MAC: "02:00:00:00:00:01", RoleName: "ecsInstanceRole", Region: "eu-west-1", Cluster: "c",
	}
}

func TestConformance(t *testing.T) {
	machinetest.Run(t, func(t *testing.T) machinetest.Bench {
		w := newWorld(t)
		return machinetest.Bench{
			Driver: w.driver, Spec: w.spec, Again: func() machine.Driver { return w.open() },
			Kill: func(id string) {
				m, err := w.driver.Get(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				if err := syscall.Kill(m.PID, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func (w world) agentReport(id string) string {
	report := ""
	await.Value(w.t, "a report of the agent; init's log", func() (string, bool) {
		dir := filepath.Join(w.data, "instances", id)
		if b, err := os.ReadFile(filepath.Join(dir, "agent", "report")); err == nil {
			report = string(b)
			return "", true
		}
		b, _ := os.ReadFile(filepath.Join(dir, "init.log"))
		return string(b), false
	})
	return report
}

func TestAMachineIsASliceOfItsOwn(t *testing.T) {
	w := newWorld(t)
	m, err := w.driver.Launch(t.Context(), w.spec(1))
	if err != nil {
		t.Fatal(err)
	}
	report := w.agentReport(m.ID)
	for _, want := range []string{"host ip-10-0-0-5\n", "read-only file system", local.CgroupRoot(w.data) + "/" + m.ID + "/init"} {
		if !strings.Contains(report, want) {
			t.Errorf("the agent's report lacks %q:\n%s", want, report)
		}
	}
	g, err := cgroup.Open(local.CgroupRoot(w.data) + "/" + m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := g.Stats(); err != nil || s.MemoryLimit != 512<<20 {
		t.Errorf("limits: %+v, %v", s, err)
	}
	pids, err := g.Procs()
	if err != nil || len(pids) < 2 {
		t.Fatalf("processes: %v, %v", pids, err)
	}
	if err := syscall.Kill(m.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the machine has ended", func() bool {
		now, err := w.driver.Get(t.Context(), m.ID)
		return err != nil || now.State == machine.Terminated
	})
	for _, pid := range pids {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil && pid != m.PID {
			t.Errorf("process %d outlived its machine", pid)
		}
	}
}

func TestTheAgentIsStartedAgain(t *testing.T) {
	w := newWorld(t)
	m, err := w.driver.Launch(t.Context(), w.spec(1))
	if err != nil {
		t.Fatal(err)
	}
	w.agentReport(m.ID)
	report := filepath.Join(w.data, "instances", m.ID, "agent", "report")
	if err := os.Remove(report); err != nil {
		t.Fatal(err)
	}
	g, _ := cgroup.Open(local.CgroupRoot(w.data) + "/" + m.ID)
	pids, _ := g.Procs()
	for _, pid := range pids {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if strings.Contains(string(b), "\x00agent\x00") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	w.agentReport(m.ID)
}

func TestMetadataIsServedInTheMachinesNamespace(t *testing.T) {
	w := newWorld(t)
	m, err := w.driver.Launch(t.Context(), w.spec(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.driver.SetCredentials(t.Context(), m.ID, machine.Credentials{
		AccessKeyID: "ASIAX", Secret: "s", Token: "t", Expires: time.Now().Add(time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	ns, err := kernel.OpenNetns(filepath.Join(w.data, "run", "netns", w.spec(1).Interface))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return ns.DialContext(ctx, network, addr)
	}}}
	defer client.CloseIdleConnections()
	call := func(method, path, header, value string) string {
		r, _ := http.NewRequestWithContext(t.Context(), method, "http://169.254.169.254"+path, nil)
		r.Header.Set(header, value)
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	token := call("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	if got := call(
		"GET", "/latest/meta-data/iam/security-credentials/ecsInstanceRole", "X-aws-ec2-metadata-token", token,
	); !strings.Contains(got, "ASIAX") {
		t.Errorf("credentials: %s", got)
	}
}

func TestAHostHasLimits(t *testing.T) {
	w := newWorld(t)
	s := w.spec(1)
	s.MemoryMiB = 1 << 30
	if _, err := w.driver.Launch(t.Context(), s); !fault.Is(err, fault.Capacity) {
		t.Errorf("launched a machine larger than the host: %v", err)
	}
	s = w.spec(1)
	s.Interface = "eni-nothere"
	if _, err := w.driver.Launch(t.Context(), s); !fault.Is(err, fault.Unavailable) {
		t.Errorf("launched without an interface: %v", err)
	}
	if all, _ := w.driver.List(t.Context()); len(all) != 0 {
		t.Errorf("left behind: %v", all)
	}
}
