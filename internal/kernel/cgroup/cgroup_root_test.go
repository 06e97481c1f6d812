//go:build root

package cgroup_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"berth/internal/fault"
	"berth/internal/kernel/cgroup"
)

func name(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("cgroups are made by root only")
	}
	return fmt.Sprintf("/berth-test-%d-%d", os.Getpid(), time.Now().UnixNano())
}

func TestAGroupHoldsLimitsMeasuresAndDies(t *testing.T) {
	n := name(t)
	g, err := cgroup.Create(n+"/inner", cgroup.Limits{CPUs: 0.5, MemoryBytes: 64 << 20, Pids: 50, CPUShares: 256})
	if err != nil {
		t.Fatal(err)
	}
	outer, err := cgroup.Open(n)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = outer.Remove() }()
	cmd := exec.Command("/bin/sh", "-c", "sleep 100 & sleep 100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := g.Add(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	pids, err := outer.Procs()
	if err != nil || !slices.Contains(pids, cmd.Process.Pid) {
		t.Fatalf("processes of the outer group: %v, %v", pids, err)
	}
	s, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.MemoryLimit != 64<<20 || s.Pids == 0 || s.PidsLimit != 50 || s.SwapLimit != 0 && s.SwapLimit != 64<<20 {
		t.Errorf("stats: %+v", s)
	}
	for _, l := range []int64{128 << 20, 32 << 20, 0} { // up, down and away
		if err := g.Set(cgroup.Limits{MemoryBytes: l}); err != nil {
			t.Errorf("set %d: %v", l, err)
		}
		if s, err := g.Stats(); err != nil || s.MemoryLimit != uint64(l) || s.SwapLimit != 0 && s.SwapLimit != uint64(l) || s.PidsLimit != 0 {
			t.Errorf("stats with %d: %+v, %v", l, s, err)
		}
	}
	if err := outer.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := outer.Remove(); err != nil {
		t.Fatal(err)
	}
	if outer.Exists() || g.Exists() {
		t.Error("the group is still there")
	}
	if err := outer.Remove(); err != nil {
		t.Errorf("removing twice: %v", err)
	}
}

func TestTheMemoryLimitKillsAndIsCounted(t *testing.T) {
	g, err := cgroup.Create(name(t), cgroup.Limits{MemoryBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Remove() }()
	cmd := exec.Command("/bin/sh", "-c", "read x; exec tail /dev/zero")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := g.Add(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "go")
	if err := cmd.Wait(); err == nil {
		t.Fatal("the process outlived its limit")
	}
	if s, err := g.Stats(); err != nil || s.OOMKills == 0 {
		t.Errorf("stats after the kill: %+v, %v", s, err)
	}
}

// TestAForkBombEndsAtTheLimit holds that the limit counts what the groups below
// have, too.
func TestAForkBombEndsAtTheLimit(t *testing.T) {
	n := name(t)
	outer, err := cgroup.Create(n, cgroup.Limits{Pids: 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = outer.Destroy() }()
	inner, err := cgroup.Create(n+"/inner", cgroup.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "read x; i=0; while [ $i -lt 100 ]; do sleep 100 & i=$((i+1)); done")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := inner.Add(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "go")
	if err := cmd.Wait(); err == nil {
		t.Error("the bomb went off")
	}
	if s, err := outer.Stats(); err != nil || s.Pids > 20 || s.PidsLimit != 20 {
		t.Errorf("stats: %+v, %v", s, err)
	}
}

func TestAbsentGroups(t *testing.T) {
	n := name(t)
	if _, err := cgroup.Open(n); !fault.Is(err, fault.NotFound) {
		t.Errorf("open: %v", err)
	}
	for _, bad := range []string{"", "/", "a/../b", "/x/"} {
		if _, err := cgroup.Create(bad, cgroup.Limits{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("create %q: %v", bad, err)
		}
	}
}
