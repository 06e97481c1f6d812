package scaling_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/internal/model"
	"berth/internal/plan/scaling"
)

var now = time.Date(2026, 8, 1, 12, 0, 5, 0, time.UTC)

// drawn reads points as the CloudWatch guide draws them: X breaches, 0 does
// not, - is missing; the newest is the last.
func drawn(text string) []scaling.Point {
	var out []scaling.Point
	marks := strings.Fields(text)
	for i, m := range marks {
		at := now.Truncate(time.Minute).Add(time.Duration(i-len(marks)) * time.Minute)
		switch m {
		case "X":
			out = append(out, scaling.Point{At: at, Value: 90, Count: 2})
		case "0":
			out = append(out, scaling.Point{At: at, Value: 10, Count: 2})
		}
	}
	return out
}

func high(n, m int64, missing string) model.Alarm {
	return model.Alarm{
		Name: "a", Period: 60, EvaluationPeriods: n, DatapointsToAlarm: m, Threshold: 50, Comparison: "GreaterThanThreshold",
		Statistic: "Average", Unit: "Percent", TreatMissing: missing, State: "kept",
	}
}

// TestMissingDataIsTreatedAsTheGuideSays has the two tables of "Configuring
// how CloudWatch alarms treat missing data".
func TestMissingDataIsTreatedAsTheGuideSays(t *testing.T) {
	for _, c := range []struct {
		m      int64
		points string
		want   [4]string // missing, ignore, breaching, notBreaching
	}{
		{3, "0 - X - X", [4]string{"OK", "OK", "OK", "OK"}},
		{3, "0 - - - -", [4]string{"OK", "OK", "OK", "OK"}},
		{3, "- - - - -", [4]string{"INSUFFICIENT_DATA", "kept", "ALARM", "OK"}},
		{3, "0 X X - X", [4]string{"ALARM", "ALARM", "ALARM", "ALARM"}},
		{3, "- - X - -", [4]string{"ALARM", "kept", "ALARM", "OK"}},
		{2, "0 - X - X", [4]string{"ALARM", "ALARM", "ALARM", "ALARM"}},
		{2, "0 0 X 0 X", [4]string{"ALARM", "ALARM", "ALARM", "ALARM"}},
		{2, "0 - X - -", [4]string{"OK", "OK", "ALARM", "OK"}},
		{2, "- - - - 0", [4]string{"OK", "OK", "ALARM", "OK"}},
		{2, "- - - X -", [4]string{"ALARM", "kept", "ALARM", "OK"}},
		// And its text on what is too early to tell.
		{3, "- - - - X", [4]string{"INSUFFICIENT_DATA", "kept", "ALARM", "OK"}},
		{3, "- - - X -", [4]string{"INSUFFICIENT_DATA", "kept", "ALARM", "OK"}},
		{3, "- - - X 0", [4]string{"OK", "OK", "OK", "OK"}},
		// Nothing is missing: the older ones do not count.
		{3, "X X 0 X X", [4]string{"OK", "OK", "OK", "OK"}},
		{3, "0 0 X X X", [4]string{"ALARM", "ALARM", "ALARM", "ALARM"}},
	} {
		for i, how := range []string{"missing", "ignore", "breaching", "notBreaching"} {
			if v := scaling.Evaluate(high(3, c.m, how), drawn(c.points), now); v.State != model.AlarmState(c.want[i]) {
				t.Errorf("%d of 3, %q, missing is %s: %s (%s)", c.m, c.points, how, v.State, v.Reason)
			}
		}
	}
}

// Proves: D75
func TestLowAlarmWantsFifteenQuietMinutes(t *testing.T) {
	low := model.Alarm{
		EvaluationPeriods: 15, Period: 60, Threshold: 63, Comparison: "LessThanThreshold", TreatMissing: "missing",
		State: model.AlarmInsufficientData,
	}
	quiet := func(n int) string { return strings.TrimSuffix(strings.Repeat("0 ", n), " ") }
	for text, want := range map[string]string{
		quiet(1): "INSUFFICIENT_DATA", quiet(14): "INSUFFICIENT_DATA", quiet(15): "ALARM", "X " + quiet(14): "OK", "X " + quiet(15): "ALARM",
	} {
		if v := scaling.Evaluate(low, drawn(text), now); v.State != model.AlarmState(want) {
			t.Errorf("%s: %s (%s)", text, v.State, v.Reason)
		}
	}
}

func TestComparisons(t *testing.T) {
	for op, want := range map[string][3]bool{ // below, at and above the threshold
		"GreaterThanThreshold": {false, false, true}, "GreaterThanOrEqualToThreshold": {false, true, true},
		"LessThanThreshold": {true, false, false}, "LessThanOrEqualToThreshold": {true, true, false},
	} {
		for i, v := range []float64{49, 50, 51} {
			a := high(1, 1, "missing")
			a.Comparison = op
			got := scaling.Evaluate(a, []scaling.Point{{At: now.Truncate(time.Minute).Add(-time.Minute), Value: v}}, now)
			if (got.State == model.AlarmFiring) != want[i] {
				t.Errorf("%g %s 50: %s", v, op, got.State)
			}
		}
	}
}

