// Package service is the controller that keeps services: it looks at one service,
// asks plan/rollout what should be, writes that in one transaction, and acts
// where a deployment acts on others: it changes listener rules as the load
// balancer role and calls lifecycle hooks as the hook role, both through our
// own API with validation and IAM, as ECS does.
//
// Its key is a service's ARN; records that do not name their service wake it
// under an alias ("task|…", "instance|…", "cluster|…", "alarm|…"). It owns the deployments,
// stages, events and rollouts of services and the request that their tasks stop.
// It places nothing, registers no target and waits for nobody: a hook's call
// is a job, and one that was lost by a restart is made again.
package service

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/control"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/plan/rollout"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
)

const name = "controllers/service"

// Deps are what the controller works with.
type Deps struct {
	DB  *state.DB
	IDs *ident.Source
	// As calls our own APIs as a principal.
	As     func(ident.Principal) wire.Caller
	Access control.Access
	Jobs   control.Jobs
	// Options are the choices that AWS does not document.
	Options rollout.Options
}

// Controller is controllers/service as the engine runs it. It is used by one goroutine at a time.
type Controller struct {
	Deps
	kept kept
}

// New makes the controller.
func New(d Deps) *Controller { return &Controller{d, keep(d.DB)} }

// Name is the controller's name.
func (l *Controller) Name() string { return name }

// Wake says which services a change concerns.
func (l *Controller) Wake() store.Rules {
	return store.Rules{
		store.OnAny(state.Services, "the service", func(s *model.Service) string { return s.ARN }),
		store.OnAny(state.ServiceDeployments, "the deployment's service", func(d *model.ServiceDeployment) string { return d.Service }),
		store.OnPart(state.Tasks, "the task's service", seen, func(s rollout.Seen) []string { return store.Key(s.Service) }),
		store.On(state.Targets, "group|ARN of the target, or task|ARN when it goes", serves),
		store.On(state.ListenerRules, "rule|ARN, when it is in force", cameIntoForce),
		store.OnAny(state.Alarms, "alarm|NAME", func(a *model.Alarm) string { return alias("alarm", a.Name) }),
		store.On(state.Instances, "instance|ARN, when it begins to be emptied", drained),
		store.OnPart(state.Instances, "cluster|NAME, for its daemons", hostOf, hostsOf),
	}
}

// alias is the key under which a record wakes services that it does not name.
func alias(kind, id string) string {
	if id == "" {
		return ""
	}
	return kind + "|" + id
}

// seen is what a decision sees of a task, but that it has proven its health,
// which is our own writing: only of one that ends, or evens the zones out, is
// it asked later.
func seen(t *model.Task) rollout.Seen {
	s := rollout.See(t)
	s.Proven = s.Proven && (t.Balancing || t.DesiredStatus == model.TaskStopped)
	return s
}

// serves wakes for a target of a task whose state changes: many of a group do
// so at once, and one look is enough for all. When one goes, the group may no
// longer lead to the task.
func serves(old, t *model.Target) []string {
	switch {
	case t == nil:
		return store.Key(alias("task", old.Task))
	case t.Task == "" || old != nil && old.State == t.State && old.Description == t.Description:
		return nil
	}
	return store.Key(alias("group", t.Group))
}

// cameIntoForce wakes for a rule on which a shift of traffic may wait.
func cameIntoForce(old, r *model.ListenerRule) []string {
	if old == nil || r == nil || old.InForce() || !r.InForce() {
		return nil
	}
	return []string{alias("rule", r.ARN)}
}

// drained wakes for an instance that begins to be emptied.
func drained(old, i *model.Instance) []string {
	if i == nil || !emptying(i) || old != nil && emptying(old) {
		return nil
	}
	return []string{alias("instance", i.ARN)}
}

func emptying(i *model.Instance) bool {
	return i.Status == model.ContainerInstanceDraining || i.Goal == model.GoalDrain || i.Goal == model.GoalTerminate
}

