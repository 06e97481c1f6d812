package meter

import (
	"slices"
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

// insightsSpace is the namespace of Container Insights
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html).
const insightsSpace = "ECS/ContainerInsights"

// insights are the metrics of Container Insights for one minute, by name and
// dimensions.
type insights map[string]*insight

type insight struct {
	metric series.Metric
	unit   string
	value  float64
}

// add adds a value to a metric, under dimensions given as name, value, ….
func (in insights) add(name, unit string, value float64, dims ...string) {
	key := name + "\x00" + strings.Join(dims, "\x00")
	if in[key] == nil {
		m := series.Metric{Namespace: insightsSpace, Name: name}
		for i := 0; i < len(dims); i += 2 {
			m.Dimensions = append(m.Dimensions, series.Dimension{Name: dims[i], Value: dims[i+1]})
		}
		in[key] = &insight{metric: m, unit: unit}
	}
	in[key].value += value
}

// data are the values as they stand at a minute, in the order of their names.
func (in insights) data(at time.Time) []series.Datum {
	keys := make([]string, 0, len(in))
	for key := range in {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	out := make([]series.Datum, 0, len(keys))
	for _, key := range keys {
		i := in[key]
		out = append(out, series.Datum{Metric: i.metric, At: at, Unit: i.unit, Set: series.Observed([]float64{i.value}, nil)})
	}
	return out
}

// insights gathers the metrics of all clusters that ask for them.
func (m *Meter) insights(view store.Reader) insights {
	out := insights{}
	for _, c := range state.Clusters.All(view) {
		if c.Status == model.ClusterActive && c.Insights() {
			m.cluster(view, out, c.Name)
		}
	}
	return out
}

// cluster adds the counts of a cluster and of its services, and what its tasks
// reserve and use.
func (m *Meter) cluster(view store.Reader, out insights, name string) {
	of := []string{"ClusterName", name}
	for _, metric := range []string{"ContainerInstanceCount", "ServiceCount", "TaskCount"} {
		out.add(metric, "Count", 0, of...)
	}
	for i := range state.Instances.Each(view, "cluster", name) {
		if i.Status == model.ContainerInstanceActive || i.Status == model.ContainerInstanceDraining {
			out.add("ContainerInstanceCount", "Count", 1, of...)
		}
	}
	services := map[string]string{}
	for s := range state.Services.Each(view, "cluster", name) {
		if s.Status == model.ServiceInactive {
			continue
		}
		services[s.ARN] = s.Name
		out.add("ServiceCount", "Count", 1, of...)
		dims := append(slices.Clone(of), "ServiceName", s.Name)
		out.add("DesiredTaskCount", "Count", float64(s.DesiredCount), dims...)
		out.add("DeploymentCount", "Count", float64(len(s.Rollouts)), dims...)
		out.add("RunningTaskCount", "Count", 0, dims...)
		out.add("PendingTaskCount", "Count", 0, dims...)
	}
	for t := range state.Tasks.Each(view, "cluster", name) {
		m.task(view, out, t, services[t.Service])
	}
}

// task adds one task to its cluster's metrics, its family's and its service's.
func (m *Meter) task(view store.Reader, out insights, t *model.Task, service string) {
	cluster := []string{"ClusterName", t.Cluster}
	if service != "" {
		dims := append(slices.Clone(cluster), "ServiceName", service)
		switch {
		case t.LastStatus == model.TaskRunning:
			out.add("RunningTaskCount", "Count", 1, dims...)
		case t.LastStatus.Before(model.TaskRunning) && t.DesiredStatus == model.TaskRunning:
			out.add("PendingTaskCount", "Count", 1, dims...)
		}
	}
	if t.LastStatus != model.TaskRunning {
		return
	}
	out.add("TaskCount", "Count", 1, cluster...)
	d := state.TaskDefinitions.Ref(view, t.TaskDefinition)
	groups := [][]string{cluster}
	if d != nil {
		groups = append(groups, append(slices.Clone(cluster), "TaskDefinitionFamily", d.Family))
	}
	if service != "" {
		groups = append(groups, append(slices.Clone(cluster), "ServiceName", service))
	}
	for _, v := range m.taskValues(t, d) {
		for _, dims := range groups {
			out.add(v.name, v.unit, v.value, dims...)
		}
	}
}

type taskValue struct {
	name, unit string
	value      float64
}

// taskValues are what a task reserves and uses. CPU and memory are only told of
// tasks that reserve some, and the network of those that have one of their own.
func (m *Meter) taskValues(t *model.Task, d *model.TaskDefinition) []taskValue {
	u, known := m.newest(t.ARN)
	var out []taskValue
	of := reserved(t, d)
	for i, metric := range []struct {
		name, unit string
		used       span
	}{{"Cpu", "None", u.cpu}, {"Memory", "Megabytes", u.memory}} {
		if of[i] <= 0 {
			continue
		}
		out = append(out, taskValue{metric.name + "Reserved", metric.unit, of[i]})
		if known {
			out = append(out, taskValue{metric.name + "Utilized", metric.unit, metric.used.mean})
		}
	}
	if !known {
		return out
	}
	out = append(out, taskValue{"StorageReadBytes", "Bytes", u.storage[0]}, taskValue{"StorageWriteBytes", "Bytes", u.storage[1]})
	if d == nil || d.NetworkMode == "host" || d.NetworkMode == "none" {
		return out
	}
	network := u.network
	if d.Awsvpc() {
		network = u.most // all containers have the same interface
	}
	return append(out, taskValue{"NetworkRxBytes", "Bytes/Second", network[0]}, taskValue{"NetworkTxBytes", "Bytes/Second", network[1]})
}

// newest are the figures of a task that stand for the minute that has ended.
func (m *Meter) newest(task string) (usage, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.tasks[task]
	if h == nil || m.Real.Now().Sub(h.at) > fresh {
		return usage{}, false
	}
	return h.now, true
}
