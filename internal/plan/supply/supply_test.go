package supply_test

import (
	order "cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/plan/placement"
	"berth/internal/plan/supply"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func span(low, high float64) model.Range { return model.Range{Min: &low, Max: &high} }

func seed() *model.InstanceRequirements {
	return &model.InstanceRequirements{
		VCpuCount: span(1, 5), MemoryMiB: span(1024, 5120),
		CpuManufacturers: []string{"intel", "amd"}, BurstablePerformance: "included",
	}
}

func definition(string) *model.TaskDefinition {
	return &model.TaskDefinition{ARN: "td", NetworkMode: "awsvpc"}
}

func zoneOf(s string) string { return strings.TrimPrefix(s, "subnet-") }

func world(region string, q *model.InstanceRequirements) supply.World {
	return supply.World{
		Now: start, Region: region,
		Provider:      model.CapacityProvider{Name: "cp", Status: model.ProviderActive, Requirements: q, CapacityOption: "ON_DEMAND"},
		Subnets:       []supply.Subnet{{ID: "subnet-" + region + "a", Zone: region + "a"}, {ID: "subnet-" + region + "c", Zone: region + "c"}},
		Facts:         placement.Facts{Definition: definition, Zone: zoneOf},
		Architectures: []string{"x86_64"},
	}
}

func add(w *supply.World, group string, n int, cpu, memory int64) {
	for range n {
		k := len(w.Facts.Tasks)
		w.Facts.Tasks = append(w.Facts.Tasks, &model.Task{
			ARN: fmt.Sprintf("task-%03d", k), Group: group, Service: group, TaskDefinition: "td", CPU: cpu, Memory: memory,
			LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning, CapacityProvider: "cp",
			CreatedAt: w.Now.Add(-time.Minute),
			Network:   model.NetworkConfiguration{Subnets: []string{"subnet-" + w.Region + "a", "subnet-" + w.Region + "c"}},
		})
	}
}

// carry makes the plan come true: instances are bought and register at once,
// and the tasks are placed.
func carry(w *supply.World, p supply.Plan) {
	for _, b := range p.Buy {
		id := fmt.Sprintf("i-%03d", len(w.Facts.Instances))
		w.Facts.Instances = append(w.Facts.Instances, &model.Instance{
			ID: id, ARN: "arn/" + id, CapacityProvider: "cp", Type: b.Type.Name, AvailabilityZone: b.Zone, Subnet: b.Subnet, Goal: model.GoalRun,
			State: model.InstanceRunning, Status: model.ContainerInstanceActive, Connected: true, Expected: b.Expected, Registered: b.Expected,
			For: b.Tasks, WantedAt: w.Now, RegisteredAt: w.Now,
			Attributes: []model.Attribute{{Name: "ecs.cpu-architecture", Value: "x86_64"}},
		})
	}
	place(w)
}

func place(w *supply.World) {
	for _, x := range placement.Place(w.Facts.Now(), w.Facts.Asks()).Placed {
		for k := range w.Facts.Tasks {
			if t := w.Facts.Tasks[k]; t.ARN == x.Task {
				t.Instance, t.AvailabilityZone, t.LastStatus, t.PlacedAt = "arn/"+x.Node, x.Zone, model.TaskRunning, w.Now
			}
		}
	}
}

func bought(p supply.Plan) string {
	var out []string
	for _, b := range p.Buy {
		out = append(out, fmt.Sprintf("%s %s %d", b.Type.Name, b.Zone[len(b.Zone)-1:], len(b.Tasks)))
	}
	return strings.Join(out, ", ")
}

// Proves: MI33, MI34, MI39
func TestTheSeedGetsOneC6aLargeThenASecondInTheOtherZone(t *testing.T) {
	w := world("ap-northeast-1", seed())
	for _, step := range []struct {
		tasks int
		want  string
	}{{1, "c6a.large a 1"}, {1, ""}, {2, ""}, {4, "c6a.large c 1"}} {
		add(&w, "service:web", step.tasks, 256, 512)
		place(&w)
		p := supply.Decide(w)
		if diff := cmp.Diff(step.want, bought(p)); diff != "" {
			t.Errorf("%d more tasks: %s", step.tasks, diff)
		}
		carry(&w, p)
		if p := supply.Decide(w); len(p.Buy) != 0 {
			t.Errorf("bought again: %s", bought(p))
		}
	}
}

// Proves: MI36
func TestTwoServicesArePackedTogetherOneInstanceAZone(t *testing.T) {
	w := world("us-east-1", nil)
	add(&w, "service:one", 2, 1024, 5632)
	add(&w, "service:two", 2, 1024, 9728)
	p := supply.Decide(w)
	if len(p.Buy) != 2 || p.Buy[0].Zone == p.Buy[1].Zone || p.Buy[0].Type.MemoryMiB != 16384 || len(p.Buy[0].Tasks) != 2 {
		t.Errorf("bought %s", bought(p))
	}
}

func TestInstancesOnTheirWayAreNotBoughtTwice(t *testing.T) {
	w := world("ap-northeast-1", seed())
	add(&w, "service:web", 1, 256, 512)
	p := supply.Decide(w)
	carry(&w, p)
	w.Facts.Tasks[0].Instance, w.Facts.Tasks[0].LastStatus = "", model.TaskProvisioning
	w.Facts.Instances[0].Status, w.Facts.Instances[0].Registered, w.Facts.Instances[0].State = "", model.Resources{}, model.InstancePending
	p = supply.Decide(w)
	if len(p.Buy) != 0 || len(p.Changes) != 0 || len(p.Idle) != 0 {
		t.Errorf("%+v", p)
	}
}

// Proves: MI13
func TestBurstableIsBoughtWhenNothingElseIsAllowed(t *testing.T) {
	q := seed()
	q.AllowedInstanceTypes = []string{"t3.*"}
	w := world("ap-northeast-1", q)
	add(&w, "service:web", 3, 256, 512)
	if got := bought(supply.Decide(w)); !strings.HasPrefix(got, "t3.") || strings.Count(got, "t3.") < 2 {
		t.Errorf("bought %q; a t3 carries two tasks at most", got)
	}
	w = world("ap-northeast-1", q)
	add(&w, "service:web", 1, 2048, 512)
	if got := bought(supply.Decide(w)); !strings.HasPrefix(got, "t3.") {
		t.Errorf("bought %q for a task that no t3 sustains", got)
	}
}

func TestShortagesSayWhy(t *testing.T) {
	tests := []struct {
		name string
		edit func(*supply.World)
		want string
	}{
		{
			"too large", func(w *supply.World) { w.Facts.Tasks[0].Memory = 8192 },
			"No instance type of capacity provider cp can hold the task: it needs 256 CPU units and 8192 MiB",
		},
		{"another architecture", func(w *supply.World) {
			w.Facts.Definition = func(string) *model.TaskDefinition {
				return &model.TaskDefinition{ARN: "td", NetworkMode: "awsvpc", CPUArchitecture: "ARM64"}
			}
		}, "No instance type of capacity provider cp has the task's CPU architecture ARM64"},
		{"another type", func(w *supply.World) {
			w.Facts.Tasks[0].Constraints = []model.PlacementConstraint{{Type: "memberOf", Expression: "attribute:ecs.instance-type == m5.large"}}
		}, "No instance type of capacity provider cp satisfies the task's placement constraints"},
		{"no type", func(w *supply.World) { w.MostVCPU = 1 }, "No instance types satisfy the instance requirements"},
		{
			"no zone", func(w *supply.World) { w.Subnets = []supply.Subnet{{ID: "s", Zone: "ap-northeast-1d"}} },
			"none of the task's subnets is in a zone of capacity provider cp, which has subnets in ap-northeast-1d",
		},
	}
	for _, tt := range tests {
		w := world("ap-northeast-1", seed())
		add(&w, "service:web", 1, 256, 512)
		tt.edit(&w)
		p := supply.Decide(w)
		if len(p.Buy) != 0 || len(p.Short) != 1 || !strings.HasPrefix(p.Short[0].Why, tt.want) {
			t.Errorf("%s: %+v", tt.name, p)
		}
	}
}

func TestBuyingWaitsForCompanyAndAfterAFailure(t *testing.T) {
	w := world("ap-northeast-1", seed())
	add(&w, "service:web", 1, 256, 512)
	w.Facts.Tasks[0].CreatedAt = w.Now
	if p := supply.Decide(w); len(p.Buy) != 0 || p.Next != supply.Batch {
		t.Errorf("%+v", p)
	}
	w.Facts.Tasks[0].CreatedAt = w.Now.Add(-time.Minute)
	w.Provider.LastFailureAt = w.Now.Add(-time.Minute)
	if p := supply.Decide(w); len(p.Buy) != 0 || p.Next != 4*time.Minute {
		t.Errorf("%+v", p)
	}
	w.Provider.LastFailureAt = w.Now.Add(-5 * time.Minute)
	if p := supply.Decide(w); len(p.Buy) != 1 {
		t.Errorf("%+v", p)
	}
	w.Provider.Status = model.ProviderProvisioning
	if p := supply.Decide(w); len(p.Buy) != 0 {
		t.Error("bought for a provider that is not ACTIVE")
	}
}

func TestAZoneWithoutCapacityIsLeftAloneForAWhile(t *testing.T) {
	refused := func(w *supply.World, typ, zone, code string, ago time.Duration) {
		why := code + ": We currently do not have sufficient capacity."
		w.Facts.Instances = append(w.Facts.Instances, &model.Instance{
			ID: fmt.Sprintf("i-%d", len(w.Facts.Instances)), CapacityProvider: "cp", Type: typ, AvailabilityZone: "ap-northeast-1" + zone,
			Goal: model.GoalRun, State: model.InstanceTerminated, StateReason: why, StateCode: code, TerminatedAt: w.Now.Add(-ago),
		})
		w.Provider.LastFailure, w.Provider.LastFailureAt, w.Provider.FailureCause.Code = why, w.Now.Add(-ago), code
	}
	const none = "InsufficientInstanceCapacity"
	tests := []struct {
		name string
		edit func(*supply.World)
		want string
		next time.Duration
	}{
		{"the other zone at once", func(w *supply.World) { refused(w, "c6a.large", "a", none, time.Second) }, "c6a.large c 2", 0},
		{"the same again later, with another type", func(w *supply.World) {
			refused(w, "c6a.large", "c", none, 6*time.Minute)
			refused(w, "c6a.large", "a", none, 5*time.Minute)
		}, "c5a.large a 1, c5a.large c 1", 0},
		{
			"the same type when it is long ago", func(w *supply.World) { refused(w, "c6a.large", "a", none, 30*time.Minute) },
			"c6a.large a 1, c6a.large c 1", 0,
		},
		{"nowhere", func(w *supply.World) {
			refused(w, "c6a.large", "a", none, 3*time.Minute)
			refused(w, "c6a.large", "c", "UnfulfillableCapacity", time.Minute)
		}, "", 2 * time.Minute},
		{"a changed provider tries at once", func(w *supply.World) {
			refused(w, "c6a.large", "a", none, 3*time.Minute)
			w.Provider.ChangedAt = w.Now.Add(-time.Minute)
		}, "c6a.large a 1, c6a.large c 1", 0},
		{"nothing else is allowed", func(w *supply.World) {
			w.Provider.Requirements.AllowedInstanceTypes = []string{"c6a.large"}
			refused(w, "c6a.large", "a", none, 5*time.Minute)
		}, "c6a.large a 1, c6a.large c 1", 0},
		{
			"a quota holds everywhere", func(w *supply.World) { refused(w, "c6a.large", "a", "VcpuLimitExceeded", time.Minute) }, "",
			4 * time.Minute,
		},
	}
	for _, tt := range tests {
		w := world("ap-northeast-1", seed())
		add(&w, "service:web", 2, 256, 512)
		tt.edit(&w)
		p := supply.Decide(w)
		if bought(p) != tt.want || p.Next != tt.next || len(p.Short) != 0 {
			t.Errorf("%s: bought %q, next %v, short %v", tt.name, bought(p), p.Next, p.Short)
		}
	}
}

// idle returns a world with one instance whose only task has just stopped.
func idle(scaleIn *int64) supply.World {
	w := world("ap-northeast-1", seed())
	w.Provider.ScaleInAfter = scaleIn
	add(&w, "service:web", 1, 256, 512)
	carry(&w, supply.Decide(w))
	w.Facts.Tasks[0].LastStatus, w.Facts.Tasks[0].DesiredStatus = model.TaskStopped, model.TaskStopped
	return w
}

func num(n int64) *int64 { return &n }

// pass writes what the plan says of idleness and lets time go by.
func pass(w *supply.World, d time.Duration) supply.Plan {
	for _, x := range supply.Decide(*w).Idle {
		w.Facts.Instances[0].IdleAt = x.Since
	}
	w.Now = w.Now.Add(d)
	return supply.Decide(*w)
}

// Proves: MI48
func TestIdleInstancesGoAfterTheWait(t *testing.T) {
	tests := []struct {
		name    string
		scaleIn *int64
		early   time.Duration
		due     time.Duration
	}{
		{"the default", nil, 74 * time.Second, 75 * time.Second},
		{"half an hour", num(1800), 29 * time.Minute, 30 * time.Minute},
		{"at once", num(0), -1, 0},
	}
	for _, tt := range tests {
		w := idle(tt.scaleIn)
		if tt.early >= 0 {
			if p := pass(&w, tt.early); len(p.Changes) != 0 || p.Next <= 0 {
				t.Errorf("%s: %+v", tt.name, p)
			}
		}
		w = idle(tt.scaleIn)
		if p := pass(&w, tt.due); len(p.Changes) != 1 || p.Changes[0].Goal != model.GoalTerminate {
			t.Errorf("%s: %+v", tt.name, p)
		}
	}
}

// An instance on which a service will try again is kept, and no more than
// services try; it goes when they have given up.
func TestAnInstanceIsKeptForTheNextTry(t *testing.T) {
	for retries, want := range map[int]int{0: 1, 1: 0, 2: 0} {
		w := idle(nil)
		w.Retries = retries
		if p := pass(&w, time.Hour); len(p.Changes) != want {
			t.Errorf("%d retries: %+v", retries, p.Changes)
		}
		w.Retries = 0
		if p := pass(&w, time.Second); retries > 0 && len(p.Changes) != 1 {
			t.Errorf("%d retries, then none: %+v", retries, p.Changes)
		}
	}
}

// Proves: MI49
func TestANewTaskCancelsTheWait(t *testing.T) {
	w := idle(nil)
	pass(&w, time.Minute)
	add(&w, "service:web", 1, 256, 512)
	p := pass(&w, time.Hour)
	if len(p.Changes) != 0 || len(p.Buy) != 0 {
		t.Errorf("%+v", p)
	}
	if !w.Facts.Instances[0].IdleAt.IsZero() {
		t.Error("the idle time stays although a task is counted on the instance")
	}
}

// Proves: MI50
func TestScaleInOffKeepsForEverButDrainingReclaims(t *testing.T) {
	w := idle(num(-1))
	if p := pass(&w, 24*time.Hour); len(p.Changes) != 0 {
		t.Errorf("%+v", p)
	}
	w.Provider.ScaleInAfter = num(0)
	if p := pass(&w, time.Hour); len(p.Changes) != 0 {
		t.Errorf("an instance that was idle while scale-in was off is reclaimed: %+v", p)
	}
	w.Facts.Instances[0].Goal, w.Facts.Instances[0].Status, w.Facts.Instances[0].GoalAt = model.GoalDrain, model.ContainerInstanceDraining,
		w.Now
	if p := pass(&w, 2*time.Minute); len(p.Changes) != 1 || p.Changes[0].Goal != model.GoalTerminate {
		t.Errorf("%+v", p)
	}
}

// Proves: MI57
func TestAge(t *testing.T) {
	w := world("ap-northeast-1", seed())
	add(&w, "service:web", 8, 256, 512)
	carry(&w, supply.Decide(w))
	if len(w.Facts.Instances) != 2 {
		t.Fatal(len(w.Facts.Instances))
	}
	w.Now = start.Add(14 * 24 * time.Hour)
	p := supply.Decide(w)
	if len(p.Changes) != 1 || p.Changes[0].Goal != model.GoalDrain {
		t.Fatalf("one is drained on day 14, not both: %+v", p.Changes)
	}
	w.Facts.Instances[0].Goal, w.Facts.Instances[0].Status = model.GoalDrain, model.ContainerInstanceDraining
	if p := supply.Decide(w); len(p.Changes) != 0 {
		t.Errorf("the second waits for the first: %+v", p.Changes)
	}
	w.Now = start.Add(21 * 24 * time.Hour)
	if p := supply.Decide(w); len(p.Changes) != 2 || p.Changes[0].Goal != model.GoalTerminate {
		t.Errorf("%+v", p.Changes)
	}
}

func TestAnAgentThatNeverRegisters(t *testing.T) {
	w := world("ap-northeast-1", seed())
	add(&w, "service:web", 1, 256, 512)
	carry(&w, supply.Decide(w))
	w.Facts.Tasks[0].Instance, w.Facts.Tasks[0].LastStatus = "", model.TaskProvisioning
	w.Facts.Instances[0].Status = ""
	if p := supply.Decide(w); len(p.Changes) != 0 || p.Next != supply.Join {
		t.Errorf("%+v", p)
	}
	w.Now = w.Now.Add(supply.Join)
	if p := supply.Decide(w); len(p.Changes) != 1 || !p.Changes[0].Failure {
		t.Errorf("%+v", p)
	}
}

// Proves: MI51, MI52, MI53
func TestHalfEmptyInstancesAreConsolidatedOneAtATime(t *testing.T) {
	w := world("ap-northeast-1", seed())
	add(&w, "service:web", 8, 256, 512)
	carry(&w, supply.Decide(w))
	for k := range w.Facts.Tasks {
		if k > 1 && w.Facts.Tasks[k].Instance == w.Facts.Tasks[0].Instance {
			w.Facts.Tasks[k].LastStatus, w.Facts.Tasks[k].DesiredStatus = model.TaskStopped, model.TaskStopped
		}
	}
	if p := supply.Decide(w); len(p.Changes) != 0 || p.Next == 0 {
		t.Fatalf("too early: %+v", p)
	}
	w.Now = w.Now.Add(2 * time.Minute)
	var before []model.Task
	for _, x := range w.Facts.Tasks {
		before = append(before, *x)
	}
	p := supply.Decide(w)
	if len(p.Changes) != 1 || p.Changes[0].Goal != model.GoalDrain {
		t.Fatalf("%+v", p)
	}
	for k, x := range w.Facts.Tasks {
		if diff := cmp.Diff(before[k], *x); diff != "" {
			t.Errorf("the calculation wrote into a record: %s", diff)
		}
	}
	for name, edit := range map[string]func(*supply.World){
		"Spot":          func(w *supply.World) { w.Provider.CapacityOption = "SPOT" },
		"a deployment":  func(w *supply.World) { w.Rolling = map[string]bool{"service:web": true} },
		"the zones":     func(w *supply.World) { w.Spread = map[string]bool{"service:web": true} },
		"off":           func(w *supply.World) { w.Provider.ScaleInAfter = num(-1) },
		"a lone task":   func(w *supply.World) { edit(w, func(t *model.Task) { t.Service = "" }) },
		"the long wait": func(w *supply.World) { w.Provider.ScaleInAfter = num(3600) },
	} {
		o := w
		o.Facts.Tasks = nil
		for _, x := range w.Facts.Tasks {
			o.Facts.Tasks = append(o.Facts.Tasks, new(*x))
		}
		edit(&o)
		if p := supply.Decide(o); len(p.Changes) != 0 {
			t.Errorf("%s should keep the instances: %+v", name, p)
		}
	}
}

// A scale-in leaves one small task on a large instance: it is drained, and
// what is bought instead is the right size, which is left alone.
//
// Proves: MI53
func TestAnInstanceThatIsMuchTooLargeIsExchangedOnce(t *testing.T) {
	w := world("us-east-1", nil)
	w.Subnets = w.Subnets[:1]
	add(&w, "service:web", 4, 1024, 7000)
	carry(&w, supply.Decide(w))
	if len(w.Facts.Instances) != 1 || w.Facts.Instances[0].Type == "" {
		t.Fatalf("%+v", w.Facts.Instances)
	}
	large := w.Facts.Instances[0].Type
	for k := range w.Facts.Tasks[1:] {
		w.Facts.Tasks[1+k].LastStatus, w.Facts.Tasks[1+k].DesiredStatus = model.TaskStopped, model.TaskStopped
	}
	w.Now = w.Now.Add(10 * time.Minute)
	p := supply.Decide(w)
	if len(p.Changes) != 1 || p.Changes[0].Goal != model.GoalDrain || !strings.Contains(p.Changes[0].Why, "instead of") {
		t.Fatalf("%s: %+v", large, p)
	}
	w.Facts.Instances = nil
	w.Facts.Tasks[0].Instance, w.Facts.Tasks[0].LastStatus = "", model.TaskProvisioning
	carry(&w, supply.Decide(w))
	w.Now = w.Now.Add(time.Hour)
	if p := supply.Decide(w); len(p.Changes) != 0 {
		t.Errorf("%s is exchanged again: %+v", w.Facts.Instances[0].Type, p)
	}
}

func edit(w *supply.World, f func(*model.Task)) {
	for k := range w.Facts.Tasks {
		f(w.Facts.Tasks[k])
	}
}

func worlds(t *rapid.T) supply.World {
	q := &model.InstanceRequirements{
		VCpuCount: span(1, 16), MemoryMiB: span(1024, 65536),
		BurstablePerformance: rapid.SampledFrom([]string{"included", "excluded"}).Draw(t, "burstable"),
	}
	w := world("ap-northeast-1", q)
	for range rapid.IntRange(1, 4).Draw(t, "services") {
		add(&w, rapid.SampledFrom([]string{"service:one", "service:two"}).Draw(t, "group"), rapid.IntRange(1, 9).Draw(t, "tasks"),
			rapid.Int64Range(128, 4096).Draw(t, "cpu"), rapid.Int64Range(128, 16384).Draw(t, "memory"))
	}
	return w
}

// Laws: every waiting task is bought for once or short; what was bought holds
// the batch; nothing is bought twice; equal worlds give equal plans.
func TestDecideLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := worlds(t)
		p := supply.Decide(w)
		seen := map[string]int{}
		for _, b := range p.Buy {
			for _, a := range b.Tasks {
				seen[a]++
			}
		}
		for _, s := range p.Short {
			seen[s.Task]++
		}
		for _, x := range w.Facts.Tasks {
			if seen[x.ARN] != 1 {
				t.Fatalf("%s is answered %d times", x.ARN, seen[x.ARN])
			}
		}
		if diff := cmp.Diff(bought(p), bought(supply.Decide(w))); diff != "" {
			t.Fatal(diff)
		}
		carry(&w, p)
		again := supply.Decide(w)
		if len(again.Buy) != 0 {
			t.Fatalf("after %s it buys %s", bought(p), bought(again))
		}
	})
}

