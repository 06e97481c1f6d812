package rollout

import (
	"slices"
	"time"

	"berth/internal/model"
)

// ProvenAfter is how long a task without any health check runs before it
// counts as healthy (docs/facts/deployments.md D103).
const ProvenAfter = 40 * time.Second

// member is a task with what this decision needs to know of it.
type member struct {
	t       *model.Task
	wanted  bool   // it is meant to run
	running bool   // it runs
	healthy bool   // it counts towards the minimum
	leaving bool   // its instance is being emptied
	ill     string // why it must be replaced: a stopped reason, or ""
	illText string // the service event of that
	// illCause is model.CauseUnhealthy where the load balancer found it ill.
	illCause string
	gone     bool // stopped serving: drained, or stopped
	present  bool // in a state that the maximum counts: RUNNING or before it
	taken    bool // this pass stops it
}

func (p *pass) member(t *model.Task) *member {
	m := &member{
		t:       t,
		wanted:  t.DesiredStatus == model.TaskRunning,
		gone:    !t.LastStatus.Before(model.TaskStopping),
		leaving: t.Instance != "" && p.w.Draining[t.Instance],
	}
	m.present = m.wanted || !model.TaskRunning.Before(t.LastStatus)
	m.running = m.wanted && t.LastStatus == model.TaskRunning
	if m.running {
		p.examine(m)
	}
	return m
}

// examine finds out whether a running task is healthy or must be replaced.
func (p *pass) examine(m *member) {
	checked := false
	m.healthy = true
	if p.hasContainerCheck(m.t) {
		checked = true
		m.healthy = m.t.Health == model.Healthy
		if m.t.Health == model.Unhealthy {
			m.ill = "Task failed container health checks"
			m.illText = "(task " + m.t.ID + ") failed container health checks."
		}
	}
	for _, lb := range m.t.LoadBalancers {
		if lb.TargetGroupARN != "" {
			checked = true
			p.examineTarget(m, lb)
		}
	}
	if !checked {
		m.healthy = p.passed(m.t.StartedAt.Add(ProvenAfter))
	}
	// Within the grace period nothing is stopped for its health (1.13).
	if m.ill != "" && !p.passed(m.t.StartedAt.Add(time.Duration(p.w.Service.GracePeriodSeconds)*time.Second)) {
		m.ill, m.illText, m.illCause = "", "", ""
	}
}

func (p *pass) examineTarget(m *member, lb model.ServiceLoadBalancer) {
	target, ok := p.w.Targets[TargetKey{lb.TargetGroupARN, m.t.ARN}]
	if !ok || target.State != model.TargetHealthy {
		m.healthy = false
	}
	if ok && target.State == model.TargetUnhealthy {
		m.ill, m.illCause = "Task failed ELB health checks in (target-group "+lb.TargetGroupARN+")", model.CauseUnhealthy
		m.illText = "(task " + m.t.ID + ") (port " + itoa(lb.ContainerPort) + ") is unhealthy in (target-group " + lb.TargetGroupARN +
			") due to (reason " + target.Description + ")."
	}
}

// hasContainerCheck reports whether an essential container has a health check.
func (p *pass) hasContainerCheck(t *model.Task) bool {
	for _, c := range p.def(t.TaskDefinition).Containers {
		if c.Essential && c.HealthCheck != nil {
			return true
		}
	}
	return false
}

// failed reports whether a task ended without ever having run: what the
// circuit breaker and the back-off count (1.3, 1.12.15).
func failed(t *model.Task) bool {
	return t.DesiredStatus == model.TaskStopped && t.StartedAt.IsZero() && !t.Noted &&
		(t.StopCode == "TaskFailedToStart" || t.StopCode == "EssentialContainerExited")
}

// crashed reports whether a task that ran ended by itself before any of its
// health checks passed. AWS counts it for the circuit breaker, but only starts
// of tasks that never ran are held back (containers-roadmap #1206).
func (p *pass) crashed(t *model.Task) bool {
	return t.DesiredStatus == model.TaskStopped && !t.StartedAt.IsZero() && !t.Noted && !t.Proven &&
		t.StopCode == "EssentialContainerExited" && p.hasCheck(t)
}

// hasCheck reports whether anything looks at the task's health.
func (p *pass) hasCheck(t *model.Task) bool {
	return p.hasContainerCheck(t) ||
		slices.ContainsFunc(t.LoadBalancers, func(lb model.ServiceLoadBalancer) bool { return lb.TargetGroupARN != "" })
}

// count takes note of tasks that failed to start and of those that have
// become healthy: a healthy task ends a run of failures.
func (p *pass) count() {
	for _, m := range p.tasks {
		r := p.entry(m.t.StartedBy)
		if r == nil {
			continue
		}
		switch {
		case failed(m.t):
			p.plan.Noted = append(p.plan.Noted, m.t.ARN)
			p.fail1(r, m.t.StoppingAt)
			p.sayWhy(r, m.t)
		case p.crashed(m.t):
			p.plan.Noted = append(p.plan.Noted, m.t.ARN)
			r.FailedTasks, r.UpdatedAt = r.FailedTasks+1, p.now
		}
	}
	for _, m := range p.tasks {
		r := p.entry(m.t.StartedBy)
		if r == nil || !m.healthy || m.t.Proven {
			continue
		}
		p.plan.Proven = append(p.plan.Proven, m.t.ARN)
		r.FailedTasks, r.FirstFailedAt, r.LastFailedAt, r.HealthCheckFailing = 0, time.Time{}, time.Time{}, false
	}
}

// sayWhy tells the cause of the first failure of a run. It is more than AWS
// says, which is only that tasks cannot be started.
func (p *pass) sayWhy(r *model.Rollout, t *model.Task) {
	if r.FailedTasks == 1 && t.StoppedReason != "" {
		p.say("(task %s) failed to start: %s", t.ID, t.StoppedReason)
	}
}

func (p *pass) fail1(r *model.Rollout, at time.Time) {
	if at.IsZero() {
		at = p.now
	}
	r.FailedTasks++
	if r.FirstFailedAt.IsZero() {
		r.FirstFailedAt = at
	}
	if at.After(r.LastFailedAt) {
		r.LastFailedAt = at
	}
	r.UpdatedAt = p.now
	if r.FailedTasks == throttledFrom {
		p.say(
			"is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS " +
				"Developer Guide.",
		)
	}
}

const (
	throttledFrom = 3
	maxBackoff    = 15 * time.Minute
)

// Backoff is how long to wait before the next start after n failures in a
// row. AWS says only that it grows to fifteen minutes.
func Backoff(n int64) time.Duration {
	if n < throttledFrom {
		return 0
	}
	return min(maxBackoff, 15*time.Second<<min(n-throttledFrom, 16))
}
