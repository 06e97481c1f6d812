package agent

import (
	"context"
	"slices"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
)

// tell puts a state of the task into the queue of reports, once.
func (t *task) tell(status string) {
	t.edit(func(r *record) {
		if !slices.Contains(r.Told, status) {
			r.Told = append(r.Told, status)
			r.Unsent = append(r.Unsent, status)
		}
	})
	t.poke()
}

func (t *task) poke() {
	select {
	case t.sent <- struct{}{}:
	default:
	}
}

// Waits between tries of a report.
const (
	reportFirst = 500 * time.Millisecond
	reportMost  = 15 * time.Second
)

// report sends what is unsent, in order, until STOPPED was heard; false if ctx
// ended before.
func (t *task) report(ctx context.Context) bool {
	for {
		next, over := t.unsent()
		if next == "" && over {
			return true
		}
		if next == "" {
			select {
			case <-t.sent:
				continue
			case <-ctx.Done():
				return false
			}
		}
		if !t.submit(ctx, next) {
			return false
		}
		t.note(func(r *record) { r.Unsent = r.Unsent[1:] })
	}
}

func (t *task) unsent() (next string, over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rec.Unsent) > 0 {
		next = t.rec.Unsent[0]
	}
	return next, slices.Contains(t.rec.Told, "STOPPED")
}

// submit sends one report until it is heard, or refused for good; false when
// ctx ended first.
func (t *task) submit(ctx context.Context, status string) bool {
	wait := reportFirst
	for {
		err := t.agent.api.ecs(ctx, "SubmitTaskStateChange", t.words(status), nil)
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case fault.Is(err, fault.Invalid) || fault.Is(err, fault.NotFound):
			t.agent.Log.Warn("report refused", "task", t.id(), "status", status, "error", err)
			return true
		}
		t.agent.Log.Warn("report not heard", "task", t.id(), "status", status, "error", err)
		if clock.Sleep(ctx, t.agent.Clock, wait) != nil {
			return false
		}
		wait = min(2*wait, reportMost)
	}
}

// words is the report of a state.
func (t *task) words(status string) map[string]any {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.rec
	out := map[string]any{"cluster": t.agent.Cluster, "task": r.Task.ARN, "status": status}
	if status == "STOPPED" && r.Reason != "" {
		out["reason"] = r.Reason
	}
	for name, at := range map[string]time.Time{"pullStartedAt": r.PullStart, "pullStoppedAt": r.PullStop, "executionStoppedAt": r.Ended} {
		if !at.IsZero() && (name != "executionStoppedAt" || status == "STOPPED") {
			out[name] = float64(at.UnixMilli()) / 1000
		}
	}
	var containers []map[string]any
	for _, c := range r.Task.Containers {
		containers = append(containers, containerWords(c.Name, t.runs[c.Name].id, *r.Containers[c.Name], status))
	}
	out["containers"] = containers
	if status == "RUNNING" && len(r.Task.Interfaces) > 0 {
		out["attachments"] = []map[string]any{{"attachmentArn": r.Task.Interfaces[0].AttachmentARN, "status": "ATTACHED"}}
	}
	return out
}

func containerWords(name, id string, c containerRecord, status string) map[string]any {
	out := map[string]any{"containerName": name}
	if c.Status != "" {
		out["status"] = c.Status
	}
	if status == "STOPPED" {
		out["status"] = "STOPPED"
	}
	if !c.Started.IsZero() {
		out["runtimeId"] = id
	}
	if c.Exit != nil {
		out["exitCode"] = *c.Exit
	}
	if c.Reason != "" {
		out["reason"] = c.Reason
	}
	if c.Digest != "" {
		out["imageDigest"] = c.Digest
	}
	return out
}
