package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/fault"
)

// How long Kill and Remove wait for the kernel: processes die and groups
// empty in real time, so these are real time too.
const (
	patience = 10 * time.Second
	pause    = 2 * time.Millisecond
)

// Kill ends every process of the group and of the groups below it, and waits
// until they are gone. An absent group is success. It does not reap: the
// parent of a process still has to wait for it.
func (g *Group) Kill() error {
	if k := g.killFile(); k != "" {
		_ = write(k, "1") // kernels before 5.14 have no such file
	}
	return g.until("empty", func() (bool, error) {
		pids, err := g.Procs()
		if err != nil || len(pids) == 0 {
			return true, err
		}
		g.freeze("FROZEN") // so that nothing forks while we go through the list
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		g.freeze("THAWED")
		return !slices.ContainsFunc(pids, alive), nil
	})
}

func (g *Group) killFile() string {
	if g.host.unified == "" {
		return ""
	}
	return filepath.Join(g.host.unified, g.name, "cgroup.kill")
}

func (g *Group) freeze(state string) {
	if d := g.host.v1["freezer"]; d != "" {
		_ = write(filepath.Join(d, g.name, "freezer.state"), state)
	}
}

// alive is false for a zombie: only its parent can make that go away.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	for i := len(b) - 1; i > 0; i-- {
		if b[i] == ')' {
			return i+2 < len(b) && b[i+2] != 'Z' && b[i+2] != 'X'
		}
	}
	return true
}

// Remove takes the group and all groups below it away from every hierarchy,
// trying again while the kernel still counts a dying process in one. An
// absent group is success; one with living processes is fault.Conflict.
func (g *Group) Remove() error {
	return g.until("removed", g.remove)
}

// Destroy is Kill and Remove; a group that is empty already is not searched.
func (g *Group) Destroy() error {
	if done, err := g.remove(); done || err != nil {
		return err
	}
	return errors.Join(g.Kill(), g.Remove())
}

// remove tries once; false is that something holds the group.
func (g *Group) remove() (done bool, err error) {
	for _, d := range g.dirs() {
		err = errors.Join(err, removeTree(d))
	}
	if errors.Is(err, unix.EBUSY) {
		return false, nil
	}
	return err == nil, err
}

func removeTree(dir string) error {
	// Most have no groups below them: looking for some costs more.
	err := unix.Rmdir(dir)
	if err == nil || gone(err) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, removeTree(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return err
	}
	if err = unix.Rmdir(dir); gone(err) {
		return nil
	}
	return err
}

func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}

// until asks done again and again, for as long as patience lasts. It measures
// the kernel's work, so its time is the machine's and not the clock's.
func (g *Group) until(what string, done func() (bool, error)) error {
	over, again := time.NewTimer(patience), time.NewTimer(pause)
	defer over.Stop()
	defer again.Stop()
	for wait := pause; ; wait = min(2*wait, 50*time.Millisecond) {
		ok, err := done()
		if err != nil {
			return fmt.Errorf("wait until cgroup %s is %s: %w", g.name, what, err)
		}
		if ok {
			return nil
		}
		again.Reset(wait)
		select {
		case <-over.C:
			return fault.New(fault.Conflict, "", "cgroup %s is still not %s after %s", g.name, what, patience)
		case <-again.C:
		}
	}
}
