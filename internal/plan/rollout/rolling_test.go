package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/internal/model"
	"berth/internal/plan/rollout"
)

func rolling(lower, upper int64) model.DeploymentConfiguration {
	return model.DeploymentConfiguration{Strategy: model.StrategyRolling, MinimumHealthyPercent: lower, MaximumPercent: upper}
}

// Proves: D41
func TestThreshold(t *testing.T) {
	for desired, want := range map[int64]int64{0: 3, 1: 3, 5: 3, 7: 4, 25: 13, 400: 200, 800: 200} {
		if got := rollout.Threshold(desired); got != want {
			t.Errorf("desired %d: %d, want %d", desired, got, want)
		}
	}
}

// TestRollingLimits are the worked limits that AWS documents.
//
// Proves: D44
func TestRollingLimits(t *testing.T) {
	for _, c := range []struct {
		desired, lower, upper int64
		start, stop           int
		stuck                 bool
	}{
		{4, 50, 100, 0, 2, false},
		{2, 75, 100, 0, 0, true},
		{4, 100, 200, 4, 0, false},
		{3, 100, 125, 0, 0, true},
		{4, 100, 150, 2, 0, false},
		{3, 0, 100, 0, 3, false},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			b := newBench(t, rolling(c.lower, c.upper), c.desired, false)
			b.deploy()
			b.settle(2 * time.Minute)
			if b.last().Status != model.DeploymentSuccessful {
				t.Fatal(b.last().Status)
			}
			b.digest = false
			b.deploy()
			rev := b.w.Revisions["rev2"]
			rev.Images = map[string]string{"web": "sha256:abc"}
			b.w.Revisions["rev2"] = rev
			p := rollout.Decide(b.w)
			if len(p.Start) != c.start || len(p.Stop) != c.stop {
				t.Errorf("starts %d and stops %d, want %d and %d", len(p.Start), len(p.Stop), c.start, c.stop)
			}
			b.apply(p)
			if b.said("was unable to stop or start tasks during a deployment because of the service deployment configuration.") != c.stuck {
				t.Errorf("events %q", b.log)
			}
		})
	}
}

// Proves: D45
func TestATaskProvesItselfInFortySeconds(t *testing.T) {
	b := newBench(t, rolling(100, 200), 1, false)
	b.deploy()
	b.settle(39 * time.Second)
	if len(b.all) != 0 {
		t.Fatal("done before 40 s")
	}
	b.settle(time.Second)
	if d := b.last(); d.Status != model.DeploymentSuccessful {
		t.Error(d.Status)
	}
}

// Proves: MI37
func TestTheFirstTaskResolvesTheImage(t *testing.T) {
	b := newBench(t, rolling(100, 200), 5, true)
	b.deploy()
	if p := b.look(); len(p.Start) != 1 {
		t.Fatalf("%d tasks start at once", len(p.Start))
	}
	b.run()
	if p := b.look(); len(p.Start) != 4 || p.Start[0].Containers[0].Image != "repo@sha256:abc" {
		t.Errorf("then %d: %+v", len(p.Start), p.Start)
	}
}

func TestBreakerRollsARollingDeploymentBack(t *testing.T) {
	c := rolling(100, 200)
	c.CircuitBreaker, c.CircuitRollback = true, true
	b := newBench(t, c, 2, true)
	b.deploy()
	b.settle(time.Minute)
	b.start = func(t model.Task) string {
		if t.Revision == "rev2" {
			return "fail"
		}
		return "healthy"
	}
	b.deploy()
	b.settle(time.Hour)
	d := b.last()
	if d.Status != model.DeploymentRollbackSuccessful || d.FailureCount != 3 || b.running("rev1") != 2 || b.w.Service.Revision != "rev1" {
		t.Errorf("%s, %d failures, %d tasks", d.Status, d.FailureCount, b.running("rev1"))
	}
	if !b.said("(service s) (deployment ecs-svc/2) deployment failed: tasks failed to start.") ||
		!b.said("(service s) rolling back to deployment ecs-svc/1.") {
		t.Errorf("%q", b.log)
	}
	if r := b.w.Service.Rollouts; len(r) != 1 || r[0].ID != "ecs-svc/1" || r[0].Reason != "ECS deployment ecs-svc/1 completed." {
		t.Errorf("%+v", r)
	}
}

