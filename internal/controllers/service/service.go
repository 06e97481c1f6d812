// Package service is the loop that keeps services: it looks at one service,
// asks plan/rollout what should be, writes that in one transaction, and acts
// where a deployment acts on others: it changes listener rules as the load
// balancer role and calls lifecycle hooks as the hook role, both through our
// own API with validation and IAM, as ECS does.
//
// Its key is a service's ARN; records that do not name their service wake it
// under an alias ("task|…", "instance|…", "alarm|…"). It owns the deployments,
// stages, events and rollouts of services and the wish that their tasks stop.
// It places nothing, registers no target and waits for nobody: a hook's call
// is a job, and one that was lost by a restart is made again.
package service

import (
	"context"
	"slices"
	"strings"
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

// Deps are what the loop works with.
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

// Loop is the service loop. It is used by one goroutine at a time.
type Loop struct{ Deps }

// New makes the loop.
func New(d Deps) *Loop { return &Loop{d} }

// Name is the loop's name.
func (l *Loop) Name() string { return name }

// Wake says which services a change concerns.
func (l *Loop) Wake(c store.Change) []string {
	switch c.Table {
	case state.Services.Name():
		return keys(c, func(s model.Service) string { return s.ARN })
	case state.ServiceDeployments.Name():
		return keys(c, func(d model.ServiceDeployment) string { return d.Service })
	case state.Tasks.Name():
		return keys(c, func(t model.Task) string { return t.Service })
	case state.Targets.Name():
		return prefixed("task|", keys(c, func(t model.Target) string { return t.Task }))
	case state.ListenerRules.Name():
		return prefixed("rule|", cameIntoForce(c))
	case state.Alarms.Name():
		return prefixed("alarm|", keys(c, func(a model.Alarm) string { return a.Name }))
	case state.Instances.Name():
		return prefixed("instance|", keys(c, func(i model.Instance) string { return drained(c, i) }))
	default:
		return nil
	}
}

// cameIntoForce is the ARN of a rule for which a shift of traffic may wait.
func cameIntoForce(c store.Change) []string {
	was, _ := c.Old.(model.ListenerRule)
	if r, ok := c.New.(model.ListenerRule); ok && r.InForce() && !was.InForce() {
		return []string{r.ARN}
	}
	return nil
}

// drained is the ARN of an instance that begins to be emptied, else "".
func drained(c store.Change, i model.Instance) string {
	was, _ := c.Old.(model.Instance)
	if emptying(i) && !emptying(was) {
		return i.ARN
	}
	return ""
}

func emptying(i model.Instance) bool {
	return i.Status == "DRAINING" || i.Goal == "DRAIN" || i.Goal == "TERMINATE"
}

// keys takes a key from what a record was and is.
func keys[T any](c store.Change, key func(T) string) []string {
	var out []string
	for _, v := range []any{c.Old, c.New} {
		if r, ok := v.(T); ok {
			if k := key(r); k != "" && !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out
}

func prefixed(prefix string, ks []string) []string {
	for i := range ks {
		ks[i] = prefix + ks[i]
	}
	return ks
}

// Reconcile brings the services of a key nearer to what they should be.
func (l *Loop) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
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
	case kind == "instance":
		for _, t := range state.Tasks.By(v, "instance", id) {
			add(t.Service)
		}
	case kind == "rule":
		for _, d := range state.ServiceDeployments.All(v) {
			if rev, ok := state.ServiceRevisions.Get(v, d.Target); ok && !rollout.Final(d.Status) && usesRule(rev, id) {
				add(d.Service)
			}
		}
	case kind == "alarm":
		for _, d := range state.ServiceDeployments.All(v) {
			if !rollout.Final(d.Status) && slices.Contains(d.Config.Alarms, id) {
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

func (l *Loop) serve(ctx context.Context, arn string, now time.Time) (time.Duration, error) {
	v := l.DB.View()
	s, ok := state.Services.Get(v, arn)
	if !ok || s.Status == "INACTIVE" {
		return 0, nil
	}
	in := input{now: now, seed: l.IDs.Uint64(), options: l.Options}
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
	if in.refusal, err = l.shift(ctx, plan.Shifts); err != nil || in.refusal == "" {
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

// decide asks for a plan on a snapshot; if there is something to write, it
// asks again inside the transaction, so that what is written fits what is
// there then.
func (l *Loop) decide(ctx context.Context, v store.Reader, arn string, in input) (rollout.Plan, error) {
	plan := rollout.Decide(world(v, arn, in))
	if !changes(v, plan) {
		return plan, nil
	}
	err := l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if s, ok := state.Services.Get(tx, arn); !ok || s.Status == "INACTIVE" {
			plan = rollout.Plan{}
			return nil
		}
		plan = rollout.Decide(world(tx, arn, in))
		return apply(tx, plan, in)
	})
	return plan, err
}
