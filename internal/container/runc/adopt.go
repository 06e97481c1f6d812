package runc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// adoptMode as first argument makes ShimMain the new parent of a container
// that runs.
const adoptMode = "adopt"

// errAdopted: another new parent was quicker.
var errAdopted = errors.New("the container has a parent")

// adopt gives a new parent to a running container whose own was killed.
// Without one the kernel would kill the container as soon as it writes, for
// nobody holds the other end of its output.
func (d *Driver) adopt(ctx context.Context, id string, b bundle) error {
	d.adopting.Lock() // two may wait for one container
	defer d.adopting.Unlock()
	if b.status().Shim.alive() {
		return nil
	}
	if err := d.parent(id, adoptMode, string(b)); err != nil {
		return err
	}
	d.Log.WarnContext(ctx, "container's parent was killed; it has a new one", "container", id)
	return nil
}

// adopted is the life of a new parent. It is no parent to the kernel: it
// learns the container's end from its descriptor of the process.
func (s *shim) adopted() error {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	unix.CloseOnExec(wordFD)
	err := s.takeOver()
	s.say(err)
	if err != nil {
		return nil // the Driver has been told
	}
	ws, known, err := s.status.Container.outcome(context.Background())
	if err != nil {
		return err
	}
	if !known {
		ws = unseen << 8
	}
	return s.finish(ws)
}

// takeOver takes the output and puts this process into the record.
func (s *shim) takeOver() error {
	// Held as long as this process lives: one parent at a time.
	lock, err := os.OpenFile(s.b.file("adopter"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errAdopted
	}
	s.lock = lock
	s.status = s.b.status()
	if s.status.Phase != phaseRunning || !s.status.Container.alive() {
		return errors.New("the container does not run")
	}
	if err := s.takeOutput(); err != nil {
		return err
	}
	self, err := see(os.Getpid())
	if err != nil {
		return fmt.Errorf("look at myself: %w", err)
	}
	s.status.Shim = self
	return writeJSON(s.b.statusFile(), s.status)
}

// takeOutput opens the other end of the container's pipes: the kernel lets
// them be opened anew through the process that writes into them. What the
// container has put in their place since is left alone.
func (s *shim) takeOutput() error {
	log := &logFile{path: s.b.log()}
	if err := log.open(); err != nil {
		return err
	}
	for i, name := range streams {
		path := fmt.Sprintf("/proc/%d/fd/%d", s.status.Container.PID, i+1)
		if ino, err := inode(path); err != nil || ino != s.status.Pipes[i] {
			continue
		}
		r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("take the container's %s over: %w", name, err)
		}
		s.logs.Go(func() { pump(r, name, log, s.clock) })
	}
	return nil
}

func inode(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}

// parent starts "Self shim ARGS… ID" in a session and a mount namespace of its
// own, and waits for its word.
func (d *Driver) parent(id string, args ...string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer func() { _ = r.Close() }()
	cmd := exec.Command(d.Self, append(append([]string{"shim"}, args...), id)...) //nolint:noctx // it outlives the caller
	cmd.Dir = "/"
	// A collection while the program starts would cost more than the start.
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GOMAXPROCS=2", "GOGC=off", "GOMEMLIMIT=16MiB"}
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWNS}
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return fmt.Errorf("start parent of container %s: %w", id, err)
	}
	go func() { _ = cmd.Wait() }() // reaps it if this process is still there
	return awaitStart(r, id)
}
