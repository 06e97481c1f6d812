package stack_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/internal/access"
	cfnapi "berth/internal/api/cloudformation"
	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/controllers/stack"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

var place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}

var zones = []string{"ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"}

// fixture is the controller with the API services that it calls, and a stand-in
// for the other controllers: what those would make true, it makes true at once.
type fixture struct {
	t        *testing.T
	db       *state.DB
	clock    *clock.Stepped
	ids      *ident.Source
	cfn      *cfnapi.API
	engine   *control.Engine
	services map[string]service
	calls    []string // "service Operation" of every call of the controller
	// before may refuse a call; broken says how a service's deployments end.
	before func(service, operation string, in map[string]any) error
	// after may lose the answer of a call, the nth of all.
	after  func(call string, n int) error
	broken string
	hold   bool // keep deployments in progress
	dead   bool // the process was killed
	// provide is what the functions of custom resources do; crashed has a call
	// fail as a function does that raised.
	provide func(event map[string]any) (answer string, crashed bool)
	asked   []map[string]any // the events that they were sent
}

type service struct {
	meta *wire.Service
	impl any
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	h := &fixture{t: t, db: db, clock: clock.NewStepped(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)), ids: ident.Seeded(7)}
	acc := access.New(access.Deps{DB: db, Clock: h.clock, IDs: h.ids, Place: place})
	h.cfn = cfnapi.New(cfnapi.Deps{DB: db, Clock: h.clock, IDs: h.ids, Place: place, Zones: zones, Access: acc})
	h.services = services(h, acc)
	h.boot()
	return h
}

// boot starts the controller afresh, as a killed process does.
func (h *fixture) boot() {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	acc := access.New(access.Deps{DB: h.db, Clock: h.clock, IDs: h.ids, Place: place})
	h.engine = control.New(h.db, h.clock, log)
	h.engine.Add(stack.New(stack.Deps{
		DB: h.db, Invoke: h, Access: acc, Jobs: h.engine.Jobs(), IDs: h.ids, Place: place, Zones: zones, Log: log,
	}))
	h.engine.Begin(h.t.Context(), true)
	h.engine.Open()
}

// Invoke calls a service as front does.
func (h *fixture) Invoke(ctx context.Context, as ident.Principal, service, operation string, in map[string]any) (map[string]any, error) {
	h.calls = append(h.calls, service+" "+operation)
	if h.before != nil {
		if err := h.before(service, operation, in); err != nil {
			return nil, err
		}
	}
	out, err := h.answer(ctx, as, service, operation, in)
	if h.after != nil {
		if lost := h.after(service+" "+operation, len(h.calls)); lost != nil {
			return nil, lost
		}
	}
	return out, err
}

// answer is what a service answers.
func (h *fixture) answer(ctx context.Context, as ident.Principal, service, operation string, in map[string]any) (map[string]any, error) {
	r, ok := h.services[service]
	if !ok {
		return nil, fault.New(fault.NotImplemented, "NotImplemented", "no service %s", service)
	}
	op := r.meta.Operation(operation)
	if op == nil || !op.Built() {
		return nil, wire.NotBuilt(service, operation)
	}
	input, err := op.FromMap(in)
	if err != nil {
		return nil, err
	}
	out, err := op.Call(wire.WithCall(ctx, wire.Call{Principal: as, At: h.clock.Now(), Source: as.Service}), r.impl, input)
	if err != nil {
		return nil, err
	}
	return op.ToMap(out), nil
}

// ctx is a call of the account's root.
func (h *fixture) ctx() context.Context {
	return wire.WithCall(h.t.Context(), wire.Call{Principal: ident.Root(place), At: h.clock.Now()})
}

