package rollout_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/model"
	"berth/internal/plan/rollout"
)

func hookAt(stages ...model.Stage) model.LifecycleHook {
	return model.LifecycleHook{
		TargetType: "AWS_LAMBDA", TargetARN: "fn", RoleARN: "role/hook", Stages: stages, TimeoutMinutes: 1440, TimeoutAction: "ROLLBACK",
	}
}

func blueGreen(hooks ...model.LifecycleHook) model.DeploymentConfiguration {
	return model.DeploymentConfiguration{Strategy: model.StrategyBlueGreen, Hooks: hooks}
}

func succeeded(rollout.Call) *rollout.Reply { return reply(`{"hookStatus":"SUCCEEDED"}`) }

// Proves: D13, D18, D19, D20, D49
func TestFirstDeploymentLandsInTheAlternateGroup(t *testing.T) {
	b := newBench(t, blueGreen(hookAt(model.StagePostTestTrafficShift)), 1, true)
	b.answer = succeeded
	b.deploy()
	b.settle(time.Minute)
	d := b.last()
	if d.Status != model.DeploymentSuccessful {
		t.Fatalf("status %s: %s; stages %v", d.Status, d.StatusReason, b.stages)
	}
	if got := b.w.Revisions["rev1"].TargetGroupARN; got != tg2 {
		t.Errorf("revision 1 uses %s, want the alternate group", got)
	}
	if got := b.weights(prod); got != tg2+"=100 "+tg1+"=0" {
		t.Errorf("production rule is %s", got)
	}
	if len(b.calls) != 1 {
		t.Fatalf("the hook was called %d times", len(b.calls))
	}
	got, _ := json.Marshal(b.calls[0].Payload)
	want := `{"executionDetails":{"productionTrafficWeights":{},"serviceArn":"` + svcARN +
		`","targetServiceRevisionArn":"rev1","testTrafficWeights":{}},"executionId":"` +
		b.calls[0].Payload["executionId"].(string) + `","lifecycleStage":"POST_TEST_TRAFFIC_SHIFT","resourceArn":"dep1"}`
	if string(got) != want {
		t.Errorf("payload\n%s\nwant\n%s", got, want)
	}
	n := len(b.log)
	if n < 2 || b.log[n-2] != "(service s) (deployment ecs-svc/1) deployment completed." ||
		b.log[n-1] != "(service s) has reached a steady state." {
		t.Errorf("the last events are %q", b.log)
	}
}

// Proves: D9, D16, D17, D51
func TestTargetGroupsAlternate(t *testing.T) {
	b := newBench(t, blueGreen(), 3, true)
	for i, want := range []string{tg2, tg1, tg2, tg1} {
		b.stages = nil
		b.deploy()
		b.settle(20 * time.Minute)
		if d := b.last(); d.Status != model.DeploymentSuccessful {
			t.Fatalf("deployment %d: %s %s", i+1, d.Status, d.StatusReason)
		}
		if got := b.w.Revisions[b.w.Service.Revision].TargetGroupARN; got != want {
			t.Errorf("deployment %d is in %s, want %s", i+1, got, want)
		}
		if got := b.weights(prod); !strings.HasPrefix(got, want+"=100") {
			t.Errorf("deployment %d: production %s", i+1, got)
		}
		if b.running(b.w.Service.Revision) != 3 || len(b.w.Service.Rollouts) != 1 {
			t.Errorf("deployment %d: %d tasks, rollouts %v", i+1, b.running(b.w.Service.Revision), b.w.Service.Rollouts)
		}
	}
	want := []string{"PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"}
	for _, s := range b.stages {
		if s == model.StageReconcileService {
			t.Error("a plain update reconciled")
		}
	}
	for _, s := range []model.Stage{model.StageScaleUp, model.StageBakeTime, model.StageCleanUp} {
		if !slices.Contains(b.stages, s) {
			t.Errorf("stage %s is not among %v (at least %v are expected)", s, b.stages, want)
		}
	}
	if pin := b.w.Tasks[0].Containers[0].Image; pin != "repo@sha256:abc" && b.w.Tasks[1].Containers[0].Image != "repo@sha256:abc" {
		t.Errorf("images are not pinned: %s", pin)
	}
}

