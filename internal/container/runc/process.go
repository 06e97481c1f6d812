package runc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/fault"
)

// process names a process for good: a process id alone is used again.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot
}

// see names the process that has pid now.
func see(pid int) (process, error) {
	start, err := startTicks(pid)
	if err != nil {
		return process{}, err
	}
	return process{pid, start}, nil
}

// statFields are the fields of /proc/PID/stat from the third, the state, on.
// They are counted after the command name, which may hold anything.
func statFields(pid int) ([]string, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil, err
	}
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(f) < 20 {
		return nil, fmt.Errorf("read start of process %d: %q", pid, data)
	}
	return f, nil
}

// startTicks is when a process started; ESRCH if it has ended.
func startTicks(pid int) (uint64, error) {
	f, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	if f[0] == "Z" || f[0] == "X" {
		return 0, unix.ESRCH // ended, and not yet reaped
	}
	return strconv.ParseUint(f[19], 10, 64)
}

func (p process) alive() bool {
	if p.PID <= 0 {
		return false
	}
	start, err := startTicks(p.PID)
	return err == nil && start == p.Start
}

// open returns a pidfd, or ESRCH when the process is gone. The start time is
// read after the descriptor is held, so that it is of the same process.
func (p process) open() (int, error) {
	if p.PID <= 0 {
		return -1, unix.ESRCH
	}
	fd, err := unix.PidfdOpen(p.PID, unix.PIDFD_NONBLOCK)
	if err != nil {
		return -1, err
	}
	if !p.alive() {
		_ = unix.Close(fd)
		return -1, unix.ESRCH
	}
	return fd, nil
}

func (p process) signal(sig unix.Signal) error {
	fd, err := p.open()
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// outcome blocks until the process is gone, or ctx ends, and tells how it ended
// if the kernel does (from 6.15 on it tells whoever holds a descriptor, not
// only the parent). It costs no thread: the descriptor becomes readable and
// Go's poller waits for that.
func (p process) outcome(ctx context.Context) (ws unix.WaitStatus, known bool, err error) {
	fd, err := p.open()
	if errors.Is(err, unix.ESRCH) {
		ws, known = p.zombie()
		return ws, known, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("watch process %d: %w", p.PID, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer func() { _ = f.Close() }()
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, false, fmt.Errorf("watch process %d: %w", p.PID, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = conn.Read(func(fd uintptr) bool { return readable(int(fd)) })
	if ctx.Err() != nil {
		return 0, false, ctx.Err()
	}
	if err != nil {
		return 0, false, fmt.Errorf("watch process %d: %w", p.PID, err)
	}
	ws, known = p.told(fd)
	return ws, known, nil
}

// told asks the kernel how a process has ended. Until its parent has reaped
// it, /proc says so; then, the descriptor does.
func (p process) told(fd int) (unix.WaitStatus, bool) {
	again := time.NewTicker(time.Millisecond) // real time: the reaper is another process
	defer again.Stop()
	for range 20 {
		if code, ok := p.zombie(); ok {
			return code, true
		}
		info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
		if err := unix.IoctlPidfdInfo(fd, &info); err != nil && !errors.Is(err, unix.ESRCH) {
			return 0, false
		} else if err == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0 {
			return unix.WaitStatus(info.Exit_code), true
		}
		<-again.C
	}
	return 0, false
}

// zombie reads the wait status of a process that was not reaped yet: the last
// field of its stat.
func (p process) zombie() (unix.WaitStatus, bool) {
	f, err := statFields(p.PID)
	if err != nil || f[0] != "Z" || f[19] != strconv.FormatUint(p.Start, 10) {
		return 0, false
	}
	code, err := strconv.ParseUint(f[len(f)-1], 10, 32)
	return unix.WaitStatus(code), err == nil
}

func readable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err != nil && !errors.Is(err, unix.EINTR) || n > 0
}

// signalNumber reads "SIGTERM", "TERM" or "15".
func signalNumber(name string) (unix.Signal, error) {
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n < 65 {
		return syscall.Signal(n), nil
	}
	up := strings.ToUpper(name)
	if !strings.HasPrefix(up, "SIG") {
		up = "SIG" + up
	}
	if n := unix.SignalNum(up); n != 0 {
		return n, nil
	}
	for _, r := range []struct {
		prefix string
		base   int
	}{{"SIGRTMIN+", 34}, {"SIGRTMAX-", 64}} {
		if rest, ok := strings.CutPrefix(up, r.prefix); ok {
			if n, err := strconv.Atoi(rest); err == nil && n >= 0 && n <= 30 {
				if r.base == 64 {
					n = -n
				}
				return syscall.Signal(r.base + n), nil
			}
		}
	}
	return 0, fault.New(fault.Invalid, "", "%q is not a signal", name)
}
