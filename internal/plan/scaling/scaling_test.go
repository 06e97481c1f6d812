package scaling_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/internal/model"
	"berth/internal/plan/scaling"
)

var now = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

func points(vs ...float64) []scaling.Point { // newest last; negative is missing
	var out []scaling.Point
	for i, v := range vs {
		if v >= 0 {
			out = append(out, scaling.Point{At: now.Add(time.Duration(i-len(vs)) * time.Minute), Value: v})
		}
	}
	return out
}

func TestAlarmStates(t *testing.T) {
	high := model.Alarm{EvaluationPeriods: 3, Period: 60, Threshold: 70, Comparison: "GreaterThanThreshold", TreatMissing: "missing", State: "OK"}
	low := model.Alarm{EvaluationPeriods: 15, Period: 60, Threshold: 63, Comparison: "LessThanThreshold", TreatMissing: "missing", State: "INSUFFICIENT_DATA"}
	with := func(a model.Alarm, edit func(*model.Alarm)) model.Alarm { edit(&a); return a }
	for name, c := range map[string]struct {
		alarm model.Alarm
		data  []scaling.Point
		want  string
	}{
		"three above":                   {high, points(71, 90, 80), "ALARM"},
		"equal is not above":            {high, points(71, 70, 80), "OK"},
		"two above and one below":       {high, points(71, 69, 80), "OK"},
		"older points do not count":     {high, points(1, 1, 71, 90, 80), "ALARM"},
		"a late point does not matter":  {high, points(75, 71, 90, -1), "ALARM"},
		"no data":                       {high, nil, "INSUFFICIENT_DATA"},
		"one low":                       {low, points(1), "INSUFFICIENT_DATA"},
		"fifteen low":                   {low, points(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "ALARM"},
		"fourteen low":                  {low, points(90, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "OK"},
		"two of three":                  {with(high, func(a *model.Alarm) { a.DatapointsToAlarm = 2 }), points(80, 1, 80), "ALARM"},
		"missing is breaching":          {with(high, func(a *model.Alarm) { a.TreatMissing = "breaching" }), nil, "ALARM"},
		"missing is not breaching":      {with(high, func(a *model.Alarm) { a.TreatMissing = "notBreaching" }), points(80, -1, -1), "OK"},
		"missing is ignored":            {with(high, func(a *model.Alarm) { a.TreatMissing, a.State = "ignore", "ALARM" }), nil, "ALARM"},
		"too little to leave the alarm": {with(high, func(a *model.Alarm) { a.State = "ALARM" }), points(-1, -1, -1, 80), "ALARM"},
	} {
		if got := scaling.Evaluate(c.alarm, c.data); got.State != c.want {
			t.Errorf("%s: %s (%s)", name, got.State, got.Reason)
		}
	}
	v := scaling.Evaluate(high, points(71, 90, 80.5))
	if want := "Threshold Crossed: 3 out of the last 3 datapoints [80.5 (01/08/26 11:59:00), 90.0 (01/08/26 11:58:00), 71.0 (01/08/26 11:57:00)] were greater than the threshold (70.0) (minimum 3 datapoints for OK -> ALARM transition)."; v.Reason != want {
		t.Errorf("reason %q", v.Reason)
	}
	if v.Latest.Value != 80.5 {
		t.Errorf("latest %+v", v.Latest)
	}
}

func TestWindowHoldsWholePeriods(t *testing.T) {
	from, to := scaling.Window(model.Alarm{Period: 60, EvaluationPeriods: 3}, now.Add(42*time.Second))
	if !to.Equal(now) || !from.Equal(now.Add(-5*time.Minute)) {
		t.Errorf("%s to %s", from, to)
	}
}

func TestTargetTracking(t *testing.T) {
	p := model.ScalingPolicy{TargetValue: 50}
	target := model.ScalableTarget{Min: 1, Max: 10}
	out := func(p model.ScalingPolicy, s scaling.Service, metric float64) scaling.Decision {
		return scaling.TrackOut(p, target, s, metric, now)
	}
	if d := out(p, scaling.Service{Desired: 2, Running: 2}, 96); !d.Out || d.Capacity != 4 {
		t.Errorf("two at 96 %%: %+v", d) // seen on AWS
	}
	if d := out(p, scaling.Service{Desired: 10, Running: 10}, 96); d.Out || d.NotScaled[0] != scaling.AtMax {
		t.Errorf("at the maximum: %+v", d)
	}
	if d := out(p, scaling.Service{}, 96); d.Capacity != 1 {
		t.Errorf("from nothing: %+v", d)
	}
	cooling := p
	cooling.LastOutAt, cooling.LastOutFrom = now.Add(-time.Minute), 2
	if d := out(cooling, scaling.Service{Desired: 4, Running: 4}, 96); d.Out {
		t.Errorf("the same need during the cooldown: %+v", d)
	}
	if d := out(cooling, scaling.Service{Desired: 4, Running: 4}, 200); !d.Out || d.Capacity != 8 {
		t.Errorf("a greater need during the cooldown: %+v", d)
	}
	cooling.LastOutAt = now.Add(-6 * time.Minute)
	if d := out(cooling, scaling.Service{Desired: 4, Running: 4}, 96); d.Capacity != 8 {
		t.Errorf("after the cooldown: %+v", d)
	}
	in := func(p model.ScalingPolicy, s scaling.Service, metric float64) scaling.Decision {
		return scaling.TrackIn(p, target, s, metric, now)
	}
	if d := in(p, scaling.Service{Desired: 4, Running: 4}, 10); !d.In || d.Capacity != 3 {
		t.Errorf("four at 10 %%: %+v", d)
	}
	if d := in(p, scaling.Service{Desired: 2, Running: 2}, 40); d.In || d.NotScaled[0] != scaling.Flapping {
		t.Errorf("one would be at 80 %%: %+v", d)
	}
	if d := in(p, scaling.Service{Desired: 1, Running: 1}, 1); d.In || d.NotScaled[0] != scaling.AtMin {
		t.Errorf("at the minimum: %+v", d)
	}
	if d := in(p, scaling.Service{Desired: 4, Running: 4, Deploying: true}, 1); d.In || d.NotScaled[0] != scaling.Unscalable {
		t.Errorf("during a deployment: %+v", d)
	}
	if d := in(p, scaling.Service{Desired: 14, Running: 14}, 49); d.Capacity != 10 {
		t.Errorf("set above the maximum by hand: %+v", d)
	}
}

func TestAdjustments(t *testing.T) {
	for _, c := range []struct {
		kind            string
		from, by, least int64
		want            int64
	}{
		{"ChangeInCapacity", 2, 3, 0, 5},
		{"ChangeInCapacity", 2, -3, 0, 0},
		{"ExactCapacity", 2, 7, 0, 7},
		{"PercentChangeInCapacity", 10, 10, 0, 11},
		{"PercentChangeInCapacity", 11, 30, 0, 14},
		{"PercentChangeInCapacity", 14, -10, 0, 13},
		{"PercentChangeInCapacity", 13, -30, 0, 10},
		{"PercentChangeInCapacity", 2, 10, 0, 3},
		{"PercentChangeInCapacity", 2, -10, 0, 1},
		{"PercentChangeInCapacity", 10, 10, 3, 13},
	} {
		if got := scaling.Adjust(c.kind, c.from, c.by, c.least); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
	f := func(v float64) *float64 { return &v }
	p := model.ScalingPolicy{AdjustmentType: "ChangeInCapacity", Cooldown: 300, Steps: []model.StepAdjustment{
		{Lower: f(0), Upper: f(10), Adjustment: 1}, {Lower: f(10), Adjustment: 2}, {Upper: f(-10), Adjustment: -2}, {Lower: f(-10), Upper: f(0), Adjustment: -1},
	}}
	target := model.ScalableTarget{Min: 1, Max: 10}
	for metric, want := range map[float64]int64{70: 6, 79: 6, 80: 7, 60: 3, 61: 4} {
		if d := scaling.Step(p, target, scaling.Service{Desired: 5, Running: 5}, 70, metric, now); d.Capacity != want {
			t.Errorf("metric %g: %+v", metric, d)
		}
	}
}

// TestLaws: whatever the figures, a decision keeps the bounds, an out is more
// and an in is less, and a second scale-out for the same need does nothing.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.Int64Range(0, 20).Draw(t, "min")
		target := model.ScalableTarget{Min: lo, Max: lo + rapid.Int64Range(0, 50).Draw(t, "span")}
		s := scaling.Service{Desired: rapid.Int64Range(0, 80).Draw(t, "desired"), Running: rapid.Int64Range(0, 80).Draw(t, "running"), Deploying: rapid.Bool().Draw(t, "deploying")}
		p := model.ScalingPolicy{TargetValue: rapid.Float64Range(1, 100).Draw(t, "target")}
		metric := rapid.Float64Range(0, 500).Draw(t, "metric")
		out := scaling.TrackOut(p, target, s, metric, now)
		if out.Out && (out.Capacity <= s.Desired || out.Capacity > target.Max || out.Capacity < target.Min) {
			t.Fatalf("%+v", out)
		}
		in := scaling.TrackIn(p, target, s, metric, now)
		if in.In && (in.Capacity >= s.Desired || in.Capacity < target.Min || s.Deploying) {
			t.Fatalf("%+v", in)
		}
		if out.Out {
			p.LastOutAt, p.LastOutFrom = now, out.From
			s.Desired = out.Capacity
			if again := scaling.TrackOut(p, target, s, metric, now.Add(time.Minute)); again.Out {
				t.Fatalf("%+v then %+v", out, again)
			}
		}
	})
}
