package placement_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"berth/internal/lang/constraint"
	"berth/internal/model"
	"berth/internal/plan/placement"
)

func node(id, zone string, cpu, memory, enis int64) placement.Node {
	return placement.Node{ID: id, ARN: "arn:x/c/" + id, Provider: "p", Zone: zone,
		Free: model.Resources{CPU: cpu, Memory: memory, ENIs: enis}, Groups: map[string]int{}}
}

var twoZones = map[string]string{"a": "subnet-a", "c": "subnet-c"}

func ask(id string) placement.Ask {
	return placement.Ask{
		Task: id, Group: "service:web", Provider: "p", Need: model.Resources{CPU: 256, Memory: 512, ENIs: 1}, Subnets: twoZones,
	}
}

func asks(n int) []placement.Ask {
	var out []placement.Ask
	for i := range n {
		out = append(out, ask(fmt.Sprintf("t%02d", i)))
	}
	return out
}

func where(p placement.Plan) string {
	var out []string
	for _, x := range p.Placed {
		out = append(out, x.Task+"→"+x.Node)
	}
	return strings.Join(out, " ")
}

// Proves: MI35
func TestPlacementsAlternateZonesWhenBothHaveCapacity(t *testing.T) {
	p := placement.Place([]placement.Node{node("i1", "a", 2048, 3700, 10), node("i2", "c", 2048, 3700, 10)}, asks(4))
	if diff := cmp.Diff("t00→i1 t01→i2 t02→i1 t03→i2", where(p)); diff != "" {
		t.Error(diff)
	}
	if p.Placed[1].Subnet != "subnet-c" || p.Placed[1].Zone != "c" {
		t.Errorf("%+v", p.Placed[1])
	}
}

// Proves: MI35
func TestOneZoneWithRoomIsUsedAtOnce(t *testing.T) {
	p := placement.Place([]placement.Node{node("i1", "a", 2048, 3700, 10)}, asks(8))
	if len(p.Placed) != 7 || len(p.Refused) != 1 {
		t.Fatalf("%d placed, %d refused", len(p.Placed), len(p.Refused))
	}
	want := "no container instance met all of its requirements: of 1 instance, 1 has insufficient memory available; the task needs 256 CPU " +
		"units and 512 MiB and an interface"
	if diff := cmp.Diff(want, p.Refused[0].Why); diff != "" {
		t.Error(diff)
	}
	want = "no container instance met all of its requirements. The closest matching container-instance i1 has insufficient memory available."
	if diff := cmp.Diff(want, p.Refused[0].Event); diff != "" {
		t.Error(diff)
	}
	if got := p.Refused[0].Code; got != "RESOURCE:MEMORY" {
		t.Errorf("code %q", got)
	}
}

// To AWS an instance is there when it has registered: a service hears of none
// before, but we say that one is on its way.
func TestAnUnregisteredInstanceIsNotTheClosest(t *testing.T) {
	n := node("i1", "a", 0, 0, 0)
	n.Blocked = placement.BlockedUnregistered
	p := placement.Place([]placement.Node{n}, asks(1))
	want := []string{
		"no container instance met all of its requirements. Reason: No Container Instances were found in your capacity provider.",
		"no container instance met all of its requirements: of 1 instance, 1 has not registered yet; the task needs 256 CPU units and 512 MiB " +
			"and an interface",
	}
	if diff := cmp.Diff(want, []string{p.Refused[0].Event, p.Refused[0].Why}); diff != "" {
		t.Error(diff)
	}
}

