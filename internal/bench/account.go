package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"berth/internal/clock"
	"berth/internal/kernel/cgroup"
)

// tree is a process and all that it starts, in a control group of its own.
type tree struct {
	*cgroup.Group
	cmd   *exec.Cmd
	said  bytes.Buffer
	began time.Time
	end   chan struct{}
}

// home is the group that all groups of this run stand in.
func home() string { return fmt.Sprintf("/berth-bench-%d", os.Getpid()) }

func group(what string) (*cgroup.Group, error) {
	return cgroup.Create(home()+"/"+what, cgroup.Limits{})
}

// spawn starts a command in a group of its own. The command begins when it is
// in the group, so that nothing it starts is outside.
func spawn(what, name string, args ...string) (*tree, error) {
	g, err := group(what)
	if err != nil {
		return nil, err
	}
	t := &tree{Group: g, end: make(chan struct{})}
	script := []string{"-c", `read _ && exec "$@" </dev/null`, "sh", name}
	t.cmd = exec.Command("/bin/sh", append(script, args...)...) //nolint:noctx // ended by its owner
	t.cmd.Stdout, t.cmd.Stderr = &t.said, &t.said
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	start, err := t.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { defer close(t.end); _ = t.cmd.Wait() }()
	if err := g.Add(t.cmd.Process.Pid); err != nil {
		return nil, err
	}
	t.began = time.Now()
	_, err = start.Write([]byte("\n"))
	return t, err
}

// kill ends the first process at once and leaves what it started.
func (t *tree) kill() {
	_ = t.cmd.Process.Kill()
	<-t.end
}

// over ends everything in the group, and the group.
func (t *tree) over() {
	_ = t.Kill()
	<-t.end
	_ = t.Remove()
}

// used is the CPU time of groups.
func used(gs ...*cgroup.Group) time.Duration {
	var sum uint64
	for _, g := range gs {
		if s, err := g.Stats(); err == nil {
			sum += s.CPUNanos
		}
	}
	return time.Duration(sum)
}

// usedBy is the CPU time of one process without its children, to the tick of
// ten milliseconds.
func usedBy(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// ours is the CPU time of all processes that run a program, without what they
// have started that is none of it.
func ours(program string) time.Duration {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	var sum time.Duration
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != program {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			sum += usedBy(pid)
		}
	}
	return sum
}

// memory is what one process holds: all, and what it shares with nobody.
func memory(pid int) (rss, private float64, err error) {
	file := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	mib := func(name string) float64 {
		kb, convert := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(field(file, name), "kB")), 64)
		err = errors.Join(err, convert)
		return kb / 1024
	}
	rss = mib("Rss")
	return rss, mib("Private_Clean") + mib("Private_Dirty"), err
}

// until waits for a condition, looking every so often.
func until(ctx context.Context, limit, every time.Duration, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	again := time.NewTicker(every)
	defer again.Stop()
	var last error
	for {
		done, err := ok()
		if done && err == nil {
			return nil
		}
		last = err
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("after %v still not: %s", limit, what), last)
		case <-again.C:
		}
	}
}

// rest lets real time pass while others work.
func rest(ctx context.Context, d time.Duration) error {
	over, cancel := context.WithCancel(ctx)
	defer cancel()
	return clock.Sleep(ctx, clock.Real(over), d)
}

// ms is a duration in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
