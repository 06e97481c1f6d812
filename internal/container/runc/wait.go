package runc

import (
	"context"

	"berth/internal/container"
	"berth/internal/fault"
)

// Wait blocks until the container has stopped. One that was not started is
// fault.Conflict.
func (d *Driver) Wait(ctx context.Context, id string) (container.State, error) {
	b, err := d.known(id)
	if err != nil {
		return container.State{}, err
	}
	st := b.status()
	switch st.Phase {
	case "", phaseStarting:
		return container.State{}, fault.New(fault.Conflict, "", "container %s was not started", id)
	case phaseStopped:
		return b.state(id), nil
	}
	// The parent records the end and goes. If it was killed, the container
	// itself is what is left to watch.
	if err := st.Shim.wait(ctx); err != nil {
		return container.State{}, err
	}
	if err := st.Container.wait(ctx); err != nil {
		return container.State{}, err
	}
	if b.status().Phase == phaseRunning {
		d.Log.WarnContext(ctx, "container ended unseen: its parent was killed before it", "container", id)
	}
	return b.state(id), nil
}
