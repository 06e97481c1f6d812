package scaling

import (
	"cmp"
	"fmt"
	"slices"
)

// proposal is what one signal comes to: a new desired count, or why not. Which
// way it pulls is known either way.
type proposal struct {
	policy Policy
	signal Signal
	out    bool
	from   int64
	to     int64
	why    string
	kept   *Kept
}

// keep makes the proposal come to nothing, with AWS's reason, if it has one, and
// the figure that goes with it.
func (x proposal) keep(w World, code, why string) proposal {
	k := Kept{Policy: x.policy.ScalingPolicy, Alarm: x.signal.Alarm, Code: code, Why: why}
	switch code {
	case AtMax:
		k.Max = &w.Target.Max
	case AtMin:
		k.Min = &w.Target.Min
	case AtDesired, Flapping:
		k.Current = &w.Desired
	}
	x.kept = &k
	return x
}

// Decide says what the desired count should become. A scale-out that any
// policy wants comes before every scale-in; target tracking policies scale in
// only together; of several, the largest capacity wins (docs/facts/deployments.md D121).
func Decide(w World) Plan {
	proposals := w.proposals()
	w.together(proposals)
	var plan Plan
	best := choose(proposals)
	for i, x := range proposals {
		switch {
		case i == best && !x.signal.Fires:
			plan.Kept = append(plan.Kept, *x.keep(w, "", "the alarm has acted in this minute already").kept)
		case i == best:
			plan.Scale = &Scale{Policy: x.policy.ScalingPolicy, Alarm: x.signal.Alarm, From: x.from, To: x.to, Out: x.out, Why: x.why}
		case x.kept != nil && !x.signal.Fires:
			x.kept.Code = "" // it was told when the alarm acted
			plan.Kept = append(plan.Kept, *x.kept)
		case x.kept != nil:
			plan.Kept = append(plan.Kept, *x.kept)
		default:
			plan.Kept = append(plan.Kept, *x.keep(w, "", "policy "+proposals[best].policy.Name+" asks for more").kept)
		}
	}
	return plan
}

// proposals asks every policy, in order of names.
func (w World) proposals() []proposal {
	policies := slices.Clone(w.Policies)
	slices.SortFunc(policies, func(p, q Policy) int { return cmp.Or(cmp.Compare(p.Name, q.Name), cmp.Compare(p.ARN, q.ARN)) })
	var out []proposal
	for _, p := range policies {
		signals := slices.Clone(p.Signals)
		slices.SortFunc(signals, func(s, t Signal) int { return cmp.Compare(s.Alarm.Name, t.Alarm.Name) })
		for _, s := range signals {
			switch p.Type {
			case StepScaling:
				out = append(out, w.step(p, s))
			case SimpleScaling:
				out = append(out, w.simple(p, s))
			default:
				out = append(out, w.track(p, s))
			}
		}
	}
	return out
}

// together lets target tracking policies scale in only if all of them that
// may are ready to, and none sees too much load.
func (w World) together(proposals []proposal) {
	ready := map[string]bool{}
	against := ""
	for _, x := range proposals {
		if x.policy.Type == TargetTracking {
			holds := x.kept != nil && x.kept.Code == Flapping // with fewer it would see more load than its target
			ready[x.policy.ARN] = ready[x.policy.ARN] || !x.out && !holds
			if x.out {
				against = "policy " + x.policy.Name + " sees more load than its target"
			}
		}
	}
	for _, p := range w.Policies {
		if against == "" && p.Type == TargetTracking && !p.DisableScaleIn && !ready[p.ARN] {
			against = "policy " + p.Name + " is not ready to scale in"
		}
	}
	for i, x := range proposals {
		if against != "" && x.policy.Type == TargetTracking && !x.out && x.kept == nil {
			proposals[i] = x.keep(w, "", against)
		}
	}
}

// choose finds the proposal that is taken, or -1.
func choose(proposals []proposal) int {
	best := -1
	for i, x := range proposals {
		switch {
		case x.kept != nil:
		case best < 0, x.out && !proposals[best].out, x.out == proposals[best].out && x.to > proposals[best].to:
			best = i
		}
	}
	return best
}

// grow raises the desired count to a capacity, within the bounds.
func (w World) grow(x proposal) proposal {
	x.out = true
	x.to = min(max(x.to, w.Target.Min), w.Target.Max)
	switch {
	case w.Target.SuspendOut:
		return x.keep(w, "", "scaling out is suspended")
	case w.Desired >= w.Target.Max:
		return x.keep(w, AtMax, x.why+", and the maximum is reached")
	case x.to > w.Desired:
		return x
	case w.lasts(x.policy.LastOutAt, w.outCooldown(x.policy)):
		return x.keep(w, "", x.why+", which is no larger than what the last scale-out asked for, whose cooldown lasts")
	default:
		return x.keep(w, AtDesired, x.why+", and "+fmt.Sprint(w.Desired)+" are asked for already")
	}
}

// shrink lowers the desired count to a capacity, within the bounds; code is
// the reason if that is no less than there is. A count that was set by hand
// beyond the maximum goes there first.
func (w World) shrink(x proposal, code string) proposal {
	x.out = false
	x.to = min(max(x.to, w.Target.Min), w.Target.Max)
	switch {
	case w.Target.SuspendIn:
		return x.keep(w, "", "scaling in is suspended")
	case w.Deploying:
		return x.keep(w, Unscalable, "nothing is scaled in during a deployment")
	case w.warming():
		return x.keep(w, "", "instances of the last scale-out warm up")
	case w.Desired <= w.Target.Min:
		return x.keep(w, AtMin, "the minimum is reached")
	}
	for _, p := range w.Policies {
		if w.lasts(p.LastInAt, w.inCooldown(p)) {
			return x.keep(w, "", "the cooldown of the last scale-in lasts")
		}
	}
	if x.to >= w.Desired {
		return x.keep(w, code, x.why+", and no more are asked for")
	}
	return x
}
