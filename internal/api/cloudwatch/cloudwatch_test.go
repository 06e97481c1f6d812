package cloudwatch_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/api/cloudwatch"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudwatch"
)

var start = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

func newAPI(t *testing.T) (*cloudwatch.API, *clock.Stepped) {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	s, err := series.Memory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(); _ = db.Close() })
	c := clock.NewStepped(start)
	return cloudwatch.New(cloudwatch.Deps{
		DB: db, Clock: c, Series: s, Place: ident.Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"},
	}), c
}

func TestFieldsFitTheModel(t *testing.T) {
	if _, err := front.New(front.Deps{
		Services: []front.Service{{Meta: shape.Meta, API: &cloudwatch.API{}, Fields: cloudwatch.Fields}},
	}); err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, code string) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Errorf("got %v (%s), want %s", err, fault.CodeOf(err), code)
	}
}

func TestDataComesBack(t *testing.T) {
	a, _ := newAPI(t)
	dims := []shape.Dimension{{Name: wire.Ptr("Queue"), Value: wire.Ptr("q")}}
	put := func(d shape.MetricDatum) error {
		d.MetricName, d.Dimensions = wire.Ptr("Depth"), dims
		_, err := a.PutMetricData(t.Context(), &shape.PutMetricDataInput{Namespace: wire.Ptr("App"), MetricData: []shape.MetricDatum{d}})
		return err
	}
	for i, v := range []float64{1, 2, 9} {
		if err := put(shape.MetricDatum{Value: &v, Timestamp: wire.Ptr(start.Add(-time.Duration(10-i) * time.Minute))}); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, put(shape.MetricDatum{}), "MissingParameter")
	refused(t, put(shape.MetricDatum{Value: wire.Ptr(1.0), Values: []float64{1}}), "InvalidParameterCombination")
	refused(t, put(shape.MetricDatum{Value: wire.Ptr(1.0), Timestamp: wire.Ptr(start.AddDate(0, -1, 0))}), "InvalidParameterValue")
	_, err := a.PutMetricData(t.Context(), &shape.PutMetricDataInput{
		Namespace: wire.Ptr("AWS/ECS"), MetricData: []shape.MetricDatum{{MetricName: wire.Ptr("x"), Value: wire.Ptr(1.0)}},
	})
	refused(t, err, "InvalidParameterValue")
	got, err := a.GetMetricStatistics(t.Context(), &shape.GetMetricStatisticsInput{
		Namespace: wire.Ptr("App"), MetricName: wire.Ptr("Depth"), Dimensions: dims, StartTime: wire.Ptr(start.Add(-time.Hour)), EndTime: &start,
		Period: wire.Ptr[int64](3600), Statistics: []string{"Average", "Maximum"}, ExtendedStatistics: []string{"p50"},
	})
	want := []shape.Datapoint{
		{
			Timestamp: wire.Ptr(start.Add(-time.Hour)), Average: wire.Ptr(4.0), Maximum: wire.Ptr(9.0), Unit: wire.Ptr("None"),
			ExtendedStatistics: map[string]float64{"p50": 2},
		},
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Datapoints); diff != "" {
		t.Error(diff)
	}
	data, err := a.GetMetricData(t.Context(), &shape.GetMetricDataInput{StartTime: wire.Ptr(
		start.Add(-time.Hour),
	), EndTime: &start, MetricDataQueries: []shape.MetricDataQuery{{
		Id: wire.Ptr("m1"),
		MetricStat: &shape.MetricStat{
			Metric: &shape.Metric{Namespace: wire.Ptr("App"), MetricName: wire.Ptr("Depth"), Dimensions: dims}, Period: wire.Ptr[int64](60),
			Stat: wire.Ptr("Sum"),
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float64{9, 2, 1}, data.MetricDataResults[0].Values); diff != "" {
		t.Error(diff)
	}
	list, err := a.ListMetrics(t.Context(), &shape.ListMetricsInput{
		Namespace: wire.Ptr("App"), Dimensions: []shape.DimensionFilter{{Name: wire.Ptr("Queue")}},
	})
	if err != nil || len(list.Metrics) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

func alarm() *shape.PutMetricAlarmInput {
	return &shape.PutMetricAlarmInput{
		AlarmName: wire.Ptr("high"), Namespace: wire.Ptr("App"), MetricName: wire.Ptr("Depth"), Statistic: wire.Ptr("Average"),
		Period: wire.Ptr[int64](60), EvaluationPeriods: wire.Ptr[int64](3), Threshold: wire.Ptr(70.0),
		ComparisonOperator: wire.Ptr("GreaterThanThreshold"),
	}
}

func TestAlarmsLive(t *testing.T) {
	a, c := newAPI(t)
	if _, err := a.PutMetricAlarm(t.Context(), alarm()); err != nil {
		t.Fatal(err)
	}
	get := func() shape.MetricAlarm {
		t.Helper()
		out, err := a.DescribeAlarms(t.Context(), &shape.DescribeAlarmsInput{AlarmNames: []string{"high"}})
		if err != nil || len(out.MetricAlarms) != 1 {
			t.Fatal(out, err)
		}
		return out.MetricAlarms[0]
	}
	if x := get(); *x.StateValue != "INSUFFICIENT_DATA" || *x.AlarmArn != "arn:aws:cloudwatch:us-east-1:000000000000:alarm:high" ||
		*x.StateReason != "Unchecked: Initial alarm creation" {
		t.Errorf("%+v", x)
	}
	c.Advance(time.Minute)
	if _, err := a.SetAlarmState(t.Context(), &shape.SetAlarmStateInput{
		AlarmName: wire.Ptr("high"), StateValue: wire.Ptr("ALARM"), StateReason: wire.Ptr("test"),
	}); err != nil {
		t.Fatal(err)
	}
	again := alarm()
	again.Threshold = wire.Ptr(80.0)
	if _, err := a.PutMetricAlarm(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if x := get(); *x.StateValue != "ALARM" || *x.Threshold != 80 {
		t.Errorf("a replaced alarm: %+v", x)
	}
	h, err := a.DescribeAlarmHistory(t.Context(), &shape.DescribeAlarmHistoryInput{AlarmName: wire.Ptr("high")})
	if err != nil || len(h.AlarmHistoryItems) != 1 ||
		*h.AlarmHistoryItems[0].HistorySummary != "Alarm updated from INSUFFICIENT_DATA to ALARM" {
		t.Errorf("%+v, %v", h, err)
	}
	_, err = a.DeleteAlarms(t.Context(), &shape.DeleteAlarmsInput{AlarmNames: []string{"high", "no"}})
	refused(t, err, "ResourceNotFound")
	get()
	if _, err := a.DeleteAlarms(t.Context(), &shape.DeleteAlarmsInput{AlarmNames: []string{"high"}}); err != nil {
		t.Error(err)
	}
}

func TestAlarmsThatCannotWorkAreRefused(t *testing.T) {
	a, _ := newAPI(t)
	for code, edit := range map[string]func(*shape.PutMetricAlarmInput){
		"ValidationError": func(in *shape.PutMetricAlarmInput) { in.Period = wire.Ptr[int64](61) },
		"NotImplemented": func(in *shape.PutMetricAlarmInput) {
			in.AlarmActions = []string{"arn:aws:sns:us-east-1:000000000000:t"}
		},
	} {
		in := alarm()
		edit(in)
		_, err := a.PutMetricAlarm(t.Context(), in)
		refused(t, err, code)
	}
	in := alarm()
	in.ExtendedStatistic = wire.Ptr("p99")
	_, err := a.PutMetricAlarm(t.Context(), in)
	refused(t, err, "ValidationError")
}
