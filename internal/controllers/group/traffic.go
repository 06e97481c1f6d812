package group

import (
	"context"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	plan "berth/internal/plan/group"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	"berth/internal/wire/shape/elbv2"
)

// targetKey begins the keys that targets wake: they name instances, not groups.
const targetKey = "target|"

// seenTarget is what a group sees of a target.
type seenTarget struct {
	id       string
	state    model.TargetState
	draining bool
}

func targetOf(t *model.Target) seenTarget { return seenTarget{t.ID, t.State, !t.DrainingAt.IsZero()} }

func whose(t seenTarget) []string {
	if !strings.HasPrefix(t.id, "i-") {
		return nil
	}
	return store.Key(targetKey + t.id)
}

// groupOf is the group that a key is about.
func groupOf(r store.Reader, key string) string {
	id, ok := strings.CutPrefix(key, targetKey)
	if !ok {
		return key
	}
	i, _ := state.Instances.Get(r, id)
	return i.Group
}

// own are a group's registrations in one of its target groups: those of its
// instances at the target group's port. ECS registers at others.
func own(r store.Reader, g model.AutoScalingGroup, t model.TargetGroup) []model.Target {
	return slices.DeleteFunc(state.Targets.By(r, "group", t.ARN), func(x model.Target) bool {
		i, ok := state.Instances.Get(r, x.ID)
		return !ok || i.Group != g.Name || x.Port != t.Port
	})
}

// registered is whether an instance has a registration left, also one that
// drains.
func registered(r store.Reader, g model.AutoScalingGroup, id string) bool {
	return slices.ContainsFunc(g.Traffic, func(a model.GroupTraffic) bool {
		t, ok := state.TargetGroups.Get(r, a.TargetGroup)
		return ok && slices.ContainsFunc(own(r, g, t), func(x model.Target) bool { return x.ID == id })
	})
}

// serving are the instances of a group that are in service, by id.
func serving(r store.Reader, g model.AutoScalingGroup) map[string]model.Instance {
	out := map[string]model.Instance{}
	for i := range state.Instances.Each(r, "group", g.Name) {
		if i.Goal != model.GoalTerminate && i.State == model.InstanceRunning {
			out[i.ID] = *i
		}
	}
	for _, a := range open(r, g.Name) {
		delete(out, a.Instance)
	}
	return out
}

// direct makes the registrations in the group's target groups those of the
// instances in service; a target group that was detached is forgotten once
// nothing of the group is registered there.
func (l Controller) direct(ctx context.Context, _ time.Time, r store.Reader, g model.AutoScalingGroup) error {
	in := serving(r, g)
	for _, a := range g.Traffic {
		t, ok := state.TargetGroups.Get(r, a.TargetGroup)
		if !ok && !a.Removing {
			continue
		}
		has := own(r, g, t)
		if a.Removing && len(has) == 0 {
			if err := l.detached(ctx, g, a); err != nil {
				return err
			}
			continue
		}
		if err := l.register(ctx, g, a, t, has, in); err != nil {
			return err
		}
	}
	return nil
}

// register registers and deregisters what differs in one target group.
func (l Controller) register(
	ctx context.Context, g model.AutoScalingGroup, a model.GroupTraffic, t model.TargetGroup, has []model.Target, in map[string]model.Instance,
) error {
	var add, drop []elbv2.TargetDescription
	live := map[string]bool{}
	for _, x := range has {
		_, stays := in[x.ID]
		live[x.ID] = x.DrainingAt.IsZero()
		if live[x.ID] && (a.Removing || !stays) {
			drop = append(drop, elbv2.TargetDescription{Id: &x.ID, Port: &x.Port})
		}
	}
	for id := range in {
		if !a.Removing && !live[id] && !slices.Contains(g.Suspended, plan.ProcessTraffic) {
			add = append(add, elbv2.TargetDescription{Id: &id, Port: &t.Port})
		}
	}
	slices.SortFunc(add, func(x, y elbv2.TargetDescription) int { return strings.Compare(*x.Id, *y.Id) })
	c := elbv2.Client{Caller: l.As(ident.AsService(l.Place, "autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling", "AutoScaling"))}
	if len(drop) > 0 {
		if _, err := c.DeregisterTargets(ctx, &elbv2.DeregisterTargetsInput{TargetGroupArn: wire.Ptr(t.ARN), Targets: drop}); err != nil {
			return err
		}
	}
	if len(add) == 0 {
		return nil
	}
	_, err := c.RegisterTargets(ctx, &elbv2.RegisterTargetsInput{TargetGroupArn: wire.Ptr(t.ARN), Targets: add})
	if fault.Is(err, fault.Invalid) {
		return nil // it ended a moment ago, which wakes the group
	}
	return err
}

