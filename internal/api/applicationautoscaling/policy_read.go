package applicationautoscaling

import (
	"cmp"
	"math"
	"reflect"
	"slices"
	"strings"

	"berth/internal/model"
	plan "berth/internal/plan/scaling"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/applicationautoscaling"
)

// cooldown is AWS's default for ECS services, in seconds.
const cooldown = 300

// The predefined metrics of ECS services.
const (
	cpuMetric      = "ECSServiceAverageCPUUtilization"
	memoryMetric   = "ECSServiceAverageMemoryUtilization"
	requestsMetric = "ALBRequestCountPerTarget"
)

// setPolicy writes what a call gives into a policy and checks it.
func setPolicy(x *model.ScalingPolicy, in *shape.PutScalingPolicyInput, exists bool) error {
	kind := wire.Or(in.PolicyType, cmp.Or(x.Type, stepping))
	switch {
	case kind != tracking && kind != stepping:
		return unbuilt("PolicyType " + kind)
	case exists && kind != x.Type:
		return invalid("The policy type of an existing scaling policy cannot be changed: %s is of type %s", x.Name, x.Type)
	case kind == tracking && in.StepScalingPolicyConfiguration != nil, kind == stepping && in.TargetTrackingScalingPolicyConfiguration != nil:
		return invalid("The policy configuration does not fit policy type %s", kind)
	}
	x.Type = kind
	if kind == tracking {
		return setTracking(x, in.TargetTrackingScalingPolicyConfiguration, exists)
	}
	return setStepping(x, in.StepScalingPolicyConfiguration, exists)
}

func setTracking(x *model.ScalingPolicy, c *shape.TargetTrackingScalingPolicyConfiguration, exists bool) error {
	switch {
	case c == nil && exists:
		return nil
	case c == nil:
		return invalid("TargetTrackingScalingPolicyConfiguration must be specified")
	case wire.Val(c.TargetValue) <= 0 || math.IsInf(*c.TargetValue, 0):
		return invalid("Target value must be greater than 0")
	case wire.Val(c.ScaleInCooldown) < 0 || wire.Val(c.ScaleOutCooldown) < 0:
		return invalid("Cooldown cannot be negative")
	case c.PredefinedMetricSpecification != nil && c.CustomizedMetricSpecification != nil:
		return invalid("Only one of PredefinedMetricSpecification and CustomizedMetricSpecification can be specified")
	case c.PredefinedMetricSpecification == nil && c.CustomizedMetricSpecification == nil && !exists:
		return invalid("Either PredefinedMetricSpecification or CustomizedMetricSpecification must be specified")
	}
	x.TargetValue, x.ScaleInCooldown, x.ScaleOutCooldown, x.DisableScaleIn = *c.TargetValue, c.ScaleInCooldown, c.ScaleOutCooldown,
		wire.Val(c.DisableScaleIn)
	if m := c.PredefinedMetricSpecification; m != nil {
		return setPredefined(x, m)
	}
	if m := c.CustomizedMetricSpecification; m != nil {
		return setCustom(x, m)
	}
	return nil
}

func setPredefined(x *model.ScalingPolicy, m *shape.PredefinedMetricSpecification) error {
	kind, label := wire.Val(m.PredefinedMetricType), wire.Val(m.ResourceLabel)
	switch {
	case kind == cpuMetric+"HighResolution" || kind == memoryMetric+"HighResolution":
		return unbuilt("PredefinedMetricType " + kind)
	case kind != cpuMetric && kind != memoryMetric && kind != requestsMetric:
		return invalid("Predefined metric type %s is not supported for scalable dimension %s", kind, dimension)
	case kind != requestsMetric && label != "":
		return invalid("Resource label should not be specified for predefined metric type %s", kind)
	case kind == requestsMetric && label == "":
		return invalid("Resource label should be specified for predefined metric type %s", kind)
	case kind == requestsMetric && plan.TargetGroupOf(label) == "":
		return invalid("Invalid resource label '%s' for predefined metric type %s", label, kind)
	}
	x.PredefinedMetric, x.ResourceLabel = kind, label
	x.CustomNamespace, x.CustomMetric, x.CustomDimensions, x.CustomStatistic, x.CustomUnit = "", "", nil, "", ""
	return nil
}

