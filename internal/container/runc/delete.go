package runc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"

	"berth/internal/fault"
)

// forget takes away what the runtime keeps of a container that does not run,
// and its control group.
func (d *Driver) forget(ctx context.Context, id string, b bundle) error {
	kept := filepath.Join(d.runtimeRoot(), id)
	ended := b.status().Phase == phaseStopped
	if _, err := os.Stat(kept); err == nil && (!ended || !plain(kept)) {
		out, err := exec.CommandContext(ctx, d.RuntimePath, "--root", d.runtimeRoot(), "delete", "--force", id).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s delete %s: %w: %s", filepath.Base(d.RuntimePath), id, err, out)
		}
	}
	if err := d.removeGroup(b, id); err != nil {
		return err
	}
	if err := os.RemoveAll(kept); err != nil {
		return fmt.Errorf("remove the runtime's record of container %s: %w", id, err)
	}
	return nil
}

// plain tells whether the runtime keeps nothing but the record that runc
// writes of a container. Then a container that has ended by itself leaves
// nothing else to undo but its control group, and we are spared a second run
// of the runtime, which costs a sixth of the first.
func plain(kept string) bool {
	entries, err := os.ReadDir(kept)
	return err == nil && len(entries) == 1 && entries[0].Name() == "state.json"
}

// removeGroup also ends what a broken start has left in it.
func (d *Driver) removeGroup(b bundle, id string) error {
	spec, err := b.readSpec()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was never started
	}
	if err != nil {
		return err
	}
	host, err := d.groups()
	if err != nil {
		return err
	}
	g, err := host.Open(path.Join(groupOf(spec), id))
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return g.Destroy()
}
