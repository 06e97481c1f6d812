package scaling_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/internal/model"
	"berth/internal/plan/scaling"
)

const outAlarm, inAlarm = "GreaterThanThreshold", "LessThanThreshold"

// signal is an alarm in ALARM whose newest value is the first.
func signal(name, comparison string, values ...float64) scaling.Signal {
	s := scaling.Signal{Alarm: model.Alarm{Name: name, Comparison: comparison, State: model.AlarmFiring, Threshold: 50}, Fires: true}
	for i, v := range values {
		s.Points = append(s.Points, scaling.Point{At: now.Add(-time.Duration(i+1) * time.Minute), Value: v})
	}
	return s
}

func tracks(name string, signals ...scaling.Signal) scaling.Policy {
	return scaling.Policy{
		ScalingPolicy: model.ScalingPolicy{ARN: "arn:" + name, Name: name, Type: scaling.TargetTracking, TargetValue: 50}, Signals: signals,
	}
}

func world(desired int64, policies ...scaling.Policy) scaling.World {
	return scaling.World{Now: now, Target: model.ScalableTarget{Min: 1, Max: 10}, Desired: desired, Running: desired, Policies: policies}
}

// outcome is a plan in one line: the new count, or the codes of why not.
func outcome(p scaling.Plan) string {
	if p.Scale != nil {
		return fmt.Sprintf("%d by %s", p.Scale.To, p.Scale.Policy.Name)
	}
	text := "kept"
	for _, k := range p.Kept {
		text += " " + k.Code
		for _, f := range []*int64{k.Max, k.Min, k.Current} {
			if f != nil {
				text += fmt.Sprintf("=%d", *f)
			}
		}
	}
	return text
}

