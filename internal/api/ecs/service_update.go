package ecs

import (
	"cmp"
	"context"
	"reflect"
	"slices"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

const mustForce = "When switching from launch type to capacity provider strategy on an existing service, or making a change to a " +
	"capacity provider strategy on a service that is already using one, you must force a new deployment."

// UpdateService changes a service; a change of the task definition, network or
// load balancers, or forceNewDeployment, starts a deployment
// (docs/facts/deployments.md D102). Errors: ClusterNotFoundException,
// ServiceNotFoundException, ServiceNotActiveException,
// InvalidParameterException, ClientException, NotImplemented.
func (a *API) UpdateService(ctx context.Context, in *shape.UpdateServiceInput) (*shape.UpdateServiceOutput, error) {
	if err := checkUpdate(in); err != nil {
		return nil, err
	}
	ids, now := a.drawDeployment(), a.Clock.Now()
	var out shape.Service
	err := a.update(ctx, func(tx *store.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		old, err := service(tx, c, in.Service)
		switch {
		case err != nil:
			return err
		case old.Status != model.ServiceActive:
			return fault.New(fault.Invalid, "ServiceNotActiveException", "Service was not ACTIVE.")
		}
		s := model.Clone(old)
		if err := change(&s, in); err != nil {
			return err
		}
		if err := a.rewrite(tx, c, &s, in); err != nil {
			return err
		}
		if wire.Val(in.ForceNewDeployment) || redeploys(old, s) {
			if err := a.deploy(tx, &s, ids, now); err != nil {
				return err
			}
		}
		out = a.showService(tx, s, []string{"TAGS"})
		return state.Services.Put(tx, s)
	})
	if err != nil {
		return nil, err
	}
	return &shape.UpdateServiceOutput{Service: &out}, nil
}

func checkUpdate(in *shape.UpdateServiceInput) error {
	switch {
	case wire.Val(in.Service) == "":
		return invalid("Service cannot be empty.")
	case wire.Val(in.DesiredCount) < 0:
		return invalid("The desired count must not be negative.")
	case in.DeploymentController != nil && wire.Or(in.DeploymentController.Type, "ECS") != "ECS":
		return unbuilt("Deployment controller %s", *in.DeploymentController.Type)
	case wire.Val(in.EnableExecuteCommand):
		return unbuilt("enableExecuteCommand")
	case wire.Val(in.HealthCheckGracePeriodSeconds) < 0:
		return invalid("healthCheckGracePeriodSeconds must not be negative.")
	}
	return nil
}

// change writes what starts no deployment.
func change(s *model.Service, in *shape.UpdateServiceInput) error {
	var err error
	if s.Deployment, err = readRollout(s.Deployment, in.DeploymentConfiguration); err != nil {
		return err
	}
	if s.SchedulingStrategy == model.SchedulingDaemon && in.DesiredCount != nil {
		return invalid(countedDaemon)
	}
	s.DesiredCount = wire.Or(in.DesiredCount, s.DesiredCount)
	s.GracePeriodSeconds = wire.Or(in.HealthCheckGracePeriodSeconds, s.GracePeriodSeconds)
	s.PropagateTags = wire.Or(in.PropagateTags, s.PropagateTags)
	s.ECSManagedTags = wire.Or(in.EnableECSManagedTags, s.ECSManagedTags)
	if in.PlacementConstraints != nil {
		s.Constraints = readConstraints(in.PlacementConstraints)
	}
	if in.PlacementStrategy != nil {
		s.Placement = readPlacement(in.PlacementStrategy)
	}
	if err := checkPlaces(s.Constraints, s.Placement); err != nil {
		return err
	}
	s.AZRebalancing, err = readBalancing(*s, in.AvailabilityZoneRebalancing)
	return err
}

// rewrite writes what a revision is made of, and checks the whole.
func (a *API) rewrite(tx *store.Tx, c model.Cluster, s *model.Service, in *shape.UpdateServiceInput) error {
	d, ok := definition(tx, s.TaskDefinition)
	if t := wire.Val(in.TaskDefinition); t != "" {
		var err error
		if d, err = usable(tx, t); err != nil {
			return err
		}
		s.TaskDefinition = d.ARN
	} else if !ok {
		return client("TaskDefinition not found.")
	}
	if in.CapacityProviderStrategy != nil {
		next, err := readStrategy(tx, c, c.CapacityProviders, in.CapacityProviderStrategy)
		if err != nil {
			return err
		}
		launch := ""
		if len(next) == 0 {
			if next, launch, err = fallback(c, *s); err != nil {
				return err
			}
		}
		if (s.LaunchType != launch || !slices.Equal(next, s.Strategy)) && !wire.Val(in.ForceNewDeployment) {
			return invalid(mustForce)
		}
		s.Strategy, s.LaunchType = next, launch
	}
	if in.TaskDefinition != nil || in.CapacityProviderStrategy != nil {
		if err := a.fits(d, s.Strategy, s.LaunchType); err != nil {
			return err
		}
	}
	if in.NetworkConfiguration != nil {
		n, err := readNetwork(tx, d.NetworkMode, in.NetworkConfiguration)
		if err != nil {
			return err
		}
		s.Network = n
	}
	if err := replatform(s, in.PlatformVersion); err != nil {
		return err
	}
	if in.LoadBalancers != nil {
		bs, err := readBalancers(in.LoadBalancers, s.Deployment.Strategy)
		if err != nil {
			return err
		}
		s.LoadBalancers = bs
	} else if s.Deployment.Strategy != model.StrategyRolling && len(s.LoadBalancers) > 0 && s.LoadBalancers[0].AlternateTargetGroupARN == "" {
		return invalid("advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy")
	}
	if s.GracePeriodSeconds > 0 && len(s.LoadBalancers) == 0 {
		return invalid("Health check grace period is only valid for services configured to use load balancers")
	}
	if d.Awsvpc() && len(s.Network.Subnets) == 0 {
		return invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	if in.LoadBalancers != nil || in.TaskDefinition != nil {
		return balanced(tx, d, s.LoadBalancers)
	}
	return nil
}

// fallback is where a service goes whose strategy is taken away: where its
// launch type says, or its cluster.
func fallback(c model.Cluster, s model.Service) ([]model.StrategyItem, string, error) {
	switch {
	case len(c.DefaultStrategy) > 0:
		return slices.Clone(c.DefaultStrategy), "", nil
	case s.LaunchType != "":
		return s.Strategy, s.LaunchType, nil
	}
	return nil, "", invalid(
		"No launch type to fall back to for empty capacity provider strategy. Your service was not created with a launch type.",
	)
}

// replatform writes the platform version, and checks what only some launch
// types have.
func replatform(s *model.Service, given *string) error {
	if err := cmp.Or(suits(wantsOf(*s), given), checkDaemon(*s)); err != nil {
		return err
	}
	switch {
	case !onFargate(s.Strategy):
		s.PlatformVersion = ""
	case given != nil || s.PlatformVersion == "":
		s.PlatformVersion = wire.Or(given, platformLatest)
	}
	return nil
}

// redeploys reports whether what a revision is made of differs.
func redeploys(old, s model.Service) bool {
	same := func(a, b any) bool { return reflect.DeepEqual(a, b) }
	sameBalancers := len(old.LoadBalancers) == 0 && len(s.LoadBalancers) == 0 || same(old.LoadBalancers, s.LoadBalancers)
	return old.TaskDefinition != s.TaskDefinition || old.PlatformVersion != s.PlatformVersion ||
		!same(old.Network, s.Network) || !sameBalancers
}