// cheap are four types with little to choose between them, in one zone.
func cheap() supply.World {
	w := world("ap-northeast-1", &model.InstanceRequirements{
		AllowedInstanceTypes:                      []string{"c6a.large", "c6a.xlarge", "m6a.large", "r6a.large"},
		OnDemandMaxPricePercentageOverLowestPrice: num(999999),
	})
	w.Subnets = w.Subnets[:1]
	return w
}

func TestMixedShapesGetMixedTypes(t *testing.T) {
	type tasks struct {
		n           int
		cpu, memory int64
	}
	tests := []struct {
		all  []tasks
		want string
	}{
		// Each kind of task on the kind of machine that suits it.
		{[]tasks{{3, 128, 3796}, {2, 2048, 128}}, "c6a.xlarge a 2, r6a.large a 3"},
		// Two that hold them all would cost more than one that does.
		{[]tasks{{2, 421, 128}, {2, 540, 3668}}, "r6a.large a 4"},
		// One for two of them would be cheap for what it carries, were there two.
		{[]tasks{{1, 2034, 3701}}, "m6a.large a 1"},
		{[]tasks{{2, 272, 1770}}, "c6a.large a 2"},
		// Two halves of the same, since the two largest leave no capacity for the rest.
		{[]tasks{{2, 577, 128}, {2, 762, 3860}, {2, 133, 7654}}, "r6a.large a 3, r6a.large a 3"},
		// The largest first would leave two that miss a smaller one by a hair.
		{[]tasks{{2, 128, 128}, {2, 1025, 128}, {2, 1793, 128}}, "c6a.xlarge a 4, c6a.large a 2"},
	}
	for _, tt := range tests {
		w := cheap()
		for k, x := range tt.all {
			add(&w, fmt.Sprintf("service:%d", k), x.n, x.cpu, x.memory)
		}
		if diff := cmp.Diff(tt.want, bought(supply.Decide(w))); diff != "" {
			t.Errorf("%+v: %s", tt.all, diff)
		}
	}
}

