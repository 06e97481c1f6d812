package network_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/controllers/network"
	"berth/internal/fault"
	"berth/internal/hostnet/sim"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

type fixture struct {
	t      testing.TB
	db     *state.DB
	clock  *clock.Stepped
	engine *control.Engine
	net    *sim.Net
	loop   *network.Controller
	log    slog.Handler
}

func newFixture(t testing.TB) *fixture { return loggedFixture(t, slog.DiscardHandler) }

func loggedFixture(t testing.TB, log slog.Handler) *fixture {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	h := &fixture{t: t, db: db, clock: clock.NewStepped(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), net: sim.New(), log: log}
	h.engine = control.New(db, h.clock, slog.New(log))
	h.loop = h.controller(h.engine)
	h.engine.Add(h.loop)
	h.engine.Begin(t.Context(), true)
	h.engine.Open()
	return h
}

// controller makes one that has seen nothing.
func (h *fixture) controller(e *control.Engine) *network.Controller {
	return network.New(network.Deps{
		DB: h.db, IDs: ident.Seeded(1), Place: ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"},
		Jobs: e.Jobs(), Driver: h.net, Log: slog.New(h.log),
	})
}

func (h *fixture) write(writer string, fn func(*store.Tx) error) {
	h.t.Helper()
	if err := h.db.Update(h.t.Context(), writer, fn); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) settle() {
	h.t.Helper()
	if _, err := h.engine.Settle(context.Background(), 1000); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) world() {
	h.write("api/ec2", func(tx *store.Tx) error {
		for _, err := range []error{
			state.VPCs.Put(tx, model.VPC{ID: "vpc-1", CIDR: "10.0.0.0/16", DNSSupport: true, MainRouteTable: "rtb-1", DefaultGroup: "sg-default"}),
			state.RouteTables.Put(tx, model.RouteTable{
				ID: "rtb-1", VPC: "vpc-1", Routes: []model.Route{{Destination: "10.0.0.0/16", Target: "local"}},
			}),
			state.SecurityGroups.Put(tx, model.SecurityGroup{ID: "sg-default", VPC: "vpc-1"}),
			state.Subnets.Put(tx, model.Subnet{ID: "subnet-1", VPC: "vpc-1", CIDR: "10.0.0.0/28", AvailabilityZone: "ap-northeast-1a"}),
			state.Subnets.Put(tx, model.Subnet{ID: "subnet-2", VPC: "vpc-1", CIDR: "10.0.1.0/28", AvailabilityZone: "ap-northeast-1c"}),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

const taskARN = "arn:aws:ecs:ap-northeast-1:000000000000:task/c/"

func (h *fixture) task(id string) {
	h.write("api/ecs", func(tx *store.Tx) error {
		return state.Tasks.Put(tx, model.Task{
			ARN: taskARN + id, ID: id, Cluster: "c", TaskDefinition: "td", LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning,
		})
	})
	h.write("controllers/task", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, taskARN+id, func(t *model.Task) error {
			t.Instance, t.Subnet = "arn:instance", "subnet-1"
			return nil
		})
	})
}

func (h *fixture) get(id string) model.Task {
	t, _ := state.Tasks.Get(h.db.View(), taskARN+id)
	return t
}

// Proves: MI41
func TestAPlacedTaskGetsAnInterfaceAndGivesItBack(t *testing.T) {
	h := newFixture(t)
	h.world()
	h.task("a")
	h.settle()
	got := h.get("a")
	eni, ok := state.NetworkInterfaces.Get(h.db.View(), got.ENI)
	if got.LastStatus != model.TaskPending || !ok || eni.State != model.InterfaceAvailable || eni.IP != "10.0.0.4" || got.AttachmentID == "" {
		t.Fatalf("task %+v\ninterface %+v", got, eni)
	}
	if !slices.Equal(eni.SecurityGroups, []string{"sg-default"}) {
		t.Errorf("groups %v", eni.SecurityGroups)
	}
	h.write("dispatch", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, taskARN+"a", func(t *model.Task) error {
			t.LastStatus, t.DesiredStatus = model.TaskDeprovisioning, model.TaskStopped
			return nil
		})
	})
	h.settle()
	if got := h.get("a"); got.LastStatus != model.TaskStopped || got.StoppedAt.IsZero() {
		t.Errorf("task %+v", got)
	}
	if n := state.NetworkInterfaces.All(h.db.View()); len(n) != 0 || len(h.net.Network().Interfaces) != 0 {
		t.Errorf("left: %+v", n)
	}
}

