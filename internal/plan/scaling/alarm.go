package scaling

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/internal/model"
)

// States of an alarm.
const (
	OK           = "OK"
	Alarm        = "ALARM"
	Insufficient = "INSUFFICIENT_DATA"
)

// Point is one period's value of an alarm's metric.
type Point struct {
	At    time.Time // when the period begins
	Value float64
}

// Verdict is the state that an alarm should have.
type Verdict struct {
	State  string
	Reason string
	// Latest is the newest point that was looked at, if there is one.
	Latest *Point
}

// late is how many periods beyond the evaluated ones are looked at, so that
// data that comes late, or not at all for a moment, does not end the watch.
const late = 2

// Window is the span of whole periods whose points an evaluation at now needs.
func Window(a model.Alarm, now time.Time) (from, to time.Time) {
	period := time.Duration(a.Period) * time.Second
	to = now.Truncate(period)
	return to.Add(-time.Duration(a.EvaluationPeriods+late) * period), to
}

// Evaluate works out an alarm's state from the points of its window. Where
// points are missing the alarm's own setting decides, as in CloudWatch.
func Evaluate(a model.Alarm, points []Point) Verdict {
	recent := slices.SortedFunc(slices.Values(points), func(x, y Point) int { return y.At.Compare(x.At) })
	n, m := int(a.EvaluationPeriods), int(a.DatapointsToAlarm)
	if m == 0 {
		m = n
	}
	if len(recent) > n {
		recent = recent[:n]
	}
	bad := 0
	for _, p := range recent {
		if breaches(a, p.Value) {
			bad++
		}
	}
	v := Verdict{State: decide(a, n, m, len(recent), bad)}
	if len(recent) > 0 {
		v.Latest = &recent[0]
	}
	v.Reason = reason(a, v.State, recent, m)
	return v
}

// decide is the state for so many known points, of which bad ones breach.
func decide(a model.Alarm, n, m, known, bad int) string {
	missing, good := n-known, known-bad
	switch {
	case bad >= m:
		return Alarm
	case missing == 0:
		return OK
	case a.TreatMissing == "breaching":
		if bad+missing >= m {
			return Alarm
		}
		return OK
	case a.TreatMissing == "notBreaching":
		return OK
	case good > n-m:
		return OK
	case a.TreatMissing == "ignore":
		return a.State
	case known == 0:
		return Insufficient
	case good > 0:
		return OK
	default:
		// Everything that is known breaches, and it is too little to tell.
		return a.State
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

var words = map[string]string{
	"GreaterThanThreshold": "greater than", "GreaterThanOrEqualToThreshold": "greater than or equal to",
	"LessThanThreshold": "less than", "LessThanOrEqualToThreshold": "less than or equal to",
}

// reason words a state as CloudWatch does.
func reason(a model.Alarm, state string, recent []Point, m int) string {
	n := int(a.EvaluationPeriods)
	if state == Insufficient || len(recent) == 0 {
		return fmt.Sprintf("Insufficient Data: %d %s unknown.", n, plural(n, "datapoint was", "datapoints were"))
	}
	var shown []string
	count := 0
	for _, p := range recent {
		shown = append(shown, number(p.Value)+" ("+p.At.Format("02/01/06 15:04:05")+")")
		if breaches(a, p.Value) == (state == Alarm) {
			count++
		}
	}
	is, least, move := "", m, "OK -> ALARM"
	if state == OK {
		is, least, move = "not ", n-m+1, "ALARM -> OK"
	}
	return fmt.Sprintf("Threshold Crossed: %d out of the last %d datapoints [%s] %s %s%s the threshold (%s) (minimum %d %s for %s transition).",
		count, len(recent), strings.Join(shown, ", "), plural(count, "was", "were"), is, words[a.Comparison], number(a.Threshold), least, plural(least, "datapoint", "datapoints"), move)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// number writes a figure as CloudWatch's messages do, with a decimal point.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