// TestBakeKeepsBothRevisions: an omitted bake time is a
// quarter of an hour.
//
// Proves: D2, D15, D47
func TestBakeKeepsBothRevisions(t *testing.T) {
	b := newBench(t, blueGreen(), 2, true)
	b.deploy()
	b.settle(time.Minute)
	b.deploy()
	b.settle(14 * time.Minute)
	if len(b.w.Deployments) != 1 || b.w.Deployments[0].Stage != model.StageBakeTime {
		t.Fatalf("after 14 minutes: %+v", b.w.Deployments)
	}
	if b.running("rev1") != 2 || b.running("rev2") != 2 {
		t.Errorf("blue has %d tasks and green %d", b.running("rev1"), b.running("rev2"))
	}
	if r := b.w.Service.Rollouts; len(r) != 2 || r[0].Status != model.RolloutPrimary || r[0].State != model.RolloutInProgress ||
		r[1].Status != model.RolloutActive || r[1].State != model.RolloutCompleted {
		t.Errorf("rollouts %+v", r)
	}
	b.settle(2 * time.Minute)
	if d := b.last(); d.Status != model.DeploymentSuccessful || b.running("rev1") != 0 {
		t.Errorf("after 16 minutes: %s, blue has %d tasks", d.Status, b.running("rev1"))
	}
}

// Proves: D10, D11, D12
func TestNoTrafficBeforeEveryGreenTaskIsHealthy(t *testing.T) {
	b := newBench(t, blueGreen(), 3, true)
	b.deploy()
	b.settle(time.Minute)
	slow := true
	seen := 0
	b.start = func(model.Task) string {
		if seen++; slow && seen > 2 {
			return "slow"
		}
		return "healthy"
	}
	b.deploy()
	b.settle(time.Hour)
	if got := b.weights(test); got != tg2+"=100 "+tg1+"=0" {
		t.Errorf("test traffic moved early: %s", got)
	}
	green := 0
	for _, x := range b.w.Tasks {
		if x.Revision == "rev2" && x.DesiredStatus == model.TaskRunning {
			green++
		}
	}
	if got := b.weights(prod); got != tg2+"=100 "+tg1+"=0" || green != 3 {
		t.Errorf("production is %s, with %d tasks of green", got, green)
	}
	if b.w.Deployments[0].Stage != model.StageScaleUp {
		t.Errorf("stage %s", b.w.Deployments[0].Stage)
	}
	slow = false
	b.settle(time.Minute)
	if got := b.weights(test); got != tg1+"=100 "+tg2+"=0" {
		t.Errorf("test traffic is %s", got)
	}
}

