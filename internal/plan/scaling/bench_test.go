package scaling_test

import (
	"strings"
	"testing"

	"berth/internal/model"
	"berth/internal/plan/scaling"
)

// A fleet of 10,000 alarms is judged every minute, and every few seconds on a
// fast clock: a judgement may take a few microseconds.
func BenchmarkEvaluate(b *testing.B) {
	a, points := high(15, 15, "missing"), drawn(strings.Repeat("0 ", 14)+"X X X")
	a.State = model.AlarmOK // as most do, it stays as it is
	for b.Loop() {
		scaling.Evaluate(a, points, now)
	}
}

func BenchmarkDecide(b *testing.B) {
	w := world(4, tracks("a", signal("h", outAlarm, 60, 70, 80)), tracks("b", signal("l", inAlarm, 5, 6, 7)))
	for b.Loop() {
		scaling.Decide(w)
	}
}
