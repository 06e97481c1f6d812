// Package cgroup makes, limits, measures, empties and removes control groups
// on hosts with cgroup v1 (each controller in a hierarchy of its own), v2
// (one hierarchy) and the hybrid of both.
//
// It owns no group and keeps nothing in memory: a Group is a name below the
// root of every hierarchy, and every method reads the kernel. A group is made
// in all hierarchies that are mounted, so that a name means the same
// everywhere. It has no opinion on names or figures and refuses only what the
// kernel refuses. Drivers of machines, containers and functions call it. All
// methods may be called concurrently; two callers that remove the same group
// both succeed.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"berth/internal/fault"
)

// Limits are what a group may use. A zero field is no limit.
type Limits struct {
	CPUs        float64 // quota in CPUs, 0.5 is half of one
	CPUShares   uint64  // relative weight as in v1, 1024 is the default
	MemoryBytes int64   // of memory, and nothing of swap besides
	Pids        int64   // processes and threads
}

// PidsOf is how many processes and threads Linux gives a machine of so much
// memory (kernel.threads-max): an eighth of it may go into their stacks.
func PidsOf(memoryBytes int64) int64 { return max(1024, memoryBytes/(8*16<<10)) }

// Host is the set of cgroup hierarchies of this machine.
type Host struct {
	v1      map[string]string // controller -> mount point
	unified string            // mount point of cgroup2, or ""
}

// Detect reads which hierarchies are mounted in the caller's mount namespace.
func Detect() (*Host, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	defer f.Close()
	h := &Host{v1: map[string]string{}}
	for s := bufio.NewScanner(f); s.Scan(); {
		h.addMount(s.Text())
	}
	if len(h.v1) == 0 && h.unified == "" {
		return nil, fault.New(fault.Unavailable, "", "no cgroup hierarchy is mounted on this machine")
	}
	return h, nil
}

// addMount takes in one line of mountinfo: ID parent dev root point options
// [tags] - type source superoptions.
func (h *Host) addMount(line string) {
	left, right, ok := strings.Cut(line, " - ")
	l, r := strings.Fields(left), strings.Fields(right)
	if !ok || len(l) < 5 || len(r) < 3 {
		return
	}
	switch r[0] {
	case "cgroup2":
		if h.unified == "" {
			h.unified = l[4]
		}
	case "cgroup":
		for _, c := range strings.Split(r[2], ",") {
			if known(c) && h.v1[c] == "" {
				h.v1[c] = l[4]
			}
		}
	}
}

var controllers = []string{
	"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "name=systemd", "net_cls", "net_prio", "perf_event",
	"pids", "rdma", "misc",
}

func known(c string) bool { return slices.Contains(controllers, c) }

// CountsSwap reports whether this machine can limit swap, which kernels may be
// built or told not to.
var CountsSwap = sync.OnceValue(func() bool {
	h, err := Detect()
	if err != nil {
		return false
	}
	sign := "/proc/swaps" // v2 counts all that there is
	if !h.pure() {
		sign = filepath.Join(h.v1["memory"], "memory.memsw.limit_in_bytes")
	}
	_, err = os.Stat(sign)
	return err == nil
})

// Mode is "v1", "v2" or "hybrid".
func (h *Host) Mode() string {
	switch {
	case len(h.v1) == 0:
		return "v2"
	case h.unified == "":
		return "v1"
	default:
		return "hybrid"
	}
}

// pure reports whether there is only v2: every controller is in the one hierarchy.
func (h *Host) pure() bool { return len(h.v1) == 0 }

