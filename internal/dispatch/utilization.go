package dispatch

import (
	"context"

	"berth/internal/series"
)

// utilization keeps samples as the metrics of AWS/ECS.
type utilization struct{ out series.Namespace }

// Utilization makes a Metrics that keeps CPUUtilization and MemoryUtilization
// of each service in AWS/ECS. Each sample of a task is one observation in
// percent of what the task reserves, so that the average over a minute is the
// service's (facts/deployments 3.3): all tasks of a service reserve the same.
func Utilization(s *series.Store) Metrics { return utilization{s.In("AWS/ECS")} }

// Put implements Metrics. A task without a service has no metrics there.
func (u utilization) Put(ctx context.Context, s Sample) error {
	service := s.Task.Group[min(len("service:"), len(s.Task.Group)):]
	if s.Task.Service == "" || service == "" {
		return nil
	}
	dims := map[string]string{"ClusterName": s.Task.Cluster, "ServiceName": service}
	var units, memory float64
	seen := false
	for _, c := range s.Containers {
		units += c.CPU.mean() / 100 * 1024
		memory += c.Memory.mean()
		seen = seen || c.CPU.Count > 0
	}
	if !seen {
		return nil
	}
	for _, m := range []struct {
		name     string
		used     float64
		reserved int64
	}{{"CPUUtilization", units, s.Task.CPU}, {"MemoryUtilization", memory, s.Task.Memory}} {
		if m.reserved <= 0 {
			continue
		}
		if err := u.out.Count(ctx, s.At, m.name, "Percent", dims, []float64{100 * m.used / float64(m.reserved)}, []float64{1}); err != nil {
			return err
		}
	}
	return nil
}

func (f Figures) mean() float64 {
	if f.Count == 0 {
		return 0
	}
	return f.Sum / float64(f.Count)
}
