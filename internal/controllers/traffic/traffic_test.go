package traffic_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"berth/internal/balancer"
	"berth/internal/balancer/sim"
	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/controllers/traffic"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/state/statetest"
	"berth/internal/store"
)

const (
	lbARN   = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/web/0123456789abcdef"
	lARN    = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/web/0123456789abcdef/aaaa"
	ruleARN = "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener-rule/app/web/0123456789abcdef/aaaa/bbbb"
	tgARN   = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/tg/0011223344556677"
	svcARN  = "arn:aws:ecs:us-east-1:000000000000:service/c/web"
	taskARN = "arn:aws:ecs:us-east-1:000000000000:task/c/1"
)

var start = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

// gate is IAM with one switch.
type gate struct{ deny bool }

func (g *gate) Assume(_ store.Reader, by control.Assumption) (ident.Principal, error) {
	return ident.AsRole(by.Role, by.Session), nil
}

func (g *gate) Allow(_ store.Reader, p ident.Principal, action, _ string, _ map[string]string) error {
	if g.deny {
		return fault.New(fault.Denied, "AccessDenied", "User: %s is not authorized to perform: %s", p.ARN, action)
	}
	return nil
}

type world struct {
	t      *testing.T
	db     *state.DB
	clock  *clock.Stepped
	edge   *sim.Edge
	engine *control.Engine
	gate   *gate
	loop   *traffic.Controller
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: db, clock: clock.NewStepped(start), gate: &gate{}}
	w.edge = sim.New(w.clock, nil)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	w.loop = traffic.New(traffic.Deps{DB: db, Edge: w.edge, Access: w.gate, IDs: ident.Seeded(1), Log: log, HostAddress: "127.0.0.1"})
	w.engine = control.New(db, w.clock, log, w.loop)
	w.engine.Begin(t.Context(), true)
	w.engine.Open()
	w.edge.OnReport(func() { w.engine.Kick("controllers/traffic", traffic.KeyEdge) })
	w.put("api/ec2", func(tx *store.Tx) error {
		return state.Subnets.Put(tx, model.Subnet{ID: "s-a", VPC: "vpc-1", AvailabilityZone: "us-east-1a"})
	})
	w.put("api/elbv2", func(tx *store.Tx) error {
		_ = state.LoadBalancers.Put(tx, model.LoadBalancer{
			ARN: lbARN, Name: "web", DNSName: "web-1.us-east-1.elb.localhost", VPC: "vpc-1", Subnets: []string{"s-a"},
			State: model.LoadBalancerProvisioning, Attributes: map[string]string{
				"idle_timeout.timeout_seconds": "30", "routing.http.desync_mitigation_mode": "strictest",
			},
		})
		_ = state.Listeners.Put(tx, model.Listener{ARN: lARN, LoadBalancer: lbARN, Port: 80, Protocol: "HTTP"})
		_ = state.ListenerRules.Put(tx, model.ListenerRule{
			ARN: ruleARN + "d", Listener: lARN, Default: true, Actions: []model.Action{{Type: "fixed-response", StatusCode: "403"}},
		})
		_ = state.ListenerRules.Put(tx, model.ListenerRule{
			ARN: ruleARN, Listener: lARN, Priority: 1, Conditions: []model.Condition{{Field: "path-pattern", Values: []string{"/*"}}},
			Actions: []model.Action{{Type: "forward", Targets: []model.WeightedTarget{{TargetGroupARN: tgARN, Weight: 100}}}},
		})
		return state.TargetGroups.Put(tx, model.TargetGroup{
			ARN: tgARN, Name: "tg", Protocol: "HTTP", ProtocolVersion: "HTTP1", Port: 80, VPC: "vpc-1", TargetType: "ip", HealthEnabled: true,
			HealthPath: "/", HealthPort: "traffic-port", HealthProtocol: "HTTP", HealthInterval: 30, HealthTimeout: 5, HealthyThreshold: 5,
			UnhealthyThreshold: 2, Matcher: "200",
			Attributes: map[string]string{"deregistration_delay.timeout_seconds": "60"},
		})
	})
	w.put("controllers/network", func(tx *store.Tx) error {
		_ = state.NetworkInterfaces.Put(tx, model.NetworkInterface{
			ID: "eni-lb", Kind: "loadbalancer", Owner: lbARN, Subnet: "s-a", AvailabilityZone: "us-east-1a", IP: "10.0.0.10",
			State: model.InterfaceAvailable,
		})
		return state.NetworkInterfaces.Put(tx, model.NetworkInterface{
			ID: "eni-t", Kind: "task", Owner: taskARN, Subnet: "s-a", AvailabilityZone: "us-east-1a", IP: "10.0.0.20",
			State: model.InterfaceAvailable,
		})
	})
	w.put("api/ecs", func(tx *store.Tx) error {
		return state.Services.Put(tx, model.Service{ARN: svcARN, Name: "web", Cluster: "c"})
	})
	w.settle()
	return w
}

