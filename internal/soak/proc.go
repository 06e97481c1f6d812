package soak

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Proc is a process that belongs to a server's data folder.
type Proc struct {
	PID, Parent int
	Kind        string // server, edge, instance, agent, shim, runc, or "" for what runs in a container
	Instance    string // "" outside instances
	Task        string // "" outside tasks
	Function    string // "" outside functions
	Zombie      bool
	FDs         int
	Line        string
}

var (
	instanceName = regexp.MustCompile(`/(i-[0-9a-f]{17})(/|\x00|$)`)
	taskName     = regexp.MustCompile(`/(?:ecs|runc/c)/([0-9a-f]{32})`)
	functionName = regexp.MustCompile(`/functions/[^\x00]*?(fn-[0-9a-f]+)`)
	kinds        = []string{"server", "edge", "instance", "agent", "shim"}
)

// readProc reads one process; ok is whether it belongs to the data folder. Of
// a zombie it tells its parent only.
func readProc(dir, data string) (p Proc, ok bool) {
	p.PID, _ = strconv.Atoi(filepath.Base(dir))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, false
	}
	if at := strings.LastIndex(string(stat), ") "); at > 0 {
		f := strings.Fields(string(stat)[at+2:])
		p.Zombie = f[0] == "Z"
		p.Parent, _ = strconv.Atoi(f[1])
	}
	line, lerr := os.ReadFile(filepath.Join(dir, "cmdline"))
	groups, gerr := os.ReadFile(filepath.Join(dir, "cgroup"))
	if lerr != nil || gerr != nil || p.Zombie {
		return p, false
	}
	if !p.classify(strings.TrimSuffix(string(line), "\x00"), string(groups), data) {
		return p, false
	}
	if fds, err := os.ReadDir(filepath.Join(dir, "fd")); err == nil {
		p.FDs = len(fds)
	}
	return p, true
}

// classify tells what a process is by its arguments and its cgroups. A
// command of somebody else that merely names the folder is none of ours.
func (p *Proc) classify(line, groups, data string) (ok bool) {
	args, group := strings.Split(line, "\x00"), "/"+Group(data)
	p.Line = strings.Join(args, " ")
	p.Line = p.Line[:min(len(p.Line), 160)]
	mentions := strings.Contains(line, data+"/") || slices.Contains(args, data)
	inside := strings.Contains(groups, group)
	switch {
	case !mentions && !inside:
		return false
	case mentions && len(args) > 1 && slices.Contains(kinds, args[1]):
		p.Kind = args[1]
	case strings.HasSuffix(args[0], "runc") && len(args) > 1:
		p.Kind = "runc"
	case !inside:
		return false
	}
	where := line
	if !mentions {
		where = ""
	}
	for l := range strings.Lines(groups) {
		if _, path, found := strings.Cut(strings.TrimSpace(l), group); found {
			where += "\x00" + path
		}
	}
	p.Instance, p.Task, p.Function = first(instanceName, where), first(taskName, where), first(functionName, where)
	return true
}

func first(re *regexp.Regexp, s string) string {
	if m := re.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}
