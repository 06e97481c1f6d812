package meter_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/dispatch"
	"berth/internal/meter"
	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

// world has one service, and a clock of the control plane beside the real one.
type world struct {
	testing.TB
	meter *meter.Meter
	db    *state.DB
	data  *series.Store
	real  *clock.Stepped
	now   time.Time
}

var start = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	data, err := series.Memory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(); _ = data.Close() })
	w := &world{TB: t, db: db, data: data, real: clock.NewStepped(start), now: start}
	w.meter = meter.New(meter.Deps{DB: db, Real: w.real, Series: data})
	w.write(func(tx *store.Tx) error {
		return state.Services.Put(tx, model.Service{ARN: "arn:s", Name: "web", Cluster: "c", Status: model.ServiceActive})
	})
	return w
}

func (w *world) write(fn func(*store.Tx) error) {
	w.Helper()
	if err := w.db.Update(w.Context(), "test", fn); err != nil {
		w.Fatal(err)
	}
}

func (w *world) task(arn, status string, cpu, memory int64) model.Task {
	t := model.Task{
		ARN: arn, ID: arn, Cluster: "c", Service: "arn:s", LastStatus: model.TaskStatus(status), DesiredStatus: model.TaskRunning, CPU: cpu,
		Memory: memory,
	}
	w.write(func(tx *store.Tx) error { return state.Tasks.Put(tx, t) })
	return t
}

// sample is what an agent sends: percent of one core, and MiB.
func (w *world) sample(t model.Task, cpu, memory float64) {
	w.Helper()
	of := func(v float64) dispatch.Figures { return dispatch.Figures{Min: v, Max: v, Sum: 4 * v, Count: 4} }
	if err := w.meter.Put(w.Context(), dispatch.Sample{
		Task: t, At: w.now, Containers: []dispatch.ContainerSample{{Name: "a", CPU: of(cpu), Memory: of(memory)}},
	}); err != nil {
		w.Fatal(err)
	}
}

// tick lets the control plane's clock move on and the loop look.
func (w *world) tick(d time.Duration) time.Duration {
	w.Helper()
	w.now = w.now.Add(d)
	r, err := w.meter.Reconcile(w.Context(), control.Request{Key: "minute", Now: w.now})
	if err != nil {
		w.Fatal(err)
	}
	return r.After
}

// values are the averages of each minute since the start.
func (w *world) values(metric string) []float64 {
	w.Helper()
	m := series.Metric{
		Namespace: "AWS/ECS", Name: metric,
		Dimensions: []series.Dimension{{Name: "ServiceName", Value: "web"}, {Name: "ClusterName", Value: "c"}},
	}
	points, err := w.data.Query(m, "Percent", start.Add(-time.Hour), w.now.Add(time.Hour), time.Minute)
	if err != nil {
		w.Fatal(err)
	}
	var out []float64
	for _, p := range points {
		v, _ := p.Set.Statistic("Average")
		out = append(out, math.Round(v*1000)/1000)
	}
	return out
}

func equal(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Abs(a[i]-b[i]) > 1e-6 {
			return false
		}
	}
	return true
}

// TestUtilizationIsUsedOverReserved: both colours, one point a
// minute.
//
// Proves: D80
func TestUtilizationIsUsedOverReserved(t *testing.T) {
	w := newWorld(t)
	blue, green := w.task("blue", string(model.TaskRunning), 256, 512), w.task("green", string(model.TaskRunning), 256, 512)
	w.task("silent", string(model.TaskRunning), 256, 512)
	w.tick(10 * time.Second)
	w.sample(blue, 20, 256) // 204.8 of 256 units
	w.sample(green, 5, 128) // 51.2 of 256 units
	if after := w.tick(50 * time.Second); after != time.Minute {
		t.Errorf("it looks again after %s", after)
	}
	if got := w.values("CPUUtilization"); !equal(got, []float64{50}) {
		t.Errorf("CPU %v", got)
	}
	if got := w.values("MemoryUtilization"); !equal(got, []float64{37.5}) {
		t.Errorf("memory %v", got)
	}
}

