package group

import "berth/internal/model"

// Metrics are those that a group can publish. Nothing has a weight here, so
// that capacities are as many as instances, and none is on standby.
var Metrics = []string{
	"GroupDesiredCapacity", "GroupInServiceCapacity", "GroupInServiceInstances", "GroupMaxSize", "GroupMinSize", "GroupPendingCapacity",
	"GroupPendingInstances", "GroupStandbyCapacity", "GroupStandbyInstances", "GroupTerminatingCapacity", "GroupTerminatingInstances",
	"GroupTotalCapacity", "GroupTotalInstances",
}

// Measure is the value of each of them (docs/facts/ec2-launch-type.md E8).
func Measure(g *model.AutoScalingGroup, all []*model.Instance) map[string]int64 {
	var pending, serving, ending int64
	for _, i := range all {
		switch {
		case i.State == model.InstanceTerminated:
		case i.Goal == model.GoalTerminate || i.State.Ending():
			ending++
		case i.State == model.InstancePending:
			pending++
		default:
			serving++
		}
	}
	return map[string]int64{
		"GroupDesiredCapacity": g.Desired, "GroupMaxSize": g.Max, "GroupMinSize": g.Min, "GroupInServiceInstances": serving,
		"GroupInServiceCapacity": serving, "GroupPendingInstances": pending, "GroupPendingCapacity": pending, "GroupStandbyInstances": 0,
		"GroupStandbyCapacity": 0, "GroupTerminatingInstances": ending, "GroupTerminatingCapacity": ending,
		"GroupTotalInstances": pending + serving + ending, "GroupTotalCapacity": pending + serving + ending,
	}
}
