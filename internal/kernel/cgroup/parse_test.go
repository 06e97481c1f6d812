package cgroup_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/kernel/cgroup"
)

func TestHierarchiesAreFound(t *testing.T) {
	const (
		cpu     = "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct"
		memory  = "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
		systemd = "32 25 0:28 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,name=systemd"
		unified = "33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
		pure    = "33 25 0:29 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
		other   = "34 25 0:30 / /tmp rw - tmpfs tmpfs rw"
	)
	for name, c := range map[string]struct {
		lines  []string
		mode   string
		points []string
	}{
		"v1": {[]string{cpu, memory, other}, "v1", []string{"/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory"}},
		"v2": {[]string{pure, other}, "v2", []string{"/sys/fs/cgroup"}},
		"hybrid": {
			[]string{memory, systemd, unified}, "hybrid", []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"},
		},
	} {
		h := cgroup.NewHost(c.lines...)
		if h.Mode() != c.mode {
			t.Errorf("%s: mode %s", name, h.Mode())
		}
		if d := cmp.Diff(c.points, h.Points()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestCountersAreRead(t *testing.T) {
	if got := cgroup.Keyed("usage_usec 12\nnr_periods 0\njunk\n")["usage_usec"]; got != 12 {
		t.Errorf("usage %d", got)
	}
	if r, w := cgroup.BlockBytes("8:0 Read 4096\n8:0 Write 1\n8:16 Read 4\n8:0 Sync 9\nTotal 4101\n"); r != 4100 || w != 1 {
		t.Errorf("v1: %d read, %d written", r, w)
	}
	if r, w := cgroup.IOBytes("8:0 rbytes=10 wbytes=2 rios=1\n8:16 rbytes=1 wbytes=0\n"); r != 11 || w != 2 {
		t.Errorf("v2: %d read, %d written", r, w)
	}
}
