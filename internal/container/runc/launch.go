package runc

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"berth/internal/container"
	"berth/internal/kernel/inroot"
)

// launch runs a container on a thread of its own, which has a mount namespace
// of its own and ends with the start.
func (p *parent) launch(c *child) error {
	p.reaper.begin()
	defer p.reaper.done()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread is of no more use
		spec, err := c.b.readSpec()
		if err == nil {
			err = c.mountAll(spec, p.Deps)
		}
		if err == nil {
			err = p.runRuntime(c)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return err
	}
	c.status.Phase, c.status.Parent, c.status.StartedAt = phaseRunning, p.self, p.clock.Now()
	return c.b.record(c.status)
}

// mountAll makes what the runtime finds, in a mount namespace of this thread's.
func (c *child) mountAll(spec container.Spec, d Deps) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	if err := unix.Chdir(c.b.disk); err != nil { // of this thread
		return fmt.Errorf("go to the container's folder: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("leave the mounts of the host: %w", err)
	}
	root, err := c.b.userRoot()
	if err != nil {
		return err
	}
	if root == "" {
		root = "../../rootfs"
	} else if c.user, err = d.Users, c.enterUsers(spec, d); err != nil {
		return err
	}
	if err := c.mountRoot(spec, root); err != nil {
		return err
	}
	return c.mountBelow(spec)
}

// mountRoot makes the container's root from its layers. Paths are relative to
// the bundle so that any number of layers, with any name, fits.
func (c *child) mountRoot(spec container.Spec, root string) error {
	if spec.Root != "" {
		return mountFolder(spec.Root, root)
	}
	var lower strings.Builder
	for _, layer := range slices.Backward(spec.Layers) {
		lower.WriteString("../../l/" + layerName(layer) + ":")
	}
	options := "lowerdir=" + lower.String() + "../../base,upperdir=upper,workdir=work"
	// Volatile: nothing of this root is read again after its end, so its end
	// need not wait for the disk. Kernels before 5.10 do not know it.
	err := unix.Mount("overlay", root, "overlay", unix.MS_NODEV, options+",volatile")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("overlay", root, "overlay", unix.MS_NODEV, options)
	}
	if err != nil {
		return fmt.Errorf("mount root file system of %d layers: %w", len(spec.Layers), err)
	}
	return nil
}

// mountFolder makes a folder the container's root. Devices in it are none.
func mountFolder(from, root string) error {
	if err := unix.Mount(from, root, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount the root file system %s: %w", from, err)
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, root, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NODEV}); err != nil {
		return fmt.Errorf("keep devices out of the root file system: %w", err)
	}
	return nil
}

// mountBelow binds the sources of mounts that have a root of their own to
// places that only this thread and the runtime see. Each is opened once, below
// its root, and mounted by its descriptor: who changes the path meanwhile
// changes nothing.
func (c *child) mountBelow(spec container.Spec) error {
	for i, m := range spec.Mounts {
		if m.Root == "" {
			continue
		}
		f, err := inroot.OpenDir(m.Root, m.Source)
		if err != nil {
			return fmt.Errorf("find the volume at %s: %w", m.Destination, err)
		}
		err = unix.Mount(fmt.Sprintf("/proc/thread-self/fd/%d", f.Fd()), c.b.source(i), "", unix.MS_BIND|unix.MS_REC, "")
		_ = f.Close()
		if err != nil {
			return fmt.Errorf("mount the volume at %s: %w", m.Destination, err)
		}
	}
	return nil
}

// runtimeEnv is the runtime's environment. It does one thing after another; a
// second processor would only look for work, and a collection of garbage while
// it starts a container would cost more than the start.
var runtimeEnv = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=16MiB",
}

// runRuntime runs the container detached; its process becomes our child when
// the runtime has gone. The runtime is killed with us: nobody would wait for
// what it makes.
func (p *parent) runRuntime(c *child) error {
	out, err := c.outputs(p.clock)
	if err == nil {
		err = c.giveOutputs(out)
	}
	if err != nil {
		return err
	}
	argv := []string{
		p.RuntimePath, "--root", p.runtimeRoot(), "--log", c.b.runtimeLog(), "--log-format", "json",
		"run", "--detach", "--bundle", c.b.dir, "--pid-file", c.b.pidFile(), c.id,
	}
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Dir: "/", Env: runtimeEnv, Files: []uintptr{p.null.Fd(), uintptr(out[0]), uintptr(out[1])},
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	out.close()
	if err != nil {
		return fmt.Errorf("run the container runtime: %w", err)
	}
	if ws := <-p.reaper.await(pid); !ws.Exited() || ws.ExitStatus() != 0 {
		return runtimeError(c.b.runtimeLog())
	}
	data, err := os.ReadFile(c.b.pidFile())
	if err != nil {
		return fmt.Errorf("read process id: %w", err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return fmt.Errorf("read process id: %w", err)
	}
	c.status.Container = process{PID: pid}
	if q, err := see(pid); err == nil { // it may have ended already
		c.status.Container = q
	}
	if data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup"); err == nil {
		c.status.Cgroups = strings.Split(strings.TrimSpace(string(data)), "\n")
	}
	c.end = p.reaper.await(pid)
	return nil
}

// errNoReason: the runtime failed and did not say why.
var errNoReason = errors.New("the container runtime failed")

// runtimeError finds the last error in the runtime's log.
func runtimeError(path string) error {
	data, rerr := os.ReadFile(path)
	if errors.Is(rerr, os.ErrNotExist) {
		return errNoReason // it was killed before it could say anything
	}
	if rerr != nil {
		return fmt.Errorf("%w: %w", errNoReason, rerr)
	}
	last := ""
	for sc := bufio.NewScanner(bytes.NewReader(data)); sc.Scan(); {
		var line struct{ Level, Msg string }
		if json.Unmarshal(sc.Bytes(), &line) == nil && line.Level == "error" {
			last = line.Msg
		}
	}
	if last == "" {
		return errNoReason
	}
	return errors.New(last)
}
