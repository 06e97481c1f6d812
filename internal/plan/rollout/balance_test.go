package rollout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/internal/model"
	"berth/internal/plan/rollout"
)

// zoned is a service of two zones whose tasks all landed in one, not yet
// rebalanced.
func zoned(t *testing.T, desired int64) *bench {
	t.Helper()
	b := newBench(t, rolling(100, 200), desired, false)
	b.w.Service.AZRebalancing = "ENABLED"
	b.w.Zones = map[string]string{"subnet-a": "a", "subnet-c": "c"}
	b.place = func(t model.Task) string { return b.w.Zones[t.Network.Subnets[0]] }
	b.deploy()
	rev := b.w.Revisions["rev1"]
	rev.Network.Subnets = []string{"subnet-a", "subnet-c"}
	b.w.Revisions["rev1"] = rev
	b.settle(5 * time.Minute)
	if got := b.spread(); got != fmt.Sprintf("a=%d c=0", desired) {
		t.Fatal(got)
	}
	return b
}

func (b *bench) spread() string {
	count := map[string]int{}
	for _, t := range b.w.Tasks {
		if t.DesiredStatus == model.TaskRunning && t.LastStatus == model.TaskRunning {
			count[t.AvailabilityZone]++
		}
	}
	return fmt.Sprintf("a=%d c=%d", count["a"], count["c"])
}

func TestASteadyServiceIsEvenedOut(t *testing.T) {
	for _, c := range []struct {
		name    string
		desired int64
		edit    func(*model.Service)
		want    string
	}{
		{"two", 2, nil, "a=1 c=1"},
		{"five", 5, nil, "a=3 c=2"},
		{"one", 1, nil, "a=1 c=0"},
		{"a low maximum", 8, func(s *model.Service) { s.Deployment.MaximumPercent = 125 }, "a=4 c=4"},
		{"off", 4, func(s *model.Service) { s.AZRebalancing = "DISABLED" }, "a=4 c=0"},
		{"a maximum of 100", 4, func(s *model.Service) { s.Deployment.MaximumPercent = 100 }, "a=4 c=0"},
		{"bound to a zone", 4, func(s *model.Service) {
			s.Constraints = []model.PlacementConstraint{{Type: "memberOf", Expression: "attribute:ecs.availability-zone == a"}}
		}, "a=4 c=0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := zoned(t, c.desired)
			if c.edit != nil {
				c.edit(&b.w.Service)
			}
			b.settle(time.Hour)
			if got := b.spread(); got != c.want {
				t.Errorf("%s, want %s: %q", got, c.want, b.log)
			}
			tasks := len(b.w.Tasks)
			b.settle(24 * time.Hour)
			if len(b.w.Tasks) != tasks || b.spread() != c.want {
				t.Errorf("it does not come to rest: %s", b.spread())
			}
		})
	}
}

// While a task that is to even the service out waits for a place, the service
// is as good as before: what dies is replaced, and it may be scaled to nothing.
func TestAWaitingTaskStandsInForNobody(t *testing.T) {
	b := zoned(t, 4)
	b.place = func(t model.Task) string {
		if t.Balancing {
			return ""
		}
		return "a"
	}
	for !b.said("AZ Rebalancing in progress.") {
		b.settle(time.Minute)
	}
	for i := range b.w.Tasks {
		if b.w.Tasks[i].LastStatus == model.TaskRunning {
			b.w.Tasks[i].DesiredStatus, b.w.Tasks[i].StopCode, b.w.Tasks[i].StoppingAt = model.TaskStopped, "EssentialContainerExited", b.w.Now
			break
		}
	}
	b.settle(2 * time.Minute)
	if got := b.spread(); got != "a=4 c=0" {
		t.Errorf("after a crash %s", got)
	}
	b.w.Service.DesiredCount = 0
	b.settle(time.Minute)
	for _, x := range b.w.Tasks {
		if x.DesiredStatus == model.TaskRunning {
			t.Errorf("%s is still desired", x.ID)
		}
	}
}

// A zone that takes nothing is given up and tried again later.
func TestAZoneThatTakesNothingIsTriedNowAndThen(t *testing.T) {
	b := zoned(t, 2)
	tries := 0
	b.place = func(t model.Task) string {
		if t.Balancing {
			return ""
		}
		return "a"
	}
	for range 240 {
		p := rollout.Decide(b.w)
		for _, x := range p.Start {
			if x.Balancing {
				tries++
			}
		}
		b.apply(p)
		b.run()
		b.w.Now = b.w.Now.Add(time.Minute)
		if got := b.spread(); got != "a=2 c=0" {
			t.Fatal(got)
		}
	}
	if tries < 3 || tries > 8 ||
		!b.said("(service s) is unable to place a task in c because no container instance met all of its requirements.") {
		t.Errorf("%d tries in four hours: %q", tries, b.log)
	}
}

// Laws: at least the desired tasks are healthy at every moment, and at most
// the maximum are there, whatever the zones were and may take; in the end no
// two zones differ by more than one.
func TestBalancingLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.Int64Range(2, 9).Draw(rt, "desired")
		b := zoned(t, n)
		b.w.Service.Deployment.MaximumPercent = rapid.Int64Range(101, 250).Draw(rt, "maximum")
		for i := range b.w.Tasks {
			if rapid.Bool().Draw(rt, "there") {
				b.w.Tasks[i].AvailabilityZone = "c"
			}
		}
		upper := n * b.w.Service.Deployment.MaximumPercent / 100
		for range 400 {
			p := b.look()
			healthy, there := int64(0), int64(0)
			for _, x := range b.w.Tasks {
				if x.DesiredStatus == model.TaskRunning {
					there++
					if x.LastStatus == model.TaskRunning && !b.w.Now.Before(x.StartedAt.Add(rollout.ProvenAfter)) {
						healthy++
					}
				}
			}
			if healthy < n || there > upper {
				rt.Fatalf("%d healthy and %d there of %d to %d", healthy, there, n, upper)
			}
			b.run()
			if !b.busy(p) {
				b.w.Now = b.w.Now.Add(30 * time.Second)
			}
		}
		var a, c int64
		if _, err := fmt.Sscanf(strings.ReplaceAll(b.spread(), "=", " "), "a %d c %d", &a, &c); err != nil {
			rt.Fatal(err)
		}
		if a-c > 1 && upper > n || c-a > 1 && upper > n {
			rt.Fatalf("it ends with %s", b.spread())
		}
	})
}
