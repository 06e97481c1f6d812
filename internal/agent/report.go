package agent

import (
	"context"
	"slices"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/wire"
	"berth/internal/wire/shape/ecs"
)

// queueReport puts a state of the task into the queue of reports, once. A
// restarted agent asks for what its record has already.
func (t *task) queueReport(status string) {
	t.mu.Lock()
	known := slices.Contains(t.rec.Told, status)
	if !known {
		t.rec.Told = append(t.rec.Told, status)
		t.rec.Unsent = append(t.rec.Unsent, status)
	}
	t.mu.Unlock()
	if !known {
		t.save()
	}
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
	return next, slices.Contains(t.rec.Told, string(model.TaskStopped))
}

// submit sends one report until it is heard, or refused for good; false when
// ctx ended first.
func (t *task) submit(ctx context.Context, status string) bool {
	wait := reportFirst
	for {
		_, err := t.agent.api.ecs().SubmitTaskStateChange(ctx, t.change(status))
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

// change is the report of a state.
func (t *task) change(status string) *ecs.SubmitTaskStateChangeInput {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.rec
	out := &ecs.SubmitTaskStateChangeInput{
		Cluster: &t.agent.Cluster, Task: wire.Ptr(r.Task.ARN), Status: &status, PullStartedAt: moment(r.PullStart),
		PullStoppedAt: moment(r.PullStop),
	}
	if status == string(model.TaskStopped) {
		out.Reason, out.ExecutionStoppedAt = orNil(r.Reason), moment(r.Ended)
	}
	for _, c := range r.Task.Containers {
		n := containerChange(c.Name, t.runs[c.Name].id, *r.Containers[c.Name], status)
		n.NetworkBindings = bindings(&r.Task, &c, r.Containers[c.Name].End)
		out.Containers = append(out.Containers, n)
	}
	if status == string(model.TaskRunning) && len(r.Task.Interfaces) > 0 {
		out.Attachments = []ecs.AttachmentStateChange{{AttachmentArn: wire.Ptr(r.Task.Interfaces[0].AttachmentARN), Status: wire.Ptr("ATTACHED")}}
	}
	return out
}

func containerChange(name, id string, c containerRecord, status string) ecs.ContainerStateChange {
	out := ecs.ContainerStateChange{ContainerName: &name, Status: orNil(c.Status), Reason: orNil(c.Reason), ImageDigest: orNil(c.Digest)}
	if status == string(model.TaskStopped) {
		out.Status = &status
	}
	if !c.Started.IsZero() {
		out.RuntimeId = &id
	}
	if c.Exit != nil {
		out.ExitCode = wire.Ptr(int64(*c.Exit))
	}
	return out
}

// orNil is a member that is left out if there is nothing to say.
func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return wire.Ptr(at.Truncate(time.Millisecond))
}
