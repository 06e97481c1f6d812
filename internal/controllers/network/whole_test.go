package network_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/internal/control"
	"berth/internal/controllers/network"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

// Whatever came and went: what the driver is given by difference is what would
// be compiled from nothing, no address has two owners, and a controller that
// has seen nothing of it finds nothing to do.
func TestTheHostIsGivenWhatCompiles(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := newFixture(t)
		h.world()
		for range rapid.IntRange(1, 10).Draw(r, "looks") {
			for range rapid.IntRange(1, 3).Draw(r, "changes") {
				anyChange(r, h)
			}
			h.settle()
			h.check(r)
		}
	})
}

func (h *fixture) check(r *rapid.T) {
	view := h.db.View()
	want := vpc.Compile(network.Snapshot(view, "ap-northeast-1"))
	if got := h.net.Network(); !got.Equal(want) {
		r.Fatal(cmp.Diff(want.String(), got.String()))
	}
	owners := map[string]string{}
	for _, n := range state.NetworkInterfaces.All(view) {
		for _, ip := range []string{n.Subnet + n.IP, n.PublicIP} {
			if owners[ip] != "" && ip != "" {
				r.Fatalf("%s is %s's and %s's", ip, owners[ip], n.Owner)
			}
			owners[ip] = n.Owner
		}
	}
	engine := control.New(h.db, h.clock, slog.New(slog.DiscardHandler))
	engine.Add(h.controller(engine))
	engine.Begin(h.t.Context(), true)
	engine.Open()
	if _, err := engine.Settle(h.t.Context(), 1000); err != nil {
		r.Fatal(err)
	}
	if rev := h.db.View().Revision(); rev != view.Revision() {
		for _, d := range state.Decisions.All(h.db.View()) {
			r.Log(d.Verb, d.Subject, d.Reason)
		}
		r.Fatalf("a controller that starts finds more to do: revision %d, then %d", view.Revision(), rev)
	}
}