// Proves: D22, D25, D28, D33, D34
func TestHookFailureRollsBack(t *testing.T) {
	for _, c := range []struct {
		name  string
		stage model.Stage
		want  string
		r     rollout.Reply
	}{
		{
			"failed", model.StagePostTestTrafficShift,
			"Service deployment rolled back because POST_TEST_TRAFFIC_SHIFT lifecycle hook(s) failed. Lifecycle hook target fn returned " +
				"FAILED status.",
			*reply(`{"hookStatus":"FAILED","reason":"no"}`),
		},
		{
			"crashed", model.StagePostScaleUp,
			"Service deployment rolled back because POST_SCALE_UP lifecycle hook(s) failed. ECS was unable to parse the response from fn due to: " +
				"HookStatus must not be null",
			rollout.Reply{Crashed: true, Payload: []byte(`{"errorMessage":"x"}`)},
		},
		{
			"null", model.StagePostScaleUp,
			"Service deployment rolled back because POST_SCALE_UP lifecycle hook(s) failed. ECS was unable to parse the response from fn due to: " +
				"HookStatus must not be null",
			*reply(`null`),
		},
		{
			"assume", model.StagePreScaleUp,
			"Service deployment rolled back because PRE_SCALE_UP lifecycle hook(s) failed. ECS was unable to assume role role/hook",
			rollout.Reply{Assume: "x"},
		},
		{
			"denied", model.StagePreScaleUp,
			"Service deployment rolled back because PRE_SCALE_UP lifecycle hook(s) failed. ECS was unable to invoke hook target fn due to not " +
				"authorized",
			rollout.Reply{Invoke: "not authorized"},
		},
		{
			"production", model.StagePostProductionTrafficShift,
			"Service deployment rolled back because POST_PRODUCTION_TRAFFIC_SHIFT lifecycle hook(s) failed. Lifecycle hook target fn returned " +
				"FAILED status.",
			*reply(`{"hookStatus":"FAILED"}`),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, blueGreen(hookAt(c.stage, model.StageTestTrafficShift, model.StageProductionTrafficShift)), 2, true)
			b.answer = succeeded
			b.deploy()
			b.settle(time.Minute)
			b.calls = nil
			b.answer = func(k rollout.Call) *rollout.Reply {
				if k.Payload["lifecycleStage"] == c.stage {
					return &c.r
				}
				return succeeded(k)
			}
			b.deploy()
			b.settle(time.Hour)
			d := b.last()
			if d.Status != model.DeploymentRollbackSuccessful || d.StatusReason != c.want {
				t.Errorf("%s: %s", d.Status, d.StatusReason)
			}
			if !strings.HasPrefix(b.weights(prod), tg2+"=100") && !strings.HasSuffix(b.weights(prod), tg2+"=100") {
				t.Errorf("production is not back: %s", b.weights(prod))
			}
			if b.running("rev1") != 2 || b.running("rev2") != 0 || b.w.Service.Revision != "rev1" {
				t.Errorf("rev1 %d, rev2 %d, service %s", b.running("rev1"), b.running("rev2"), b.w.Service.Revision)
			}
			if !b.said("(service s) deployment failed: "+c.want) || !b.said("(service s) rolling back to deployment ecs-svc/1.") {
				t.Errorf("events %q", b.log)
			}
			if c.name == "production" {
				last := b.calls[len(b.calls)-2:]
				want := map[string]float64{"rev1": 100, "rev2": 0}
				for i, stage := range []model.Stage{model.StageProductionTrafficShift, model.StageTestTrafficShift} {
					details := last[i].Payload["executionDetails"].(map[string]any)
					key := []string{"productionTrafficWeights", "testTrafficWeights"}[i]
					if last[i].Payload["lifecycleStage"] != stage || !cmp.Equal(details[key], want) || details["targetServiceRevisionArn"] != "rev2" {
						t.Errorf("rollback call %d: %v", i, last[i].Payload)
					}
				}
			}
		})
	}
}

// Proves: D35
func TestFailedFirstDeploymentHasNoWayBack(t *testing.T) {
	b := newBench(t, blueGreen(hookAt(model.StagePreScaleUp)), 1, true)
	b.answer = func(rollout.Call) *rollout.Reply { return reply(`{"hookStatus":"FAILED"}`) }
	b.deploy()
	b.settle(time.Minute)
	d := b.last()
	if d.Status != model.DeploymentRollbackFailed || d.StatusReason != "No rollback candidate was found to run the rollback." {
		t.Errorf("%s: %s", d.Status, d.StatusReason)
	}
	if !b.said("(service s) deployment failed: Service deployment rolled back because PRE_SCALE_UP lifecycle hook(s) failed.") {
		t.Errorf("events %q", b.log)
	}
	if len(b.w.Tasks) != 0 {
		t.Errorf("%d tasks", len(b.w.Tasks))
	}
	// A next deployment starts afresh and works.
	b.answer = succeeded
	b.deploy()
	b.settle(time.Minute)
	if d := b.last(); d.Status != model.DeploymentSuccessful || b.running("rev2") != 1 {
		t.Errorf("%s: %s", d.Status, d.StatusReason)
	}
}

