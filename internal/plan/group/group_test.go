package group_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/internal/model"
	"berth/internal/plan/group"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// facts are a group of instances a:0 b:1 and so on: a zone, and how old.
func facts(desired int64, instances ...string) group.Facts {
	f := group.Facts{
		Group: &model.AutoScalingGroup{Name: "g", Desired: desired, Max: 10}, Now: start.Add(time.Hour),
		Places:  []group.Place{{Subnet: "subnet-a", Zone: "a"}, {Subnet: "subnet-b", Zone: "b"}},
		Current: func(i *model.Instance) bool { return i.Type != "old" },
	}
	for n, s := range instances {
		zone, kind, _ := strings.Cut(s, ":")
		f.Instances = append(f.Instances, &model.Instance{
			ID: fmt.Sprintf("i-%d", n), AvailabilityZone: zone, Type: kind, WantedAt: start.Add(time.Duration(n) * time.Minute),
			Goal: model.GoalRun, State: model.InstanceRunning,
		})
	}
	return f
}

func words(p group.Plan) string {
	var out []string
	for _, l := range p.Launch {
		out = append(out, "+"+l.Zone)
	}
	for _, e := range p.End {
		out = append(out, "-"+e.ID)
	}
	return strings.Join(out, " ")
}

// Proves: E4, E5
func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		facts group.Facts
		edit  func(*group.Facts)
		want  string
	}{
		"all is well":                    {facts(2, "a", "b"), nil, ""},
		"none yet":                       {facts(3), nil, "+a +b +a"},
		"the zone with the fewest":       {facts(3, "a", "a"), nil, "+b"},
		"launches under way count":       {facts(3, "a"), func(f *group.Facts) { f.Launching = 2 }, ""},
		"no launches":                    {facts(1), func(f *group.Facts) { f.Group.Suspended = []string{"Launch"} }, ""},
		"not again at once":              {facts(1), func(f *group.Facts) { f.Group.NextTryAt = f.Now.Add(time.Second) }, ""},
		"nowhere":                        {facts(1), func(f *group.Facts) { f.Places = nil }, ""},
		"the oldest of the fullest zone": {facts(2, "b", "a", "a"), nil, "-i-1"},
		"the newest": {facts(1, "a", "a"),
			func(f *group.Facts) { f.Group.TerminationPolicies = []string{"NewestInstance"} }, "-i-1"},
		"an outdated one first":         {facts(1, "a", "a:old"), nil, "-i-1"},
		"no terminations":               {facts(0, "a"), func(f *group.Facts) { f.Group.Suspended = []string{"Terminate"} }, ""},
		"one that is protected":         {facts(0, "a", "b"), func(f *group.Facts) { f.Group.Protected = []string{"i-0"} }, "-i-1"},
		"one told to leave is replaced": {facts(1, "a"), func(f *group.Facts) { f.Group.Leaving = []string{"i-0"} }, "+a -i-0"},
		"one that is unhealthy":         {facts(1, "a"), func(f *group.Facts) { f.Group.Unhealthy = []string{"i-0"} }, "+a -i-0"},
		"one that failed health checks": {facts(1, "a"), func(f *group.Facts) { f.Group.Sick = []string{"i-0"} }, "+a -i-0"},
		"none is replaced": {facts(1, "a"), func(f *group.Facts) {
			f.Group.Sick, f.Group.Suspended = []string{"i-0"}, []string{"ReplaceUnhealthy"}
		}, ""},
		"a dead one is replaced": {facts(1, "a"), func(f *group.Facts) { f.Instances[0].State = model.InstanceTerminated }, "+a"},
		"a group that is deleted": {facts(2, "a", "b"), func(f *group.Facts) {
			f.Group.Deleting, f.Group.Protected = true, []string{"i-0"}
		}, "-i-0 -i-1"},
	} {
		if c.edit != nil {
			c.edit(&c.facts)
		}
		if got := words(group.Decide(c.facts)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestCausesAreAutoScalings(t *testing.T) {
	p := group.Decide(facts(1))
	const want = "At 2026-01-01T01:00:00Z an instance was started in response to a difference between desired and actual capacity, " +
		"increasing the capacity from 0 to 1."
	if p.Launch[0].Cause != want {
		t.Error(p.Launch[0].Cause)
	}
}
