package stack

import "maps"

// Services as the invoker names them.
const (
	ec2    = "ec2"
	elb    = "elasticloadbalancing"
	ecs    = "ecs"
	iam    = "iam"
	lambda = "lambda"
	logs   = "logs"
	aas    = "application-autoscaling"
	ecr    = "ecr"
	alarms = "monitoring"
)

// kinds is the table of all resource types that are built; built.txt of
// lang/template names the same ones.
func kinds() map[string]kind {
	out := map[string]kind{}
	for _, family := range []map[string]kind{
		networkKinds(), gatewayKinds(), groupKinds(), endpointKinds(), iamKinds(), policyKinds(), balancerKinds(), listenerKinds(),
		targetGroupKinds(), clusterKinds(), taskKinds(), serviceKinds(), scalingKinds(), functionKinds(), otherKinds(),
	} {
		maps.Copy(out, family)
	}
	return out
}

// Types lists the resource types with code, sorted.
func Types() []string { return sortedKeys(kinds()) }
