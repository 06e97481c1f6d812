package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// UserIDs is how many users and how many groups a user namespace has.
const UserIDs = 1 << 16

// inUserNamespace hands out a process that has just begun in a user namespace of
// its own, and a network namespace that belongs to that, and ends it. The
// process is this program, held by the kernel before its first instruction.
func inUserNamespace(first int, fn func(pid int) error) error {
	return onLostThread(func() error {
		runtime.LockOSThread() // the tracer; never unlocked
		pid, err := heldInUserNamespace(first)
		if err != nil {
			return fmt.Errorf("make a user namespace: %w", err)
		}
		defer endHeld(pid)
		return fn(pid)
	})
}

// held starts this program and has the kernel hold it.
func held(sys syscall.SysProcAttr) (pid int, err error) {
	sys.Ptrace, sys.Pdeathsig = true, syscall.SIGKILL
	return syscall.ForkExec("/proc/self/exe", []string{"held"}, &syscall.ProcAttr{Sys: &sys})
}

func endHeld(pid int) {
	_ = unix.Kill(pid, unix.SIGKILL)
	for {
		var ws unix.WaitStatus
		if got, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != unix.EINTR && (err != nil || got == pid && !ws.Stopped()) {
			return
		}
	}
}

// mountOwnedNetns mounts at path a network namespace that belongs to a user
// namespace.
func mountOwnedNetns(path string, first int) error {
	return inUserNamespace(first, func(pid int) error {
		its := fmt.Sprintf("/proc/%d/ns/net", pid)
		n, err := os.Open(its)
		if err != nil {
			return err
		}
		defer func() { _ = n.Close() }()
		if err := unix.Setns(int(n.Fd()), unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("setns", err)
		}
		if err := loopbackUp(); err != nil {
			return err
		}
		return os.NewSyscallError("mount", unix.Mount(its, path, "", unix.MS_BIND, ""))
	})
}

// NetnsOwner opens the user namespace that the network namespace at path belongs
// to; nil is that of this process. "" is this thread's network namespace.
func NetnsOwner(path string) (*os.File, error) {
	if path == "" {
		path = "/proc/thread-self/ns/net"
	}
	n, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	defer func() { _ = n.Close() }()
	fd, err := unix.IoctlRetInt(int(n.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return nil, fmt.Errorf("find the owner of network namespace %s: %w", path, err)
	}
	owner := os.NewFile(uintptr(fd), "user namespace")
	own, err := sameFile(owner, "/proc/self/ns/user")
	if err != nil || own {
		_ = owner.Close()
		return nil, err
	}
	return owner, nil
}

func sameFile(f *os.File, path string) (bool, error) {
	a, err := f.Stat()
	if err != nil {
		return false, err
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b), err
}

// MapUsers mounts what is at a path over itself, in this thread's mount
// namespace, so that what belongs to user 0 and up belongs to the user
// namespace's. Nothing is changed on the disk (Linux 5.12; overlays take such
// layers from 5.19).
func MapUsers(path string, users *os.File) error {
	tree, err := mapped(path, users)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(tree) }()
	return os.NewSyscallError("move_mount", unix.MoveMount(tree, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// mapped is the mount that MapUsers makes.
func mapped(path string, users *os.File) (int, error) {
	tree, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("open_tree", err)
	}
	err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(users.Fd())})
	if err != nil {
		_ = unix.Close(tree)
		return -1, os.NewSyscallError("map the users of a mount", err)
	}
	return tree, nil
}

// CheckUsers says why containers on this host cannot have user namespaces whose
// user 0 is first, with layers below a folder.
func CheckUsers(first int, layers string) error {
	dir := filepath.Join(layers, ".users") // the same each time: one that a kill left is removed by the next
	err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700))
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return inUserNamespace(first, func(pid int) error {
		users, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
		if err != nil {
			return err
		}
		defer func() { _ = users.Close() }()
		return checkOverlay(dir, users)
	})
}

// checkOverlay mounts an overlay over a layer with mapped users, in a mount
// namespace of this thread's.
func checkOverlay(dir string, users *os.File) error {
	var errs []error
	for _, d := range []string{"lower", "upper", "work", "root"} {
		errs = append(errs, os.Mkdir(filepath.Join(dir, d), 0o700))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	if err := MapUsers(filepath.Join(dir, "lower"), users); err != nil {
		return err
	}
	// As a driver of containers does: by names, so that no path is too long.
	if err := unix.Chdir(dir); err != nil {
		return err
	}
	err := unix.Mount("overlay", "root", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work")
	if err != nil {
		return fmt.Errorf("mount an overlay of layers with mapped users: %w", err)
	}
	return unix.Unmount("root", unix.MNT_DETACH)
}
