package rollout

import (
	"time"

	"berth/internal/model"
)

const (
	stageCap      = 24 * time.Hour
	deploymentCap = 30 * 24 * time.Hour
)

// Steps are the shares of production traffic that green gets, one after the
// other (1.4).
func Steps(c model.DeploymentConfiguration) []float64 {
	switch c.Strategy {
	case model.StrategyCanary:
		if c.CanaryPercent >= 100 {
			return []float64{100}
		}
		return []float64{c.CanaryPercent, 100}
	case model.StrategyLinear:
		var out []float64
		if c.LinearStepPercent > 0 {
			for tenth := 1; ; tenth++ {
				share := float64(int64(c.LinearStepPercent*10)*int64(tenth)) / 10
				if share >= 100 {
					break
				}
				out = append(out, share)
			}
		}
		return append(out, 100)
	default:
		return []float64{100}
	}
}

// stepBake is the wait after every step but the last.
func stepBake(c model.DeploymentConfiguration) time.Duration {
	switch c.Strategy {
	case model.StrategyCanary:
		return time.Duration(c.CanaryBakeMinutes) * time.Minute
	case model.StrategyLinear:
		return time.Duration(c.LinearBakeMinutes) * time.Minute
	default:
		return 0
	}
}

// blue is the revision that green replaces: the one that serves production
// now, "" on the first deployment.
func (p *pass) blue() string {
	if p.d == nil {
		return ""
	}
	if p.d.RollbackTo != "" {
		return p.d.RollbackTo
	}
	var last string
	for _, arn := range p.d.Sources {
		r := p.rollout(arn)
		if r == nil {
			continue
		}
		if p.serves(arn) {
			return arn
		}
		if r.State == model.RolloutCompleted {
			last = arn
		}
	}
	return last
}

// serves reports whether a production rule sends most traffic to a revision.
func (p *pass) serves(arn string) bool {
	rev := p.rev(arn)
	for i, lb := range rev.LoadBalancers {
		if advanced(lb) && i < len(rev.Groups) {
			return mostly(p.w.Rules[lb.ProductionListenerRule]) == rev.Groups[i]
		}
	}
	return false
}

// stage does what the current stage of a shifting deployment asks, and moves
// on when it is done. It reports whether anything moved.
func (p *pass) stage() bool {
	d := p.d
	if d.Stage == "" {
		p.enter(p.first(), 0)
		return true
	}
	if p.overdue() {
		return true
	}
	if !p.act() {
		return p.d.Status != model.DeploymentInProgress
	}
	switch p.hooks(false) {
	case waiting:
		return false
	case refused:
		return true
	case allowed:
	}
	if !p.waited() {
		return false
	}
	p.next()
	return true
}

// first is where a deployment begins: it reconciles only if a revision other
// than the one in production is active.
func (p *pass) first() model.Stage {
	keep := p.blue()
	for i := range p.s.Rollouts {
		if r := &p.s.Rollouts[i]; r.Revision != keep && r.Revision != p.d.Target && p.here(r) > 0 {
			return model.StageReconcileService
		}
	}
	return model.StagePreScaleUp
}

func (p *pass) enter(stage model.Stage, step int64) {
	d := p.d
	d.Stage, d.StageAt, d.StageDone, d.Step, d.BakeFrom = stage, p.now, false, step, time.Time{}
	p.note(d.ARN, "stage", "the deployment enters %s", stage)
}

// act does the work of a stage and reports whether it is done.
func (p *pass) act() bool {
	d := p.d
	switch d.Stage {
	case model.StageReconcileService:
		return p.reconcile()
	case model.StageScaleUp:
		return p.scaleUp()
	case model.StageTestTrafficShift:
		if !p.shift(true, 100, "test traffic to green") {
			return false
		}
		d.TestWeights = p.percents(100)
	case model.StageProductionTrafficShift:
		share := Steps(d.Config)[d.Step]
		if !p.shift(false, share, "production traffic to green") {
			return false
		}
		d.ProductionWeights = p.percents(share)
	case model.StageCleanUp:
		return p.cleanedUp()
	default: // the other stages only wait
	}
	return true
}

