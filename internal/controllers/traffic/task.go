package traffic

import (
	"context"
	"fmt"
	"slices"
	"time"

	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// session is the name under which ECS's scheduler uses a service's role.
const session = "ecs-service-scheduler"

// lookAgain is how soon a task is looked at again that waits for the data
// plane or for a permission, on the control plane's clock. Reports and changes
// wake the controller sooner.
const lookAgain = 5 * time.Second

// move is what one task should become, and the targets that go with it.
type move struct {
	task     model.Task
	to       model.TaskStatus
	register []model.Target
	drain    []string // keys of targets to drain
	why      string
}

// round is one look at the tasks of a service.
type round struct {
	controller *Controller
	view       *store.View
	now        time.Time
	service    string
	data       *facts // what the data plane says; nil where nobody asked
	moves      []move
	wait       bool
	errors     []model.ServiceEvent // without id and time
}

// tasks moves the tasks of a service, or one without a service, on.
func (l *Controller) tasks(ctx context.Context, now time.Time, service string, ts []model.Task) (control.Result, error) {
	return l.turn(ctx, &round{controller: l, view: l.DB.View(), now: now, service: service}, ts)
}

func (l *Controller) turn(ctx context.Context, r *round, ts []model.Task) (control.Result, error) {
	for _, t := range ts {
		if concerns(&t) {
			r.plan(t)
		}
	}
	if err := r.write(ctx); err != nil {
		return control.Result{}, err
	}
	if r.wait {
		return control.Result{After: lookAgain}, nil
	}
	return control.Result{}, nil
}

// plan decides about one task.
func (r *round) plan(t model.Task) {
	stop := t.DesiredStatus == model.TaskStopped
	targets := state.Targets.By(r.view, "task", t.ARN)
	live := slices.DeleteFunc(slices.Clone(targets), func(x model.Target) bool { return !x.DrainingAt.IsZero() })
	switch {
	case t.LastStatus == model.TaskDeactivating && len(live) == 0:
		r.leaveTask(t, targets)
	case stop && len(live) > 0:
		r.deregister(t, live)
	case t.LastStatus == model.TaskDeactivating:
		r.deregister(t, live)
	case stop:
		r.moves = append(r.moves, move{task: t, to: model.TaskStopping, why: "nothing to drain"})
	case t.LastStatus == model.TaskActivating:
		r.register(t)
	}
}

// register registers a task's targets, after which it runs.
func (r *round) register(t model.Task) {
	m := move{task: t, to: model.TaskRunning, why: "nothing to register"}
	for _, lb := range t.LoadBalancers {
		if lb.TargetGroupARN == "" {
			continue
		}
		if err := r.allowed(t, lb, "RegisterTargets"); err != nil {
			r.refused("register", lb.TargetGroupARN, err)
			return
		}
		x, ok := r.target(t, lb)
		if !ok {
			r.wait = true
			return
		}
		m.register = append(m.register, x)
	}
	if n := len(m.register); n > 0 {
		m.why = fmt.Sprintf("registered with %d target groups", n)
	}
	r.moves = append(r.moves, m)
}

// target is what a task registers: the address of its own interface, or the
// instance where the group's targets are instances. ok is false while that is
// not known.
func (r *round) target(t model.Task, lb model.ServiceLoadBalancer) (x model.Target, ok bool) {
	x = model.Target{Group: lb.TargetGroupARN, Port: lb.ContainerPort, Task: t.ARN, RegisteredAt: r.now}
	if g, _ := state.TargetGroups.Get(r.view, lb.TargetGroupARN); g.TargetType == "instance" {
		i, found := state.Instances.One(r.view, "arn", t.Instance)
		x.ID, x.Zone = i.ID, i.AvailabilityZone
		if x.Port = hostPort(r.view, t, lb); x.Port == 0 {
			return x, false
		}
		return x, found
	}
	n, found := state.NetworkInterfaces.Get(r.view, t.ENI)
	x.ID, x.Zone = n.IP, n.AvailabilityZone
	return x, found && n.IP != ""
}

// hostPort is the instance's port that leads to a container's; 0 while that is
// not known.
func hostPort(r store.Reader, t model.Task, lb model.ServiceLoadBalancer) int64 {
	for _, c := range t.Containers {
		for _, b := range c.Bindings {
			if c.Name == lb.ContainerName && b.ContainerPort == lb.ContainerPort {
				return b.HostPort
			}
		}
	}
	if d := state.TaskDefinitions.Ref(r, t.TaskDefinition); d != nil && d.NetworkMode == model.NetworkBridge {
		return 0
	}
	return lb.ContainerPort
}

// deregister begins to drain a task's targets.
func (r *round) deregister(t model.Task, live []model.Target) {
	m := move{task: t, to: model.TaskDeactivating, why: "its targets are draining"}
	for _, x := range live {
		lb := r.balancerOf(t, x.Group)
		if err := r.allowed(t, lb, "DeregisterTargets"); err != nil && !fault.Is(err, fault.NotFound) {
			// The task is stopped all the same: a lost permission must not
			// keep it running for ever. Its target stays, and fails.
			r.refused("deregister", x.Group, err)
			r.wait = false
			continue
		}
		m.drain = append(m.drain, state.TargetKey(x.Group, x.ID, x.Port))
	}
	if len(m.drain) == 0 {
		m.to, m.why = model.TaskStopping, "its targets could not be deregistered"
	}
	r.moves = append(r.moves, m)
}

// balancerOf finds what ties a task to a group; after a swap of the groups
// the roles stay those of the only entry.
func (r *round) balancerOf(t model.Task, group string) model.ServiceLoadBalancer {
	for _, lb := range t.LoadBalancers {
		if lb.TargetGroupARN == group {
			return lb
		}
	}
	if len(t.LoadBalancers) > 0 {
		lb := t.LoadBalancers[0]
		lb.TargetGroupARN = group
		return lb
	}
	return model.ServiceLoadBalancer{TargetGroupARN: group}
}

// leaveTask lets a task go whose targets are all draining: when the data
// plane knows that and has none of its requests in flight, or the delay has
// ended (docs/facts/deployments.md D113: ECS does not wait out the whole delay). That
// is decided where the data plane was just configured from the same view.
func (r *round) leaveTask(t model.Task, targets []model.Target) {
	if r.data == nil {
		return // the targets' change, or a report, wakes the key of the edge
	}
	for _, x := range targets {
		rep, ok := r.data.of(x)
		over := !r.now.Before(x.DrainingAt.Add(drainDelay(r.view, x.Group)))
		if !r.data.heard(x) || !over && (!r.data.known || ok && rep.InFlight > 0) {
			return
		}
	}
	r.moves = append(r.moves, move{task: t, to: model.TaskStopping, why: "its targets have no requests in flight"})
}

// allowed asks IAM for the role that the service gave; without one ECS uses
// its service-linked role, which may do this.
func (r *round) allowed(t model.Task, lb model.ServiceLoadBalancer, action string) error {
	if _, ok := state.TargetGroups.Get(r.view, lb.TargetGroupARN); !ok {
		return fault.New(fault.NotFound, "TargetGroupNotFound", "One or more target groups not found")
	}
	role := lb.RoleARN
	if role == "" {
		if s, ok := state.Services.Get(r.view, t.Service); ok {
			role = s.RoleARN
		}
	}
	if role == "" || isServiceLinked(role) || r.controller.Access == nil {
		return nil
	}
	p, err := r.controller.Access.Assume(r.view, control.Assumption{
		Service: "ecs.amazonaws.com", Role: role, Session: session, For: t.Service,
	})
	if err != nil {
		return err
	}
	return r.controller.Access.Allow(r.view, p, "elasticloadbalancing:"+action, lb.TargetGroupARN, nil)
}

func (r *round) refused(verb, group string, err error) {
	r.wait = true
	e := model.ServiceEvent{
		Message: fmt.Sprintf("failed to %s targets in (target-group %s) with (error %s)", verb, group, fault.MessageOf(err)),
	}
	if verb == "register" {
		e.Cause = model.Cause{Code: model.CauseRegister, Facts: fault.FactsOf(err)}
	}
	if !slices.ContainsFunc(r.errors, func(o model.ServiceEvent) bool { return o.Message == e.Message }) {
		r.errors = append(r.errors, e)
	}
}

// write makes all moves in one transaction, if the tasks are still as they
// were seen.
func (r *round) write(ctx context.Context) error {
	if len(r.moves)+len(r.errors) == 0 {
		return nil
	}
	events := r.events()
	ids := make([]string, len(events))
	for i := range ids {
		ids[i] = r.controller.IDs.UUID()
	}
	return r.controller.DB.Update(ctx, name, func(tx *store.Tx) error {
		for _, m := range r.moves {
			if err := r.apply(tx, m); err != nil {
				return err
			}
		}
		if r.service == "" || len(events) == 0 {
			return nil
		}
		s, ok := state.Services.Get(tx, r.service)
		if !ok {
			return nil
		}
		return state.Services.Edit(tx, r.service, func(x *model.Service) error {
			for i, e := range events {
				e.ID, e.At, e.Message = ids[i], r.now, fmt.Sprintf("(service %s) %s", s.Name, e.Message)
				if len(r.moves) == 0 && repeated(*x, e.Message) {
					continue
				}
				state.ServiceEvent(x, e)
			}
			return nil
		})
	})
}

// repeated reports whether a refusal was told among the newest events, so
// that trying again does not fill the list.
func repeated(s model.Service, text string) bool {
	return slices.ContainsFunc(s.Events[:min(len(s.Events), 20)], func(e model.ServiceEvent) bool { return e.Message == text })
}

func (r *round) apply(tx *store.Tx, m move) error {
	t, ok := state.Tasks.Get(tx, m.task.ARN)
	if !ok || t.LastStatus != m.task.LastStatus || t.DesiredStatus != m.task.DesiredStatus {
		return fault.New(fault.Conflict, "", "task %s has changed", m.task.ID)
	}
	for _, x := range m.register {
		if err := state.Targets.Put(tx, x); err != nil {
			return err
		}
	}
	for _, key := range m.drain {
		err := state.Targets.Edit(tx, key, func(x *model.Target) error { x.DrainingAt = r.now; return nil })
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	err := state.Tasks.Edit(tx, t.ARN, func(t *model.Task) error {
		if t.LastStatus != m.to {
			t.LastStatus, t.StatusAt = m.to, r.now
			t.Version++
		}
		switch {
		case m.to == model.TaskRunning && t.StartedAt.IsZero():
			t.StartedAt = r.now
		case m.to == model.TaskDeactivating && t.DeregisteredAt.IsZero():
			t.DeregisteredAt = r.now
		}
		return nil
	})
	if err != nil {
		return err
	}
	return state.Note(tx, r.now, model.Decision{
		By: name, Subject: t.ARN, Verb: "state", Reason: "the task is " + string(m.to) + ": " + m.why, Cluster: t.Cluster, Service: t.Service,
	})
}

// events tells what happened in ECS's words, target groups in order.
func (r *round) events() []model.ServiceEvent {
	in, gone := map[string]int{}, map[string]int{}
	var groups []string
	note := func(m map[string]int, g string) {
		m[g]++
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	draining := 0
	for _, m := range r.moves {
		for _, x := range m.register {
			note(in, x.Group)
		}
		if len(m.drain) > 0 {
			draining++
		}
		for _, lb := range state.Targets.By(r.view, "task", m.task.ARN) {
			if slices.Contains(m.drain, state.TargetKey(lb.Group, lb.ID, lb.Port)) {
				note(gone, lb.Group)
			}
		}
	}
	slices.Sort(groups)
	var out []model.ServiceEvent
	tell := func(format string, args ...any) {
		out = append(out, model.ServiceEvent{Message: fmt.Sprintf(format, args...)})
	}
	for _, g := range groups {
		if in[g] > 0 {
			tell("registered %d targets in (target-group %s)", in[g], g)
		}
		if gone[g] > 0 {
			tell("deregistered %d targets in (target-group %s)", gone[g], g)
		}
	}
	if draining > 0 {
		tell("has begun draining connections on %d tasks.", draining)
	}
	return append(out, r.errors...)
}

// leave lets tasks go that wait for the data plane, which was configured from
// that view.
func (l *Controller) leave(ctx context.Context, view *store.View, data *facts) error {
	byService := map[string][]model.Task{}
	var order []string
	for _, t := range state.Tasks.By(view, "status", string(model.TaskDeactivating)) {
		if byService[t.Service] == nil {
			order = append(order, t.Service)
		}
		byService[t.Service] = append(byService[t.Service], t)
	}
	for _, s := range order {
		r := &round{controller: l, view: view, now: data.now, service: s, data: data}
		if _, err := l.turn(ctx, r, byService[s]); err != nil {
			return err
		}
	}
	return nil
}

func isServiceLinked(role string) bool {
	const mark = ":role/aws-service-role/"
	for i := 0; i+len(mark) <= len(role); i++ {
		if role[i:i+len(mark)] == mark {
			return true
		}
	}
	return false
}