// Proves: D23, D24
func TestInProgressHookIsCalledAgain(t *testing.T) {
	h := hookAt(model.StagePostScaleUp)
	h.Details = map[string]any{"a": 1.0}
	b := newBench(t, blueGreen(h), 1, true)
	var at []time.Duration
	b.answer = func(c rollout.Call) *rollout.Reply {
		at = append(at, b.w.Now.Sub(t0))
		switch len(at) {
		case 1:
			return reply(`{"hookStatus":"IN_PROGRESS","hookDetails":{"b":2}}`)
		case 2:
			return reply(`{"hookStatus":"IN_PROGRESS","callBackDelay":5}`)
		default:
			return succeeded(c)
		}
	}
	b.deploy()
	b.settle(2 * time.Minute)
	if want := []time.Duration{0, 30 * time.Second, 35 * time.Second}; !cmp.Equal(at, want) {
		t.Errorf("called at %v, want %v", at, want)
	}
	if got := b.calls[2].Payload["hookDetails"]; !cmp.Equal(got, any(map[string]any{"a": 1.0, "b": 2.0})) {
		t.Errorf("details %v", got)
	}
	if b.last().Status != model.DeploymentSuccessful {
		t.Error(b.last().StatusReason)
	}
}

// Proves: D27
func TestHookTimesOut(t *testing.T) {
	for _, action := range []string{"ROLLBACK", "CONTINUE"} {
		h := hookAt(model.StagePostTestTrafficShift)
		h.TimeoutMinutes, h.TimeoutAction = 2, action
		b := newBench(t, blueGreen(h), 1, true)
		b.answer = func(rollout.Call) *rollout.Reply { return reply(`{"hookStatus":"IN_PROGRESS"}`) }
		b.deploy()
		b.settle(time.Hour)
		d := b.last()
		want := map[string]model.DeploymentStatus{"ROLLBACK": model.DeploymentRollbackFailed, "CONTINUE": model.DeploymentSuccessful}[action]
		if d.Status != want || d.Hooks[0].Status != model.HookTimedOut {
			t.Errorf("%s: %s, hook %s", action, d.Status, d.Hooks[0].Status)
		}
		if action == "ROLLBACK" &&
			d.RollbackReason != "Service deployment rolled back because POST_TEST_TRAFFIC_SHIFT lifecycle hook timed out." {
			t.Error(d.RollbackReason)
		}
	}
}

// Proves: D26
func TestHooksOfAStageRunTogether(t *testing.T) {
	one, two := hookAt(model.StagePostScaleUp), hookAt(model.StagePostScaleUp)
	two.TargetARN = "fn2"
	b := newBench(t, blueGreen(one, two), 1, true)
	b.deploy()
	b.settle(time.Minute)
	if len(b.calls) != 2 {
		t.Fatalf("%d calls", len(b.calls))
	}
	b.w.Replies = map[string]rollout.Reply{b.calls[0].Hook: *succeeded(b.calls[0])}
	b.settle(time.Minute)
	if b.w.Deployments[0].Stage != model.StagePostScaleUp {
		t.Errorf("stage %s though a hook has not answered", b.w.Deployments[0].Stage)
	}
	b.w.Replies = map[string]rollout.Reply{b.calls[1].Hook: *succeeded(b.calls[1])}
	b.settle(time.Minute)
	if b.last().Status != model.DeploymentSuccessful {
		t.Error(b.last().Status)
	}
}