// points lists the mount points of all hierarchies, each once, in order.
func (h *Host) points() []string {
	var out []string
	for _, c := range controllers {
		if p := h.v1[c]; p != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	if h.unified != "" {
		out = append(out, h.unified)
	}
	return out
}

// dir is the folder of a group in the hierarchy of a controller, or "".
func (h *Host) dir(controller, name string) string {
	p := h.v1[controller]
	if h.pure() {
		p = h.unified
	}
	if p == "" {
		return ""
	}
	return filepath.Join(p, name)
}

// Group is one control group.
type Group struct {
	host *Host
	name string
}

// Create makes the group, and those above it, and sets its limits. A group
// that is there keeps its processes and gets the limits. The name is absolute,
// as in /proc/PID/cgroup.
func Create(name string, l Limits) (*Group, error) {
	h, err := Detect()
	if err != nil {
		return nil, err
	}
	return h.Create(name, l)
}

// Open finds a group; fault.NotFound if no hierarchy has it.
func Open(name string) (*Group, error) {
	h, err := Detect()
	if err != nil {
		return nil, err
	}
	return h.Open(name)
}

// Create is the package's Create on hierarchies that were detected before.
func (h *Host) Create(name string, l Limits) (*Group, error) {
	name, err := clean(name)
	if err != nil {
		return nil, err
	}
	g := &Group{host: h, name: name}
	for _, p := range h.points() {
		dir := filepath.Join(p, name)
		err := os.Mkdir(dir, 0o755) // as the kernel's own
		if errors.Is(err, fs.ErrNotExist) {
			err = os.MkdirAll(dir, 0o755)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make cgroup %s: %w", name, err)
		}
	}
	if err := h.inheritCPUSet(name); err != nil {
		return nil, err
	}
	if h.pure() {
		h.delegate(name)
	}
	return g, g.Set(l)
}

// Open is the package's Open on hierarchies that were detected before.
func (h *Host) Open(name string) (*Group, error) {
	name, err := clean(name)
	if err != nil {
		return nil, err
	}
	g := &Group{host: h, name: name}
	if !g.Exists() {
		return nil, fault.New(fault.NotFound, "", "cgroup %s does not exist", name)
	}
	return g, nil
}

func clean(name string) (string, error) {
	n := path.Clean("/" + name)
	if n == "/" || n != "/"+strings.TrimPrefix(name, "/") {
		return "", fault.New(fault.Invalid, "", "%q does not name a cgroup below the root", name)
	}
	return n, nil
}

// inheritCPUSet fills the cpuset of new v1 groups, which begins empty and
// admits no process until it is written.
func (h *Host) inheritCPUSet(name string) error {
	root := h.v1["cpuset"]
	if root == "" {
		return nil
	}
	return fillCPUSet(root, filepath.Join(root, name))
}

// fillCPUSet looks upwards: the groups above are most often filled.
func fillCPUSet(root, at string) error {
	for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
		if at == root || text(filepath.Join(at, f)) != "" {
			continue
		}
		above := filepath.Dir(at)
		have := text(filepath.Join(above, f))
		if have == "" {
			if err := fillCPUSet(root, above); err != nil {
				return err
			}
			have = text(filepath.Join(above, f))
		}
		if err := write(filepath.Join(at, f), have); err != nil {
			return fmt.Errorf("inherit %s: %w", f, err)
		}
	}
	return nil
}

// delegate switches the controllers on for the children of every group above
// name. A group that holds processes cannot delegate, and a host may lack a
// controller: what is missing shows when a limit is set.
func (h *Host) delegate(name string) {
	at := h.unified
	for _, part := range strings.Split(strings.Trim(name, "/"), "/") {
		for _, c := range []string{"cpu", "memory", "pids", "io", "cpuset"} {
			_ = write(filepath.Join(at, "cgroup.subtree_control"), "+"+c)
		}
		at = filepath.Join(at, part)
	}
}

// Name is the group's absolute name.
func (g *Group) Name() string { return g.name }

// Exists reports whether any hierarchy has the group.
func (g *Group) Exists() bool {
	return slices.ContainsFunc(g.dirs(), func(d string) bool {
		_, err := os.Stat(d)
		return err == nil
	})
}

func (g *Group) dirs() []string {
	var out []string
	for _, p := range g.host.points() {
		out = append(out, filepath.Join(p, g.name))
	}
	return out
}

// Set replaces the group's limits.
func (g *Group) Set(l Limits) error {
	if g.host.pure() {
		return g.setUnified(l)
	}
	return g.setLegacy(l)
}

