// Package scaling is the loop that evaluates alarms, lets scaling policies
// act, and runs scheduled actions: it writes alarms' states, changes desired
// counts through ECS's own API as Application Auto Scaling's service-linked
// role, and records what it did and why it did not.
//
// Keys: "alarm|NAME" is one alarm, evaluated each minute of the clock;
// "target|KEY" is a scalable target, whose policies decide together when one
// of their alarms changes and, while one is in ALARM, once a minute again, as
// CloudWatch invokes scaling actions (docs/facts/deployments.md D121); "scheduled|KEY"
// is a target's scheduled actions, in the order in which they fall due. The
// loop holds nothing: how many, and whether, is plan/scaling's answer. It owns
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

// Deps are what the loop needs.
type Deps struct {
	DB     *state.DB
	Series Metrics
	// As calls our own APIs as a principal.
	As    func(ident.Principal) wire.Caller
	IDs   *ident.Source
	Place ident.Place
}

// Loop is the loop.
type Loop struct{ Deps }

var _ control.Loop = (*Loop)(nil)

// New makes the loop.
func New(d Deps) *Loop { return &Loop{d} }

// Name implements control.Loop.
func (l *Loop) Name() string { return name }

// Wake implements control.Loop.
func (l *Loop) Wake(c store.Change) []string {
	switch n := either(c).(type) {
	case model.Alarm:
		return wakeAlarm(c, n)
	case model.ScalableTarget:
		return []string{"target|" + n.Key(), "scheduled|" + n.Key()}
	case model.ScalingPolicy:
		return []string{"target|" + n.Target}
	case model.ScheduledAction:
		return []string{"scheduled|" + n.Target}
	case model.ScalingActivity:
		return []string{"target|" + n.Target}
	case model.Service:
		if o, ok := c.Old.(model.Service); ok && c.New != nil && o.DesiredCount == n.DesiredCount && o.Status == n.Status && o.CurrentDeployment == n.CurrentDeployment {
			return nil
		}
		return targetOf(n.ARN)
	case model.Task:
		if o, ok := c.Old.(model.Task); n.Service == "" || ok && c.New != nil && o.LastStatus == n.LastStatus {
			return nil
		}
		return targetOf(n.Service)
	}
	return nil
}

func either(c store.Change) any {
	if c.New != nil {
		return c.New
	}
	return c.Old
}

// wakeAlarm wakes an alarm that was configured, and the targets of its actions
// when its state or its actions changed.
func wakeAlarm(c store.Change, n model.Alarm) []string {
	var keys []string
	o, ok := c.Old.(model.Alarm)
	if !ok || c.New == nil || !o.ConfiguredAt.Equal(n.ConfiguredAt) {
		keys = append(keys, "alarm|"+n.Name)
	}
	if ok && c.New != nil && o.State == n.State && o.ActionsEnabled == n.ActionsEnabled && o.ConfiguredAt.Equal(n.ConfiguredAt) {
		return keys
	}
	for _, arn := range n.Policies() {
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
	return []string{"target|" + targetKey(service[strings.LastIndexByte(service, ':')+1:])}
}

func targetKey(resource string) string {
	return model.ScalableTarget{Namespace: "ecs", ResourceID: resource, Dimension: "ecs:service:DesiredCount"}.Key()
}

// Reconcile implements control.Loop.
func (l *Loop) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
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
func (l *Loop) linked() ident.Principal {
	return ident.AsService(l.Place, "application-autoscaling.amazonaws.com", "AWSServiceRoleForApplicationAutoScaling_ECSService", "AutoScaling-UpdateDesiredCapacity")
}