func TestNothingIsAvailableBeforeTheHostHasIt(t *testing.T) {
	h := newFixture(t)
	h.world()
	h.net.Fail(fault.New(fault.Unavailable, "", "no kernel today"))
	h.task("a")
	h.settle()
	if got := h.get("a"); got.LastStatus != model.TaskProvisioning || got.ENI == "" {
		t.Fatalf("task %+v", got)
	}
	h.net.Fail(nil)
	h.clock.Advance(time.Minute)
	h.settle()
	if got := h.get("a"); got.LastStatus != model.TaskPending {
		t.Errorf("task is still %s", got.LastStatus)
	}
}

// A host that cannot be set is tried ever more rarely, and is no news while
// nothing about it changes.
func TestAHostThatCannotBeSetIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	h := loggedFixture(t, slog.NewTextHandler(&log, nil))
	h.world()
	h.write("api/ec2", func(tx *store.Tx) error {
		return state.Subnets.Put(tx, model.Subnet{ID: "subnet-x", VPC: "vpc-1", CIDR: "nonsense", AvailabilityZone: "ap-northeast-1a"})
	})
	h.settle()
	h.task("a")
	log.Reset()
	h.net.Fail(errors.New("no kernel today"))
	tries := 0
	for end := h.clock.Now().Add(10 * time.Minute); h.clock.Now().Before(end); tries++ {
		h.settle()
		next, ok := h.engine.NextDue()
		if !ok {
			t.Fatal("it is not tried again")
		}
		h.clock.Advance(next.Sub(h.clock.Now()))
	}
	if tries > 30 {
		t.Errorf("%d tries in ten minutes", tries)
	}
	h.net.Fail(nil)
	h.settle()
	for text, want := range map[string]int{"reconcile failed": 1, "left out": 0, "reconcile works again": 1} {
		if got := strings.Count(log.String(), text); got != want {
			t.Errorf("%q is logged %d times, want %d:\n%s", text, got, want, log.String())
		}
	}
	if got := h.get("a"); got.LastStatus != model.TaskPending {
		t.Errorf("task is %s", got.LastStatus)
	}
}

func TestATaskStoppedBeforeItHadANetworkEnds(t *testing.T) {
	h := newFixture(t)
	h.world()
	h.net.Fail(fault.New(fault.Unavailable, "", "no kernel today"))
	h.task("a")
	h.settle()
	h.write("api/ecs", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, taskARN+"a", func(t *model.Task) error { t.DesiredStatus = model.TaskStopped; return nil })
	})
	h.settle()
	if got := h.get("a"); got.LastStatus != model.TaskStopped {
		t.Errorf("task is %s", got.LastStatus)
	}
}

func TestAFullSubnetRefusesAndSaysSoOnce(t *testing.T) {
	h := newFixture(t)
	h.world()
	for i := range 13 { // a /28 has 11 addresses to give
		h.task(fmt.Sprintf("t%02d", i))
	}
	h.settle()
	h.task("t99")
	h.settle()
	ips := map[string]bool{}
	for _, n := range state.NetworkInterfaces.All(h.db.View()) {
		if ips[n.IP] {
			t.Errorf("%s has two owners", n.IP)
		}
		ips[n.IP] = true
	}
	if len(ips) != 11 {
		t.Errorf("%d addresses", len(ips))
	}
	refused := 0
	for _, d := range state.Decisions.All(h.db.View()) {
		if d.Verb == "refused" {
			refused++
		}
	}
	if refused != 3 {
		t.Errorf("%d refusals are recorded, want one a task", refused)
	}
}

