package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"berth/internal/acs"
	"berth/internal/clock"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// tcs takes an agent's figures until the connection ends.
func (d *Gateway) tcs(ctx context.Context, conn *websocket.Conn, inst model.Instance, _ *http.Request) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := d.setTempo(ctx, conn, d.publishEvery()); err != nil {
		return err
	}
	go d.keepAlive(ctx, conn)
	for {
		b, err := read(ctx, conn)
		if err != nil {
			return err
		}
		e, err := acs.Decode(b)
		if err != nil {
			return err
		}
		answer, err := d.figures(ctx, inst, e)
		if err != nil {
			d.Log.Warn("telemetry not taken", "instance", inst.ID, "type", e.Type, "error", err)
		}
		if answer == "" {
			continue
		}
		if err := write(ctx, conn, answer, acs.TelemetryAck{Message: "ok"}); err != nil {
			return err
		}
	}
}

// keepAlive sends heartbeats, and one at once when figures are wanted more or
// less often than before.
func (d *Gateway) keepAlive(ctx context.Context, conn *websocket.Conn) {
	told, at := d.publishEvery(), d.Real.Now()
	for clock.Sleep(ctx, d.Real, lookAtTempo) == nil {
		every := d.publishEvery()
		if every == told && d.Real.Now().Sub(at) < heartbeat {
			continue
		}
		if d.setTempo(ctx, conn, every) != nil {
			return
		}
		told, at = every, d.Real.Now()
	}
}

// setTempo sends a heartbeat that says how often figures are wanted.
func (d *Gateway) setTempo(ctx context.Context, conn *websocket.Conn, every time.Duration) error {
	return write(ctx, conn, acs.TypeHeartbeat, acs.Heartbeat{Healthy: true, PublishEvery: every.Seconds()})
}

// Figures come every 20 seconds of real time, as from the stock agent, or once
// a minute of a clock whose minutes are shorter; a second is the least.
const (
	publishSlowest = 20 * time.Second
	publishFastest = time.Second
	lookAtTempo    = 2 * time.Second
)

func (d *Gateway) publishEvery() time.Duration {
	return min(max(time.Duration(float64(time.Minute)/d.speed()), publishFastest), publishSlowest)
}

// figures works one message in and names the answer to it.
func (d *Gateway) figures(ctx context.Context, inst model.Instance, e acs.Envelope) (string, error) {
	switch e.Type {
	case acs.TypePublishMetrics:
		var m acs.PublishMetrics
		if err := json.Unmarshal(e.Message, &m); err != nil {
			return "", fmt.Errorf("read %s: %w", e.Type, err)
		}
		return acs.TypeAckMetrics, d.metrics(ctx, inst, m)
	case acs.TypePublishHealth:
		var m acs.PublishHealth
		if err := json.Unmarshal(e.Message, &m); err != nil {
			return "", fmt.Errorf("read %s: %w", e.Type, err)
		}
		return acs.TypeAckHealth, d.Health(ctx, inst, m.Tasks)
	case acs.TypePublishStatus:
		return acs.TypeAckStatus, nil
	default:
		return "", nil
	}
}

func (d *Gateway) metrics(ctx context.Context, inst model.Instance, m acs.PublishMetrics) error {
	if d.Metrics == nil {
		return nil
	}
	view := d.DB.View()
	for _, t := range m.TaskMetrics {
		task, ok := state.Tasks.Get(view, t.TaskARN)
		if !ok || task.Instance != inst.ARN {
			continue
		}
		at := d.Clock.Now()
		if ts := time.Time(m.Timestamp); !ts.IsZero() {
			at = d.clockTime(ts)
		}
		s := Sample{Instance: inst, Task: task, At: at}
		for _, c := range t.Containers {
			s.Containers = append(s.Containers, sample(c))
		}
		if err := d.Metrics.Put(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func sample(c acs.ContainerMetric) ContainerSample {
	out := ContainerSample{Name: c.Name, CPU: figuresOf(c.CPU), Memory: figuresOf(c.Memory)}
	if n := c.Network; n != nil {
		out.RxBytes, out.TxBytes = total(n.RxBytes), total(n.TxBytes)
		out.RxBytesPerSec, out.TxBytesPerSec = mean(n.RxBytesPerSec), mean(n.TxBytesPerSec)
	}
	if s := c.Storage; s != nil {
		out.ReadBytes, out.WriteBytes = total(s.ReadSizeBytes), total(s.WriteSizeBytes)
	}
	if c.Restart != nil {
		out.RestartedTimes = c.Restart.RestartCount
	}
	return out
}

func figuresOf(s *acs.StatsSet) Figures {
	if s == nil {
		return Figures{}
	}
	return Figures{Min: s.Min, Max: s.Max, Sum: s.Sum, Count: s.SampleCount}
}

func total(s *acs.Sum) uint64 {
	if s == nil || s.Sum < 0 {
		return 0
	}
	return uint64(s.Sum)
}

func mean(s *acs.StatsSet) float64 {
	if s == nil || s.SampleCount == 0 {
		return 0
	}
	return s.Sum / float64(s.SampleCount)
}

// Health takes the health of containers that have a check.
func (d *Gateway) Health(ctx context.Context, inst model.Instance, all []acs.TaskHealth) error {
	now := d.Clock.Now()
	return d.DB.Update(ctx, writer, func(tx *store.Tx) error {
		for _, h := range all {
			t, ok := state.Tasks.Get(tx, h.TaskARN)
			if !ok || t.Instance != inst.ARN || !t.LastStatus.Before(model.TaskDeprovisioning) {
				continue
			}
			if err := d.healthNews(tx, t, h, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *Gateway) healthNews(tx *store.Tx, t model.Task, h acs.TaskHealth, now time.Time) error {
	before := t.Health
	if err := state.Tasks.Edit(tx, t.ARN, func(t *model.Task) error {
		changed := false
		for _, c := range h.Containers {
			for i := range t.Containers {
				if k := &t.Containers[i]; k.Name == c.Name && c.Status != "" && k.Health != model.Health(c.Status) {
					k.Health, changed = model.Health(c.Status), true
				}
			}
		}
		t.Health = taskHealth(tx, *t)
		if changed {
			t.Version++
		}
		return nil
	}); err != nil {
		return err
	}
	t, _ = state.Tasks.Get(tx, t.ARN)
	if t.Health == before {
		return nil
	}
	return state.Note(tx, now, model.Decision{
		By: writer, Subject: t.ARN, Cluster: t.Cluster, Service: t.Service, Verb: "health",
		Reason: "Container health checks made the task " + string(t.Health) + ".",
		Facts:  map[string]string{"from": string(before), "to": string(t.Health)},
	})
}