// TestBreakerCountsTasksThatCrashBeforeTheyAreHealthy: containers-roadmap
// #1206. Without a health check nobody can tell that they never were.
func TestBreakerCountsTasksThatCrashBeforeTheyAreHealthy(t *testing.T) {
	for _, c := range []struct {
		name           string
		config         model.DeploymentConfiguration
		balanced, trip bool
	}{
		{"rolling, health checks", rolling(100, 200), true, true},
		{"blue/green, health checks", blueGreen(), true, true},
		{"rolling, no health checks", rolling(100, 200), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.CircuitBreaker, c.config.CircuitRollback = true, true
			b := newBench(t, c.config, 2, c.balanced)
			b.deploy()
			b.settle(time.Hour)
			crashes := 0
			b.start = func(t model.Task) string {
				if crashes++; t.Revision == "rev2" && crashes <= 9 {
					return "crash"
				}
				return "healthy"
			}
			b.deploy()
			b.settle(time.Hour)
			d := b.last()
			if tripped := d.Status == model.DeploymentRollbackSuccessful && d.FailureCount >= 3; tripped != c.trip ||
				!c.trip && d.Status != model.DeploymentSuccessful {
				t.Errorf("%s after %d failures", d.Status, d.FailureCount)
			}
			if b.said("unable to consistently start") {
				t.Errorf("starts were held back: %q", b.log)
			}
		})
	}
}

func TestWithoutRollbackTheServiceStalls(t *testing.T) {
	c := rolling(100, 200)
	c.CircuitBreaker = true
	b := newBench(t, c, 1, true)
	b.deploy()
	b.settle(time.Minute)
	b.start = func(model.Task) string { return "fail" }
	b.deploy()
	b.settle(time.Hour)
	d := b.last()
	if d.Status != model.DeploymentStopped || d.StatusReason != "ECS deployment circuit breaker: tasks failed to start." ||
		b.running("rev1") != 1 {
		t.Errorf("%s %s, %d", d.Status, d.StatusReason, b.running("rev1"))
	}
	n := b.ids
	b.settle(time.Hour)
	if b.ids != n {
		t.Error("a stalled service started tasks")
	}
}

// TestFailingStartsBackOff: docs/facts/deployments.md D112, the fifteenth.
//
// Proves: D55
func TestFailingStartsBackOff(t *testing.T) {
	b := newBench(t, rolling(100, 200), 1, true)
	b.start = func(model.Task) string { return "fail" }
	var at []time.Time
	next := b.w.IDs
	b.w.IDs = func() string { at = append(at, b.w.Now); return next() }
	b.deploy()
	b.settle(3 * time.Hour)
	n := len(at) / 2 // a task draws two ids
	if n < 10 || n > 30 {
		t.Errorf("%d starts in three hours", n)
	}
	if gap := at[len(at)-1].Sub(at[len(at)-3]); gap != 15*time.Minute {
		t.Errorf("the last gap is %s", gap)
	}
	if !b.said("(service s) is unable to consistently start tasks successfully.") {
		t.Errorf("%q", b.log)
	}
}

// Proves: D46
func TestGracePeriodSparesTheSick(t *testing.T) {
	b := newBench(t, rolling(100, 200), 1, true)
	b.w.Service.GracePeriodSeconds = 60
	b.start = func(model.Task) string { return "ill" }
	b.deploy()
	b.settle(59 * time.Second)
	if b.said("is unhealthy in") {
		t.Error("stopped within the grace period")
	}
	b.settle(2 * time.Minute)
	if !b.said("(port 80) is unhealthy in (target-group tg/blue) due to (reason Health checks failed with these codes: [503]).") {
		t.Errorf("%q", b.log)
	}
}

func TestUnhealthyTaskIsReplacedFirst(t *testing.T) {
	b := newBench(t, rolling(100, 200), 2, true)
	b.deploy()
	b.settle(time.Minute)
	sick := b.w.Tasks[0]
	k := rollout.TargetKey{Group: tg1, Task: sick.ARN}
	target := b.w.Targets[k]
	target.State = model.TargetUnhealthy
	b.w.Targets[k] = target
	p := b.look()
	if len(p.Start) != 1 || len(p.Stop) != 0 {
		t.Fatalf("starts %d, stops %d", len(p.Start), len(p.Stop))
	}
	b.run()
	p = b.look()
	if len(p.Stop) != 1 || p.Stop[0].Task != sick.ARN || p.Stop[0].Reason != "Task failed ELB health checks in (target-group tg/blue)" {
		t.Errorf("%+v", p.Stop)
	}
	if !b.said("Amazon ECS replaced 1 tasks due to an unhealthy status.") {
		t.Errorf("%q", b.log)
	}
}

