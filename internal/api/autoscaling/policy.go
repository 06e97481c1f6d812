package autoscaling

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/page"
	plan "berth/internal/plan/scaling"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/autoscaling"
	"berth/internal/wire/shape/cloudwatch"
)

// maxPolicies is the quota of a group.
const maxPolicies = 50

// The predefined metrics of a group that are built.
const (
	cpuMetric      = "ASGAverageCPUUtilization"
	requestsMetric = "ALBRequestCountPerTarget"
)

// policyOf finds a policy of a group by its name or ARN; without a group the
// ARN says it all.
func policyOf(r store.Reader, group *string, name string) (model.ScalingPolicy, error) {
	if x, ok := state.ScalingPolicies.Get(r, name); ok && strings.HasPrefix(x.Target, "autoscaling|") &&
		(group == nil || x.Target == model.GroupTarget(*group)) {
		return x, nil
	}
	for _, x := range state.ScalingPolicies.By(r, "target", model.GroupTarget(wire.Val(group))) {
		if x.Name == name {
			return x, nil
		}
	}
	return model.ScalingPolicy{}, absent("ScalingPolicy not found - Policy '%s' not found", name)
}

// groupNamed is the group of a policy's or an action's target.
func groupNamed(target string) string { return strings.Split(target, "|")[1] }

