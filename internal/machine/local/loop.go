package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The loop devices with these numbers are Berth's: whoever needs one makes it, and
// whoever finds one that nothing is attached to and nobody has open removes it,
// whichever data folder it was made for. So there is no list of them that could
// be lost with a folder or cut short with a process: the kernel has it. It gives
// a free device to others from the lowest number up, and these are far away; they
// are fewer than there can be with any number of partitions a device.
const (
	firstLoop = 1024
	lastLoop  = 4095
)

const loopControl = "/dev/loop-control"

// attach makes a block device of a file, which is detached when the last who
// holds it or has it mounted ends.
func attach(file *os.File) (*os.File, error) {
	control, err := os.OpenFile(loopControl, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = control.Close() }()
	for n := firstLoop; n <= lastLoop; n++ {
		switch err := unix.IoctlSetInt(int(control.Fd()), unix.LOOP_CTL_ADD, n); {
		case errors.Is(err, unix.EEXIST):
			continue
		case err != nil:
			return nil, fmt.Errorf("make a loop device: %w", err)
		}
		loop, err := configure(n, file)
		if err == nil || !taken(err) {
			return loop, err
		}
	}
	return nil, errors.New("all loop devices are in use")
}

// configure opens a loop device that was made and attaches the file.
func configure(n int, file *os.File) (*os.File, error) {
	loop, err := os.OpenFile("/dev/loop"+strconv.Itoa(n), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	err = unix.IoctlLoopConfigure(int(loop.Fd()), &unix.LoopConfig{
		Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO},
	})
	if err != nil {
		_ = loop.Close()
		return nil, fmt.Errorf("attach the data volume: %w", err)
	}
	return loop, nil
}

// taken tells whether somebody was quicker with a device that was just made:
// removed it, or attached a file of theirs.
func taken(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EBUSY)
}

// removeLoops removes the devices of Berth's that nobody uses. It reports how many
// have a volume of this data folder attached: those are not yet free.
func (d *Driver) removeLoops() (left int) {
	all, err := filepath.Glob("/sys/block/loop[0-9][0-9][0-9][0-9]")
	if err != nil || len(all) == 0 {
		return 0
	}
	control, err := os.OpenFile(loopControl, os.O_RDWR, 0)
	if err != nil {
		return 0
	}
	defer func() { _ = control.Close() }()
	for _, device := range all {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(device), "loop"))
		if err != nil || n < firstLoop || n > lastLoop {
			continue
		}
		file, err := os.ReadFile(filepath.Join(device, "loop", "backing_file"))
		switch {
		case err != nil: // busy if somebody has it open, who then attaches a file or goes
			_ = unix.IoctlSetInt(int(control.Fd()), unix.LOOP_CTL_REMOVE, n)
		case strings.HasPrefix(string(file), d.machines()+"/"):
			left++
		}
	}
	return left
}
