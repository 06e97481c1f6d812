// Package scaling is the controller that evaluates alarms, lets scaling policies
// act, and runs scheduled actions: it writes alarms' states, changes desired
// counts through ECS's own API as Application Auto Scaling's service-linked
// role, and records what it did and why it did not.
//
// Keys: "alarm|NAME" is one alarm, evaluated each minute of the clock;
// "target|KEY" is a scalable target, whose policies decide together when one
// of their alarms changes and, while one is in ALARM, once a minute again, as
// CloudWatch invokes scaling actions (docs/facts/deployments.md D121); "scheduled|KEY"
// is a target's scheduled actions, in the order in which they fall due. The
// controller holds nothing: how many, and whether, is plan/scaling's answer. It owns
// State, StateReason and StateData of alarms and the cooldowns of policies.
// Only the control engine calls it.
package scaling

import (
	"context"
	"strings"
	"time"

	"berth/internal/control"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
)

const name = "controllers/scaling"

// Metrics are where the points of metrics come from; *series.Store is one.
type Metrics interface {
	// Query returns the points of a metric in [from, to), joined by periods
	// that begin at multiples of period; periods without data are left out. A
	// unit of "" takes all units, each in points of its own.
	Query(m series.Metric, unit string, from, to time.Time, period time.Duration) ([]series.Point, error)
}

// Deps are what the controller needs.
type Deps struct {
	DB     *state.DB
	Series Metrics
	// As calls our own APIs as a principal.
	As    func(ident.Principal) wire.Caller
	IDs   *ident.Source
	Place ident.Place
}

// Controller evaluates alarms and acts on scaling policies.
type Controller struct{ Deps }

var _ control.Controller = (*Controller)(nil)

// New makes the controller.
func New(d Deps) *Controller { return &Controller{d} }

// Name implements control.Controller.
func (l *Controller) Name() string { return name }

// Wake implements control.Controller.
func (l *Controller) Wake() store.Rules {
	return store.Rules{
		store.On(state.Alarms, "alarm|NAME; target|KEY of the policies that it acts on", wakeAlarm),
		store.On(state.ScalableTargets, "target|KEY and scheduled|KEY", func(old, n *model.ScalableTarget) []string {
			if n == nil {
				n = old
			}
			return []string{"target|" + n.Key(), "scheduled|" + n.Key()}
		}),
		store.OnAny(state.ScalingPolicies, "target|KEY of the policy", func(p *model.ScalingPolicy) string { return "target|" + p.Target }),
		store.OnAny(state.ScheduledActions, "scheduled|KEY of the action", func(a *model.ScheduledAction) string {
			return "scheduled|" + a.Target
		}),
		store.OnAny(state.ScalingActivities, "target|KEY of the activity", func(a *model.ScalingActivity) string { return "target|" + a.Target }),
		store.OnPart(state.AutoScalingGroups, "target|KEY and scheduled|KEY of the group", groupPartOf, targetOfGroup),
		store.OnPart(state.Services, "target|KEY of the service", scaledPart, func(p servicePart) []string { return targetOf(p.arn) }),
		store.OnPart(state.Tasks, "target|KEY of the task's service", countedPart, func(p taskPart) []string { return targetOf(p.service) }),
	}
}

// servicePart and taskPart are what scaling sees of records.
type (
	servicePart struct {
		arn        string
		status     model.ServiceStatus
		deployment string
		desired    int64
	}
	taskPart struct {
		service string
		status  model.TaskStatus
	}
)

func scaledPart(s *model.Service) servicePart {
	return servicePart{s.ARN, s.Status, s.CurrentDeployment, s.DesiredCount}
}

func countedPart(t *model.Task) taskPart { return taskPart{t.Service, t.LastStatus} }

// wakeAlarm wakes an alarm that was configured, and the targets of its actions
// when its state or its actions changed.
func wakeAlarm(old, n *model.Alarm) []string {
	changed := old != nil && n != nil
	if n == nil {
		n = old
	}
	var keys []string
	configured := !changed || !old.ConfiguredAt.Equal(n.ConfiguredAt)
	if configured {
		keys = append(keys, "alarm|"+n.Name)
	}
	if !configured && old.State == n.State && old.ActionsEnabled == n.ActionsEnabled {
		return keys
	}
	for _, arn := range n.Policies() {
		if key, ok := groupAction(arn); ok {
			keys = append(keys, key)
		}
		// arn:…:scalingPolicy:ID:resource/ecs/service/C/S:policyName/P
		if _, rest, ok := strings.Cut(arn, ":resource/ecs/"); ok {
			resource, _, _ := strings.Cut(rest, ":")
			keys = append(keys, "target|"+targetKey(resource))
		}
	}
	return keys
}

// targetOf is the target of a service, arn:…:service/C/S, if there is one.
func targetOf(service string) []string {
	if service == "" {
		return nil
	}
	return []string{"target|" + targetKey(service[strings.LastIndexByte(service, ':')+1:])}
}

func targetKey(resource string) string {
	return model.ScalableTarget{Namespace: "ecs", ResourceID: resource, Dimension: "ecs:service:DesiredCount"}.Key()
}

// Reconcile implements control.Controller.
func (l *Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	kind, key, _ := strings.Cut(r.Key, "|")
	switch kind {
	case "alarm":
		return l.alarm(ctx, key, r.Now)
	case "target":
		return l.target(ctx, key, r.Now)
	default:
		return l.scheduled(ctx, key, r.Now)
	}
}

// delay is how long after the end of a minute its points are looked at: they
// are written at that moment.
const delay = 5 * time.Second

// next is how long it is until the next period's points are there.
func next(now time.Time, period time.Duration) time.Duration {
	at := now.Truncate(period).Add(min(delay, period/2))
	if !at.After(now) {
		at = at.Add(period)
	}
	return at.Sub(now)
}

// linked is the service-linked role's session.
func (l *Controller) linked() ident.Principal {
	return ident.AsService(
		l.Place, "application-autoscaling.amazonaws.com", "AWSServiceRoleForApplicationAutoScaling_ECSService",
		"AutoScaling-UpdateDesiredCapacity",
	)
}
