package runc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// ExitError is how ShimMain says that the process should exit with a code and
// no message: cmd/berth maps it to os.Exit.
type ExitError struct{ Code int }

// Error names the code.
func (e ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// ExitCode is the code to exit with.
func (e ExitError) ExitCode() int { return e.Code }

// runInit is the first process of a container: it starts the command, passes
// signals on to it, reaps orphans, and ends as the command ends.
func runInit(args []string) error {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	path, err := exec.LookPath(args[0])
	if err != nil {
		return ExitError{127}
	}
	p, err := os.StartProcess(path, args, &os.ProcAttr{Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return ExitError{126}
	}
	go forward(signals, p.Pid)
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.ECHILD):
			return ExitError{unseen}
		case pid != p.Pid:
		case ws.Signaled():
			return ExitError{128 + int(ws.Signal())}
		default:
			return ExitError{ws.ExitStatus()}
		}
	}
}

// forward passes on all but what is meant for the first process itself, and
// what Go's runtime sends to its own threads.
func forward(signals <-chan os.Signal, pid int) {
	for s := range signals {
		n, ok := s.(syscall.Signal)
		if !ok || n == unix.SIGCHLD || n == unix.SIGURG || n == unix.SIGPIPE {
			continue
		}
		_ = unix.Kill(pid, n)
	}
}
