package placement_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/internal/lang/constraint"
	"berth/internal/model"
	"berth/internal/plan/placement"
)

func own(id, zone string, cpu, memory int64, values map[string]string) placement.Node {
	n := node(id, zone, cpu, memory, 0)
	n.Provider, n.EC2, n.Values = "", true, values
	return n
}

func strategies(s string) []model.PlacementStrategy {
	var out []model.PlacementStrategy
	for one := range strings.FieldsSeq(s) {
		kind, field, _ := strings.Cut(one, "=")
		out = append(out, model.PlacementStrategy{Type: kind, Field: field})
	}
	return out
}

func onEC2(n int, s string) []placement.Ask {
	var out []placement.Ask
	for i := range n {
		out = append(out, placement.Ask{
			Task: fmt.Sprintf("t%d", i), Group: "g", EC2: true, Need: model.Resources{CPU: 100, Memory: 100}, Strategy: strategies(s),
		})
	}
	return out
}

// Proves: E111, E112, E113
func TestStrategiesChooseAmongInstancesThatFit(t *testing.T) {
	nodes := []placement.Node{
		own("i1", "a", 900, 400, map[string]string{"attribute:rack": "r1"}),
		own("i2", "a", 400, 900, map[string]string{"attribute:rack": "r2"}),
		own("i3", "c", 800, 800, map[string]string{"attribute:rack": "r1"}),
		node("managed", "a", 9000, 9000, 9),
	}
	tests := map[string]string{
		"binpack=memory":                         "i1 i1 i1 i1 i3 i3",
		"binpack=cpu":                            "i2 i2 i2 i2 i3 i3",
		"spread=instanceId":                      "i1 i2 i3 i1 i2 i3",
		"spread=host":                            "i1 i2 i3 i1 i2 i3",
		"spread=attribute:rack binpack=memory":   "i1 i2 i1 i2 i1 i2",
		"spread=attribute:ecs.availability-zone": "i1 i3 i1 i3 i1 i3",
		"spread=attribute:none binpack=CPU":      "i2 i2 i2 i2 i3 i3",
		"spread=attribute:ecs.availability-zone spread=instanceId": "i1 i3 i2 i3 i1 i3",
	}
	for s, want := range tests {
		var got []string
		for _, p := range placement.Place(nodes, onEC2(6, s)).Placed {
			got = append(got, p.Node)
		}
		if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
			t.Errorf("%s: %s", s, d)
		}
	}
}

// Proves: E113
func TestRandomIsTheSameForTheSameTaskAndDiffersAmongTasks(t *testing.T) {
	var nodes []placement.Node
	for i := range 8 {
		nodes = append(nodes, own(fmt.Sprintf("i%d", i), "a", 1e6, 1e6, nil))
	}
	first, again := placement.Place(nodes, onEC2(32, "random")), placement.Place(nodes, onEC2(32, "random"))
	if d := cmp.Diff(where(first), where(again)); d != "" {
		t.Error(d)
	}
	used := map[string]bool{}
	for _, p := range first.Placed {
		used[p.Node] = true
	}
	if len(used) < 4 {
		t.Errorf("32 tasks on %d instances of 8", len(used))
	}
}

// Proves: E114, E115
func TestEC2TasksTakeTheUsersInstancesOnly(t *testing.T) {
	a := onEC2(1, "")
	p := placement.Place([]placement.Node{node("managed", "a", 9000, 9000, 9)}, a)
	want := "no container instance met all of its requirements. Reason: No Container Instances were found in your cluster. For more " +
		"information, see the Troubleshooting section of the Amazon ECS Developer Guide."
	if d := cmp.Diff(want, p.Refused[0].Event); d != "" {
		t.Error(d)
	}
	p = placement.Place([]placement.Node{own("i1", "a", 900, 50, nil)}, a)
	want = "no container instance met all of its requirements. The closest matching (container-instance i1) has insufficient memory " +
		"available. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
	r := p.Refused[0]
	if d := cmp.Diff([]string{want, "RESOURCE:MEMORY", "arn:x/c/i1"}, []string{r.Event, r.Code, r.Near}); d != "" {
		t.Error(d)
	}
	a[0].Host = "arn:x/c/i2"
	p = placement.Place([]placement.Node{own("i1", "a", 900, 900, nil), own("i2", "a", 200, 200, nil)}, a)
	if got := where(p); got != "t0→i2" {
		t.Error(got)
	}
	a[0].Host = "arn:x/c/i3"
	if p = placement.Place([]placement.Node{own("i1", "a", 900, 900, nil)}, a); len(p.Placed) > 0 {
		t.Error("placed on another instance than its own")
	}
}