// Proves: D77, D78
func TestTargetTracking(t *testing.T) {
	with := func(w scaling.World, edit func(*scaling.World)) scaling.World { edit(&w); return w }
	out, in := func(v ...float64) scaling.Policy {
		return tracks(
			"p", signal("h", outAlarm, v...),
		)
	}, func(v ...float64) scaling.Policy { return tracks("p", signal("l", inAlarm, v...)) }
	cooled := func(p scaling.Policy, edit func(*model.ScalingPolicy)) scaling.Policy {
		edit(&p.ScalingPolicy)
		return p
	}
	for name, c := range map[string]struct {
		w    scaling.World
		want string
	}{
		"two at 96 %, as seen on AWS":   {world(2, out(96)), "4 by p"},
		"a little too much":             {world(2, out(50.1)), "3 by p"},
		"the newest value counts":       {world(2, out(60, 200)), "3 by p"},
		"no further than the maximum":   {world(8, out(100)), "10 by p"},
		"at the maximum":                {world(10, out(100)), "kept AlreadyAtMaxCapacity=10"},
		"set above the maximum by hand": {world(14, out(100)), "kept AlreadyAtMaxCapacity=10"},
		"set below the minimum by hand": {with(world(1, out(60)), func(w *scaling.World) { w.Target.Min = 5 }), "5 by p"},
		"from nothing":                  {with(world(0, out(60)), func(w *scaling.World) { w.Target.Min = 0 }), "1 by p"},
		"tasks that find no place":      {with(world(4, out(96)), func(w *scaling.World) { w.Running = 2 }), "kept AlreadyAtDesiredCapacity=4"},
		"both colours run":              {with(world(2, out(60)), func(w *scaling.World) { w.Running, w.Deploying = 4, true }), "3 by p"},
		"scaling out is suspended":      {with(world(2, out(96)), func(w *scaling.World) { w.Target.SuspendOut = true }), "kept "},
		"no data":                       {world(2, out()), "kept "},
		"acted in this minute": {
			world(2, tracks("p", scaling.Signal{Alarm: signal("h", outAlarm).Alarm, Points: signal("", "", 96).Points})), "kept ",
		},
		"cooldown, the same need": {
			world(4, cooled(out(96), func(p *model.ScalingPolicy) { p.LastOutAt, p.LastOutFrom = now.Add(-time.Minute), 2 })), "kept ",
		},
		"cooldown, a larger need": {
			world(4, cooled(out(140), func(p *model.ScalingPolicy) { p.LastOutAt, p.LastOutFrom = now.Add(-time.Minute), 2 })), "6 by p",
		},
		"cooldown is over": {
			world(4, cooled(out(96), func(p *model.ScalingPolicy) { p.LastOutAt, p.LastOutFrom = now.Add(-5*time.Minute), 2 })), "8 by p",
		},
		"a shorter cooldown": {world(4, cooled(out(96), func(p *model.ScalingPolicy) {
			p.LastOutAt, p.LastOutFrom, p.ScaleOutCooldown = now.Add(-time.Minute), 2, new(int64)
		})), "8 by p"},
		"a scale-in goes gently": {world(4, in(5)), "3 by p"},
		"a tenth of many":        {with(world(50, in(5)), func(w *scaling.World) { w.Target.Max = 100 }), "45 by p"},
		"the highest of the watch counts": {
			with(world(20, in(5, 48)), func(w *scaling.World) { w.Target.Max = 100 }), "kept AutoScalingAnticipatedFlapping=20",
		},
		"one would be at 80 %":               {world(2, in(40)), "kept AutoScalingAnticipatedFlapping=2"},
		"at the minimum":                     {world(1, in(1)), "kept AlreadyAtMinCapacity=1"},
		"below the minimum":                  {with(world(2, in(1)), func(w *scaling.World) { w.Target.Min = 3 }), "kept AlreadyAtMinCapacity=3"},
		"from above the maximum to it first": {world(14, in(5)), "10 by p"},
		"above the maximum, with load":       {world(14, in(44)), "10 by p"},
		"a deployment is under way": {
			with(world(4, in(5)), func(w *scaling.World) { w.Deploying = true }), "kept TargetServicePutResourceAsUnscalable",
		},
		"scaling in is suspended": {with(world(4, in(5)), func(w *scaling.World) { w.Target.SuspendIn = true }), "kept "},
		"scaling in is disabled":  {world(4, cooled(in(5), func(p *model.ScalingPolicy) { p.DisableScaleIn = true })), "kept "},
		"cooldown of a scale-in": {
			world(4, cooled(in(5), func(p *model.ScalingPolicy) { p.LastInAt = now.Add(-time.Minute) })), "kept ",
		},
		"a scale-in is over": {
			world(4, cooled(in(5), func(p *model.ScalingPolicy) { p.LastInAt = now.Add(-5 * time.Minute) })), "3 by p",
		},
		"to nothing": {with(world(1, in(0)), func(w *scaling.World) { w.Target.Min = 0 }), "0 by p"},
		"a scale-out cooldown blocks no in": {
			world(4, cooled(in(5), func(p *model.ScalingPolicy) { p.LastOutAt = now.Add(-time.Minute) })), "3 by p",
		},
		"a scale-in cooldown blocks no out": {
			world(4, cooled(out(96), func(p *model.ScalingPolicy) { p.LastInAt = now.Add(-time.Minute) })), "8 by p",
		},
		"nothing to do": {world(4, tracks("p")), "kept"},
	} {
		if got := outcome(scaling.Decide(c.w)); got != c.want {
			t.Errorf("%s: %q, want %q (%+v)", name, got, c.want, scaling.Decide(c.w))
		}
	}
}

func TestSeveralPolicies(t *testing.T) {
	h, l := func(v float64) scaling.Signal { return signal("h", outAlarm, v) },
		func(v float64) scaling.Signal { return signal("l", inAlarm, v) }
	off := tracks("off", h(90))
	off.DisableScaleIn = true
	quietOff := off
	quietOff.Signals = nil
	cooling := tracks("b", l(5))
	cooling.LastInAt = now.Add(-time.Minute)
	down := scaling.Policy{ScalingPolicy: model.ScalingPolicy{
		ARN: "arn:down", Name: "down", Type: scaling.StepScaling, AdjustmentType: "ChangeInCapacity",
		Steps: []model.StepAdjustment{{Upper: new(float64), Adjustment: -2}},
	}, Signals: []scaling.Signal{signal("s", inAlarm, 5)}}
	for name, c := range map[string]struct {
		w    scaling.World
		want string
	}{
		"the larger wins":                      {world(4, tracks("a", h(60)), tracks("b", h(90))), "8 by b"},
		"out comes before in":                  {world(4, tracks("a", l(5)), tracks("b", h(60))), "5 by b"},
		"in only when all want":                {world(4, tracks("a", l(5)), tracks("b")), "kept "},
		"all want in, the larger wins":         {world(4, tracks("a", l(5)), tracks("b", l(37))), "3 by a"},
		"one that may not scale in has no say": {world(4, tracks("a", l(5)), quietOff), "3 by a"},
		"but it has if it wants out":           {world(10, tracks("a", l(5)), off), "kept  AlreadyAtMaxCapacity=10"},
		"the cooldown of another":              {world(4, tracks("a", l(5)), cooling), "kept  "},
		"steps down are not held back":         {world(4, tracks("a"), down), "2 by down"},
		"of two ways down the larger":          {world(4, tracks("a", l(5)), down), "3 by a"},
	} {
		if got := outcome(scaling.Decide(c.w)); got != c.want {
			t.Errorf("%s: %q, want %q (%+v)", name, got, c.want, scaling.Decide(c.w))
		}
	}
}

