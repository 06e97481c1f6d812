package scaling

import (
	"slices"
	"strings"
)

// TargetGroupOf is the target group, as a metric's dimension has it, in the
// resource label app/LB/ID/targetgroup/TG/ID of ALBRequestCountPerTarget, or "" if
// the label is none (Amazon EC2 Auto Scaling API reference,
// PredefinedMetricSpecification).
func TargetGroupOf(label string) string {
	f := strings.Split(label, "/")
	if len(f) != 6 || f[0] != "app" || f[3] != "targetgroup" || slices.Contains(f, "") {
		return ""
	}
	return strings.Join(f[3:], "/")
}
