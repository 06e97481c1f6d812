package scaling

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	plan "berth/internal/plan/scaling"
	"berth/internal/state"
	"berth/internal/store"
)

// act lets the scaling policies of an alarm in ALARM decide and carries out
// what they say.
func (l *Loop) act(ctx context.Context, a model.Alarm, latest *plan.Point, now time.Time) error {
	for _, action := range a.AlarmActions {
		arn, _, _ := strings.Cut(action, ":createdBy/")
		p, ok := state.ScalingPolicies.Get(l.DB.View(), arn)
		if !ok || latest == nil {
			continue
		}
		if err := l.apply(ctx, a, p, latest.Value, now); err != nil {
			return err
		}
	}
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if _, ok := state.Alarms.Get(tx, a.Name); !ok {
			return nil
		}
		return state.Alarms.Edit(tx, a.Name, func(r *model.Alarm) error { r.ActedAt = now; return nil })
	})
}

// apply lets one policy decide.
func (l *Loop) apply(ctx context.Context, a model.Alarm, p model.ScalingPolicy, metric float64, now time.Time) error {
	view := l.DB.View()
	t, ok := state.ScalableTargets.Get(view, p.Target)
	if !ok {
		return nil
	}
	s, ok := service(view, t)
	if !ok {
		return nil
	}
	d := decide(view, a, p, t, facts(view, s), metric, now)
	cause := fmt.Sprintf("monitor alarm %s in state ALARM triggered policy %s", a.Name, p.Name)
	c := change{target: t, service: s, policy: p.ARN, decision: d, cause: cause, now: now}
	if !d.Out && !d.In {
		return l.refuse(ctx, c)
	}
	return l.scale(ctx, c)
}

// decide asks the plan. A target tracking policy scales in only when every
// such policy of the target would.
func decide(r store.Reader, a model.Alarm, p model.ScalingPolicy, t model.ScalableTarget, s plan.Service, metric float64, now time.Time) plan.Decision {
	switch {
	case p.Type == "StepScaling":
		return plan.Step(p, t, s, a.Threshold, metric, now)
	case strings.HasPrefix(a.Comparison, "Greater"):
		return plan.TrackOut(p, t, s, metric, now)
	}
	for _, other := range state.ScalingPolicies.By(r, "target", p.Target) {
		if other.Type == "TargetTrackingScaling" && len(other.Alarms) == 2 && !other.DisableScaleIn {
			if low, ok := state.Alarms.Get(r, other.Alarms[1]); ok && low.State != plan.Alarm {
				return plan.Decision{Why: "policy " + other.Name + " does not want to scale in"}
			}
		}
	}
	return plan.TrackIn(p, t, s, metric, now)
}

// service finds the service of a target: service/CLUSTER/NAME.
func service(r store.Reader, t model.ScalableTarget) (model.Service, bool) {
	f := strings.Split(t.ResourceID, "/")
	if len(f) != 3 {
		return model.Service{}, false
	}
	for _, s := range state.Services.By(r, "name", f[1]+"/"+f[2]) {
		if s.Status == "ACTIVE" {
			return s, true
		}
	}
	return model.Service{}, false
}

func facts(r store.Reader, s model.Service) plan.Service {
	out := plan.Service{Desired: s.DesiredCount, Deploying: s.CurrentDeployment != ""}
	for _, t := range state.Tasks.By(r, "service", s.ARN) {
		if t.LastStatus == model.TaskRunning {
			out.Running++
		}
	}
	return out
}

// change is one new desired count and what led to it.
type change struct {
	target   model.ScalableTarget
	service  model.Service
	policy   string // ARN
	decision plan.Decision
	cause    string
	now      time.Time
}

// scale sets the desired count as Application Auto Scaling does, with its
// service-linked role, and records the activity.
func (l *Loop) scale(ctx context.Context, c change) error {
	n := c.decision.Capacity
	_, err := l.Invoker.Invoke(ctx, l.principal(), "ecs", "UpdateService", map[string]any{"cluster": c.service.Cluster, "service": c.service.Name, "desiredCount": n})
	x := model.ScalingActivity{
		ID: l.IDs.UUID(), Target: c.target.Key(), Policy: c.policy, To: n, Description: fmt.Sprintf("Setting desired count to %d.", n), Cause: c.cause, StartedAt: c.now,
		Status: inProgress, Message: fmt.Sprintf("Successfully set desired count to %d. Waiting for change to be fulfilled by ecs.", n),
	}
	if err != nil {
		x.Status, x.Message, x.EndedAt = "Failed", fmt.Sprintf("Failed to set desired count to %d. Reason: %s", n, fault.MessageOf(err)), c.now
	}
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if err := state.ScalingActivities.Put(tx, x); err != nil {
			return err
		}
		if err := c.remember(tx, err == nil); err != nil {
			return err
		}
		return state.Note(tx, c.now, model.Decision{
			By: name, Subject: c.service.ARN, Verb: "scaled", Reason: x.Message + " " + c.decision.Why + ".", Cluster: c.service.Cluster, Service: c.service.ARN,
			Facts: map[string]string{"cause": c.cause},
		})
	})
}

