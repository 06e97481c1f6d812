package cgroup

import (
	"path/filepath"
	"strconv"
	"strings"
)

// Stats are the counters of a group since it was made.
type Stats struct {
	CPUNanos    uint64
	MemoryBytes uint64 // working set: usage less inactive file pages
	MemoryUsage uint64 // all that is charged
	MemoryLimit uint64 // 0 is none
	SwapLimit   uint64 // of memory and swap together; 0 is none, or that the host does not count it
	Pids        uint64
	PidsLimit   uint64 // 0 is none
	ReadBytes   uint64
	WriteBytes  uint64
	OOMKills    uint64 // processes of this very group killed for lack of memory
}

// Stats reads the counters. What a host does not count is zero.
func (g *Group) Stats() (Stats, error) {
	if _, err := g.host.Open(g.name); err != nil {
		return Stats{}, err
	}
	if g.host.pure() {
		return g.unifiedStats(), nil
	}
	return g.legacyStats(), nil
}

// unlimited is below the figure that v1 shows for "no limit".
const unlimited = 1 << 62

func (g *Group) legacyStats() Stats {
	memory := g.host.dir("memory", g.name)
	s := Stats{
		CPUNanos:    number(text(filepath.Join(g.host.dir("cpuacct", g.name), "cpuacct.usage"))),
		MemoryUsage: number(text(filepath.Join(memory, "memory.usage_in_bytes"))),
		MemoryLimit: number(text(filepath.Join(memory, "memory.limit_in_bytes"))),
		SwapLimit:   number(text(filepath.Join(memory, "memory.memsw.limit_in_bytes"))),
		Pids:        number(text(filepath.Join(g.host.dir("pids", g.name), "pids.current"))),
		PidsLimit:   number(text(filepath.Join(g.host.dir("pids", g.name), "pids.max"))),
		OOMKills:    keyed(text(filepath.Join(memory, "memory.oom_control")))["oom_kill"],
	}
	if s.MemoryLimit >= unlimited {
		s.MemoryLimit = 0
	}
	if s.SwapLimit >= unlimited {
		s.SwapLimit = 0
	}
	s.MemoryBytes = less(s.MemoryUsage, keyed(text(filepath.Join(memory, "memory.stat")))["total_inactive_file"])
	s.ReadBytes, s.WriteBytes = blockBytes(text(filepath.Join(g.host.dir("blkio", g.name), "blkio.throttle.io_service_bytes_recursive")))
	return s
}

func (g *Group) unifiedStats() Stats {
	d := filepath.Join(g.host.unified, g.name)
	s := Stats{
		CPUNanos:    keyed(text(filepath.Join(d, "cpu.stat")))["usage_usec"] * 1000,
		MemoryUsage: number(text(filepath.Join(d, "memory.current"))),
		MemoryLimit: number(text(filepath.Join(d, "memory.max"))),
		Pids:        number(text(filepath.Join(d, "pids.current"))),
		PidsLimit:   number(text(filepath.Join(d, "pids.max"))),
		OOMKills:    keyed(text(filepath.Join(d, "memory.events")))["oom_kill"],
	}
	if swap := text(filepath.Join(d, "memory.swap.max")); s.MemoryLimit > 0 && swap != "" && swap != "max" {
		s.SwapLimit = s.MemoryLimit + number(swap)
	}
	s.MemoryBytes = less(s.MemoryUsage, keyed(text(filepath.Join(d, "memory.stat")))["inactive_file"])
	s.ReadBytes, s.WriteBytes = ioBytes(text(filepath.Join(d, "io.stat")))
	return s
}

func number(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64)
	return n
}

func less(a, b uint64) uint64 {
	if b > a {
		return 0
	}
	return a - b
}

// keyed reads lines of a key and a number.
func keyed(s string) map[string]uint64 {
	out := map[string]uint64{}
	for line := range strings.Lines(s) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			out[k] = number(v)
		}
	}
	return out
}

// blockBytes sums v1's lines "8:0 Read 4096".
func blockBytes(s string) (read, written uint64) {
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		switch f[1] {
		case "Read":
			read += number(f[2])
		case "Write":
			written += number(f[2])
		}
	}
	return read, written
}

// ioBytes sums v2's lines "8:0 rbytes=4096 wbytes=0 …".
func ioBytes(s string) (read, written uint64) {
	for _, f := range strings.Fields(s) {
		if v, ok := strings.CutPrefix(f, "rbytes="); ok {
			read += number(v)
		}
		if v, ok := strings.CutPrefix(f, "wbytes="); ok {
			written += number(v)
		}
	}
	return read, written
}
