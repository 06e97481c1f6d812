package task

import (
	"testing"

	"berth/internal/plan/placement"
)

func TestReasonsAreAlikeButForFigures(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"of 9 instances, 9 full", "of 10 instances, 10 full", true},
		{"of 9 instances", "of 9 instances; 1 on the way", false},
		{"", "12", true},
		{"full", "fuel", false},
		{"", "full", false},
		{"of 9 instances, 5 is draining, 4 is new; 4 on the way", "of 9 instances, 6 is new, 3 is draining; 6 on the way", true},
		{"of 2 instances, 2 " + placement.CauseCPU, "of 2 instances, 1 " + placement.CauseENI + ", 1 " + placement.CauseMemory, true},
		{"of 2 instances, 2 " + placement.CauseCPU, "of 2 instances, 1 " + placement.CauseCPU + ", 1 " + placement.CauseZone, false},
	} {
		if got := alike(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}