// Proves: MI38
func TestEveryCauseIsNamed(t *testing.T) {
	n := node("i1", "a", 2048, 3700, 10)
	n.Architecture = "x86_64"
	n.Groups["service:web"] = 1
	n.Free.Ports = []string{"22", "80/tcp"}
	n.Values = map[string]string{"attribute:ecs.instance-type": "c6a.large"}
	expr := func(s string) []constraint.Expr {
		e, err := constraint.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return []constraint.Expr{e}
	}
	tests := []struct {
		want string
		edit func(*placement.Ask, *placement.Node)
	}{
		{"", func(*placement.Ask, *placement.Node) {}},
		{placement.CauseProvider, func(a *placement.Ask, _ *placement.Node) { a.Provider = "q" }},
		{placement.BlockedDraining, func(_ *placement.Ask, n *placement.Node) { n.Blocked = placement.BlockedDraining }},
		{placement.CauseZone, func(a *placement.Ask, _ *placement.Node) { a.Subnets = map[string]string{"c": "s"} }},
		{placement.CauseArchitecture, func(a *placement.Ask, _ *placement.Node) { a.Architecture = "ARM64" }},
		{"", func(a *placement.Ask, _ *placement.Node) { a.Architecture = "X86_64" }},
		{placement.CauseMember, func(a *placement.Ask, _ *placement.Node) { a.Member = expr("attribute:ecs.instance-type =~ t3.*") }},
		{"", func(a *placement.Ask, _ *placement.Node) { a.Member = expr("attribute:ecs.instance-type =~ c6a.*") }},
		{placement.CauseMember, func(a *placement.Ask, _ *placement.Node) { a.Member = expr("not task:group == service:web") }},
		{placement.CauseCPU, func(a *placement.Ask, _ *placement.Node) { a.Need.CPU = 2049 }},
		{placement.CauseMemory, func(a *placement.Ask, _ *placement.Node) { a.Need.Memory = 3701 }},
		{placement.CauseENI, func(_ *placement.Ask, n *placement.Node) { n.Free.ENIs = 0 }},
		{placement.CausePort, func(a *placement.Ask, _ *placement.Node) { a.Need.Ports = []string{"80/tcp"} }},
		{placement.CausePort, func(a *placement.Ask, _ *placement.Node) { a.Need.Ports = []string{"22/tcp"} }},
		{"", func(a *placement.Ask, _ *placement.Node) { a.Need.Ports = []string{"80/udp"} }},
		{placement.CauseDistinct, func(a *placement.Ask, _ *placement.Node) { a.Distinct = true }},
	}
	for _, tt := range tests {
		a, m := ask("t"), n
		tt.edit(&a, &m)
		p := placement.Place([]placement.Node{m}, []placement.Ask{a})
		if got := placement.Fits(&m, &a); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		if (len(p.Placed) == 1) != (tt.want == "") {
			t.Errorf("%q: %+v", tt.want, p)
		}
	}
}

// Proves: MI31
func TestDistinctInstancesInOneBatch(t *testing.T) {
	as := asks(3)
	for i := range as {
		as[i].Distinct = true
	}
	p := placement.Place([]placement.Node{node("i1", "a", 2048, 3700, 10), node("i2", "a", 2048, 3700, 10)}, as)
	if diff := cmp.Diff("t00→i1 t01→i2", where(p)); diff != "" {
		t.Error(diff)
	}
}

// worlds draws small clusters.
func worlds(t *rapid.T) ([]placement.Node, []placement.Ask) {
	zone := rapid.SampledFrom([]string{"a", "c", "d"})
	small := rapid.Int64Range(0, 4)
	var nodes []placement.Node
	for i := range rapid.IntRange(0, 4).Draw(t, "nodes") {
		n := node(fmt.Sprintf("i%d", i), zone.Draw(t, "zone"), small.Draw(t, "cpu"), small.Draw(t, "memory"), small.Draw(t, "enis"))
		n.Provider = rapid.SampledFrom([]string{"p", "q"}).Draw(t, "provider")
		n.Architecture = rapid.SampledFrom([]string{"x86_64", "arm64"}).Draw(t, "architecture")
		if rapid.IntRange(0, 5).Draw(t, "blocked") == 0 {
			n.Blocked = placement.BlockedDraining
		}
		nodes = append(nodes, n)
	}
	var as []placement.Ask
	for i := range rapid.IntRange(0, 6).Draw(t, "asks") {
		a := placement.Ask{Task: fmt.Sprintf("t%d", i), Group: rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group"),
			Need: model.Resources{CPU: small.Draw(t, "cpu"), Memory: small.Draw(t, "memory"), ENIs: rapid.Int64Range(0, 1).Draw(t, "enis")}}
		a.Provider = rapid.SampledFrom([]string{"p", "q", ""}).Draw(t, "provider")
		a.Architecture = rapid.SampledFrom([]string{"", "X86_64", "ARM64"}).Draw(t, "architecture")
		a.Distinct = rapid.Bool().Draw(t, "distinct")
		if rapid.Bool().Draw(t, "zones") {
			a.Subnets = map[string]string{zone.Draw(t, "subnet"): "s"}
		}
		as = append(as, a)
	}
	return nodes, as
}