func TestLoadBalancersEndpointsAndFunctionsGetTheirs(t *testing.T) {
	h := newFixture(t)
	h.world()
	lb := model.LoadBalancer{
		ARN: "arn:aws:elasticloadbalancing:ap-northeast-1:000000000000:loadbalancer/app/web/1", Scheme: "internet-facing",
		Subnets: []string{"subnet-1", "subnet-2"}, SecurityGroups: []string{"sg-default"},
	}
	h.write("api/elbv2", func(tx *store.Tx) error { return state.LoadBalancers.Put(tx, lb) })
	h.write("api/ec2", func(tx *store.Tx) error {
		return state.VPCEndpoints.Put(tx, model.VPCEndpoint{
			ID: "vpce-1", VPC: "vpc-1", Type: "Interface", ServiceName: "com.amazonaws.ap-northeast-1.ecs", Subnets: []string{"subnet-1"},
			State: model.EndpointPending,
		})
	})
	h.write("api/lambda", func(tx *store.Tx) error {
		return state.Functions.Put(tx, model.Function{Name: "hook", ARN: "arn:hook"})
	})
	h.settle()
	view := h.db.View()
	nodes := state.NetworkInterfaces.By(view, "owner", lb.ARN)
	if len(nodes) != 2 || nodes[0].PublicIP == "" || nodes[0].PublicIP == nodes[1].PublicIP || nodes[0].Description != "ELB app/web/1" {
		t.Errorf("nodes %+v", nodes)
	}
	if e, _ := state.VPCEndpoints.Get(view, "vpce-1"); e.State != model.EndpointAvailable {
		t.Errorf("endpoint is %s", e.State)
	}
	f, _ := state.NetworkInterfaces.One(view, "owner", "arn:hook")
	if f.IP != "100.64.0.1" || f.Kind != vpc.KindFunction || f.State != model.InterfaceAvailable {
		t.Errorf("function's interface %+v", f)
	}
	h.write("api/elbv2", func(tx *store.Tx) error {
		return state.LoadBalancers.Edit(tx, lb.ARN, func(l *model.LoadBalancer) error {
			l.Subnets = l.Subnets[:1]
			l.SecurityGroups = nil
			return nil
		})
	})
	h.write("api/ec2", func(tx *store.Tx) error {
		return state.VPCEndpoints.Edit(tx, "vpce-1", func(e *model.VPCEndpoint) error { e.State = model.EndpointDeleting; return nil })
	})
	h.settle()
	view = h.db.View()
	if n := state.NetworkInterfaces.By(view, "owner", lb.ARN); len(n) != 1 {
		t.Errorf("nodes after the change: %+v", n)
	}
	if _, ok := state.VPCEndpoints.Get(view, "vpce-1"); ok || len(state.NetworkInterfaces.By(view, "owner", "vpce-1")) != 0 {
		t.Error("the endpoint is still there")
	}
}

func TestANATGatewayUsesItsElasticAddress(t *testing.T) {
	h := newFixture(t)
	h.world()
	h.write("api/ec2", func(tx *store.Tx) error {
		if err := state.Addresses.Put(tx, model.Address{AllocationID: "eipalloc-1", PublicIP: "198.51.100.7"}); err != nil {
			return err
		}
		return state.NATGateways.Put(tx, model.NATGateway{
			ID: "nat-1", ENI: "eni-nat", VPC: "vpc-1", Subnet: "subnet-1", Allocation: "eipalloc-1", State: model.NATPending,
		})
	})
	h.settle()
	view := h.db.View()
	n, _ := state.NATGateways.Get(view, "nat-1")
	eni, _ := state.NetworkInterfaces.Get(view, n.ENI)
	if n.State != model.NATAvailable || eni.PublicIP != "198.51.100.7" {
		t.Errorf("%+v\n%+v", n, eni)
	}
	h.write("api/ec2", func(tx *store.Tx) error {
		return state.NATGateways.Edit(tx, "nat-1", func(n *model.NATGateway) error { n.State = model.NATDeleting; return nil })
	})
	h.settle()
	if n, _ := state.NATGateways.Get(h.db.View(), "nat-1"); n.State != model.NATDeleted {
		t.Errorf("NAT gateway is %s", n.State)
	}
}

