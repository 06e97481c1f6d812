package scaling

import (
	"fmt"
	"math"
	"strings"
)

// dust is what floating point adds to a figure that should be whole.
const dust = 1e-9

func ceil(v float64) int64 { return int64(math.Ceil(v - dust)) }

// most bounds a capacity before it becomes a whole number.
const most = 1e9

func proportional(from int64, metric, target float64) int64 {
	return ceil(min(float64(from)*metric/target, most))
}

// track is what a target tracking policy asks for when one of its alarms is
// in ALARM: the high one asks for more, the low one for less.
func (w World) track(p Policy, s Signal) proposal {
	x := proposal{policy: p, signal: s, out: strings.HasPrefix(s.Alarm.Comparison, "Greater")}
	switch {
	case len(s.Points) == 0:
		return x.keep(w, "", "there is no data to reckon with")
	case x.out:
		return w.trackOut(x)
	case p.DisableScaleIn:
		return x.keep(w, "", "the policy does not scale in")
	default:
		return w.trackIn(x)
	}
}

// trackOut grows in proportion to the newest value, rounded up. From nothing
// there is no proportion: it goes to the least capacity there is.
func (w World) trackOut(x proposal) proposal {
	value := x.signal.Points[0].Value
	x.from = w.base(x.policy)
	x.to = proportional(x.from, value, x.policy.TargetValue)
	if w.Desired == 0 {
		x.to = 1
	}
	x.why = fmt.Sprintf("%d running at %.4g against a target of %.4g are work for %d", x.from, value, x.policy.TargetValue, x.to)
	return w.grow(x)
}

// tenth is the part of the capacity that a scale-in may take: AWS says that
// target tracking scales in more gradually than out, not how much; we take a
// tenth, or one task.
const tenth = 10

// trackIn shrinks by a little, in view of the highest value of the whole watch,
// and not if the metric would then be above its target: the other alarm would
// take it back at once.
func (w World) trackIn(x proposal) proposal {
	value := x.signal.Points[0].Value
	for _, p := range x.signal.Points {
		value = max(value, p.Value)
	}
	x.from = w.running()
	need := proportional(x.from, value, x.policy.TargetValue)
	x.why = fmt.Sprintf("%d running at no more than %.4g against a target of %.4g are work for %d", x.from, value, x.policy.TargetValue, need)
	x.to = max(need, w.Desired-max(w.Desired/tenth, 1))
	return w.shrink(x, Flapping)
}