func (w *world) put(writer string, fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.db.Update(w.t.Context(), writer, fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) settle() {
	w.t.Helper()
	if _, err := w.engine.Settle(w.t.Context(), 1000); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) advance(d time.Duration) {
	w.clock.Advance(d)
	w.settle()
}

// task makes the task, as if all controllers before this one had done their work.
func (w *world) task(status model.TaskStatus, lbs ...model.ServiceLoadBalancer) {
	w.t.Helper()
	w.put("api/ecs", func(tx *store.Tx) error {
		return state.Tasks.Put(tx, model.Task{
			ARN: taskARN, ID: "1", Cluster: "c", Service: svcARN, DesiredStatus: model.TaskRunning, LastStatus: model.TaskProvisioning,
			LoadBalancers: lbs,
		})
	})
	w.put("controllers/network", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, taskARN, func(t *model.Task) error {
			t.ENI, t.LastStatus = "eni-t", model.TaskPending
			return nil
		})
	})
	w.put("dispatch", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, taskARN, func(t *model.Task) error { t.LastStatus = status; return nil })
	})
	w.settle()
}

func (w *world) stop() {
	w.t.Helper()
	w.put("controllers/service", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, taskARN, func(t *model.Task) error { t.DesiredStatus = model.TaskStopped; return nil })
	})
	w.settle()
}

func (w *world) status(want model.TaskStatus) {
	w.t.Helper()
	if t, _ := state.Tasks.Get(w.db.View(), taskARN); t.LastStatus != want {
		w.t.Errorf("task is %s, want %s", t.LastStatus, want)
	}
}

func (w *world) target(want string) {
	w.t.Helper()
	x, ok := state.Targets.Get(w.db.View(), state.TargetKey(tgARN, "10.0.0.20", 80))
	if got := x.State; got != model.TargetState(want) || !ok && want != "" {
		w.t.Errorf("target is %q, want %q", got, want)
	}
}

func (w *world) events(want ...string) {
	w.t.Helper()
	s, _ := state.Services.Get(w.db.View(), svcARN)
	var got []string
	for _, e := range s.Events {
		got = append([]string{e.Message}, got...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Error(diff)
	}
}

func toGroup(role string) model.ServiceLoadBalancer {
	return model.ServiceLoadBalancer{TargetGroupARN: tgARN, ContainerName: "app", ContainerPort: 80, RoleARN: role}
}

func TestALoadBalancerBecomesActiveWhenItServes(t *testing.T) {
	w := newWorld(t)
	if lb, _ := state.LoadBalancers.Get(w.db.View(), lbARN); lb.State != model.LoadBalancerActive {
		t.Errorf("state %s", lb.State)
	}
}

func TestATaskRegistersAndRuns(t *testing.T) {
	w := newWorld(t)
	w.task(model.TaskActivating, toGroup(""))
	w.status(model.TaskRunning)
	w.target("initial")
	w.advance(time.Second)
	w.target("healthy")
	w.events("(service web) registered 1 targets in (target-group " + tgARN + ")")
	w.edge.Break("10.0.0.20", "Health checks failed with these codes: [503]")
	w.advance(30 * time.Second)
	w.target("healthy")
	w.advance(30 * time.Second)
	w.target("unhealthy")
}

func TestATaskWithoutLoadBalancersRunsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.task(model.TaskActivating)
	w.status(model.TaskRunning)
	w.events()
	w.stop()
	w.status(model.TaskStopping)
}

