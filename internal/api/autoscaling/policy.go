package autoscaling

import (
	"context"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/autoscaling"
)

// PutScalingPolicy makes or replaces a policy by its name; a target tracking
// policy comes with its two alarms. Errors: ObjectNotFoundException,
// ValidationException.
func (a *API) PutScalingPolicy(ctx context.Context, in *shape.PutScalingPolicyInput) (*shape.PutScalingPolicyOutput, error) {
	ns, id, dim := wire.Val(in.ServiceNamespace), wire.Val(in.ResourceId), wire.Val(in.ScalableDimension)
	if err := checkScope(ns, dim); err != nil {
		return nil, err
	}
	p, err := a.newPolicy(in)
	if err != nil {
		return nil, err
	}
	now := a.Clock.Now()
	high, low, created := a.IDs.UUID(), a.IDs.UUID(), a.IDs.UUID()
	out := &shape.PutScalingPolicyOutput{Alarms: []shape.Alarm{}}
	err = a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.ScalableTargets.Get(tx, p.Target); !ok {
			return fault.New(fault.NotFound, "ObjectNotFoundException", "No scalable target registered for service namespace: %s, resource ID: %s, scalable dimension: %s", ns, id, dim)
		}
		for _, old := range state.ScalingPolicies.By(tx, "target", p.Target) {
			if old.Name == p.Name {
				p = replaced(p, old)
			}
		}
		if p.Type != "TargetTrackingScaling" {
			for _, n := range p.Alarms {
				if err := state.Alarms.Delete(tx, n); err != nil {
					return err
				}
			}
			p.Alarms = nil
		} else if len(p.Alarms) == 0 {
			p.Alarms = []string{"TargetTracking-" + id + "-AlarmHigh-" + high, "TargetTracking-" + id + "-AlarmLow-" + low}
		}
		if err := a.putAlarms(tx, p, created, now); err != nil {
			return err
		}
		out.PolicyARN = wire.Ptr(p.ARN)
		for _, n := range p.Alarms {
			out.Alarms = append(out.Alarms, a.showAlarm(n))
		}
		return state.ScalingPolicies.Put(tx, p)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// replaced gives a policy the identity and the memory of the one it replaces.
func replaced(p, old model.ScalingPolicy) model.ScalingPolicy {
	p.ARN, p.CreatedAt, p.Alarms = old.ARN, old.CreatedAt, slices.Clone(old.Alarms)
	p.LastInAt, p.LastOutAt, p.LastOutFrom = old.LastInAt, old.LastOutAt, old.LastOutFrom
	return p
}

func (a *API) showAlarm(name string) shape.Alarm {
	return shape.Alarm{AlarmName: wire.Ptr(name), AlarmARN: wire.Ptr(a.Place.ARN("cloudwatch", "alarm:"+name))}
}

func (a *API) newPolicy(in *shape.PutScalingPolicyInput) (model.ScalingPolicy, error) {
	id := wire.Val(in.ResourceId)
	p := model.ScalingPolicy{
		ARN:  a.Place.ARN("autoscaling", "scalingPolicy:"+a.IDs.UUID()+":resource/ecs/"+id+":policyName/"+wire.Val(in.PolicyName)),
		Name: wire.Val(in.PolicyName), Type: wire.Or(in.PolicyType, "StepScaling"), Target: key("ecs", id, wire.Val(in.ScalableDimension)), CreatedAt: a.Clock.Now(),
	}
	switch p.Type {
	case "TargetTrackingScaling":
		return p, readTracking(in.TargetTrackingScalingPolicyConfiguration, &p)
	case "StepScaling":
		return p, readStep(in.StepScalingPolicyConfiguration, &p)
	default:
		return p, fault.New(fault.NotImplemented, "NotImplemented", "The policy type %s is not implemented by Berth.", p.Type)
	}
}

func readTracking(c *shape.TargetTrackingScalingPolicyConfiguration, p *model.ScalingPolicy) error {
	if c == nil || c.TargetValue == nil {
		return invalid("TargetTrackingScalingPolicyConfiguration is required for policies of type TargetTrackingScaling")
	}
	p.TargetValue, p.DisableScaleIn = *c.TargetValue, wire.Val(c.DisableScaleIn)
	p.ScaleInCooldown, p.ScaleOutCooldown = c.ScaleInCooldown, c.ScaleOutCooldown
	switch {
	case p.TargetValue <= 0:
		return invalid("TargetValue must be greater than 0")
	case (c.PredefinedMetricSpecification == nil) == (c.CustomizedMetricSpecification == nil):
		return invalid("Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified")
	case c.PredefinedMetricSpecification != nil:
		return readPredefined(c.PredefinedMetricSpecification, p)
	}
	m := c.CustomizedMetricSpecification
	p.CustomMetric, p.CustomNamespace, p.CustomStatistic, p.CustomUnit = wire.Val(m.MetricName), wire.Val(m.Namespace), wire.Val(m.Statistic), wire.Val(m.Unit)
	for _, d := range m.Dimensions {
		p.CustomDimensions = append(p.CustomDimensions, model.Dimension{Name: wire.Val(d.Name), Value: wire.Val(d.Value)})
	}
	if p.CustomMetric == "" || p.CustomNamespace == "" || p.CustomStatistic == "" {
		return invalid("MetricName, Namespace and Statistic must be specified in a CustomizedMetricSpecification")
	}
	return nil
}

func readPredefined(m *shape.PredefinedMetricSpecification, p *model.ScalingPolicy) error {
	p.PredefinedMetric, p.ResourceLabel = wire.Val(m.PredefinedMetricType), wire.Val(m.ResourceLabel)
	switch p.PredefinedMetric {
	case "ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization":
		if p.ResourceLabel != "" {
			return invalid("You can't specify a resource label for the predefined metric type %s", p.PredefinedMetric)
		}
	case "ALBRequestCountPerTarget":
		if f := strings.Split(p.ResourceLabel, "/"); len(f) != 6 || f[0] != "app" || f[3] != "targetgroup" {
			return invalid("ResourceLabel must be specified as app/<load-balancer-name>/<load-balancer-id>/targetgroup/<target-group-name>/<target-group-id> for the predefined metric type ALBRequestCountPerTarget")
		}
	default:
		return invalid("The predefined metric type %s is not supported for scalable dimension ecs:service:DesiredCount", p.PredefinedMetric)
	}
	return nil
}

func readStep(c *shape.StepScalingPolicyConfiguration, p *model.ScalingPolicy) error {
	if c == nil {
		return invalid("StepScalingPolicyConfiguration is required for policies of type StepScaling")
	}
	p.AdjustmentType, p.MinAdjustment, p.Cooldown = wire.Val(c.AdjustmentType), wire.Val(c.MinAdjustmentMagnitude), wire.Or(c.Cooldown, 300)
	p.Aggregation = wire.Or(c.MetricAggregationType, "Average")
	if !slices.Contains([]string{"ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity"}, p.AdjustmentType) {
		return invalid("AdjustmentType must be specified")
	}
	for _, s := range c.StepAdjustments {
		p.Steps = append(p.Steps, model.StepAdjustment{Lower: s.MetricIntervalLowerBound, Upper: s.MetricIntervalUpperBound, Adjustment: wire.Val(s.ScalingAdjustment)})
	}
	return checkSteps(p.Steps)
}

// checkSteps refuses gaps and overlaps: sorted, each step begins where the
// one before ends.
func checkSteps(steps []model.StepAdjustment) error {
	switch {
	case len(steps) == 0:
		return invalid("At least one StepAdjustment must be specified")
	case len(steps) > 20:
		return invalid("A policy can have up to 20 StepAdjustments")
	}
	sorted := slices.SortedFunc(slices.Values(steps), func(x, y model.StepAdjustment) int {
		switch {
		case x.Lower == nil && y.Lower == nil:
			return 0
		case x.Lower == nil || y.Lower != nil && *x.Lower < *y.Lower:
			return -1
		default:
			return 1
		}
	})
	for i, s := range sorted {
		switch {
		case s.Lower == nil && s.Upper == nil && len(sorted) > 1, s.Lower != nil && s.Upper != nil && *s.Lower >= *s.Upper:
			return invalid("StepAdjustment intervals must have a lower bound that is less than the upper bound")
		case i == 0:
		case s.Lower == nil || sorted[i-1].Upper == nil || *sorted[i-1].Upper > *s.Lower:
			return invalid("StepAdjustment intervals can't overlap")
		case *sorted[i-1].Upper < *s.Lower:
			return invalid("StepAdjustment intervals can't have gaps between them")
		}
	}
	return nil
}

// putAlarms writes the two alarms of target tracking as AWS makes them
// (facts/deployments 3.2): above the target for 3 minutes, or more than 10 %
// below it for 15.
func (a *API) putAlarms(tx *store.Tx, p model.ScalingPolicy, created string, now time.Time) error {
	if p.Type != "TargetTrackingScaling" {
		return nil
	}
	high := alarmOf(p)
	high.Name, high.Comparison, high.EvaluationPeriods, high.Threshold = p.Alarms[0], "GreaterThanThreshold", 3, p.TargetValue
	low := alarmOf(p)
	low.Name, low.Comparison, low.EvaluationPeriods, low.Threshold = p.Alarms[1], "LessThanThreshold", 15, roundTenth(p.TargetValue)
	for _, x := range []model.Alarm{high, low} {
		x.ARN = a.Place.ARN("cloudwatch", "alarm:"+x.Name)
		x.Description = "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy " + p.ARN + "."
		x.ActionsEnabled, x.AlarmActions = true, []string{p.ARN + ":createdBy/" + created}
		x.ConfiguredAt, x.State, x.StateReason, x.StateAt, x.TransitionedAt = now, "INSUFFICIENT_DATA", "Unchecked: Initial alarm creation", now, now
		if old, ok := state.Alarms.Get(tx, x.Name); ok {
			x.AlarmActions, x.Tags, x.ActedAt = old.AlarmActions, old.Tags, old.ActedAt
			x.State, x.StateReason, x.StateData, x.StateAt, x.TransitionedAt = old.State, old.StateReason, old.StateData, old.StateAt, old.TransitionedAt
		}
		if err := state.Alarms.Put(tx, x); err != nil {
			return err
		}
	}
	return nil
}

// roundTenth is nine tenths of a target without the dust of floating point.
func roundTenth(v float64) float64 { return float64(int64(v*9*1e6+0.5)) / 1e7 }

// alarmOf is what both alarms of a policy watch.
func alarmOf(p model.ScalingPolicy) model.Alarm {
	x := model.Alarm{Period: 60, Statistic: "Average", TreatMissing: "missing"}
	f := strings.Split(p.Target, "|")
	parts := strings.Split(f[1], "/")
	service := []model.Dimension{{Name: "ClusterName", Value: parts[1]}, {Name: "ServiceName", Value: parts[2]}}
	switch p.PredefinedMetric {
	case "ECSServiceAverageCPUUtilization":
		x.Namespace, x.Metric, x.Unit, x.Dimensions = "AWS/ECS", "CPUUtilization", "Percent", service
	case "ECSServiceAverageMemoryUtilization":
		x.Namespace, x.Metric, x.Unit, x.Dimensions = "AWS/ECS", "MemoryUtilization", "Percent", service
	case "ALBRequestCountPerTarget":
		l := strings.Split(p.ResourceLabel, "/")
		x.Namespace, x.Metric, x.Statistic = "AWS/ApplicationELB", "RequestCountPerTarget", "Sum"
		x.Dimensions = []model.Dimension{{Name: "LoadBalancer", Value: strings.Join(l[:3], "/")}, {Name: "TargetGroup", Value: strings.Join(l[3:], "/")}}
	default:
		x.Namespace, x.Metric, x.Unit, x.Dimensions, x.Statistic = p.CustomNamespace, p.CustomMetric, p.CustomUnit, p.CustomDimensions, p.CustomStatistic
	}
	return x
}

// DescribeScalingPolicies lists policies. Errors: InvalidNextTokenException.
func (a *API) DescribeScalingPolicies(_ context.Context, in *shape.DescribeScalingPoliciesInput) (*shape.DescribeScalingPoliciesOutput, error) {
	var all []model.ScalingPolicy
	for _, p := range state.ScalingPolicies.All(a.DB.View()) {
		f := strings.Split(p.Target, "|")
		if f[0] == wire.Val(in.ServiceNamespace) && (in.ResourceId == nil || *in.ResourceId == f[1]) && (in.ScalableDimension == nil || *in.ScalableDimension == f[2]) &&
			(len(in.PolicyNames) == 0 || slices.Contains(in.PolicyNames, p.Name)) {
			all = append(all, p)
		}
	}
	all, next, err := page(all, in.NextToken, in.MaxResults, func(p model.ScalingPolicy) string { return p.ARN })
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeScalingPoliciesOutput{NextToken: next, ScalingPolicies: []shape.ScalingPolicy{}}
	for _, p := range all {
		out.ScalingPolicies = append(out.ScalingPolicies, a.showPolicy(p))
	}
	return out, nil
}

func (a *API) showPolicy(p model.ScalingPolicy) shape.ScalingPolicy {
	f := strings.Split(p.Target, "|")
	out := shape.ScalingPolicy{
		PolicyARN: wire.Ptr(p.ARN), PolicyName: wire.Ptr(p.Name), ServiceNamespace: wire.Ptr(f[0]), ResourceId: wire.Ptr(f[1]), ScalableDimension: wire.Ptr(f[2]),
		PolicyType: wire.Ptr(p.Type), CreationTime: wire.Ptr(p.CreatedAt), Alarms: []shape.Alarm{},
	}
	for _, n := range p.Alarms {
		out.Alarms = append(out.Alarms, a.showAlarm(n))
	}
	if p.Type == "StepScaling" {
		out.StepScalingPolicyConfiguration = showStep(p)
	} else {
		out.TargetTrackingScalingPolicyConfiguration = showTracking(p)
	}
	return out
}

func showStep(p model.ScalingPolicy) *shape.StepScalingPolicyConfiguration {
	c := &shape.StepScalingPolicyConfiguration{AdjustmentType: wire.Ptr(p.AdjustmentType), Cooldown: wire.Ptr(p.Cooldown), MetricAggregationType: wire.Ptr(p.Aggregation)}
	if p.MinAdjustment > 0 {
		c.MinAdjustmentMagnitude = wire.Ptr(p.MinAdjustment)
	}
	for _, s := range p.Steps {
		c.StepAdjustments = append(c.StepAdjustments, shape.StepAdjustment{MetricIntervalLowerBound: s.Lower, MetricIntervalUpperBound: s.Upper, ScalingAdjustment: wire.Ptr(s.Adjustment)})
	}
	return c
}

func showTracking(p model.ScalingPolicy) *shape.TargetTrackingScalingPolicyConfiguration {
	c := &shape.TargetTrackingScalingPolicyConfiguration{TargetValue: wire.Ptr(p.TargetValue), ScaleInCooldown: p.ScaleInCooldown, ScaleOutCooldown: p.ScaleOutCooldown, DisableScaleIn: wire.Ptr(p.DisableScaleIn)}
	if p.PredefinedMetric != "" {
		c.PredefinedMetricSpecification = &shape.PredefinedMetricSpecification{PredefinedMetricType: wire.Ptr(p.PredefinedMetric)}
		if p.ResourceLabel != "" {
			c.PredefinedMetricSpecification.ResourceLabel = wire.Ptr(p.ResourceLabel)
		}
		return c
	}
	m := &shape.CustomizedMetricSpecification{MetricName: wire.Ptr(p.CustomMetric), Namespace: wire.Ptr(p.CustomNamespace), Statistic: wire.Ptr(p.CustomStatistic)}
	if p.CustomUnit != "" {
		m.Unit = wire.Ptr(p.CustomUnit)
	}
	for _, d := range p.CustomDimensions {
		m.Dimensions = append(m.Dimensions, shape.MetricDimension{Name: wire.Ptr(d.Name), Value: wire.Ptr(d.Value)})
	}
	c.CustomizedMetricSpecification = m
	return c
}

// DeleteScalingPolicy removes a policy and its alarms. Errors:
// ObjectNotFoundException.
func (a *API) DeleteScalingPolicy(ctx context.Context, in *shape.DeleteScalingPolicyInput) (*shape.DeleteScalingPolicyOutput, error) {
	ns, id, dim := wire.Val(in.ServiceNamespace), wire.Val(in.ResourceId), wire.Val(in.ScalableDimension)
	return &shape.DeleteScalingPolicyOutput{}, a.update(ctx, func(tx *store.Tx) error {
		for _, p := range state.ScalingPolicies.By(tx, "target", key(ns, id, dim)) {
			if p.Name == wire.Val(in.PolicyName) {
				return deletePolicy(tx, p)
			}
		}
		return fault.New(fault.NotFound, "ObjectNotFoundException", "No scaling policy found for service namespace: %s, resource ID: %s, scalable dimension: %s, policy name: %s", ns, id, dim, wire.Val(in.PolicyName))
	})
}
