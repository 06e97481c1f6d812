// Package reservation decides how many instances the Auto Scaling group of a
// capacity provider should have, as ECS's managed scaling does, and which of
// them scaling in must spare. It is arithmetic on one group, its instances and
// the tasks that wait for the provider, at a moment.
//
// The calculation is AWS's (docs/facts/ec2-launch-type.md E303 to E308): N
// instances are there, M are needed, and the group is scaled so that M is the
// target's percentage of N.
package reservation

import (
	"fmt"
	"math"
	"slices"
	"time"

	"berth/internal/model"
	"berth/internal/plan/placement"
)

// Low is how long the reservation has to be below its target before the group
// is scaled in: the alarm wants 15 points, one a minute.
const Low = 15 * time.Minute

// Host is an instance of the group that neither ends nor has ended, with what
// is left of it.
type Host struct {
	placement.Node
	// Busy says that it has tasks other than a daemon's.
	Busy bool
	// Launched is when it began to run; zero while it is pending.
	Launched time.Time
}

// Facts are a provider and its group at a moment.
type Facts struct {
	Now     time.Time
	Scaling model.ManagedScaling
	// Group has the sizes, and who is protected from scaling in.
	Group *model.AutoScalingGroup
	Hosts []Host
	// Asks are the tasks that wait for the provider.
	Asks []placement.Ask
	// New is what another instance would be, one for each zone of the group.
	New []placement.Node
	// LowSince is since when the reservation has been below its target.
	LowSince time.Time
}

// Plan is what comes of them.
type Plan struct {
	// Needs and Has are M and N, and Percent is CapacityProviderReservation.
	Needs, Has int64
	Percent    float64
	// LowSince is since when Percent has been below the target; zero if it is not.
	LowSince time.Time
	// Desired is how many the group should have: as many as now, if there is no
	// Why.
	Desired int64
	Why     string
}

// Decide measures, and scales by what was measured.
func Decide(f Facts) Plan {
	p := f.measure()
	p.Desired = f.Group.Desired
	target := float64(f.Scaling.Target)
	want := int64(math.Ceil(float64(max(p.Has, 1))*p.Percent/target - 1e-9))
	switch {
	case p.Percent > target:
		f.out(&p, want)
	case p.Percent < target:
		p.LowSince = f.LowSince
		if p.LowSince.IsZero() {
			p.LowSince = f.Now
		}
		f.in(&p, want)
	}
	return p
}

// out raises the desired capacity, once every instance is warm.
func (f Facts) out(p *Plan, want int64) {
	for _, h := range f.Hosts {
		if f.warming(h) {
			return
		}
	}
	if want = min(want, f.Group.Max); want > f.Group.Desired {
		p.scale(want, f.Scaling.Target)
	}
}

// in lowers it by one at least and by half at most in a minute.
func (f Facts) in(p *Plan, want int64) {
	if f.Now.Sub(p.LowSince) < Low || p.Has == 0 {
		return
	}
	want = max(want, p.Has-max(p.Has/2, 1), f.Group.Min)
	if want < min(f.Group.Desired, p.Has) {
		p.scale(want, f.Scaling.Target)
	}
}

func (p *Plan) scale(to, target int64) {
	p.Why = fmt.Sprintf("%d instances are needed and %d are there: a reservation of %.4g %% against a target of %d %%, so that the group is "+
		"to have %d and not %d", p.Needs, p.Has, p.Percent, target, to, p.Desired)
	p.Desired = to
}

func (f Facts) warming(h Host) bool {
	return h.Launched.IsZero() || f.Now.Sub(h.Launched) < time.Duration(f.Scaling.WarmUp)*time.Second
}

// measure is M over N. With neither it is 100, and with tasks but no instance
// 200; while tasks wait that no instance of the group could take it is the
// target.
func (f Facts) measure() Plan {
	nodes := make([]placement.Node, len(f.Hosts))
	for i, h := range f.Hosts {
		nodes[i] = h.Node
	}
	then, left := placement.Try(nodes, f.Asks)
	p := Plan{Has: int64(len(f.Hosts))}
	more, possible := f.more(left)
	switch {
	case more > 0:
		p.Needs = p.Has + min(max(more, f.Scaling.MinStep), f.Scaling.MaxStep)
	case len(left) > 0 && !possible:
		p.Needs, p.Percent = f.used(then), float64(f.Scaling.Target)
		return p
	default:
		p.Needs = f.used(then)
	}
	switch {
	case p.Has > 0:
		p.Percent = float64(p.Needs) / float64(p.Has) * 100
	case p.Needs > 0:
		p.Percent = 200
	default:
		p.Percent = 100
	}
	return p
}

// used counts the instances that have tasks or are about to.
func (f Facts) used(then []placement.Node) int64 {
	var n int64
	for i, h := range f.Hosts {
		if h.Busy || then[i].Took() > 0 {
			n++
		}
	}
	return n
}

// more is the least number of new instances that hold the asks: those with the
// same needs are counted together, and the largest count is taken. It reports
// whether any of them fits on an instance of the group at all.
func (f Facts) more(left []int) (most int64, possible bool) {
	count := map[string]int64{}
	like := map[string]placement.Ask{}
	for _, i := range left {
		a := f.Asks[i]
		key := fmt.Sprint(a.Need, a.Architecture, a.Distinct, a.Subnets, a.Impossible)
		count[key]++
		like[key] = a
	}
	for key, n := range count {
		each := f.each(like[key], n)
		if each == 0 {
			continue
		}
		possible = true
		most = max(most, (n+each-1)/each)
	}
	return most, possible
}

// each is how many of n equal asks fit on one new instance.
func (f Facts) each(a placement.Ask, n int64) int64 {
	var most int64
	for _, fresh := range f.New {
		asks := make([]placement.Ask, n)
		for i := range asks {
			asks[i] = a
		}
		_, left := placement.Try([]placement.Node{fresh}, asks)
		most = max(most, n-int64(len(left)))
	}
	return most
}

// Protection says which instances are to be spared from scaling in from now on,
// and which not any more: those with tasks are; of the others as many lose it
// as the group has too many.
func Protection(f Facts) (add, drop []string) {
	surplus := int64(len(f.Hosts)) - f.Group.Desired
	free := int64(0)
	for _, h := range f.Hosts {
		is := slices.Contains(f.Group.Protected, h.ID)
		if h.Busy && !is {
			add = append(add, h.ID)
		}
		if !h.Busy && !is {
			free++
		}
	}
	for _, h := range f.Hosts {
		if !h.Busy && slices.Contains(f.Group.Protected, h.ID) && free < surplus {
			drop = append(drop, h.ID)
			free++
		}
	}
	return add, drop
}
