// Package meter turns the figures that agents send of their tasks into what
// CloudWatch shows of services: CPUUtilization and MemoryUtilization in
// namespace AWS/ECS, one point a minute and service, over the tasks of all of
// its revisions (docs/facts/deployments.md D122). Of EC2 instances it shows
// CPUUtilization in AWS/EC2, what their tasks use, by instance and by Auto
// Scaling group (docs/facts/ec2-launch-type.md E14). Clusters that ask for it
// have the metrics of Container Insights as well.
//
// Agents live in real time and send every 20 seconds, or once a minute of a
// clock that runs fast (at most every second); minutes may be shorter still, or
// be jumped over. So the newest figures of a task
// stand for every minute in which it runs, until they are old in real time: a
// point says what is known of its minute, and after that there is none. The
// package owns those figures, in memory only, and writes to series; it decides
// nothing. It is the gateway's taker of figures and a controller of the engine, and is
// safe for concurrent use.
package meter

import (
	"context"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/dispatch"
	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

const (
	name = "meter"
	key  = "minute"
	// fresh is how long, in real time, figures stand for their task: three
	// intervals and a little.
	fresh = 75 * time.Second
	// most is how many minutes that were jumped over are filled.
	most = 15
)

// Series takes metric data.
type Series interface {
	Put(ctx context.Context, data ...series.Datum) error
}

// Deps are what a Meter needs.
type Deps struct {
	DB *state.DB
	// Real is the time in which agents live.
	Real   clock.Clock
	Series Series
}

// Meter holds the newest figures of each task.
type Meter struct {
	Deps
	mu    sync.Mutex
	tasks map[string]*held // by task ARN
	last  time.Time        // the minute that was written last
}

// held are the figures of one task.
type held struct {
	now  usage     // since the last point, or what the last point had
	open bool      // now has figures that no point has shown
	at   time.Time // real time of the newest
}

var (
	_ dispatch.Metrics   = (*Meter)(nil)
	_ control.Controller = (*Meter)(nil)
	_ control.Starter    = (*Meter)(nil)
)

// New makes a Meter.
func New(d Deps) *Meter { return &Meter{Deps: d, tasks: map[string]*held{}} }

// Put implements dispatch.Metrics.
func (m *Meter) Put(_ context.Context, s dispatch.Sample) error {
	u, ok := used(s)
	if !ok {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.tasks[s.Task.ARN]
	if h == nil {
		h = &held{}
		m.tasks[s.Task.ARN] = h
	}
	if h.open {
		u = h.now.join(u)
	}
	h.now, h.open, h.at = u, true, m.Real.Now()
	return nil
}

// Name implements control.Controller.
func (m *Meter) Name() string { return name }

// Wake implements control.Controller: changes never wake it, time does.
func (m *Meter) Wake() store.Rules { return nil }

// Start implements control.Starter.
func (m *Meter) Start(store.Reader) []string { return []string{key} }

// Reconcile implements control.Controller: it writes the minutes that have ended.
func (m *Meter) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	this := r.Now.Truncate(time.Minute)
	next := control.Result{After: this.Add(time.Minute).Sub(r.Now)}
	ended := this.Add(-time.Minute)
	from := m.last.Add(time.Minute)
	if m.last.IsZero() {
		from = ended
	}
	if earliest := this.Add(-most * time.Minute); from.Before(earliest) {
		from = earliest
	}
	if from.After(ended) {
		return next, nil
	}
	var data []series.Datum
	view := m.DB.View()
	services, hosts, insights := m.points(view), m.hosts(view), m.insights(view)
	for at := from; !at.After(ended); at = at.Add(time.Minute) {
		for _, p := range services {
			data = append(data, p.data(at)...)
		}
		for _, h := range hosts {
			data = append(data, h.data(at))
		}
		data = append(data, insights.data(at)...)
	}
	if len(data) > 0 {
		if err := m.Series.Put(ctx, data...); err != nil {
			return control.Result{}, err
		}
	}
	m.last = ended
	return next, nil
}

// points reads what is known of each service, and forgets tasks that are gone
// and figures that are old.
func (m *Meter) points(view store.Reader) []point {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.Real.Now()
	var out []point
	index := map[string]int{}
	for t := range state.Tasks.Each(view, "status", string(model.TaskRunning)) {
		h := m.tasks[t.ARN]
		if h == nil || now.Sub(h.at) > fresh || t.Service == "" {
			continue
		}
		s := state.Services.Ref(view, t.Service)
		if s == nil {
			continue
		}
		i, seen := index[s.ARN]
		if !seen {
			i, index[s.ARN] = len(out), len(out)
			out = append(out, point{cluster: s.Cluster, service: s.Name})
		}
		out[i].add(h.now, reserved(t, state.TaskDefinitions.Ref(view, t.TaskDefinition)))
		h.open = false
	}
	for arn, h := range m.tasks {
		if t := state.Tasks.Ref(view, arn); t == nil || model.TaskRunning.Before(t.LastStatus) || now.Sub(h.at) > fresh {
			delete(m.tasks, arn)
		}
	}
	return out
}
