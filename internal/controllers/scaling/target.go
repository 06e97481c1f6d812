package scaling

import (
	"context"
	"slices"
	"strings"
	"time"

	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/model"
	plan "berth/internal/plan/scaling"
	"berth/internal/state"
	"berth/internal/store"
	shape "berth/internal/wire/shape/applicationautoscaling"
)

// target lets the policies of one target decide, and ends its activities.
func (l *Controller) target(ctx context.Context, key string, now time.Time) (control.Result, error) {
	view := l.DB.View()
	if g, ok := groupOf(view, key); ok {
		return l.group(ctx, g, now)
	}
	t, ok := state.ScalableTargets.Get(view, key)
	if !ok {
		return control.Result{}, nil
	}
	s, ok := service(view, t)
	if !ok {
		return control.Result{}, l.deregister(ctx, t)
	}
	if err := l.conclude(ctx, t, s, now); err != nil {
		return control.Result{}, err
	}
	if s.Status != model.ServiceActive {
		return control.Result{}, nil
	}
	w, err := l.world(view, t, s, now)
	if err != nil {
		return control.Result{}, err
	}
	p := plan.Decide(w)
	if err := l.refuse(ctx, t, s, p.Kept, now); err != nil {
		return control.Result{}, err
	}
	if p.Scale != nil {
		if err := l.scale(ctx, w, s, *p.Scale); err != nil {
			return control.Result{}, err
		}
	}
	if p.Scale == nil && len(p.Kept) == 0 && !open(view, key) {
		return control.Result{}, nil
	}
	return control.Result{After: next(now, time.Minute)}, nil
}

// service finds the service of a target: service/CLUSTER/NAME.
func service(r store.Reader, t model.ScalableTarget) (model.Service, bool) {
	s, ok := state.Services.One(r, "name", strings.TrimPrefix(t.ResourceID, "service/"))
	return s, ok && s.Status != model.ServiceInactive
}

// deregister forgets the target of a service that is gone.
func (l *Controller) deregister(ctx context.Context, t model.ScalableTarget) error {
	_, err := shape.Client{Caller: l.As(l.linked())}.DeregisterScalableTarget(ctx, &shape.DeregisterScalableTargetInput{
		ServiceNamespace: &t.Namespace, ResourceId: &t.ResourceID, ScalableDimension: &t.Dimension,
	})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// world reads what a decision needs: alarms count whose actions, in their
// present state, name a policy.
func (l *Controller) world(r store.Reader, t model.ScalableTarget, s model.Service, now time.Time) (plan.World, error) {
	w := plan.World{Now: now, Target: t, Desired: s.DesiredCount, Running: running(r, s), Deploying: s.CurrentDeployment != ""}
	for _, p := range state.ScalingPolicies.By(r, "target", t.Key()) {
		signals, err := l.signals(r, p, now)
		if err != nil {
			return w, err
		}
		w.Policies = append(w.Policies, plan.Policy{ScalingPolicy: p, Signals: signals})
	}
	return w, nil
}

// signals are the alarms that trigger a policy now.
func (l *Controller) signals(r store.Reader, p model.ScalingPolicy, now time.Time) ([]plan.Signal, error) {
	var out []plan.Signal
	for _, a := range state.Alarms.By(r, "policy", p.ARN) {
		if !triggers(a, p.ARN) {
			continue
		}
		v, err := l.evaluate(a, now)
		if err != nil {
			return nil, err
		}
		out = append(out, plan.Signal{Alarm: a, Points: v.Points, Fires: fires(a, now)})
	}
	return out, nil
}

func running(r store.Reader, s model.Service) (n int64) {
	for _, t := range state.Tasks.By(r, "service", s.ARN) {
		if t.LastStatus == model.TaskRunning {
			n++
		}
	}
	return n
}

// triggers reports whether an alarm, in its present state, triggers a policy.
func triggers(a model.Alarm, policy string) bool {
	return a.ActionsEnabled && slices.ContainsFunc(a.Actions(), func(action string) bool { return model.PolicyOf(action) == policy })
}

// lull is how long an alarm that has acted does not act again: a minute, less
// what a look may have been late.
const lull = time.Minute - delay

// fires reports whether an alarm's actions are due: they are when it comes
// into its state, and then once a minute.
func fires(a model.Alarm, now time.Time) bool {
	return a.TransitionedAt.After(a.ActedAt) || now.Sub(a.ActedAt) >= lull
}
