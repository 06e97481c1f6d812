package capacity

import (
	"slices"
	"testing"

	"berth/internal/model"
)

func TestWhereAServiceTriesAgain(t *testing.T) {
	failing := model.Rollout{FailedTasks: 3, State: model.RolloutInProgress}
	both := []model.StrategyItem{{Provider: "a"}, {Provider: "b"}}
	for name, c := range map[string]struct {
		service model.Service
		want    []string
	}{
		"tasks fail":      {model.Service{DesiredCount: 1, Strategy: both, Rollouts: []model.Rollout{failing}}, []string{"a", "b"}},
		"none is wanted":  {model.Service{Strategy: both, Rollouts: []model.Rollout{failing}}, nil},
		"none has failed": {model.Service{DesiredCount: 1, Strategy: both, Rollouts: []model.Rollout{{State: model.RolloutInProgress}}}, nil},
		"it was given up": {
			model.Service{DesiredCount: 1, Strategy: both, Rollouts: []model.Rollout{{FailedTasks: 3, State: model.RolloutFailed}}}, nil,
		},
		"it has no provider": {model.Service{DesiredCount: 1, Rollouts: []model.Rollout{failing}}, nil},
	} {
		if got := retryPart(&c.service).keys(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
