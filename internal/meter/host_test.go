package meter_test

import (
	"testing"
	"time"

	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

// Proves: E14
func TestCPUOfInstancesAndGroups(t *testing.T) {
	w := newWorld(t)
	w.write(func(tx *store.Tx) error {
		for _, i := range []model.Instance{
			{ID: "i-1", Group: "g", Connected: true, Registered: model.Resources{CPU: 2048}},
			{ID: "i-2", Group: "g", Connected: true, Registered: model.Resources{CPU: 1024}},
			{ID: "i-3", Connected: true, Registered: model.Resources{CPU: 1024}},
			{ID: "i-4", Group: "g", Registered: model.Resources{CPU: 1024}},
		} {
			i.ARN, i.Kind, i.State = "arn:"+i.ID, model.KindEC2, model.InstanceRunning
			if err := state.Instances.Put(tx, i); err != nil {
				return err
			}
		}
		return nil
	})
	alone := model.Task{ARN: "arn:t", ID: "t", Cluster: "c", Instance: "arn:i-1", LastStatus: model.TaskRunning,
		DesiredStatus: model.TaskRunning}
	w.write(func(tx *store.Tx) error { return state.Tasks.Put(tx, alone) })
	w.sample(alone, 100, 10)
	w.tick(time.Minute)
	for _, c := range []struct {
		name, value   string
		average, most float64
	}{
		{"InstanceId", "i-1", 50, 50}, {"InstanceId", "i-2", 0, 0}, {"InstanceId", "i-3", 0, 0}, {"AutoScalingGroupName", "g", 25, 50},
	} {
		m := series.Metric{Namespace: "AWS/EC2", Name: "CPUUtilization", Dimensions: []series.Dimension{{Name: c.name, Value: c.value}}}
		points, err := w.data.Query(m, "Percent", start.Add(-time.Hour), w.now.Add(time.Hour), time.Minute)
		if err != nil || len(points) != 1 {
			t.Errorf("%s: %d points: %v", c.value, len(points), err)
			continue
		}
		if got, _ := points[0].Set.Statistic("Average"); got != c.average || points[0].Set.Max != c.most {
			t.Errorf("%s: %g, at most %g, want %g and %g", c.value, got, points[0].Set.Max, c.average, c.most)
		}
	}
	none := series.Metric{Namespace: "AWS/EC2", Name: "CPUUtilization", Dimensions: []series.Dimension{{Name: "InstanceId", Value: "i-4"}}}
	if points, _ := w.data.Query(none, "Percent", start.Add(-time.Hour), w.now.Add(time.Hour), time.Minute); len(points) != 0 {
		t.Errorf("one without an agent has %d points", len(points))
	}
}
