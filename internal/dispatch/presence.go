package dispatch

import (
	"context"

	"berth/internal/clock"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Attend notes that an instance's agent is connected.
func (d *Gateway) Attend(ctx context.Context, id, version, runtime string) error {
	now := d.Clock.Now()
	return d.DB.Update(ctx, writer, func(tx *store.Tx) error {
		was, _ := state.Instances.Get(tx, id)
		if err := state.Instances.Edit(tx, id, func(i *model.Instance) error {
			if !i.Connected {
				i.ConnectedAt = now
				i.Version++
			}
			i.Connected, i.LastSeenAt = true, now
			set(&i.AgentVersion, version)
			set(&i.RuntimeVersion, runtime)
			return nil
		}); err != nil || was.Connected {
			return err
		}
		return state.Note(tx, now, model.Decision{
			By: writer, Subject: id, Cluster: was.Cluster, Verb: "connected", Reason: "The agent connected.",
		})
	})
}

// Lose notes that an instance's agent is no longer connected.
func (d *Gateway) Lose(ctx context.Context, id, reason string) error {
	now := d.Clock.Now()
	return d.DB.Update(ctx, writer, func(tx *store.Tx) error {
		i, ok := state.Instances.Get(tx, id)
		if !ok || !i.Connected {
			return nil
		}
		if err := state.Instances.Edit(tx, id, func(i *model.Instance) error {
			i.Connected = false
			i.Version++
			return nil
		}); err != nil {
			return err
		}
		return state.Note(tx, now, model.Decision{By: writer, Subject: id, Cluster: i.Cluster, Verb: "disconnected", Reason: reason})
	})
}

// enter makes s the session of its instance; an older one is closed.
func (d *Gateway) enter(s *session) {
	d.mu.Lock()
	old := d.sessions[s.inst.ARN]
	d.sessions[s.inst.ARN] = s
	d.attended[s.inst.ID]++
	d.mu.Unlock()
	if old != nil {
		old.conn.CloseNow()
	}
	s.wake()
}

func (d *Gateway) depart(ctx context.Context, s *session) {
	d.mu.Lock()
	last := d.sessions[s.inst.ARN] == s
	if last {
		delete(d.sessions, s.inst.ARN)
	}
	d.mu.Unlock()
	if !last {
		return
	}
	if err := d.Lose(ctx, s.inst.ID, "The agent's connection ended."); err != nil {
		d.Log.Warn("lost connection not recorded", "instance", s.inst.ID, "error", err)
	}
}

func (d *Gateway) touch(ctx context.Context, id string) error {
	now := d.Clock.Now()
	return d.DB.Update(ctx, writer, func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error {
			i.LastSeenAt = now
			return nil
		})
	})
}

// Run wakes sessions when the state changes, and gives agents up that do not
// come back after a restart of the server. It closes all sessions at its end.
func (d *Gateway) Run(ctx context.Context) error {
	_, w := d.DB.Hook(d.changed)
	defer w.Stop()
	defer d.closeAll()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-clock.After(d.Real, silence):
	}
	for _, i := range state.Instances.All(d.DB.View()) {
		if i.Connected && !d.present(i.ID) {
			if err := d.Lose(ctx, i.ID, "The agent did not come back after the server's restart."); err != nil {
				return err
			}
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (d *Gateway) present(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.attended[id] > 0
}

func (d *Gateway) closeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.sessions {
		s.conn.CloseNow()
	}
	d.sessions = map[string]*session{} // so that they end without a word on lost agents
}

// changed pokes the sessions of the instances whose tasks changed.
func (d *Gateway) changed(all []store.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.sessions) == 0 {
		return
	}
	for _, c := range all {
		if _, t := state.Tasks.Of(c); t != nil {
			if s := d.sessions[t.Instance]; s != nil {
				s.wake()
			}
		}
	}
}
