package group_test

import (
	"testing"

	"berth/internal/controllers/group"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

func TestWhatWakesTheController(t *testing.T) {
	for name, c := range map[string]struct {
		change store.Change
		want   int
	}{
		"a group":               {state.AutoScalingGroups.Change(nil, &model.AutoScalingGroup{Name: "g"}), 1},
		"an activity":           {state.GroupActivities.Change(nil, &model.GroupActivity{ID: "a", Group: "g"}), 1},
		"one of its instances":  {state.Instances.Change(nil, &model.Instance{ID: "i-1", Group: "g"}), 1},
		"an instance of no one": {state.Instances.Change(nil, &model.Instance{ID: "i-1"}), 0},
	} {
		if got := (group.Controller{}).Wake().Keys(c.change); len(got) != c.want || c.want == 1 && got[0] != "g" {
			t.Errorf("%s wakes %q", name, got)
		}
	}
}
