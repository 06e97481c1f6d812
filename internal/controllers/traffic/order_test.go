package traffic_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/controllers/traffic"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Proves: D66
func TestRulesAreCompiledInTheOrderOfTheirPriorities(t *testing.T) {
	w := newWorld(t)
	w.put("api/elbv2", func(tx *store.Tx) error {
		for _, priority := range []int64{300, 20, 100} {
			r := model.ListenerRule{ARN: fmt.Sprint("rule-", priority), Listener: lARN, Priority: priority}
			r.Actions = []model.Action{{Type: "fixed-response", StatusCode: "200"}}
			if err := state.ListenerRules.Put(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	var got []string
	for _, r := range traffic.Compile(w.db.View(), "127.0.0.1").LoadBalancers[0].Listeners[0].Rules {
		got = append(got, r.ID)
	}
	if diff := cmp.Diff([]string{ruleARN, "rule-20", "rule-100", "rule-300", ruleARN + "d"}, got); diff != "" {
		t.Error(diff)
	}
}