func TestDrainingInstanceIsEmptiedWithinTheMinimum(t *testing.T) {
	b := newBench(t, rolling(100, 200), 2, true)
	b.deploy()
	b.settle(time.Minute)
	b.w.Tasks[0].Instance = "i1"
	b.w.Draining["i1"] = true
	if p := b.look(); len(p.Start) != 1 || len(p.Stop) != 0 {
		t.Fatalf("starts %d, stops %d", len(p.Start), len(p.Stop))
	}
	b.run()
	if p := b.look(); len(p.Stop) != 1 || p.Stop[0].Task != b.w.Tasks[0].ARN {
		t.Errorf("%+v", p.Stop)
	}
}

func TestDeletedServiceDrainsAndIsInactive(t *testing.T) {
	b := newBench(t, blueGreen(), 2, true)
	b.deploy()
	b.settle(time.Minute)
	b.w.Service.Status = model.ServiceDraining
	b.settle(time.Minute)
	if s := b.w.Service; s.Status != model.ServiceInactive || len(b.w.Tasks) != 0 {
		t.Errorf("%s, %d tasks", s.Status, len(b.w.Tasks))
	}
}

func TestSteadyStateIsSaidAgainAfterSixHours(t *testing.T) {
	b := newBench(t, rolling(100, 200), 1, true)
	b.deploy()
	b.settle(13 * time.Hour)
	n := 0
	for _, e := range b.log {
		if e == "(service s) has reached a steady state." {
			n++
		}
	}
	if n != 3 {
		t.Errorf("said %d times in 13 hours", n)
	}
}

func TestScalingStopsWhatDoesNotRunFirst(t *testing.T) {
	b := newBench(t, rolling(100, 200), 4, true)
	b.deploy()
	b.settle(time.Minute)
	b.w.Service.DesiredCount = 1
	for i := range b.w.Tasks {
		b.w.Tasks[i].AvailabilityZone = []string{"a", "a", "a", "c"}[i]
	}
	p := b.look()
	if len(p.Stop) != 3 {
		t.Fatalf("%+v", p.Stop)
	}
	if p.Stop[0].Reason != "Scaling activity initiated by (deployment ecs-svc/1)" {
		t.Error(p.Stop[0].Reason)
	}
	stopped := map[string]int{}
	for _, s := range p.Stop {
		for _, t := range b.w.Tasks {
			if t.ARN == s.Task {
				stopped[t.AvailabilityZone]++
			}
		}
	}
	if stopped["a"] < 2 {
		t.Errorf("stopped by zone %v", stopped)
	}
}

// TestLaws throws random behaviour at random services and holds every look
// against the laws: never above the maximum, never below the minimum by our
// own hand, stages only forward, and a second look changes nothing.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		strategy := rapid.SampledFrom([]string{"ROLLING", "BLUE_GREEN", "CANARY", "LINEAR"}).Draw(r, "strategy")
		c := model.DeploymentConfiguration{
			Strategy: model.Strategy(strategy), MinimumHealthyPercent: rapid.SampledFrom([]int64{0, 50, 75, 100}).Draw(r, "min"),
			MaximumPercent: rapid.SampledFrom([]int64{100, 125, 150, 200}).Draw(r, "max"),
			CanaryPercent:  5, CanaryBakeMinutes: 1, LinearStepPercent: 25, LinearBakeMinutes: 1,
			CircuitBreaker: rapid.Bool().Draw(r, "breaker"), CircuitRollback: rapid.Bool().Draw(r, "rollback"),
		}
		if rapid.Bool().Draw(r, "hook") {
			c.Hooks = []model.LifecycleHook{
				hookAt(model.StagePreScaleUp, model.StageTestTrafficShift, model.StagePostTestTrafficShift, model.StageProductionTrafficShift),
			}
		}
		b := newBench(t, c, rapid.Int64Range(0, 6).Draw(r, "desired"), rapid.Bool().Draw(r, "lb"))
		b.answer = func(rollout.Call) *rollout.Reply {
			return rapid.SampledFrom([]*rollout.Reply{
				reply(`{"hookStatus":"SUCCEEDED"}`), reply(`{"hookStatus":"SUCCEEDED"}`), reply(`{"hookStatus":"FAILED"}`),
				reply(`{"hookStatus":"IN_PROGRESS"}`), nil,
			}).Draw(r, "reply")
		}
		b.start = func(model.Task) string {
			return rapid.SampledFrom([]string{"healthy", "healthy", "healthy", "slow", "fail", "ill"}).Draw(r, "start")
		}
		b.deploy()
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			switch rapid.IntRange(0, 11).Draw(r, "event") {
			case 0:
				b.deploy()
			case 1:
				b.w.Service.DesiredCount = rapid.Int64Range(0, 6).Draw(r, "scale")
			case 2:
				if len(b.w.Deployments) > 0 {
					b.w.Deployments[len(b.w.Deployments)-1].Status = model.DeploymentRollbackRequested
				}
			case 3:
				b.w.Now = b.w.Now.Add(16 * time.Minute)
			case 4:
				for i := range b.w.Tasks {
					b.w.Tasks[i].Instance = "i1"
				}
				b.w.Draining["i1"] = !b.w.Draining["i1"]
			}
			law(r, b)
			b.run()
			b.w.Now = b.w.Now.Add(time.Duration(rapid.IntRange(0, 50).Draw(r, "seconds")) * time.Second)
		}
		// Left alone and with healthy tasks, everything comes to an end.
		b.start = func(model.Task) string { return "healthy" }
		b.answer = succeeded
		clear(b.w.Calling)
		clear(b.w.Draining)
		for k, v := range b.w.Targets {
			v.State = model.TargetHealthy
			b.w.Targets[k] = v
		}
		b.settle(48 * time.Hour)
		if c.MaximumPercent*b.w.Service.DesiredCount/100 > b.w.Service.DesiredCount && len(b.w.Deployments) > 0 {
			r.Fatalf("a deployment never ended: %+v\n%q", b.w.Deployments, b.log)
		}
	})
}

