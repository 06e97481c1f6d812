package soak

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Wanted is what should be there according to the API.
type Wanted struct {
	Instances  map[string][]string // the tasks that run, by instance
	Interfaces []string            // eni-…
	VPCs       []string
	Functions  int // how many warm sandboxes there may be, and interfaces for them
}

// Strays tells what is there and should not be, and what should be there and
// is not. Each begins with its kind and a colon.
func (s Survey) Strays(w Wanted) []string {
	out, sandboxes := s.strayProcs(w)
	out = append(out, s.strayNet(w)...)
	return append(out, s.strayGroups(w, sandboxes)...)
}

func (s Survey) strayProcs(w Wanted) (out []string, sandboxes map[string]bool) {
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf("process: "+format, args...)) }
	count := map[string]int{}
	sandboxes = map[string]bool{}
	for _, p := range s.Procs {
		if fault := p.stray(w); fault != "" {
			say("%d %s %s: %s", p.PID, p.Kind, fault, p.Line)
		}
		if p.Function != "" {
			sandboxes[p.Function] = true
		}
		if !p.Zombie {
			count[p.Kind+" "+p.Instance]++
		}
	}
	for _, kind := range []string{"server ", "edge "} {
		if count[kind] != 1 {
			say("%d of %s", count[kind], kind)
		}
	}
	for id, tasks := range w.Instances {
		i, a, sh := count["instance "+id], count["agent "+id], count["shim "+id]
		if i != 1 || a != 1 || sh > 1 || sh < 1 && len(tasks) > 0 {
			say("instance %s has %d first processes, %d agents and %d shims for %d tasks", id, i, a, sh, len(tasks))
		}
	}
	if len(sandboxes) > w.Functions {
		say("%d function sandboxes: %v", len(sandboxes), slices.Sorted(maps.Keys(sandboxes)))
	}
	return out, sandboxes
}

func (p Proc) stray(w Wanted) string {
	tasks, known := w.Instances[p.Instance]
	switch {
	case p.Zombie:
		return fmt.Sprintf("zombie of %d", p.Parent)
	case p.Instance != "" && !known:
		return "of instance " + p.Instance + ", which is gone"
	case p.Task != "" && !slices.Contains(tasks, p.Task):
		return "of task " + p.Task + ", which is gone"
	case p.Kind == "runc":
		return "still at work"
	case p.Kind == "" && p.Task == "" && p.Instance == "" && p.Function == "":
		return "of nobody"
	}
	return ""
}

func (s Survey) strayNet(w Wanted) (out []string) {
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	want := map[string]bool{"internet": true}
	for _, n := range slices.Concat(w.Interfaces, w.VPCs) {
		want[n] = true
	}
	var more []string // the interfaces of functions are in no list
	for _, n := range s.Netns {
		if !want[n] {
			more = append(more, n)
		}
		delete(want, n)
	}
	delete(want, "internet")
	if len(more) > w.Functions {
		say("namespace: %v belong to nothing", more)
	}
	for n := range want {
		say("namespace: %s is missing", n)
	}
	for ns, who := range s.Hidden {
		say("namespace: %s has no name any more and is held by %v", ns, who[:min(len(who), 4)])
	}
	// Each namespace but the Internet's hangs on one pair of devices.
	if pairs := 2 * (len(s.Netns) - 1); len(s.Netns) > 0 && s.Links != pairs {
		say("veth: %d devices in %d namespaces, want %d", s.Links, len(s.Netns), pairs)
	}
	return append(out, s.strayMounts()...)
}

func (s Survey) strayMounts() (out []string) {
	seen := map[string]bool{}
	for _, m := range s.Mounts {
		name, netns := strings.CutPrefix(m, "run/netns/")
		if seen[m] || m != "run/netns" && (!netns || !slices.Contains(s.Netns, name)) {
			out = append(out, "mount: "+m)
		}
		seen[m] = true
	}
	return out
}

func (s Survey) strayGroups(w Wanted, sandboxes map[string]bool) (out []string) {
	for _, g := range s.Cgroups {
		part := strings.Split(g, "/")
		tasks, known := w.Instances[part[0]]
		stray := !known || len(part) > 2 && part[1] == "ecs" && !slices.Contains(tasks, part[2])
		if part[0] == "functions" {
			stray = len(part) > 1 && !sandboxes[part[1]]
		}
		if stray {
			out = append(out, "cgroup: "+g)
		}
	}
	return out
}
