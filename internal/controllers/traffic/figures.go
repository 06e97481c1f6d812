package traffic

import (
	"context"
	"maps"
	"slices"
	"time"

	"berth/internal/balancer"
	"berth/internal/control"
)

// Counter is an Edge that counts.
type Counter interface {
	// Counters returns all counters and the name of the process that counts
	// them: with another process they start again.
	Counters(ctx context.Context) (epoch string, all []balancer.Counters, err error)
}

// Metrics takes metric data of namespace AWS/ApplicationELB.
type Metrics interface {
	// Count notes one figure: values[i] was seen counts[i] times in the
	// minute that begins at at.
	Count(ctx context.Context, at time.Time, metric, unit string, dimensions map[string]string, values, counts []float64) error
}

// figures are the counters that were last seen.
type figures struct {
	epoch string
	at    time.Time
	seen  map[string]balancer.Counters
}

type counted struct {
	epoch string
	all   []balancer.Counters
}

const jobCounters = "edge counters"

// figures turns counters into the metrics of each minute. What was counted
// before the server started is left out: nobody knows when it happened.
func (l *Controller) figures(ctx context.Context, now time.Time) (control.Result, error) {
	c, ok := l.Edge.(Counter)
	if !ok || l.Metrics == nil || l.Jobs == nil {
		return control.Result{}, nil
	}
	res, err, running, done := l.Jobs.Take(jobCounters)
	switch {
	case running:
		return control.Result{}, nil
	case !done:
		if wait := time.Minute - now.Sub(l.last.at); wait > 0 && !l.last.at.IsZero() {
			return control.Result{After: wait}, nil
		}
		l.Jobs.Start(name, keyFigures, jobCounters, func(ctx context.Context) (any, error) {
			epoch, all, err := c.Counters(ctx)
			return counted{epoch, all}, err
		})
		return control.Result{After: time.Minute}, nil
	case err != nil:
		return control.Result{After: time.Minute}, nil //nolint:nilerr // the data plane is being restarted
	}
	got := res.(counted)
	was := l.last
	l.last = figures{epoch: got.epoch, at: now, seen: map[string]balancer.Counters{}}
	minute := now.Truncate(time.Minute)
	for _, x := range got.all {
		key := x.LoadBalancer + "|" + x.Group
		l.last.seen[key] = x
		old, known := was.seen[key]
		if was.epoch != got.epoch && was.epoch != "" {
			old, known = balancer.Counters{}, true
		}
		if !known && was.epoch == "" {
			continue
		}
		if err := l.count(ctx, minute, old, x); err != nil {
			return control.Result{}, err
		}
	}
	return control.Result{After: time.Minute}, nil
}

func (l *Controller) count(ctx context.Context, at time.Time, old, x balancer.Counters) error {
	dims := map[string]string{"LoadBalancer": x.LoadBalancer}
	if x.Group != "" {
		dims["TargetGroup"] = x.Group
	}
	one := []float64{1}
	for _, metric := range sortedKeys(x.Values) {
		// ALB reports most counts only when they are not zero.
		n := x.Values[metric] - min(old.Values[metric], x.Values[metric])
		if n == 0 && metric != "RequestCount" {
			continue
		}
		unit := "Count"
		if metric == "ProcessedBytes" {
			unit = "Bytes"
		}
		if err := l.Metrics.Count(ctx, at, metric, unit, dims, []float64{float64(n)}, one); err != nil {
			return err
		}
	}
	if err := l.perTarget(ctx, at, old, x, dims); err != nil {
		return err
	}
	for _, metric := range sortedKeys(x.Gauges) {
		if err := l.Metrics.Count(ctx, at, metric, "Count", dims, []float64{x.Gauges[metric]}, one); err != nil {
			return err
		}
	}
	return l.times(ctx, at, old, x, dims)
}

// perTarget is RequestCountPerTarget, which has the target group alone as a
// dimension, too: target tracking uses that one.
func (l *Controller) perTarget(ctx context.Context, at time.Time, old, x balancer.Counters, dims map[string]string) error {
	healthy := x.Gauges["HealthyHostCount"]
	if x.Group == "" || healthy == 0 {
		return nil
	}
	n := float64(x.Values["RequestCount"]-min(old.Values["RequestCount"], x.Values["RequestCount"])) / healthy
	for _, d := range []map[string]string{dims, {"TargetGroup": x.Group}} {
		if err := l.Metrics.Count(ctx, at, "RequestCountPerTarget", "Count", d, []float64{n}, []float64{1}); err != nil {
			return err
		}
	}
	return nil
}

func (l *Controller) times(ctx context.Context, at time.Time, old, x balancer.Counters, dims map[string]string) error {
	var values, counts []float64
	for i, n := range x.Times {
		if i < len(old.Times) {
			n -= min(old.Times[i], n)
		}
		if n > 0 {
			values, counts = append(values, balancer.TimeBucket(i)), append(counts, float64(n))
		}
	}
	if len(values) == 0 {
		return nil
	}
	return l.Metrics.Count(ctx, at, "TargetResponseTime", "Seconds", dims, values, counts)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
