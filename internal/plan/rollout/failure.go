package rollout

import (
	"slices"
	"time"

	"berth/internal/model"
)

// Threshold is how many failures in a row trip the circuit breaker (1.3).
func Threshold(desired int64) int64 { return min(max((desired+1)/2, 3), 200) }

// failure looks for a reason to give the deployment up: the circuit breaker
// or an alarm.
func (p *pass) failure() bool {
	d := p.d
	r := p.rollout(d.Target)
	if r != nil {
		d.FailureCount = r.FailedTasks
	}
	if d.Config.CircuitBreaker && r != nil && r.FailedTasks >= Threshold(p.s.DesiredCount) {
		d.BreakerStatus = model.MonitorTriggered
		text := "tasks failed to start."
		if r.HealthCheckFailing {
			text = "tasks failed health checks."
		}
		p.trip(d.Config.CircuitRollback, "ECS deployment circuit breaker: "+text, text)
		return true
	}
	if d.AlarmStatus != model.MonitorActive {
		return false
	}
	for _, name := range d.Config.Alarms {
		if p.w.Alarms[name] == model.AlarmFiring {
			d.TriggeredAlarms = append(d.TriggeredAlarms, name)
		}
	}
	if len(d.TriggeredAlarms) == 0 {
		return false
	}
	d.AlarmStatus = model.MonitorTriggered
	p.trip(d.Config.AlarmsRollback, "ECS deployment failed: alarm detected.", "alarm detected.")
	return true
}

// trip ends a deployment by a failure mechanism: it rolls back if it is meant
// to, else the deployment stops where it is and the service stalls.
func (p *pass) trip(rollback bool, reason, text string) {
	if rollback {
		p.turn(reason, text)
		return
	}
	r := p.rollout(p.d.Target)
	p.say("(deployment %s) deployment failed: %s", r.ID, text)
	p.markFailed(r, reason)
	p.d.StatusReason = reason
	p.close(model.DeploymentStopped)
}

func (p *pass) markFailed(r *model.Rollout, reason string) {
	r.State, r.Reason, r.UpdatedAt = model.RolloutFailed, reason, p.now
}

// turn gives a deployment up and begins the way back. reason is for the
// deployment's record, text for the service event.
func (p *pass) turn(reason, text string) {
	d := p.d
	if d.Status != model.DeploymentInProgress && d.Status != model.DeploymentRollbackRequested && d.Status != model.DeploymentPending {
		return
	}
	r := p.rollout(d.Target)
	if r != nil {
		switch {
		case reason == text:
			p.say("deployment failed: %s", text)
		default:
			p.say("(deployment %s) deployment failed: %s", r.ID, text)
		}
		p.markFailed(r, reason)
	}
	p.note(d.ARN, "rollback", "%s", reason)
	d.RollbackReason, d.StatusReason = reason, reason
	to := p.candidate()
	if to == nil {
		p.stranded()
		return
	}
	d.Status, d.RollbackAt, d.RollbackTo, d.BakeFrom = model.DeploymentRollbackInProgress, p.now, to.Revision, time.Time{}
	p.say("rolling back to deployment %s.", to.ID)
	to = p.prefer(to.ID)
	to.State, to.UpdatedAt = model.RolloutInProgress, p.now
	to.Reason = "ECS deployment circuit breaker: rolling back to deploymentId " + to.ID + "."
	if d.BreakerStatus != model.MonitorTriggered {
		to.Reason = "ECS deployment " + to.ID + " in progress."
	}
	p.enter(p.firstBack(), d.Step)
}

// candidate is the rollout to go back to: the last that completed, or the one
// that serves production.
func (p *pass) candidate() *model.Rollout {
	if arn := p.blue(); arn != "" {
		return p.rollout(arn)
	}
	return nil
}