// Proves: E110, E116
func TestPortsOfBridgeAndHostModeAreResources(t *testing.T) {
	def := func(mode string, host int64) *model.TaskDefinition {
		return &model.TaskDefinition{ARN: "td", NetworkMode: mode, Containers: []model.ContainerDefinition{{
			PortMappings: []model.PortMapping{{ContainerPort: 80, HostPort: host, Protocol: "tcp"}},
		}}}
	}
	for _, c := range []struct {
		mode string
		host int64
		want string
	}{
		{model.NetworkBridge, 0, "[] 0"}, {model.NetworkBridge, 8080, "[8080/tcp] 0"}, {model.NetworkHost, 80, "[80/tcp] 0"},
		{model.NetworkHost, 0, "[80/tcp] 0"}, {model.NetworkNone, 0, "[] 0"}, {model.NetworkAwsvpc, 80, "[] 1"},
	} {
		f := placement.Facts{
			Definition: func(string) *model.TaskDefinition { return def(c.mode, c.host) }, Zone: func(string) string { return "" },
			Tasks: []*model.Task{{
				ARN: "t", TaskDefinition: "td", LaunchType: model.LaunchEC2, LastStatus: model.TaskProvisioning,
				DesiredStatus: model.TaskRunning,
			}},
		}
		a := f.Asks()[0]
		if got := fmt.Sprint(a.Need.Ports, a.Need.ENIs); got != c.want || !a.EC2 || a.Provider != "" || len(a.Strategy) != 2 {
			t.Errorf("%s %d: %s, want %s; %+v", c.mode, c.host, got, c.want, a)
		}
	}
}

// Whatever the strategies, what is placed fits, nothing is refused while an
// instance would take it, and the first strategy holds at every step.
func TestStrategiesHoldAtEveryStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var nodes []placement.Node
		for i := range rapid.IntRange(1, 6).Draw(t, "nodes") {
			nodes = append(nodes, own(fmt.Sprintf("i%d", i), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "zone"),
				int64(rapid.IntRange(0, 500).Draw(t, "cpu")), int64(rapid.IntRange(0, 500).Draw(t, "memory")), nil))
		}
		s := rapid.SampledFrom([]string{
			"", "random", "binpack=cpu", "binpack=memory", "spread=attribute:ecs.availability-zone", "spread=instanceId binpack=cpu",
		}).Draw(t, "strategy")
		asks := onEC2(rapid.IntRange(1, 12).Draw(t, "tasks"), s)
		p := placement.Place(nodes, asks)
		for _, x := range p.Placed {
			i := slices.IndexFunc(nodes, func(n placement.Node) bool { return n.ID == x.Node })
			if why := placement.Fits(&nodes[i], &asks[0]); why != "" {
				t.Fatalf("%s on %s, which %s", x.Task, x.Node, why)
			}
			for j := range nodes {
				if placement.Fits(&nodes[j], &asks[0]) == "" && better(&nodes[j], &nodes[i], nodes, s) {
					t.Fatalf("%s: %s was chosen and %s is better: %+v", s, nodes[i].ID, nodes[j].ID, nodes)
				}
			}
			nodes[i].Take(&asks[0])
		}
		for j := range nodes {
			if len(p.Refused) > 0 && placement.Fits(&nodes[j], &asks[0]) == "" {
				t.Fatalf("refused, and %s would take it", nodes[j].ID)
			}
		}
	})
}

// better reports whether the first strategy likes x more than y.
func better(x, y *placement.Node, all []placement.Node, s string) bool {
	zone := func(z string) (n int) {
		for _, o := range all {
			if o.Zone == z {
				n += o.Groups["g"]
			}
		}
		return n
	}
	switch {
	case strings.HasPrefix(s, "binpack=cpu"):
		return x.Free.CPU < y.Free.CPU
	case strings.HasPrefix(s, "binpack"):
		return x.Free.Memory < y.Free.Memory
	case strings.HasPrefix(s, "spread=instanceId"):
		return x.Groups["g"] < y.Groups["g"]
	case strings.HasPrefix(s, "spread"):
		return zone(x.Zone) < zone(y.Zone)
	}
	return false
}

// Proves: E117
func TestAnAskOfAGroupsProviderTakesItsInstances(t *testing.T) {
	e, err := constraint.Parse("attribute:rack == r1")
	if err != nil {
		t.Fatal(err)
	}
	n := own("i1", "a", 900, 900, map[string]string{"attribute:rack": "r1"})
	n.Provider = "asg"
	a := placement.Ask{Task: "t", Provider: "asg", Member: []constraint.Expr{e}, Strategy: strategies("binpack=cpu")}
	if got := where(placement.Place([]placement.Node{own("i0", "a", 90, 90, nil), n}, []placement.Ask{a})); got != "t→i1" {
		t.Error(got)
	}
}