// reconcile leaves one revision active: the one in production. Its rule is
// brought to 100/0 and the tasks of the others go (staff stops them).
func (p *pass) reconcile() bool {
	keep := p.blue()
	rev := p.rev(keep)
	done := true
	for i, lb := range rev.LoadBalancers {
		if advanced(lb) && i < len(rev.Groups) && len(serving(p.w.Rules[lb.ProductionListenerRule])) > 1 {
			done = p.shiftTo(lb, lb.ProductionListenerRule, rev.Groups[i], other(lb, rev.Groups[i]), 100, "back to one revision") && done
		}
	}
	for i := range p.s.Rollouts {
		if r := &p.s.Rollouts[i]; r.Revision != keep && r.Revision != p.d.Target && p.here(r) > 0 {
			done = false
		}
	}
	return done
}

// scaleUp is done when every task of green is healthy in its target group.
func (p *pass) scaleUp() bool {
	if why := p.networking(); why != "" {
		p.turn(why, why)
		return false
	}
	p.settleGroups(p.d.Target, true)
	if !p.attach() {
		return false
	}
	r := p.rollout(p.d.Target)
	c := p.taskSet(r)
	return healthyIn(c.good) >= p.s.DesiredCount && int64(len(c.all)) == p.s.DesiredCount
}

func (p *pass) cleanedUp() bool {
	for i := range p.s.Rollouts {
		if r := &p.s.Rollouts[i]; r.Revision != p.d.Target && p.here(r) > 0 {
			return false
		}
	}
	return true
}

// waited reports whether the wait that belongs to the stage is over.
func (p *pass) waited() bool {
	d := p.d
	switch {
	case d.Stage == model.StageBakeTime:
		return p.passed(d.StageAt.Add(d.Config.Bake()))
	case d.Stage == model.StageProductionTrafficShift && int(d.Step) < len(Steps(d.Config))-1:
		if d.BakeFrom.IsZero() {
			d.BakeFrom, d.StageDone = p.now, true
		}
		return p.passed(d.BakeFrom.Add(stepBake(d.Config)))
	default:
		return true
	}
}

// next leaves a finished stage.
func (p *pass) next() {
	d := p.d
	last := int64(len(Steps(d.Config)) - 1)
	switch {
	case d.Stage == model.StageCleanUp:
		p.succeed()
	case d.Stage == model.StageProductionTrafficShift && d.Step < last:
		p.enter(model.StagePreProductionTrafficShift, d.Step+1)
	case d.Stage == model.StagePostProductionTrafficShift && p.blue() == "" && !p.w.Options.BakeFirst:
		p.enter(model.StageCleanUp, d.Step)
	default:
		p.enter(model.Stages[d.Stage.Rank()+1], d.Step)
	}
}

// overdue fails a deployment whose stage is older than a day, unless a PAUSE
// hook, which may wait for two weeks, holds it.
func (p *pass) overdue() bool {
	d := p.d
	paused := false
	for _, h := range d.Hooks {
		paused = paused || h.TargetType == "PAUSE" && h.Stage == d.Stage && h.Step == d.Step
	}
	limit := d.StageAt.Add(stageCap)
	if d.Stage == model.StageBakeTime || d.Stage == model.StageProductionTrafficShift {
		// The wait itself may be a whole day, the cap counts from its end.
		limit = limit.Add(max(d.Config.Bake(), stepBake(d.Config)))
	}
	if !paused && p.passed(limit) {
		why := "Service deployment rolled back because the " + string(d.Stage) + " stage did not complete within 24 hours."
		p.turn(why, why)
		return true
	}
	if p.passed(d.CreatedAt.Add(deploymentCap)) {
		why := "Service deployment rolled back because it did not complete within 30 days."
		p.turn(why, why)
		return true
	}
	return false
}
