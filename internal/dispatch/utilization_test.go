package dispatch_test

import (
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/dispatch"
	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

func TestUtilizationIsAShareOfWhatTheTaskReserves(t *testing.T) {
	s, err := series.Memory()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	at := time.Date(2026, 8, 1, 0, 0, 20, 0, time.UTC)
	fast, real := clock.NewStepped(at), clock.NewStepped(at)
	u := dispatch.NewUtilization(dispatch.UtilizationDeps{DB: db, Series: s, Clock: fast, Real: real})
	task := model.Task{ARN: "t", Cluster: "c", Service: "arn:s", Group: "service:web", CPU: 256, Memory: 512, LastStatus: model.TaskRunning}
	if err := db.Update(t.Context(), "test", func(tx *store.Tx) error { return state.Tasks.Put(tx, task) }); err != nil {
		t.Fatal(err)
	}
	for _, percent := range []float64{20, 10} { // of one core; 25 is all that 256 units are
		err := u.Put(t.Context(), dispatch.Sample{Task: task, At: at, Containers: []dispatch.ContainerSample{
			{CPU: dispatch.Figures{Sum: 2 * percent, Count: 2}, Memory: dispatch.Figures{Sum: 128, Count: 1}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	query := func(name string) []series.Point {
		t.Helper()
		m := series.Metric{Namespace: "AWS/ECS", Name: name, Dimensions: []series.Dimension{{Name: "ClusterName", Value: "c"}, {Name: "ServiceName", Value: "web"}}}
		ps, err := s.Query(m, "Percent", at.Add(-time.Minute), at.Add(time.Hour), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return ps
	}
	for name, want := range map[string]float64{"CPUUtilization": 60, "MemoryUtilization": 25} {
		ps := query(name)
		if got, _ := ps[0].Set.Statistic("Average"); len(ps) != 1 || got != want {
			t.Errorf("%s is %g in %d points, want %g", name, got, len(ps), want)
		}
	}
	// On a fast clock the newest sample stands for the minutes until the next.
	for range 7 {
		fast.Advance(time.Minute)
		real.Advance(3 * time.Second)
		for range 2 {
			if err := u.Repeat(t.Context(), fast.Now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	ps := query("CPUUtilization")
	if got, _ := ps[7].Set.Statistic("Average"); len(ps) != 8 || got != 40 || ps[7].Set.Count != 1 {
		t.Errorf("%d points, the last %g", len(ps), got)
	}
	real.Advance(time.Minute)
	fast.Advance(time.Minute)
	if err := u.Repeat(t.Context(), fast.Now()); err != nil {
		t.Fatal(err)
	}
	if ps := query("CPUUtilization"); len(ps) != 8 {
		t.Errorf("an agent that is silent still counts: %d points", len(ps))
	}
}
