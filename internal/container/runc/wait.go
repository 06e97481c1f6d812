package runc

import (
	"context"
	"errors"

	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/fault"
)

// maxParents is how many parents a container may have while it is waited for:
// what kills them, such as a lack of memory, would kill the next one too.
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
		case "":
			return container.State{}, fault.New(fault.Conflict, "", "container %s was not started", id)
		case phaseStopped:
			return b.state(id), nil
		}
		if parents > maxParents || !st.Parent.alive() && !st.Container.alive() {
			return d.unattended(ctx, id, b, st)
		}
		// If the parent was killed, a new one takes over all that runs.
		l, err := d.parent()
		if err == nil {
			err = l.ask(ctx, doWait, id)
		}
		switch {
		case ctx.Err() != nil:
			return container.State{}, ctx.Err()
		case errors.Is(err, errGone):
			d.Log.WarnContext(ctx, "the containers' parent was killed", "container", id)
		case err != nil || b.status().Phase == phaseRunning:
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