// anyChange draws a change of a small world. /28s are soon full.
func anyChange(r *rapid.T, h *fixture) {
	n := rapid.IntRange(0, 3).Draw(r, "n")
	changes := map[string]func(*store.Tx) error{
		"api/ecs task": func(tx *store.Tx) error {
			arn := taskARN + fmt.Sprint(n)
			if _, ok := state.Tasks.Get(tx, arn); ok {
				return nil
			}
			return state.Tasks.Put(tx, model.Task{
				ARN: arn, ID: fmt.Sprint(n), Cluster: "c", TaskDefinition: "td", LastStatus: model.TaskProvisioning,
				DesiredStatus: model.TaskRunning, Network: model.NetworkConfiguration{AssignPublicIP: n > 1},
			})
		},
		"controllers/task place": func(tx *store.Tx) error {
			return ofTask(tx, n, func(t *model.Task) {
				if t.Instance == "" {
					t.Instance, t.Subnet = "arn:i-0", "subnet-1"
				}
			})
		},
		"api/ecs stop": func(tx *store.Tx) error {
			return ofTask(tx, n, func(t *model.Task) { t.DesiredStatus = model.TaskStopped })
		},
		"dispatch gone": func(tx *store.Tx) error { return ofTask(tx, n, gone) },
		"controllers/reaper task": func(tx *store.Tx) error {
			if t, ok := state.Tasks.Get(tx, taskARN+fmt.Sprint(n)); !ok || t.LastStatus != model.TaskStopped {
				return nil
			}
			return state.Tasks.Delete(tx, taskARN+fmt.Sprint(n))
		},
		"api/elbv2 balancer": func(tx *store.Tx) error {
			arn := fmt.Sprint("arn:lb", n)
			return toggle(tx, state.LoadBalancers, arn, model.LoadBalancer{
				ARN: arn, Scheme: "internet-facing", Subnets: []string{"subnet-1", "subnet-2"}[n%2:], SecurityGroups: []string{"sg-default"},
			})
		},
		"api/ec2 endpoint": func(tx *store.Tx) error {
			id := fmt.Sprint("vpce-", n)
			e, ok := state.VPCEndpoints.Get(tx, id)
			if ok {
				e.State = model.EndpointDeleting
				return state.VPCEndpoints.Put(tx, e)
			}
			return state.VPCEndpoints.Put(tx, model.VPCEndpoint{
				ID: id, VPC: "vpc-1", Type: []string{"Interface", "Gateway"}[n%2], ServiceName: "com.amazonaws.ap-northeast-1.s3",
				Subnets: []string{"subnet-2"}, RouteTables: []string{"rtb-1"}, State: model.EndpointPending,
			})
		},
		"api/ec2 address": func(tx *store.Tx) error {
			id := fmt.Sprint("eipalloc-", n)
			return toggle(tx, state.Addresses, id, model.Address{AllocationID: id, PublicIP: fmt.Sprint("198.51.100.", n+1)})
		},
		"api/ec2 nat": func(tx *store.Tx) error {
			id := fmt.Sprint("nat-", n)
			if g, ok := state.NATGateways.Get(tx, id); ok {
				if g.State == model.NATAvailable {
					g.State = model.NATDeleting
				}
				return state.NATGateways.Put(tx, g)
			}
			return state.NATGateways.Put(tx, model.NATGateway{
				ID: id, ENI: "eni-" + id, VPC: "vpc-1", Subnet: "subnet-2", Allocation: fmt.Sprint("eipalloc-", n), State: model.NATPending,
			})
		},
		"api/ec2 route": func(tx *store.Tx) error {
			return state.RouteTables.Edit(tx, "rtb-1", func(t *model.RouteTable) error {
				t.Routes = append(t.Routes[:1:1], model.Route{Destination: "0.0.0.0/0", Target: fmt.Sprint("nat-", n)})
				return nil
			})
		},
		"api/ec2 table": func(tx *store.Tx) error {
			return toggle(tx, state.RouteTables, "rtb-2", model.RouteTable{
				ID: "rtb-2", VPC: "vpc-1", Associations: []model.RouteAssociation{{Subnet: fmt.Sprint("subnet-", n)}},
			})
		},
		"api/ec2 vpc": func(tx *store.Tx) error {
			id := fmt.Sprint("vpc-", n+2)
			return toggle(tx, state.VPCs, id, model.VPC{ID: id, CIDR: []string{"10.1.0.0/16", "nonsense"}[n%2]})
		},
		"api/lambda function": func(tx *store.Tx) error {
			name := fmt.Sprint("f", n)
			return toggle(tx, state.Functions, name, model.Function{Name: name, ARN: "arn:" + name})
		},
		"controllers/network more": func(tx *store.Tx) error {
			if _, ok := state.Functions.Get(tx, fmt.Sprint("f", n)); !ok {
				return nil
			}
			return state.Functions.Edit(tx, fmt.Sprint("f", n), func(f *model.Function) error { f.Interfaces = int64(n); return nil })
		},
		"controllers/capacity instance": func(tx *store.Tx) error {
			id := fmt.Sprint("i-", n)
			if _, ok := state.Instances.Get(tx, id); ok {
				return nil
			}
			return state.Instances.Put(tx, model.Instance{ID: id, Subnet: "subnet-2", State: model.InstancePending, Goal: model.GoalRun})
		},
		"controllers/instance end": func(tx *store.Tx) error {
			id := fmt.Sprint("i-", n)
			if _, ok := state.Instances.Get(tx, id); !ok {
				return nil
			}
			return state.Instances.Edit(tx, id, func(i *model.Instance) error {
				i.State = model.InstanceTerminated
				return nil
			})
		},
	}
	what := rapid.SampledFrom([]string{
		"api/ecs task", "api/ecs task", "controllers/task place", "controllers/task place", "api/ecs stop", "dispatch gone",
		"controllers/reaper task", "api/elbv2 balancer", "api/ec2 endpoint", "api/ec2 address", "api/ec2 nat", "api/ec2 route",
		"api/ec2 table", "api/ec2 vpc", "api/lambda function", "controllers/network more",
		"controllers/capacity instance", "controllers/instance end",
	}).Draw(r, "what")
	writer, _, _ := strings.Cut(what, " ")
	h.write(writer, changes[what])
}

func ofTask(tx *store.Tx, n int, fn func(*model.Task)) error {
	if _, ok := state.Tasks.Get(tx, taskARN+fmt.Sprint(n)); !ok {
		return nil
	}
	return state.Tasks.Edit(tx, taskARN+fmt.Sprint(n), func(t *model.Task) error { fn(t); return nil })
}

// gone ends a task that has come as far as its agent.
func gone(t *model.Task) {
	if t.LastStatus == model.TaskPending {
		t.LastStatus, t.DesiredStatus = model.TaskDeprovisioning, model.TaskStopped
	}
}

// toggle removes a record, or puts it if there is none.
func toggle[T any](tx *store.Tx, table *store.Table[T], key string, v T) error {
	if _, ok := table.Get(tx, key); ok {
		return table.Delete(tx, key)
	}
	return table.Put(tx, v)
}

// A task more costs itself, however many there are: it is looked at when it is
// placed, has an interface, and when that is there.
func TestATaskCostsItselfOnly(t *testing.T) {
	h := newFixture(t)
	h.world()
	h.write("api/ec2", func(tx *store.Tx) error {
		return state.Subnets.Edit(tx, "subnet-1", func(s *model.Subnet) error { s.CIDR = "10.0.0.0/20"; return nil })
	})
	for i := range 200 {
		h.task(fmt.Sprint(i))
	}
	h.settle()
	before := h.loop.Compiled()
	h.task("one")
	h.settle()
	h.clock.Advance(time.Minute)
	h.settle()
	if got := h.get("one"); got.LastStatus != model.TaskPending {
		t.Fatalf("the task is %s", got.LastStatus)
	}
	if made := h.loop.Compiled() - before; made > 5 {
		t.Errorf("one task more was %d parts of work", made)
	}
}
