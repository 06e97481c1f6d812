package instance_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/controllers/instance"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/machine/sim"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}
)

const (
	id      = "i-0123456789abcdef0"
	profile = "arn:aws:iam::000000000000:instance-profile/ecsInstanceRole"
	infra   = "arn:aws:iam::000000000000:role/infra"
)

// access denies the actions that it lists.
type access struct{ deny map[string]bool }

func (a *access) Assume(_ store.Reader, by control.Assumption) (ident.Principal, error) {
	return ident.AsRole(by.Role, by.Session), nil
}

func (a *access) Allow(_ store.Reader, p ident.Principal, action, resource string, _ map[string]string) error {
	if a.deny[action] {
		return fault.New(
			fault.Denied, "AccessDenied",
			"User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action.", p.ARN, action,
			resource, action,
		)
	}
	return nil
}

type minter struct {
	db    *state.DB
	clock clock.Clock
	ids   *ident.Source
}

func (m minter) Mint(ctx context.Context, role, session, subject string, ttl time.Duration) (model.Credential, error) {
	c := model.Credential{
		AccessKeyID: "ASIA" + m.ids.Upper(16), Secret: "s", Token: "t", Role: role, Session: session, For: subject,
		Expires: m.clock.Now().Add(ttl),
	}
	return c, m.db.Update(ctx, "controllers/instance", func(tx *store.Tx) error { return state.Credentials.Put(tx, c) })
}

type world struct {
	t      *testing.T
	db     *state.DB
	clock  *clock.Stepped
	engine *control.Engine
	driver *sim.Driver
	access *access
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := clock.NewStepped(start)
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	ids := ident.Seeded(1)
	w := &world{t: t, db: db, clock: c, access: &access{deny: map[string]bool{}}}
	w.driver = sim.New(sim.Config{Clock: c, Seed: 1, BootMin: 3 * time.Second, BootMax: 9 * time.Second})
	log := slog.New(slog.DiscardHandler)
	w.engine = control.New(db, c, log)
	w.engine.Begin(t.Context(), true)
	w.engine.Add(instance.New(instance.Deps{
		DB: db, Driver: w.driver, Access: w.access, Minter: minter{db, c, ids}, Jobs: w.engine.Jobs(), IDs: ids, Place: place, Log: log,
	}))
	w.as("api/iam", func(tx *store.Tx) error {
		return errors.Join(
			state.Roles.Put(tx, model.Role{Name: "ecsInstanceRole", ARN: "arn:aws:iam::000000000000:role/ecsInstanceRole"}),
			state.InstanceProfiles.Put(tx, model.InstanceProfile{Name: "ecsInstanceRole", ARN: profile, Roles: []string{"ecsInstanceRole"}}))
	})
	w.as("api/ec2", func(tx *store.Tx) error {
		return errors.Join(
			state.VPCs.Put(tx, model.VPC{ID: "vpc-1", CIDR: "192.168.0.0/16"}),
			state.Subnets.Put(tx, model.Subnet{ID: "subnet-1", VPC: "vpc-1", CIDR: "192.168.2.0/24", AvailabilityZone: "ap-northeast-1a"}))
	})
	w.as("api/ecs", func(tx *store.Tx) error {
		return errors.Join(
			state.CapacityProviders.Put(tx, model.CapacityProvider{Name: "cp", Cluster: "c", Status: model.ProviderActive}),
			state.Services.Put(tx, model.Service{
				ARN: "arn:aws:ecs:ap-northeast-1:000000000000:service/c/web", Name: "web", Cluster: "c", Status: model.ServiceActive,
			}))
	})
	w.as("controllers/service", func(tx *store.Tx) error {
		return state.Tasks.Put(tx, model.Task{
			ARN: "arn:aws:ecs:ap-northeast-1:000000000000:task/c/t1", ID: "t1", Cluster: "c",
			Service: "arn:aws:ecs:ap-northeast-1:000000000000:service/c/web", Strategy: []model.StrategyItem{{Provider: "cp", Weight: 1}},
			LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning,
		})
	})
	w.as("controllers/capacity", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: id, ARN: place.ARN("ecs", "container-instance/c/abc"), Cluster: "c", CapacityProvider: "cp", Type: "c6a.large",
			AvailabilityZone: "ap-northeast-1a", Subnet: "subnet-1", SecurityGroups: []string{"sg-1"}, ProfileARN: profile, InfraRoleARN: infra,
			CapacityOption: "ON_DEMAND", Goal: model.GoalRun, State: model.InstancePending,
		})
	})
	w.engine.Open()
	return w
}

func (w *world) as(writer string, fn func(*store.Tx) error) {
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
	for end := w.clock.Now().Add(d); ; {
		w.settle()
		next, ok := w.engine.NextDue()
		if !ok || next.After(end) {
			w.clock.Advance(end.Sub(w.clock.Now()))
			w.settle()
			return
		}
		w.clock.Advance(next.Sub(w.clock.Now()))
	}
}

func (w *world) interfaceUp() {
	w.as("controllers/network", func(tx *store.Tx) error {
		return errors.Join(
			state.NetworkInterfaces.Put(tx, model.NetworkInterface{
				ID: "eni-1", Kind: "instance", Owner: id, VPC: "vpc-1", Subnet: "subnet-1", IP: "192.168.2.10", MAC: "02:00:00:00:00:01",
				State: model.InterfaceAvailable,
			}),
			state.Instances.Edit(tx, id, func(i *model.Instance) error { i.ENI, i.PrivateIP = "eni-1", "192.168.2.10"; return nil }))
	})
}

