package runc

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"berth/internal/container"
	"berth/internal/fault"
)

const cgroupRoot = "/sys/fs/cgroup"

// group finds the folder of a controller ("memory") from the lines of
// /proc/PID/cgroup; unified reports version 2, where all are one folder.
func group(lines []string, controller string) (dir string, unified bool) {
	v2 := ""
	for _, l := range lines {
		f := strings.SplitN(l, ":", 3)
		if len(f) != 3 {
			continue
		}
		names := strings.Split(f[1], ",")
		if slices.Contains(names, controller) {
			// The mount may be named after one controller or the whole list.
			for _, mount := range append([]string{f[1]}, names...) {
				p := filepath.Join(cgroupRoot, mount, f[2])
				if _, err := os.Stat(p); err == nil {
					return p, false
				}
			}
		}
		if f[1] == "" {
			v2 = f[2]
		}
	}
	return filepath.Join(cgroupRoot, v2), true
}

// oomKilled reads the kernel's count before the group is removed.
func oomKilled(lines []string) bool {
	dir, unified := group(lines, "memory")
	file := "memory.oom_control"
	if unified {
		file = "memory.events"
	}
	return keyed(filepath.Join(dir, file))["oom_kill"] > 0
}

// Stats reads the counters of a running container.
func (d *Driver) Stats(_ context.Context, id string) (container.Stats, error) {
	b, err := d.known(id)
	if err != nil {
		return container.Stats{}, err
	}
	st, is := b.look()
	if is != container.Running {
		return container.Stats{}, fault.New(fault.Conflict, "", "container %s is not running", id)
	}
	s := container.Stats{PID: st.Container.PID}
	readCPU(st.Cgroups, &s)
	readMemory(st.Cgroups, &s)
	readPids(st.Cgroups, &s)
	readIO(st.Cgroups, &s)
	return s, nil
}

func readCPU(lines []string, s *container.Stats) {
	dir, unified := group(lines, "cpuacct")
	if unified {
		s.CPUNanos = keyed(filepath.Join(dir, "cpu.stat"))["usage_usec"] * 1000
		return
	}
	s.CPUNanos = single(filepath.Join(dir, "cpuacct.usage"))
}

func readMemory(lines []string, s *container.Stats) {
	dir, unified := group(lines, "memory")
	usage, limit, idle := "memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file"
	if unified {
		usage, limit, idle = "memory.current", "memory.max", "inactive_file"
	}
	s.MemoryBytes = single(filepath.Join(dir, usage))
	s.MemoryBytes -= min(s.MemoryBytes, keyed(filepath.Join(dir, "memory.stat"))[idle])
	s.MemoryLimit = single(filepath.Join(dir, limit))
	if s.MemoryLimit > 1<<62 {
		s.MemoryLimit = 0 // the kernel's way to say none
	}
}

func readPids(lines []string, s *container.Stats) {
	dir, _ := group(lines, "pids")
	s.Pids = single(filepath.Join(dir, "pids.current"))
}

func readIO(lines []string, s *container.Stats) {
	dir, unified := group(lines, "blkio")
	if !unified {
		data, _ := os.ReadFile(filepath.Join(dir, "blkio.throttle.io_service_bytes"))
		for l := range strings.Lines(string(data)) {
			f := strings.Fields(l)
			switch {
			case len(f) == 3 && f[1] == "Read":
				s.ReadBytes += parse(f[2])
			case len(f) == 3 && f[1] == "Write":
				s.WriteBytes += parse(f[2])
			}
		}
		return
	}
	data, _ := os.ReadFile(filepath.Join(dir, "io.stat"))
	for _, f := range strings.Fields(string(data)) {
		if n, ok := strings.CutPrefix(f, "rbytes="); ok {
			s.ReadBytes += parse(n)
		}
		if n, ok := strings.CutPrefix(f, "wbytes="); ok {
			s.WriteBytes += parse(n)
		}
	}
}

func single(path string) uint64 {
	data, _ := os.ReadFile(path)
	return parse(strings.TrimSpace(string(data)))
}

// keyed reads a file of "name number" lines.
func keyed(path string) map[string]uint64 {
	data, _ := os.ReadFile(path)
	out := map[string]uint64{}
	for l := range strings.Lines(string(data)) {
		if name, n, ok := strings.Cut(strings.TrimSpace(l), " "); ok {
			out[name] = parse(n)
		}
	}
	return out
}

func parse(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}
