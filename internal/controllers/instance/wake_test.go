package instance_test

import (
	"slices"
	"testing"

	"berth/internal/controllers/instance"
	"berth/internal/model"
	"berth/internal/store"
)

func TestWhatWakesTheLoop(t *testing.T) {
	alive := model.Instance{ID: id, State: "running", Connected: true}
	lost, dead := alive, alive
	lost.Connected = false
	dead.State = "terminated"
	for name, c := range map[string]struct {
		change store.Change
		want   []string
	}{
		"an instance":               {store.Change{New: alive}, []string{id}},
		"a lost agent":              {store.Change{Old: alive, New: lost}, []string{id, instance.Census}},
		"an agent that was lost":    {store.Change{Old: lost, New: lost}, []string{id}},
		"an instance that ended":    {store.Change{Old: alive, New: dead}, nil},
		"an instance forgotten":     {store.Change{Old: dead}, nil},
		"its interface":             {store.Change{New: model.NetworkInterface{Kind: "instance", Owner: id}}, []string{id}},
		"the interface of a task":   {store.Change{New: model.NetworkInterface{Kind: "task", Owner: "arn"}}, nil},
		"something else altogether": {store.Change{New: model.Task{ARN: "arn"}}, nil},
	} {
		if got := (instance.Loop{}).Wake(c.change); !slices.Equal(got, c.want) {
			t.Errorf("%s wakes %v, want %v", name, got, c.want)
		}
	}
}
