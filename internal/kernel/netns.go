package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"berth/internal/fault"

	"golang.org/x/sys/unix"
)

// nsfsMagic is the file system type of namespace files.
const nsfsMagic = 0x6e736673

// idleThread is how long a namespace keeps its thread without work. It only
// bounds memory: the next call starts another thread.
const idleThread = 5 * time.Second

// Netns is an open network namespace: sockets, processes and settings made
// through it belong to that namespace, while the caller stays where it is.
type Netns struct {
	path string
	file *os.File

	mu      sync.Mutex
	calls   chan func() // to the parked thread; nil when there is none
	pending int
	closed  bool
}

// OpenNetns opens the network namespace mounted at path. It is fault.NotFound
// if there is nothing, or a file that is no namespace (left by a reboot).
func OpenNetns(path string) (*Netns, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.Wrap(fault.NotFound, err, "open network namespace")
	}
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	if !isNamespace(f) {
		_ = f.Close()
		return nil, fault.New(fault.NotFound, "", "open network namespace: %s is not a namespace", path)
	}
	return &Netns{path: path, file: f}, nil
}

func isNamespace(f *os.File) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &st) == nil && st.Type == nsfsMagic
}

// CreateNetns makes a network namespace and mounts it at path, or opens the
// one that is there. It lives until DeleteNetns, whatever becomes of this
// process. Its loopback is up.
func CreateNetns(path string) (*Netns, error) { return createNetns(path, 0) }

// CreateOwnedNetns is CreateNetns with a user namespace of its own, whose user 0
// is first on this host, as the namespace's owner.
func CreateOwnedNetns(path string, first int) (*Netns, error) { return createNetns(path, first) }

func createNetns(path string, first int) (*Netns, error) {
	if n, err := OpenNetns(path); err == nil || !fault.Is(err, fault.NotFound) {
		return n, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create network namespace: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|unix.O_CLOEXEC, 0o444)
	if err != nil {
		return nil, fmt.Errorf("create network namespace: %w", err)
	}
	_ = f.Close()
	if err := fresh(path, first); err != nil {
		return nil, errors.Join(fmt.Errorf("create network namespace %s: %w", path, err), DeleteNetns(path))
	}
	return OpenNetns(path)
}

func fresh(path string, first int) error {
	if first != 0 {
		return mountOwnedNetns(path, first)
	}
	return onLostThread(func() error { return mountFreshNetns(path) })
}

// mountFreshNetns leaves the calling thread in a namespace of its own.
func mountFreshNetns(path string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	return os.NewSyscallError("mount", unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""))
}

// loopbackUp raises lo in the calling thread's namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(fd) }()
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return os.NewSyscallError("ifreq", err)
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("raise lo", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req))
}

// DeleteNetns unmounts the namespace at path and removes the file. The
// namespace itself ends when nothing lives in it any more. An absent one is
// success.
func DeleteNetns(path string) error {
	// More than one mount can be stacked there after a crash.
	for range 8 {
		if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			break
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete network namespace: %w", err)
	}
	return nil
}

// Path is where the namespace is mounted, for runtimes that take a path.
func (n *Netns) Path() string { return n.path }

// Close lets go of the namespace. Sockets made through it stay open.
func (n *Netns) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	if n.calls != nil && n.pending == 0 {
		close(n.calls)
		n.calls = nil
	}
	return n.file.Close()
}

// Do runs fn on a thread of its own inside the namespace and returns its
// error. fn may take its time; processes that it starts are born in the
// namespace (do not give them a parent-death signal: the thread ends with
// fn). Goroutines that fn starts are not in the namespace.
func (n *Netns) Do(fn func() error) error {
	file, err := n.dup()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return onLostThread(func() error {
		if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", n.path, err)
		}
		return fn()
	})
}

// dup gives a handle that a concurrent Close cannot take away.
func (n *Netns) dup() (*os.File, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, fmt.Errorf("network namespace %s: %w", n.path, os.ErrClosed)
	}
	fd, err := unix.FcntlInt(n.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return os.NewFile(uintptr(fd), n.path), nil
}

// onLostThread runs fn on a thread that ends afterwards: the goroutine locks
// it and never unlocks, so that Go throws it away.
func onLostThread(fn func() error) error {
	type end struct {
		err   error
		panic any
	}
	done := make(chan end, 1)
	go func() {
		runtime.LockOSThread()
		var e end
		if onMainThread() {
			defer runtime.UnlockOSThread()
			e.err = onLostThread(fn) // cannot land here again: this thread is taken
			done <- e
			return
		}
		defer func() {
			e.panic = recover()
			done <- e
		}()
		e.err = fn()
	}()
	e := <-done
	if e.panic != nil {
		panic(e.panic)
	}
	return e.err
}

// onMainThread tells the process's first thread: Go cannot end that one, and
// /proc/<pid>/ns shows its namespaces, so it must never leave the host's.
func onMainThread() bool { return unix.Gettid() == unix.Getpid() }

// onOtherThread is onLostThread for a goroutine that nobody waits for.
func onOtherThread(fn func()) {
	runtime.LockOSThread()
	if onMainThread() {
		started := make(chan struct{})
		go onOtherThread(func() { close(started); fn() })
		<-started
		runtime.UnlockOSThread()
		return
	}
	fn() // and never unlock
}

// quick runs a short fn on the parked thread of the namespace, starting one
// if there is none.
func (n *Netns) quick(fn func()) error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return fmt.Errorf("network namespace %s: %w", n.path, os.ErrClosed)
	}
	if n.calls == nil {
		calls, err := n.park()
		if err != nil {
			n.mu.Unlock()
			return err
		}
		n.calls = calls
	}
	calls := n.calls
	n.pending++
	n.mu.Unlock()
	done := make(chan struct{})
	calls <- func() { defer close(done); fn() }
	<-done
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending--
	if n.closed && n.pending == 0 && n.calls != nil {
		close(n.calls)
		n.calls = nil
	}
	return nil
}

// park starts a thread that lives in the namespace. Called with mu held.
func (n *Netns) park() (chan func(), error) {
	fd, err := unix.FcntlInt(n.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	calls, entered := make(chan func()), make(chan error, 1)
	go onOtherThread(func() {
		err := unix.Setns(fd, unix.CLONE_NEWNET)
		_ = unix.Close(fd)
		entered <- err
		if err == nil {
			n.serve(calls)
		}
	})
	if err := <-entered; err != nil {
		return nil, fmt.Errorf("enter network namespace %s: %w", n.path, err)
	}
	return calls, nil
}

func (n *Netns) serve(calls chan func()) {
	idle := time.NewTimer(idleThread) // real time: it measures a thread, not the world
	defer idle.Stop()
	for {
		select {
		case fn, ok := <-calls:
			if !ok {
				return
			}
			fn()
			idle.Reset(idleThread)
		case <-idle.C:
			if n.retire(calls) {
				return
			}
			idle.Reset(idleThread)
		}
	}
}

// retire reports whether the parked thread may end.
func (n *Netns) retire(calls chan func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pending > 0 {
		return false
	}
	if n.calls == calls {
		n.calls = nil
	}
	return true
}