// settle runs the controller and the stand-ins until the stack rests.
func (h *fixture) settle(name string) model.Stack {
	h.t.Helper()
	for range 400 {
		if _, err := h.engine.Settle(h.t.Context(), 10000); err != nil {
			h.t.Fatal(err)
		}
		if h.dead {
			h.dead = false
			h.boot()
			continue
		}
		s := h.stack(name)
		if !strings.HasSuffix(string(s.Status), "_IN_PROGRESS") || s.Status == "REVIEW_IN_PROGRESS" {
			return s
		}
		h.others()
		h.clock.Advance(5 * time.Second)
	}
	s := h.stack(name)
	h.t.Fatalf("stack %s does not settle: %s %s\n%s\nlast calls: %v", name, s.Status, s.StatusReason, h.story(name),
		h.calls[max(0, len(h.calls)-10):])
	return s
}

func (h *fixture) stack(name string) model.Stack {
	h.t.Helper()
	all := state.Stacks.By(h.db.View(), "name", name)
	if len(all) == 0 {
		h.t.Fatalf("no stack %s", name)
	}
	slices.SortFunc(all, func(a, b model.Stack) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return all[len(all)-1]
}

// story is a stack's events, oldest first, one a line.
func (h *fixture) story(name string) string {
	var b strings.Builder
	for _, e := range state.StackEvents.By(h.db.View(), "stack", h.stack(name).ID) {
		fmt.Fprintf(&b, "%s %s", e.LogicalID, e.Status)
		if e.Reason != "" {
			fmt.Fprintf(&b, " (%s)", e.Reason)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (h *fixture) create(name, body string, params ...string) error {
	_, err := h.cfn.CreateStack(h.ctx(), &shape.CreateStackInput{
		StackName: &name, TemplateBody: &body, Capabilities: []string{"CAPABILITY_NAMED_IAM"}, Parameters: parameters(params),
	})
	return err
}

func (h *fixture) update(name, body string, params ...string) error {
	_, err := h.cfn.UpdateStack(h.ctx(), &shape.UpdateStackInput{
		StackName: &name, TemplateBody: &body, Capabilities: []string{"CAPABILITY_NAMED_IAM"}, Parameters: parameters(params),
	})
	return err
}

func parameters(pairs []string) []shape.Parameter {
	var out []shape.Parameter
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		out = append(out, shape.Parameter{ParameterKey: &k, ParameterValue: &v})
	}
	return out
}

func (h *fixture) resource(name, id string) model.StackResource {
	h.t.Helper()
	r, ok := state.StackResources.Get(h.db.View(), h.stack(name).ID+"|"+id)
	if !ok {
		h.t.Fatalf("stack %s has no %s", name, id)
	}
	return r
}

// others does at once what the other controllers do.
func (h *fixture) others() {
	h.do("controllers/network", func(tx *store.Tx) error {
		for _, e := range state.VPCEndpoints.All(tx) {
			if e.State == "pending" {
				e = model.Clone(e)
				e.State = "available"
				if err := state.VPCEndpoints.Put(tx, e); err != nil {
					return err
				}
			}
			if e.State == "deleting" {
				if err := state.VPCEndpoints.Delete(tx, e.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
	h.do("controllers/traffic", func(tx *store.Tx) error {
		for _, lb := range state.LoadBalancers.All(tx) {
			if lb.State != "active" {
				lb = model.Clone(lb)
				lb.State = "active"
				if err := state.LoadBalancers.Put(tx, lb); err != nil {
					return err
				}
			}
		}
		return nil
	})
	h.do("controllers/network", func(tx *store.Tx) error {
		for _, n := range state.NATGateways.All(tx) {
			n = model.Clone(n)
			n.State = map[model.NATState]model.NATState{model.NATPending: model.NATAvailable, model.NATDeleting: model.NATDeleted}[n.State]
			if n.State == "" {
				continue
			}
			if err := state.NATGateways.Put(tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	h.do("controllers/lambda", func(tx *store.Tx) error {
		for _, f := range state.Functions.All(tx) {
			f = model.Clone(f)
			f.State, f.UpdateStatus = "Active", "Successful"
			if err := state.Functions.Put(tx, f); err != nil {
				return err
			}
		}
		return nil
	})
	h.do("controllers/group", groups)
	h.do("controllers/service", h.deploy)
	h.do("controllers/capacity", func(tx *store.Tx) error {
		for _, p := range state.CapacityProviders.All(tx) {
			p = model.Clone(p)
			switch p.Status {
			case "PROVISIONING":
				p.Status = "ACTIVE"
			case "DEPROVISIONING":
				p.Status = "INACTIVE"
			default: // at rest
			}
			p.UpdateStatus = model.ProviderUpdate(strings.Replace(string(p.UpdateStatus), "_IN_PROGRESS", "_COMPLETE", 1))
			if err := state.CapacityProviders.Put(tx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// groups deletes the groups that are to go, and brings instances where they
// should be.
func groups(tx *store.Tx) error {
	for _, g := range state.AutoScalingGroups.All(tx) {
		if !g.Deleting {
			continue
		}
		if err := state.AutoScalingGroups.Delete(tx, g.Name); err != nil {
			return err
		}
	}
	for _, i := range state.Instances.All(tx) {
		i = model.Clone(i)
		switch {
		case i.Goal == model.GoalTerminate:
			i.State = model.InstanceTerminated
		case i.State == model.InstancePending:
			i.State = model.InstanceRunning
		}
		if err := state.Instances.Put(tx, i); err != nil {
			return err
		}
	}
	return nil
}

// deploy ends every service's deployment, and drains deleted services.
func (h *fixture) deploy(tx *store.Tx) error {
	for _, s := range state.Services.All(tx) {
		s = model.Clone(s)
		if s.Status == "DRAINING" {
			s.Status, s.CurrentDeployment = "INACTIVE", ""
		}
		d, ok := state.ServiceDeployments.Get(tx, s.CurrentDeployment)
		if ok && !h.hold {
			d = model.Clone(d)
			d.Status = "SUCCESSFUL"
			if h.broken != "" {
				d.Status, d.StatusReason = "ROLLBACK_FAILED", h.broken
			}
			for i := range s.Rollouts {
				s.Rollouts[i].State = "COMPLETED"
			}
			s.Rollouts, s.CurrentDeployment = s.Rollouts[:1], ""
			if err := state.ServiceDeployments.Put(tx, d); err != nil {
				return err
			}
		}
		if err := state.Services.Put(tx, s); err != nil {
			return err
		}
		if err := tasks(tx, s); err != nil {
			return err
		}
	}
	return nil
}

// tasks makes as many running tasks as a service wants.
func tasks(tx *store.Tx, s model.Service) error {
	have := state.Tasks.By(tx, "service", s.ARN)
	if s.Status == "INACTIVE" {
		for _, t := range have {
			if err := state.Tasks.Delete(tx, t.ARN); err != nil {
				return err
			}
		}
	}
	for i := len(have); s.Status == "ACTIVE" && int64(i) < s.DesiredCount; i++ {
		id := fmt.Sprintf("%032d", i)
		t := model.Task{ARN: s.ARN + "/" + id, ID: id, Cluster: s.Cluster, Service: s.ARN, LastStatus: model.TaskRunning,
			DesiredStatus: model.TaskRunning, StartedBy: s.Rollouts[0].ID}
		if err := state.Tasks.Put(tx, t); err != nil {
			return err
		}
	}
	return nil
}

func (h *fixture) do(_ string, fn func(*store.Tx) error) {
	h.t.Helper()
	// The stand-ins write for several packages; the guard is for the controller.
	_, err := h.db.DB.Update(h.t.Context(), nil, fn)
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) del(name string) {
	h.t.Helper()
	if _, err := h.cfn.DeleteStack(h.ctx(), &shape.DeleteStackInput{StackName: &name}); err != nil {
		h.t.Fatal(err)
	}
}
