package autoscaling

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	plan "berth/internal/plan/group"
	"berth/internal/plan/scaling"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/autoscaling"
)

// usualCooldown is a group's cooldown, in seconds, that says none.
const usualCooldown = 300

// settings are what creating and updating a group have in common.
type settings struct {
	configuration   *string
	template        *shape.LaunchTemplateSpecification
	least, most     *int64
	desired         *int64
	cooldown, grace *int64
	subnets         *string
	policies        []string
	protectsNew     *bool
	warmup          *int64
	health          *string
	atUpdate        bool
}

// CreateAutoScalingGroup makes a group; controllers/group launches its
// instances. Errors: AlreadyExists, ValidationError.
func (a *API) CreateAutoScalingGroup(
	ctx context.Context, in *shape.CreateAutoScalingGroupInput,
) (*shape.CreateAutoScalingGroupOutput, error) {
	name := wire.Val(in.AutoScalingGroupName)
	if strings.Contains(name, ":") {
		return nil, invalid("AutoScalingGroup name must not contain a colon")
	}
	tags, err := groupTags(nil, in.Tags, name)
	if err != nil {
		return nil, err
	}
	g := model.AutoScalingGroup{
		Name: name, ARN: a.Place.ARN("autoscaling", "autoScalingGroup:"+a.IDs.UUID()+":autoScalingGroupName/"+name),
		CreatedAt: a.Clock.Now(),
		Cooldown:  usualCooldown, Tags: tags,
	}
	s := settings{
		configuration: in.LaunchConfigurationName, template: in.LaunchTemplate, least: in.MinSize, most: in.MaxSize,
		desired:  in.DesiredCapacity,
		cooldown: in.DefaultCooldown, grace: in.HealthCheckGracePeriod, subnets: in.VPCZoneIdentifier, policies: in.TerminationPolicies,
		protectsNew: in.NewInstancesProtectedFromScaleIn, health: in.HealthCheckType, warmup: in.DefaultInstanceWarmup,
	}
	arns, err := trafficARNs(in.TargetGroupARNs, in.TrafficSources)
	if err != nil {
		return nil, err
	}
	return nil, a.update(ctx, func(tx *store.Tx) error {
		if was, ok := state.AutoScalingGroups.Get(tx, name); ok {
			why := "A group with the name " + name + " already exists"
			if was.Deleting {
				why = "A group with the name " + name + " is being deleted"
			}
			return fault.New(fault.Conflict, "AlreadyExists", "AutoScalingGroup by this name already exists - %s", why)
		}
		if err := s.apply(tx, &g); err != nil {
			return err
		}
		if err := attach(tx, &g, arns); err != nil {
			return err
		}
		if g.Desired > 0 {
			g.Why = scaling.GroupWhy(g.CreatedAt, "a user request created an AutoScalingGroup", 0, g.Desired)
		}
		return state.AutoScalingGroups.Put(tx, g)
	})
}

// UpdateAutoScalingGroup changes a group; its instances stay as they are.
// Errors: ValidationError, ScalingActivityInProgress.
func (a *API) UpdateAutoScalingGroup(
	ctx context.Context, in *shape.UpdateAutoScalingGroupInput,
) (*shape.UpdateAutoScalingGroupOutput, error) {
	s := settings{
		configuration: in.LaunchConfigurationName, template: in.LaunchTemplate, least: in.MinSize, most: in.MaxSize,
		desired:  in.DesiredCapacity,
		cooldown: in.DefaultCooldown, grace: in.HealthCheckGracePeriod, subnets: in.VPCZoneIdentifier, policies: in.TerminationPolicies,
		protectsNew: in.NewInstancesProtectedFromScaleIn, health: in.HealthCheckType, warmup: in.DefaultInstanceWarmup,
		atUpdate: true,
	}
	now := a.Clock.Now()
	return nil, a.edit(ctx, in.AutoScalingGroupName, func(tx *store.Tx, g *model.AutoScalingGroup) error {
		from := g.Desired
		err := s.apply(tx, g)
		if g.Desired != from {
			g.Why = scaling.GroupWhy(now, fmt.Sprintf("a user request update of AutoScalingGroup constraints to min: %d, max: %d, desired: %d",
				g.Min, g.Max, g.Desired), from, g.Desired)
		}
		return err
	})
}

