package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// diskFile is a machine's data volume: a sparse file with a file system in it,
// which is mounted in the machine only. It takes as much of the host's disk as
// is written, and gives back what is deleted.
const diskFile = "disk.img"

// agentDir is where the volume is mounted: all that tasks write is below it.
const agentDir = "agent"

// makeDisk makes the volume. A host without mkfs.ext4 is errNoDisk.
func makeDisk(ctx context.Context, path string, gib int64) error {
	program, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		return fmt.Errorf("%w: %w", errNoDisk, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err == nil {
		err = errors.Join(f.Truncate(gib<<30), f.Close())
	}
	if err != nil {
		return fmt.Errorf("make the data volume: %w", err)
	}
	// No journal: nothing on it outlives the machine.
	out, err := exec.CommandContext(ctx, program, "-q", "-F", "-m", "0", "-O", "^has_journal,^resize_inode",
		"-E", "nodiscard,lazy_itable_init=1", path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make the data volume's file system: %w: %s", err, out)
	}
	return nil
}

// errNoDisk says that the host cannot make volumes: machines share its disk.
var errNoDisk = errors.New("the size of machines' data volumes is not held")

// mountDisk mounts the volume, if there is one; made is where loop devices that
// had to be made are noted. The kernel frees the loop device when the machine's
// mount namespace ends.
func mountDisk(dir, made string) error {
	path := filepath.Join(dir, diskFile)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	loop, err := attach(file, made)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoDisk, err)
	}
	defer func() { _ = loop.Close() }()
	if err := unix.Mount(loop.Name(), filepath.Join(dir, agentDir), "ext4", 0, "discard"); err != nil {
		return fmt.Errorf("mount the data volume: %w", err)
	}
	return nil
}

// attach makes a block device of a file. Somebody else may be quicker with a
// free one.
func attach(file *os.File, made string) (*os.File, error) {
	control, err := os.OpenFile(loopControl, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = control.Close() }()
	for range 64 {
		loop, err := freeLoop(control, made)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &unix.LoopConfig{
			Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO},
		})
		if err == nil {
			return loop, nil
		}
		_ = loop.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("attach the data volume: %w", err)
		}
	}
	return nil, errors.New("no loop device stays free")
}

const loopControl = "/dev/loop-control"

// freeLoop opens a loop device that is free. One that the kernel had to make for
// it is noted in a folder, for removeLoops.
func freeLoop(control *os.File, made string) (*os.File, error) {
	before, err := filepath.Glob("/sys/block/loop*")
	if err != nil {
		return nil, err
	}
	n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, fmt.Errorf("find a free loop device: %w", err)
	}
	name := "loop" + strconv.Itoa(n)
	if !slices.Contains(before, "/sys/block/"+name) {
		err := errors.Join(os.MkdirAll(made, 0o700), os.WriteFile(filepath.Join(made, strconv.Itoa(n)), nil, 0o600))
		if err != nil {
			return nil, err
		}
	}
	return os.OpenFile("/dev/"+name, os.O_RDWR, 0)
}

// loopsMade is the folder of the loop devices that were made for machines of a
// data folder, a file each that has its number for a name.
func loopsMade(data string) string { return filepath.Join(data, "run", "loops") }

// removeLoops removes the loop devices that were made and that nobody uses any
// more, so that the host has those that it had. It reports how many are left.
func removeLoops(made string) (left int) {
	notes, err := os.ReadDir(made)
	if err != nil || len(notes) == 0 {
		return 0
	}
	control, err := os.OpenFile(loopControl, os.O_RDWR, 0)
	if err != nil {
		return 0
	}
	defer func() { _ = control.Close() }()
	for _, note := range notes {
		n, err := strconv.Atoi(note.Name())
		if err != nil {
			continue
		}
		if err := unix.IoctlSetInt(int(control.Fd()), unix.LOOP_CTL_REMOVE, n); err != nil && !errors.Is(err, unix.ENODEV) {
			left++ // the kernel is not done with it, or somebody else took it
			continue
		}
		_ = os.Remove(filepath.Join(made, note.Name())) // else it is tried again
	}
	return left
}
