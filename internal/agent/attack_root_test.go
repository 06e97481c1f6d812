//go:build root

package agent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"berth/internal/await"
	"berth/internal/kernel/cgroup"
	"berth/internal/machine/local"
	"berth/internal/model"
)

// ends runs the program in a task to its end and wants it to have reached
// nothing.
func (s *slice) ends(id string, mounts []model.MountPoint, program ...string) {
	s.t.Helper()
	s.netns("eni-" + id)
	c := app(ecrImage)
	c.EntryPoint, c.MountPoints = append([]string{"/program"}, program...), mounts
	got := s.reaches(s.task(id, c), model.TaskDeprovisioning).Containers[0]
	if got.ExitCode == nil || *got.ExitCode != 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.t.Errorf("%v: %s %v", program, got.Reason, s.lines)
	}
}

// TestAVolumeLeadsNowhereElse has a task put links into a volume, and the next
// one name paths through them as its own volumes.
func TestAVolumeLeadsNowhereElse(t *testing.T) {
	s := newSlice(t)
	s.launch()
	s.volumes = []model.Volume{{Name: "own", HostPath: "/var/shared"}}
	s.ends("t1", []model.MountPoint{{SourceVolume: "own", ContainerPath: "/v"}}, "plant", "/v")
	s.volumes = nil
	var mounts []model.MountPoint
	var names []string
	for name, path := range map[string]string{
		"out": "/var/shared/out", "up": "/var/shared/up", "etc": "/var/shared/out/etc", "ours": "/var/shared/up" + s.data,
		"dots": "/var/../../..", "cgroup": "/var/shared/out/sys/fs/cgroup",
	} {
		s.volumes = append(s.volumes, model.Volume{Name: name, HostPath: path})
		mounts = append(mounts, model.MountPoint{SourceVolume: name, ContainerPath: "/" + name})
		names = append(names, "/"+name)
	}
	s.ends("t2", mounts, append([]string{"look"}, names...)...)
}

// TestATaskReachesNoProcessOfItsMachine looks for sockets and control groups.
func TestATaskReachesNoProcessOfItsMachine(t *testing.T) {
	s := newSlice(t)
	s.launch()
	s.ends("t1", nil, "reach")
}

// TestAForkBombStaysInItsTask holds that the kernel knows how many processes a
// machine and a task may have.
func TestAForkBombStaysInItsTask(t *testing.T) {
	s := newSlice(t)
	s.launch()
	s.netns("eni-t1")
	c := app(ecrImage)
	c.EntryPoint, c.Memory = []string{"/program", "contained"}, 64
	s.reaches(s.task("t1", c), model.TaskActivating)
	machine := local.CgroupRoot(s.data) + "/" + instanceID
	for name, want := range map[string]uint64{machine: 8192, machine + "/ecs/t1": 4096} {
		g, err := cgroup.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		st, err := g.Stats()
		if err != nil || st.PidsLimit != want || cgroup.CountsSwap() && st.SwapLimit != st.MemoryLimit {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
	}
}

// TestATaskTakesNoMoreThanTheDiskOfItsInstance has a task take 2 GiB on an
// instance with one.
func TestATaskTakesNoMoreThanTheDiskOfItsInstance(t *testing.T) {
	for _, need := range []string{"/dev/loop-control", "/usr/sbin/mkfs.ext4"} {
		if _, err := os.Stat(need); err != nil {
			t.Skipf("skipped: %v", err)
		}
	}
	s := newSlice(t)
	s.spec.StorageGiB = 1
	s.launch()
	s.volumes = []model.Volume{{Name: "own"}, {Name: "shared", HostPath: "/var/shared"}}
	mounts := []model.MountPoint{{SourceVolume: "own", ContainerPath: "/own"}, {SourceVolume: "shared", ContainerPath: "/shared"}}
	s.ends("t1", mounts, "fill", "/", "/own", "/shared")
	if err := s.machine.Terminate(t.Context(), instanceID); err != nil {
		t.Fatal(err)
	}
	await.Value(t, "no loop device of the instance", func() ([]string, bool) {
		var held []string
		files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
		for _, f := range files {
			if b, _ := os.ReadFile(f); strings.HasPrefix(string(b), s.data) {
				held = append(held, f)
			}
		}
		return held, len(held) == 0
	})
}

// TestImagesCountAgainstTheDiskOfTheirInstance has an instance of 1 GiB pull the
// program's image, which its volume is charged for, and one that unpacks to 2 GiB.
func TestImagesCountAgainstTheDiskOfTheirInstance(t *testing.T) {
	for _, need := range []string{"/dev/loop-control", "/usr/sbin/mkfs.ext4"} {
		if _, err := os.Stat(need); err != nil {
			t.Skipf("skipped: %v", err)
		}
	}
	s := newSlice(t)
	s.stockHole("web:hole", 2<<30)
	s.spec.StorageGiB = 1
	volume := fmt.Sprintf("/proc/%d/root%s", s.launch().PID, filepath.Join(s.data, "instances", instanceID, "agent"))
	used := func() int64 {
		var st unix.Statfs_t
		if err := unix.Statfs(volume, &st); err != nil {
			t.Fatal(err)
		}
		return int64(st.Blocks-st.Bfree) * st.Bsize
	}
	before := used()
	s.netns("eni-t1")
	c := app(ecrImage)
	c.EntryPoint = []string{"/program", "contained"}
	s.reaches(s.task("t1", c), model.TaskActivating)
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	with := used()
	if with-before < self.Size() {
		t.Errorf("a volume with an image of %d bytes has %d more in use", self.Size(), with-before)
	}
	s.netns("eni-t2")
	got := s.reaches(s.task("t2", app(strings.TrimSuffix(ecrImage, "latest")+"hole")), model.TaskDeprovisioning)
	const begins, ends = "CannotPullContainerError: ref pull has been retried 1 time(s): failed to extract layer sha256:",
		": write /hole: no space left on device: unknown"
	if !strings.HasPrefix(got.StoppedReason, begins) || !strings.HasSuffix(got.StoppedReason, ends) {
		t.Errorf("%q", got.StoppedReason)
	}
	if left := used() - with; left > 1<<20 {
		t.Errorf("%d bytes are still set aside for what was not pulled", left)
	}
}
