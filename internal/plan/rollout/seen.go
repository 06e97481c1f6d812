package rollout

import (
	"strings"
	"time"

	"berth/internal/model"
)

// Seen is all of a task that may change and that a decision depends on: while
// it stays equal, the service need not be looked at again.
type Seen struct {
	Service, Instance, Zone, StopCode, StoppedReason, Images string
	Desired, Last                                            model.TaskStatus
	Health                                                   model.Health
	Started, Stopping                                        int64
	Noted, Proven, Balancing                                 bool
}

// See is what a decision sees of a task.
func See(t *model.Task) Seen {
	return Seen{
		Service: t.Service, Instance: t.Instance, Zone: t.AvailabilityZone, StopCode: t.StopCode, StoppedReason: t.StoppedReason,
		Images:  digests(t),
		Desired: t.DesiredStatus, Last: phase(t.LastStatus), Health: t.Health, Started: moment(t.StartedAt), Stopping: moment(t.StoppingAt),
		Noted: t.Noted, Proven: t.Proven, Balancing: t.Balancing,
	}
}

// phase is the last of the states that are told apart and have been reached:
// what happens before a task runs, or between its end and its removal, is not.
func phase(s model.TaskStatus) model.TaskStatus {
	switch s {
	case model.TaskProvisioning, model.TaskPending, model.TaskActivating:
		return ""
	case model.TaskDeprovisioning:
		return model.TaskStopping
	default:
		return s
	}
}

// moment is a time that == compares.
func moment(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// digests are those of the images that the task found by their tags: what has
// been resolved for a task is known.
func digests(t *model.Task) (out string) {
	for i := range t.Containers {
		if c := &t.Containers[i]; c.ImageDigest != "" && !strings.Contains(c.Image, "@") {
			out += c.Name + c.ImageDigest
		}
	}
	return out
}
