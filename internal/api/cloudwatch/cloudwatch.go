// Package cloudwatch is the API of CloudWatch: metric data lives in series,
// alarms are records of state that controllers/scaling evaluates.
//
// Data that clients put comes from processes that live in real time: its
// times are shifted by the difference between real time and the control
// plane's clock. What is not built (metric math, composite, anomaly and
// PromQL alarms, alarm actions other than scaling policies) is refused by
// name. It waits for nothing. Safe for concurrent use.
package cloudwatch

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/page"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudwatch"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const writer = "api/cloudwatch"

// Deps are what the API needs.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock
	// Real is the time in which those who put data live; nil is Clock.
	Real   clock.Clock
	Place  ident.Place
	Series *series.Store
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API {
	if d.Real == nil {
		d.Real = d.Clock
	}
	return &API{Deps: d}
}

func bad(format string, args ...any) error {
	return fault.New(fault.Invalid, "InvalidParameterValue", format, args...)
}

func badTogether(format string, args ...any) error {
	return fault.New(fault.Invalid, "InvalidParameterCombination", format, args...)
}

func readDimensions(in []shape.Dimension) []series.Dimension {
	var out []series.Dimension
	for _, d := range in {
		out = append(out, series.Dimension{Name: wire.Val(d.Name), Value: wire.Val(d.Value)})
	}
	return out
}

// Limits of PutMetricData: how old and how new data may be.
const (
	tooOld = 14 * 24 * time.Hour
	tooNew = 2 * time.Hour
)

// PutMetricData stores data. Errors: InvalidParameterValue,
// InvalidParameterCombination, MissingParameter.
func (a *API) PutMetricData(ctx context.Context, in *shape.PutMetricDataInput) (*shape.PutMetricDataOutput, error) {
	ns, now := wire.Val(in.Namespace), a.Clock.Now()
	if strings.HasPrefix(ns, "AWS/") {
		return nil, bad("The value %s for parameter Namespace is invalid.", ns)
	}
	skew := now.Sub(a.Real.Now())
	if skew.Abs() < 2*time.Second {
		skew = 0
	}
	var data []series.Datum
	for i, d := range in.MetricData {
		set, err := readSet(i+1, d)
		if err != nil {
			return nil, err
		}
		at := now
		if d.Timestamp != nil {
			at = d.Timestamp.Add(skew)
		}
		if at.Before(now.Add(-tooOld)) || at.After(now.Add(tooNew)) {
			return nil, bad(
				"The parameter MetricData.member.%d.Timestamp must specify a time within the past two weeks and no more than two hours in the future.",
				i+1,
			)
		}
		if r := wire.Or(d.StorageResolution, 60); r != 1 && r != 60 {
			return nil, bad("The parameter MetricData.member.%d.StorageResolution must be 1 or 60.", i+1)
		}
		data = append(data, series.Datum{
			Metric: series.Metric{Namespace: ns, Name: wire.Val(d.MetricName), Dimensions: readDimensions(d.Dimensions)},
			At:     at, Unit: wire.Val(d.Unit), Set: set, Fine: wire.Val(d.StorageResolution) == 1,
		})
	}
	if err := a.Series.Put(ctx, data...); err != nil {
		if fault.Is(err, fault.Invalid) {
			return nil, bad("%s", fault.MessageOf(err))
		}
		return nil, err
	}
	return &shape.PutMetricDataOutput{}, nil
}

func readSet(i int, d shape.MetricDatum) (series.Set, error) {
	given := 0
	for _, yes := range []bool{d.Value != nil, d.StatisticValues != nil, len(d.Values) > 0} {
		if yes {
			given++
		}
	}
	switch {
	case given == 0:
		return series.Set{}, fault.New(
			fault.Invalid, "MissingParameter",
			"At least one of the parameters must be specified: MetricData.member.%d.Value, Values or StatisticValues.", i,
		)
	case given > 1:
		return series.Set{}, badTogether(
			"The parameters MetricData.member.%d.Value, Values and StatisticValues are mutually exclusive and you have specified more than one.", i,
		)
	case d.Value != nil:
		return series.Observed([]float64{*d.Value}, nil), nil
	case d.StatisticValues != nil:
		s := d.StatisticValues
		if wire.Val(s.SampleCount) <= 0 {
			return series.Set{}, bad("The parameter MetricData.member.%d.StatisticValues.SampleCount must be greater than 0.", i)
		}
		return series.Set{Sum: wire.Val(s.Sum), Count: *s.SampleCount, Min: wire.Val(s.Minimum), Max: wire.Val(s.Maximum), Blurred: true}, nil
	case len(d.Counts) > 0 && len(d.Counts) != len(d.Values):
		return series.Set{}, bad("The parameters MetricData.member.%d.Values and MetricData.member.%d.Counts must be of the same size.", i, i)
	default:
		return series.Observed(d.Values, d.Counts), nil
	}
}

