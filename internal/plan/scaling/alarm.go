package scaling

import (
	"slices"
	"time"

	"berth/internal/model"
)

// Point is one period's value of an alarm's metric.
type Point struct {
	At    time.Time // when the period begins
	Value float64
	Count float64 // of samples
}

// Verdict is the state that an alarm should have.
type Verdict struct {
	State model.AlarmState
	// Reason is why, and Data the same for machines (StateReasonData), if the
	// alarm has another state.
	Reason, Data string
	// Points are the real ones that were judged, newest first.
	Points []Point
}

// late is how many periods beyond the evaluated ones are looked at, so that
// data that comes late, or not at all for a moment, does not end the watch:
// three evaluated periods are an evaluation range of five (CloudWatch guide,
// "Configuring how CloudWatch alarms treat missing data", read 2026-11).
const late = 2

func period(a model.Alarm) time.Duration { return time.Duration(a.Period) * time.Second }

// Every is how often an alarm is evaluated: each minute, or each period if
// that is shorter.
func Every(a model.Alarm) time.Duration { return min(period(a), time.Minute) }

// Window is the span of periods whose points an evaluation at now needs: whole
// ones that end with the last whole minute.
func Window(a model.Alarm, now time.Time) (from, to time.Time) {
	to = now.Truncate(Every(a))
	return to.Add(-time.Duration(a.EvaluationPeriods+late) * period(a)), to
}

// Evaluate works out an alarm's state from the points of its window at now.
// Where points are missing the alarm's own setting decides.
func Evaluate(a model.Alarm, points []Point, now time.Time) Verdict {
	_, to := Window(a, now)
	real := slices.SortedFunc(slices.Values(points), func(x, y Point) int { return y.At.Compare(x.At) })
	c := count{n: int(a.EvaluationPeriods), m: int(a.DatapointsToAlarm)}
	if c.m == 0 {
		c.m = c.n
	}
	if len(real) > c.n {
		real = real[:c.n]
	}
	for _, p := range real {
		if breaches(a, p.Value) {
			c.bad++
			c.oldest = int(to.Sub(p.At) / period(a)) // the newest period is one period old
		} else {
			c.good++
		}
	}
	v := Verdict{State: c.decide(a), Points: real}
	if v.State != a.State {
		v.Reason, v.Data = reason(a, v.State, real, c), data(a, real, now)
	}
	return v
}

// count is what an evaluation found: n points are wanted, of which m must
// breach; oldest is the age, in periods, of the oldest that does.
type count struct{ n, m, good, bad, oldest int }

func (c count) missing() int { return c.n - c.good - c.bad }

// decide follows the two tables of the CloudWatch guide.
func (c count) decide(a model.Alarm) model.AlarmState {
	switch {
	case c.bad >= c.m:
		return model.AlarmFiring
	case c.missing() == 0:
		return model.AlarmOK
	case a.TreatMissing == "breaching":
		if c.bad+c.missing() >= c.m {
			return model.AlarmFiring
		}
		return model.AlarmOK
	case a.TreatMissing == "notBreaching", c.good > 0:
		return model.AlarmOK
	case a.TreatMissing == "ignore":
		return a.State
	case c.bad > 0 && c.oldest >= c.m:
		// Nothing has spoken against it for as long as it would have taken.
		return model.AlarmFiring
	default:
		return model.AlarmInsufficientData
	}
}

func breaches(a model.Alarm, v float64) bool {
	switch a.Comparison {
	case "GreaterThanThreshold":
		return v > a.Threshold
	case "GreaterThanOrEqualToThreshold":
		return v >= a.Threshold
	case "LessThanThreshold":
		return v < a.Threshold
	default:
		return v <= a.Threshold
	}
}
