// Package group decides what an Auto Scaling group's instances should be:
// which to end and why, and where to launch how many. It is arithmetic on one
// group and its instances at a moment.
package group

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"berth/internal/model"
)

// Place is a subnet that the group launches into.
type Place struct{ Subnet, Zone string }

// Facts are one group at a moment.
type Facts struct {
	Group  *model.AutoScalingGroup
	Places []Place
	// Instances are the group's, in any order; terminated ones are dead.
	Instances []*model.Instance
	// Current reports whether an instance is as the group would launch it now.
	Current func(*model.Instance) bool
	// Launching is how many launches are under way, which have no instance yet.
	Launching int
	Now       time.Time
}

// Launch is an instance to launch.
type Launch struct {
	Place
	Cause string
}

// End is an instance to end.
type End struct{ ID, Cause string }

// Plan is what to do.
type Plan struct {
	Launch []Launch
	End    []End
}

// The processes that can be suspended.
const (
	ProcessLaunch    = "Launch"
	ProcessTerminate = "Terminate"
	ProcessHealth    = "HealthCheck"
	ProcessReplace   = "ReplaceUnhealthy"
	ProcessTraffic   = "AddToLoadBalancer"
)

// Processes are all that SuspendProcesses knows.
var Processes = []string{
	ProcessLaunch, ProcessTerminate, ProcessTraffic, "AlarmNotification", "AZRebalance", ProcessHealth, "InstanceRefresh", ProcessReplace,
	"ScheduledActions",
}

// Alive lists the instances that neither end nor have ended.
func Alive(all []*model.Instance) []*model.Instance {
	return slices.DeleteFunc(slices.Clone(all), func(i *model.Instance) bool {
		return i.Goal == model.GoalTerminate || i.State.Ending()
	})
}

// Decide compares what there is with what is desired.
func Decide(f Facts) Plan {
	var p Plan
	alive := Alive(f.Instances)
	if f.may(ProcessTerminate) {
		alive = p.leaving(f, alive)
	}
	have, want := int64(len(alive)+f.Launching), f.Group.Desired
	if f.Group.Deleting {
		want = 0
	}
	switch {
	case have > want && f.may(ProcessTerminate):
		p.shrink(f, alive, min(have-want, int64(len(alive))))
	case have < want && f.may(ProcessLaunch) && !f.Now.Before(f.Group.NextTryAt):
		p.grow(f, alive, have, want)
	}
	return p
}

func (f Facts) may(process string) bool { return !slices.Contains(f.Group.Suspended, process) }

// leaving ends instances that were told to leave or are unhealthy, and is those
// that stay.
func (p *Plan) leaving(f Facts, alive []*model.Instance) []*model.Instance {
	return slices.DeleteFunc(alive, func(i *model.Instance) bool {
		cause := ""
		switch {
		case slices.Contains(f.Group.Leaving, i.ID):
			cause = "instance " + i.ID + " was taken out of service in response to a user request."
		case f.may(ProcessReplace) && slices.Contains(f.Group.Unhealthy, i.ID):
			cause = "an instance was taken out of service in response to a user health-check."
		case f.may(ProcessReplace) && slices.Contains(f.Group.Sick, i.ID):
			cause = "an instance was taken out of service in response to an ELB system health check failure."
		default:
			return false
		}
		p.End = append(p.End, End{i.ID, at(f.Now) + cause})
		return true
	})
}

// at begins a cause, as Auto Scaling words it.
func at(now time.Time) string { return "At " + now.UTC().Format(time.RFC3339) + " " }

// grow launches into the zones that have the fewest.
func (p *Plan) grow(f Facts, alive []*model.Instance, have, want int64) {
	if len(f.Places) == 0 {
		return
	}
	count := zones(alive)
	cause := f.because() + fmt.Sprintf("%san instance was started in response to a difference between desired and actual capacity, "+
		"increasing the capacity from %d to %d.", at(f.Now), have, want)
	for range want - have {
		place := slices.MinFunc(f.Places, func(x, y Place) int { return cmp.Compare(count[x.Zone], count[y.Zone]) })
		count[place.Zone]++
		p.Launch = append(p.Launch, Launch{place, cause})
	}
}

// because is why the desired capacity is what it is, before what came of it.
func (f Facts) because() string {
	if f.Group.Why == "" {
		return ""
	}
	return f.Group.Why + "  "
}

func zones(all []*model.Instance) map[string]int {
	count := map[string]int{}
	for _, i := range all {
		count[i.AvailabilityZone]++
	}
	return count
}

// shrink ends n instances: those that are not protected, in the zone that has
// the most, by the group's termination policies.
func (p *Plan) shrink(f Facts, alive []*model.Instance, n int64) {
	from := int64(len(alive))
	for done := int64(0); done < n; done++ {
		i := f.choose(alive)
		if i == nil {
			return
		}
		p.End = append(p.End, End{i.ID, f.because() + fmt.Sprintf("%san instance was taken out of service in response to a difference "+
			"between desired and actual capacity, shrinking the capacity from %d to %d.", at(f.Now), from, from-n)})
		alive = slices.DeleteFunc(alive, func(o *model.Instance) bool { return o.ID == i.ID })
	}
}

// choose is the instance to end next; nil if all are protected.
func (f Facts) choose(alive []*model.Instance) *model.Instance {
	may := slices.DeleteFunc(slices.Clone(alive), func(i *model.Instance) bool {
		return !f.Group.Deleting && slices.Contains(f.Group.Protected, i.ID)
	})
	if len(may) == 0 {
		return nil
	}
	count := zones(alive)
	most := 0
	for _, i := range may {
		most = max(most, count[i.AvailabilityZone])
	}
	may = slices.DeleteFunc(may, func(i *model.Instance) bool { return count[i.AvailabilityZone] < most })
	policies := f.Group.TerminationPolicies
	if len(policies) == 0 {
		policies = []string{"Default"}
	}
	return slices.MinFunc(may, func(x, y *model.Instance) int {
		for _, policy := range policies {
			if c := f.compare(policy, x, y); c != 0 {
				return c
			}
		}
		return cmp.Compare(x.ID, y.ID)
	})
}

// Policies are the termination policies that are built.
var Policies = []string{"Default", "OldestInstance", "NewestInstance", "OldestLaunchConfiguration", "OldestLaunchTemplate"}

// compare orders by one policy: what goes first is less.
func (f Facts) compare(policy string, x, y *model.Instance) int {
	older := x.WantedAt.Compare(y.WantedAt)
	switch policy {
	case "NewestInstance":
		return -older
	case "OldestInstance":
		return older
	case "Default": // oldest configuration first, then the oldest
		return cmp.Or(f.outdated(x, y), older)
	default:
		return f.outdated(x, y)
	}
}

func (f Facts) outdated(x, y *model.Instance) int {
	a, b := f.Current(x), f.Current(y)
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