func TestAStoppedTaskDrainsUntilNothingIsInFlight(t *testing.T) {
	w := newWorld(t)
	w.task(model.TaskActivating, toGroup(""))
	w.advance(time.Second)
	w.edge.Busy("10.0.0.20", 2)
	w.settle()
	w.stop()
	w.status(model.TaskDeactivating)
	w.target("draining")
	w.advance(20 * time.Second)
	w.status(model.TaskDeactivating)
	w.edge.Busy("10.0.0.20", 0)
	w.settle()
	w.status(model.TaskStopping)
	w.target("draining")
	w.advance(60 * time.Second)
	w.target("")
	w.events(
		"(service web) registered 1 targets in (target-group "+tgARN+")",
		"(service web) deregistered 1 targets in (target-group "+tgARN+")",
		"(service web) has begun draining connections on 1 tasks.",
	)
}

// Proves: D65
func TestTheDelayEndsADrainThatDoesNotEnd(t *testing.T) {
	w := newWorld(t)
	w.task(model.TaskActivating, toGroup(""))
	w.edge.Busy("10.0.0.20", 1)
	w.settle()
	w.stop()
	w.advance(59 * time.Second)
	w.status(model.TaskDeactivating)
	w.advance(6 * time.Second)
	w.status(model.TaskStopping)
}

// However short the delay, and whatever the old report says: a task must not
// go before the data plane has stopped sending to it.
func TestATaskStaysUntilTheDataPlaneHasHeard(t *testing.T) {
	w := newWorld(t)
	w.task(model.TaskActivating, toGroup(""))
	w.settle()
	w.edge.Slow(true)
	w.stop()
	w.settle()
	w.advance(10 * time.Minute)
	w.status(model.TaskDeactivating)
	w.target("healthy")
	w.edge.Slow(false)
	w.settle()
	w.status(model.TaskStopping)
}

func TestATaskThatEndedByItselfIsDeregistered(t *testing.T) {
	w := newWorld(t)
	w.task(model.TaskActivating, toGroup(""))
	w.put("controllers/task", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, taskARN, func(t *model.Task) error { t.Instance = "arn:i-1"; return nil })
	})
	w.put("dispatch", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, taskARN, func(t *model.Task) error {
			t.DesiredStatus, t.LastStatus, t.ExecutionStoppedAt = model.TaskStopped, model.TaskDeactivating, start
			return nil
		})
	})
	w.settle()
	w.status(model.TaskStopping)
	w.target("draining")
}

func TestARoleThatMayNotRegisterIsToldAndTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.gate.deny = true
	w.task(model.TaskActivating, toGroup("arn:aws:iam::000000000000:role/lb"))
	w.status(model.TaskActivating)
	w.advance(time.Minute)
	w.events(
		"(service web) failed to register targets in (target-group " + tgARN + ") with (error User: " +
			"arn:aws:sts::000000000000:assumed-role/lb/ecs-service-scheduler is not authorized to perform: elasticloadbalancing:RegisterTargets)",
	)
	w.gate.deny = false
	w.advance(10 * time.Second)
	w.status(model.TaskRunning)
}

// Proves: E123
func TestATaskInTheHostsNetworkRegistersItsInstance(t *testing.T) {
	for name, c := range map[string]struct {
		mode     string
		bindings []model.NetworkBinding
		want     int
	}{
		"host":               {"host", nil, 8080},
		"bridge":             {"bridge", []model.NetworkBinding{{ContainerPort: 80, HostPort: 1}, {ContainerPort: 8080, HostPort: 32770}}, 32770},
		"before it is known": {"bridge", nil, 0},
	} {
		t.Run(name, func(t *testing.T) { registersInstance(t, c.mode, c.bindings, c.want) })
	}
}

