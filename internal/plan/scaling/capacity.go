package scaling

import (
	"fmt"
	"math"
	"time"

	"berth/internal/model"
)

// Reasons of Application Auto Scaling not to scale.
const (
	Flapping   = "AutoScalingAnticipatedFlapping"
	Unscalable = "TargetServicePutResourceAsUnscalable"
	AtMax      = "AlreadyAtMaxCapacity"
	AtMin      = "AlreadyAtMinCapacity"
	AtDesired  = "AlreadyAtDesiredCapacity"
)

// Service is what is known of a service that scales.
type Service struct {
	Desired, Running int64
	// Deploying is true for the whole of a deployment: there is no scaling in.
	Deploying bool
}

// Decision says what the desired count should become, or why not.
type Decision struct {
	Capacity int64
	// Out is true for more, In for less; neither is true if nothing is done.
	Out, In bool
	// From is the capacity that a scale-out was reckoned from.
	From int64
	// NotScaled are reasons in AWS's words; Why is one in ours.
	NotScaled []string
	Why       string
}

func no(why string, reasons ...string) Decision { return Decision{Why: why, NotScaled: reasons} }

// defaultCooldown is that of ECS services.
const defaultCooldown = 300

func cooldown(seconds *int64) time.Duration {
	if seconds == nil {
		return defaultCooldown * time.Second
	}
	return time.Duration(*seconds) * time.Second
}

// TrackOut decides for a target tracking policy whose metric is above its
// target: in proportion, rounded up (facts/deployments 3.2).
func TrackOut(p model.ScalingPolicy, t model.ScalableTarget, s Service, metric float64, now time.Time) Decision {
	if t.SuspendOut {
		return no("scaling out is suspended")
	}
	// While a scale-out's cooldown lasts, what it added counts as being there:
	// the need is reckoned from where that one began.
	from := s.Running
	if !p.LastOutAt.IsZero() && now.Before(p.LastOutAt.Add(cooldown(p.ScaleOutCooldown))) {
		from = min(from, p.LastOutFrom)
	}
	want := ceil(float64(from) * metric / p.TargetValue)
	if from == 0 {
		want = max(t.Min, 1)
	}
	return outTo(t, s, want, from, fmt.Sprintf("%d running at %.4g against a target of %.4g", from, metric, p.TargetValue))
}

// ceil rounds up, but for the dust of floating point.
func ceil(v float64) int64 { return int64(math.Ceil(v - 1e-9)) }

// outTo raises the desired count to want, within bounds.
func outTo(t model.ScalableTarget, s Service, want, from int64, why string) Decision {
	want = min(max(want, t.Min), t.Max)
	switch {
	case want > s.Desired:
		return Decision{Capacity: want, Out: true, From: from, Why: why}
	case s.Desired >= t.Max:
		return no(why, AtMax)
	default:
		return no(why, AtDesired)
	}
}

// TrackIn decides for a service whose target tracking policies all have their
// low alarms in ALARM. It goes in small steps, and not if the metric would
// then be above its target again.
func TrackIn(p model.ScalingPolicy, t model.ScalableTarget, s Service, metric float64, now time.Time) Decision {
	switch {
	case p.DisableScaleIn:
		return no("the policy does not scale in")
	case !p.LastInAt.IsZero() && now.Before(p.LastInAt.Add(cooldown(p.ScaleInCooldown))):
		return no("the cooldown of the last scale-in lasts")
	}
	if d, done := mayShrink(t, s); done {
		return d
	}
	need := max(ceil(float64(s.Running)*metric/p.TargetValue), 1, t.Min)
	if t.Min == 0 && metric == 0 {
		need = 0
	}
	step := max(s.Desired/10, 1)
	want := max(need, s.Desired-step)
	why := fmt.Sprintf("%d running at %.4g against a target of %.4g", s.Running, metric, p.TargetValue)
	if want >= s.Desired {
		return no(why, Flapping)
	}
	return Decision{Capacity: want, In: true, Why: why}
}

// mayShrink answers what forbids any scaling in, and counts that were set by
// hand beyond the bounds.
func mayShrink(t model.ScalableTarget, s Service) (Decision, bool) {
	switch {
	case t.SuspendIn:
		return no("scaling in is suspended"), true
	case s.Deploying:
		return no("there is no scaling in during a deployment", Unscalable), true
	case s.Desired > t.Max:
		return Decision{Capacity: t.Max, In: true, Why: "the desired count is above the maximum"}, true
	case s.Desired <= t.Min:
		return no("the desired count is the minimum", AtMin), true
	default:
		return Decision{}, false
	}
}

// Step decides for a step scaling policy whose alarm has a threshold and a
// metric.
func Step(p model.ScalingPolicy, t model.ScalableTarget, s Service, threshold, metric float64, now time.Time) Decision {
	x := stepFor(p.Steps, metric-threshold)
	if x == nil {
		return no(fmt.Sprintf("no step is for %.4g beyond the threshold", metric-threshold))
	}
	from := s.Desired
	wait := time.Duration(p.Cooldown) * time.Second
	if !p.LastOutAt.IsZero() && now.Before(p.LastOutAt.Add(wait)) {
		from = min(from, p.LastOutFrom)
	}
	want := Adjust(p.AdjustmentType, from, x.Adjustment, p.MinAdjustment)
	why := fmt.Sprintf("the step of %+d (%s) from %d", x.Adjustment, p.AdjustmentType, from)
	if want >= from {
		if t.SuspendOut {
			return no("scaling out is suspended")
		}
		return outTo(t, s, want, from, why)
	}
	if !p.LastInAt.IsZero() && now.Before(p.LastInAt.Add(wait)) {
		return no("the cooldown of the last scale-in lasts")
	}
	if d, done := mayShrink(t, s); done {
		return d
	}
	if want = max(want, t.Min); want >= s.Desired {
		return no(why, AtDesired)
	}
	return Decision{Capacity: want, In: true, Why: why}
}

// stepFor finds the step for a distance from the threshold: lower bounds are
// inclusive above the threshold, upper bounds below it.
func stepFor(steps []model.StepAdjustment, d float64) *model.StepAdjustment {
	for i, s := range steps {
		var above, below bool
		if d >= 0 {
			above = s.Lower == nil || d >= *s.Lower
			below = s.Upper == nil || d < *s.Upper
		} else {
			above = s.Lower == nil || d > *s.Lower
			below = s.Upper == nil || d <= *s.Upper
		}
		if above && below {
			return &steps[i]
		}
	}
	return nil
}

// Adjust applies one adjustment: ChangeInCapacity, ExactCapacity, or
// PercentChangeInCapacity with AWS's rounding away from nothing and towards
// zero.
func Adjust(kind string, from, by, least int64) int64 {
	switch kind {
	case "ExactCapacity":
		return by
	case "ChangeInCapacity":
		return max(from+by, 0)
	}
	change := float64(from) * float64(by) / 100
	var n int64
	switch {
	case change > 0 && change < 1:
		n = 1
	case change < 0 && change > -1:
		n = -1
	default:
		n = int64(change) // towards zero: floor above, ceil below
	}
	if least > 0 && n > 0 {
		n = max(n, least)
	}
	if least > 0 && n < 0 {
		n = min(n, -least)
	}
	return max(from+n, 0)
}
