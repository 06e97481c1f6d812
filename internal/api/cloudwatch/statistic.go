package cloudwatch

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/series"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudwatch"
)

// The statistics beside percentiles that CloudWatch has, each over the values
// below a percentage (tm90) or between two, which may be percentages or values
// (TM(2%:98%), PR(:300)).
var (
	below   = regexp.MustCompile(`^(?:tm|tc|ts|wm)(\d{1,3}(?:\.\d{1,10})?)$`)
	between = regexp.MustCompile(`^(?:TM|TC|TS|WM|PR)\((-?\d+(?:\.\d{1,10})?)?(%?):(-?\d+(?:\.\d{1,10})?)?(%?)\)$`)
)

// trimmed reports whether AWS knows a statistic that is no percentile.
func trimmed(name string) bool {
	if m := below.FindStringSubmatch(name); m != nil {
		return percent(m[1])
	}
	m := between.FindStringSubmatch(name)
	if m == nil {
		return name == "IQM"
	}
	low, high := m[1], m[3]
	switch relative := m[2] + m[4]; {
	case low == "" && high == "", low == "" && m[2] != "", high == "" && m[4] != "":
		return false
	case relative == "":
		return true
	case strings.HasPrefix(name, "PR"), low != "" && m[2] == "", high != "" && m[4] == "":
		return false
	default:
		return (low == "" || percent(low)) && (high == "" || percent(high))
	}
}

func percent(s string) bool {
	n, err := strconv.ParseFloat(s, 64)
	return err == nil && n >= 0 && n <= 100
}

// checkExtended refuses what is no percentile: with AWS's words what AWS does
// not know either.
func checkExtended(parameter, name string) error {
	if _, ok := series.Percentile(name); ok {
		return nil
	}
	if trimmed(name) {
		return fault.New(fault.NotImplemented, "NotImplemented", "The statistic %s is not implemented by Berth.", name)
	}
	return bad("The value %s for parameter %s is not supported.", name, parameter)
}

var plain = []string{"SampleCount", "Average", "Sum", "Minimum", "Maximum"}

// checkStats refuses queries whose statistic is none; all of them at once, as
// AWS does.
func checkStats(queries []shape.MetricDataQuery) error {
	var wrong []string
	var first error
	for i, q := range queries {
		if q.MetricStat == nil || slices.Contains(plain, wire.Val(q.MetricStat.Stat)) {
			continue
		}
		switch err := checkExtended("Stat", wire.Val(q.MetricStat.Stat)); {
		case fault.CodeOf(err) == "NotImplemented":
			first = cmp.Or(first, err)
		case err != nil:
			wrong = append(wrong, "The value for parameter MetricDataQueries.member."+strconv.Itoa(i+1)+".MetricStat.Stat is not a valid statistic.")
		}
	}
	if len(wrong) > 0 {
		return invalid("%s", strings.Join(wrong, "\n"))
	}
	return first
}