func TestReasonsAreCloudWatchs(t *testing.T) {
	for _, c := range []struct {
		m             int64
		how, at, want string
	}{
		{
			3, "missing", "0 0 X X X",
			"Threshold Crossed: 3 out of the last 3 datapoints [90.0 (01/08/26 11:59:00), 90.0 (01/08/26 11:58:00), 90.0 (01/08/26 11:57:00)] " +
				"were greater than the threshold (50.0) (minimum 3 datapoints for OK -> ALARM transition).",
		},
		{
			3, "missing", "X X 0",
			"Threshold Crossed: 1 out of the last 3 datapoints [10.0 (01/08/26 11:59:00)] was not greater than the threshold (50.0) (minimum 1 " +
				"datapoint for ALARM -> OK transition).",
		},
		{
			2, "missing", "0 X 0",
			"Threshold Crossed: 2 out of the last 3 datapoints [10.0 (01/08/26 11:59:00), 10.0 (01/08/26 11:57:00)] were not greater than the " +
				"threshold (50.0) (minimum 2 datapoints for ALARM -> OK transition).",
		},
		{3, "missing", "- - -", "Insufficient Data: 3 datapoints were unknown."},
		{3, "missing", "- 0 X - - - -", "Insufficient Data: 3 datapoints were unknown."},
		{
			3, "breaching", "- - -",
			"Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as [Breaching].",
		},
		{
			3, "breaching", "- - X",
			"Threshold Crossed: 1 datapoint was received for 3 periods and 2 missing datapoints were treated as [Breaching].",
		},
		{
			3, "notBreaching", "- X X",
			"Threshold Crossed: 2 datapoints were received for 3 periods and 1 missing datapoint was treated as [NonBreaching].",
		},
	} {
		points := drawn(c.at)
		if from, _ := scaling.Window(high(3, c.m, c.how), now); len(points) > 0 && points[0].At.Before(from) {
			points = nil // the window leaves them out
		}
		if v := scaling.Evaluate(high(3, c.m, c.how), points, now); v.Reason != c.want {
			t.Errorf("%s: %q", c.at, v.Reason)
		}
	}
	a := high(1, 1, "missing")
	for _, c := range []struct {
		value float64
		want  string
	}{{0.0666851903306472, "[0.0666851903306472 ("}, {12345678, "[1.2345678E7 ("}, {0.0001, "[1.0E-4 ("}, {0, "[0.0 ("}} {
		v := scaling.Evaluate(a, []scaling.Point{{At: now.Truncate(time.Minute).Add(-time.Minute), Value: c.value}}, now)
		if !strings.Contains(v.Reason, c.want) {
			t.Errorf("%g: %s", c.value, v.Reason)
		}
	}
}

func TestReasonDataIsForMachines(t *testing.T) {
	v := scaling.Evaluate(high(3, 3, "missing"), drawn("0 X X"), now)
	want := `{"version":"1.0","queryDate":"2026-08-01T12:00:05.000+0000","startDate":"2026-08-01T11:57:00.000+0000","unit":"Percent","statistic":"Average","period":60,` +
		`"recentDatapoints":[10.0,90.0,90.0],"threshold":50.0,"evaluatedDatapoints":[{"timestamp":"2026-08-01T11:59:00.000+0000","sampleCount":2.0,"value":90.0},` +
		`{"timestamp":"2026-08-01T11:58:00.000+0000","sampleCount":2.0,"value":90.0},{"timestamp":"2026-08-01T11:57:00.000+0000","sampleCount":2.0,"value":10.0}]}`
	if v.Data != want {
		t.Errorf("%s", v.Data)
	}
}

func TestWindowHoldsWholePeriods(t *testing.T) {
	from, to := scaling.Window(model.Alarm{Period: 60, EvaluationPeriods: 3}, now)
	if !to.Equal(now.Truncate(time.Minute)) || to.Sub(from) != 5*time.Minute {
		t.Errorf("%s to %s", from, to)
	}
	from, to = scaling.Window(model.Alarm{Period: 300, EvaluationPeriods: 1}, now.Add(2*time.Minute))
	if to.Minute() != 2 || to.Sub(from) != 15*time.Minute {
		t.Errorf("periods of five minutes: %s to %s", from, to)
	}
	if e := scaling.Every(model.Alarm{Period: 10}); e != 10*time.Second {
		t.Errorf("every %s", e)
	}
}

// TestAlarmLaws: the data is always JSON, the state is one of four, and a
// point that breaches never ends an alarm that M points give.
func TestAlarmLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 6).Draw(t, "n")
		a := high(
			n, rapid.Int64Range(1, n).Draw(t, "m"), rapid.SampledFrom([]string{"missing", "ignore", "breaching", "notBreaching"}).Draw(t, "missing"),
		)
		marks := rapid.SliceOfN(rapid.SampledFrom([]string{"X", "0", "-"}), int(n)+2, int(n)+2).Draw(t, "points")
		points := drawn(strings.Join(marks, " "))
		v := scaling.Evaluate(a, points, now)
		if told := json.Valid([]byte(v.Data)) && v.Reason != ""; told != (v.State != a.State) {
			t.Fatalf("%+v", v)
		}
		bad := 0
		for _, p := range v.Points {
			if p.Value > 50 {
				bad++
			}
		}
		if (int64(bad) >= a.DatapointsToAlarm) != (v.State == model.AlarmFiring) && len(v.Points) == int(n) {
			t.Fatalf("%d of %d breach: %s", bad, n, v.State)
		}
		if a.TreatMissing == "breaching" || a.TreatMissing == "notBreaching" {
			if v.State != model.AlarmFiring && v.State != model.AlarmOK {
				t.Fatalf("%s although missing data is %s", v.State, a.TreatMissing)
			}
		}
	})
}
