package instance

import (
	"context"
	"maps"
	"slices"
	"time"

	"berth/internal/control"
	"berth/internal/machine"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// taken is what a census saw: the machines, and the instances that were said
// to run before it began. A machine that came up since is not missing.
type taken struct {
	running  []string
	machines map[string]machine.Machine
}

func (l Controller) take(ctx context.Context, running []string) (taken, error) {
	all, err := l.Driver.List(ctx)
	t := taken{running, make(map[string]machine.Machine, len(all))}
	for _, m := range all {
		t.machines[m.ID] = m
	}
	return t, err
}

// count compares the driver's machines with the records: a machine that died
// ends its instance, and one that nobody asked for is ended.
func (l Controller) count(ctx context.Context, r control.Request) (control.Result, error) {
	view := l.DB.View()
	again := control.Result{After: next(view, r.Now)}
	res, err, running, done := l.Jobs.Take(Census)
	if running {
		return control.Result{}, nil
	}
	if !done {
		var before []string
		for _, i := range state.Instances.By(view, "state", "running") {
			before = append(before, i.ID)
		}
		l.Jobs.Start(name, Census, Census, func(ctx context.Context) (any, error) { return l.take(ctx, before) })
		return again, nil
	}
	if err != nil {
		l.Log.WarnContext(ctx, "machines not listed", "error", err)
		return again, nil
	}
	t := res.(taken)
	for _, id := range t.running {
		if m, ok := t.machines[id]; ok && m.State != machine.Terminated {
			continue
		}
		if err := l.ended(ctx, r.Now, id, "Server.InternalError", reasonOf(t.machines[id])); err != nil {
			return again, err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.machines)) {
		m := t.machines[id]
		if i, ok := state.Instances.Get(view, id); !ok || i.State == model.InstanceTerminated ||
			m.State == machine.Terminated && i.State == model.InstanceRunning {
			l.forget(id)
		}
	}
	return again, nil
}

// next is when to look at the machines again.
func next(r store.Reader, now time.Time) time.Duration {
	for _, i := range state.Instances.By(r, "state", "running") {
		if !i.Connected && !i.LastSeenAt.IsZero() && now.Sub(i.LastSeenAt) < dying {
			return censusSoon
		}
	}
	return censusEvery
}

func reasonOf(m machine.Machine) string {
	if m.Reason == "" {
		return "The machine is gone."
	}
	return m.Reason
}

// forget ends a machine that belongs to no running instance.
func (l Controller) forget(id string) {
	job := "forget " + id
	_, _, _, _ = l.Jobs.Take(job) // what an earlier attempt left
	l.Jobs.Start(name, Census, job, func(ctx context.Context) (any, error) { return nil, l.Driver.Terminate(ctx, id) })
}