// The oracle tries every multiset of up to seven instances of a few types and
// takes the cheapest that holds the tasks. Supply may cost more, since it packs
// greedily and favours newer types.
func TestCostIsNearTheBestOnSmallWorlds(t *testing.T) {
	const bound = 1.25
	all := fleets(cheap().Provider.Requirements.AllowedInstanceTypes, 7)
	slices.SortFunc(all, func(a, b []string) int { return order.Compare(bill(a), bill(b)) })
	rapid.Check(t, func(t *rapid.T) {
		w := cheap()
		for k, most := range []int{3, 2, 2} {
			add(
				&w, fmt.Sprintf("service:%d", k), rapid.IntRange(0, most).Draw(t, "tasks"), rapid.Int64Range(128, 2048).Draw(t, "cpu"),
				rapid.Int64Range(128, 12000).Draw(t, "memory"),
			)
		}
		var got []string
		for _, b := range supply.Decide(w).Buy {
			got = append(got, b.Type.Name)
		}
		best := all[slices.IndexFunc(all, func(fleet []string) bool { return holds(fleet, w.Facts.Tasks) })]
		if bill(got) < bill(best)*(1-1e-9) || bill(got) > bill(best)*bound {
			t.Fatalf("%v for %.4f, and the best is %v for %.4f", got, bill(got), best, bill(best))
		}
	})
}

