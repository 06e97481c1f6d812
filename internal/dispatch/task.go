package dispatch

import (
	"context"
	"fmt"
	"time"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Stop codes and reasons as AWS words them (docs/facts/deployments.md D114).
const (
	codeFailedToStart   = "TaskFailedToStart"
	codeEssentialExited = "EssentialContainerExited"
	codeTermination     = "TerminationNotice"
	reasonEssential     = "Essential container in task exited"
	reasonFailed        = "Task failed to start"
	reasonSlice         = "The infrastructure of the task failed."
)

// SubmitTask takes an agent's report of a task and returns the
// acknowledgement (SubmitTaskStateChange). Errors: InvalidParameterException
// (no such task), AccessDeniedException (another instance's task).
func (d *Gateway) SubmitTask(ctx context.Context, p ident.Principal, r TaskReport) (string, error) {
	now := d.Clock.Now()
	for _, at := range []*time.Time{&r.PullStartedAt, &r.PullStoppedAt, &r.ExecutionStoppedAt} {
		*at = d.clockTime(*at)
	}
	err := d.DB.Update(ctx, writer, func(tx *store.Tx) error {
		t, err := d.reported(tx, p, r.Task)
		if err != nil {
			return err
		}
		before := t.LastStatus
		if err := state.Tasks.Edit(tx, t.ARN, func(t *model.Task) error {
			err := apply(t, r, now, len(state.Targets.By(tx, "task", t.ARN)) > 0)
			t.Health = taskHealth(tx, *t)
			return err
		}); err != nil {
			return err
		}
		t, _ = state.Tasks.Get(tx, t.ARN)
		if err := pin(tx, t); err != nil {
			return err
		}
		return note(tx, t, before, now)
	})
	if err != nil {
		return "", err
	}
	return "ACK", nil
}

// reported finds the task of a report and checks that its instance is the
// caller's.
func (d *Gateway) reported(r store.Reader, p ident.Principal, arn string) (model.Task, error) {
	t, ok := state.Tasks.Get(r, arn)
	if !ok || t.Instance == "" {
		return t, fault.New(fault.Invalid, "InvalidParameterException", "The referenced task was not found.")
	}
	i, ok := state.Instances.One(r, "arn", t.Instance)
	if !ok {
		return t, fault.New(fault.Invalid, "InvalidParameterException", "The referenced container instance was not found.")
	}
	return t, speaks(p, i)
}

// note records that a task moved, if it did.
func note(tx *store.Tx, t model.Task, before model.TaskStatus, now time.Time) error {
	if t.LastStatus == before {
		return nil
	}
	why := "."
	if t.StoppedReason != "" {
		why = ": " + t.StoppedReason
	}
	return state.Note(tx, now, model.Decision{
		By: writer, Subject: t.ARN, Cluster: t.Cluster, Service: t.Service, Verb: "state",
		Reason: fmt.Sprintf("Task moved from %s to %s%s", before, t.LastStatus, why),
		Facts: map[string]string{
			"from": string(before), "to": string(t.LastStatus), "stoppedReason": t.StoppedReason, "stopCode": t.StopCode, "stopCause": t.StopCause,
		},
	})
}

// apply works a report into a task: its containers and times, and the moves
// that are the gateway's. targets says that the task is registered somewhere, so
// that it has to be deregistered before it may go.
func apply(t *model.Task, r TaskReport, now time.Time, targets bool) error {
	t.Version++
	for _, c := range r.Containers {
		containerNews(t, c)
	}
	for _, a := range r.Attachments {
		if a.Status == "ATTACHED" && ident.Last(a.Attachment) == t.AttachmentID {
			attach(t, now)
		}
	}
	first(&t.PullStartedAt, r.PullStartedAt)
	first(&t.PullStoppedAt, r.PullStoppedAt)
	switch model.TaskStatus(r.Status) {
	case model.TaskRunning:
		running(t, now)
	case model.TaskStopped:
		stopped(t, r, now, targets)
	case model.TaskPending, "":
	default:
		return fault.New(fault.Invalid, "InvalidParameterException", "Unknown task status %s.", r.Status)
	}
	return nil
}

func first(at *time.Time, news time.Time) {
	if at.IsZero() {
		*at = news
	}
}

func containerNews(t *model.Task, r ContainerReport) {
	for i := range t.Containers {
		c := &t.Containers[i]
		if c.Name != r.Name {
			continue
		}
		set(&c.LastStatus, model.ContainerStatus(r.Status))
		set(&c.RuntimeID, r.RuntimeID)
		set(&c.ImageDigest, r.ImageDigest)
		set(&c.Reason, r.Reason)
		set(&c.Health, model.Health(r.Health))
		if r.Bindings != nil {
			c.Bindings = r.Bindings
		}
		if r.ExitCode != nil {
			c.ExitCode = r.ExitCode
		}
	}
}

func set[S ~string](s *S, news S) {
	if news != "" {
		*s = news
	}
}

// attach notes that the task's interface is up.
func attach(t *model.Task, now time.Time) {
	t.Connectivity = model.Connected
	first(&t.ConnectivityAt, now)
}

func running(t *model.Task, now time.Time) {
	attach(t, now)
	first(&t.StartedAt, now)
	if t.LastStatus == model.TaskPending && t.DesiredStatus == model.TaskRunning {
		move(t, model.TaskActivating, now)
	}
}

func move(t *model.Task, to model.TaskStatus, now time.Time) {
	if t.LastStatus.Before(to) {
		t.LastStatus, t.StatusAt = to, now
	}
}

// stopped ends a task whose containers are gone.
func stopped(t *model.Task, r TaskReport, now time.Time, targets bool) {
	for i := range t.Containers {
		t.Containers[i].LastStatus = model.ContainerStopped
	}
	first(&t.ExecutionStoppedAt, r.ExecutionStoppedAt)
	first(&t.ExecutionStoppedAt, now)
	if t.DesiredStatus != model.TaskStopped {
		code, reason := codeEssentialExited, reasonEssential
		if t.StartedAt.IsZero() {
			code, reason = codeFailedToStart, failure(*t, r)
		}
		stop(t, code, reason, now)
	}
	leave(t, now, targets)
}

// failure is the reason of a task that never ran: the agent's, else that of
// the first container which has one.
func failure(t model.Task, r TaskReport) string {
	if r.Reason != "" {
		return r.Reason
	}
	for _, c := range t.Containers {
		if c.Reason != "" {
			return c.Reason
		}
	}
	return reasonFailed
}

func stop(t *model.Task, code, reason string, now time.Time) {
	t.DesiredStatus, t.StopCode, t.StoppedReason = model.TaskStopped, code, reason
	first(&t.StoppingAt, now)
}

// leave moves a task without containers on: past the targets that still have
// to be deregistered, by controllers/traffic, or straight to the return of
// its interface.
func leave(t *model.Task, now time.Time, targets bool) {
	if targets && !model.TaskDeactivating.Before(t.LastStatus) {
		move(t, model.TaskDeactivating, now)
		return
	}
	move(t, model.TaskDeprovisioning, now)
}

// taskHealth is the health of a task from its essential containers; those
// without a check are UNKNOWN (docs/facts/deployments.md D115).
func taskHealth(r store.Reader, t model.Task) model.Health {
	def, _ := state.TaskDefinitions.Get(r, t.TaskDefinition)
	out := model.Healthy
	for _, c := range t.Containers {
		if !essential(def, c.Name) {
			continue
		}
		switch c.Health {
		case model.Unhealthy:
			return model.Unhealthy
		case model.Healthy:
		default:
			out = model.HealthUnknown
		}
	}
	return out
}

func essential(def model.TaskDefinition, container string) bool {
	for _, c := range def.Containers {
		if c.Name == container {
			return c.Essential
		}
	}
	return false
}

// pin records the digests that a revision's first task resolved, so that all
// its tasks run the same images.
func pin(tx *store.Tx, t model.Task) error {
	rev, ok := state.ServiceRevisions.Get(tx, t.Revision)
	if !ok {
		return nil
	}
	def, _ := state.TaskDefinitions.Get(tx, t.TaskDefinition)
	news := map[string]string{}
	for _, c := range t.Containers {
		if c.ImageDigest != "" && rev.Images[c.Name] == "" && consistent(def, c.Name) {
			news[c.Name] = c.ImageDigest
		}
	}
	if len(news) == 0 {
		return nil
	}
	return state.ServiceRevisions.Edit(tx, rev.ARN, func(r *model.ServiceRevision) error {
		if r.Images == nil {
			r.Images = map[string]string{}
		}
		for name, digest := range news {
			r.Images[name] = digest
		}
		return nil
	})
}

func consistent(def model.TaskDefinition, container string) bool {
	for _, c := range def.Containers {
		if c.Name == container {
			return c.VersionConsistency != "disabled"
		}
	}
	return false
}

// SubmitAttachments takes an agent's report of interfaces
// (SubmitAttachmentStateChanges). An attachment of a task that is not on the
// caller's instance is refused.
func (d *Gateway) SubmitAttachments(ctx context.Context, p ident.Principal, cluster string, reports []AttachmentReport) (string, error) {
	now := d.Clock.Now()
	err := d.DB.Update(ctx, writer, func(tx *store.Tx) error {
		for _, r := range reports {
			if err := d.attached(tx, p, clusterName(cluster), r, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return "ACK", nil
}

func (d *Gateway) attached(tx *store.Tx, p ident.Principal, cluster string, r AttachmentReport, now time.Time) error {
	for _, t := range state.Tasks.By(tx, "attachment", ident.Last(r.Attachment)) {
		if t.AttachmentID == "" || t.Cluster != cluster {
			continue
		}
		if _, err := d.reported(tx, p, t.ARN); err != nil {
			return err
		}
		if r.Status != "ATTACHED" {
			return nil
		}
		return state.Tasks.Edit(tx, t.ARN, func(t *model.Task) error {
			attach(t, now)
			t.Version++
			return nil
		})
	}
	return fault.New(fault.Invalid, "InvalidParameterException", "The attachment %s was not found.", r.Attachment)
}
