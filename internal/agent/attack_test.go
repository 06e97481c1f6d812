package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// errReached ends the program of a container that got at something of its host.
type errReached []string

func (e errReached) Error() string { return "reached " + strings.Join(e, ", ") }

func reached(what []string) error {
	if len(what) == 0 {
		return nil
	}
	fmt.Println(errReached(what))
	return errReached(what)
}

// plant puts links into a volume that lead out of it.
func plant(_ context.Context, args []string) error {
	for name, to := range map[string]string{"out": "/", "up": "../../../../../../../..", "proc": "/proc/self/root", "etc": "/etc"} {
		if err := os.Symlink(to, filepath.Join(args[0], name)); err != nil {
			return err
		}
	}
	return nil
}

// hosts are names of files that no volume has and every host or every folder
// of ours has.
var hosts = []string{"passwd", "parent.sock", "agent.log", "layers", "cgroup.procs", "plan.json"}

// look searches mounted volumes for files of the host.
func look(_ context.Context, args []string) error {
	var found []string
	for _, dir := range args {
		_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && slices.Contains(hosts, d.Name()) {
				found = append(found, p)
			}
			if len(found) > 4 {
				return fs.SkipAll
			}
			return nil
		})
	}
	return reached(found)
}

// reach tries what leads from a container to the processes of its machine:
// sockets in its file system or without a name, and control groups and settings
// that are not mounted read-only.
func reach(context.Context, []string) error {
	var found []string
	_ = filepath.WalkDir("/", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // what cannot be read is not reached
		case p == "/proc":
			return fs.SkipDir
		case d.Type()&fs.ModeSocket != 0:
			found = append(found, p)
		case strings.HasPrefix(p, "/sys/") && d.Type().IsRegular():
			// A user of its own may not write there in any case; the mount is
			// read-only for whom that does not stop.
			var st unix.Statfs_t
			if err := unix.Statfs(p, &st); err != nil || st.Flags&unix.ST_RDONLY == 0 {
				found = append(found, p)
			}
		}
		return nil
	})
	sockets, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(sockets)) {
		if f := strings.Fields(line); len(f) > 7 && strings.HasPrefix(f[7], "@") {
			found = append(found, f[7])
		}
	}
	return reached(found)
}

// fill takes more of a file system than there is, without writing it, and says
// what the last error was.
func fill(_ context.Context, args []string) error {
	var took []string
	for _, dir := range args {
		f, err := os.Create(filepath.Join(dir, "big"))
		if err != nil {
			return err
		}
		err = unix.Fallocate(int(f.Fd()), 0, 0, 2<<30)
		if err == nil {
			took = append(took, dir)
		}
		fmt.Println(dir, err)
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			return err
		}
	}
	return reached(took)
}
