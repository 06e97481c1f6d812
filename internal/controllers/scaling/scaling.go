// Package scaling evaluates alarms and lets scaling policies act: it writes
// alarms' states, sets desired counts through the ordinary API, and records
// what it did and why it did not.
//
// Keys: "alarm|NAME" is one alarm, looked at once a period; "activity|ID" is
// a scaling activity that is over when the service runs what was asked. An
// alarm that stays in ALARM acts again every minute, as CloudWatch's do for
// scaling policies (facts/deployments 3.2). The loop holds nothing; how many
// is plan/scaling's answer.
package scaling

import (
	"context"
	"strings"
	"time"

	"berth/internal/control"
	"berth/internal/ident"
	"berth/internal/model"
	plan "berth/internal/plan/scaling"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

const name = "controllers/scaling"

// Deps are what the loop needs.
type Deps struct {
	DB      *state.DB
	Series  *series.Store
	Invoker control.Invoker
	IDs     *ident.Source
	Place   ident.Place
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
	switch x := c.New.(type) {
	case model.Alarm:
		return []string{"alarm|" + x.Name}
	case model.ScalingActivity:
		if x.Status == inProgress {
			return []string{"activity|" + x.ID}
		}
	}
	return nil
}

// Reconcile implements control.Loop.
func (l *Loop) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	kind, key, _ := strings.Cut(r.Key, "|")
	if kind == "activity" {
		return l.activity(ctx, key, r.Now)
	}
	return l.alarm(ctx, key, r.Now)
}

// delay is how long after the end of a period its points are looked at: they
// come every 20 seconds.
const delay = 5 * time.Second

// every is how often an alarm acts while it stays in ALARM.
const every = time.Minute

// alarm evaluates one alarm and lets it act.
func (l *Loop) alarm(ctx context.Context, key string, now time.Time) (control.Result, error) {
	a, ok := state.Alarms.Get(l.DB.View(), key)
	if !ok {
		return control.Result{}, nil
	}
	latest, err := l.evaluate(ctx, &a, now)
	if err != nil {
		return control.Result{}, err
	}
	if a.State == plan.Alarm && a.ActionsEnabled && now.Sub(a.ActedAt) >= every {
		if err := l.act(ctx, a, latest, now); err != nil {
			return control.Result{}, err
		}
	}
	return control.Result{After: next(a, now)}, nil
}

// next is when the alarm's next period is there to be looked at.
func next(a model.Alarm, now time.Time) time.Duration {
	period := time.Duration(a.Period) * time.Second
	end := now.Truncate(period).Add(delay)
	for !end.After(now) {
		end = end.Add(period)
	}
	return min(end.Sub(now), every)
}

// evaluate brings the alarm's state up to date, in a and in the store.
func (l *Loop) evaluate(ctx context.Context, a *model.Alarm, now time.Time) (*plan.Point, error) {
	points, err := l.points(*a, now)
	if err != nil {
		return nil, err
	}
	v := plan.Evaluate(*a, points)
	// A state that was set by hand holds until a period has passed.
	if v.State == a.State || now.Sub(a.StateAt) < min(time.Duration(a.Period)*time.Second, every) && !a.StateAt.Equal(a.ConfiguredAt) {
		return v.Latest, nil
	}
	was := a.State
	a.State, a.StateReason, a.StateAt, a.TransitionedAt = v.State, v.Reason, now, now
	x := *a
	return v.Latest, l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if _, ok := state.Alarms.Get(tx, x.Name); !ok {
			return nil
		}
		err := state.Alarms.Edit(tx, x.Name, func(r *model.Alarm) error {
			r.State, r.StateReason, r.StateAt, r.TransitionedAt, r.StateData = x.State, x.StateReason, now, now, ""
			return nil
		})
		if err != nil {
			return err
		}
		return state.Note(tx, now, model.Decision{
			By: name, Subject: x.ARN, Verb: "alarm", Reason: "Alarm updated from " + was + " to " + x.State, Facts: map[string]string{"reason": x.StateReason},
		})
	})
}

// points reads what an evaluation needs.
func (l *Loop) points(a model.Alarm, now time.Time) ([]plan.Point, error) {
	from, to := plan.Window(a, now)
	m := series.Metric{Namespace: a.Namespace, Name: a.Metric}
	for _, d := range a.Dimensions {
		m.Dimensions = append(m.Dimensions, series.Dimension{Name: d.Name, Value: d.Value})
	}
	found, err := l.Series.Query(m, a.Unit, from, to, time.Duration(a.Period)*time.Second)
	if err != nil {
		return nil, err
	}
	statistic := a.Statistic
	if statistic == "" {
		statistic = a.ExtendedStatistic
	}
	var out []plan.Point
	for _, p := range found {
		if v, ok := p.Set.Statistic(statistic); ok {
			out = append(out, plan.Point{At: p.At, Value: v})
		}
	}
	return out, nil
}
