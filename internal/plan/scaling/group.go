package scaling

import (
	"fmt"
	"time"

	"berth/internal/model"
)

// SimpleScaling is a type of policy that Auto Scaling groups have.
const SimpleScaling = "SimpleScaling"

// TrackingPeriod is the period of a target tracking policy's alarms, in seconds.
const TrackingPeriod = 60

// TrackingAlarm is one of the alarms of a target tracking policy.
type TrackingAlarm struct {
	Side, Comparison string
	Periods          int64
	Threshold        float64
}

// TrackingAlarms are those of a policy (docs/facts/deployments.md D121): three
// minutes above the target, and fifteen below nine tenths of it.
func TrackingAlarms(p model.ScalingPolicy) []TrackingAlarm {
	high := TrackingAlarm{"High", "GreaterThanThreshold", 3, p.TargetValue}
	if p.DisableScaleIn {
		return []TrackingAlarm{high}
	}
	return []TrackingAlarm{high, {"Low", "LessThanThreshold", 15, 0.9 * p.TargetValue}}
}

// GroupFacts are what is seen of an Auto Scaling group.
type GroupFacts struct {
	Group *model.AutoScalingGroup
	// Serving are its instances in service; Busy is whether others come or go.
	Serving int64
	Busy    bool
	// Settled is when the last one came or went.
	Settled time.Time
}

// GroupWorld is what a decision on a group needs, but for its policies.
//
// While instances warm up, what the last scale-out added counts as being there,
// and nothing is scaled in; a group has no cooldown but that of simple policies
// (docs/facts/ec2-launch-type.md E13).
func GroupWorld(f GroupFacts, suspended bool, now time.Time) World {
	g := f.Group
	return World{
		Now: now, Group: &f, Desired: g.Desired, Running: f.Serving,
		Target: model.ScalableTarget{
			Namespace: "autoscaling", ResourceID: g.Name, Min: g.Min, Max: g.Max, SuspendIn: suspended, SuspendOut: suspended,
		},
	}
}

// warmup is how long a policy of a group does not count on new instances.
func (w World) warmup(p model.ScalingPolicy) time.Duration {
	s := w.Group.Group.Cooldown
	if w.Group.Group.Warmup != nil {
		s = *w.Group.Group.Warmup
	}
	if p.Warmup != nil {
		s = *p.Warmup
	}
	return time.Duration(s) * time.Second
}

// warming reports whether instances of a scale-out warm up.
func (w World) warming() bool {
	for _, p := range w.Policies {
		if w.Group != nil && p.Type != SimpleScaling && w.lasts(p.LastOutAt, w.warmup(p.ScalingPolicy)) {
			return true
		}
	}
	return false
}

// Cools is whether the cooldown of a simple policy of the group lasts: it begins
// when the instances that the policy asked for are there, or gone.
func (w World) Cools() bool {
	for _, p := range w.Policies {
		began := p.LastOutAt
		if p.LastInAt.After(began) {
			began = p.LastInAt
		}
		if p.Type != SimpleScaling || began.IsZero() {
			continue
		}
		if w.Group.Settled.After(began) {
			began = w.Group.Settled
		}
		s := w.Group.Group.Cooldown
		if p.OwnCooldown != nil {
			s = *p.OwnCooldown
		}
		if w.lasts(began, time.Duration(s)*time.Second) {
			return true
		}
	}
	return false
}

// simple is what a simple scaling policy asks for: its adjustment, whatever the
// metric's value is, unless instances come or go or a cooldown lasts.
func (w World) simple(p Policy, s Signal) proposal {
	x := proposal{policy: p, signal: s, from: w.Desired}
	x.to = Adjust(p.AdjustmentType, w.Desired, p.Adjustment, p.MinAdjustment)
	x.out = x.to > w.Desired
	x.why = fmt.Sprintf("the adjustment is %+d (%s) from %d", p.Adjustment, p.AdjustmentType, w.Desired)
	switch {
	case w.Group.Busy || w.Cools():
		return x.keep(w, "", "a scaling activity or its cooldown is in progress")
	case x.out:
		return w.grow(x)
	default:
		return w.shrink(x, AtDesired)
	}
}

// GroupWhy is why a group's desired capacity changes, in Auto Scaling's words.
func GroupWhy(now time.Time, why string, from, to int64) string {
	return fmt.Sprintf("At %s %s changing the desired capacity from %d to %d.", now.UTC().Format(time.RFC3339), why, from, to)
}

// Cool begins the warm-up or cooldown of a group's policy that has scaled.
func Cool(p *model.ScalingPolicy, to Scale, now time.Time) {
	switch {
	case to.Out:
		p.LastInAt, p.LastOutAt, p.LastOutFrom = time.Time{}, now, to.From
	case p.Type == SimpleScaling:
		p.LastInAt = now
	}
}