// Reconcile brings the services of a key nearer to what they should be.
func (l *Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	var res control.Result
	for _, arn := range services(l.DB.View(), r.Key) {
		after, err := l.serve(ctx, arn, r.Now)
		if err != nil {
			return res, err
		}
		if after > 0 && (res.After == 0 || after < res.After) {
			res.After = after
		}
	}
	return res, nil
}

// services resolves a key to the services it concerns.
func services(v store.Reader, key string) []string {
	kind, id, alias := strings.Cut(key, "|")
	var out []string
	add := func(arn string) {
		if arn != "" && !slices.Contains(out, arn) {
			out = append(out, arn)
		}
	}
	switch {
	case !alias:
		add(key)
	case kind == "task":
		t, _ := state.Tasks.Get(v, id)
		add(t.Service)
	case kind == "group":
		for t := range state.Targets.Each(v, "group", id) {
			if task := state.Tasks.Ref(v, t.Task); task != nil {
				add(task.Service)
			}
		}
	case kind == "instance":
		for _, t := range state.Tasks.By(v, "instance", id) {
			add(t.Service)
		}
	case kind == "cluster":
		for s := range state.Services.Each(v, "cluster", id) {
			if s.SchedulingStrategy == model.SchedulingDaemon {
				add(s.ARN)
			}
		}
	case kind == "rule":
		for _, d := range state.ServiceDeployments.All(v) {
			if rev, ok := state.ServiceRevisions.Get(v, d.Target); ok && !d.Status.Final() && usesRule(rev, id) {
				add(d.Service)
			}
		}
	case kind == "alarm":
		for _, d := range state.ServiceDeployments.All(v) {
			if !d.Status.Final() && slices.Contains(d.Config.Alarms, id) {
				add(d.Service)
			}
		}
	}
	return out
}

func usesRule(rev model.ServiceRevision, rule string) bool {
	return slices.ContainsFunc(rev.LoadBalancers, func(lb model.ServiceLoadBalancer) bool {
		return lb.ProductionListenerRule == rule || lb.TestListenerRule == rule
	})
}

// soon is how long to wait before looking at what an act has changed.
const soon = time.Nanosecond

func (l *Controller) serve(ctx context.Context, arn string, now time.Time) (time.Duration, error) {
	v := l.DB.View()
	s, ok := state.Services.Get(v, arn)
	if !ok || s.Status == model.ServiceInactive {
		return 0, nil
	}
	in := input{now: now, seed: sync.OnceValue(l.IDs.Uint64), options: l.Options}
	in.calling, in.replies = l.answers(v, s)
	plan, err := l.decide(ctx, v, arn, in)
	if err != nil {
		return 0, err
	}
	l.call(plan.Calls, s.ARN)
	if len(plan.Shifts) == 0 {
		return until(plan.At, now), nil
	}
	in.calling, in.replies = nil, nil
	if in.refusal, in.refusalCause, err = l.shift(ctx, plan.Shifts, s.ARN); err != nil || in.refusal == "" {
		return soon, err
	}
	in.calling, in.replies = l.answers(l.DB.View(), s)
	plan, err = l.decide(ctx, l.DB.View(), arn, in)
	l.call(plan.Calls, s.ARN)
	return soon, err
}

func until(at, now time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return max(at.Sub(now), soon)
}

// decide asks for a plan on a snapshot; if there is something to write, and
// others have written meanwhile, it asks again inside the transaction, so that
// what is written fits what is there then.
func (l *Controller) decide(ctx context.Context, v *store.View, arn string, in input) (rollout.Plan, error) {
	plan := rollout.Decide(world(v, l.kept.at(v), arn, in))
	if !changes(v, plan) {
		return plan, nil
	}
	in.seed() // no transaction draws
	err := l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if s, ok := state.Services.Get(tx, arn); !ok || s.Status == model.ServiceInactive {
			plan = rollout.Plan{}
			return nil
		}
		if tx.Revision() != v.Revision()+1 {
			plan = rollout.Decide(world(tx, inside(tx), arn, in))
		}
		return apply(tx, plan, in)
	})
	return plan, err
}
