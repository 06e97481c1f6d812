package handler

import (
	"strings"

	"berth/internal/fault"
)

// Application Auto Scaling: targets and policies. Every call puts.

func scalingTypes() map[string]*Type {
	return map[string]*Type{"AWS::ApplicationAutoScaling::ScalableTarget": scalableTargetType(),
		"AWS::ApplicationAutoScaling::ScalingPolicy": scalingPolicyType()}
}

func scalableTargetType() *Type {
	resource, dimension, namespace := property("ResourceId"), property("ScalableDimension"), property("ServiceNamespace")
	this := Args{"ResourceId": resource, "ScalableDimension": dimension, "ServiceNamespace": namespace}
	put := Call{
		Operation: "RegisterScalableTarget", Members: names("MinCapacity MaxCapacity RoleARN SuspendedState"), With: this,
		Carries: names("ResourceId ScalableDimension ServiceNamespace"),
	}
	return &Type{
		Service: autoscale, Make: put, ID: joined(resource, dimension, namespace),
		Changes:    []Change{{Call: put, Usual: map[string]any{"SuspendedState": nothingSuspended}}},
		Attributes: map[string]Value{"Id": self},
		Remove:     Call{Operation: "DeregisterScalableTarget", With: this},
	}
}

// nothingSuspended is what a target's state goes back to when the template
// does not give one any more.
var nothingSuspended = map[string]any{"DynamicScalingInSuspended": false, "DynamicScalingOutSuspended": false,
	"ScheduledScalingSuspended": false}

func scalingPolicyType() *Type {
	put := Call{
		Operation: "PutScalingPolicy", Members: names("PolicyType StepScalingPolicyConfiguration TargetTrackingScalingPolicyConfiguration"),
		With: Args{"PolicyName": property("PolicyName")}, Prepare: nameTarget,
		Carries: names("PolicyName ResourceId ScalableDimension ScalingTargetId ServiceNamespace"),
	}
	return &Type{
		Service: autoscale, Make: put, ID: at("PolicyARN"), Changes: []Change{{Call: put}},
		Attributes: map[string]Value{"Arn": self},
		Remove:     Call{Operation: "DeleteScalingPolicy", With: Args{"PolicyName": property("PolicyName")}, Prepare: nameTarget},
	}
}

// nameTarget names the target of a policy, by its parts or by the target's
// Ref.
func nameTarget(s *Step, in map[string]any) error {
	parts := []string{"ResourceId", "ScalableDimension", "ServiceNamespace"}
	id := s.text("ScalingTargetId")
	if id == "" {
		for _, p := range parts {
			in[p] = s.Record.Properties[p]
		}
		return nil
	}
	f := strings.Split(id, "|")
	if len(f) != len(parts) {
		return fault.New(fault.Invalid, "ValidationException", "ScalingTargetId '%s' is not the Ref of a scalable target", id)
	}
	for i, p := range parts {
		in[p] = f[i]
	}
	return nil
}