// period of the CPU quota in microseconds, the kernel's default.
const period = 100_000

func (g *Group) setLegacy(l Limits) error {
	quota := "-1"
	if l.CPUs > 0 {
		quota = strconv.FormatInt(max(1000, int64(l.CPUs*period)), 10)
	}
	shares := "1024"
	if l.CPUShares > 0 {
		shares = strconv.FormatUint(max(2, l.CPUShares), 10)
	}
	memory := "-1"
	if l.MemoryBytes > 0 {
		memory = strconv.FormatInt(l.MemoryBytes, 10)
	}
	return g.apply([]setting{
		{"cpu", "cpu.cfs_quota_us", quota, l.CPUs > 0},
		{"cpu", "cpu.shares", shares, l.CPUShares > 0},
		// Memory and swap may not be less than memory alone at any moment, and
		// a host that does not count swap has no file for it.
		{"memory", "memory.memsw.limit_in_bytes", "-1", false},
		{"memory", "memory.limit_in_bytes", memory, l.MemoryBytes > 0},
		{"memory", "memory.memsw.limit_in_bytes", memory, false},
		{"pids", "pids.max", count(l.Pids), l.Pids > 0},
	})
}

func (g *Group) setUnified(l Limits) error {
	quota := "max"
	if l.CPUs > 0 {
		quota = strconv.FormatInt(max(1000, int64(l.CPUs*period)), 10)
	}
	weight := uint64(100)
	if l.CPUShares > 0 {
		weight = 1 + (max(2, min(l.CPUShares, 262144))-2)*9999/262142
	}
	swap := "max"
	if l.MemoryBytes > 0 {
		swap = "0"
	}
	return g.apply([]setting{
		{"cpu", "cpu.max", quota + " " + strconv.Itoa(period), l.CPUs > 0},
		{"cpu", "cpu.weight", strconv.FormatUint(weight, 10), l.CPUShares > 0},
		{"memory", "memory.max", count(l.MemoryBytes), l.MemoryBytes > 0},
		{"memory", "memory.swap.max", swap, false},
		{"pids", "pids.max", count(l.Pids), l.Pids > 0},
	})
}

func count(n int64) string {
	if n > 0 {
		return strconv.FormatInt(n, 10)
	}
	return "max"
}

type setting struct {
	controller, file, value string
	wanted                  bool // an absent file is an error
}

func (g *Group) apply(all []setting) error {
	for _, s := range all {
		dir := g.host.dir(s.controller, g.name)
		if dir == "" {
			if s.wanted {
				return fault.New(fault.Unavailable, "", "this machine has no cgroup controller %s", s.controller)
			}
			continue
		}
		err := write(filepath.Join(dir, s.file), s.value)
		if err != nil && (s.wanted || !errors.Is(err, fs.ErrNotExist)) {
			return fmt.Errorf("set %s of cgroup %s to %s: %w", s.file, g.name, s.value, err)
		}
	}
	return nil
}

// Add moves a process into the group, in every hierarchy.
func (g *Group) Add(pid int) error {
	for _, d := range g.dirs() {
		if err := write(filepath.Join(d, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("add process %d to cgroup %s: %w", pid, d, err)
		}
	}
	return nil
}

// Procs lists the processes of the group and of all groups below it, once
// each, ascending. An absent group has none.
func (g *Group) Procs() ([]int, error) {
	var out []int
	for _, d := range g.dirs() {
		pids, err := procsBelow(d)
		if err != nil {
			return nil, fmt.Errorf("list processes of cgroup %s: %w", g.name, err)
		}
		out = append(out, pids...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func procsBelow(dir string) ([]int, error) {
	var out []int
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if gone(err) {
			return nil
		}
		if err != nil || !e.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(p, "cgroup.procs"))
		if err != nil && !gone(err) {
			return err
		}
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
				out = append(out, pid)
			}
		}
		return nil
	})
	return out, err
}

func write(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

func text(file string) string {
	b, _ := os.ReadFile(file)
	return strings.TrimSpace(string(b))
}
