package runc

import (
	"context"

	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/fault"
)

// maxParents is how many parents a container may have had: what kills them,
// such as a lack of memory, would kill the next one too.
const maxParents = 10

// Wait blocks until the container has stopped. One that was not started is
// fault.Conflict.
func (d *Driver) Wait(ctx context.Context, id string) (container.State, error) {
	b, err := d.known(id)
	if err != nil {
		return container.State{}, err
	}
	for parents := 1; ; parents++ {
		st := b.status()
		switch st.Phase {
		case "", phaseStarting:
			return container.State{}, fault.New(fault.Conflict, "", "container %s was not started", id)
		case phaseStopped:
			return b.state(id), nil
		}
		// The parent records the end and goes. If it was killed, the container
		// gets a new one.
		if err := st.Shim.wait(ctx); err != nil {
			return container.State{}, err
		}
		if st = b.status(); st.Phase != phaseRunning {
			continue
		}
		if parents == maxParents || !st.Container.alive() {
			return d.unattended(ctx, id, b, st)
		}
		if err := d.adopt(ctx, id, b); err != nil {
			d.Log.WarnContext(ctx, "container has no parent", "container", id, "error", err)
			return d.unattended(ctx, id, b, st)
		}
	}
}

// unattended waits for a container that has no parent, and records its end as
// far as the kernel tells it.
func (d *Driver) unattended(ctx context.Context, id string, b bundle, st status) (container.State, error) {
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
