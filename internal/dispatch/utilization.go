package dispatch

import (
	"context"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
)

// UtilizationDeps are what a Utilization needs.
type UtilizationDeps struct {
	DB     *state.DB
	Series *series.Store
	Clock  clock.Clock
	Real   clock.Clock // the time in which agents send samples
}

// Utilization is a Metrics that keeps CPUUtilization and MemoryUtilization of
// each service in AWS/ECS. Each sample of a task is one observation in percent
// of what the task reserves, so that the average over a minute is the
// service's (facts/deployments 3.3): all tasks of a service reserve the same.
type Utilization struct {
	UtilizationDeps
	mu   sync.Mutex
	last map[string]newest // by task ARN
}

// newest is the newest sample of a task.
type newest struct {
	sample   Sample
	received time.Time // in real time
}

// NewUtilization makes a Utilization.
func NewUtilization(d UtilizationDeps) *Utilization {
	return &Utilization{UtilizationDeps: d, last: map[string]newest{}}
}

// Put implements Metrics. A task without a service has no metrics there.
func (u *Utilization) Put(ctx context.Context, s Sample) error {
	if s.Task.Service == "" {
		return nil
	}
	u.mu.Lock()
	u.last[s.Task.ARN] = newest{s, u.Real.Now()}
	u.mu.Unlock()
	return u.write(ctx, s)
}

// fresh is how long a sample stands for its task: agents send one every 20
// seconds.
const fresh = 45 * time.Second

// Run repeats the newest samples every minute of the control plane's clock
// until the next ones come. Agents send theirs in real time: on a clock that
// runs 20 times faster there would be one in seven minutes, and no alarm
// would ever have its points.
func (u *Utilization) Run(ctx context.Context) error {
	for {
		if err := clock.Sleep(ctx, u.Clock, time.Minute); err != nil {
			return err
		}
		if err := u.Repeat(ctx, u.Clock.Now()); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// Repeat writes the newest samples once more for the minute of now, where
// that has none and the task still runs.
func (u *Utilization) Repeat(ctx context.Context, now time.Time) error {
	view, minute := u.DB.View(), now.Truncate(time.Minute)
	u.mu.Lock()
	var due []Sample
	for arn, k := range u.last {
		t, ok := state.Tasks.Get(view, arn)
		if !ok || t.LastStatus != model.TaskRunning || u.Real.Now().Sub(k.received) > fresh {
			delete(u.last, arn)
			continue
		}
		if k.sample.At.Before(minute) {
			k.sample.At = now
			u.last[arn] = k
			due = append(due, k.sample)
		}
	}
	u.mu.Unlock()
	for _, s := range due {
		if err := u.write(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (u *Utilization) write(ctx context.Context, s Sample) error {
	service := s.Task.Group[min(len("service:"), len(s.Task.Group)):]
	dims := map[string]string{"ClusterName": s.Task.Cluster, "ServiceName": service}
	var units, memory float64
	seen := false
	for _, c := range s.Containers {
		units += c.CPU.mean() / 100 * 1024
		memory += c.Memory.mean()
		seen = seen || c.CPU.Count > 0
	}
	if !seen || service == "" {
		return nil
	}
	out := u.Series.In("AWS/ECS")
	for _, m := range []struct {
		name     string
		used     float64
		reserved int64
	}{{"CPUUtilization", units, s.Task.CPU}, {"MemoryUtilization", memory, s.Task.Memory}} {
		if m.reserved <= 0 {
			continue
		}
		if err := out.Count(ctx, s.At, m.name, "Percent", dims, []float64{100 * m.used / float64(m.reserved)}, []float64{1}); err != nil {
			return err
		}
	}
	return nil
}

func (f Figures) mean() float64 {
	if f.Count == 0 {
		return 0
	}
	return f.Sum / float64(f.Count)
}
