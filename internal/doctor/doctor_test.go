package doctor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"berth/internal/doctor"
)

// well is a machine that has all that is needed.
func well() doctor.Machine {
	return doctor.Machine{
		Root: true, Kernel: "6.18.1-amd64", Cgroup: "v2", MemoryMiB: 8000, FreeMiB: 10_000, Now: time.Unix(2e9, 0), Built: time.Unix(1e9, 0),
		Programs: map[string]string{"runc": "/usr/sbin/runc", "mkfs.ext4": "/sbin/mkfs.ext4", "/usr/bin/python3": "/usr/bin/python3"},
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, f := range doctor.Judge(well()) {
		if f.Status != doctor.OK || f.Cure != "" || f.Says == "" {
			t.Errorf("%+v", f)
		}
	}
	broken := errors.New("operation not supported")
	for name, tt := range map[string]struct {
		change func(*doctor.Machine)
		status doctor.Status
		check  string
		want   string
	}{
		"user":          {func(m *doctor.Machine) { m.Root = false }, doctor.Warn, "root", "sudo"},
		"old kernel":    {func(m *doctor.Machine) { m.Kernel = "5.11.22" }, doctor.Bad, "kernel", "5.12"},
		"older":         {func(m *doctor.Machine) { m.Kernel = "4.19" }, doctor.Bad, "kernel", "5.12"},
		"new enough":    {func(m *doctor.Machine) { m.Kernel = "6.1.0-13" }, doctor.OK, "kernel", "137"},
		"odd kernel":    {func(m *doctor.Machine) { m.Kernel = "custom" }, doctor.Warn, "kernel", "5.12"},
		"no cgroups":    {func(m *doctor.Machine) { m.Cgroup = "" }, doctor.Bad, "cgroups", "mount"},
		"no memory":     {func(m *doctor.Machine) { m.Missing = []string{"memory"} }, doctor.Bad, "cgroups", "v2 without memory"},
		"no runtime":    {func(m *doctor.Machine) { delete(m.Programs, "runc") }, doctor.Bad, "runtime", "--runtime"},
		"no nftables":   {func(m *doctor.Machine) { m.Modules = map[string]error{"netfilter": broken} }, doctor.Bad, "nftables", "not supported"},
		"no overlay":    {func(m *doctor.Machine) { m.Modules = map[string]error{"overlay": broken} }, doctor.Bad, "overlay", "volume"},
		"no loop":       {func(m *doctor.Machine) { m.Modules = map[string]error{"loop": broken} }, doctor.Warn, "disks", "e2fsprogs"},
		"no Python":     {func(m *doctor.Machine) { delete(m.Programs, "/usr/bin/python3") }, doctor.Warn, "functions", "python3-urllib3"},
		"little memory": {func(m *doctor.Machine) { m.MemoryMiB = 2000 }, doctor.Warn, "memory", "--overcommit"},
		"full disk":     {func(m *doctor.Machine) { m.FreeMiB = 10 }, doctor.Warn, "space", "only 10 MiB"},
		"taken ports":   {func(m *doctor.Machine) { m.Ports = []int{80, 4566} }, doctor.Warn, "ports", "80 and 4566"},
		"clock":         {func(m *doctor.Machine) { m.Now = time.Unix(0, 0) }, doctor.Bad, "clock", "1970-01-01"},
	} {
		m := well()
		tt.change(&m)
		for _, f := range doctor.Judge(m) {
			switch {
			case f.Check != tt.check:
				if f.Status != doctor.OK {
					t.Errorf("%s: %+v", name, f)
				}
			case f.Status != tt.status || !strings.Contains(f.Says+f.Cure, tt.want) || (f.Cure == "") != (f.Status == doctor.OK):
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// What is read of the machine that the tests run on makes sense.
func TestLook(t *testing.T) {
	t.Parallel()
	m := doctor.Look(t.Context(), doctor.Question{Data: t.TempDir() + "/not/there", Now: time.Unix(2e9, 0), Ports: []int{1}, Ours: []int{1}})
	if m.Kernel == "" || m.MemoryMiB == 0 || m.FreeMiB == 0 || len(m.Ports) > 0 || m.Built.IsZero() {
		t.Errorf("%+v", m)
	}
	if got := doctor.Judge(m); len(got) != 12 {
		t.Errorf("%d findings", len(got))
	}
}
