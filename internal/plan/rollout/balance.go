package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/model"
)

// Availability Zone rebalancing: a steady service that has at least two tasks
// more in one zone than in another starts tasks where there are fewest, and
// stops as many where there are most once those are healthy (ECS guide,
// service-rebalancing.html, read 2026-11-29).
const (
	// BalanceAfter is how long a service must have been steady. AWS does not
	// say; two tasks stayed in one zone for seven minutes (the seed).
	BalanceAfter = 10 * time.Minute
	// What finds no place in its zone is given up after a while, and a try
	// that came to nothing is not repeated at once.
	balancePatience = 10 * time.Minute
	balanceBackoff  = 30 * time.Minute
)

const ()

// balance begins to even a steady service out, and says when it is even again.
func (p *pass) balance() {
	r := p.primary()
	if p.s.AZRebalancing != "ENABLED" || !p.s.Balanceable() || p.s.SteadyAt.IsZero() || !p.isSteady() ||
		model.OnZone(p.def(p.rev(r.Revision).TaskDefinition).PlacementConstraints) {
		return
	}
	count := p.perZone(r)
	moves := evenOut(count)
	if len(moves) == 0 {
		if p.lastBalance() == model.CauseUnbalanced {
			p.tell(model.CauseBalanced, "is AZ balanced with %s.", census(count))
		}
		return
	}
	if !p.passed(p.s.SteadyAt.Add(BalanceAfter)) || !p.retriable() {
		return
	}
	_, upper := p.bounds()
	space := upper - p.present(nil)
	if space <= 0 {
		return
	}
	p.tell(model.CauseUnbalanced, "is not AZ balanced with %s. AZ Rebalancing in progress.", census(count))
	for _, zone := range sortedKeys(moves) {
		n := min(moves[zone], space)
		p.startIn(r, zone, n)
		space -= n
	}
}

// perZone counts a rollout's tasks in every zone that it may use.
func (p *pass) perZone(r *model.Rollout) map[string]int64 {
	out := map[string]int64{}
	for _, s := range p.rev(r.Revision).Network.Subnets {
		if z := p.w.Zones[s]; z != "" {
			out[z] = 0
		}
	}
	for _, m := range p.taskSet(r).all {
		if _, ok := out[m.t.AvailabilityZone]; ok {
			out[m.t.AvailabilityZone]++
		}
	}
	return out
}

// evenOut says how many tasks each zone should get from others, so that no two
// differ by more than one.
func evenOut(count map[string]int64) map[string]int64 {
	left, moves := map[string]int64{}, map[string]int64{}
	for z, n := range count {
		left[z] = n
	}
	zones := sortedKeys(left)
	for len(zones) > 1 {
		by := func(a, b string) int { return cmp.Compare(left[a], left[b]) }
		least, most := slices.MinFunc(zones, by), slices.MaxFunc(zones, by)
		if left[most]-left[least] < 2 {
			break
		}
		left[most]--
		left[least]++
		moves[least]++
	}
	return moves
}

// census lists zones with their tasks, as AWS's events do.
func census(count map[string]int64) string {
	var out []string
	for _, z := range sortedKeys(count) {
		out = append(out, fmt.Sprintf("%d tasks in %s", count[z], z))
	}
	if n := len(out); n > 1 {
		out[n-1] = "and " + out[n-1]
	}
	return strings.Join(out, ", ")
}

// lastBalance is what the service's events said last of its balance.
func (p *pass) lastBalance() string {
	for _, e := range p.w.Service.Events {
		if c := e.Cause.Code; c == model.CauseUnbalanced || c == model.CauseBalanced {
			return c
		}
	}
	return ""
}

// retriable reports whether no task that should have evened the service out
// has lately come to nothing.
func (p *pass) retriable() bool {
	for _, m := range p.tasks {
		if m.t.Balancing && !m.wanted && m.t.StartedAt.IsZero() && !p.passed(m.t.StoppingAt.Add(balanceBackoff)) {
			return false
		}
	}
	return true
}

// startIn plans n more tasks of a rollout, for one zone.
func (p *pass) startIn(r *model.Rollout, zone string, n int64) {
	if n <= 0 {
		return
	}
	var ids []string
	for range n {
		t := p.newTask(r)
		t.Balancing = true
		t.Network.Subnets = slices.DeleteFunc(t.Network.Subnets, func(s string) bool { return p.w.Zones[s] != zone })
		p.plan.Start = append(p.plan.Start, t)
		p.note(t.ARN, "desired", "%s has fewer tasks of %s than another zone", zone, p.s.Name)
		p.tasks = append(p.tasks, p.member(&t))
		ids = append(ids, "(task "+t.ID+")")
	}
	p.tell(model.CauseStarted, "has started %d tasks in %s to AZ Rebalance: %s.", n, zone, strings.Join(ids, " "))
	r.UpdatedAt = p.now
}

// standing are the good tasks of a task set that count towards n. Those that are to
// even the service out do not until they are healthy: they are more than it
// should have. One that finds no place for too long is given up.
func (p *pass) standing(c taskSet, n int64) []*member {
	return slices.DeleteFunc(slices.Clone(c.good), func(m *member) bool {
		if n < 2 || !m.t.Balancing || m.healthy || m.t.Proven {
			return false
		}
		if m.t.Instance == "" && p.passed(m.t.CreatedAt.Add(balancePatience)) {
			p.say("is unable to place a task in %s because no container instance met all of its requirements.", p.zoneOf(m.t))
			p.stop(c.r, []*member{m}, scaling)
		}
		return true
	})
}

func (p *pass) zoneOf(t *model.Task) string {
	for _, s := range t.Network.Subnets {
		return p.w.Zones[s]
	}
	return ""
}

// trim stops what a rollout has more than n good tasks: where there are most,
// and in the name of balance as many as have just become healthy elsewhere.
func (p *pass) trim(c taskSet, n int64) {
	over := int64(len(c.good)) - n
	if over <= 0 {
		return
	}
	arrived := int64(0)
	for _, m := range c.good {
		if m.t.Balancing && m.healthy && !m.t.Proven {
			arrived++
		}
	}
	out := p.choose(c.good, over)
	rest := out[:over-min(arrived, over)]
	p.stop(c.r, rest, scaling)
	for _, m := range out[len(rest):] {
		p.stopFor(c.r, []*member{m}, scaling, " in "+m.t.AvailabilityZone+" due to AZ rebalancing")
	}
}
