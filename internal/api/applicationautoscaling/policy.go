package applicationautoscaling

import (
	"context"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/applicationautoscaling"
)

const (
	tracking = "TargetTrackingScaling"
	stepping = "StepScaling"
	// maxPolicies is the quota of a scalable target.
	maxPolicies = 50
)

// policyOf finds a policy of a target by name.
func policyOf(r store.Reader, p place, name string) (model.ScalingPolicy, bool) {
	for _, x := range state.ScalingPolicies.By(r, "target", p.key()) {
		if x.Name == name {
			return x, true
		}
	}
	return model.ScalingPolicy{}, false
}

func (a *API) policyARN(p place, name string) string {
	return a.Place.ARN("autoscaling", "scalingPolicy:"+a.IDs.UUID()+":resource/"+namespace+"/"+p.resource+":policyName/"+name)
}

// PutScalingPolicy makes or changes a policy, and the two alarms of a target
// tracking policy. Errors: ValidationException, ObjectNotFoundException,
// LimitExceededException, NotImplemented.
func (a *API) PutScalingPolicy(ctx context.Context, in *shape.PutScalingPolicyInput) (*shape.PutScalingPolicyOutput, error) {
	p, err := where(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	view := a.DB.View()
	if _, ok := state.ScalableTargets.Get(view, p.key()); !ok {
		return nil, p.noTarget()
	}
	old, exists := policyOf(view, p, wire.Val(in.PolicyName))
	next := model.Clone(old)
	if !exists {
		next = model.ScalingPolicy{
			ARN: a.policyARN(p, wire.Val(in.PolicyName)), Name: wire.Val(in.PolicyName), Target: p.key(), CreatedAt: a.Clock.Now(),
		}
	}
	if err := setPolicy(&next, in, exists); err != nil {
		return nil, err
	}
	if err := fitsService(view, p, next); err != nil {
		return nil, err
	}
	if next.Type == tracking {
		if err := a.permitted(ctx, view, "*", "cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms"); err != nil {
			return nil, err
		}
	}
	if err := a.store(ctx, p, old, next); err != nil {
		return nil, err
	}
	put, _ := state.ScalingPolicies.Get(a.DB.View(), next.ARN)
	return &shape.PutScalingPolicyOutput{PolicyARN: &next.ARN, Alarms: a.showAlarms(put)}, nil
}

// store makes a policy's alarms and then the policy, so that whoever sees the
// policy finds its alarms; alarms that it needs no more go last.
func (a *API) store(ctx context.Context, p place, old, next model.ScalingPolicy) error {
	alarms := a.alarmsOf(p, &next)
	var fresh []string
	for _, x := range alarms {
		if !slices.Contains(old.Alarms, *x.AlarmName) {
			fresh = append(fresh, *x.AlarmName)
		}
		if err := a.putAlarm(ctx, x); err != nil {
			return a.undo(ctx, fresh, err)
		}
	}
	err := a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.ScalableTargets.Get(tx, p.key()); !ok {
			return p.noTarget()
		}
		if now, exists := policyOf(tx, p, next.Name); exists {
			if now.ARN != next.ARN {
				return fault.New(fault.Conflict, "ConcurrentUpdateException", "The scaling policy %s is being changed by another call.", next.Name)
			}
			next.LastOutAt, next.LastInAt, next.LastOutFrom = now.LastOutAt, now.LastInAt, now.LastOutFrom
		} else if len(state.ScalingPolicies.By(tx, "target", p.key())) >= maxPolicies {
			return fault.New(
				fault.Invalid, "LimitExceededException", "The maximum number of scaling policies for the scalable target, %d, is reached.", maxPolicies,
			)
		}
		return state.ScalingPolicies.Put(tx, next)
	})
	if err != nil {
		return a.undo(ctx, fresh, err)
	}
	return a.deleteAlarms(ctx, slices.DeleteFunc(slices.Clone(old.Alarms), func(n string) bool { return slices.Contains(next.Alarms, n) }))
}

