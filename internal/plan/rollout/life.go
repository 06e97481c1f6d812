package rollout

import (
	"slices"
	"time"

	"berth/internal/model"
)

// retire ends the deployments that a newer one has replaced (1.3).
func (p *pass) retire() {
	for i := range p.others {
		d := &p.others[i]
		if d.Status.Final() {
			continue
		}
		d.Status, d.StoppedAt, d.FinishedAt = model.DeploymentStopped, p.now, p.now
		if d.StatusReason == "" {
			d.StatusReason = "Service deployment was stopped because a newer service deployment replaced it."
		}
	}
}

// advance makes one move of the current deployment and reports whether it did.
func (p *pass) advance() bool {
	d := p.d
	if d == nil || d.Status.Final() {
		return false
	}
	switch d.Status {
	case model.DeploymentPending:
		p.begin()
		return true
	case model.DeploymentStopRequested:
		if r := p.rollout(d.Target); r != nil {
			p.markFailed(r, "ECS deployment "+r.ID+" was stopped.")
		}
		p.close(model.DeploymentStopped)
		return true
	case model.DeploymentRollbackRequested:
		why := d.RollbackReason
		if why == "" {
			why = "Service deployment rolled back because StopServiceDeployment was called."
		}
		p.turn(why, why)
		return true
	case model.DeploymentRollbackInProgress:
		return p.back()
	default: // nothing to do in the other states
	}
	if p.w.Refusal != "" && !p.refused {
		p.refused = true
		p.turn(p.w.Refusal, p.w.Refusal)
		d.RollbackCause = p.w.RefusalCause
		return true
	}
	if p.failure() {
		return true
	}
	if d.Config.Strategy.Staged() {
		return p.stage()
	}
	return p.rolling()
}

// begin starts a deployment: its alarms are looked at once, and one that is
// already in ALARM switches them off for this deployment (1.3).
func (p *pass) begin() {
	d := p.d
	d.Status, d.StartedAt = model.DeploymentInProgress, p.now
	d.BreakerStatus, d.AlarmStatus = model.MonitorDisabled, model.MonitorDisabled
	if d.Config.CircuitBreaker {
		d.BreakerStatus = model.MonitorActive
	}
	if d.Config.AlarmsEnabled && len(d.Config.Alarms) > 0 {
		d.AlarmStatus = model.MonitorActive
		for _, name := range d.Config.Alarms {
			if p.w.Alarms[name] == model.AlarmFiring {
				d.AlarmStatus = model.MonitorDisabled
			}
		}
	}
	d.Sources = slices.DeleteFunc(slices.Clone(d.Sources), func(arn string) bool {
		r := p.rollout(arn)
		return r == nil || r.State != model.RolloutCompleted && p.here(r) == 0
	})
	p.s.Rollouts = slices.DeleteFunc(p.s.Rollouts, func(r model.Rollout) bool {
		return r.Revision != d.Target && r.State != model.RolloutCompleted && p.here(&r) == 0
	})
	p.note(d.ARN, "stage", "the deployment begins")
}

// rolling moves a ROLLING deployment on: it is done when every task is of the
// target, healthy, the others are gone and the bake time is over.
func (p *pass) rolling() bool {
	d := p.d
	p.settleGroups(d.Target, false)
	to := p.rollout(d.Target)
	if p.passed(d.CreatedAt.Add(deploymentCap)) {
		why := "Service deployment rolled back because it did not complete within 30 days."
		p.turn(why, why)
		return true
	}
	if to == nil || !p.rolledOut(to) {
		d.BakeFrom = time.Time{}
		return false
	}
	if d.BakeFrom.IsZero() {
		d.BakeFrom = p.now
	}
	if !p.passed(d.BakeFrom.Add(d.Config.Bake())) {
		return false
	}
	p.succeed()
	return true
}

// succeed ends a deployment that did what it was for.
func (p *pass) succeed() {
	p.complete(p.prefer(p.rollout(p.d.Target).ID))
	p.s.Revision = p.d.Target
	p.close(model.DeploymentSuccessful)
}

// complete makes a rollout the only one.
func (p *pass) complete(to *model.Rollout) {
	to.State, to.Reason, to.UpdatedAt, to.Status = model.RolloutCompleted, "ECS deployment "+to.ID+" completed.", p.now, model.RolloutPrimary
	p.say("(deployment %s) deployment completed.", to.ID)
	p.s.Rollouts = []model.Rollout{*to}
	p.s.SteadyAt = time.Time{}
}

// close gives the current deployment its final status.
func (p *pass) close(status model.DeploymentStatus) {
	d := p.d
	d.Status, d.FinishedAt = status, p.now
	if status == model.DeploymentStopped {
		d.StoppedAt = p.now
	}
	if d.BreakerStatus == model.MonitorActive {
		d.BreakerStatus = model.MonitorComplete
	}
	if d.AlarmStatus == model.MonitorActive {
		d.AlarmStatus = model.MonitorComplete
	}
	p.s.CurrentDeployment = ""
	p.note(d.ARN, "deployment", "the deployment ends %s", status)
}

// deploying reports whether the current deployment still has work to do.
func (p *pass) deploying() bool { return p.d != nil && !p.d.Status.Final() }

// shiftingNow reports whether the service's way of deploying shifts traffic.
func (p *pass) shiftingNow() bool {
	if p.deploying() {
		return p.d.Config.Strategy.Staged()
	}
	return p.s.Deployment.Strategy.Staged()
}

