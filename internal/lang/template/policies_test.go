package template_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/lang/template"
)

func TestPoliciesOfGroups(t *testing.T) {
	t.Parallel()
	head := "Parameters: {N: {Type: Number, Default: 2}}\nResources:\n  G:\n    Type: AWS::AutoScaling::AutoScalingGroup\n"
	for name, c := range map[string]struct {
		body     string
		creation *template.CreationPolicy
		update   *template.UpdatePolicy
		refused  string
	}{
		"none": {},
		"creation": {body: "CreationPolicy: {ResourceSignal: {Count: !Ref N, Timeout: PT1H15M}, " +
			"AutoScalingCreationPolicy: {MinSuccessfulInstancesPercent: '50'}}",
			creation: &template.CreationPolicy{Count: 2, Timeout: 75 * time.Minute, MinSuccessful: 50}},
		"the usual": {body: "CreationPolicy: {ResourceSignal: {}}",
			creation: &template.CreationPolicy{Count: 1, Timeout: 5 * time.Minute, MinSuccessful: 100}},
		"rolling": {body: "UpdatePolicy: {AutoScalingRollingUpdate: {MinInstancesInService: '1', MaxBatchSize: !Ref N, " +
			"WaitOnResourceSignals: 'true', SuspendProcesses: [AZRebalance]}, " +
			"AutoScalingScheduledAction: {IgnoreUnmodifiedGroupSizeProperties: true}}",
			update: &template.UpdatePolicy{KeepSizes: true, Rolling: &template.RollingUpdate{
				MaxBatchSize: 2, MinInService: 1, MinSuccessful: 100, PauseTime: 5 * time.Minute, WaitOnSignals: true,
				SuspendProcesses: []string{"AZRebalance"},
			}}},
		"replacing": {body: "UpdatePolicy: {AutoScalingReplacingUpdate: {WillReplace: true}}",
			update: &template.UpdatePolicy{WillReplace: true}},
		"a day": {body: "CreationPolicy: {ResourceSignal: {Timeout: P1D}}",
			refused: "Timeout must be an ISO 8601 duration of at most 12h0m0s"},
		"no time": {body: "CreationPolicy: {ResourceSignal: {Timeout: PT}}",
			refused: "Timeout must be"},
		"no number": {body: "CreationPolicy: {ResourceSignal: {Count: many}}",
			refused: "Count must be a number"},
		"no object": {body: "CreationPolicy: {ResourceSignal: [1]}",
			refused: "ResourceSignal must be an object"},
		"no truth": {body: "UpdatePolicy: {AutoScalingReplacingUpdate: {WillReplace: perhaps}}",
			refused: "WillReplace must be true or false"},
		"a policy none": {body: "UpdatePolicy: {CodeDeployLambdaAliasUpdate: {}}",
			refused: "unsupported property CodeDeployLambdaAliasUpdate"},
		"a part too many": {body: "UpdatePolicy: {AutoScalingRollingUpdate: {MinActiveInstancesPercent: 50}}",
			refused: "Invalid UpdatePolicy of resource G: Encountered unsupported property MinActiveInstancesPercent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := bind(head+"    "+c.body+"\n", nil)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("got %v, want %s", err, c.refused)
				}
				return
			}
			if b == nil {
				t.Fatal(err)
			}
			r, _ := b.Find("G")
			if d := cmp.Diff(c.creation, r.CreationPolicy) + cmp.Diff(c.update, r.UpdatePolicy); d != "" {
				t.Error(d)
			}
		})
	}
}
