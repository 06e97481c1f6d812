//go:build root

package e2e_test

import (
	"strings"
	"testing"
)

// TestRootDeploymentsUnderLoadDropNothing deploys a version that the hook
// takes, then one that it refuses, under constant traffic.
//
// Proves: D15
func TestRootDeploymentsUnderLoadDropNothing(t *testing.T) {
	h := deployed(t, "DesiredCount=2", "BakeMinutes=2")
	t.Run("taken", func(t *testing.T) {
		known, traffic := h.known(), underLoad(t, h.url)
		stages, all, how := h.follow(known, h.update("Version=slow2", "DesiredCount=2", "BakeMinutes=2"), func(deployment) {})
		traffic.endWithout(t, "deploy a version that the hook takes")
		if how.err != nil {
			t.Fatalf("%v\n%s", how.err, how.out)
		}
		inOrder(t, stages[all[0].arn])
		if all[0].status != "SUCCESSFUL" || traffic.versions["slow2"] == 0 || traffic.versions["v1"] == 0 {
			t.Errorf("ended %+v; served %v", all[0], traffic.versions)
		}
		t.Logf("stages %v", stages[all[0].arn])
	})
	t.Run("refused", func(t *testing.T) {
		known, traffic := h.known(), underLoad(t, h.url)
		stages, all, how := h.follow(known, h.update("Version=bad", "DesiredCount=2", "BakeMinutes=2"), func(deployment) {})
		traffic.endWithout(t, "deploy a version that the hook refuses")
		if how.err == nil {
			t.Errorf("the update succeeded:\n%s", how.out)
		}
		var refused deployment
		for _, d := range all {
			if !known[d.arn] && strings.Contains(d.reason, "lifecycle hook") {
				refused = d
			}
		}
		if refused.status != "ROLLBACK_SUCCESSFUL" ||
			!strings.HasPrefix(
				refused.reason,
				"Service deployment rolled back because POST_TEST_TRAFFIC_SHIFT lifecycle hook(s) failed. Lifecycle hook target arn:aws:lambda:",
			) ||
			!strings.HasSuffix(refused.reason, " returned FAILED status.") {
			t.Errorf("ended %+v of %+v", refused, all)
		}
		if traffic.versions["bad"] > 0 {
			t.Errorf("the refused version was served: %v", traffic.versions)
		}
		t.Logf("stages %v: %s\n%s", stages[refused.arn], refused.reason, how.out)
	})
	h.finish()
}
