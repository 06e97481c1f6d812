package scaling_test

import (
	"testing"

	"berth/internal/plan/scaling"
)

func TestTheTargetGroupOfALabel(t *testing.T) {
	for label, want := range map[string]string{
		"app/web/50dc6c495c0c9188/targetgroup/page/943f017f100becff": "targetgroup/page/943f017f100becff",
		"": "", "app/web/50dc/targetgroup/page": "", "net/web/1/targetgroup/page/2": "", "app/web/1/group/page/2": "",
		"app//1/targetgroup/page/2": "", "app/web/1/targetgroup/page/2/3": "",
	} {
		if got := scaling.TargetGroupOf(label); got != want {
			t.Errorf("%s: %q", label, got)
		}
	}
}
