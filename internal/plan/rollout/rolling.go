package rollout

import "berth/internal/model"

const stuck = "was unable to stop or start tasks during a deployment because of the service deployment configuration. " +
	"Update the minimumHealthyPercent or maximumPercent value and try again."

// roll moves a service from its old rollouts to one, within the minimum and
// maximum of healthy and existing tasks.
func (p *pass) roll(to *model.Rollout) {
	lower, upper := p.bounds()
	c := p.taskSet(to)
	var old []*member
	for i := range p.s.Rollouts {
		if r := &p.s.Rollouts[i]; r.ID != to.ID {
			old = append(old, p.taskSet(r).all...)
		}
	}
	old = append(old, p.strays()...)
	idle, serving := split(old)
	p.stopOld(idle, "")
	n := p.s.DesiredCount
	need, space := n-int64(len(c.good)), upper-p.present(nil)
	started := p.startable(to, need, space)
	p.start(to, started, min(started, int64(len(c.ill))))
	floor := n
	if need > started && space <= started {
		floor = lower
	}
	can := healthyIn(c.all) + int64(len(serving)) - floor
	stopped := p.stopOld(p.choose(serving, max(0, can)), "")
	p.replaceIll(c, n, space-started)
	p.releaseLeaving(c, n, lower, space-started)
	if over := int64(len(c.good)) - n; over > 0 {
		p.stop(to, p.choose(c.good, over), scaling)
	}
	settled := len(idle) == 0 && healthyIn(c.all) == int64(len(c.all)) && healthyIn(serving) == int64(len(serving))
	if p.starting && need > 0 && started == 0 && stopped == 0 && space <= 0 && settled && p.allGone() && !p.saidLately(stuck) {
		p.say(stuck)
	}
}

// strays are wanted tasks of the service that belong to none of its rollouts.
func (p *pass) strays() []*member {
	var out []*member
	for _, m := range p.tasks {
		if m.wanted && !m.taken && p.entry(m.t.StartedBy) == nil {
			out = append(out, m)
		}
	}
	return out
}

// allGone reports whether every task that was told to stop has.
func (p *pass) allGone() bool {
	for _, m := range p.tasks {
		if !m.wanted && !m.gone {
			return false
		}
	}
	return true
}

// split parts old tasks into those that may go at once, since they serve
// nobody, and those that serve.
func split(old []*member) (idle, serving []*member) {
	for _, m := range old {
		if m.running && m.ill == "" {
			serving = append(serving, m)
		} else {
			idle = append(idle, m)
		}
	}
	return idle, serving
}

// stopOld stops tasks of other rollouts, each in the name of its own.
func (p *pass) stopOld(ms []*member, reason string) int {
	by := map[string][]*member{}
	for _, m := range ms {
		by[m.t.StartedBy] = append(by[m.t.StartedBy], m)
	}
	for _, id := range sortedKeys(by) {
		r := p.entry(id)
		if r == nil {
			r = &model.Rollout{ID: id}
		}
		p.stop(r, by[id], reason)
	}
	return len(ms)
}

// rolledOut reports whether every task is of the rollout and healthy, and all
// others are gone.
func (p *pass) rolledOut(to *model.Rollout) bool {
	c := p.taskSet(to)
	n := p.s.DesiredCount
	if healthyIn(c.good) < n || int64(len(c.good)) != n || len(c.ill)+len(c.leaving) > 0 {
		return false
	}
	for _, m := range p.tasks {
		if m.t.StartedBy != to.ID && !m.gone {
			return false
		}
	}
	return true
}