// detached forgets a target group.
func (l Controller) detached(ctx context.Context, g model.AutoScalingGroup, a model.GroupTraffic) error {
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if _, ok := state.AutoScalingGroups.Get(tx, g.Name); !ok {
			return nil
		}
		return state.AutoScalingGroups.Edit(tx, g.Name, func(g *model.AutoScalingGroup) error {
			g.Traffic = slices.DeleteFunc(g.Traffic, func(o model.GroupTraffic) bool { return o == a })
			return nil
		})
	})
}

// serve notes when an instance came into service.
func serve(tx *store.Tx, now time.Time, a model.GroupActivity) error {
	i, ok := state.Instances.Get(tx, a.Instance)
	if !a.Launch || a.Status != model.ActivitySuccessful || !ok || !i.ServingAt.IsZero() {
		return nil
	}
	return state.Instances.Edit(tx, i.ID, func(i *model.Instance) error { i.ServingAt = now; return nil })
}

// graceOver is when a group's health checks begin to count for an instance.
func graceOver(g model.AutoScalingGroup, i model.Instance) time.Time {
	since := i.LaunchedAt
	if i.ServingAt.After(since) {
		since = i.ServingAt
	}
	return since.Add(time.Duration(g.HealthCheckGrace) * time.Second)
}

// failing are the instances in service whose health checks by a target group
// fail, and that the group does not call unhealthy yet.
func failing(r store.Reader, g model.AutoScalingGroup) []model.Instance {
	if !g.HealthByTraffic || slices.Contains(g.Suspended, plan.ProcessHealth) {
		return nil
	}
	in, out := serving(r, g), []model.Instance(nil)
	for _, a := range g.Traffic {
		t, _ := state.TargetGroups.Get(r, a.TargetGroup)
		for _, x := range own(r, g, t) {
			i, ok := in[x.ID]
			if ok && x.State == model.TargetUnhealthy && x.DrainingAt.IsZero() && !slices.Contains(g.Sick, i.ID) {
				out = append(out, i)
			}
		}
	}
	return out
}

// judgeTraffic calls the instances unhealthy that fail a target group's health
// checks after their grace period; nothing makes them healthy again.
func (l Controller) judgeTraffic(ctx context.Context, now time.Time, r store.Reader, g model.AutoScalingGroup) error {
	var sick []string
	for _, i := range failing(r, g) {
		if !now.Before(graceOver(g, i)) {
			sick = append(sick, i.ID)
		}
	}
	if len(sick) == 0 {
		return nil
	}
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if _, ok := state.AutoScalingGroups.Get(tx, g.Name); !ok {
			return nil
		}
		return state.AutoScalingGroups.Edit(tx, g.Name, func(g *model.AutoScalingGroup) error {
			all := slices.DeleteFunc(append(slices.Clone(g.Sick), sick...), func(id string) bool {
				i, ok := state.Instances.Get(tx, id)
				return !ok || i.State == model.InstanceTerminated
			})
			g.Sick = slices.Compact(slices.Sorted(slices.Values(all)))
			return nil
		})
	})
}

// graceLeft is how long until the first grace period of a failing instance is
// over; 0 is never.
func graceLeft(r store.Reader, g model.AutoScalingGroup, now time.Time) (left time.Duration) {
	for _, i := range failing(r, g) {
		left = sooner(left, max(graceOver(g, i).Sub(now), 0))
	}
	return left
}