func registersInstance(t *testing.T, mode string, bindings []model.NetworkBinding, port int) {
	w := newWorld(t)
	w.put("controllers/capacity", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: "i-1", ARN: "arn:i-1", AvailabilityZone: "us-east-1a", Goal: model.GoalRun, State: model.InstancePending,
		})
	})
	w.put("controllers/network", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, "i-1", func(i *model.Instance) error { i.PrivateIP = "10.0.0.30"; return nil })
	})
	const group = tgARN + "i"
	w.put("api/elbv2", func(tx *store.Tx) error {
		g, _ := state.TargetGroups.Get(tx, tgARN)
		g.ARN, g.Name, g.TargetType = group, "tgi", "instance"
		return state.TargetGroups.Put(tx, g)
	})
	w.put("api/ecs", func(tx *store.Tx) error {
		if err := state.TaskDefinitions.Put(tx, model.TaskDefinition{ARN: "td", NetworkMode: mode}); err != nil {
			return err
		}
		return state.Tasks.Put(tx, model.Task{
			ARN: taskARN, ID: "1", Cluster: "c", Service: svcARN, DesiredStatus: model.TaskRunning, LastStatus: model.TaskProvisioning,
			TaskDefinition: "td", Containers: []model.TaskContainer{{Name: "app", Bindings: bindings}},
			LoadBalancers: []model.ServiceLoadBalancer{{TargetGroupARN: group, ContainerName: "app", ContainerPort: 8080}},
		})
	})
	w.put("controllers/task", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, taskARN, func(t *model.Task) error { t.Instance = "arn:i-1"; return nil })
	})
	if err := statetest.Walk(t.Context(), w.db, taskARN, model.TaskActivating); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if port == 0 {
		w.status(model.TaskActivating)
		return
	}
	w.status(model.TaskRunning)
	c := traffic.Compile(w.db.View(), "")
	want := []balancer.Target{{ID: "i-1", IP: "10.0.0.30", Port: port, Zone: "us-east-1a", Since: start}}
	if diff := cmp.Diff(want, c.Groups[1].Targets); diff != "" {
		t.Error(diff)
	}
}

func TestTasksThatNeverRanStopAtOnce(t *testing.T) {
	for _, status := range []model.TaskStatus{model.TaskPending} {
		w := newWorld(t)
		w.task(status, toGroup(""))
		w.stop()
		w.status(model.TaskStopping)
	}
}

func TestSettlingTwiceWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.task(model.TaskActivating, toGroup(""))
	w.advance(time.Minute)
	rev := w.db.View().Revision()
	w.engine.Kick("controllers/traffic", traffic.KeyEdge)
	w.engine.Kick("controllers/traffic", "service|"+svcARN)
	w.settle()
	if got := w.db.View().Revision(); got != rev {
		t.Errorf("revision went from %d to %d", rev, got)
	}
}

