package reservation_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"berth/internal/model"
	"berth/internal/plan/placement"
	"berth/internal/plan/reservation"
)

// given are the facts that a case changes.
type given = reservation.Facts

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// facts are a group whose instances hold four tasks of 1,000 MiB: "2" has two
// and "w" has none and is not warm.
func facts(waiting int, hosts ...string) reservation.Facts {
	f := reservation.Facts{
		Now: start.Add(time.Hour), Scaling: model.ManagedScaling{Enabled: true, Target: 100, MinStep: 1, MaxStep: 10000, WarmUp: 300},
		Group: &model.AutoScalingGroup{Name: "g", Desired: int64(len(hosts)), Max: 10},
		New:   []placement.Node{{ID: "i-new", Provider: "cp", Free: model.Resources{CPU: 4096, Memory: 4000}}},
	}
	for n, s := range hosts {
		h := reservation.Host{Launched: start, Node: placement.Node{
			ID: fmt.Sprintf("i-%d", n), Provider: "cp", Free: model.Resources{CPU: 4096, Memory: 4000},
		}}
		if s == "w" {
			h.Launched = f.Now.Add(-time.Minute)
		} else {
			tasks := int64(s[0] - '0')
			h.Busy, h.Free.Memory = tasks > 0, 4000-1000*tasks
		}
		f.Hosts = append(f.Hosts, h)
	}
	for n := range waiting {
		f.Asks = append(f.Asks, ask(n, 1000))
	}
	return f
}

func ask(n int, memory int64) placement.Ask {
	return placement.Ask{Task: fmt.Sprint(n), Provider: "cp", Group: "g", Need: model.Resources{CPU: 128, Memory: memory}}
}

// Proves: E303, E304, E305, E306
func TestDecide(t *testing.T) {
	long := start.Add(40 * time.Minute) // 20 minutes ago
	for name, c := range map[string]struct {
		facts   reservation.Facts
		edit    func(*given)
		percent float64
		desired int64
		low     bool
	}{
		"nothing at all":                       {facts(0), nil, 100, 0, false},
		"from none it is as if there were one": {facts(9), nil, 200, 2, false},
		"as many as are needed":                {facts(0, "4", "1"), nil, 100, 2, false},
		"tasks that wait and fit":              {facts(3, "4", "0"), nil, 100, 2, false},
		"tasks that wait and do not":           {facts(5, "4"), nil, 300, 3, false},
		"no more than the group's maximum":     {facts(80, "4"), nil, 2100, 10, false},
		"a step has a least size":              {facts(1, "4"), func(f *given) { f.Scaling.MinStep = 3 }, 400, 4, false},
		"and a greatest":                       {facts(20, "4"), func(f *given) { f.Scaling.MaxStep = 2 }, 300, 3, false},
		"a target below 100 keeps some free":   {facts(0, "4", "4"), func(f *given) { f.Scaling.Target = 50 }, 100, 4, false},
		"not while an instance warms up":       {facts(9, "4", "w"), nil, 200, 2, false},
		"nor while one is on its way": {facts(9, "4", "0"),
			func(f *given) { f.Hosts[1].Launched = time.Time{} }, 200, 2, false},
		"nor what fits on no instance": {facts(0, "4"),
			func(f *given) { f.Asks = []placement.Ask{ask(0, 9000)} }, 100, 1, false},
		"what fits is counted beside it": {facts(0, "4"),
			func(f *given) { f.Asks = []placement.Ask{ask(0, 9000), ask(1, 900)} }, 200, 2, false},
		"too many, for a moment": {facts(0, "4", "0"), nil, 50, 2, true},
		"too many, for long":     {facts(0, "4", "0"), func(f *given) { f.LowSince = long }, 50, 1, true},
		"half of them at most go in a minute": {facts(0, "1", "0", "0", "0", "0", "0"),
			func(f *given) { f.LowSince = long }, 100. / 6, 3, true},
		"not below the least": {facts(0, "0", "0"),
			func(f *given) { f.LowSince, f.Group.Min = long, 2 }, 0, 2, true},
		"to none": {facts(0, "0"), func(f *given) { f.LowSince = long }, 0, 0, true},
		"not what is asked for already": {facts(0, "4", "0"),
			func(f *given) { f.LowSince, f.Group.Desired = long, 1 }, 50, 1, true},
		"a spare part that the target wants": {facts(0, "4", "0"),
			func(f *given) { f.LowSince, f.Scaling.Target = long, 50 }, 50, 2, false},
		"not enough is spare to let one go": {facts(0, "1", "1", "0"),
			func(f *given) { f.LowSince, f.Scaling.Target = long, 70 }, 200. / 3, 3, true},
		"the largest count of tasks of one size": {facts(8, "4"),
			func(f *given) { f.Asks = append(f.Asks, ask(8, 500)) }, 300, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			if c.edit != nil {
				c.edit(&c.facts)
			}
			p := reservation.Decide(c.facts)
			if math.Abs(p.Percent-c.percent) > 1e-9 || p.Desired != c.desired || !p.LowSince.IsZero() != c.low ||
				(p.Why != "") != (p.Desired != c.facts.Group.Desired) {
				t.Errorf("%d of %d is %g %%, desired %d, low %t: %s", p.Needs, p.Has, p.Percent, p.Desired, !p.LowSince.IsZero(), p.Why)
			}
		})
	}
}

// TestProtection: what has tasks is spared; of what has none as much is let go
// as there is too much.
//
// Proves: E307
func TestProtection(t *testing.T) {
	f := facts(0, "1", "0", "0", "2")
	f.Group.Protected = []string{"i-0", "i-1", "i-2"}
	add, drop := reservation.Protection(f)
	if !slices.Equal(add, []string{"i-3"}) || len(drop) != 0 {
		t.Errorf("protects %v, lets go of %v", add, drop)
	}
	f.Group.Desired = 3
	if _, drop = reservation.Protection(f); !slices.Equal(drop, []string{"i-1"}) {
		t.Errorf("lets go of %v", drop)
	}
	f.Group.Desired, f.Group.Protected = 2, []string{"i-0", "i-2", "i-3"}
	if _, drop = reservation.Protection(f); !slices.Equal(drop, []string{"i-2"}) {
		t.Errorf("with one that is free it lets go of %v", drop)
	}
}
