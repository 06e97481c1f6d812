package instance_test

import (
	"slices"
	"testing"

	"berth/internal/controllers/instance"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

func TestWhatWakesTheController(t *testing.T) {
	alive := model.Instance{ID: id, State: "running", Connected: true}
	lost, dead := alive, alive
	lost.Connected = false
	dead.State = model.InstanceTerminated
	for name, c := range map[string]struct {
		change store.Change
		want   []string
	}{
		"an instance":               {state.Instances.Change(nil, &alive), []string{id}},
		"a lost agent":              {state.Instances.Change(&alive, &lost), []string{id, instance.Census}},
		"an agent that was lost":    {state.Instances.Change(&lost, &lost), []string{id}},
		"an instance that ended":    {state.Instances.Change(&alive, &dead), nil},
		"an instance forgotten":     {state.Instances.Change(&dead, nil), nil},
		"its interface":             {state.NetworkInterfaces.Change(nil, &model.NetworkInterface{Kind: "instance", Owner: id}), []string{id}},
		"the interface of a task":   {state.NetworkInterfaces.Change(nil, &model.NetworkInterface{Kind: "task", Owner: "arn"}), nil},
		"something else altogether": {state.Tasks.Change(nil, &model.Task{ARN: "arn"}), nil},
	} {
		if got := (instance.Controller{}).Wake().Keys(c.change); !slices.Equal(got, c.want) {
			t.Errorf("%s wakes %v, want %v", name, got, c.want)
		}
	}
}
