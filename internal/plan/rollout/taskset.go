package rollout

import (
	"slices"
	"strings"

	"berth/internal/model"
)

// bounds are the limits on the number of tasks of a service (1.3): the lower
// is rounded up, the upper down.
func (p *pass) bounds() (lower, upper int64) {
	d, c := p.s.DesiredCount, p.s.Deployment
	return (d*c.MinimumHealthyPercent + 99) / 100, d * c.MaximumPercent / 100
}

// taskSet are the tasks of one rollout that are meant to run, sorted out.
type taskSet struct {
	r       *model.Rollout
	all     []*member
	good    []*member // neither ill nor leaving
	ill     []*member
	leaving []*member
}

func (p *pass) taskSet(r *model.Rollout) taskSet {
	c := taskSet{r: r}
	for _, m := range p.tasks {
		if m.t.StartedBy != r.ID || !m.wanted || m.taken {
			continue
		}
		c.all = append(c.all, m)
		switch {
		case m.ill != "":
			c.ill = append(c.ill, m)
		case m.leaving:
			c.leaving = append(c.leaving, m)
		default:
			c.good = append(c.good, m)
		}
	}
	return c
}

func (c taskSet) healthy() (n int64) { return healthyIn(c.all) }

func healthyIn(ms []*member) (n int64) {
	for _, m := range ms {
		if m.healthy && m.ill == "" {
			n++
		}
	}
	return n
}

// here is how many tasks of the rollout have not gone yet.
func (p *pass) here(r *model.Rollout) (n int) {
	for _, m := range p.tasks {
		if m.t.StartedBy == r.ID && !m.gone {
			n++
		}
	}
	return n
}

// present is how many tasks of a rollout, or of all for nil, the maximum counts.
func (p *pass) present(r *model.Rollout) (n int64) {
	for _, m := range p.tasks {
		if m.present && (r == nil || m.t.StartedBy == r.ID) {
			n++
		}
	}
	return n
}

// startable is how many of wanted tasks of a rollout may start now.
func (p *pass) startable(r *model.Rollout, wanted, space int64) int64 {
	n := min(wanted, space)
	if n <= 0 {
		return 0
	}
	if p.scouting(r) {
		n = min(n, 1-int64(len(p.taskSet(r).all)))
	}
	if n > 0 && !p.passed(r.LastFailedAt.Add(Backoff(r.FailedTasks))) && r.FailedTasks >= throttledFrom {
		return 0
	}
	return max(n, 0)
}

// keep brings one rollout to n tasks and replaces what is ill or leaving:
// start first where the maximum allows, else stop one at a time.
func (p *pass) keep(r *model.Rollout, n int64) {
	c, pc := p.taskSet(r), p.s.Deployment
	c.good = p.standing(c, n)
	lower, upper, counted := (n*pc.MinimumHealthyPercent+99)/100, max(n*pc.MaximumPercent/100, n), r
	if !p.shiftingNow() {
		// What is rolled shares one maximum; what is shifted has one each.
		_, upper = p.bounds()
		counted = nil
	}
	need, space := n-int64(len(c.good)), upper-p.present(counted)
	started := p.startable(r, need, space)
	p.start(r, started, min(started, int64(len(c.ill))))
	p.replaceIll(c, n, space)
	p.releaseLeaving(c, n, lower, space-started)
	p.trim(c, n)
}

// replaceIll stops the ill for whom healthy tasks stand in; if no more may be
// started and nothing is starting, it stops one to make way.
func (p *pass) replaceIll(c taskSet, n, space int64) {
	ill := int64(len(c.ill))
	k := max(0, min(ill, c.healthy()+ill-n))
	one := space <= 0 && int64(len(c.good)) == healthyIn(c.good) && p.present(c.r) == int64(len(c.all))
	if k == 0 && ill > 0 && one {
		k = 1
	}
	for _, m := range p.choose(c.ill, k) {
		p.say("%s", m.illText)
		p.stop(c.r, []*member{m}, m.ill)
		// A task that fails its health checks is a failure of the deployment.
		p.fail1(c.r, p.now)
		c.r.HealthCheckFailing = true
	}
}

