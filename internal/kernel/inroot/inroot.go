// Package inroot opens paths in a folder as if that folder were the root of
// the file system (openat2 with RESOLVE_IN_ROOT, Linux 5.6): whatever links
// and ".." say, and whoever changes them at the same time, what is opened is
// below the folder. It is for folders in which others write, such as those
// that containers have mounted. It owns nothing and keeps nothing. Whoever
// mounts or reads such a path calls it.
package inroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"berth/internal/fault"
)

// tries bounds how often the kernel is asked again after somebody renamed a
// folder on the way.
const tries = 128

// OpenDir opens a folder below root, to name it to the kernel (O_PATH).
func OpenDir(root, name string) (*os.File, error) {
	dir, err := open(root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	return openIn(dir, clean(name))
}

// OpenFile opens a file below root to read it. One that is none, such as a pipe,
// whose opening would wait, is fault.Invalid.
func OpenFile(root, name string) (*os.File, error) {
	dir, err := open(root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	f, err := openHow(dir, clean(name), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fault.New(fault.Invalid, "", "%s is no file", name), err, f.Close())
	}
	return f, nil
}

// MkdirAll opens a folder below root as OpenDir does and makes what is missing
// of it with the given mode. A link that leads to nothing is an error.
func MkdirAll(root, name string, mode fs.FileMode) (*os.File, error) {
	dir, err := open(root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	return mkdirAll(dir, clean(name), mode)
}

// Give makes a folder that was opened here, and belongs to root, a user's and
// their group's. Whom it was given to before keeps it.
func Give(dir *os.File, user int) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil || st.Uid != 0 || user == 0 {
		return err
	}
	return os.NewSyscallError("chown", unix.Fchownat(int(dir.Fd()), "", user, user, unix.AT_EMPTY_PATH))
}

// clean makes a path relative; ".." above the root is the root.
func clean(name string) string { return "." + path.Clean("/"+name) }

func open(root string) (*os.File, error) {
	if !path.IsAbs(root) {
		return nil, fault.New(fault.Invalid, "", "root %q is not absolute", root)
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root %s: %w", root, err)
	}
	return os.NewFile(uintptr(fd), root), nil
}

func openIn(root *os.File, name string) (*os.File, error) {
	return openHow(root, name, unix.O_PATH|unix.O_DIRECTORY)
}

func openHow(root *os.File, name string, flags uint64) (*os.File, error) {
	how := &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for range tries {
		fd, err := unix.Openat2(int(root.Fd()), name, how)
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: unix.EAGAIN}
}

func mkdirAll(root *os.File, name string, mode fs.FileMode) (*os.File, error) {
	f, err := openIn(root, name)
	if !errors.Is(err, fs.ErrNotExist) || name == "./" {
		return f, err
	}
	dir, base := path.Split(strings.TrimSuffix(name, "/"))
	above, err := mkdirAll(root, path.Clean("./"+dir), mode)
	if err != nil {
		return nil, err
	}
	defer func() { _ = above.Close() }()
	err = unix.Mkdirat(int(above.Fd()), base, uint32(mode.Perm()))
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return openIn(root, name)
}
