package scaling_test

import (
	"testing"
	"time"

	"berth/internal/model"
	"berth/internal/plan/scaling"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// ofGroup is a group of four, of which serving are in service, that a policy
// scales since an alarm at 100 asks for it.
func ofGroup(serving int64, p model.ScalingPolicy, comparison string) scaling.World {
	g := &model.AutoScalingGroup{Name: "g", Min: 1, Max: 10, Desired: 4, Cooldown: 300}
	w := scaling.GroupWorld(scaling.GroupFacts{Group: g, Serving: serving}, false, noon)
	w.Policies = []scaling.Policy{{ScalingPolicy: p, Signals: []scaling.Signal{{
		Alarm: model.Alarm{Name: "a", Threshold: 50, Comparison: comparison}, Points: []scaling.Point{{At: noon, Value: 100}}, Fires: true,
	}}}}
	return w
}

// Proves: E12, E13
func TestPoliciesOfAGroup(t *testing.T) {
	two, no := int64(2), 0.0
	simple := model.ScalingPolicy{Name: "s", Type: scaling.SimpleScaling, AdjustmentType: "ChangeInCapacity", Adjustment: 2}
	fewer := simple
	fewer.Adjustment = -1
	steps := model.ScalingPolicy{Name: "s", Type: scaling.StepScaling, AdjustmentType: "ChangeInCapacity",
		Steps: []model.StepAdjustment{{Lower: &no, Adjustment: 2}}}
	down := steps
	down.Steps = []model.StepAdjustment{{Lower: &no, Adjustment: -2}}
	track := model.ScalingPolicy{Name: "t", Type: scaling.TargetTracking, TargetValue: 50}
	for name, c := range map[string]struct {
		policy model.ScalingPolicy
		edit   func(*scaling.World)
		want   int64 // 0 is no change
	}{
		"a simple one":         {simple, nil, 6},
		"a simple one, down":   {fewer, nil, 3},
		"while instances come": {simple, func(w *scaling.World) { w.Group.Busy = true }, 0},
		"in its cooldown":      {simple, func(w *scaling.World) { w.Policies[0].LastOutAt = noon.Add(-299 * time.Second) }, 0},
		"after it":             {simple, func(w *scaling.World) { w.Policies[0].LastInAt = noon.Add(-300 * time.Second) }, 6},
		"its own cooldown is shorter": {simple, func(w *scaling.World) {
			w.Policies[0].LastInAt, w.Policies[0].OwnCooldown = noon.Add(-time.Minute), &two
		}, 6},
		"the cooldown begins when they are there": {simple, func(w *scaling.World) {
			w.Policies[0].LastOutAt, w.Group.Settled = noon.Add(-time.Hour), noon.Add(-time.Minute)
		}, 0},
		"suspended": {simple, func(w *scaling.World) { w.Target.SuspendOut = true }, 0},
		"steps":     {steps, nil, 6},
		"what warms up counts": {steps, func(w *scaling.World) {
			w.Policies[0].LastOutAt, w.Policies[0].LastOutFrom = noon.Add(-time.Minute), 2
		}, 0},
		"steps, after the warm-up": {steps, func(w *scaling.World) {
			w.Policies[0].LastOutAt, w.Policies[0].LastOutFrom = noon.Add(-time.Hour), 2
		}, 6},
		"the policy's own warm-up": {steps, func(w *scaling.World) {
			w.Policies[0].LastOutAt, w.Policies[0].Warmup = noon.Add(-time.Minute), &two
		}, 6},
		"the group's own warm-up": {steps, func(w *scaling.World) {
			w.Policies[0].LastOutAt, w.Group.Group.Warmup = noon.Add(-time.Minute), &two
		}, 6},
		"steps down":                    {down, nil, 2},
		"nothing goes while some warm":  {down, func(w *scaling.World) { w.Policies[0].LastOutAt = noon.Add(-time.Minute) }, 0},
		"a scale-in has no cooldown":    {down, func(w *scaling.World) { w.Policies[0].LastInAt = noon.Add(-time.Minute) }, 2},
		"tracking":                      {track, nil, 8},
		"tracking, with some to come":   {track, func(w *scaling.World) { w.Running = 3 }, 6},
		"tracking, not beyond the most": {track, func(w *scaling.World) { w.Target.Max = 7 }, 7},
	} {
		w := ofGroup(4, c.policy, "GreaterThanThreshold")
		if c.edit != nil {
			c.edit(&w)
		}
		var got int64
		if to := scaling.Decide(w).Scale; to != nil {
			got = to.To
		}
		if got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestCoolOfAGroup(t *testing.T) {
	p := model.ScalingPolicy{Type: scaling.SimpleScaling}
	scaling.Cool(&p, scaling.Scale{Out: true, From: 3}, noon)
	if p.LastOutAt != noon || p.LastOutFrom != 3 {
		t.Errorf("out: %+v", p)
	}
	scaling.Cool(&p, scaling.Scale{}, noon)
	if p.LastInAt != noon {
		t.Errorf("in: %+v", p)
	}
}

// Proves: E12, E16
func TestWordsOfAGroup(t *testing.T) {
	p := model.ScalingPolicy{TargetValue: 50}
	if all := scaling.TrackingAlarms(p); len(all) != 2 || all[0].Threshold != 50 || all[1].Threshold != 45 || all[1].Periods != 15 {
		t.Errorf("%+v", all)
	}
	if p.DisableScaleIn = true; len(scaling.TrackingAlarms(p)) != 1 {
		t.Error("a policy that does not scale in has two alarms")
	}
	const want = "At 2026-01-01T12:00:00Z a user request executed policy p changing the desired capacity from 1 to 2."
	if got := scaling.GroupWhy(noon, "a user request executed policy p", 1, 2); got != want {
		t.Error(got)
	}
}

// Proves: E15
func TestWhenAGroupsActionsAreDue(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC) }
	once := model.ScheduledAction{Target: model.GroupTarget("g"), CreatedAt: at(1), StartAt: at(14)}
	daily := model.ScheduledAction{Target: model.GroupTarget("g"), CreatedAt: at(1), Schedule: "0 13 * * *", Timezone: "Asia/Tokyo"}
	if next, ok := scaling.Next(once, noon); !ok || next != at(14) {
		t.Errorf("once: %s %t", next, ok)
	}
	if runs, _, ok := scaling.Due([]model.ScheduledAction{once}, at(15)); len(runs) != 1 || ok {
		t.Errorf("once, when it is due: %v, and again: %t", runs, ok)
	}
	if next, ok := scaling.Next(daily, noon); !ok || next != at(28) {
		t.Errorf("daily: %s %t", next, ok)
	}
}

func TestBadSteps(t *testing.T) {
	f := func(v float64) *float64 { return &v }
	step := func(low, high *float64) model.StepAdjustment {
		return model.StepAdjustment{Lower: low, Upper: high, Adjustment: 1}
	}
	for name, c := range map[string]struct {
		steps []model.StepAdjustment
		kind  string
		good  bool
	}{
		"none":                   {nil, "", false},
		"one":                    {[]model.StepAdjustment{step(f(0), nil)}, "", true},
		"two":                    {[]model.StepAdjustment{step(f(0), f(10)), step(f(10), nil)}, "", true},
		"too many":               {make([]model.StepAdjustment, 21), "", false},
		"two without bounds":     {[]model.StepAdjustment{step(nil, nil), step(nil, nil)}, "", false},
		"upside down":            {[]model.StepAdjustment{step(f(2), f(1))}, "", false},
		"overlapping":            {[]model.StepAdjustment{step(f(0), f(10)), step(f(5), nil)}, "", false},
		"a gap":                  {[]model.StepAdjustment{step(f(0), f(10)), step(f(11), nil)}, "", false},
		"ends below":             {[]model.StepAdjustment{step(f(-5), f(0))}, "", false},
		"ends above":             {[]model.StepAdjustment{step(f(0), f(5))}, "", false},
		"exactly less than none": {[]model.StepAdjustment{{Lower: f(0), Adjustment: -1}}, "ExactCapacity", false},
	} {
		if why := scaling.BadSteps(model.ScalingPolicy{Steps: c.steps, AdjustmentType: c.kind}); (why == "") != c.good {
			t.Errorf("%s: %q", name, why)
		}
	}
}
