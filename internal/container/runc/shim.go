package runc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"berth/internal/clock"
	"berth/internal/container"
)

// initMode as first argument makes ShimMain the first process of a container.
const initMode = "init"

// wordFD is the pipe to the Driver that started the parent.
const wordFD = 3

// ShimMain is the small parent of one container: "Self shim BUNDLE RUNTIME
// ROOT ID". It mounts the root file system in its own mount namespace, runs
// the container, writes its output as JSON lines, and records its end. As
// "Self shim adopt BUNDLE ID" it does the latter two for a container whose
// parent was killed, and as "Self shim init ARGS…" it is the first process
// inside a container that asked for one.
func ShimMain(ctx context.Context, args []string) error {
	if len(args) > 1 && args[0] == initMode {
		return runInit(args[1:])
	}
	if len(args) == 3 && args[0] == adoptMode {
		s := shim{b: bundle(args[1]), id: args[2], clock: clock.Real(ctx)}
		return s.adopted()
	}
	if len(args) != 4 {
		return errors.New("the parent of a container is started by Berth itself: shim BUNDLE RUNTIME ROOT ID")
	}
	s := shim{b: bundle(args[0]), runtime: args[1], root: args[2], id: args[3], clock: clock.Real(ctx)}
	return s.run()
}

type shim struct {
	b                 bundle
	runtime, root, id string
	clock             clock.Clock
	status            status
	logs              sync.WaitGroup
	lock              *os.File // of one that adopts
}

func (s *shim) run() error {
	// Caught rather than ignored: an ignored signal would be ignored by the
	// container, too. The parent goes when the container does.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGPIPE)
	unix.CloseOnExec(wordFD)
	err := s.start()
	if err != nil {
		_ = os.Remove(s.b.statusFile()) // before the Driver hears of it, and may remove the rest
	}
	s.say(err)
	if err != nil {
		return nil // the Driver has been told
	}
	return s.finish(s.reap())
}

// say tells the Driver how the start went, and closes the pipe.
func (s *shim) say(err error) {
	w := word{PID: s.status.Container.PID}
	if err != nil {
		w = word{Error: err.Error()}
	}
	f := os.NewFile(wordFD, "word")
	_ = json.NewEncoder(f).Encode(w)
	_ = f.Close()
}

func (s *shim) start() error {
	self, err := see(os.Getpid())
	if err != nil {
		return fmt.Errorf("look at myself: %w", err)
	}
	s.status = status{Phase: phaseStarting, Shim: self}
	if err := writeJSON(s.b.statusFile(), s.status); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the reaper: %w", err)
	}
	spec, err := s.b.readSpec()
	if err != nil {
		return err
	}
	if err := s.mountRoot(spec); err != nil {
		return err
	}
	if err := s.runRuntime(); err != nil {
		return err
	}
	s.status.Phase, s.status.StartedAt = phaseRunning, s.clock.Now()
	return writeJSON(s.b.statusFile(), s.status)
}

// mountRoot makes the container's root from its layers, in this process's
// mount namespace only. Paths are relative to the bundle so that any number
// of layers, with any name, fits.
func (s *shim) mountRoot(spec container.Spec) error {
	if err := os.Chdir(string(s.b)); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("leave the mounts of the host: %w", err)
	}
	if len(spec.Layers) == 0 { // nothing but mounts
		return nil
	}
	var lower []string
	for i := range slices.Backward(spec.Layers) {
		lower = append(lower, "l/"+strconv.Itoa(i))
	}
	lower = append(lower, "l/base")
	options := "lowerdir=" + strings.Join(lower, ":") + ",upperdir=upper,workdir=work"
	// Volatile: nothing of this root is read again after its end, so its end
	// need not wait for the disk. Kernels before 5.10 do not know it.
	err := unix.Mount("overlay", "rootfs", "overlay", unix.MS_NODEV, options+",volatile")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("overlay", "rootfs", "overlay", unix.MS_NODEV, options)
	}
	if err != nil {
		return fmt.Errorf("mount root file system of %d layers: %w", len(lower), err)
	}
	return nil
}

// runRuntime runs the container detached; its process becomes our child when
// the runtime has gone.
func (s *shim) runRuntime() error {
	cmd := exec.Command(s.runtime, "--root", s.root, "--log", s.b.runtimeLog(), "--log-format", "json", //nolint:noctx // a start is not broken off
		"run", "--detach", "--bundle", string(s.b), "--pid-file", s.b.pidFile(), s.id)
	out, err := s.outputs()
	if err != nil {
		return err
	}
	defer out.close()
	cmd.Stdout, cmd.Stderr = out.w[0], out.w[1]
	if err := cmd.Run(); err != nil {
		return runtimeError(s.b.runtimeLog())
	}
	data, err := os.ReadFile(s.b.pidFile())
	if err != nil {
		return fmt.Errorf("read process id: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return fmt.Errorf("read process id: %w", err)
	}
	s.status.Container = process{PID: pid}
	if p, err := see(pid); err == nil { // it may have ended already
		s.status.Container = p
	}
	if data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup"); err == nil {
		s.status.Cgroups = strings.Split(strings.TrimSpace(string(data)), "\n")
	}
	return nil
}

// reap waits for the container, and for whatever else falls to us.
func (s *shim) reap() unix.WaitStatus {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case pid == s.status.Container.PID:
			return ws
		case errors.Is(err, unix.ECHILD):
			return unseen << 8
		}
	}
}

func (s *shim) finish(ws unix.WaitStatus) error {
	now := s.clock.Now()
	s.drain()
	return s.b.end(s.status, ws, now)
}

// errNoWord: the runtime failed and did not say why.
var errNoWord = errors.New("the container runtime failed")

// runtimeError finds the runtime's last word in its log.
func runtimeError(path string) error {
	data, rerr := os.ReadFile(path)
	if errors.Is(rerr, os.ErrNotExist) {
		return errNoWord // it was killed before it could say anything
	}
	if rerr != nil {
		return fmt.Errorf("%w: %w", errNoWord, rerr)
	}
	last := ""
	for sc := bufio.NewScanner(bytes.NewReader(data)); sc.Scan(); {
		var line struct{ Level, Msg string }
		if json.Unmarshal(sc.Bytes(), &line) == nil && line.Level == "error" {
			last = line.Msg
		}
	}
	if last == "" {
		return errNoWord
	}
	return errors.New(last)
}