func setCustom(x *model.ScalingPolicy, m *shape.CustomizedMetricSpecification) error {
	if wire.Val(m.MetricName) == "" || wire.Val(m.Namespace) == "" || m.Statistic == nil {
		return invalid("MetricName, Namespace and Statistic must be specified for a customized metric")
	}
	x.PredefinedMetric, x.ResourceLabel = "", ""
	x.CustomNamespace, x.CustomMetric, x.CustomStatistic, x.CustomUnit = *m.Namespace, *m.MetricName, *m.Statistic, wire.Val(m.Unit)
	x.CustomDimensions = nil
	for _, d := range m.Dimensions {
		x.CustomDimensions = append(x.CustomDimensions, model.Dimension{Name: wire.Val(d.Name), Value: wire.Val(d.Value)})
	}
	return nil
}

func setStepping(x *model.ScalingPolicy, c *shape.StepScalingPolicyConfiguration, exists bool) error {
	switch {
	case c == nil && exists:
		return nil
	case c == nil:
		return invalid("StepScalingPolicyConfiguration must be specified")
	case c.AdjustmentType == nil && x.AdjustmentType == "":
		return invalid("AdjustmentType must be specified")
	case wire.Val(c.Cooldown) < 0:
		return invalid("Cooldown cannot be negative")
	}
	x.AdjustmentType, x.Cooldown = wire.Or(c.AdjustmentType, x.AdjustmentType), wire.Or(c.Cooldown, cooldown)
	x.MinAdjustment, x.Aggregation = wire.Val(c.MinAdjustmentMagnitude), wire.Or(c.MetricAggregationType, "Average")
	if c.MinAdjustmentMagnitude != nil && (x.AdjustmentType != "PercentChangeInCapacity" || x.MinAdjustment <= 0) {
		return invalid("MinAdjustmentMagnitude must be greater than 0, and is supported only for adjustment type PercentChangeInCapacity")
	}
	if c.StepAdjustments != nil || !exists {
		x.Steps = nil
		for _, s := range c.StepAdjustments {
			x.Steps = append(x.Steps, model.StepAdjustment{
				Lower: s.MetricIntervalLowerBound, Upper: s.MetricIntervalUpperBound, Adjustment: wire.Val(s.ScalingAdjustment),
			})
		}
	}
	if why := plan.BadSteps(*x); why != "" {
		return invalid("%s", why)
	}
	return nil
}

// fitsService holds a policy against the service and its other policies.
func fitsService(r store.Reader, p place, x model.ScalingPolicy) error {
	if x.Type != tracking {
		return nil
	}
	for _, o := range state.ScalingPolicies.By(r, "target", x.Target) {
		if o.ARN != x.ARN && o.Type == tracking && sameMetric(o, x) {
			return invalid("Only one TargetTrackingScaling policy for a given metric specification is allowed.")
		}
	}
	if x.PredefinedMetric != requestsMetric {
		return nil
	}
	group := plan.TargetGroupOf(x.ResourceLabel)
	s, _ := p.find(r)
	for _, lb := range s.LoadBalancers {
		if strings.HasSuffix(lb.TargetGroupARN, ":"+group) || strings.HasSuffix(lb.AlternateTargetGroupARN, ":"+group) {
			return nil
		}
	}
	return invalid("Target group %s is not attached to resource %s", group, p.resource)
}

func sameMetric(a, b model.ScalingPolicy) bool {
	m := func(x model.ScalingPolicy) []any {
		dims := slices.Clone(x.CustomDimensions)
		slices.SortFunc(dims, func(s, t model.Dimension) int { return cmp.Compare(s.Name, t.Name) })
		return []any{x.PredefinedMetric, x.ResourceLabel, x.CustomNamespace, x.CustomMetric, x.CustomStatistic, dims}
	}
	return reflect.DeepEqual(m(a), m(b))
}