// apply sets what is given and checks the whole.
func (s settings) apply(r store.Reader, g *model.AutoScalingGroup) error {
	for _, step := range []func(store.Reader, *model.AutoScalingGroup) error{s.source, s.network, s.sizes, s.checks} {
		if err := step(r, g); err != nil {
			return err
		}
	}
	g.Cooldown, g.HealthCheckGrace = wire.Or(s.cooldown, g.Cooldown), wire.Or(s.grace, g.HealthCheckGrace)
	if s.warmup != nil {
		if g.Warmup = s.warmup; *s.warmup < 0 { // -1 takes it away
			g.Warmup = nil
		}
	}
	g.NewProtected = wire.Or(s.protectsNew, g.NewProtected)
	for _, p := range s.policies {
		if !slices.Contains(plan.Policies, p) {
			return invalid("Termination policy %s is not built in Berth: %s are.", p, strings.Join(plan.Policies, ", "))
		}
	}
	if s.policies != nil {
		g.TerminationPolicies = s.policies
		if len(s.policies) == 1 && s.policies[0] == plan.Policies[0] {
			g.TerminationPolicies = nil
		}
	}
	return nil
}

// source finds what the group launches from.
func (s settings) source(r store.Reader, g *model.AutoScalingGroup) error {
	switch {
	case s.configuration != nil && s.template != nil:
		return invalid("Valid requests must contain either launchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
	case s.configuration != nil:
		if _, ok := state.LaunchConfigurations.Get(r, *s.configuration); !ok {
			return invalid("Launch configuration name not found - Launch configuration %s not found", *s.configuration)
		}
		g.LaunchConfiguration, g.Template, g.TemplateVersion = *s.configuration, "", ""
	case s.template != nil:
		return templated(r, g, s.template)
	case !s.atUpdate:
		return invalid("Valid requests must contain either launchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
	}
	return nil
}

func templated(r store.Reader, g *model.AutoScalingGroup, s *shape.LaunchTemplateSpecification) error {
	t, ok := state.LaunchTemplates.Get(r, wire.Val(s.LaunchTemplateId))
	if s.LaunchTemplateName != nil {
		t, ok = state.LaunchTemplates.One(r, "name", *s.LaunchTemplateName)
	}
	if !ok {
		return invalid("You must use a valid fully-formed launch template. The specified launch template does not exist.")
	}
	v := wire.Or(s.Version, "$Default")
	n, err := strconv.ParseInt(v, 10, 64)
	known := slices.ContainsFunc(t.Versions, func(v model.LaunchTemplateVersion) bool { return v.Number == n })
	if v != "$Default" && v != "$Latest" && (err != nil || !known) {
		return invalid("You must use a valid fully-formed launch template. Could not find launch template version %s.", v)
	}
	g.Template, g.TemplateVersion, g.LaunchConfiguration = t.ID, v, ""
	return nil
}

func (s settings) network(r store.Reader, g *model.AutoScalingGroup) error {
	if s.subnets != nil {
		g.Subnets = nil
		for id := range strings.SplitSeq(*s.subnets, ",") {
			id = strings.TrimSpace(id)
			if _, ok := state.Subnets.Get(r, id); !ok {
				return invalid("The subnet ID '%s' does not exist", id)
			}
			g.Subnets = append(g.Subnets, id)
		}
	}
	if len(g.Subnets) == 0 {
		return invalid("At least one Availability Zone or VPC Subnet is required. Berth takes subnets: VPCZoneIdentifier.")
	}
	return nil
}

func (s settings) sizes(_ store.Reader, g *model.AutoScalingGroup) error {
	g.Min, g.Max = wire.Or(s.least, g.Min), wire.Or(s.most, g.Max)
	switch {
	case g.Min < 0 || g.Max < 0:
		return invalid("Sizes must not be less than 0")
	case g.Min > g.Max:
		return invalid("Max bound, %d, must be greater than or equal to min bound, %d", g.Max, g.Min)
	case s.desired != nil:
		return resize(g, *s.desired)
	case s.atUpdate:
		g.Desired = min(max(g.Desired, g.Min), g.Max)
	default:
		g.Desired = g.Min
	}
	return nil
}

// checks are whose health checks count besides EC2's own.
func (s settings) checks(_ store.Reader, g *model.AutoScalingGroup) error {
	if s.health == nil {
		return nil
	}
	g.HealthByTraffic = false
	for kind := range strings.SplitSeq(*s.health, ",") {
		switch kind = strings.TrimSpace(kind); kind {
		case "EC2":
		case "ELB":
			g.HealthByTraffic = true
		case "EBS", "VPC_LATTICE":
			return invalid("Health checks of the type %s are not built in Berth: EC2 and ELB are.", kind)
		default:
			return invalid("Invalid HealthCheckType %s", kind)
		}
	}
	return nil
}

func healthType(g model.AutoScalingGroup) string {
	if g.HealthByTraffic {
		return "ELB"
	}
	return "EC2"
}

func resize(g *model.AutoScalingGroup, desired int64) error {
	switch {
	case desired > g.Max:
		return invalid("New SetDesiredCapacity value %d is above max value %d for the AutoScalingGroup.", desired, g.Max)
	case desired < g.Min:
		return invalid("New SetDesiredCapacity value %d is below min value %d for the AutoScalingGroup.", desired, g.Min)
	}
	g.Desired = desired
	return nil
}

// SetDesiredCapacity says how many instances a group should have. Errors:
// ValidationError, ScalingActivityInProgress.
func (a *API) SetDesiredCapacity(ctx context.Context, in *shape.SetDesiredCapacityInput) (*shape.SetDesiredCapacityOutput, error) {
	now := a.Clock.Now()
	return nil, a.edit(ctx, in.AutoScalingGroupName, func(tx *store.Tx, g *model.AutoScalingGroup) error {
		w := scaling.GroupWorld(groupFacts(tx, g), false, now)
		for _, p := range state.ScalingPolicies.By(tx, "target", model.GroupTarget(g.Name)) {
			w.Policies = append(w.Policies, scaling.Policy{ScalingPolicy: p})
		}
		if wire.Val(in.HonorCooldown) && w.Cools() {
			return fault.New(fault.Conflict, "ScalingActivityInProgress", "A cooldown is in progress for group %s", g.Name)
		}
		from := g.Desired
		err := resize(g, wire.Val(in.DesiredCapacity))
		if g.Desired != from {
			g.Why = scaling.GroupWhy(now, "a user request explicitly set group desired capacity", from, g.Desired)
		}
		return err
	})
}

// DeleteAutoScalingGroup deletes a group; with ForceDelete its instances too.
// Errors: ResourceInUse, ScalingActivityInProgress, ValidationError.
func (a *API) DeleteAutoScalingGroup(
	ctx context.Context, in *shape.DeleteAutoScalingGroupInput,
) (*shape.DeleteAutoScalingGroupOutput, error) {
	var alarms []string
	for _, p := range state.ScalingPolicies.By(a.DB.View(), "target", model.GroupTarget(wire.Val(in.AutoScalingGroupName))) {
		alarms = append(alarms, p.Alarms...)
	}
	err := a.edit(ctx, in.AutoScalingGroupName, func(tx *store.Tx, g *model.AutoScalingGroup) error {
		live := slices.DeleteFunc(state.Instances.By(tx, "group", g.Name),
			func(i model.Instance) bool { return i.State == model.InstanceTerminated })
		if !wire.Val(in.ForceDelete) && (len(live) > 0 || g.Desired > 0) {
			return fault.New(fault.Conflict, "ResourceInUse",
				"You cannot delete an AutoScalingGroup while there are instances or pending Spot "+
					"instance request(s) still in the group.")
		}
		g.Deleting, g.Min, g.Desired, g.Why = true, 0, 0, ""
		return forget(tx, g.Name)
	})
	if err != nil {
		return nil, err
	}
	return nil, a.deleteAlarms(ctx, alarms)
}

// forget drops what belongs to a group.
func forget(tx *store.Tx, group string) error {
	for _, p := range state.ScalingPolicies.By(tx, "target", model.GroupTarget(group)) {
		if err := state.ScalingPolicies.Delete(tx, p.ARN); err != nil {
			return err
		}
	}
	for _, x := range state.ScheduledActions.By(tx, "target", model.GroupTarget(group)) {
		if err := state.ScheduledActions.Delete(tx, x.ARN); err != nil {
			return err
		}
	}
	return nil
}

// DescribeAutoScalingGroups lists groups with their instances. Errors:
// InvalidNextToken, ValidationError.
func (a *API) DescribeAutoScalingGroups(
	_ context.Context, in *shape.DescribeAutoScalingGroupsInput,
) (*shape.DescribeAutoScalingGroupsOutput, error) {
	view := a.DB.View()
	name := func(g model.AutoScalingGroup) string { return g.Name }
	all := slices.DeleteFunc(state.AutoScalingGroups.All(view), func(g model.AutoScalingGroup) bool {
		return !wanted(in.AutoScalingGroupNames, g.Name)
	})
	slices.SortFunc(all, byName(name))
	all, next, err := page.Cut(pages, in, all, name)
	if err != nil {
		return nil, err
	}
	return &shape.DescribeAutoScalingGroupsOutput{NextToken: next, AutoScalingGroups: each(all,
		func(g model.AutoScalingGroup) shape.AutoScalingGroup {
			out := show(view, g)
			if !wire.Or(in.IncludeInstances, true) {
				out.Instances = []shape.Instance{}
			}
			return out
		})}, nil
}

func show(r store.Reader, g model.AutoScalingGroup) shape.AutoScalingGroup {
	out := shape.AutoScalingGroup{
		AutoScalingGroupName: &g.Name, AutoScalingGroupARN: &g.ARN, MinSize: &g.Min, MaxSize: &g.Max, DesiredCapacity: &g.Desired,
		DefaultCooldown: &g.Cooldown, LaunchConfigurationName: text(g.LaunchConfiguration), AvailabilityZones: []string{},
		LoadBalancerNames: []string{}, TargetGroupARNs: attachedTo(g), HealthCheckType: wire.Ptr(healthType(g)),
		TrafficSources:         each(attachedTo(g), trafficSource),
		HealthCheckGracePeriod: &g.HealthCheckGrace,
		Instances:              []shape.Instance{}, CreatedTime: &g.CreatedAt, SuspendedProcesses: []shape.SuspendedProcess{},
		VPCZoneIdentifier: wire.Ptr(strings.Join(g.Subnets, ",")), EnabledMetrics: showMetrics(g), Tags: []shape.TagDescription{},
		TerminationPolicies: g.TerminationPolicies, NewInstancesProtectedFromScaleIn: &g.NewProtected, DefaultInstanceWarmup: g.Warmup,
	}
	if len(g.TerminationPolicies) == 0 {
		out.TerminationPolicies = []string{"Default"}
	}
	if g.Deleting {
		out.Status = wire.Ptr("Delete in progress")
	}
	if t, ok := state.LaunchTemplates.Get(r, g.Template); ok {
		out.LaunchTemplate = &shape.LaunchTemplateSpecification{LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name,
			Version: text(g.TemplateVersion)}
	}
	for _, id := range g.Subnets {
		if s, ok := state.Subnets.Get(r, id); ok && !slices.Contains(out.AvailabilityZones, s.AvailabilityZone) {
			out.AvailabilityZones = append(out.AvailabilityZones, s.AvailabilityZone)
		}
	}
	for _, p := range g.Suspended {
		out.SuspendedProcesses = append(out.SuspendedProcesses, shape.SuspendedProcess{ProcessName: &p,
			SuspensionReason: wire.Ptr("User suspended")})
	}
	for _, t := range g.Tags {
		out.Tags = append(out.Tags, shape.TagDescription{
			ResourceId: &g.Name, ResourceType: wire.Ptr("auto-scaling-group"), Key: &t.Key, Value: &t.Value,
			PropagateAtLaunch: &t.Propagate,
		})
	}
	for _, i := range members(r, g) {
		out.Instances = append(out.Instances, showMember(r, g, i))
	}
	return out
}

// members are a group's instances that are still there, the oldest first.
func members(r store.Reader, g model.AutoScalingGroup) []model.Instance {
	all := slices.DeleteFunc(state.Instances.By(r, "group", g.Name),
		func(i model.Instance) bool { return i.State == model.InstanceTerminated })
	slices.SortFunc(all, func(x, y model.Instance) int {
		if c := x.WantedAt.Compare(y.WantedAt); c != 0 {
			return c
		}
		return strings.Compare(x.ID, y.ID)
	})
	return all
}

// lifecycle is where an instance is in its life in the group: one that is emptied
// before it ends waits.
func lifecycle(r store.Reader, i model.Instance) string {
	var ends, begins bool
	for _, a := range state.GroupActivities.By(r, "group", i.Group) {
		if a.Instance == i.ID && a.EndAt.IsZero() {
			begins, ends = begins || a.Launch, ends || !a.Launch
		}
	}
	switch {
	case ends && i.Goal == model.GoalDrain:
		return "Terminating:Wait"
	case ends || i.Goal == model.GoalTerminate || i.State.Ending():
		return "Terminating"
	case begins || i.State == model.InstancePending:
		return "Pending"
	}
	return "InService"
}

func health(g model.AutoScalingGroup, i model.Instance) string {
	if slices.Contains(g.Unhealthy, i.ID) || slices.Contains(g.Sick, i.ID) {
		return "Unhealthy"
	}
	return "Healthy"
}

func showMember(r store.Reader, g model.AutoScalingGroup, i model.Instance) shape.Instance {
	out := shape.Instance{
		InstanceId: &i.ID, InstanceType: &i.Type, AvailabilityZone: &i.AvailabilityZone, LifecycleState: wire.Ptr(lifecycle(r, i)),
		HealthStatus: wire.Ptr(health(g, i)), ProtectedFromScaleIn: wire.Ptr(slices.Contains(g.Protected, i.ID)),
	}
	if out.LaunchTemplate = launchedFrom(r, i); out.LaunchTemplate == nil {
		out.LaunchConfigurationName = text(g.LaunchConfiguration)
	}
	return out
}

// launchedFrom is the template and its version that an instance was made of.
func launchedFrom(r store.Reader, i model.Instance) *shape.LaunchTemplateSpecification {
	if i.Launch == nil || i.Launch.Template == "" {
		return nil
	}
	t, _ := state.LaunchTemplates.Get(r, i.Launch.Template)
	return &shape.LaunchTemplateSpecification{
		LaunchTemplateId: &i.Launch.Template, LaunchTemplateName: text(t.Name),
		Version: wire.Ptr(strconv.FormatInt(i.Launch.TemplateVersion, 10)),
	}
}
