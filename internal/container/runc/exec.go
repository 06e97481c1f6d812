package runc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/internal/container"
	"berth/internal/fault"
)

// Exec runs a command in the container, with the container's environment,
// capabilities and limits, and returns its exit code. When ctx ends the
// command is killed.
func (d *Driver) Exec(ctx context.Context, id string, e container.ExecSpec) (int, error) {
	b, err := d.known(id)
	if err != nil {
		return 0, err
	}
	if len(e.Args) == 0 {
		return 0, fault.New(fault.Invalid, "", "no command specified")
	}
	st := b.status()
	if b.state(id).Status != container.Running {
		return 0, fault.New(fault.Conflict, "", "container %s is not running", id)
	}
	dir, err := os.MkdirTemp(b.dir, "exec-")
	if err != nil {
		return 0, fmt.Errorf("make folder of command: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	p, err := d.execProcess(b, st, e)
	if err != nil {
		return 0, err
	}
	if err := writeJSON(filepath.Join(dir, "process.json"), p); err != nil {
		return 0, err
	}
	log := filepath.Join(dir, "runtime.log")
	cmd := exec.CommandContext(ctx, d.RuntimePath, "--root", d.runtimeRoot(), "--log", log, "--log-format", "json",
		"exec", "--process", filepath.Join(dir, "process.json"), "--pid-file", filepath.Join(dir, "pid"), id)
	cmd.Cancel = func() error { return killExec(cmd.Process, filepath.Join(dir, "pid")) }
	if e.TTY {
		err = runTTY(cmd, e)
	} else {
		cmd.Stdout, cmd.Stderr = e.Stdout, e.Stderr
		err = runPiped(cmd, e.Stdin)
	}
	return exitCode(ctx, log, err)
}

// killExec kills the command inside, whose end the runtime then reports, or
// the runtime if there is none yet.
func killExec(runtime *os.Process, pidFile string) error {
	data, err := os.ReadFile(pidFile)
	if pid, aerr := strconv.Atoi(string(data)); err == nil && aerr == nil && pid > 1 {
		return unix.Kill(pid, unix.SIGKILL)
	}
	return runtime.Kill()
}

func exitCode(ctx context.Context, log string, err error) (int, error) {
	if err == nil {
		return 0, nil
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, fmt.Errorf("run command in container: %w", err)
	}
	if info, serr := os.Stat(log); serr == nil && info.Size() > 0 {
		if rerr := runtimeError(log); rerr != nil && !errors.Is(rerr, errNoReason) {
			return 0, fault.New(fault.Invalid, "", "%s", rerr.Error())
		}
	}
	return exit.ExitCode(), nil
}

func (d *Driver) execProcess(b bundle, st status, e container.ExecSpec) (*specs.Process, error) {
	spec, err := b.readSpec()
	if err != nil {
		return nil, err
	}
	if e.User == "" {
		e.User = spec.User
	}
	user, err := lookupUser(e.User, inRoot("/proc/"+strconv.Itoa(st.Container.PID)+"/root"))
	if err != nil {
		return nil, err
	}
	caps, err := capabilities(spec.Privileged, spec.CapAdd, spec.CapDrop)
	if err != nil {
		return nil, err
	}
	if e.Cwd == "" {
		e.Cwd = spec.Cwd
	}
	spec.Env = append(spec.Env, e.Env...)
	return &specs.Process{
		Terminal: e.TTY, User: user, Args: e.Args, Env: environment(spec), Cwd: cwd(e.Cwd), Capabilities: caps,
	}, nil
}

// runPiped runs the command; input that is never closed does not hold its end up.
func runPiped(cmd *exec.Cmd, stdin io.Reader) error {
	if stdin == nil {
		return cmd.Run()
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(in, stdin)
		_ = in.Close()
	}()
	return cmd.Wait()
}

// runTTY gives the runtime a terminal of ours, which it joins to the one that
// it makes inside.
func runTTY(cmd *exec.Cmd, e container.ExecSpec) error {
	master, slave, err := openTTY()
	if err != nil {
		return err
	}
	defer func() { _ = master.Close() }()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	_ = slave.Close()
	if err != nil {
		return err
	}
	if e.Stdin != nil {
		go func() { _, _ = io.Copy(master, e.Stdin) }()
	}
	var out sync.WaitGroup
	if e.Stdout != nil {
		out.Go(func() { _, _ = io.Copy(e.Stdout, master) })
	}
	err = cmd.Wait()
	out.Wait() // ends with EIO: the last holder of the other side has gone
	return err
}

func openTTY() (master, slave *os.File, err error) {
	m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open terminal: %w", err)
	}
	master = os.NewFile(uintptr(m), "/dev/ptmx")
	if err := unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0); err != nil {
		_ = master.Close()
		return nil, nil, fmt.Errorf("unlock terminal: %w", err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(m), unix.TIOCGPTPEER, uintptr(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC))
	if errno != 0 {
		_ = master.Close()
		return nil, nil, fmt.Errorf("open other side of terminal: %w", errno)
	}
	return master, os.NewFile(fd, "tty"), nil
}
