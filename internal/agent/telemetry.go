package agent

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"berth/internal/acs"
	"berth/internal/clock"
	"berth/internal/container"
)

// Telemetry is sent every 20 seconds of real time unless the server asks for
// it more often, from four samples each (docs/facts/agent-protocol.md A6).
const (
	publishEvery  = 20 * time.Second
	publishLeast  = 100 * time.Millisecond
	samplesEach   = 4
	tasksPerFrame = 10
)

// meter collects samples of the containers that run.
type meter struct {
	last map[string]reading // by container id
	sets map[string]*samples
}

type reading struct {
	// from and to are before and after the counters were read: on a busy machine
	// the agent may stand still in between.
	from, to time.Time
	stats    container.Stats
	rx, tx   uint64
}

type samples struct {
	cpu, memory, rxRate, txRate acs.StatsSet
	rx, tx, read, written       acs.Sum
}

// telemetry publishes figures and health over TCS until ctx ends.
func (a *Agent) telemetry(ctx context.Context) error {
	return a.keep(ctx, "tcs", func(ctx context.Context) error {
		_, endpoint, err := a.discover(ctx)
		if err != nil {
			return err
		}
		conn, err := a.dial(ctx, endpoint, url.Values{
			"cluster": {a.Cluster}, "containerInstance": {a.instanceARN()}, "agentHash": {"berth"}, "agentVersion": {Version},
			"dockerVersion": {"berth"},
		})
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		a.Log.Info("connected", "what", "tcs")
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		tempo := make(chan time.Duration)
		go func() { cancel(receiveTempo(ctx, conn, tempo)) }()
		if err := a.publishLoop(ctx, conn, tempo); err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
		return nil
	})
}