func TestAnInstanceIsReachableByItsRules(t *testing.T) {
	h := newFixture(t)
	h.world()
	h.write("controllers/capacity", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{ID: "i-1", Subnet: "subnet-1", State: model.InstancePending, Goal: model.GoalRun})
	})
	h.settle()
	i, _ := state.Instances.Get(h.db.View(), "i-1")
	if i.ENI == "" || i.PrivateIP != "10.0.0.4" {
		t.Fatalf("instance %+v", i)
	}
	h.task("a")
	h.settle()
	p := h.net.Network().Reach(i.ENI, netip.MustParseAddr("10.0.0.5"), vpc.Flow{Protocol: 6, Port: 80})
	if p.Open {
		t.Errorf("a group without rules lets through: %s", p)
	}
	h.write("api/ec2", func(tx *store.Tx) error {
		return state.SecurityGroups.Edit(tx, "sg-default", func(g *model.SecurityGroup) error {
			g.Rules = []model.SecurityRule{
				{ID: "sgr-1", Protocol: "-1", FromPort: -1, ToPort: -1, Group: "sg-default"},
				{ID: "sgr-2", Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"},
			}
			return nil
		})
	})
	h.settle()
	if p := h.net.Network().Reach(i.ENI, netip.MustParseAddr("10.0.0.5"), vpc.Flow{Protocol: 6, Port: 80}); !p.Open {
		t.Errorf("the default group does not let its members in: %s", p)
	}
	h.write("controllers/instance", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, "i-1", func(i *model.Instance) error { i.State = model.InstanceTerminated; return nil })
	})
	h.settle()
	if n := state.NetworkInterfaces.By(h.db.View(), "owner", "i-1"); len(n) != 0 {
		t.Errorf("left: %+v", n)
	}
}

func TestEachEnvironmentOfAFunctionGetsALegOfItsOwn(t *testing.T) {
	h := newFixture(t)
	h.write("api/lambda", func(tx *store.Tx) error {
		return state.Functions.Put(tx, model.Function{Name: "hook", ARN: "arn:hook"})
	})
	h.settle()
	legs := network.NewLegs(h.db, "/run/netns")
	first, err := legs.Acquire(t.Context(), "hook")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := legs.Acquire(ctx, "hook"); err == nil {
		t.Fatal("two environments share a leg")
	}
	again := make(chan network.Leg, 1)
	go func() {
		leg, err := legs.Acquire(t.Context(), "hook")
		if err != nil {
			t.Error(err)
		}
		again <- leg
	}()
	for state.NetworkInterfaces.Len(h.db.View()) < 2 {
		h.settle()
	}
	h.settle()
	second := <-again
	if second.Netns == first.Netns {
		t.Errorf("both have %s", first.Netns)
	}
	first.Release()
	if third, err := legs.Acquire(t.Context(), "hook"); err != nil || third.Netns != first.Netns {
		t.Errorf("a returned leg is not lent again: %v %v", third, err)
	}
	if n := state.NetworkInterfaces.Len(h.db.View()); n != 2 {
		t.Errorf("%d interfaces", n)
	}
}

// Budget: a task more among 5,000 costs some tens of milliseconds.
func BenchmarkOneMoreTaskAmongMany(b *testing.B) {
	h := newFixture(b)
	h.world()
	h.write("api/ec2", func(tx *store.Tx) error {
		return state.Subnets.Edit(tx, "subnet-1", func(s *model.Subnet) error { s.CIDR = "10.0.0.0/17"; return nil })
	})
	for i := range 5000 {
		h.task(fmt.Sprintf("t%05d", i))
	}
	h.settle()
	n := 0
	for b.Loop() {
		h.task(fmt.Sprintf("x%05d", n))
		n++
		h.settle()
	}
}