// ListMetrics lists metrics by namespace, name and dimensions. Errors:
// InvalidNextToken.
func (a *API) ListMetrics(_ context.Context, in *shape.ListMetricsInput) (*shape.ListMetricsOutput, error) {
	all, err := a.Series.Metrics(wire.Val(in.Namespace))
	if err != nil {
		return nil, err
	}
	var found []series.Metric
	for _, m := range all {
		if in.MetricName != nil && *in.MetricName != m.Name || !hasDimensions(m, in.Dimensions) {
			continue
		}
		if in.RecentlyActive != nil {
			at, err := a.Series.Newest(m)
			if err != nil {
				return nil, err
			}
			if at.Before(a.Clock.Now().Add(-3 * time.Hour)) {
				continue
			}
		}
		found = append(found, m)
	}
	found, next, err := page.Cut(pages.Of(500, 0), in, found, metricKey)
	if err != nil {
		return nil, err
	}
	out := &shape.ListMetricsOutput{NextToken: next, Metrics: []shape.Metric{}}
	for _, m := range found {
		out.Metrics = append(out.Metrics, showMetric(m))
	}
	return out, nil
}

func metricKey(m series.Metric) string {
	parts := []string{m.Namespace, m.Name}
	for _, d := range m.Dimensions {
		parts = append(parts, d.Name, d.Value)
	}
	return page.Key(parts...)
}

func hasDimensions(m series.Metric, want []shape.DimensionFilter) bool {
	for _, w := range want {
		if !slices.ContainsFunc(m.Dimensions, func(d series.Dimension) bool {
			return d.Name == wire.Val(w.Name) && (w.Value == nil || *w.Value == d.Value)
		}) {
			return false
		}
	}
	return true
}

func showMetric(m series.Metric) shape.Metric {
	out := shape.Metric{Namespace: wire.Ptr(m.Namespace), MetricName: wire.Ptr(m.Name), Dimensions: []shape.Dimension{}}
	for _, d := range m.Dimensions {
		out.Dimensions = append(out.Dimensions, shape.Dimension{Name: wire.Ptr(d.Name), Value: wire.Ptr(d.Value)})
	}
	return out
}

// pages are the rules of this service's lists.
var pages = page.Rules{Refuse: func(string) error {
	return fault.New(fault.Invalid, "InvalidNextToken", "The next token specified is invalid.")
}}

