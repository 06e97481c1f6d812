package scaling

import (
	"fmt"
	"strings"

	"berth/internal/model"
)

// step is what a step scaling policy asks for when an alarm triggers it.
func (w World) step(p Policy, s Signal) proposal {
	x := proposal{policy: p, signal: s}
	if len(s.Points) == 0 {
		return x.keep(w, "", "there is no data to reckon with")
	}
	beyond := aggregate(p.Aggregation, s.Points) - s.Alarm.Threshold
	adjust := stepFor(p.Steps, beyond, strings.HasPrefix(s.Alarm.Comparison, "Less"))
	if adjust == nil {
		return x.keep(w, "", fmt.Sprintf("no step is for %.4g beyond the threshold", beyond))
	}
	// A scale-in is reckoned from what runs; so is a scale-out, but for what
	// its last one counts for.
	running := w.running()
	x.from = running
	if x.to = Adjust(p.AdjustmentType, running, adjust.Adjustment, p.MinAdjustment); x.to >= running {
		x.from = w.base(p)
		x.to = Adjust(p.AdjustmentType, x.from, adjust.Adjustment, p.MinAdjustment)
	}
	x.why = fmt.Sprintf("%.4g beyond the threshold is the step of %+d (%s) from %d", beyond, adjust.Adjustment, p.AdjustmentType, x.from)
	switch {
	case x.to > x.from:
		return w.grow(x)
	case x.to < x.from:
		return w.shrink(x, AtDesired)
	default:
		return x.keep(w, AtDesired, x.why)
	}
}

// aggregate joins the points that an alarm was judged by.
func aggregate(how string, points []Point) float64 {
	low, high, sum := points[0].Value, points[0].Value, 0.0
	for _, p := range points {
		low, high, sum = min(low, p.Value), max(high, p.Value), sum+p.Value
	}
	switch how {
	case "Minimum":
		return low
	case "Maximum":
		return high
	default:
		return sum / float64(len(points))
	}
}

// stepFor finds the step for a distance from the threshold: above it the lower
// bound belongs to a step, below it the upper bound. On the threshold itself
// it is as for the values that the alarm is about.
func stepFor(steps []model.StepAdjustment, beyond float64, less bool) *model.StepAdjustment {
	above := beyond > 0 || beyond == 0 && !less
	for i, s := range steps {
		from := s.Lower == nil || beyond > *s.Lower || above && beyond == *s.Lower
		to := s.Upper == nil || beyond < *s.Upper || !above && beyond == *s.Upper
		if from && to {
			return &steps[i]
		}
	}
	return nil
}

// Adjust applies one adjustment: ChangeInCapacity, ExactCapacity, or
// PercentChangeInCapacity, which changes by one at least and else rounds
// towards no change.
func Adjust(kind string, from, by, least int64) int64 {
	switch kind {
	case "ExactCapacity":
		return by
	case "ChangeInCapacity":
		return max(from+by, 0)
	}
	change := float64(from) * float64(by) / 100
	n := int64(max(min(change, most), -most))
	switch {
	case change > 0:
		n = max(n, 1, least)
	case change < 0:
		n = min(n, -1, -least)
	}
	return max(from+n, 0)
}
