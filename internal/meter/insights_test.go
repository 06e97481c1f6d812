package meter_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/dispatch"
	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

// insight is the newest value of a metric of Container Insights, "" if there is
// none.
func (w *world) insight(name string, dims ...string) string {
	w.Helper()
	m := series.Metric{Namespace: "ECS/ContainerInsights", Name: name, Dimensions: []series.Dimension{{Name: "ClusterName", Value: "c"}}}
	for i := 0; i < len(dims); i += 2 {
		m.Dimensions = append(m.Dimensions, series.Dimension{Name: dims[i], Value: dims[i+1]})
	}
	points, err := w.data.Query(m, "", start.Add(-time.Hour), w.now.Add(time.Hour), time.Minute)
	if err != nil {
		w.Fatal(err)
	}
	if len(points) == 0 {
		return ""
	}
	p := points[len(points)-1]
	v, _ := p.Set.Statistic("Average")
	return fmt.Sprintf("%g %s", v, p.Unit)
}

func (w *world) cluster(setting string) {
	w.write(func(tx *store.Tx) error {
		return state.Clusters.Put(tx, model.Cluster{
			Name: "c", ARN: "arn:c", Status: model.ClusterActive, Settings: map[string]string{model.SettingInsights: setting},
		})
	})
}

// Proves: D99
func TestContainerInsights(t *testing.T) {
	w := newWorld(t)
	w.cluster(model.InsightsEnabled)
	served := w.task("served", string(model.TaskRunning), 256, 512)
	alone := w.task("alone", string(model.TaskRunning), 0, 128)
	pending := w.task("pending", string(model.TaskPending), 256, 512)
	w.write(func(tx *store.Tx) error {
		served.TaskDefinition, alone.TaskDefinition, alone.Service, pending.TaskDefinition = "arn:web", "arn:job", "", "arn:web"
		for _, x := range []model.Task{served, alone, pending} {
			if err := state.Tasks.Put(tx, x); err != nil {
				return err
			}
		}
		for _, d := range []model.TaskDefinition{
			{ARN: "arn:web", Family: "web", Revision: 1, NetworkMode: "awsvpc"}, {ARN: "arn:job", Family: "job", Revision: 1, NetworkMode: "bridge"},
		} {
			if err := state.TaskDefinitions.Put(tx, d); err != nil {
				return err
			}
		}
		for _, i := range []model.Instance{
			{ID: "i-1", ARN: "arn:1", Cluster: "c", Status: model.ContainerInstanceActive, State: model.InstanceRunning},
			{ID: "i-2", ARN: "arn:2", Cluster: "c", State: model.InstancePending},
		} {
			if err := state.Instances.Put(tx, i); err != nil {
				return err
			}
		}
		return state.Services.Edit(tx, "arn:s", func(s *model.Service) error {
			s.DesiredCount, s.Rollouts = 2, []model.Rollout{{ID: "r"}}
			return nil
		})
	})
	w.tick(0)
	of := func(v float64) dispatch.Figures { return dispatch.Figures{Min: v, Max: v, Sum: 4 * v, Count: 4} }
	for task, containers := range map[string]int{"served": 2, "alone": 2} {
		for range 2 { // two samples of the minute
			s := dispatch.Sample{Task: model.Task{ARN: task}, At: w.now}
			for range containers {
				s.Containers = append(s.Containers, dispatch.ContainerSample{
					CPU: of(5), Memory: of(10), RxBytesPerSec: 100, TxBytesPerSec: 50, ReadBytes: 4096, WriteBytes: 1024,
				})
			}
			if err := w.meter.Put(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.tick(time.Minute)
	service, family := []string{"ServiceName", "web"}, []string{"TaskDefinitionFamily", "job"}
	got := map[string]string{}
	for _, name := range []string{
		"ContainerInstanceCount", "ServiceCount", "TaskCount", "CpuReserved", "CpuUtilized", "MemoryReserved", "MemoryUtilized",
		"NetworkRxBytes", "StorageWriteBytes",
	} {
		got[name] = w.insight(name)
	}
	for _, name := range []string{
		"DesiredTaskCount", "RunningTaskCount", "PendingTaskCount", "DeploymentCount", "CpuReserved", "NetworkTxBytes",
	} {
		got["service "+name] = w.insight(name, service...)
	}
	for _, name := range []string{"CpuReserved", "MemoryUtilized", "NetworkTxBytes", "StorageReadBytes"} {
		got["family "+name] = w.insight(name, family...)
	}
	want := map[string]string{
		"ContainerInstanceCount": "1 Count", "ServiceCount": "1 Count", "TaskCount": "2 Count", "CpuReserved": "256 None",
		"CpuUtilized": "102.4 None", "MemoryReserved": "640 Megabytes", "MemoryUtilized": "40 Megabytes",
		"NetworkRxBytes": "300 Bytes/Second", "StorageWriteBytes": "8192 Bytes",
		"service DesiredTaskCount": "2 Count", "service RunningTaskCount": "1 Count", "service PendingTaskCount": "1 Count",
		"service DeploymentCount": "1 Count", "service CpuReserved": "256 None", "service NetworkTxBytes": "50 Bytes/Second",
		"family CpuReserved": "", "family MemoryUtilized": "20 Megabytes", "family NetworkTxBytes": "100 Bytes/Second",
		"family StorageReadBytes": "16384 Bytes",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestClustersThatDoNotAskHaveNoInsights(t *testing.T) {
	w := newWorld(t)
	w.cluster(model.InsightsDisabled)
	x := w.task("t", string(model.TaskRunning), 256, 512)
	w.tick(0)
	w.sample(x, 10, 10)
	w.tick(time.Minute)
	if got := w.insight("TaskCount") + w.insight("CpuReserved"); got != "" {
		t.Errorf("metrics: %s", got)
	}
}

// What is reserved is known of a task whose agent says nothing.
func TestInsightsOfASilentTask(t *testing.T) {
	w := newWorld(t)
	w.cluster(model.InsightsEnabled)
	w.task("t", string(model.TaskRunning), 256, 512)
	w.tick(0)
	w.tick(time.Minute)
	if got := w.insight("CpuReserved") + w.insight("CpuUtilized"); got != "256 None" {
		t.Errorf("metrics: %s", got)
	}
}
