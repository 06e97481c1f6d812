package group_test

import (
	"testing"

	"berth/internal/model"
	"berth/internal/plan/group"
)

// Proves: E8
func TestMeasure(t *testing.T) {
	f := facts(3, "a", "a", "b", "b", "b")
	f.Instances[1].State = model.InstancePending
	f.Instances[2].Goal = model.GoalTerminate
	f.Instances[3].State = model.InstanceTerminated
	got := group.Measure(f.Group, f.Instances)
	for metric, want := range map[string]int64{
		"GroupDesiredCapacity": 3, "GroupMaxSize": 10, "GroupMinSize": 0, "GroupInServiceInstances": 2, "GroupPendingInstances": 1,
		"GroupTerminatingInstances": 1, "GroupTotalInstances": 4, "GroupTotalCapacity": 4, "GroupStandbyInstances": 0,
	} {
		if got[metric] != want {
			t.Errorf("%s is %d, want %d", metric, got[metric], want)
		}
	}
	if len(got) != len(group.Metrics) {
		t.Errorf("%d metrics have a value, of %d", len(got), len(group.Metrics))
	}
}
