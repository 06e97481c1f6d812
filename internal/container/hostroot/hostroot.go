// Package hostroot gives containers the host's own programs: the folders with
// them, read-only, on a root file system that has places for them. It makes
// those places and owns nothing. package function and the agent call it, for
// Lambda functions and for the user data of instances.
package hostroot

import (
	"io/fs"
	"os"
	"path/filepath"

	"berth/internal/container"
)

// dirs are the host's folders that a container sees: programs and libraries,
// certificates, and what their links lead to.
var dirs = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/ssl", "/etc/ca-certificates", "/etc/pki", "/etc/alternatives",
	"/etc/ld.so.cache", "/etc/localtime",
}

// Mounts are those of the folders that the host has. What is a link is none of
// them: Make copies it.
func Mounts() []container.Mount {
	var out []container.Mount
	for _, d := range dirs {
		if info, err := os.Lstat(d); err == nil && info.Mode()&fs.ModeSymlink == 0 {
			out = append(out, container.Mount{Source: d, Destination: d, ReadOnly: true})
		}
	}
	return out
}

// Make writes into the root of a file system what the folders are mounted on, the host's links to them, and the folders that every
// system has. A container may have written there before: nothing of its making leads
// out of the root.
func Make(root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	for _, d := range []string{"dev", "proc", "sys", "tmp", "opt", "etc", "run", "var"} {
		if err := r.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	// A runtime may give the file system that it mounts there this mode.
	if err := r.Chmod("tmp", 0o777|os.ModeSticky); err != nil {
		return err
	}
	for _, d := range dirs {
		if err := place(r, d); err != nil {
			return err
		}
	}
	return nil
}

// place makes what a host path is mounted on, or copies a link.
func place(r *os.Root, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil //nolint:nilerr // the host has no such path
	}
	to := path[1:]
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		_ = r.Remove(to)
		return r.Symlink(target, to)
	case info.IsDir():
		return r.MkdirAll(to, 0o755)
	default:
		if err := r.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return r.WriteFile(to, nil, 0o644)
	}
}
