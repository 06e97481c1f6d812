package dispatch_test

import (
	"slices"
	"testing"

	"berth/internal/dispatch"
	"berth/internal/model"
	"berth/internal/store"
)

func TestWhatWakesTheLoop(t *testing.T) {
	for name, c := range map[string]struct {
		change store.Change
		want   []string
	}{
		"a task on an instance":   {store.Change{New: model.Task{ARN: "t", Instance: "i", LastStatus: model.TaskStopping}}, []string{"t"}},
		"a task without one":      {store.Change{New: model.Task{ARN: "t", LastStatus: model.TaskProvisioning}}, nil},
		"a task that is leaving":  {store.Change{New: model.Task{ARN: "t", Instance: "i", LastStatus: model.TaskDeprovisioning}}, nil},
		"a task forgotten":        {store.Change{Old: model.Task{ARN: "t", Instance: "i"}}, nil},
		"an instance that runs":   {store.Change{New: model.Instance{ID: id, State: "running"}}, nil},
		"an instance that ended":  {store.Change{New: model.Instance{ID: id, State: "terminated"}}, []string{id}},
		"something else entirely": {store.Change{New: model.Service{ARN: "s"}}, nil},
	} {
		if got := (dispatch.Loop{}).Wake(c.change); !slices.Equal(got, c.want) {
			t.Errorf("%s wakes %v, want %v", name, got, c.want)
		}
	}
}