// Where load balancers are published, the data plane knows whom their groups let in,
// and learns of it when a group changes.
func TestPublishedLoadBalancersKnowWhoComes(t *testing.T) {
	w := newWorld(t)
	loop := traffic.New(traffic.Deps{
		DB: w.db, Edge: w.edge, Access: w.gate, IDs: ident.Seeded(1), Log: slog.New(slog.DiscardHandler), Published: []string{"192.0.2.1"},
	})
	look := func() balancer.LoadBalancer {
		t.Helper()
		if _, err := loop.Reconcile(t.Context(), control.Request{Key: traffic.KeyEdge, Now: w.clock.Now()}); err != nil {
			t.Fatal(err)
		}
		c := w.edge.Config()
		if diff := cmp.Diff(traffic.Compile(w.db.View(), "", "192.0.2.1"), c, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Error(diff)
		}
		return c.LoadBalancers[0]
	}
	if lb := look(); lb.Public || lb.Sources != nil {
		t.Errorf("a load balancer that is not internet-facing is public: %+v", lb)
	}
	w.put("api/elbv2", func(tx *store.Tx) error {
		return state.LoadBalancers.Edit(tx, lbARN, func(lb *model.LoadBalancer) error {
			lb.Scheme, lb.SecurityGroups = "internet-facing", []string{"sg-1", "sg-2"}
			return nil
		})
	})
	if lb := look(); !lb.Public || len(lb.Sources) > 0 {
		t.Errorf("no group lets anybody in: %+v", lb)
	}
	w.put("api/ec2", func(tx *store.Tx) error {
		return state.SecurityGroups.Put(tx, model.SecurityGroup{ID: "sg-2", VPC: "vpc-1", Rules: []model.SecurityRule{
			{ID: "sgr-1", Protocol: "tcp", FromPort: 80, ToPort: 81, CIDR: "192.0.2.0/24"},
			{ID: "sgr-2", Protocol: "-1", FromPort: -1, ToPort: -1, CIDR6: "2001:db8::/32"},
			{ID: "sgr-3", Protocol: "udp", FromPort: 80, ToPort: 80, CIDR: "0.0.0.0/0"},
			{ID: "sgr-4", Protocol: "tcp", FromPort: 80, ToPort: 80, Group: "sg-1"},
			{ID: "sgr-5", Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0", Egress: true},
		}})
	})
	want := []balancer.Source{
		{Prefix: netip.MustParsePrefix("192.0.2.0/24"), From: 80, To: 81}, {Prefix: netip.MustParsePrefix("2001:db8::/32"), From: 0, To: 65535},
	}
	if got := look().Sources; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// Every internet-facing load balancer gets a loopback address that is its own,
// keeps it whatever comes and goes, and no internal one has any. A client of the host
// is let in as the groups say.
func TestEachLoadBalancerGetsAnAddressOfTheHost(t *testing.T) {
	w := newWorld(t)
	named := func(n int) string { return fmt.Sprint(lbARN, "-", n) }
	put := func(n int, scheme string) {
		w.put("api/elbv2", func(tx *store.Tx) error {
			return state.LoadBalancers.Put(tx, model.LoadBalancer{ARN: named(n), Scheme: scheme, SecurityGroups: []string{"sg-1"}})
		})
	}
	address := func(n int) string {
		lb, _ := state.LoadBalancers.Get(w.db.View(), named(n))
		return lb.HostAddress
	}
	for n := range 200 {
		put(n, "internet-facing")
	}
	put(200, "internal")
	w.settle()
	was := map[string]int{}
	for n := range 200 {
		a := address(n)
		ip, err := netip.ParseAddr(a)
		if _, twice := was[a]; twice || err != nil || !netip.MustParsePrefix("127.64.0.0/10").Contains(ip) {
			t.Errorf("load balancer %d has %q", n, a)
		}
		was[a] = n
	}
	if a := address(200); a != "" {
		t.Errorf("an internal load balancer has %s", a)
	}
	w.put("api/elbv2", func(tx *store.Tx) error { return state.LoadBalancers.Delete(tx, named(7)) })
	put(201, "internet-facing")
	w.settle()
	for n := range 200 {
		if a := address(n); n != 7 && was[a] != n {
			t.Errorf("load balancer %d has %q, another's before", n, a)
		}
	}
	w.put("api/ec2", func(tx *store.Tx) error {
		return state.SecurityGroups.Put(tx, model.SecurityGroup{ID: "sg-1", Rules: []model.SecurityRule{
			{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: "127.0.0.1/32"},
		}})
	})
	lb, _ := state.LoadBalancers.Get(w.db.View(), named(0))
	here, other := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	v := w.db.View()
	if !traffic.Admits(v, lb, here, 80) || traffic.Admits(v, lb, other, 80) || traffic.Admits(v, lb, here, 81) {
		t.Error("a rule for 127.0.0.1 and port 80 lets in another address or port, or not its own")
	}
}

// Two load balancers whose ARNs lead to one address get two.
func TestOwnAddressesNeverMeet(t *testing.T) {
	first := traffic.OwnAddress(lbARN, nil)
	second := traffic.OwnAddress(lbARN, map[string]bool{first: true})
	if first == second || !strings.HasPrefix(first, "127.") || !strings.HasPrefix(second, "127.") {
		t.Errorf("%s and %s", first, second)
	}
	last := traffic.AddressAt(64<<8*254 - 1)
	if first := traffic.AddressAt(0); first != "127.64.0.1" || last != "127.127.255.254" || traffic.AddressAt(64<<8*254) != first {
		t.Errorf("the range is from %s to %s", first, last)
	}
}

func TestCompile(t *testing.T) {
	w := newWorld(t)
	w.task(model.TaskActivating, toGroup(""))
	want := balancer.Config{
		HostAddress: "127.0.0.1", Guarded: true,
		LoadBalancers: []balancer.LoadBalancer{{
			ID: lbARN, Name: "app/web/0123456789abcdef", Host: "web-1.us-east-1.elb.localhost",
			Nodes: []balancer.Node{{ID: "eni-lb", Zone: "us-east-1a", IP: "10.0.0.10"}}, IdleTimeout: 30 * time.Second, KeepAlive: time.Hour,
			Desync: balancer.Strictest,
			Listeners: []balancer.Listener{{ID: lARN, Port: 80, Rules: []balancer.Rule{
				{
					ID: ruleARN, Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{"/*"}}},
					Action: balancer.Action{Forward: &balancer.Forward{Groups: []balancer.Weight{{Group: tgARN, Weight: 100}}}},
				},
				{ID: ruleARN + "d", Action: balancer.Action{Fixed: &balancer.Fixed{Status: 403}}},
			}}},
		}},
		Groups: []balancer.Group{{
			ID: tgARN, Name: "targetgroup/tg/0011223344556677", Version: "HTTP1", MinHealthy: 1,
			Health: balancer.Health{
				Enabled: true, Path: "/", Interval: 30 * time.Second, Timeout: 5 * time.Second, Healthy: 5, Unhealthy: 2, Matcher: "200",
			},
			Targets: []balancer.Target{{ID: "10.0.0.20", IP: "10.0.0.20", Port: 80, Zone: "us-east-1a", Since: start}},
		}},
	}
	if diff := cmp.Diff(want, traffic.Compile(w.db.View(), "127.0.0.1")); diff != "" {
		t.Error(diff)
	}
}