func steps(kind string, bounds ...[3]float64) scaling.Policy {
	p := scaling.Policy{
		ScalingPolicy: model.ScalingPolicy{ARN: "arn:s", Name: "s", Type: scaling.StepScaling, AdjustmentType: kind, Cooldown: 300},
	}
	for _, b := range bounds {
		s := model.StepAdjustment{Adjustment: int64(b[2])}
		if !math.IsInf(b[0], 0) {
			s.Lower = &b[0]
		}
		if !math.IsInf(b[1], 0) {
			s.Upper = &b[1]
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

// TestTheGuidesExampleOfSteps has the example of the guide on step scaling:
// 10 → 11 → 14 → 13 → 10.
func TestTheGuidesExampleOfSteps(t *testing.T) {
	inf := math.Inf(1)
	up := steps("PercentChangeInCapacity", [3]float64{0, 10, 0}, [3]float64{10, 20, 10}, [3]float64{20, inf, 30})
	down := steps("PercentChangeInCapacity", [3]float64{-10, 0, 0}, [3]float64{-20, -10, -10}, [3]float64{-inf, -20, -30})
	for _, c := range []struct {
		from  int64
		value float64
		want  string
	}{
		{10, 50, "kept AlreadyAtDesiredCapacity=10"}, {10, 59.9, "kept AlreadyAtDesiredCapacity=10"}, {10, 60, "11 by s"}, {11, 70, "14 by s"},
		{14, 40, "13 by s"}, {13, 30, "10 by s"}, {13, 40.1, "kept AlreadyAtDesiredCapacity=13"},
	} {
		p := up
		s := signal("a", "GreaterThanOrEqualToThreshold", c.value)
		if c.value < 50 {
			p, s = down, signal("a", "LessThanOrEqualToThreshold", c.value)
		}
		p.Signals = []scaling.Signal{s}
		w := world(c.from, p)
		w.Target.Max = 100
		if got := outcome(scaling.Decide(w)); got != c.want {
			t.Errorf("%d at %g: %q, want %q", c.from, c.value, got, c.want)
		}
	}
}

func TestStepsCountWhatTheLastOneAdded(t *testing.T) {
	inf := math.Inf(1)
	p := steps("ChangeInCapacity", [3]float64{0, 20, 2}, [3]float64{20, inf, 3})
	p.LastOutAt, p.LastOutFrom = now.Add(-time.Minute), 2
	for value, want := range map[float64]string{60: "kept ", 75: "5 by s"} { // the guide: only one more is added
		p.Signals = []scaling.Signal{signal("a", outAlarm, value)}
		if got := outcome(scaling.Decide(world(4, p))); got != want {
			t.Errorf("%g: %q, want %q", value, got, want)
		}
	}
	p.LastOutAt = time.Time{}
	p.Signals = []scaling.Signal{signal("a", outAlarm, 60)}
	w := world(4, p)
	w.Running = 1
	if got := outcome(scaling.Decide(w)); got != "kept AlreadyAtDesiredCapacity=4" {
		t.Errorf("one of four runs: %q", got)
	}
	p.Signals = []scaling.Signal{signal("a", inAlarm, 10)}
	if got := outcome(scaling.Decide(world(4, p))); got != "kept " {
		t.Errorf("no step is for it: %q", got)
	}
}

func TestAggregation(t *testing.T) {
	inf := math.Inf(1)
	for how, want := range map[string]string{"Average": "5 by s", "Minimum": "kept AlreadyAtDesiredCapacity=4", "Maximum": "6 by s"} {
		p := steps("ChangeInCapacity", [3]float64{0, 10, 0}, [3]float64{10, 20, 1}, [3]float64{20, inf, 2})
		p.Aggregation = how
		p.Signals = []scaling.Signal{signal("a", outAlarm, 70, 65, 55)}
		if got := outcome(scaling.Decide(world(4, p))); got != want {
			t.Errorf("%s: %q, want %q", how, got, want)
		}
	}
}

func TestAdjustments(t *testing.T) {
	for _, c := range []struct {
		kind            string
		from, by, least int64
		want            int64
	}{
		{"ChangeInCapacity", 2, 3, 0, 5}, {"ChangeInCapacity", 2, -3, 0, 0}, {"ExactCapacity", 2, 7, 0, 7},
		{"PercentChangeInCapacity", 10, 10, 0, 11}, {"PercentChangeInCapacity", 11, 30, 0, 14}, {"PercentChangeInCapacity", 14, -10, 0, 13},
		{"PercentChangeInCapacity", 13, -30, 0, 10},
		{"PercentChangeInCapacity", 2, 10, 0, 3}, {"PercentChangeInCapacity", 2, -10, 0, 1}, {"PercentChangeInCapacity", 4, 25, 2, 6},
		{"PercentChangeInCapacity", 0, 50, 0, 0},
		{"PercentChangeInCapacity", 10, -10, 3, 7}, {"PercentChangeInCapacity", 10, 0, 3, 10},
	} {
		if got := scaling.Adjust(c.kind, c.from, c.by, c.least); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// A policy that one task less would bring above its target holds the others.
func TestAPolicyThatWouldFlapHoldsTheOthers(t *testing.T) {
	p, q := tracks("p", signal("a", inAlarm, 1)), tracks("q", signal("a", inAlarm, 33.5))
	p.TargetValue, q.TargetValue = 50, 50
	if plan := scaling.Decide(world(3, p, q)); plan.Scale != nil || len(plan.Kept) != 2 {
		t.Errorf("3 × 33.5 is more than 2 × 50: %+v", plan)
	}
}

// TestDecisionLaws: whatever the figures, a decision keeps the bounds, out is
// more and in is less, no scale-in brings the metric above its target, every
// signal is answered, and the same need has no second scale-out.
func TestDecisionLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Int64Range(0, 20).Draw(t, "min")
		w := scaling.World{
			Now: now, Target: model.ScalableTarget{Min: low, Max: low + rapid.Int64Range(0, 50).Draw(t, "span")},
			Desired: rapid.Int64Range(0, 80).Draw(t, "desired"), Running: rapid.Int64Range(0, 80).Draw(t, "running"),
			Deploying: rapid.Bool().Draw(t, "deploying"),
		}
		signals := 0
		for i := range rapid.IntRange(1, 3).Draw(t, "policies") {
			value := rapid.Float64Range(0, 500).Draw(t, "value")
			comparison := rapid.SampledFrom([]string{outAlarm, inAlarm}).Draw(t, "comparison")
			p := tracks(fmt.Sprint("p", i), signal("a", comparison, value))
			if p.TargetValue = 50; (value > 50) != (comparison == outAlarm) {
				p.Signals = nil // an alarm that is not in ALARM
			}
			signals += len(p.Signals)
			w.Policies = append(w.Policies, p)
		}
		plan := scaling.Decide(w)
		answered := len(plan.Kept)
		if s := plan.Scale; s != nil {
			answered++
			switch {
			case s.To < w.Target.Min || s.To > w.Target.Max:
				t.Fatalf("out of bounds: %+v", s)
			case s.Out && s.To <= w.Desired, !s.Out && (s.To >= w.Desired || w.Deploying):
				t.Fatalf("the wrong way: %+v", s)
			}
			if base := min(w.Running, w.Desired); !s.Out && w.Desired <= w.Target.Max && s.To > w.Target.Min {
				for _, p := range w.Policies {
					if len(p.Signals) > 0 && float64(base)*p.Signals[0].Points[0].Value/float64(s.To) > p.TargetValue+1e-6 {
						t.Fatalf("it would flap: %+v", s)
					}
				}
			}
		}
		if answered != signals {
			t.Fatalf("%d answers to %d signals: %+v", answered, signals, plan)
		}
		if s := plan.Scale; s != nil && s.Out {
			for i := range w.Policies {
				if w.Policies[i].ARN == s.Policy.ARN {
					w.Policies[i].LastOutAt, w.Policies[i].LastOutFrom = now, s.From
				}
			}
			w.Desired, w.Now = s.To, now.Add(time.Minute)
			for range 3 { // tasks come, and the figures lag behind
				w.Running++
				if again := scaling.Decide(w).Scale; again != nil && again.Policy.ARN == s.Policy.ARN {
					t.Fatalf("%+v, and then %+v", s, again)
				}
			}
		}
	})
}