func (w *world) instance() model.Instance {
	i, _ := state.Instances.Get(w.db.View(), id)
	return i
}

func TestAnInstanceWaitsForItsInterfaceThenRuns(t *testing.T) {
	w := newWorld(t)
	w.advance(time.Minute)
	if i := w.instance(); i.State != model.InstancePending || !i.LaunchedAt.IsZero() {
		t.Fatalf("launched without an interface: %+v", i)
	}
	w.interfaceUp()
	w.advance(20 * time.Second)
	if i := w.instance(); i.State != model.InstanceRunning || i.LaunchedAt.IsZero() {
		t.Fatalf("not running: %+v", i)
	}
	first, ok := w.driver.Credentials(id)
	if !ok || first.Expires.Sub(w.clock.Now()) < 5*time.Hour {
		t.Fatalf("credentials: %+v", first)
	}
	w.advance(6 * time.Hour)
	if second, _ := w.driver.Credentials(id); !second.Expires.After(first.Expires) {
		t.Error("the keys were not renewed")
	}
}

// Proves: MI43, MI45
func TestAMissingPassRoleReadsAsOnAWS(t *testing.T) {
	w := newWorld(t)
	w.access.deny["iam:PassRole"] = true
	w.interfaceUp()
	w.settle()
	i := w.instance()
	if i.State != model.InstanceTerminated {
		t.Fatalf("state %s", i.State)
	}
	s := state.Services.All(w.db.View())[0]
	if len(s.Events) != 1 {
		t.Fatalf("events: %+v", s.Events)
	}
	want := "(service web) was unable to place a task. Reason: ResourceInitializationError: Unable to launch instance(s) for capacity " +
		"provider cp. " +
		"UnauthorizedOperation: You are not authorized to perform this operation. User: " +
		"arn:aws:sts::000000000000:assumed-role/infra/ECSManagedInstances is not authorized to perform: " +
		"iam:PassRole on resource: arn:aws:iam::000000000000:role/ecsInstanceRole because no identity-based policy allows the iam:PassRole " +
		"action. RequestId: "
	if !strings.HasPrefix(s.Events[0].Message, want) {
		t.Errorf("event:\n%s\nwant:\n%s", s.Events[0].Message, want)
	}
	cp, _ := state.CapacityProviders.Get(w.db.View(), "cp")
	if cp.LastFailure == "" || !cp.LastFailureAt.Equal(w.clock.Now()) {
		t.Errorf("provider: %+v", cp)
	}
}

func TestRefusedCapacityEndsTheInstanceAndHostTroubleIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.driver.RefuseIn("", fault.New(fault.Unavailable, "", "the host is busy"))
	w.interfaceUp()
	w.advance(7 * time.Second)
	if i := w.instance(); i.State != model.InstancePending || i.Attempts == 0 {
		t.Fatalf("after trouble of the host: %+v", i)
	}
	w.driver.RefuseIn("", fault.New(fault.Capacity, "InsufficientInstanceCapacity", "We currently do not have sufficient capacity."))
	w.advance(7 * time.Second)
	if i := w.instance(); i.State != model.InstanceTerminated || !strings.HasPrefix(i.StateReason, "InsufficientInstanceCapacity") {
		t.Fatalf("after a refusal: %+v", i)
	}
}

func TestADeadMachineIsNoticedAndForgotten(t *testing.T) {
	w := newWorld(t)
	w.interfaceUp()
	w.advance(time.Minute)
	w.as("dispatch", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error { i.Connected, i.LastSeenAt = true, w.clock.Now(); return nil })
	})
	w.as("dispatch", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error { i.Connected = false; return nil })
	})
	w.settle() // it lives still
	w.driver.Kill(id, "power lost")
	w.advance(10 * time.Second)
	if i := w.instance(); i.State != model.InstanceTerminated || i.StateReason != "Server.InternalError: power lost" {
		t.Fatalf("instance: %+v", i)
	}
	w.advance(30 * time.Second)
	if all, _ := w.driver.List(t.Context()); len(all) != 0 {
		t.Errorf("the driver still has %v", all)
	}
}

func TestADeadMachineWithoutAnAgentIsNoticedToo(t *testing.T) {
	w := newWorld(t)
	w.interfaceUp()
	w.advance(time.Minute)
	w.driver.Kill(id, "Server.InternalError: power lost")
	w.advance(6 * time.Minute)
	if i := w.instance(); i.State != model.InstanceTerminated {
		t.Fatalf("instance: %+v", i)
	}
}

func TestTerminateDeregistersFirst(t *testing.T) {
	w := newWorld(t)
	w.interfaceUp()
	w.advance(time.Minute)
	w.as("dispatch", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error { i.Status = model.ContainerInstanceActive; return nil })
	})
	w.as("controllers/capacity", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error { i.Goal, i.GoalReason = model.GoalTerminate, "idle"; return nil })
	})
	var seen []string
	_, watch := w.db.Hook(func(all []store.Change) {
		for _, c := range all {
			if _, i := state.Instances.Of(c); i != nil {
				seen = append(seen, string(i.State)+" "+string(i.Status))
			}
		}
	})
	defer watch.Stop()
	w.settle()
	if got := strings.Join(seen, ", "); got != "shutting-down DEREGISTERING, terminated INACTIVE" {
		t.Errorf("went through %s", got)
	}
	if all, _ := w.driver.List(t.Context()); len(all) != 0 {
		t.Errorf("the driver still has %v", all)
	}
}