func TestWake(t *testing.T) {
	task := func(status, desired, service string) model.Task {
		return model.Task{ARN: taskARN, LastStatus: model.TaskStatus(status), DesiredStatus: model.TaskStatus(desired), Service: service}
	}
	l := traffic.New(traffic.Deps{})
	for _, c := range []struct {
		change store.Change
		want   []string
	}{
		{state.Tasks.Change(nil, new(task("PROVISIONING", "RUNNING", svcARN))), nil},
		{state.Tasks.Change(nil, new(task("ACTIVATING", "RUNNING", svcARN))), []string{"service|" + svcARN}},
		{state.Tasks.Change(nil, new(task("ACTIVATING", "RUNNING", ""))), []string{"task|" + taskARN}},
		{state.Tasks.Change(nil, new(task("RUNNING", "RUNNING", svcARN))), nil},
		{state.Tasks.Change(nil, new(task("RUNNING", "STOPPED", svcARN))), []string{"service|" + svcARN}},
		{state.Tasks.Change(nil, new(task("PENDING", "STOPPED", svcARN))), []string{"service|" + svcARN}},
		{state.Tasks.Change(nil, new(task("STOPPING", "STOPPED", svcARN))), nil},
		{state.NetworkInterfaces.Change(nil, &model.NetworkInterface{Kind: "task"}), nil},
		{state.NetworkInterfaces.Change(&model.NetworkInterface{Kind: "loadbalancer"}, nil), []string{"edge"}},
		{state.ListenerRules.Change(nil, &model.ListenerRule{}), []string{"edge"}},
		{store.Change{Table: "role"}, nil},
	} {
		if diff := cmp.Diff(c.want, l.Wake().Keys(c.change)); diff != "" {
			t.Errorf("%+v: %s", c.change, diff)
		}
	}
}
