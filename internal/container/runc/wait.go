package runc

import (
	"context"

	"berth/internal/clock"
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
	ws, known, err := st.Container.outcome(ctx)
	if err != nil {
		return container.State{}, err
	}
	if st = b.status(); st.Phase == phaseRunning {
		d.Log.WarnContext(ctx, "container's parent was killed before it", "container", id, "exit_known", known)
		if known {
			moment, cancel := context.WithCancel(ctx)
			now := clock.Real(moment).Now()
			cancel()
			if err := b.end(st, ws, now); err != nil {
				return container.State{}, err
			}
		}
	}
	return b.state(id), nil
}
