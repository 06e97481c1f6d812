package task

import "testing"

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
	} {
		if got := alike(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}