// DeleteScalingPolicy removes a policy with the alarms that were made for it.
// Errors: ObjectNotFoundException.
func (a *API) DeleteScalingPolicy(ctx context.Context, in *shape.DeleteScalingPolicyInput) (*shape.DeleteScalingPolicyOutput, error) {
	p, err := where(in.ServiceNamespace, in.ResourceId, in.ScalableDimension)
	if err != nil {
		return nil, err
	}
	policy, ok := policyOf(a.DB.View(), p, wire.Val(in.PolicyName))
	if !ok {
		return nil, fault.New(fault.NotFound, "ObjectNotFoundException",
			"No scaling policy found for service namespace: %s, resource ID: %s, scalable dimension: %s, policy name: %s", namespace, p.resource,
			dimension, wire.Val(in.PolicyName))
	}
	if err := a.deleteAlarms(ctx, policy.Alarms); err != nil {
		return nil, err
	}
	return &shape.DeleteScalingPolicyOutput{}, a.update(ctx, func(tx *store.Tx) error { return state.ScalingPolicies.Delete(tx, policy.ARN) })
}

// DescribeScalingPolicies lists policies. Errors: ValidationException,
// InvalidNextTokenException.
func (a *API) DescribeScalingPolicies(
	_ context.Context, in *shape.DescribeScalingPoliciesInput,
) (*shape.DescribeScalingPoliciesOutput, error) {
	keys, err := filter(in.ServiceNamespace, in.ScalableDimension, given(in.ResourceId)...)
	if err != nil {
		return nil, err
	}
	all, next, err := list(in, state.ScalingPolicies.All(a.DB.View()), keys, in.PolicyNames,
		func(x model.ScalingPolicy) (target, name string) { return x.Target, x.Name })
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeScalingPoliciesOutput{ScalingPolicies: []shape.ScalingPolicy{}, NextToken: next}
	for _, x := range all {
		out.ScalingPolicies = append(out.ScalingPolicies, a.showPolicy(x))
	}
	return out, nil
}

func (a *API) showPolicy(x model.ScalingPolicy) shape.ScalingPolicy {
	f := strings.Split(x.Target, "|")
	out := shape.ScalingPolicy{
		PolicyARN: wire.Ptr(x.ARN), PolicyName: wire.Ptr(x.Name), ServiceNamespace: wire.Ptr(f[0]), ResourceId: wire.Ptr(f[1]),
		ScalableDimension: wire.Ptr(f[2]), PolicyType: wire.Ptr(x.Type), CreationTime: wire.Ptr(x.CreatedAt), Alarms: a.showAlarms(x),
	}
	if x.Type == stepping {
		out.StepScalingPolicyConfiguration = showStepping(x)
	} else {
		out.TargetTrackingScalingPolicyConfiguration = showTracking(x)
	}
	return out
}

func showStepping(x model.ScalingPolicy) *shape.StepScalingPolicyConfiguration {
	out := &shape.StepScalingPolicyConfiguration{
		AdjustmentType: wire.Ptr(x.AdjustmentType), Cooldown: wire.Ptr(x.Cooldown), MetricAggregationType: text(x.Aggregation),
		StepAdjustments: []shape.StepAdjustment{},
	}
	if x.MinAdjustment > 0 {
		out.MinAdjustmentMagnitude = wire.Ptr(x.MinAdjustment)
	}
	for _, s := range x.Steps {
		out.StepAdjustments = append(out.StepAdjustments, shape.StepAdjustment{
			MetricIntervalLowerBound: s.Lower, MetricIntervalUpperBound: s.Upper, ScalingAdjustment: wire.Ptr(s.Adjustment),
		})
	}
	return out
}

func showTracking(x model.ScalingPolicy) *shape.TargetTrackingScalingPolicyConfiguration {
	out := &shape.TargetTrackingScalingPolicyConfiguration{
		TargetValue: wire.Ptr(x.TargetValue), ScaleInCooldown: x.ScaleInCooldown, ScaleOutCooldown: x.ScaleOutCooldown,
		DisableScaleIn: wire.Ptr(x.DisableScaleIn),
	}
	if x.PredefinedMetric != "" {
		out.PredefinedMetricSpecification = &shape.PredefinedMetricSpecification{
			PredefinedMetricType: wire.Ptr(x.PredefinedMetric), ResourceLabel: text(x.ResourceLabel),
		}
		return out
	}
	c := &shape.CustomizedMetricSpecification{
		MetricName: wire.Ptr(x.CustomMetric), Namespace: wire.Ptr(x.CustomNamespace), Statistic: wire.Ptr(x.CustomStatistic),
		Unit: text(x.CustomUnit),
	}
	for _, d := range x.CustomDimensions {
		c.Dimensions = append(c.Dimensions, shape.MetricDimension{Name: wire.Ptr(d.Name), Value: wire.Ptr(d.Value)})
	}
	out.CustomizedMetricSpecification = c
	return out
}
