package local_test

import (
	"errors"
	"os/exec"
	"testing"

	"berth/internal/machine/local"
)

// A host without the program that makes file systems says so before a machine is
// launched.
func TestAHostThatCannotMakeVolumesSaysSo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := local.CanMakeVolumes(); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v", err)
	}
}
