package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

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

// CanMakeVolumes says why machines on this host have no data volumes of their own,
// and share its disk without a limit.
func CanMakeVolumes() error {
	_, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		return err
	}
	control, err := os.OpenFile(loopControl, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return control.Close()
}

// errNoDisk says that the host cannot make volumes: machines share its disk.
var errNoDisk = errors.New("the size of machines' data volumes is not held")

// openDisk attaches the volume to a block device, for the first process to mount.
// A machine without a volume has none.
func (d *Driver) openDisk(p plan) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(p.Dir, diskFile), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	loop, err := attach(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoDisk, err)
	}
	return loop, nil
}

// mountDisk mounts the volume, in the machine's mount namespace only, with
// which it ends. The kernel then detaches the device.
func mountDisk(dir string, loop *os.File) error {
	from := fmt.Sprintf("/proc/self/fd/%d", loop.Fd())
	// Its file is new and reads as zeros: the kernel need not write them into the
	// tables of inodes once more.
	if err := unix.Mount(from, filepath.Join(dir, agentDir), "ext4", 0, "discard,noinit_itable"); err != nil {
		return fmt.Errorf("mount the data volume: %w", err)
	}
	return nil
}