// oracle does the same step by step without any index: for every ask, in
// order, look at each node.
func oracle(nodes []placement.Node, as []placement.Ask) string {
	ns := slices.Clone(nodes)
	order := slices.Clone(nodes)
	slices.SortFunc(order, func(a, b placement.Node) int {
		if a.Free.Memory != b.Free.Memory {
			return int(a.Free.Memory - b.Free.Memory)
		}
		if a.Free.CPU != b.Free.CPU {
			return int(a.Free.CPU - b.Free.CPU)
		}
		return strings.Compare(a.ID, b.ID)
	})
	var out []string
	for i := range as {
		var best *placement.Node
		count := func(zone string) (c int) {
			for _, n := range ns {
				if n.Zone == zone {
					c += n.Groups[as[i].Group]
				}
			}
			return c
		}
		for _, o := range order {
			k := slices.IndexFunc(ns, func(n placement.Node) bool { return n.ID == o.ID })
			if placement.Fits(&ns[k], &as[i]) != "" {
				continue
			}
			if best == nil || count(ns[k].Zone) < count(best.Zone) || count(ns[k].Zone) == count(best.Zone) && ns[k].Zone < best.Zone {
				best = &ns[k]
			}
		}
		if best != nil {
			out = append(out, as[i].Task+"→"+best.ID)
			best.Take(&as[i])
		}
	}
	return strings.Join(out, " ")
}

func TestPlaceAgreesWithTheSlowWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, as := worlds(t)
		p := placement.Place(nodes, as)
		if diff := cmp.Diff(oracle(nodes, as), where(p)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func refused(p placement.Plan) (out string) {
	for _, r := range p.Refused {
		out += fmt.Sprintf(" not %d", r.Ask)
	}
	return out
}

// sums are what plans come to: how many tasks of each group each node takes, and
// who is refused.
func sums(nodes []placement.Node, p placement.Plan) string {
	took := map[string]map[string]int{}
	for _, x := range p.Placed {
		if took[x.Node] == nil {
			took[x.Node] = map[string]int{}
		}
		took[x.Node][x.Group]++
	}
	var out []string
	for i := range nodes {
		out = append(out, fmt.Sprint(nodes[i].ID, took[nodes[i].ID]))
	}
	return strings.Join(out, " ") + refused(p)
}

// tried writes down what Try says as sums writes down a plan.
func tried(nodes []placement.Node, as []placement.Ask) string {
	var out []string
	then, left := placement.Try(nodes, as)
	for i := range then {
		took, n := map[string]int{}, 0
		for g, c := range then[i].Groups {
			if c -= nodes[i].Groups[g]; c > 0 {
				took[g], n = c, n+c
			}
		}
		if n != then[i].Took() {
			out = append(out, fmt.Sprintf("%d are not %d:", n, then[i].Took()))
		}
		out = append(out, fmt.Sprint(then[i].ID, took))
	}
	text := strings.Join(out, " ")
	for _, i := range left {
		text += fmt.Sprintf(" not %d", i)
	}
	return text
}

// Laws: everybody is answered once; nothing is given out twice; the order of
// nodes does not matter; arguments stay as they were.
func TestPlaceLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, as := worlds(t)
		before := model.Clone(nodes)
		p := placement.Place(nodes, as)
		if diff := cmp.Diff(before, nodes, cmpopts.IgnoreUnexported(placement.Node{})); diff != "" {
			t.Fatal("the nodes changed: " + diff)
		}
		if len(p.Placed)+len(p.Refused) != len(as) {
			t.Fatalf("%d and %d of %d", len(p.Placed), len(p.Refused), len(as))
		}
		used := map[string]model.Resources{}
		for _, x := range p.Placed {
			a := as[slices.IndexFunc(as, func(a placement.Ask) bool { return a.Task == x.Task })]
			u := used[x.Node]
			used[x.Node] = model.Resources{CPU: u.CPU + a.Need.CPU, Memory: u.Memory + a.Need.Memory, ENIs: u.ENIs + a.Need.ENIs}
		}
		for _, n := range nodes {
			if u := used[n.ID]; u.CPU > n.Free.CPU || u.Memory > n.Free.Memory || u.ENIs > n.Free.ENIs {
				t.Fatalf("%s gives %+v of %+v", n.ID, u, n.Free)
			}
		}
		if diff := cmp.Diff(sums(nodes, p), tried(nodes, as)); diff != "" {
			t.Fatal("Try says something else: " + diff)
		}
		mixed := slices.Clone(nodes)
		slices.Reverse(mixed)
		if diff := cmp.Diff(where(p), where(placement.Place(mixed, as))); diff != "" {
			t.Fatal(diff)
		}
	})
}

