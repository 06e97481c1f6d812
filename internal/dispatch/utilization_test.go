package dispatch_test

import (
	"testing"
	"time"

	"berth/internal/dispatch"
	"berth/internal/model"
	"berth/internal/series"
)

func TestUtilizationIsAShareOfWhatTheTaskReserves(t *testing.T) {
	s, err := series.Memory()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.Date(2026, 8, 1, 0, 0, 20, 0, time.UTC)
	task := model.Task{Cluster: "c", Service: "arn:s", Group: "service:web", CPU: 256, Memory: 512}
	for _, percent := range []float64{10, 20} { // of one core; 25 is all that 256 units are
		err := dispatch.Utilization(s).Put(t.Context(), dispatch.Sample{Task: task, At: at, Containers: []dispatch.ContainerSample{
			{CPU: dispatch.Figures{Sum: 2 * percent, Count: 2}, Memory: dispatch.Figures{Sum: 128, Count: 1}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]float64{"CPUUtilization": 60, "MemoryUtilization": 25} {
		m := series.Metric{Namespace: "AWS/ECS", Name: name, Dimensions: []series.Dimension{{Name: "ClusterName", Value: "c"}, {Name: "ServiceName", Value: "web"}}}
		ps, err := s.Query(m, "Percent", at.Add(-time.Minute), at.Add(time.Minute), time.Minute)
		if err != nil || len(ps) != 1 {
			t.Fatalf("%s: %+v, %v", name, ps, err)
		}
		if got, _ := ps[0].Set.Statistic("Average"); got != want {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
}