// staff brings the tasks of every rollout to what the deployment wants.
func (p *pass) staff() {
	switch {
	case !p.deploying():
		p.maintain()
	case p.d.Config.Strategy.Staged():
		p.staffShifting()
	case p.d.Status == model.DeploymentRollbackInProgress:
		p.roll(p.rollout(p.d.RollbackTo))
	default:
		p.roll(p.rollout(p.d.Target))
	}
	for i := range p.s.Rollouts {
		if r := &p.s.Rollouts[i]; r.Desired != p.size(r) {
			r.Desired, r.UpdatedAt = p.size(r), p.now
		}
	}
}

// maintain keeps a service that is not being deployed. One whose last
// deployment failed without a way back stalls: nothing of the failed revision
// is started until the next deployment, and the one before goes on.
func (p *pass) maintain() {
	r := p.primary()
	switch {
	case r == nil:
	case r.State == model.RolloutFailed:
		p.stall(r)
	default:
		p.keep(r, p.s.DesiredCount)
		p.stopOld(p.strays(), scaling)
	}
}

func (p *pass) stall(bad *model.Rollout) {
	c := p.taskSet(bad)
	if over := int64(len(c.all)) - p.s.DesiredCount; over > 0 {
		p.stop(bad, p.choose(c.all, over), scaling)
	}
	for i := range p.s.Rollouts {
		if r := &p.s.Rollouts[i]; r.State == model.RolloutCompleted {
			p.keep(r, p.beside(r, p.taskSet(bad)))
		}
	}
}

// beside is how many tasks of a rollout go on beside those of one that failed:
// what is left of the desired count, but none is stopped for a task of the
// failed one before that is healthy.
func (p *pass) beside(r *model.Rollout, bad taskSet) int64 {
	n := p.s.DesiredCount
	if p.s.Deployment.Strategy.Staged() {
		return n
	}
	rest := max(0, n-int64(len(bad.good)))
	return max(rest, min(int64(len(p.taskSet(r).good)), n-healthyIn(bad.good)))
}

func (p *pass) staffShifting() {
	for i := range p.s.Rollouts {
		r := &p.s.Rollouts[i]
		if n := p.size(r); n > 0 {
			p.keep(r, n)
		} else {
			p.stop(r, p.choose(p.taskSet(r).all, int64(len(p.taskSet(r).all))), scaling)
		}
	}
	p.stopOld(p.strays(), scaling)
}

// size is how many tasks a rollout should have now.
func (p *pass) size(r *model.Rollout) int64 {
	n := p.s.DesiredCount
	if !p.deploying() {
		if r.State == model.RolloutCompleted || r.Status == model.RolloutPrimary && r.State != model.RolloutFailed {
			return n
		}
		return int64(len(p.taskSet(r).all))
	}
	d := p.d
	if !d.Config.Strategy.Staged() {
		if r.Status == model.RolloutPrimary {
			return n
		}
		return min(n, int64(len(p.taskSet(r).all)))
	}
	rank := d.Stage.Rank()
	back := d.Status == model.DeploymentRollbackInProgress
	switch {
	case r.Revision == d.Target && back:
		return only(d.Stage != model.StageCleanUp && rank >= 0, n)
	case r.Revision == d.Target:
		return only(rank >= model.StageScaleUp.Rank(), n)
	case r.Revision == p.blue():
		return only(back || d.Stage != model.StageCleanUp, n)
	default:
		return 0
	}
}

func only(yes bool, n int64) int64 {
	if yes {
		return n
	}
	return 0
}

// steady says that the service is steady: when it becomes so, and every few
// hours as long as it stays.
func (p *pass) steady() {
	if !p.isSteady() {
		p.s.SteadyAt = time.Time{}
		return
	}
	every := p.w.Options.SteadyEvery
	if every == 0 {
		every = 6 * time.Hour
	}
	again := !p.s.SteadyAt.IsZero()
	if again && !p.passed(p.s.SteadyAt.Add(every)) {
		return
	}
	p.s.SteadyAt = p.now
	p.plan.Steady = again
	p.wake(p.now.Add(every))
	p.say("has reached a steady state.")
}

func (p *pass) isSteady() bool {
	r := p.primary()
	if p.deploying() || r == nil || r.State != model.RolloutCompleted || len(p.plan.Start)+len(p.plan.Stop) > 0 {
		return false
	}
	for _, m := range p.tasks {
		if m.t.LastStatus != model.TaskStopped && (!m.running || !m.healthy) && !m.gone {
			return false
		}
	}
	return int64(len(p.taskSet(r).all)) == p.s.DesiredCount
}

// drain empties a service that was deleted; when its last task has stopped it
// is INACTIVE.
func (p *pass) drain() {
	left := 0
	for _, m := range p.tasks {
		if m.t.LastStatus != model.TaskStopped {
			left++
		}
	}
	if p.d != nil {
		p.others = append(p.others, *p.d)
		p.d = nil
	}
	p.retire()
	var wanted []*member
	for _, m := range p.tasks {
		if m.wanted {
			wanted = append(wanted, m)
		}
	}
	p.stopOld(wanted, scaling)
	p.s.CurrentDeployment = ""
	if left == 0 {
		p.s.Status, p.s.Rollouts = model.ServiceInactive, nil
		p.note(p.s.ARN, "state", "the service is INACTIVE: its last task has stopped")
	}
}
