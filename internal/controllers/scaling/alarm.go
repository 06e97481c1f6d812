package scaling

import (
	"context"
	"time"

	"berth/internal/control"
	"berth/internal/model"
	plan "berth/internal/plan/scaling"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

// alarm evaluates one alarm, and writes its state when it changes. A state
// that was set by hand holds until then.
func (l *Controller) alarm(ctx context.Context, key string, now time.Time) (control.Result, error) {
	a, ok := state.Alarms.Get(l.DB.View(), key)
	if !ok {
		return control.Result{}, nil
	}
	again := control.Result{After: next(now, plan.Every(a))}
	v, err := l.evaluate(a, now)
	if err != nil || v.State == a.State {
		return again, err
	}
	return again, l.DB.Update(ctx, name, func(tx *store.Tx) error { return turn(tx, a, v, now) })
}

// evaluate judges an alarm by the points that there are.
func (l *Controller) evaluate(a model.Alarm, now time.Time) (plan.Verdict, error) {
	points, err := l.points(a, now)
	if err != nil {
		return plan.Verdict{}, err
	}
	return plan.Evaluate(a, points, now), nil
}

// turn writes the new state of an alarm, unless it was configured anew.
func turn(tx *store.Tx, was model.Alarm, v plan.Verdict, now time.Time) error {
	a, ok := state.Alarms.Get(tx, was.Name)
	if !ok || !a.ConfiguredAt.Equal(was.ConfiguredAt) || a.State != was.State {
		return nil
	}
	err := state.Alarms.Edit(tx, a.Name, func(a *model.Alarm) error {
		a.State, a.StateReason, a.StateData, a.StateAt, a.TransitionedAt = v.State, v.Reason, v.Data, now, now
		return nil
	})
	if err != nil {
		return err
	}
	return state.Note(tx, now, model.Decision{
		By: name, Subject: a.ARN, Verb: "alarm", Reason: "Alarm updated from " + string(a.State) + " to " + string(v.State),
		Facts: map[string]string{"reason": v.Reason},
	})
}

// points reads what an evaluation needs. A period of several minutes ends with
// the last whole minute, not with a multiple of itself: it is made of minutes.
func (l *Controller) points(a model.Alarm, now time.Time) ([]plan.Point, error) {
	m := series.Metric{Namespace: a.Namespace, Name: a.Metric}
	for _, d := range a.Dimensions {
		m.Dimensions = append(m.Dimensions, series.Dimension{Name: d.Name, Value: d.Value})
	}
	from, to := plan.Window(a, now)
	found, err := l.Series.Query(m, a.Unit, from, to, plan.Every(a))
	if err != nil {
		return nil, err
	}
	period := time.Duration(a.Period) * time.Second
	sets := map[time.Time]series.Set{}
	for _, p := range found {
		if p.At.Before(from) || !p.At.Before(to) {
			continue
		}
		at := from.Add(p.At.Sub(from) / period * period)
		sets[at] = sets[at].Add(p.Set)
	}
	statistic := a.Statistic
	if statistic == "" {
		statistic = a.ExtendedStatistic
	}
	var out []plan.Point
	for at, set := range sets {
		if v, ok := set.Statistic(statistic); ok {
			out = append(out, plan.Point{At: at, Value: v, Count: set.Count})
		}
	}
	return out, nil // Evaluate puts them in order
}