// TestLostCallIsMadeAgain: a call that nobody makes any more, as after a
// restart, is made again.
func TestLostCallIsMadeAgain(t *testing.T) {
	b := newBench(t, blueGreen(hookAt(model.StagePreScaleUp)), 1, true)
	b.deploy()
	b.settle(time.Minute)
	if len(b.calls) != 1 {
		t.Fatalf("%d calls", len(b.calls))
	}
	clear(b.w.Calling)
	b.settle(time.Minute)
	if len(b.calls) != 2 || b.calls[0].Hook != b.calls[1].Hook {
		t.Errorf("calls %v", b.calls)
	}
}

// Proves: D29, D30
func TestPauseHookWaitsForAnAction(t *testing.T) {
	h := model.LifecycleHook{
		TargetType: "PAUSE", Stages: []model.Stage{model.StagePostTestTrafficShift}, TimeoutMinutes: 20160, TimeoutAction: "ROLLBACK",
	}
	b := newBench(t, blueGreen(h), 1, true)
	b.deploy()
	b.settle(72 * time.Hour)
	d := &b.w.Deployments[0]
	if d.Stage != model.StagePostTestTrafficShift || d.Hooks[0].Status != model.HookAwaitingAction ||
		!strings.HasPrefix(d.Hooks[0].ID, "ecs-pause-") {
		t.Fatalf("%s %+v", d.Stage, d.Hooks)
	}
	d.Hooks[0].Status = model.HookSucceeded
	b.settle(time.Minute)
	if b.last().Status != model.DeploymentSuccessful {
		t.Error(b.last().Status)
	}
}

// Proves: D36
func TestStopRollsBack(t *testing.T) {
	b := newBench(t, blueGreen(), 2, true)
	b.deploy()
	b.settle(time.Minute)
	b.deploy()
	b.settle(5 * time.Minute)
	b.w.Deployments[0].Status = model.DeploymentRollbackRequested
	b.settle(time.Minute)
	if d := b.last(); d.Status != model.DeploymentRollbackSuccessful || b.running("rev1") != 2 || b.running("rev2") != 0 {
		t.Errorf("%s, rev1 %d, rev2 %d", d.Status, b.running("rev1"), b.running("rev2"))
	}
	if !strings.Contains(b.weights(prod), tg2+"=100") {
		t.Errorf("production %s", b.weights(prod))
	}
}

// Proves: D9, D37
func TestNewerDeploymentSupersedes(t *testing.T) {
	for _, after := range []time.Duration{0, 5 * time.Minute} {
		b := newBench(t, blueGreen(), 2, true)
		b.deploy()
		b.settle(time.Minute)
		b.deploy()
		if after == 0 {
			b.start = func(model.Task) string { return "slow" }
		}
		b.settle(after)
		b.start = func(model.Task) string { return "healthy" }
		b.stages = nil
		b.deploy()
		b.settle(time.Hour)
		if b.all[1].Status != model.DeploymentStopped || b.last().Status != model.DeploymentSuccessful {
			t.Errorf("after %s: %s, then %s %s", after, b.all[1].Status, b.last().Status, b.last().StatusReason)
		}
		if b.stages[0] != model.StageReconcileService {
			t.Errorf("after %s: stages %v", after, b.stages)
		}
		if b.running("rev3") != 2 || b.running("rev1")+b.running("rev2") != 0 {
			t.Errorf("after %s: %d %d %d", after, b.running("rev1"), b.running("rev2"), b.running("rev3"))
		}
		if got := b.w.Revisions["rev3"].TargetGroupARN; !strings.HasPrefix(b.weights(prod), got+"=100") {
			t.Errorf("after %s: rev3 in %s, production %s", after, got, b.weights(prod))
		}
	}
}

// Proves: D38
func TestStageIsCappedAtADay(t *testing.T) {
	b := newBench(t, blueGreen(), 1, true)
	b.deploy()
	b.settle(time.Minute)
	b.start = func(model.Task) string { return "slow" }
	b.deploy()
	b.settle(25 * time.Hour)
	if d := b.last(); d.Status != model.DeploymentRollbackSuccessful ||
		!strings.Contains(d.StatusReason, "SCALE_UP stage did not complete within 24 hours") {
		t.Errorf("%s %s", d.Status, d.StatusReason)
	}
}

