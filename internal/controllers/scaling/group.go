package scaling

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/control"
	"berth/internal/model"
	plan "berth/internal/plan/scaling"
	"berth/internal/state"
	"berth/internal/store"
)

// Auto Scaling groups: their policies and scheduled actions are decided on as
// those of services are, and change the group itself.

// groupPart is what scaling sees of a group.
type groupPart struct {
	name              string
	desired, min, max int64
	suspended         string
}

func groupPartOf(g *model.AutoScalingGroup) groupPart {
	return groupPart{g.Name, g.Desired, g.Min, g.Max, strings.Join(g.Suspended, " ")}
}

func targetOfGroup(p groupPart) []string {
	return []string{"target|" + model.GroupTarget(p.name), "scheduled|" + model.GroupTarget(p.name)}
}

// groupOf is the group that a target's key means.
func groupOf(r store.Reader, key string) (model.AutoScalingGroup, bool) {
	f := strings.Split(key, "|")
	if len(f) != 3 || f[0] != "autoscaling" {
		return model.AutoScalingGroup{}, false
	}
	g, ok := state.AutoScalingGroups.Get(r, f[1])
	return g, ok && !g.Deleting
}

// groupAction is the group whose policy an alarm's action names:
// arn:…:scalingPolicy:ID:autoScalingGroupName/G:policyName/P.
func groupAction(arn string) (key string, ok bool) {
	_, rest, ok := strings.Cut(arn, ":autoScalingGroupName/")
	group, _, _ := strings.Cut(rest, ":policyName/")
	return "target|" + model.GroupTarget(group), ok
}

// group lets the policies of one group decide.
func (l *Controller) group(ctx context.Context, g model.AutoScalingGroup, now time.Time) (control.Result, error) {
	view := l.DB.View()
	w := plan.GroupWorld(groupFacts(view, g), slices.Contains(g.Suspended, "AlarmNotification"), now)
	var signals int
	var err error
	for _, p := range state.ScalingPolicies.By(view, "target", model.GroupTarget(g.Name)) {
		x := plan.Policy{ScalingPolicy: p}
		if x.Signals, err = l.signals(view, p, now); err != nil {
			return control.Result{}, err
		}
		if !p.Disabled {
			w.Policies = append(w.Policies, x)
			signals += len(x.Signals)
		}
	}
	if to := plan.Decide(w).Scale; to != nil {
		if err := l.resize(ctx, w, g, *to); err != nil {
			return control.Result{}, err
		}
	}
	if signals == 0 {
		return control.Result{}, nil
	}
	return control.Result{After: next(now, time.Minute)}, nil
}

func groupFacts(r store.Reader, g model.AutoScalingGroup) plan.GroupFacts {
	f := plan.GroupFacts{Group: &g}
	comes := map[string]bool{}
	for _, a := range state.GroupActivities.By(r, "group", g.Name) {
		if a.EndAt.IsZero() {
			f.Busy, comes[a.Instance] = true, true
		} else if a.EndAt.After(f.Settled) {
			f.Settled = a.EndAt
		}
	}
	for i := range state.Instances.Each(r, "group", g.Name) {
		if i.State == model.InstanceRunning && i.Goal != model.GoalTerminate && !comes[i.ID] {
			f.Serving++
		}
	}
	return f
}

// resize changes a group's desired capacity; the alarms have acted with it.
func (l *Controller) resize(ctx context.Context, w plan.World, g model.AutoScalingGroup, to plan.Scale) error {
	why := plan.GroupWhy(w.Now, "a "+cause(to.Alarm, to.Policy), g.Desired, to.To)
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if now, ok := state.AutoScalingGroups.Get(tx, g.Name); !ok || now.Desired != g.Desired || now.Deleting {
			return nil // it changed, which wakes the target
		}
		err := state.AutoScalingGroups.Edit(tx, g.Name, func(g *model.AutoScalingGroup) error { g.Desired, g.Why = to.To, why; return nil })
		if err != nil {
			return err
		}
		if err := acted(tx, w); err != nil {
			return err
		}
		err = state.ScalingPolicies.Edit(tx, to.Policy.ARN, func(p *model.ScalingPolicy) error { plan.Cool(p, to, w.Now); return nil })
		if err != nil {
			return err
		}
		return state.Note(tx, w.Now, model.Decision{
			By: name, Subject: g.ARN, Verb: "scaled",
			Reason: "Desired capacity set from " + count(g.Desired) + " to " + count(to.To) + ": " + to.Why + ".",
			Facts:  map[string]string{"cause": why, "policy": to.Policy.Name, "alarm": to.Alarm.Name},
		})
	})
}

// bounded gives a group the sizes that a scheduled action says. What does not
// fit is told of, and nothing changes.
func (l *Controller) bounded(ctx context.Context, g model.AutoScalingGroup, r plan.Run, now time.Time) error {
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if err := ran(tx, r); err != nil || slices.Contains(g.Suspended, "ScheduledActions") {
			return err
		}
		least, most, desired := or(r.Action.Min, g.Min), or(r.Action.Max, g.Max), or(r.Action.Desired, g.Desired)
		if r.Action.Desired == nil {
			desired = min(max(desired, least), most)
		}
		if least > most || desired < least || desired > most {
			return state.Note(tx, now, model.Decision{
				By: name, Subject: g.ARN, Verb: "refused",
				Reason: fmt.Sprintf("Scheduled action %s wants min: %d, max: %d, desired: %d, which do not fit.", r.Action.Name, least, most, desired),
			})
		}
		return state.AutoScalingGroups.Edit(tx, g.Name, func(g *model.AutoScalingGroup) error {
			if desired != g.Desired {
				g.Why = plan.GroupWhy(now, fmt.Sprintf("a scheduled action update of AutoScalingGroup constraints to min: %d, max: %d, desired: %d",
					least, most, desired), g.Desired, desired)
			}
			g.Min, g.Max, g.Desired = least, most, desired
			return nil
		})
	})
}

func or(given *int64, other int64) int64 {
	if given == nil {
		return other
	}
	return *given
}