func bill(fleet []string) (c float64) {
	for _, n := range fleet {
		c += total(n)
	}
	return c
}

func total(name string) float64 {
	p, _ := catalog.PriceOf("ap-northeast-1", name)
	return p.Total()
}

// fleets lists the multisets of at most n names.
func fleets(names []string, n int) [][]string {
	out := [][]string{{}}
	if n == 0 || len(names) == 0 {
		return out
	}
	out = nil
	for k := range n + 1 {
		for _, rest := range fleets(names[1:], n-k) {
			out = append(out, append(slices.Repeat(names[:1], k), rest...))
		}
	}
	return out
}

// holds tries every way to put the tasks into the fleet.
func holds(fleet []string, tasks []*model.Task) bool {
	free := make([]model.Resources, len(fleet))
	for i, n := range fleet {
		t, _ := catalog.Lookup(n)
		free[i] = catalog.Registered(t)
	}
	var try func(int) bool
	try = func(k int) bool {
		if k == len(tasks) {
			return true
		}
		for i := range free {
			if free[i].CPU >= tasks[k].CPU && free[i].Memory >= tasks[k].Memory && free[i].ENIs > 0 {
				free[i].CPU, free[i].Memory, free[i].ENIs = free[i].CPU-tasks[k].CPU, free[i].Memory-tasks[k].Memory, free[i].ENIs-1
				ok := try(k + 1)
				free[i].CPU, free[i].Memory, free[i].ENIs = free[i].CPU+tasks[k].CPU, free[i].Memory+tasks[k].Memory, free[i].ENIs+1
				if ok {
					return true
				}
			}
		}
		return false
	}
	return try(0)
}