// TestBadNetworkingRollsBack has the refusals of a load balancer role, too.
//
// Proves: D40
func TestBadNetworkingRollsBack(t *testing.T) {
	rule := func(ts ...model.WeightedTarget) model.ListenerRule {
		return model.ListenerRule{Actions: []model.Action{{Type: "forward", Targets: ts}}}
	}
	for _, c := range []struct {
		name, want string
		prod, test model.ListenerRule
	}{
		{"unassociated", "Target group tg/green is not associated with either productionListenerRule or testListenerRule.",
			rule(model.WeightedTarget{TargetGroupARN: tg1, Weight: 1}), rule(model.WeightedTarget{TargetGroupARN: tg1, Weight: 1})},
		{"two", "productionListenerRule rule/prod should have exactly one target group serving traffic but found 2 target groups which are " +
			"serving traffic",
			rule(model.WeightedTarget{TargetGroupARN: tg1, Weight: 1}, model.WeightedTarget{TargetGroupARN: tg2, Weight: 1}), rule()},
		{"stranger", "Production listener rule is forwarding traffic to unexpected target group tg/x. Expected traffic to be forwarded to " +
			"either targetGroupArn: tg/blue or alternateTargetGroupArn: tg/green",
			rule(model.WeightedTarget{TargetGroupARN: "tg/x", Weight: 1}), rule()},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, blueGreen(), 1, true)
			b.w.Rules[prod], b.w.Rules[test] = c.prod, c.test
			b.deploy()
			b.settle(time.Minute)
			want := "Service deployment rolled back because of invalid networking configuration: " + c.want
			if d := b.last(); d.Status != model.DeploymentRollbackFailed || d.RollbackReason != want {
				t.Errorf("%s: %s", d.Status, d.RollbackReason)
			}
		})
	}
	t.Run("denied", func(t *testing.T) {
		b := newBench(t, blueGreen(), 1, true)
		b.deploy()
		b.settle(time.Minute)
		b.refuse = "Service deployment rolled back because of invalid networking configuration: ECS was unable to manage the ELB resources " +
			"due to missing permissions on ECS Infrastructure Role 'role/lb'."
		b.deploy()
		b.settle(time.Minute)
		if d := b.last(); d.Status != model.DeploymentRollbackSuccessful || d.StatusReason != b.refuse || b.running("rev1") != 1 {
			t.Errorf("%s: %s", d.Status, d.StatusReason)
		}
	})
}

// TestMissingTestRuleIsLenient: without a test rule ECS attaches the second
// group itself, at weight 0.
func TestMissingTestRuleIsLenient(t *testing.T) {
	b := newBench(t, blueGreen(), 1, true)
	b.w.Service.LoadBalancers[0].TestListenerRule = ""
	var seen []string
	b.start = func(model.Task) string { seen = append(seen, b.weights(prod)); return "healthy" }
	b.deploy()
	b.settle(time.Minute)
	if len(seen) == 0 || seen[0] != tg1+"=100 "+tg2+"=0" {
		t.Errorf("when the first task started production was %v", seen)
	}
	if b.last().Status != model.DeploymentSuccessful || b.weights(prod) != tg2+"=100 "+tg1+"=0" {
		t.Errorf("%s, production %s", b.last().Status, b.weights(prod))
	}
}

