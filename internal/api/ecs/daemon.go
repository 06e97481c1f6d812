package ecs

import (
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

const countedDaemon = "The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and " +
	"try again."

// usualRollout is where the deployment configuration of a new service begins:
// a daemon stops before it starts (docs/facts/ec2-launch-type.md E122).
func usualRollout(scheduling string) model.DeploymentConfiguration {
	if scheduling != model.SchedulingDaemon {
		return model.DeploymentConfiguration{}
	}
	return model.DeploymentConfiguration{MaximumPercent: 100}
}

// firstCount is how many tasks a new service is to have: one, if it does not
// say; a daemon is not asked.
func firstCount(in *shape.CreateServiceInput) int64 {
	if wire.Val(in.SchedulingStrategy) == model.SchedulingDaemon {
		return 0
	}
	return wire.Or(in.DesiredCount, 1)
}

// checkDaemon refuses what a daemon does not have. Errors:
// InvalidParameterException.
func checkDaemon(s model.Service) error {
	kind := kindOf(s.Strategy, s.LaunchType)
	switch {
	case s.SchedulingStrategy != model.SchedulingDaemon || kind == model.LaunchEC2 && plainRollout(s.Deployment):
		return nil
	case kind == launchManaged:
		return invalid("The scheduling strategy DAEMON is not supported for Managed Instances.")
	case kind == model.LaunchFargate:
		return invalid("The scheduling strategy DAEMON is not supported with FARGATE launch type.")
	}
	return invalid("The daemon scheduling strategy needs a deployment configuration of ROLLING with a maximumPercent of 100.")
}

func plainRollout(d model.DeploymentConfiguration) bool {
	return d.Strategy == model.StrategyRolling && d.MaximumPercent == 100
}

// checkRole checks the role by which a service registers its targets. Whether
// it may is asked when it does. Errors: InvalidParameterException.
func checkRole(r store.Reader, d model.TaskDefinition, s model.Service, given *string) error {
	switch {
	case given == nil:
		return nil
	case d.Awsvpc():
		return invalid("You cannot specify an IAM role for services that require a service linked role.")
	case strings.Contains(s.RoleARN, ":role/aws-service-role/"):
		return nil
	}
	if _, ok := state.Roles.One(r, "arn", s.RoleARN); !ok {
		return invalid("Unable to assume role and validate the listeners configured on your load balancer. Please verify that the ECS service " +
			"role being passed has the proper permissions.")
	}
	return nil
}

// desired is how many tasks a service is to have: a daemon as many as it had
// hosts when it was last looked at.
func desired(s model.Service) int64 {
	if s.SchedulingStrategy != model.SchedulingDaemon {
		return s.DesiredCount
	}
	for _, o := range s.Rollouts {
		if o.Status == model.RolloutPrimary {
			return o.Desired
		}
	}
	return 0
}