// 5,000 waiting tasks of 40 services in three zones; the budget is a second.
func BenchmarkBuy(b *testing.B) {
	w := world("ap-northeast-1", &model.InstanceRequirements{VCpuCount: span(2, 64), MemoryMiB: span(1024, 1<<20)})
	for i := range 40 {
		add(&w, fmt.Sprintf("service:%d", i), 125, int64(128+i*97%2048), int64(256+i*331%7000))
	}
	supply.Decide(w)
	for b.Loop() {
		supply.Decide(w)
	}
	b.ReportMetric(5000*float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}

// A fleet at rest: 10,000 instances with 40,000 tasks. The budget is 200 ms.
func BenchmarkAtRest(b *testing.B) {
	w := world("ap-northeast-1", seed())
	c6a, _ := catalog.Lookup("c6a.large")
	for i := range 10000 {
		id := fmt.Sprintf("i-%05d", i)
		zone := []string{"ap-northeast-1a", "ap-northeast-1c"}[i%2]
		w.Facts.Instances = append(w.Facts.Instances, &model.Instance{
			ID: id, ARN: "arn/" + id, CapacityProvider: "cp", AvailabilityZone: zone, Goal: model.GoalRun, State: model.InstanceRunning,
			Status: model.ContainerInstanceActive, Connected: true, Registered: catalog.Registered(c6a), WantedAt: start.Add(-time.Hour),
		})
		for k := range 4 {
			w.Facts.Tasks = append(w.Facts.Tasks, &model.Task{
				ARN: fmt.Sprintf("%s-%d", id, k), Instance: "arn/" + id, Service: "s", Group: "service:s", TaskDefinition: "td", CPU: 500, Memory: 900,
				CapacityProvider: "cp", LastStatus: model.TaskRunning, DesiredStatus: model.TaskRunning, AvailabilityZone: zone,
				Network: model.NetworkConfiguration{Subnets: []string{"subnet-" + zone}},
			})
		}
	}
	for b.Loop() {
		supply.Decide(w)
	}
}

// A burst of 100,000 tasks; the budget is five seconds.
func BenchmarkBurst(b *testing.B) {
	w := world("ap-northeast-1", &model.InstanceRequirements{VCpuCount: span(2, 64), MemoryMiB: span(1024, 1<<20)})
	for i := range 100 {
		add(&w, fmt.Sprintf("service:%d", i), 1000, int64(128+i*97%2048), int64(256+i*331%7000))
	}
	for b.Loop() {
		supply.Decide(w)
	}
	b.ReportMetric(100000*float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}

// What is remembered of a market is what would be worked out, also when the
// provider has changed.
func TestAMarketThatIsRememberedBuysTheSame(t *testing.T) {
	kept := &supply.Markets{}
	for _, q := range []*model.InstanceRequirements{seed(), seed(), nil, {VCpuCount: span(4, 8), MemoryMiB: span(1024, 65536)}} {
		w := world("ap-northeast-1", q)
		add(&w, "service:web", 5, 256, 512)
		want := supply.Decide(w)
		w.Markets = kept
		if diff := cmp.Diff(want, supply.Decide(w)); diff != "" || len(want.Buy) == 0 {
			t.Errorf("%d bought: %s", len(want.Buy), diff)
		}
	}
}