// receiveTempo passes on how often the server wants figures, until the connection
// ends.
func receiveTempo(ctx context.Context, conn *websocket.Conn, tempo chan<- time.Duration) error {
	for {
		e, err := receive(ctx, conn)
		if err != nil {
			return err
		}
		if e.Type != acs.TypeHeartbeat {
			continue
		}
		var m acs.Heartbeat
		if err := json.Unmarshal(e.Message, &m); err != nil {
			return err
		}
		if m.PublishEvery <= 0 {
			continue
		}
		select {
		case tempo <- min(max(time.Duration(m.PublishEvery*float64(time.Second)), publishLeast), publishEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (a *Agent) publishLoop(ctx context.Context, conn *websocket.Conn, tempo <-chan time.Duration) error {
	if err := a.publishStatus(ctx, conn); err != nil {
		return err
	}
	if err := a.publishHealth(ctx, conn); err != nil {
		return err
	}
	m := &meter{last: map[string]reading{}, sets: map[string]*samples{}}
	m.sample(ctx, a)
	every := publishEvery
	next := a.Clock.Now().Add(every)
	tick := clock.After(a.Clock, every/samplesEach)
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.health:
			err = a.publishHealth(ctx, conn)
		case d := <-tempo:
			if d != every {
				every, next = d, a.Clock.Now().Add(d)
				tick = clock.After(a.Clock, every/samplesEach)
			}
		case <-tick:
			tick = clock.After(a.Clock, every/samplesEach)
			m.sample(ctx, a)
			if now := a.Clock.Now(); !now.Before(next) {
				next = now.Add(every)
				err = a.publish(ctx, conn, m)
			}
		}
		if err != nil {
			return err
		}
	}
}

func (a *Agent) telemetryMetadata(fin bool) acs.TelemetryMetadata {
	return acs.TelemetryMetadata{Cluster: a.Cluster, ContainerInstance: a.instanceARN(), MessageID: a.IDs.UUID(), Fin: fin}
}

// sendSigned sends a telemetry frame: header lines come before the message,
// as the stock agent sends them. The connection itself was signed.
func sendSigned(ctx context.Context, conn *websocket.Conn, at time.Time, kind string, message any) error {
	b, err := acs.EncodeSigned([][2]string{{"X-Amz-Date", at.UTC().Format("20060102T150405Z")}}, kind, message)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, b)
}

func (a *Agent) publishStatus(ctx context.Context, conn *websocket.Conn) error {
	now := acs.Stamp(a.Clock.Now())
	status := "OK"
	if _, err := a.Driver.List(ctx); err != nil {
		status = "IMPAIRED"
	}
	m := acs.PublishStatus{
		Metadata: acs.TelemetryMetadata{Cluster: a.Cluster, ContainerInstance: a.instanceARN(), RequestID: a.IDs.UUID()}, Timestamp: now,
		Statuses: []acs.InstanceStatus{{Type: "ContainerRuntime", Status: status, LastUpdated: now, LastStatusChange: now}},
	}
	return sendSigned(ctx, conn, a.Clock.Now(), acs.TypePublishStatus, m)
}

// publishHealth sends the health of all containers that have a check.
func (a *Agent) publishHealth(ctx context.Context, conn *websocket.Conn) error {
	m := acs.PublishHealth{Metadata: a.telemetryMetadata(true), Timestamp: acs.Stamp(a.Clock.Now())}
	for _, t := range a.all() {
		h := acs.TaskHealth{TaskARN: t.arn(), ClusterARN: t.def.TaskClusterARN, Family: t.def.Family, Version: t.def.Version}
		for _, c := range t.def.Containers {
			if k := t.look(c.Name); k.Health != "" {
				h.Containers = append(h.Containers, acs.ContainerHealth{Name: c.Name, Status: k.Health, Since: acs.Stamp(k.HealthAt)})
			}
		}
		if len(h.Containers) > 0 && !t.over() {
			m.Tasks = append(m.Tasks, h)
		}
	}
	if len(m.Tasks) == 0 {
		return nil
	}
	return sendSigned(ctx, conn, a.Clock.Now(), acs.TypePublishHealth, m)
}

// sample reads the counters of every container that runs.
func (m *meter) sample(ctx context.Context, a *Agent) {
	seen := map[string]bool{}
	for _, t := range a.all() {
		for _, r := range t.runs {
			now := reading{from: a.Clock.Now()}
			var err error
			if now.stats, err = a.Driver.Stats(ctx, r.id); err != nil {
				continue
			}
			if pid := now.stats.PID; pid > 0 {
				now.rx, now.tx = interfaceBytes(pid)
			}
			now.to = a.Clock.Now()
			seen[r.id] = true
			m.add(r.id, now)
		}
	}
	for id := range m.last {
		if !seen[id] {
			delete(m.last, id)
		}
	}
}

// add compares a reading with the one before. What was used is held against all
// the time in which it may have been: a rate is never told too high.
func (m *meter) add(id string, now reading) {
	last, ok := m.last[id]
	m.last[id] = now
	took := now.to.Sub(last.from).Seconds()
	if !ok || took <= 0 || now.stats.CPUNanos < last.stats.CPUNanos {
		return
	}
	s := m.sets[id]
	if s == nil {
		s = &samples{}
		m.sets[id] = s
	}
	observe(&s.cpu, float64(now.stats.CPUNanos-last.stats.CPUNanos)/1e9/took*100)
	observe(&s.memory, float64(now.stats.MemoryBytes)/(1<<20))
	observe(&s.rxRate, delta(now.rx, last.rx)/took)
	observe(&s.txRate, delta(now.tx, last.tx)/took)
	for _, p := range []struct {
		sum *acs.Sum
		by  float64
	}{
		{&s.rx, delta(now.rx, last.rx)}, {&s.tx, delta(now.tx, last.tx)}, {&s.read, delta(now.stats.ReadBytes, last.stats.ReadBytes)},
		{&s.written, delta(now.stats.WriteBytes, last.stats.WriteBytes)},
	} {
		count(p.sum, int64(p.by))
	}
}

func delta(now, last uint64) float64 {
	if now < last {
		return 0
	}
	return float64(now - last)
}

func observe(s *acs.StatsSet, v float64) {
	if s.SampleCount == 0 || v < s.Min {
		s.Min = v
	}
	s.Max = max(s.Max, v)
	s.Sum += v
	s.SampleCount++
}

func count(s *acs.Sum, v int64) {
	if s.SampleCount == 0 || v < s.Min {
		s.Min = v
	}
	s.Max = max(s.Max, v)
	s.Sum += v
	s.SampleCount++
}

// publish sends what was collected, ten tasks a frame, and begins anew.
func (a *Agent) publish(ctx context.Context, conn *websocket.Conn, m *meter) error {
	var all []acs.TaskMetric
	for _, t := range a.all() {
		tm := acs.TaskMetric{TaskARN: t.arn(), Family: t.def.Family, Version: t.def.Version}
		for _, c := range t.def.Containers {
			if s := m.sets[t.runs[c.Name].id]; s != nil {
				tm.Containers = append(tm.Containers, s.metric(t, c))
			}
		}
		if len(tm.Containers) > 0 {
			all = append(all, tm)
		}
	}
	m.sets = map[string]*samples{}
	slices.SortFunc(all, func(x, y acs.TaskMetric) int { return strings.Compare(x.TaskARN, y.TaskARN) })
	if len(all) == 0 {
		meta := a.telemetryMetadata(true)
		meta.Idle = true
		return sendSigned(ctx, conn, a.Clock.Now(), acs.TypePublishMetrics, acs.PublishMetrics{
			Metadata: meta, TaskMetrics: []acs.TaskMetric{}, Timestamp: acs.Stamp(a.Clock.Now()),
		})
	}
	for len(all) > 0 {
		n := min(tasksPerFrame, len(all))
		p := acs.PublishMetrics{Metadata: a.telemetryMetadata(n == len(all)), TaskMetrics: all[:n], Timestamp: acs.Stamp(a.Clock.Now())}
		if err := sendSigned(ctx, conn, a.Clock.Now(), acs.TypePublishMetrics, p); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func (s *samples) metric(t *task, c acs.Container) acs.ContainerMetric {
	out := acs.ContainerMetric{
		Name: c.Name, CPU: &s.cpu, Memory: &s.memory,
		Network: &acs.NetworkStats{RxBytes: &s.rx, TxBytes: &s.tx, RxBytesPerSec: &s.rxRate, TxBytesPerSec: &s.txRate},
		Storage: &acs.StorageStats{ReadSizeBytes: &s.read, WriteSizeBytes: &s.written},
	}
	if c.RestartPolicy != nil && c.RestartPolicy.Enabled {
		out.Restart = &acs.RestartStats{RestartCount: t.look(c.Name).Restarts}
	}
	return out
}

// interfaceBytes sums what the interfaces of a process's namespace have
// received and sent, loopback excepted.
func interfaceBytes(pid int) (rx, tx uint64) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/net/dev", pid))
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, rest, ok := strings.Cut(s.Text(), ":")
		v := strings.Fields(rest)
		if !ok || strings.TrimSpace(name) == "lo" || len(v) < 9 {
			continue
		}
		r, _ := strconv.ParseUint(v[0], 10, 64)
		t, _ := strconv.ParseUint(v[8], 10, 64)
		rx, tx = rx+r, tx+t
	}
	return rx, tx
}

// network is the subnet of a gateway's address with prefix length.
func network(gateway string) string {
	p, err := netip.ParsePrefix(gateway)
	if err != nil {
		return ""
	}
	return p.Masked().String()
}