// Proves: D14, D32
func TestCanaryAndLinearSteps(t *testing.T) {
	for _, c := range []struct {
		conf model.DeploymentConfiguration
		want []string
		took time.Duration
	}{
		{
			model.DeploymentConfiguration{Strategy: model.StrategyCanary, CanaryPercent: 5, CanaryBakeMinutes: 10, BakeMinutes: minutes(0)},
			[]string{"5", "100"}, 10 * time.Minute,
		},
		{
			model.DeploymentConfiguration{Strategy: model.StrategyLinear, LinearStepPercent: 30, LinearBakeMinutes: 6, BakeMinutes: minutes(0)},
			[]string{"30", "60", "90", "100"}, 18 * time.Minute,
		},
	} {
		c.conf.Hooks = []model.LifecycleHook{hookAt(model.StagePreProductionTrafficShift, model.StageProductionTrafficShift)}
		b := newBench(t, c.conf, 1, true)
		b.answer = succeeded
		b.deploy()
		b.settle(time.Hour)
		b.calls = nil
		at := b.w.Now
		b.deploy()
		b.settle(time.Hour)
		var before, after []string
		for _, k := range b.calls {
			w := k.Payload["executionDetails"].(map[string]any)["productionTrafficWeights"].(map[string]float64)
			s := strings.TrimSuffix(strings.TrimSuffix(jsonOf(w["rev2"]), ".0"), "")
			if k.Payload["lifecycleStage"] == model.StageProductionTrafficShift {
				after = append(after, s)
			} else {
				before = append(before, s)
			}
		}
		if !cmp.Equal(after, c.want) || len(before) != len(after) || before[0] != "0" || before[1] != c.want[0] {
			t.Errorf("%s: before %v, at %v, want %v", c.conf.Strategy, before, after, c.want)
		}
		if d := b.last(); d.Status != model.DeploymentSuccessful || d.FinishedAt.Sub(at) != c.took {
			t.Errorf("%s: %s after %s, want %s", c.conf.Strategy, d.Status, d.FinishedAt.Sub(at), c.took)
		}
	}
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// Proves: D42
func TestBreakerProtectsGreen(t *testing.T) {
	c := blueGreen()
	c.CircuitBreaker, c.CircuitRollback = true, true
	b := newBench(t, c, 1, true)
	b.deploy()
	b.settle(time.Minute)
	b.start = func(model.Task) string { return "fail" }
	b.deploy()
	b.settle(time.Hour)
	d := b.last()
	if d.Status != model.DeploymentRollbackSuccessful || d.FailureCount != 3 || d.BreakerStatus != model.MonitorTriggered ||
		b.running("rev1") != 1 {
		t.Errorf("%s, %d failures, breaker %s", d.Status, d.FailureCount, d.BreakerStatus)
	}
}

// Proves: D43
func TestAlarms(t *testing.T) {
	c := blueGreen()
	c.Alarms, c.AlarmsEnabled, c.AlarmsRollback = []string{"a"}, true, true
	b := newBench(t, c, 1, true)
	b.w.Alarms["a"] = model.AlarmFiring
	b.deploy()
	b.settle(time.Minute)
	if d := b.last(); d.Status != model.DeploymentSuccessful || d.AlarmStatus != model.MonitorDisabled {
		t.Errorf("alarm at the start: %s, alarms %s", d.Status, d.AlarmStatus)
	}
	b.w.Alarms["a"] = model.AlarmOK
	b.deploy()
	b.settle(5 * time.Minute)
	b.w.Alarms["a"] = model.AlarmFiring
	b.settle(time.Minute)
	if d := b.last(); d.Status != model.DeploymentRollbackSuccessful || d.AlarmStatus != model.MonitorTriggered ||
		!cmp.Equal(d.TriggeredAlarms, []string{"a"}) {
		t.Errorf("alarm in the bake: %s, alarms %s %v", d.Status, d.AlarmStatus, d.TriggeredAlarms)
	}
}

func TestHeadlessServiceIsReplaced(t *testing.T) {
	b := newBench(t, blueGreen(), 2, false)
	b.deploy()
	b.settle(5 * time.Minute)
	b.deploy()
	b.settle(time.Hour)
	if d := b.last(); d.Status != model.DeploymentSuccessful || b.running("rev2") != 2 || b.running("rev1") != 0 {
		t.Errorf("%s %d %d", d.Status, b.running("rev1"), b.running("rev2"))
	}
}
