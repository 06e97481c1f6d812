package meter

import (
	"cmp"
	"slices"
	"time"

	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

// host is the CPU of an instance, or of a group's, in percent.
type host struct {
	dimension series.Dimension
	cpu       series.Set
}

// hosts are the EC2 instances whose agents are connected, and their groups. An
// instance without tasks rests. Other processes of an instance are not measured.
func (m *Meter) hosts(view store.Reader) []host {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.Real.Now()
	var out []host
	groups := map[string]series.Set{}
	for _, i := range state.Instances.All(view) {
		if i.Kind != model.KindEC2 || i.State != model.InstanceRunning || !i.Connected || i.Registered.CPU <= 0 {
			continue
		}
		var used float64
		for t := range state.Tasks.Each(view, "instance", i.ARN) {
			if h := m.tasks[t.ARN]; h != nil && now.Sub(h.at) <= fresh && t.LastStatus == model.TaskRunning {
				used += h.now.cpu.mean
			}
		}
		share := min(used/float64(i.Registered.CPU)*100, 100)
		set := series.Set{Sum: share, Count: 1, Min: share, Max: share}
		out = append(out, host{series.Dimension{Name: "InstanceId", Value: i.ID}, set})
		if i.Group != "" {
			groups[i.Group] = groups[i.Group].Add(set)
		}
	}
	for _, h := range m.tasks {
		h.open = false
	}
	for name, set := range groups {
		out = append(out, host{series.Dimension{Name: "AutoScalingGroupName", Value: name}, set})
	}
	slices.SortFunc(out, func(x, y host) int {
		return cmp.Or(cmp.Compare(x.dimension.Name, y.dimension.Name), cmp.Compare(x.dimension.Value, y.dimension.Value))
	})
	return out
}

func (h host) data(at time.Time) series.Datum {
	return series.Datum{
		Metric: series.Metric{Namespace: "AWS/EC2", Name: "CPUUtilization", Dimensions: []series.Dimension{h.dimension}}, At: at,
		Unit: "Percent", Set: h.cpu,
	}
}