func TestSamplesOfAMinuteAreJoined(t *testing.T) {
	w := newWorld(t)
	x := w.task("t", string(model.TaskRunning), 1024, 1024)
	w.tick(0)
	for _, cpu := range []float64{10, 20, 60} {
		w.sample(x, cpu, 100)
	}
	w.tick(time.Minute)
	w.sample(x, 90, 100)
	w.tick(time.Minute)
	if got := w.values("CPUUtilization"); !equal(got, []float64{30, 90}) {
		t.Errorf("%v", got)
	}
}

func TestFiguresStandWhileTheyAreFreshInRealTime(t *testing.T) {
	w := newWorld(t)
	x := w.task("t", string(model.TaskRunning), 1024, 1024)
	w.tick(0)
	w.sample(x, 40, 100)
	for range 20 { // a clock 60 times as fast: 20 minutes in 20 seconds
		w.real.Advance(time.Second)
		w.tick(time.Minute)
	}
	if got := w.values("CPUUtilization"); len(got) != 20 || got[19] != 40 {
		t.Errorf("%v", got)
	}
	w.real.Advance(time.Minute)
	w.tick(time.Minute)
	if got := w.values("CPUUtilization"); len(got) != 20 {
		t.Errorf("an agent that is silent for 80 seconds still counts: %v", got)
	}
}

func TestAJumpOfTheClockIsFilledForAWhile(t *testing.T) {
	w := newWorld(t)
	x := w.task("t", string(model.TaskRunning), 1024, 1024)
	w.tick(0)
	w.sample(x, 40, 100)
	w.tick(time.Hour)
	if got := w.values("CPUUtilization"); len(got) != 15 {
		t.Errorf("%d points after a jump of an hour", len(got))
	}
}

func TestOnlyRunningTasksOfServicesCount(t *testing.T) {
	w := newWorld(t)
	stopped, alone, bare := w.task(
		"a", string(model.TaskDeactivating), 256, 256,
	), w.task("b", string(model.TaskRunning), 256, 256), w.task("c", string(model.TaskRunning), 0, 0)
	alone.Service = ""
	w.write(func(tx *store.Tx) error { return state.Tasks.Put(tx, alone) })
	w.tick(0)
	w.sample(stopped, 50, 50)
	w.sample(alone, 50, 50)
	w.sample(bare, 50, 50)
	w.tick(time.Minute)
	if got := w.values("CPUUtilization"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// TestLaws: a mean lies between the extremes, and is what all tasks used over
// what all of them reserved.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		w.tick(0)
		var used, reserved float64
		for i := range rapid.IntRange(1, 5).Draw(r, "tasks") {
			units := rapid.SampledFrom([]int64{256, 512, 1024}).Draw(r, "units")
			x := w.task(string(rune('a'+i)), string(model.TaskRunning), units, 512)
			cpu := rapid.Float64Range(0, 200).Draw(r, "cpu")
			w.sample(x, cpu, 100)
			used, reserved = used+cpu*10.24, reserved+float64(units)
		}
		w.tick(time.Minute)
		points, err := w.data.Query(
			series.Metric{
				Namespace: "AWS/ECS", Name: "CPUUtilization",
				Dimensions: []series.Dimension{{Name: "ClusterName", Value: "c"}, {Name: "ServiceName", Value: "web"}},
			},
			"", start, w.now, time.Minute,
		)
		if err != nil || len(points) != 1 {
			r.Fatalf("%v, %v", points, err)
		}
		mean, _ := points[0].Set.Statistic("Average")
		if math.Abs(mean-used/reserved*100) > 1e-6 || mean < points[0].Set.Min-1e-9 || mean > points[0].Set.Max+1e-9 {
			r.Fatalf("%g of %+v", mean, points[0].Set)
		}
	})
}
