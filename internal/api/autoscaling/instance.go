package autoscaling

import (
	"context"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	plan "berth/internal/plan/group"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/autoscaling"
)

// DescribeAutoScalingInstances lists the instances of all groups. Errors:
// InvalidNextToken, ValidationError.
func (a *API) DescribeAutoScalingInstances(
	_ context.Context, in *shape.DescribeAutoScalingInstancesInput,
) (*shape.DescribeAutoScalingInstancesOutput, error) {
	view := a.DB.View()
	all := []shape.AutoScalingInstanceDetails{}
	for _, g := range state.AutoScalingGroups.All(view) {
		for _, i := range members(view, g) {
			if wanted(in.InstanceIds, i.ID) {
				all = append(all, detailsOf(showMember(view, g, i), g))
			}
		}
	}
	id := func(d shape.AutoScalingInstanceDetails) string { return wire.Val(d.InstanceId) }
	slices.SortFunc(all, byName(id))
	all, next, err := page.Cut(pages, in, all, id)
	return &shape.DescribeAutoScalingInstancesOutput{NextToken: next, AutoScalingInstances: all}, err
}

func detailsOf(m shape.Instance, g model.AutoScalingGroup) shape.AutoScalingInstanceDetails {
	return shape.AutoScalingInstanceDetails{
		InstanceId: m.InstanceId, InstanceType: m.InstanceType, AutoScalingGroupName: &g.Name, AvailabilityZone: m.AvailabilityZone,
		LifecycleState: m.LifecycleState, HealthStatus: wire.Ptr(strings.ToUpper(wire.Val(m.HealthStatus))),
		LaunchTemplate:          m.LaunchTemplate,
		LaunchConfigurationName: m.LaunchConfigurationName, ProtectedFromScaleIn: m.ProtectedFromScaleIn,
	}
}

// DescribeScalingActivities lists activities, the newest first. Errors:
// InvalidNextToken, ValidationError.
func (a *API) DescribeScalingActivities(
	_ context.Context, in *shape.DescribeScalingActivitiesInput,
) (*shape.DescribeScalingActivitiesOutput, error) {
	view := a.DB.View()
	all := state.GroupActivities.All(view)
	if in.AutoScalingGroupName != nil {
		if _, ok := state.AutoScalingGroups.Get(view, *in.AutoScalingGroupName); !ok {
			return nil, absent("AutoScalingGroup name not found - AutoScalingGroup '%s' not found", *in.AutoScalingGroupName)
		}
		all = state.GroupActivities.By(view, "group", *in.AutoScalingGroupName)
	}
	all = slices.DeleteFunc(all, func(x model.GroupActivity) bool { return !wanted(in.ActivityIds, x.ID) })
	key := func(x model.GroupActivity) string { return page.Key(page.Number(x.StartAt.UnixNano()), x.ID) }
	slices.SortFunc(all, func(x, y model.GroupActivity) int { return strings.Compare(key(y), key(x)) })
	all, next, err := page.Cut(pages.Descending(true), in, all, key)
	return &shape.DescribeScalingActivitiesOutput{NextToken: next, Activities: each(all, showActivity)}, err
}

func showActivity(x model.GroupActivity) shape.Activity {
	out := shape.Activity{
		ActivityId: &x.ID, AutoScalingGroupName: &x.Group, Description: &x.Description, Cause: &x.Cause, StartTime: &x.StartAt,
		StatusCode: wire.Ptr(string(x.Status)), StatusMessage: text(x.Message), Progress: wire.Ptr(int64(50)),
	}
	if !x.EndAt.IsZero() {
		out.EndTime, out.Progress = &x.EndAt, wire.Ptr(int64(100))
	}
	return out
}

// member finds an instance of a group, and the group.
func member(r store.Reader, id *string) (model.Instance, error) {
	i, ok := state.Instances.Get(r, wire.Val(id))
	if !ok || i.Group == "" || i.State == model.InstanceTerminated {
		return i, absent("Instance Id not found - No managed instance found for instance ID: %s", wire.Val(id))
	}
	return i, nil
}

