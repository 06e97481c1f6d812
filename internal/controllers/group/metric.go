package group

import (
	"context"
	"slices"
	"time"

	"berth/internal/model"
	plan "berth/internal/plan/group"
	"berth/internal/series"
	"berth/internal/state"
)

// Metrics takes metric data; *series.Store is one.
type Metrics interface {
	Put(ctx context.Context, data ...series.Datum) error
}

// publish puts the metrics that the group collects, once a minute, and says when
// the next minute begins; 0 if there are none.
func (l Controller) publish(ctx context.Context, now time.Time, g model.AutoScalingGroup) (time.Duration, error) {
	if len(g.Metrics) == 0 {
		return 0, nil
	}
	minute := now.Truncate(time.Minute)
	next := minute.Add(time.Minute).Sub(now)
	if !minute.After(l.minutes[g.Name]) {
		return next, nil
	}
	view := l.DB.View()
	if fresh, ok := state.AutoScalingGroups.Get(view, g.Name); ok {
		g = fresh
	}
	values := plan.Measure(&g, slices.Collect(state.Instances.Each(view, "group", g.Name)))
	data := make([]series.Datum, 0, len(g.Metrics))
	for _, m := range g.Metrics {
		v := float64(values[m])
		data = append(data, series.Datum{
			Metric: series.Metric{Namespace: "AWS/AutoScaling", Name: m, Dimensions: []series.Dimension{
				{Name: "AutoScalingGroupName", Value: g.Name},
			}},
			At: minute, Set: series.Set{Sum: v, Count: 1, Min: v, Max: v},
		})
	}
	if err := l.Series.Put(ctx, data...); err != nil {
		return next, err
	}
	l.minutes[g.Name] = minute
	return next, nil
}
