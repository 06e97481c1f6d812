package handler

import "maps"

// Services as the invoker names them.
const (
	ec2       = "ec2"
	elb       = "elasticloadbalancing"
	ecs       = "ecs"
	iam       = "iam"
	lambda    = "lambda"
	logs      = "logs"
	autoscale = "application-autoscaling"
	ecr       = "ecr"
	metrics   = "monitoring"
	secrets   = "secretsmanager"

	parameters = "ssm"
	discovery  = "servicediscovery"

	autoscalingGroups = "autoscaling"
)

// Types are all resource types that are built, by name; built.txt of
// lang/template names the same ones.
func Types() map[string]*Type {
	out := map[string]*Type{}
	for _, family := range []map[string]*Type{
		vpcTypes(), gatewayTypes(), securityGroupTypes(), endpointTypes(), roleTypes(), policyTypes(), loadBalancerTypes(), listenerTypes(),
		targetGroupTypes(), clusterTypes(), providerTypes(), taskDefinitionTypes(), serviceTypes(), scalingTypes(), functionTypes(),
		logTypes(), repositoryTypes(),
		alarmTypes(), handleTypes(), launchTypes(), groupTypes(), userTypes(), secretTypes(), parameterTypes(),
		discoveryTypes(),
	} {
		maps.Copy(out, family)
	}
	return out
}
