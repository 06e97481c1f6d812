package handler

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/lang/template"
)

// Auto Scaling groups.

func groupTypes() map[string]*Type {
	return map[string]*Type{
		"AWS::AutoScaling::AutoScalingGroup": groupType(), "AWS::AutoScaling::ScalingPolicy": groupPolicyType(),
		"AWS::AutoScaling::ScheduledAction": groupActionType(),
	}
}

func groupType() *Type {
	const members = "LaunchConfigurationName LaunchTemplate MinSize MaxSize DesiredCapacity Cooldown HealthCheckGracePeriod HealthCheckType " +
		"VPCZoneIdentifier TerminationPolicies NewInstancesProtectedFromScaleIn CapacityRebalance DesiredCapacityType DefaultInstanceWarmup"
	as := map[string]string{"Cooldown": "DefaultCooldown"}
	return &Type{
		Service: autoscalingGroups, Name: Name{Property: "AutoScalingGroupName", Limit: 255}, Lookup: byName(tagged("Tags")), Lingers: true,
		Make: Call{
			Operation: "CreateAutoScalingGroup", Members: names(members), As: as, With: Args{"AutoScalingGroupName": named},
		},
		Convert: map[string]func(*Step, any) (any, error){
			"MinSize": whole, "MaxSize": whole, "DesiredCapacity": whole, "Cooldown": whole, "VPCZoneIdentifier": commas,
		},
		ID: named,
		Changes: []Change{{
			Call: Call{
				Operation: "UpdateAutoScalingGroup", Members: names(members), As: as,
				With: Args{"AutoScalingGroupName": self}, Prepare: keepSizes,
			},
			Usual: map[string]any{
				"Cooldown": int64(300), "HealthCheckGracePeriod": int64(0), "HealthCheckType": "EC2", "DefaultInstanceWarmup": int64(-1),
				"TerminationPolicies":              []any{"Default"},
				"NewInstancesProtectedFromScaleIn": false,
			},
		}, {Call: Call{Members: names("MetricsCollection")}, Do: collectMetrics}},
		Sets: []Set{
			groupSet("TargetGroupARNs", "AttachLoadBalancerTargetGroups", "DetachLoadBalancerTargetGroups"),
			groupSet("TrafficSources", "AttachTrafficSources", "DetachTrafficSources"),
		},
		Read:       readGroup(self),
		Attributes: paths("AutoScalingGroupARN"),
		Status:     []Status{{Path: "Status", Ending: names("Delete in progress"), Ready: []string{""}}},
		Settle:     groupSettles,
		Remove: Call{
			Operation: "DeleteAutoScalingGroup", With: Args{"AutoScalingGroupName": self, "ForceDelete": constant(true)},
		},
		Tags: Tagging{
			Member: "Tags", Add: "CreateOrUpdateTags", Remove: "DeleteTags", FormOf: groupTags, KeysOf: droppedGroupTags, Keys: "Tags",
		},
	}
}

// groupPolicyType: every call puts the whole policy.
func groupPolicyType() *Type {
	put := Call{
		Operation: "PutScalingPolicy", With: Args{"AutoScalingGroupName": property("AutoScalingGroupName"), "PolicyName": partName},
		Members: names("AdjustmentType Cooldown EstimatedInstanceWarmup MetricAggregationType MinAdjustmentMagnitude PolicyType ScalingAdjustment " +
			"StepAdjustments TargetTrackingConfiguration"),
		Carries: names("AutoScalingGroupName"),
	}
	return &Type{
		Service: autoscalingGroups, Make: put, ID: at("PolicyARN"), Changes: []Change{{Call: put}},
		Convert:    map[string]func(*Step, any) (any, error){"Cooldown": whole},
		Attributes: map[string]Value{"Arn": self, "PolicyName": partName},
		Remove:     Call{Operation: "DeletePolicy", With: Args{"PolicyName": self}, Forgive: names("ValidationError")},
	}
}

// groupActionType: a change puts the whole action.
func groupActionType() *Type {
	this := Args{"AutoScalingGroupName": property("AutoScalingGroupName"), "ScheduledActionName": partName}
	put := Call{
		Operation: "PutScheduledUpdateGroupAction", With: this,
		Members: names("DesiredCapacity EndTime MaxSize MinSize Recurrence StartTime TimeZone"),
		Carries: names("AutoScalingGroupName"),
	}
	return &Type{
		Service: autoscalingGroups, Make: put, ID: partName, Changes: []Change{{Call: put}},
		Attributes: map[string]Value{"ScheduledActionName": self},
		Remove:     Call{Operation: "DeleteScheduledAction", With: this, Forgive: names("ValidationError")},
	}
}

