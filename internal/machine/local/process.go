package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/fault"
	"berth/internal/kernel"
)

// patience bounds waits for processes to come up and to end, in real time.
const patience = 30 * time.Second

// process identifies a process for good: ids are reused, a start time within
// one boot is not.
type process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // clock ticks since boot
	Boot  string `json:"boot"`
}

// whoIs identifies a process as seen through a /proc.
func whoIs(pid int) (process, error) {
	start, err := startOf(pid)
	if err != nil {
		return process{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return process{PID: pid, Start: start, Boot: strings.TrimSpace(string(boot))}, err
}

// startOf reads the start time of a process.
func startOf(pid int) (string, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	// The name in parentheses may hold anything.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 20 {
		return "", fmt.Errorf("read start of process %d: %d fields", pid, len(f))
	}
	return f[19], nil
}

// alive tells whether that very process still runs. The state in /proc is
// that of its first thread, which may end before the rest of it, and with it
// before what lives in its PID namespace: a pidfd tells of the whole.
func (p process) alive() bool {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	now, err := whoIs(p.PID)
	return err == nil && now == p && !over(fd, 0)
}

// over tells whether the process of a pidfd has ended, waiting up to so many
// milliseconds for it.
func over(fd, wait int) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, wait)
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n > 0
		}
	}
}

// end kills the process, if it is still that one, and waits for its end.
func (p process) end() error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	if !p.alive() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
	}
	// As the first of its PID namespace it ends after everything else in it.
	if !over(fd, int(patience.Milliseconds())) {
		return fault.New(fault.Unavailable, "", "process %d has not ended %s after it was killed", p.PID, patience)
	}
	return nil
}

// start runs the machine's first process and waits until it says that the
// machine is up, or why it is not.
func (d *Driver) start(ctx context.Context, ns *kernel.Netns, p plan) error {
	log, err := os.OpenFile(filepath.Join(p.Dir, initLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	ready, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	defer tell.Close()
	args, files := append(d.Instance[1:len(d.Instance):len(d.Instance)], "--dir", p.Dir), []*os.File{tell}
	disk, err := d.openDisk(p)
	if err != nil && !d.withoutDisk(p, err) {
		return err
	}
	if disk != nil {
		defer disk.Close()
		args, files = append(args, "--disk"), append(files, disk)
	}
	cmd := exec.Command(d.Instance[0], args...) //nolint:noctx // outlives any
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = "/", log, log, files
	cmd.Env = environment(p.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	if err := ns.Do(cmd.Start); err != nil {
		return fault.Wrap(fault.Unavailable, err, "start the first process of machine %s", p.Spec.ID)
	}
	go func() { _ = cmd.Wait() }() // so that it leaves no zombie while we live
	_ = tell.Close()
	if err := answer(ctx, ready); err != nil {
		_ = cmd.Process.Kill()
		return fault.Wrap(fault.Unavailable, err, "bring machine %s up", p.Spec.ID)
	}
	return nil
}

// environment is all that a machine inherits.
func environment(dir string) []string {
	path := os.Getenv("PATH") // where the host keeps its container runtime
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return []string{"PATH=" + path, "HOME=/", "TMPDIR=" + filepath.Join(dir, "tmp")}
}

// answer reads what the first process has to say: nothing but "ok" when the
// machine is up.
func answer(ctx context.Context, ready *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	b, err := io.ReadAll(io.LimitReader(ready, 4096))
	switch {
	case err != nil:
		return errors.Join(err, ctx.Err())
	case string(b) == "ok":
		return nil
	case len(b) == 0:
		return errors.New("the first process ended without an answer")
	default:
		return errors.New(string(b))
	}
}

// remember writes down who the machine's first process is.
func remember(dir string, p process) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, processIs), b, 0o600)
}

func hostMemoryMiB() (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("read the host's memory: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) >= 2 && f[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("read the host's memory: no MemTotal")
}
