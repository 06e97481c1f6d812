//go:build root

package local_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"berth/internal/await"
	"berth/internal/machine/local"
)

// loops lists the host's loop devices.
func loops(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skip("the host has no loop devices")
	}
	all, err := filepath.Glob("/sys/block/loop*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// volume makes a file to attach.
func volume(t *testing.T) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err == nil {
		err = f.Truncate(1 << 20)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// occupy takes the devices that are free, so that the next one has to be made.
func occupy(t *testing.T, devices []string) {
	t.Helper()
	file := volume(t)
	for _, d := range devices {
		loop, err := os.OpenFile("/dev/"+filepath.Base(d), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = loop.Close() })
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &unix.LoopConfig{
			Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR},
		})
		if err != nil && err != unix.EBUSY { //nolint:errorlint // an errno
			t.Fatal(err)
		}
	}
}

func (w world) launchWithDisk(n int) string {
	w.t.Helper()
	s := w.spec(n)
	s.StorageGiB = 1
	m, err := w.driver.Launch(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return m.ID
}

// A device that was made for one data folder's machine serves another's before it
// is removed, and the first folder is gone before that one is free: nobody's note
// of it is left. The host has as many devices as before all the same.
func TestAHostHasTheLoopDevicesThatItHad(t *testing.T) {
	before := loops(t)
	occupy(t, before)
	first, second := newWorld(t), newWorld(t)
	a := first.launchWithDisk(1)
	m, err := first.driver.Get(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(m.PID, syscall.SIGKILL); err != nil { // its device is free now, and there
		t.Fatal(err)
	}
	await.True(t, "its device is free", func() bool { return !attached(t, first.data) })
	b := second.launchWithDisk(2)
	if err := first.driver.Terminate(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := first.driver.Close(); err != nil {
		t.Fatal(err)
	}
	if !attached(t, second.data) {
		t.Fatal("a data volume lost its device to another data folder")
	}
	if err := os.RemoveAll(filepath.Join(first.data, "run", "loops")); err != nil {
		t.Fatal(err)
	}
	if err := second.driver.Terminate(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := second.driver.Close(); err != nil {
		t.Fatal(err)
	}
	if after := loops(t); !slices.Equal(before, after) {
		t.Errorf("before: %v\nafter:  %v", before, after)
	}
}

// attached tells whether a file of a folder is attached to a device.
func attached(t *testing.T, folder string) bool {
	t.Helper()
	for _, d := range loops(t) {
		file, err := os.ReadFile(filepath.Join(d, "loop", "backing_file"))
		if err == nil && len(file) > len(folder) && string(file[:len(folder)]) == folder {
			return true
		}
	}
	return false
}

// Many data folders take and remove devices at once: each volume has one of its
// own, and none is left.
func TestManyTakeLoopDevicesAtOnce(t *testing.T) {
	before, w := loops(t), newWorld(t)
	var all sync.WaitGroup
	var held sync.Map
	for range 8 {
		f := volume(t)
		all.Go(func() {
			for range 4 {
				loop, err := local.Attach(f)
				if err != nil {
					t.Error(err)
					return
				}
				if other, twice := held.LoadOrStore(loop.Name(), f); twice {
					t.Errorf("%s is attached twice: %v", loop.Name(), other)
				}
				local.RemoveLoops(w.open())
				held.Delete(loop.Name())
				if err := loop.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	w.gone(before)
}

// Whoever is killed while a volume is made leaves a device that the next to look
// removes: one that was made only, and one with a file attached.
func TestKilledWhileAVolumeIsMade(t *testing.T) {
	before, w := loops(t), newWorld(t)
	for _, step := range []string{"made", "attached"} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, "volume", step, volume(t).Name())
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ok\n" {
			t.Errorf("%s: %q, %v", step, line, err)
		}
		if slices.Equal(before, loops(t)) {
			t.Errorf("%s: no device", step)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = in.Close()
		w.gone(before)
	}
}

// gone waits until the devices are those of before.
func (w world) gone(before []string) {
	w.t.Helper()
	await.True(w.t, "the devices are those of before", func() bool {
		local.RemoveLoops(w.driver)
		return slices.Equal(before, loops(w.t))
	})
}