// releaseLeaving stops tasks on instances that are being emptied: those that
// do not run yet at once, the others once the minimum allows it.
func (p *pass) releaseLeaving(c taskSet, n, lower, space int64) {
	var idle, busy []*member
	for _, m := range c.leaving {
		if m.running {
			busy = append(busy, m)
		} else {
			idle = append(idle, m)
		}
	}
	p.stop(c.r, idle, scaling)
	floor := n
	if space <= 0 {
		floor = min(lower, n)
	}
	// A task that runs and has not yet proven its health serves all the same:
	// it goes first, and not before somebody stands in for it.
	slices.SortStableFunc(busy, func(a, b *member) int { return order(a.healthy, b.healthy) })
	k := min(max(healthyIn(c.good)+int64(len(busy))-floor, 0), int64(len(busy)))
	p.stop(c.r, busy[:k], scaling)
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

const scaling = ""

// stop plans the end of tasks. An empty reason means the scheduler's own.
func (p *pass) stop(r *model.Rollout, ms []*member, reason string) { p.stopFor(r, ms, reason, "") }

// stopFor stops tasks and tells of running ones with a cause.
func (p *pass) stopFor(r *model.Rollout, ms []*member, reason, cause string) {
	var running []string
	pending := 0
	for _, m := range ms {
		if m.taken || !m.wanted {
			continue
		}
		m.taken, m.wanted = true, false
		why, code := reason, ""
		switch why {
		case scaling:
			why, code = "Scaling activity initiated by (deployment "+r.ID+")", model.CauseScaling
		case m.ill:
			code = m.illCause
		}
		p.plan.Stop = append(p.plan.Stop, Stop{m.t.ARN, "ServiceSchedulerInitiated", why, code})
		p.note(m.t.ARN, "stopped", "%s", why)
		if m.running {
			running = append(running, "(task "+m.t.ID+")")
		} else {
			pending++
		}
	}
	if len(running) > 0 {
		p.say("has stopped %d running tasks%s: %s.", len(running), cause, strings.Join(running, " "))
	}
	if pending > 0 {
		p.say("stopped %d pending tasks.", pending)
	}
	if len(running)+pending > 0 {
		r.UpdatedAt, p.more = p.now, true
	}
}

// choose picks k of the tasks to stop: first those that do not run, then the
// unhealthy, then from the zone with the most tasks of the service, then from
// the instance with the most, then the oldest (1.3).
func (p *pass) choose(ms []*member, k int64) []*member {
	left := slices.Clone(ms)
	zone, instance := map[string]int{}, map[string]int{}
	for _, m := range p.tasks {
		if m.wanted {
			zone[m.t.AvailabilityZone]++
			instance[m.t.Instance]++
		}
	}
	var out []*member
	for int64(len(out)) < k && len(left) > 0 {
		best := 0
		for i := range left {
			if before(left[i], left[best], zone, instance) {
				best = i
			}
		}
		m := left[best]
		zone[m.t.AvailabilityZone]--
		instance[m.t.Instance]--
		out, left = append(out, m), slices.Delete(left, best, best+1)
	}
	return out
}

func before(a, b *member, zone, instance map[string]int) bool {
	if c := order(a.running, b.running); c != 0 {
		return c < 0
	}
	if c := order(a.healthy, b.healthy); c != 0 {
		return c < 0
	}
	if x, y := zone[a.t.AvailabilityZone], zone[b.t.AvailabilityZone]; x != y {
		return x > y
	}
	if x, y := instance[a.t.Instance], instance[b.t.Instance]; x != y {
		return x > y
	}
	if !a.t.CreatedAt.Equal(b.t.CreatedAt) {
		return a.t.CreatedAt.Before(b.t.CreatedAt)
	}
	return a.t.ARN < b.t.ARN
}
