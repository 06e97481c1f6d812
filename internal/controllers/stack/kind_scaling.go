package stack

import (
	"context"
	"strings"

	"berth/internal/fault"
)

// Application Auto Scaling: targets and policies. Every call puts.

func scalingKinds() map[string]kind {
	return map[string]kind{
		"AWS::ApplicationAutoScaling::ScalableTarget": {create: putTarget, update: putTarget, remove: removeTarget},
		"AWS::ApplicationAutoScaling::ScalingPolicy":  {create: putPolicy, update: putPolicy, remove: removePolicyOfTarget},
	}
}

func putTarget(ctx context.Context, a *act) error {
	in := pick(a.props, "ServiceNamespace", "ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity", "RoleARN", "SuspendedState")
	if err := a.do(ctx, aas, "RegisterScalableTarget", in); err != nil {
		return err
	}
	id := a.str("ResourceId") + "|" + a.str("ScalableDimension") + "|" + a.str("ServiceNamespace")
	a.made(id, map[string]any{"Id": id})
	return nil
}

func removeTarget(ctx context.Context, a *act) (bool, error) {
	err := a.do(ctx, aas, "DeregisterScalableTarget", pick(a.props, "ServiceNamespace", "ResourceId", "ScalableDimension"))
	return err == nil, err
}

// targetOf names the target of a policy, by its parts or by the target's Ref.
func targetOf(a *act) (map[string]any, error) {
	id := a.str("ScalingTargetId")
	if id == "" {
		return pick(a.props, "ServiceNamespace", "ResourceId", "ScalableDimension"), nil
	}
	f := strings.Split(id, "|")
	if len(f) != 3 {
		return nil, fault.New(fault.Invalid, "ValidationException", "ScalingTargetId '%s' is not the Ref of a scalable target", id)
	}
	return map[string]any{"ResourceId": f[0], "ScalableDimension": f[1], "ServiceNamespace": f[2]}, nil
}

func putPolicy(ctx context.Context, a *act) error {
	in, err := targetOf(a)
	if err != nil {
		return err
	}
	for k, v := range pick(a.props, "PolicyName", "PolicyType", "StepScalingPolicyConfiguration", "TargetTrackingScalingPolicyConfiguration") {
		in[k] = v
	}
	out, err := a.call(ctx, aas, "PutScalingPolicy", in)
	if err != nil {
		return err
	}
	a.made(digs(out, "PolicyARN"), map[string]any{"Arn": digs(out, "PolicyARN")})
	return nil
}

func removePolicyOfTarget(ctx context.Context, a *act) (bool, error) {
	in, err := targetOf(a)
	if err != nil {
		return false, err
	}
	in["PolicyName"] = a.props["PolicyName"]
	err = a.do(ctx, aas, "DeleteScalingPolicy", in)
	return err == nil, err
}