// stranded ends a failed deployment that has nothing to go back to. What it
// started for a shift of traffic is stopped; a rolling one stalls as it is.
func (p *pass) stranded() {
	d := p.d
	d.StatusReason, d.RollbackAt = "No rollback candidate was found to run the rollback.", p.now
	if r := p.rollout(d.Target); r != nil && d.Config.Strategy.Staged() {
		p.stop(r, p.taskSet(r).all, scaling)
	}
	p.close(model.DeploymentRollbackFailed)
}

// prefer makes a rollout the primary one, which is listed first.
func (p *pass) prefer(id string) *model.Rollout {
	slices.SortStableFunc(p.s.Rollouts, func(a, b model.Rollout) int { return order(b.ID == id, a.ID == id) })
	for i := range p.s.Rollouts {
		p.s.Rollouts[i].Status = model.RolloutActive
	}
	p.s.Rollouts[0].Status = model.RolloutPrimary
	return &p.s.Rollouts[0]
}

// firstBack is the stage at which a rollback begins: whatever was shifted is
// shifted back, production first, and hooks of those stages are called again.
func (p *pass) firstBack() model.Stage {
	d := p.d
	switch {
	case !d.Config.Strategy.Staged():
		return model.StageCleanUp
	case d.Stage.Rank() >= model.StageProductionTrafficShift.Rank() || len(d.ProductionWeights) > 0:
		return model.StageProductionTrafficShift
	case d.Stage.Rank() >= model.StageTestTrafficShift.Rank():
		return model.StageTestTrafficShift
	default:
		return model.StageCleanUp
	}
}

// back walks a rollback: production, test, then green's tasks.
func (p *pass) back() bool {
	d := p.d
	to := p.rollout(d.RollbackTo)
	if to == nil {
		d.StatusReason = "No rollback candidate was found to run the rollback."
		p.close(model.DeploymentRollbackFailed)
		return true
	}
	if !d.Config.Strategy.Staged() {
		return p.backRolling(to)
	}
	if p.w.Refusal != "" && !p.refused {
		// Where the rules point is unknown now, so both revisions stay up.
		p.refused = true
		d.StatusReason, d.RollbackCause = p.w.Refusal, p.w.RefusalCause
		to.State = model.RolloutCompleted
		p.close(model.DeploymentRollbackFailed)
		return true
	}
	switch d.Stage {
	case model.StageProductionTrafficShift:
		return p.backShift(false, model.StageTestTrafficShift)
	case model.StageTestTrafficShift:
		return p.backShift(true, model.StageCleanUp)
	default:
		if r := p.rollout(d.Target); r != nil && p.here(r) > 0 || !p.staffed(to) {
			return false
		}
		p.returned(to)
		return true
	}
}

func (p *pass) backShift(test bool, next model.Stage) bool {
	if !p.shift(test, 0, "traffic back to the last good revision") {
		return false
	}
	if test {
		p.d.TestWeights = p.percents(0)
	} else {
		p.d.ProductionWeights = p.percents(0)
	}
	if p.hooks(true) == waiting {
		return false
	}
	p.enter(next, p.d.Step)
	return true
}

// staffed reports whether a rollout has all its tasks, healthy.
func (p *pass) staffed(r *model.Rollout) bool {
	return healthyIn(p.taskSet(r).good) >= p.s.DesiredCount
}

func (p *pass) backRolling(to *model.Rollout) bool {
	if !p.rolledOut(to) {
		return false
	}
	p.returned(to)
	return true
}

// returned ends a rollback that worked: the service is again what the
// revision before said. No new revision is made.
func (p *pass) returned(to *model.Rollout) {
	rev := p.rev(to.Revision)
	p.s.Revision, p.s.TaskDefinition = rev.ARN, rev.TaskDefinition
	p.s.LoadBalancers, p.s.Network = model.Clone(rev.LoadBalancers), model.Clone(rev.Network)
	p.s.Strategy, p.s.LaunchType, p.s.PlatformVersion = slices.Clone(rev.Strategy), rev.LaunchType, rev.Platform
	p.complete(to)
	p.close(model.DeploymentRollbackSuccessful)
}