// PutScalingPolicy makes or changes a policy, and the two alarms of a target
// tracking policy. Errors: ValidationError, LimitExceeded,
// ScalingActivityInProgress.
func (a *API) PutScalingPolicy(ctx context.Context, in *shape.PutScalingPolicyInput) (*shape.PutScalingPolicyOutput, error) {
	view, name := a.DB.View(), wire.Val(in.PolicyName)
	g, err := group(view, in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	old, err := policyOf(view, &g.Name, name)
	next := model.ScalingPolicy{
		ARN: old.ARN, Name: name, Target: model.GroupTarget(g.Name), CreatedAt: a.Clock.Now(), Alarms: old.Alarms, Type: old.Type,
		LastOutAt: old.LastOutAt, LastInAt: old.LastInAt, LastOutFrom: old.LastOutFrom,
	}
	if err != nil {
		next.ARN = a.Place.ARN("autoscaling", "scalingPolicy:"+a.IDs.UUID()+":autoScalingGroupName/"+g.Name+":policyName/"+name)
	}
	if err := setPolicy(&next, in); err != nil {
		return nil, err
	}
	if err := a.storePolicy(ctx, g.Name, old, next); err != nil {
		return nil, err
	}
	return &shape.PutScalingPolicyOutput{PolicyARN: &next.ARN, Alarms: a.showAlarms(next)}, nil
}

// storePolicy makes a policy's alarms and then the policy; alarms that it needs
// no more go last.
func (a *API) storePolicy(ctx context.Context, name string, old, next model.ScalingPolicy) error {
	alarms := a.alarmsOf(name, &next)
	var fresh []string
	undo := func(err error) error { return errors.Join(err, a.deleteAlarms(ctx, fresh)) }
	for _, x := range alarms {
		if !slices.Contains(old.Alarms, *x.AlarmName) {
			fresh = append(fresh, *x.AlarmName)
		}
		if _, err := a.alarms().PutMetricAlarm(ctx, &x); err != nil {
			return undo(err)
		}
	}
	err := a.update(ctx, func(tx *store.Tx) error {
		if _, err := group(tx, &name); err != nil {
			return err
		}
		if _, ok := state.ScalingPolicies.Get(tx, next.ARN); !ok && len(state.ScalingPolicies.By(tx, "target", next.Target)) >= maxPolicies {
			return fault.New(fault.Invalid, "LimitExceeded", "A group may have %d scaling policies.", maxPolicies)
		}
		return state.ScalingPolicies.Put(tx, next)
	})
	if err != nil {
		return undo(err)
	}
	return a.deleteAlarms(ctx, slices.DeleteFunc(slices.Clone(old.Alarms), func(n string) bool { return slices.Contains(next.Alarms, n) }))
}

// setPolicy writes what a call gives into a policy and checks it.
func setPolicy(x *model.ScalingPolicy, in *shape.PutScalingPolicyInput) error {
	kind := wire.Or(in.PolicyType, plan.SimpleScaling)
	if x.Type != "" && x.Type != kind {
		return invalid("The policy type of an existing scaling policy cannot be changed: %s is of type %s", x.Name, x.Type)
	}
	x.Type, x.Disabled, x.Warmup = kind, !wire.Or(in.Enabled, true), in.EstimatedInstanceWarmup
	switch {
	case kind != plan.TargetTracking && in.TargetTrackingConfiguration != nil, kind != plan.StepScaling && in.StepAdjustments != nil,
		kind != plan.SimpleScaling && (in.ScalingAdjustment != nil || in.Cooldown != nil):
		return invalid("The parameters of the policy do not fit its type %s", kind)
	case wire.Val(in.EstimatedInstanceWarmup) < 0 || wire.Val(in.Cooldown) < 0:
		return invalid("Cooldown and EstimatedInstanceWarmup cannot be negative")
	}
	switch kind {
	case plan.TargetTracking:
		return setTracking(x, in)
	case plan.SimpleScaling, plan.StepScaling:
		return setAdjusting(x, in)
	case "PredictiveScaling":
		return invalid("PolicyType PredictiveScaling is not built in Berth.")
	}
	return invalid("Invalid PolicyType %s", kind)
}

// setAdjusting sets what simple and step scaling policies have.
func setAdjusting(x *model.ScalingPolicy, in *shape.PutScalingPolicyInput) error {
	const percent = "PercentChangeInCapacity"
	x.AdjustmentType, x.MinAdjustment = wire.Val(in.AdjustmentType), wire.Or(in.MinAdjustmentMagnitude, wire.Val(in.MinAdjustmentStep))
	switch {
	case !slices.Contains([]string{"ChangeInCapacity", "ExactCapacity", percent}, x.AdjustmentType):
		return invalid("AdjustmentType must be one of ChangeInCapacity, ExactCapacity and %s", percent)
	case x.MinAdjustment < 0 || x.MinAdjustment > 0 && x.AdjustmentType != percent:
		return invalid("MinAdjustmentMagnitude must be greater than 0 and is for the adjustment type %s", percent)
	case x.Type == plan.SimpleScaling && in.ScalingAdjustment == nil:
		return invalid("ScalingAdjustment must be specified for a policy of the type SimpleScaling")
	case x.Type == plan.SimpleScaling && x.AdjustmentType == "ExactCapacity" && *in.ScalingAdjustment < 0:
		return invalid("The scaling adjustment of adjustment type ExactCapacity cannot be negative")
	case x.Type == plan.SimpleScaling && (in.EstimatedInstanceWarmup != nil || in.MetricAggregationType != nil):
		return invalid("EstimatedInstanceWarmup and MetricAggregationType are not supported by policies of the type SimpleScaling")
	case x.Type == plan.SimpleScaling:
		x.Adjustment, x.OwnCooldown = *in.ScalingAdjustment, in.Cooldown
		return nil
	}
	x.Aggregation = wire.Or(in.MetricAggregationType, "Average")
	if !slices.Contains([]string{"Minimum", "Maximum", "Average"}, x.Aggregation) {
		return invalid("MetricAggregationType must be one of Minimum, Maximum and Average")
	}
	for _, s := range in.StepAdjustments {
		x.Steps = append(x.Steps, model.StepAdjustment{
			Lower: s.MetricIntervalLowerBound, Upper: s.MetricIntervalUpperBound, Adjustment: wire.Val(s.ScalingAdjustment),
		})
	}
	if why := plan.BadSteps(*x); why != "" {
		return invalid("%s", why)
	}
	return nil
}

func setTracking(x *model.ScalingPolicy, in *shape.PutScalingPolicyInput) error {
	c := in.TargetTrackingConfiguration
	switch {
	case c == nil:
		return invalid("TargetTrackingConfiguration must be specified for a policy of the type TargetTrackingScaling")
	case in.AdjustmentType != nil || in.MinAdjustmentMagnitude != nil || in.MinAdjustmentStep != nil || in.MetricAggregationType != nil:
		return invalid("The parameters of the policy do not fit its type %s", x.Type)
	case wire.Val(c.TargetValue) <= 0 || math.IsInf(*c.TargetValue, 0):
		return invalid("TargetValue must be greater than 0")
	case (c.PredefinedMetricSpecification == nil) == (c.CustomizedMetricSpecification == nil):
		return invalid("Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified")
	}
	x.TargetValue, x.DisableScaleIn = *c.TargetValue, wire.Val(c.DisableScaleIn)
	if m := c.CustomizedMetricSpecification; m != nil {
		return setCustom(x, m)
	}
	kind, label := wire.Val(c.PredefinedMetricSpecification.PredefinedMetricType), wire.Val(c.PredefinedMetricSpecification.ResourceLabel)
	switch {
	case kind != cpuMetric && kind != requestsMetric:
		return invalid("PredefinedMetricType %s is not built in Berth: %s and %s are.", kind, cpuMetric, requestsMetric)
	case kind == cpuMetric && label != "":
		return invalid("ResourceLabel is not supported for the metric type %s", kind)
	case kind == requestsMetric && plan.TargetGroupOf(label) == "":
		return invalid("Invalid ResourceLabel '%s' for the metric type %s", label, kind)
	}
	x.PredefinedMetric, x.ResourceLabel = kind, label
	return nil
}

func setCustom(x *model.ScalingPolicy, m *shape.CustomizedMetricSpecification) error {
	if wire.Val(m.MetricName) == "" || wire.Val(m.Namespace) == "" || m.Statistic == nil {
		return invalid("MetricName, Namespace and Statistic must be specified for a customized metric")
	}
	x.CustomNamespace, x.CustomMetric, x.CustomStatistic, x.CustomUnit = *m.Namespace, *m.MetricName, *m.Statistic, wire.Val(m.Unit)
	for _, d := range m.Dimensions {
		x.CustomDimensions = append(x.CustomDimensions, model.Dimension{Name: wire.Val(d.Name), Value: wire.Val(d.Value)})
	}
	return nil
}

// alarmsOf names the alarms of a policy, in the policy, and returns what
// PutMetricAlarm is to be called with. Alarms that are there keep their names.
func (a *API) alarmsOf(group string, x *model.ScalingPolicy) []cloudwatch.PutMetricAlarmInput {
	had := x.Alarms
	if x.Alarms = nil; x.Type != plan.TargetTracking {
		return nil
	}
	var out []cloudwatch.PutMetricAlarmInput
	for _, w := range plan.TrackingAlarms(*x) {
		prefix := "TargetTracking-" + group + "-Alarm" + w.Side + "-"
		name := prefix + a.IDs.UUID()
		if i := slices.IndexFunc(had, func(n string) bool { return strings.HasPrefix(n, prefix) }); i >= 0 {
			name = had[i]
		}
		x.Alarms = append(x.Alarms, name)
		in := cloudwatch.PutMetricAlarmInput{
			AlarmName: &name, AlarmActions: []string{x.ARN}, ActionsEnabled: wire.Ptr(true), Period: wire.Ptr(int64(plan.TrackingPeriod)),
			AlarmDescription:   wire.Ptr("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy " + x.ARN + "."),
			ComparisonOperator: &w.Comparison, EvaluationPeriods: &w.Periods, Threshold: &w.Threshold,
		}
		watch(&in, group, *x)
		out = append(out, in)
	}
	return out
}

// watch says which metric an alarm of a policy is about.
func watch(in *cloudwatch.PutMetricAlarmInput, group string, x model.ScalingPolicy) {
	namespace, metric, statistic, dimensions := x.CustomNamespace, x.CustomMetric, x.CustomStatistic, x.CustomDimensions
	switch x.PredefinedMetric {
	case cpuMetric:
		namespace, metric, statistic = "AWS/EC2", "CPUUtilization", "Average"
		dimensions = []model.Dimension{{Name: "AutoScalingGroupName", Value: group}}
	case requestsMetric:
		namespace, metric, statistic = "AWS/ApplicationELB", "RequestCountPerTarget", "Sum"
		dimensions = []model.Dimension{{Name: "TargetGroup", Value: plan.TargetGroupOf(x.ResourceLabel)}}
	}
	in.Namespace, in.MetricName, in.Statistic, in.Unit = &namespace, &metric, &statistic, text(x.CustomUnit)
	for _, d := range dimensions {
		in.Dimensions = append(in.Dimensions, cloudwatch.Dimension{Name: &d.Name, Value: &d.Value})
	}
}

// alarms is the API of alarms, as Auto Scaling's service-linked role.
func (a *API) alarms() cloudwatch.Client {
	p := ident.AsService(a.Place, "autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling", "AutoScaling")
	return cloudwatch.Client{Caller: a.As(p)}
}

// deleteAlarms deletes those of the alarms that are there.
func (a *API) deleteAlarms(ctx context.Context, names []string) error {
	view := a.DB.View()
	there := slices.DeleteFunc(slices.Clone(names), func(n string) bool { _, ok := state.Alarms.Get(view, n); return !ok })
	if len(there) == 0 {
		return nil
	}
	_, err := a.alarms().DeleteAlarms(ctx, &cloudwatch.DeleteAlarmsInput{AlarmNames: there})
	return err
}

// showAlarms lists the alarms that trigger a policy.
func (a *API) showAlarms(x model.ScalingPolicy) []shape.Alarm {
	return each(state.Alarms.By(a.DB.View(), "policy", x.ARN), func(alarm model.Alarm) shape.Alarm {
		return shape.Alarm{AlarmName: &alarm.Name, AlarmARN: &alarm.ARN}
	})
}

// DeletePolicy deletes a policy and the alarms that were made for it. Errors:
// ValidationError.
func (a *API) DeletePolicy(ctx context.Context, in *shape.DeletePolicyInput) (*shape.DeletePolicyOutput, error) {
	x, err := policyOf(a.DB.View(), in.AutoScalingGroupName, wire.Val(in.PolicyName))
	if err != nil {
		return nil, err
	}
	if err := a.deleteAlarms(ctx, x.Alarms); err != nil {
		return nil, err
	}
	return nil, a.update(ctx, func(tx *store.Tx) error { return state.ScalingPolicies.Delete(tx, x.ARN) })
}

// DescribePolicies lists policies of groups. Errors: InvalidNextToken,
// ValidationError.
func (a *API) DescribePolicies(_ context.Context, in *shape.DescribePoliciesInput) (*shape.DescribePoliciesOutput, error) {
	all := slices.DeleteFunc(state.ScalingPolicies.All(a.DB.View()), func(x model.ScalingPolicy) bool {
		return !strings.HasPrefix(x.Target, "autoscaling|") ||
			in.AutoScalingGroupName != nil && groupNamed(x.Target) != *in.AutoScalingGroupName ||
			!wanted(in.PolicyNames, x.Name) && !wanted(in.PolicyNames, x.ARN) || !wanted(in.PolicyTypes, x.Type)
	})
	key := func(x model.ScalingPolicy) string { return page.Key(x.Target, x.Name) }
	slices.SortFunc(all, byName(key))
	all, next, err := page.Cut(pages, in, all, key)
	return &shape.DescribePoliciesOutput{NextToken: next, ScalingPolicies: each(all, a.showPolicy)}, err
}

func (a *API) showPolicy(x model.ScalingPolicy) shape.ScalingPolicy {
	out := shape.ScalingPolicy{
		AutoScalingGroupName: wire.Ptr(groupNamed(x.Target)), PolicyName: &x.Name, PolicyARN: &x.ARN, PolicyType: &x.Type,
		AdjustmentType: text(x.AdjustmentType), Alarms: a.showAlarms(x), Enabled: wire.Ptr(!x.Disabled), EstimatedInstanceWarmup: x.Warmup,
		MetricAggregationType: text(x.Aggregation), StepAdjustments: []shape.StepAdjustment{}, Cooldown: x.OwnCooldown,
	}
	if x.MinAdjustment > 0 {
		out.MinAdjustmentMagnitude = &x.MinAdjustment
	}
	for _, s := range x.Steps {
		out.StepAdjustments = append(out.StepAdjustments, shape.StepAdjustment{
			MetricIntervalLowerBound: s.Lower, MetricIntervalUpperBound: s.Upper, ScalingAdjustment: &s.Adjustment,
		})
	}
	switch x.Type {
	case plan.SimpleScaling:
		out.ScalingAdjustment = &x.Adjustment
	case plan.TargetTracking:
		out.TargetTrackingConfiguration = showTracking(x)
	}
	return out
}

func showTracking(x model.ScalingPolicy) *shape.TargetTrackingConfiguration {
	out := &shape.TargetTrackingConfiguration{TargetValue: &x.TargetValue, DisableScaleIn: &x.DisableScaleIn}
	if x.PredefinedMetric != "" {
		out.PredefinedMetricSpecification = &shape.PredefinedMetricSpecification{
			PredefinedMetricType: &x.PredefinedMetric, ResourceLabel: text(x.ResourceLabel),
		}
		return out
	}
	out.CustomizedMetricSpecification = &shape.CustomizedMetricSpecification{
		MetricName: &x.CustomMetric, Namespace: &x.CustomNamespace, Statistic: &x.CustomStatistic, Unit: text(x.CustomUnit),
		Dimensions: each(x.CustomDimensions, func(d model.Dimension) shape.MetricDimension {
			return shape.MetricDimension{Name: &d.Name, Value: &d.Value}
		}),
	}
	return out
}

// ExecutePolicy does what a simple or step scaling policy says, as if an alarm
// had asked for it. Errors: ValidationError, ScalingActivityInProgress.
func (a *API) ExecutePolicy(ctx context.Context, in *shape.ExecutePolicyInput) (*shape.ExecutePolicyOutput, error) {
	x, err := policyOf(a.DB.View(), in.AutoScalingGroupName, wire.Val(in.PolicyName))
	switch {
	case err != nil:
		return nil, err
	case x.Type == plan.TargetTracking:
		return nil, invalid("ExecutePolicy is not supported for policies of the type %s", x.Type)
	case x.Type == plan.StepScaling && (in.MetricValue == nil || in.BreachThreshold == nil):
		return nil, invalid("MetricValue and BreachThreshold must be specified for a policy of the type %s", x.Type)
	case x.Disabled:
		return nil, invalid("Policy %s is disabled", x.Name)
	}
	now, name := a.Clock.Now(), groupNamed(x.Target)
	return nil, a.edit(ctx, &name, func(tx *store.Tx, g *model.AutoScalingGroup) error {
		w := plan.GroupWorld(groupFacts(tx, g), false, now)
		w.Policies = []plan.Policy{{ScalingPolicy: x, Signals: []plan.Signal{{
			Alarm: model.Alarm{Threshold: wire.Val(in.BreachThreshold)}, Fires: true,
			Points: []plan.Point{{At: now, Value: wire.Val(in.MetricValue)}},
		}}}}
		if x.Type == plan.SimpleScaling && wire.Val(in.HonorCooldown) && (w.Group.Busy || w.Cools()) {
			return fault.New(fault.Conflict, "ScalingActivityInProgress", "A scaling activity or its cooldown is in progress for group %s", name)
		}
		if x.Type == plan.SimpleScaling { // what there is to honor was honored
			w.Policies[0].LastOutAt, w.Policies[0].LastInAt, w.Group.Busy = time.Time{}, time.Time{}, false
		}
		p := plan.Decide(w)
		if p.Scale == nil {
			return nil
		}
		g.Why = plan.GroupWhy(now, "a user request executed policy "+x.Name, g.Desired, p.Scale.To)
		g.Desired = p.Scale.To
		return state.ScalingPolicies.Edit(tx, x.ARN, func(x *model.ScalingPolicy) error { plan.Cool(x, *p.Scale, now); return nil })
	})
}

// groupFacts are what policies see of a group.
func groupFacts(r store.Reader, g *model.AutoScalingGroup) plan.GroupFacts {
	f := plan.GroupFacts{Group: g}
	for _, i := range members(r, *g) {
		if lifecycle(r, i) == "InService" {
			f.Serving++
		} else {
			f.Busy = true
		}
	}
	for _, x := range state.GroupActivities.By(r, "group", g.Name) {
		if x.EndAt.After(f.Settled) {
			f.Settled = x.EndAt
		}
		f.Busy = f.Busy || x.EndAt.IsZero()
	}
	return f
}
