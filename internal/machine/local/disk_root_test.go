//go:build root

package local

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"berth/internal/await"
)

// A host has as many loop devices after its machines as before: those that the
// kernel had to make for them are removed.
func TestLoopDevicesThatWereMadeAreRemoved(t *testing.T) {
	if _, err := os.Stat(loopControl); err != nil {
		t.Skip("the host has no loop devices")
	}
	devices := func() []string {
		all, err := filepath.Glob("/sys/block/loop*")
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(all)
		return all
	}
	before, made := devices(), filepath.Join(t.TempDir(), "loops")
	var held []*os.File
	for i := range len(before) + 2 { // more than there are
		f, err := os.Create(filepath.Join(t.TempDir(), strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(1 << 20); err != nil {
			t.Fatal(err)
		}
		loop, err := attach(f, made)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, f, loop)
	}
	notes, err := os.ReadDir(made)
	if err != nil || len(notes) == 0 {
		t.Errorf("none was noted: %v", err)
	}
	if left := removeLoops(made); left != len(notes) {
		t.Errorf("%d of %d are left while they are held", left, len(notes))
	}
	for _, f := range held {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	await.True(t, "the kernel is done with them", func() bool { return removeLoops(made) == 0 })
	if after := devices(); len(after) > len(before) {
		t.Errorf("before: %v\nafter: %v", before, after)
	}
}