// partName is the name of what belongs to a group: that which it has, or a new
// one.
func partName(s *Step) any {
	if id := s.id(); id != "" {
		_, name, ok := strings.Cut(id, ":policyName/")
		if !ok {
			return id
		}
		return name
	}
	return s.StackName + "-" + s.Record.LogicalID + "-" + s.Record.Token[:min(12, len(s.Record.Token))]
}

// groupSet are items that are attached to a group; those that are detached
// already are passed over.
func groupSet(property, add, remove string) Set {
	with := Args{"AutoScalingGroupName": self, property: item}
	return Set{
		Property: property, Whole: true, Add: Call{Operation: add, With: with},
		Remove: Call{Operation: remove, With: with, Forgive: names("ValidationError")},
	}
}

// collectMetrics has the group publish the metrics that the template names, and
// no others.
func collectMetrics(ctx context.Context, s *Step) error {
	want := list(s.Record.Properties["MetricsCollection"])
	if s.changed("MetricsCollection") {
		if _, err := s.kind.call(ctx, s, Call{
			Operation: "DisableMetricsCollection", With: Args{"AutoScalingGroupName": self},
		}, map[string]any{}); err != nil {
			return err
		}
	}
	for _, it := range want {
		in := map[string]any{"Granularity": dig(it, "Granularity")}
		if m := list(dig(it, "Metrics")); len(m) > 0 {
			in["Metrics"] = m
		}
		if _, err := s.kind.call(ctx, s, Call{
			Operation: "EnableMetricsCollection", With: Args{"AutoScalingGroupName": self},
		}, in); err != nil {
			return err
		}
	}
	return nil
}

// keepSizes leaves out the sizes that the template does not change, if its
// policy says so: a scheduled action or a scaling policy may have changed them.
func keepSizes(s *Step, in map[string]any) error {
	if s.Update == nil || !s.Update.KeepSizes {
		return nil
	}
	for _, size := range names("MinSize MaxSize DesiredCapacity") {
		if !s.changed(size) {
			delete(in, size)
		}
	}
	return nil
}

func readGroup(name Value) Call {
	return Call{
		Operation: "DescribeAutoScalingGroups", With: Args{"AutoScalingGroupNames": listOf(name)}, Answer: "AutoScalingGroups.0",
	}
}

// whole is a number that a template writes as text.
func whole(_ *Step, v any) (any, error) {
	text, _ := template.Flat(v)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fault.New(fault.Invalid, "ValidationError", "%q is not a number", text)
	}
	return n, nil
}

// commas is a list as text with commas.
func commas(_ *Step, v any) (any, error) {
	var parts []string
	for _, it := range list(v) {
		text, _ := template.Flat(it)
		parts = append(parts, text)
	}
	return strings.Join(parts, ","), nil
}

// groupTags are all tags of the group; those that its own property does not
// say otherwise of go to its instances too.
func groupTags(s *Step) any {
	out := []any{}
	for _, t := range s.Tags {
		own := slices.IndexFunc(list(s.Record.Properties["Tags"]), func(it any) bool { return digText(it, "Key") == t.Key })
		propagate := any(true)
		if own >= 0 {
			propagate = dig(list(s.Record.Properties["Tags"])[own], "PropagateAtLaunch")
		}
		out = append(out, map[string]any{"ResourceId": named(s), "ResourceType": "auto-scaling-group", "Key": t.Key, "Value": t.Value,
			"PropagateAtLaunch": propagate})
	}
	return out
}

func droppedGroupTags(s *Step) any {
	var out []any
	for _, k := range s.droppedTags(false) {
		out = append(out, map[string]any{"ResourceId": s.id(), "ResourceType": "auto-scaling-group", "Key": k})
	}
	return out
}

// groupSettles waits until a group has as many instances in service as it
// should, and until a rolling update is through.
func groupSettles(ctx context.Context, s *Step) (bool, error) {
	if _, begun := s.rolling(); rolls(s) && (begun || len(idsIn(s.object, "InService")) > 0) {
		return rollGroup(ctx, s)
	}
	return inService(s.object) >= groupSize(s.object), nil
}

// groupSize is how many instances a group should have.
func groupSize(group any) int64 {
	n, _ := dig(group, "DesiredCapacity").(int64)
	return n
}

// inService counts a group's instances in service.
func inService(group any) int64 {
	var n int64
	for _, i := range list(dig(group, "Instances")) {
		if digText(i, "LifecycleState") == "InService" {
			n++
		}
	}
	return n
}