// A thousand tasks that wait for the same are explained once.
func TestTasksThatFitAlikeShareAReason(t *testing.T) {
	as := asks(6)
	for i := range as {
		as[i].Group = fmt.Sprint("service:", i)
	}
	as[4].Distinct, as[5].Need.CPU = true, 9999
	p := placement.Place([]placement.Node{node("i1", "a", 0, 3700, 10)}, as)
	reasons := map[*placement.Reason][]string{}
	for _, r := range p.Refused {
		reasons[r.Reason] = append(reasons[r.Reason], as[r.Ask].Task)
	}
	if len(p.Refused) != 6 || len(reasons) != 3 || len(reasons[p.Refused[0].Reason]) != 4 {
		t.Errorf("%v", reasons)
	}
}

func TestAsksFollowTheStrategy(t *testing.T) {
	def := model.TaskDefinition{ARN: "td", NetworkMode: "awsvpc", CPU: 256, Memory: 512}
	f := placement.Facts{
		Definition: func(string) *model.TaskDefinition { return &def },
		Zone:       func(s string) string { return strings.TrimPrefix(s, "subnet-") },
		Default:    []model.StrategyItem{{Provider: "p", Weight: 1, Base: 1}, {Provider: "q", Weight: 2}},
	}
	for i := range 7 {
		f.Tasks = append(f.Tasks, &model.Task{ARN: fmt.Sprint(i), Group: "g", TaskDefinition: "td", LastStatus: model.TaskProvisioning,
			DesiredStatus: model.TaskRunning, CreatedAt: time.Unix(int64(i), 0), Network: model.NetworkConfiguration{
				Subnets: []string{"subnet-a", "subnet-c"},
			}})
	}
	got := ""
	for _, a := range f.Asks() {
		got += a.Provider
	}
	if diff := cmp.Diff("ppqqpqq", got); diff != "" {
		t.Error(diff)
	}
	if a := f.Asks()[0]; a.Need.ENIs != 1 || a.Need.CPU != 256 || a.Need.Memory != 512 || a.Subnets["c"] != "subnet-c" {
		t.Errorf("%+v", a)
	}
}

