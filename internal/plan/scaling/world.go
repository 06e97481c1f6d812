package scaling

import (
	"time"

	"berth/internal/model"
)

// Types of policies.
const (
	TargetTracking = "TargetTrackingScaling"
	StepScaling    = "StepScaling"
)

// Reasons of Application Auto Scaling not to scale.
const (
	Flapping   = "AutoScalingAnticipatedFlapping"
	Unscalable = "TargetServicePutResourceAsUnscalable"
	AtMax      = "AlreadyAtMaxCapacity"
	AtMin      = "AlreadyAtMinCapacity"
	AtDesired  = "AlreadyAtDesiredCapacity"
)

// World is all that a decision on one scalable target needs.
type World struct {
	Now              time.Time
	Target           model.ScalableTarget
	Desired, Running int64
	// Deploying is true for the whole of a deployment: nothing is scaled in.
	Deploying bool
	Policies  []Policy
	// Group is what there is of an Auto Scaling group; nil of a service.
	Group *GroupFacts
}

// Policy is one of the target's policies with the alarms that trigger it now.
type Policy struct {
	model.ScalingPolicy
	Signals []Signal
}

// Signal is an alarm whose actions, in its present state, name the policy.
type Signal struct {
	Alarm  model.Alarm
	Points []Point // of its last evaluation, newest first
	// Fires is true when its actions are due: those of an alarm that acted a
	// moment ago are weighed, and do nothing.
	Fires bool
}

// Plan is what should happen to the desired count.
type Plan struct {
	// Scale is nil if it stays.
	Scale *Scale
	// Kept says of every other signal why nothing came of it.
	Kept []Kept
}

// Scale is a new desired count.
type Scale struct {
	Policy model.ScalingPolicy
	Alarm  model.Alarm
	// From is the capacity that it was reckoned from.
	From, To int64
	Out      bool
	Why      string
}

// Kept is a signal of which nothing came.
type Kept struct {
	Policy model.ScalingPolicy
	Alarm  model.Alarm
	// Code is AWS's reason; "" where AWS has none and tells nothing.
	Code string
	// Max, Min and Current are the figure that goes with the code.
	Max, Min, Current *int64
	Why               string
}

// running is the capacity that does the work: running tasks rather than
// desired ones, so that tasks that find no place are not reckoned with. While
// a deployment runs two revisions, a task of each is one of the capacity.
func (w World) running() int64 { return min(w.Running, w.Desired) }

// defaultCooldown is that of ECS services.
const defaultCooldown = 300

func seconds(given *int64) time.Duration {
	if given == nil {
		return defaultCooldown * time.Second
	}
	return time.Duration(*given) * time.Second
}

func (w World) outCooldown(p Policy) time.Duration {
	if w.Group != nil {
		return w.warmup(p.ScalingPolicy)
	}
	if p.Type == StepScaling {
		return time.Duration(p.Cooldown) * time.Second
	}
	return seconds(p.ScaleOutCooldown)
}

func (w World) inCooldown(p Policy) time.Duration {
	if w.Group != nil {
		return 0
	}
	if p.Type == StepScaling {
		return time.Duration(p.Cooldown) * time.Second
	}
	return seconds(p.ScaleInCooldown)
}

// lasts reports whether a cooldown that began at a moment is under way.
func (w World) lasts(began time.Time, d time.Duration) bool {
	return !began.IsZero() && w.Now.Before(began.Add(d))
}

// base is what a policy's scale-out is reckoned from: while the cooldown of
// its last one lasts, what that added counts as being there already, and so
// only a larger one comes of the same capacity.
func (w World) base(p Policy) int64 {
	if w.lasts(p.LastOutAt, w.outCooldown(p)) {
		return min(w.running(), p.LastOutFrom)
	}
	return w.running()
}
