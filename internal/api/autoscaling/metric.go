package autoscaling

import (
	"context"
	"slices"

	"berth/internal/model"
	plan "berth/internal/plan/group"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/autoscaling"
)

// EnableMetricsCollection has metrics of a group published once a minute; none
// named are all. Errors: ValidationError, ScalingActivityInProgress.
func (a *API) EnableMetricsCollection(
	ctx context.Context, in *shape.EnableMetricsCollectionInput,
) (*shape.EnableMetricsCollectionOutput, error) {
	if wire.Val(in.Granularity) != "1Minute" {
		return nil, invalid("Granularity must be 1Minute")
	}
	return nil, a.edit(ctx, in.AutoScalingGroupName, func(_ *store.Tx, g *model.AutoScalingGroup) error {
		named, err := metrics(in.Metrics)
		g.Metrics = slices.Compact(slices.Sorted(slices.Values(append(g.Metrics, named...))))
		return err
	})
}

// DisableMetricsCollection ends that; none named are all. Errors:
// ValidationError, ScalingActivityInProgress.
func (a *API) DisableMetricsCollection(
	ctx context.Context, in *shape.DisableMetricsCollectionInput,
) (*shape.DisableMetricsCollectionOutput, error) {
	return nil, a.edit(ctx, in.AutoScalingGroupName, func(_ *store.Tx, g *model.AutoScalingGroup) error {
		named, err := metrics(in.Metrics)
		g.Metrics = slices.DeleteFunc(g.Metrics, func(m string) bool { return slices.Contains(named, m) })
		return err
	})
}

// metrics are those that are named, or all.
func metrics(named []string) ([]string, error) {
	if len(named) == 0 {
		return plan.Metrics, nil
	}
	for _, m := range named {
		if !slices.Contains(plan.Metrics, m) {
			return nil, invalid("Metric %s is not one of a group in Berth, which has no warm pools", m)
		}
	}
	return named, nil
}

func showMetrics(g model.AutoScalingGroup) []shape.EnabledMetric {
	out := []shape.EnabledMetric{}
	for _, m := range g.Metrics {
		out = append(out, shape.EnabledMetric{Metric: &m, Granularity: wire.Ptr("1Minute")})
	}
	return out
}