func checkPeriod(p int64) error {
	if p < 1 || p != 1 && p != 5 && p != 10 && p != 20 && p != 30 && p%60 != 0 {
		return bad("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
	}
	return nil
}

// GetMetricStatistics computes statistics by period, in no particular order.
// Errors: InvalidParameterValue, InvalidParameterCombination,
// MissingParameter, NotImplemented.
func (a *API) GetMetricStatistics(_ context.Context, in *shape.GetMetricStatisticsInput) (*shape.GetMetricStatisticsOutput, error) {
	from, to, period := wire.Val(in.StartTime), wire.Val(in.EndTime), wire.Val(in.Period)
	switch {
	case len(in.Statistics) == 0 && len(in.ExtendedStatistics) == 0:
		return nil, fault.New(
			fault.Invalid, "MissingParameter", "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
		)
	case !from.Before(to):
		return nil, bad("The parameter StartTime must be less than the parameter EndTime.")
	case period > 0 && to.Sub(from)/(time.Duration(period)*time.Second) > 1440:
		return nil, badTogether(
			"You have requested up to %d datapoints, which exceeds the limit of 1,440. You may reduce the datapoints requested by increasing "+
				"Period, or decreasing the time range.",
			int64(to.Sub(from).Seconds())/period,
		)
	}
	if err := checkPeriod(period); err != nil {
		return nil, err
	}
	for i, name := range in.ExtendedStatistics {
		if err := checkExtended(fmt.Sprintf("ExtendedStatistics.member.%d", i+1), name); err != nil {
			return nil, err
		}
	}
	m := series.Metric{Namespace: wire.Val(in.Namespace), Name: wire.Val(in.MetricName), Dimensions: readDimensions(in.Dimensions)}
	points, err := a.Series.Query(m, wire.Val(in.Unit), from, to, time.Duration(period)*time.Second)
	if err != nil {
		return nil, err
	}
	out := &shape.GetMetricStatisticsOutput{Label: wire.Ptr(m.Name), Datapoints: []shape.Datapoint{}}
	for _, p := range points {
		out.Datapoints = append(out.Datapoints, showPoint(p, in.Statistics, in.ExtendedStatistics))
	}
	return out, nil
}

func showPoint(p series.Point, statistics, extended []string) shape.Datapoint {
	d := shape.Datapoint{Timestamp: wire.Ptr(p.At), Unit: wire.Ptr(p.Unit)}
	for _, name := range statistics {
		v, ok := p.Set.Statistic(name)
		if !ok {
			continue
		}
		switch name {
		case "SampleCount":
			d.SampleCount = &v
		case "Average":
			d.Average = &v
		case "Sum":
			d.Sum = &v
		case "Minimum":
			d.Minimum = &v
		case "Maximum":
			d.Maximum = &v
		}
	}
	for _, name := range extended {
		if v, ok := p.Set.Statistic(name); ok {
			if d.ExtendedStatistics == nil {
				d.ExtendedStatistics = map[string]float64{}
			}
			d.ExtendedStatistics[name] = v
		}
	}
	return d
}

// GetMetricData answers several queries at once, newest first unless asked
// otherwise. Errors: InvalidParameterValue, ValidationError, NotImplemented.
func (a *API) GetMetricData(ctx context.Context, in *shape.GetMetricDataInput) (*shape.GetMetricDataOutput, error) {
	from, to := wire.Val(in.StartTime), wire.Val(in.EndTime)
	if !from.Before(to) {
		return nil, fault.New(fault.Invalid, "ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
	}
	if err := checkStats(in.MetricDataQueries); err != nil {
		return nil, err
	}
	out := &shape.GetMetricDataOutput{MetricDataResults: []shape.MetricDataResult{}, Messages: []shape.MessageData{}}
	for _, q := range in.MetricDataQueries {
		if q.MetricStat == nil || q.MetricStat.Metric == nil {
			return nil, fault.New(fault.Invalid, "ValidationError", "The parameter MetricStat must be specified for query %s.", wire.Val(q.Id))
		}
		if q.ReturnData != nil && !*q.ReturnData {
			continue
		}
		r, err := a.query(q, from, to)
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return nil, err
		}
		if wire.Val(in.ScanBy) != "TimestampAscending" {
			slices.Reverse(r.Timestamps)
			slices.Reverse(r.Values)
		}
		if n := int(wire.Or(in.MaxDatapoints, 100800)); len(r.Values) > n {
			r.Timestamps, r.Values, r.StatusCode = r.Timestamps[:n], r.Values[:n], wire.Ptr("PartialData")
		}
		out.MetricDataResults = append(out.MetricDataResults, r)
	}
	return out, nil
}

func (a *API) query(q shape.MetricDataQuery, from, to time.Time) (shape.MetricDataResult, error) {
	s := q.MetricStat
	r := shape.MetricDataResult{
		Id: q.Id, Label: wire.Ptr(cmp.Or(wire.Val(q.Label), wire.Val(s.Metric.MetricName))), StatusCode: wire.Ptr("Complete"),
		Timestamps: []time.Time{}, Values: []float64{},
	}
	period := wire.Val(s.Period)
	if err := checkPeriod(period); err != nil {
		return r, err
	}
	m := series.Metric{
		Namespace: wire.Val(s.Metric.Namespace), Name: wire.Val(s.Metric.MetricName), Dimensions: readDimensions(s.Metric.Dimensions),
	}
	points, err := a.Series.Query(m, wire.Val(s.Unit), from, to, time.Duration(period)*time.Second)
	if err != nil {
		return r, err
	}
	for _, p := range points {
		if v, ok := p.Set.Statistic(wire.Val(s.Stat)); ok {
			r.Timestamps, r.Values = append(r.Timestamps, p.At), append(r.Values, v)
		}
	}
	return r, nil
}
