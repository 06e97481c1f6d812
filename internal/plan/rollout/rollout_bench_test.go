package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"berth/internal/plan/rollout"
)

// BenchmarkSteadyService is one look at a service of a thousand healthy tasks
// that needs nothing.
func BenchmarkSteadyService(b *testing.B) {
	w := newBench(&testing.T{}, rolling(100, 200), 1000, true)
	w.deploy()
	w.settle(time.Minute)
	b.ReportAllocs()
	for b.Loop() {
		if p := rollout.Decide(w.w); len(p.Start)+len(p.Stop)+len(p.Events) > 0 {
			b.Fatal("not steady")
		}
	}
}

// BenchmarkHalfway is one look at a blue/green deployment of a service of a
// thousand tasks that scales down its blue side.
func BenchmarkHalfway(b *testing.B) {
	w := newBench(&testing.T{}, blueGreen(), 1000, true)
	w.deploy()
	w.settle(time.Minute)
	w.deploy()
	w.settle(15 * time.Minute)
	for i := range w.w.Tasks {
		w.w.Tasks[i].AvailabilityZone, w.w.Tasks[i].Instance = string(rune('a'+i%3)), fmt.Sprint(i%50)
	}
	w.w.Service.DesiredCount = 100
	b.ReportAllocs()
	for b.Loop() {
		if p := rollout.Decide(w.w); len(p.Stop) != 900 && len(p.Stop) != 1800 {
			b.Fatalf("%d stops", len(p.Stop))
		}
	}
}