func TestNowAndSoon(t *testing.T) {
	f := placement.Facts{
		Definition: func(string) *model.TaskDefinition {
			return &model.TaskDefinition{ARN: "td", NetworkMode: "awsvpc"}
		},
		Zone: func(string) string { return "a" },
		Instances: []*model.Instance{
			{
				ID: "i1", ARN: "c1", Goal: model.GoalRun, State: model.InstanceRunning, Status: model.ContainerInstanceActive, Connected: true,
				Registered: model.Resources{CPU: 10, Memory: 10, ENIs: 3},
			},
			{ID: "i2", ARN: "c2", Goal: model.GoalRun, State: model.InstancePending, Expected: model.Resources{CPU: 7}},
			{
				ID: "i3", ARN: "c3", Goal: model.GoalRun, State: model.InstanceRunning, Status: model.ContainerInstanceActive,
				Registered: model.Resources{CPU: 10},
			},
			{ID: "i4", ARN: "c4", Goal: model.GoalDrain, State: model.InstanceRunning, Status: model.ContainerInstanceDraining},
			{ID: "i5", ARN: "c5", Goal: model.GoalTerminate, State: model.InstanceRunning, Status: model.ContainerInstanceActive},
		},
		Tasks: []*model.Task{
			{ARN: "t1", Instance: "c1", LastStatus: model.TaskRunning, CPU: 4, Memory: 6, Group: "g"},
			{ARN: "t2", Instance: "c1", LastStatus: model.TaskStopped, CPU: 4, Memory: 6, Group: "g"},
		},
	}
	got := func(ns []placement.Node) (s []string) {
		for _, n := range ns {
			s = append(s, fmt.Sprint(n.ID, " ", n.Free.CPU, " ", n.Free.Memory, " ", n.Free.ENIs, " ", n.Blocked))
		}
		return s
	}
	if diff := cmp.Diff(
		[]string{"i1 6 4 2 ", "i2 0 0 0 has not registered yet", `i3 10 0 0 encountered error "AGENT"`, "i4 0 0 0 is draining"}, got(f.Now()),
	); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"i1 6 4 2 ", "i2 7 0 0 ", "i3 10 0 0 ", "i4 0 0 0 is draining"}, got(f.Soon())); diff != "" {
		t.Error(diff)
	}
}

// A thousand placements on 10,000 half-full instances in three zones; the
// budget is 100 ms a batch, that is 10,000 placements a second.
func BenchmarkPlace(b *testing.B) {
	var nodes []placement.Node
	zones := []string{"a", "c", "d"}
	for i := range 10000 {
		nodes = append(nodes, node(fmt.Sprintf("i%05d", i), zones[i%3], int64(i*37%2048), int64(i*101%3700), int64(i%11)))
	}
	as := asks(1000)
	for i := range as {
		as[i].Subnets = map[string]string{"a": "1", "c": "2", "d": "3"}
		as[i].Need.CPU = int64(128 + i*64%1024)
	}
	b.ReportAllocs()
	for b.Loop() {
		placement.Place(nodes, as)
	}
	b.ReportMetric(float64(len(as))*float64(b.N)/b.Elapsed().Seconds(), "placements/s")
}

// Refusing a thousand on 10,000 full instances.
func BenchmarkRefuse(b *testing.B) {
	var nodes []placement.Node
	for i := range 10000 {
		nodes = append(nodes, node(fmt.Sprintf("i%05d", i), "a", int64(i*37%2048), 100, 3))
	}
	as := asks(1000)
	for b.Loop() {
		placement.Place(nodes, as)
	}
}

// A fleet from nothing: 200,000 tasks of 50 services on 20,000 empty
// instances in three zones.
func BenchmarkFill(b *testing.B) {
	var nodes []placement.Node
	zones := []string{"a", "c", "d"}
	for i := range 20000 {
		nodes = append(nodes, node(fmt.Sprintf("i%05d", i), zones[i%3], 8192, 30000, 40))
	}
	as := asks(200000)
	for i := range as {
		as[i].Group = fmt.Sprintf("service:%d", i%50)
		as[i].Subnets = map[string]string{"a": "1", "c": "2", "d": "3"}
		as[i].Need = model.Resources{CPU: int64(128 + i*64%1024), Memory: int64(256 + i*128%4096), ENIs: 1}
	}
	b.ReportAllocs()
	for b.Loop() {
		placement.Place(nodes, as)
	}
	b.ReportMetric(float64(len(as))*float64(b.N)/b.Elapsed().Seconds(), "placements/s")
}