// TerminateInstanceInAutoScalingGroup ends an instance, which is replaced unless
// the desired capacity goes down with it. Errors: ValidationError,
// ScalingActivityInProgress.
func (a *API) TerminateInstanceInAutoScalingGroup(
	ctx context.Context, in *shape.TerminateInstanceInAutoScalingGroupInput,
) (*shape.TerminateInstanceInAutoScalingGroupOutput, error) {
	i, err := member(a.DB.View(), in.InstanceId)
	if err != nil {
		return nil, err
	}
	var x model.GroupActivity
	now := a.Clock.Now()
	err = a.edit(ctx, &i.Group, func(tx *store.Tx, g *model.AutoScalingGroup) error {
		if wire.Val(in.ShouldDecrementDesiredCapacity) {
			if g.Desired-1 < g.Min {
				return invalid("Currently, desiredSize equals minSize (%d). Terminating instance without replacement will violate group's min size "+
					"constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.", g.Min)
			}
			g.Desired--
		}
		g.Leaving = keep(tx, g, append(g.Leaving, i.ID))
		x = model.GroupActivity{
			ID: i.ID, Group: g.Name, Description: "Terminating EC2 instance: " + i.ID, Status: model.ActivityInProgress, StartAt: now,
			Cause: "At " + now.UTC().Format("2006-01-02T15:04:05Z") + " instance " + i.ID +
				" was taken out of service in response to a user request.",
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.TerminateInstanceInAutoScalingGroupOutput{Activity: wire.Ptr(showActivity(x))}, nil
}

// keep is a list of a group's instances without those that are gone.
func keep(r store.Reader, g *model.AutoScalingGroup, ids []string) []string {
	out := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		i, ok := state.Instances.Get(r, id)
		return !ok || i.State == model.InstanceTerminated || i.Group != g.Name
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// SetInstanceProtection spares instances from scaling in, or not. Errors:
// ValidationError, ScalingActivityInProgress.
func (a *API) SetInstanceProtection(
	ctx context.Context, in *shape.SetInstanceProtectionInput,
) (*shape.SetInstanceProtectionOutput, error) {
	return nil, a.edit(ctx, in.AutoScalingGroupName, func(tx *store.Tx, g *model.AutoScalingGroup) error {
		for _, id := range in.InstanceIds {
			if i, err := member(tx, &id); err != nil {
				return err
			} else if i.Group != g.Name {
				return invalid("The instance %s is not part of Auto Scaling group %s.", id, g.Name)
			}
		}
		if wire.Val(in.ProtectedFromScaleIn) {
			g.Protected = keep(tx, g, append(g.Protected, in.InstanceIds...))
			return nil
		}
		g.Protected = slices.DeleteFunc(keep(tx, g, g.Protected), func(id string) bool { return slices.Contains(in.InstanceIds, id) })
		return nil
	})
}

// SetInstanceHealth calls an instance Unhealthy, so that it is replaced, or
// Healthy. In the group's grace period it does nothing, unless it is told not to
// respect that. Errors: ValidationError, ScalingActivityInProgress.
func (a *API) SetInstanceHealth(ctx context.Context, in *shape.SetInstanceHealthInput) (*shape.SetInstanceHealthOutput, error) {
	i, err := member(a.DB.View(), in.InstanceId)
	if err != nil {
		return nil, err
	}
	return nil, a.edit(ctx, &i.Group, func(tx *store.Tx, g *model.AutoScalingGroup) error {
		switch wire.Val(in.HealthStatus) {
		case "Unhealthy":
			grace := time.Duration(g.HealthCheckGrace) * time.Second
			if wire.Or(in.ShouldRespectGracePeriod, true) && a.Clock.Now().Before(i.LaunchedAt.Add(grace)) {
				return nil
			}
			g.Unhealthy = keep(tx, g, append(g.Unhealthy, i.ID))
		case "Healthy":
			g.Unhealthy = slices.DeleteFunc(keep(tx, g, g.Unhealthy), func(id string) bool { return id == i.ID })
		default:
			return invalid("Health status must be Healthy or Unhealthy")
		}
		return nil
	})
}

// SuspendProcesses stops processes of a group; none named are all. Errors:
// ValidationError, ScalingActivityInProgress.
func (a *API) SuspendProcesses(ctx context.Context, in *shape.SuspendProcessesInput) (*shape.SuspendProcessesOutput, error) {
	return nil, a.edit(ctx, in.AutoScalingGroupName, func(_ *store.Tx, g *model.AutoScalingGroup) error {
		named, err := processes(in.ScalingProcesses)
		g.Suspended = append(g.Suspended, named...)
		slices.Sort(g.Suspended)
		g.Suspended = slices.Compact(g.Suspended)
		return err
	})
}

// ResumeProcesses lets processes of a group go on; none named are all. Errors:
// ValidationError, ScalingActivityInProgress.
func (a *API) ResumeProcesses(ctx context.Context, in *shape.ResumeProcessesInput) (*shape.ResumeProcessesOutput, error) {
	return nil, a.edit(ctx, in.AutoScalingGroupName, func(_ *store.Tx, g *model.AutoScalingGroup) error {
		named, err := processes(in.ScalingProcesses)
		g.Suspended = slices.DeleteFunc(g.Suspended, func(p string) bool { return slices.Contains(named, p) })
		return err
	})
}

func processes(named []string) ([]string, error) {
	if len(named) == 0 {
		return plan.Processes, nil
	}
	for _, p := range named {
		if !slices.Contains(plan.Processes, p) {
			return nil, invalid("Unknown process type %s", p)
		}
	}
	return named, nil
}

// groupTags puts tags over others; each names its group.
func groupTags(tags []model.GroupTag, in []shape.Tag, group string) ([]model.GroupTag, error) {
	at := map[string]int{}
	for i, t := range tags {
		at[t.Key] = i
	}
	for _, t := range in {
		key := wire.Val(t.Key)
		if of := wire.Or(t.ResourceId, group); of != group {
			return nil, invalid("Tag of another group: %s", of)
		}
		if key == "" {
			return nil, invalid("Tag key must not be empty")
		}
		tag := model.GroupTag{Key: key, Value: wire.Val(t.Value), Propagate: wire.Val(t.PropagateAtLaunch)}
		if i, ok := at[key]; ok {
			tags[i] = tag
			continue
		}
		at[key] = len(tags)
		tags = append(tags, tag)
	}
	slices.SortFunc(tags, byName(func(t model.GroupTag) string { return t.Key }))
	if len(tags) > 50 {
		return nil, fault.New(fault.Invalid, "LimitExceeded", "A group may have 50 tags.")
	}
	return tags, nil
}

// CreateOrUpdateTags puts tags on groups; instances that are there keep theirs.
// Errors: ValidationError, ScalingActivityInProgress, LimitExceeded.
func (a *API) CreateOrUpdateTags(ctx context.Context, in *shape.CreateOrUpdateTagsInput) (*shape.CreateOrUpdateTagsOutput, error) {
	for _, t := range in.Tags {
		if err := a.edit(ctx, t.ResourceId, func(_ *store.Tx, g *model.AutoScalingGroup) (err error) {
			g.Tags, err = groupTags(g.Tags, []shape.Tag{t}, g.Name)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// DeleteTags takes tags off groups. Errors: ValidationError,
// ScalingActivityInProgress.
func (a *API) DeleteTags(ctx context.Context, in *shape.DeleteTagsInput) (*shape.DeleteTagsOutput, error) {
	for _, t := range in.Tags {
		if err := a.edit(ctx, t.ResourceId, func(_ *store.Tx, g *model.AutoScalingGroup) error {
			g.Tags = slices.DeleteFunc(g.Tags, func(o model.GroupTag) bool { return o.Key == wire.Val(t.Key) })
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
