package scaling_test

import (
	"strings"
	"testing"
	"time"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// grouped is a world with a group g of two instances, one of which is in
// service, and a policy whose alarm is in ALARM.
func grouped(t *testing.T, edit func(*model.AutoScalingGroup, *model.ScalingPolicy)) *world {
	w := newWorld(t, 0)
	arn := place.ARN("autoscaling", "scalingPolicy:1:autoScalingGroupName/g:policyName/p")
	g := model.AutoScalingGroup{Name: "g", ARN: "arn:g", Min: 1, Max: 5, Desired: 2, Cooldown: 60}
	p := model.ScalingPolicy{
		ARN: arn, Name: "p", Type: "SimpleScaling", Target: model.GroupTarget("g"), AdjustmentType: "ChangeInCapacity", Adjustment: 1,
	}
	if edit != nil {
		edit(&g, &p)
	}
	w.put("api/ec2", func(tx *store.Tx) error {
		_ = state.Instances.Put(tx, model.Instance{ID: "i-1", Group: "g", Goal: model.GoalRun, State: model.InstanceRunning})
		return state.Instances.Put(tx, model.Instance{ID: "i-2", Group: "g", Goal: model.GoalRun, State: model.InstancePending})
	})
	w.put("controllers/group", func(tx *store.Tx) error {
		return state.GroupActivities.Put(tx, model.GroupActivity{ID: "a", Group: "g", Instance: "i-1", EndAt: start.Add(-time.Hour)})
	})
	w.put("api/autoscaling", func(tx *store.Tx) error {
		_ = state.ScalingPolicies.Put(tx, p)
		return state.AutoScalingGroups.Put(tx, g)
	})
	w.put("api/cloudwatch", func(tx *store.Tx) error {
		return state.Alarms.Put(tx, model.Alarm{
			Name: "own", ActionsEnabled: true, AlarmActions: []string{arn}, State: model.AlarmFiring, TransitionedAt: start, ConfiguredAt: start,
			Namespace: "n", Metric: "m", Statistic: "Sum", Period: 60, EvaluationPeriods: 1, Comparison: "GreaterThanThreshold",
			TreatMissing: "ignore",
		})
	})
	w.settle()
	return w
}

func (w *world) group() model.AutoScalingGroup {
	g, _ := state.AutoScalingGroups.Get(w.db.View(), "g")
	return g
}

// Proves: E12, E16
func TestAnAlarmResizesAGroup(t *testing.T) {
	w := grouped(t, nil)
	g := w.group()
	const why = "a monitor alarm own in state ALARM triggered policy p changing the desired capacity from 2 to 3."
	if g.Desired != 3 || !strings.HasSuffix(g.Why, why) {
		t.Errorf("%d: %s", g.Desired, g.Why)
	}
	p := state.ScalingPolicies.By(w.db.View(), "target", model.GroupTarget("g"))[0]
	if p.LastOutAt != start {
		t.Errorf("its cooldown began at %s", p.LastOutAt)
	}
}

func TestWhatDoesNotResizeAGroup(t *testing.T) {
	for name, edit := range map[string]func(*model.AutoScalingGroup, *model.ScalingPolicy){
		"a policy that is disabled":  func(_ *model.AutoScalingGroup, p *model.ScalingPolicy) { p.Disabled = true },
		"AlarmNotification":          func(g *model.AutoScalingGroup, _ *model.ScalingPolicy) { g.Suspended = []string{"AlarmNotification"} },
		"a group that is deleted":    func(g *model.AutoScalingGroup, _ *model.ScalingPolicy) { g.Deleting = true },
		"a cooldown that is no over": func(_ *model.AutoScalingGroup, p *model.ScalingPolicy) { p.LastInAt = start },
	} {
		if g := grouped(t, edit).group(); g.Desired != 2 {
			t.Errorf("%s: %d", name, g.Desired)
		}
	}
}

// Proves: E15
func TestAScheduledActionSizesAGroup(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	for name, c := range map[string]struct {
		action    model.ScheduledAction
		suspended []string
		want      [3]int64
	}{
		"all":              {model.ScheduledAction{Min: n(2), Max: n(4), Desired: n(3)}, nil, [3]int64{2, 4, 3}},
		"the bounds alone": {model.ScheduledAction{Min: n(4)}, nil, [3]int64{4, 5, 4}},
		"what cannot be":   {model.ScheduledAction{Desired: n(9)}, nil, [3]int64{1, 5, 2}},
		"suspended":        {model.ScheduledAction{Desired: n(4)}, []string{"ScheduledActions"}, [3]int64{1, 5, 2}},
	} {
		w := grouped(t, func(g *model.AutoScalingGroup, p *model.ScalingPolicy) { p.Disabled, g.Suspended = true, c.suspended })
		once, daily := c.action, c.action
		once.ARN, once.Target, once.CreatedAt, once.StartAt = "once", model.GroupTarget("g"), start, start.Add(time.Minute)
		daily.ARN, daily.Target, daily.CreatedAt, daily.Schedule = "daily", model.GroupTarget("g"), start, "2 0 * * *"
		w.put("api/autoscaling", func(tx *store.Tx) error {
			_ = state.ScheduledActions.Put(tx, once)
			return state.ScheduledActions.Put(tx, daily)
		})
		w.minutes(3)
		g := w.group()
		if got := [3]int64{g.Min, g.Max, g.Desired}; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if _, there := state.ScheduledActions.Get(w.db.View(), "once"); there {
			t.Errorf("%s: what runs once stays", name)
		}
		if d, _ := state.ScheduledActions.Get(w.db.View(), "daily"); d.LastAt != start.Add(2*time.Minute) {
			t.Errorf("%s: what runs daily ran at %s", name, d.LastAt)
		}
	}
}