// remember begins the policy's cooldown.
func (c change) remember(tx *store.Tx, done bool) error {
	if _, ok := state.ScalingPolicies.Get(tx, c.policy); !ok || !done {
		return nil
	}
	return state.ScalingPolicies.Edit(tx, c.policy, func(p *model.ScalingPolicy) error {
		if c.decision.Out {
			p.LastOutAt, p.LastOutFrom = c.now, c.decision.From
			p.LastInAt = time.Time{} // a scale-out breaks the cooldown of a scale-in
		} else {
			p.LastInAt = c.now
		}
		return nil
	})
}

// refuse records why nothing was done, once for each reason until something
// else happens.
func (l *Loop) refuse(ctx context.Context, c change) error {
	t, s, d, cause, policy, now := c.target, c.service, c.decision, c.cause, c.policy, c.now
	if len(d.NotScaled) == 0 {
		return nil
	}
	if last, ok := newest(l.DB.View(), t.Key()); ok && slices.Equal(last.NotScaled, d.NotScaled) && last.Cause == cause {
		return nil
	}
	x := model.ScalingActivity{
		ID: l.IDs.UUID(), Target: t.Key(), Description: "Attempting to scale due to alarm triggered", Cause: cause, StartedAt: now, EndedAt: now,
		Status: "Unfulfilled", NotScaled: d.NotScaled, Message: d.Why, Policy: policy,
	}
	switch d.NotScaled[0] {
	case plan.AtMax:
		x.Max = &t.Max
	case plan.AtMin:
		x.Min = &t.Min
	default:
		x.Current = &s.DesiredCount
	}
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if err := state.ScalingActivities.Put(tx, x); err != nil {
			return err
		}
		return state.Note(tx, now, model.Decision{
			By: name, Subject: s.ARN, Verb: "kept", Reason: "the desired count stays: " + strings.Join(d.NotScaled, ", ") + "; " + d.Why, Cluster: s.Cluster, Service: s.ARN,
			Facts: map[string]string{"cause": cause},
		})
	})
}

func newest(r store.Reader, target string) (model.ScalingActivity, bool) {
	var out model.ScalingActivity
	for _, x := range state.ScalingActivities.By(r, "target", target) {
		if out.ID == "" || x.StartedAt.After(out.StartedAt) {
			out = x
		}
	}
	return out, out.ID != ""
}

// principal is the service-linked role of Application Auto Scaling, which is
// not evaluated: it may do this by definition.
func (l *Loop) principal() ident.Principal {
	p := ident.AsRole(l.Place.GlobalARN("iam", "role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService"), "AutoScaling-UpdateDesiredCapacity")
	p.Root, p.Service = true, "ecs.application-autoscaling.amazonaws.com"
	return p
}

// inProgress is the status of an activity until its service runs what was
// asked.
const inProgress = "InProgress"

// patience is how long an activity may wait before it is called unfulfilled,
// and watch how often it is looked at.
const (
	patience = 3 * time.Hour
	watch    = 10 * time.Second
)

// activity ends an activity: fulfilled when the service runs what was asked,
// overridden when something else is wished for by now.
func (l *Loop) activity(ctx context.Context, id string, now time.Time) (control.Result, error) {
	view := l.DB.View()
	x, ok := state.ScalingActivities.Get(view, id)
	if !ok || x.Status != inProgress {
		return control.Result{}, nil
	}
	t, _ := state.ScalableTargets.Get(view, x.Target)
	s, ok := service(view, t)
	status, message := "", ""
	switch {
	case !ok || s.DesiredCount != x.To:
		status, message = "Overridden", fmt.Sprintf("Successfully set desired count to %d. Change was overridden.", x.To)
	case facts(view, s).Running == x.To:
		status, message = "Successful", fmt.Sprintf("Successfully set desired count to %d. Change successfully fulfilled by ecs.", x.To)
	case now.Sub(x.StartedAt) > patience:
		status, message = "Unfulfilled", fmt.Sprintf("Successfully set desired count to %d. Change was not fulfilled by ecs.", x.To)
	default:
		return control.Result{After: watch}, nil
	}
	return control.Result{}, l.DB.Update(ctx, name, func(tx *store.Tx) error {
		return state.ScalingActivities.Edit(tx, id, func(x *model.ScalingActivity) error {
			x.Status, x.Message, x.EndedAt = status, message, now
			return nil
		})
	})
}