func healthyNow(b *bench) (n int64) {
	for _, t := range b.w.Tasks {
		if t.DesiredStatus != model.TaskRunning || t.LastStatus != model.TaskRunning {
			continue
		}
		ok := true
		for _, lb := range t.LoadBalancers {
			ok = ok && b.w.Targets[rollout.TargetKey{Group: lb.TargetGroupARN, Task: t.ARN}].State == model.TargetHealthy
		}
		if len(t.LoadBalancers) == 0 {
			ok = !b.w.Now.Before(t.StartedAt.Add(40 * time.Second))
		}
		if ok {
			n++
		}
	}
	return n
}

func wanted(b *bench) (n int64) {
	for _, t := range b.w.Tasks {
		if t.DesiredStatus == model.TaskRunning {
			n++
		}
	}
	return n
}

func law(r *rapid.T, b *bench) {
	d, c := b.w.Service.DesiredCount, b.w.Service.Deployment
	lower, upper := (d*c.MinimumHealthyPercent+99)/100, d*c.MaximumPercent/100
	wasHealthy, wasWanted := healthyNow(b), wanted(b)
	var before model.ServiceDeployment
	if n := len(b.w.Deployments); n > 0 {
		before = b.w.Deployments[n-1]
	}
	first := rollout.Decide(b.w)
	b.apply(first)
	replies, refusal := b.w.Replies, b.w.Refusal
	if c.Strategy == model.StrategyRolling {
		if got := wanted(b); got > max(upper, d, wasWanted) || got > wasWanted && got > max(upper, d) {
			r.Fatalf("%d tasks, maximum %d, before %d", got, upper, wasWanted)
		}
		if got := healthyNow(b); got < min(lower, wasHealthy) {
			r.Fatalf("%d healthy tasks, minimum %d, before %d: %+v", got, lower, wasHealthy, first.Stop)
		}
	}
	for _, now := range b.w.Deployments {
		if now.ARN == before.ARN && now.Status == model.DeploymentInProgress && before.Status == model.DeploymentInProgress &&
			now.Step == before.Step && now.Stage.Rank() < before.Stage.Rank() {
			r.Fatalf("the stage went back from %s to %s", before.Stage, now.Stage)
		}
	}
	if len(first.Shifts) > 0 || len(replies) > 0 || refusal != "" {
		return // the world has changed since
	}
	second := rollout.Decide(b.w)
	if n := len(second.Start) + len(second.Stop) + len(second.Deployments) + len(second.Events) + len(second.Noted) + len(second.Proven) +
		len(second.Revisions); n > 0 {
		r.Fatalf(
			"a second look changes %d things: start %v, stop %v, events %q, deployments %+v", n, second.Start, second.Stop, second.Events,
			second.Deployments,
		)
	}
}
