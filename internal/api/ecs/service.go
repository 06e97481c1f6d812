package ecs

import (
	"cmp"
	"context"
	"slices"
	"time"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// deploymentIDs are the names of a new deployment, drawn before its
// transaction.
type deploymentIDs struct{ revision, deployment, rollout string }

func (a *API) drawDeployment() deploymentIDs {
	return deploymentIDs{revision: a.IDs.Decimal(), deployment: a.IDs.URLSafe(21), rollout: "ecs-svc/" + a.IDs.Decimal()}
}

// CreateService makes a service with its first revision and deployment.
// Errors: ClusterNotFoundException, InvalidParameterException,
// ClientException, NotImplemented.
func (a *API) CreateService(ctx context.Context, in *shape.CreateServiceInput) (*shape.CreateServiceOutput, error) {
	if err := checkCreate(in); err != nil {
		return nil, err
	}
	tags, err := readTags(in.Tags)
	if err != nil {
		return nil, err
	}
	s := model.Service{
		Name: *in.ServiceName, Status: model.ServiceActive, DesiredCount: firstCount(in), ControllerType: "ECS",
		SchedulingStrategy: wire.Or(in.SchedulingStrategy, model.SchedulingReplica),
		GracePeriodSeconds: wire.Val(in.HealthCheckGracePeriodSeconds),
		PropagateTags:      wire.Or(in.PropagateTags, "NONE"), ECSManagedTags: wire.Val(in.EnableECSManagedTags), Tags: tags,
		CreatedAt: a.Clock.Now(), CreatedBy: caller(ctx).ARN, ClientToken: wire.Val(in.ClientToken),
	}
	if s.Deployment, err = readRollout(usualRollout(s.SchedulingStrategy), in.DeploymentConfiguration); err != nil {
		return nil, err
	}
	if s.LoadBalancers, err = readBalancers(in.LoadBalancers, s.Deployment.Strategy); err != nil {
		return nil, err
	}
	if len(s.LoadBalancers) > 0 {
		s.RoleARN = a.Place.GlobalARN("iam", model.ServiceRole)
	}
	if in.Role != nil {
		s.RoleARN = a.role(in.Role)
	}
	s.Constraints = readConstraints(in.PlacementConstraints)
	s.Placement = readPlacement(in.PlacementStrategy)
	if err := checkPlaces(s.Constraints, s.Placement); err != nil {
		return nil, err
	}
	if s.AZRebalancing, err = readBalancing(s, in.AvailabilityZoneRebalancing); err != nil {
		return nil, err
	}
	if s.GracePeriodSeconds > 0 && len(s.LoadBalancers) == 0 {
		return nil, invalid("Health check grace period is only valid for services configured to use load balancers")
	}
	ids := a.drawDeployment()
	var out shape.Service
	err = a.update(ctx, func(tx *store.Tx) error {
		created, err := a.create(tx, s, in, ids)
		if err == nil {
			out = a.showService(tx, created, []string{"TAGS"})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateServiceOutput{Service: &out}, nil
}

// readBalancing reads whether a service is to be kept even over zones: by
// default a new one is if it may be, and an old one stays as it is.
func readBalancing(s model.Service, in *string) (string, error) {
	switch {
	case in == nil && s.AZRebalancing != "":
		return s.AZRebalancing, nil
	case in == nil && s.Balanceable():
		return "ENABLED", nil
	case in == nil:
		return "DISABLED", nil
	case *in == "ENABLED" && !s.Balanceable():
		return "", invalid(
			"Availability Zone rebalancing does not support a maximumPercent of 100 or less, nor placement constraints on " +
				"attribute:ecs.availability-zone.",
		)
	}
	return *in, nil
}

// checkCreate checks what needs no state.
func checkCreate(in *shape.CreateServiceInput) error {
	switch {
	case !isName(wire.Val(in.ServiceName)):
		return invalid("Invalid service name. Up to 255 letters (uppercase and lowercase), numbers, hyphens, and underscores are allowed.")
	case wire.Val(in.TaskDefinition) == "":
		return invalid("TaskDefinition cannot be null or empty.")
	case wire.Val(in.DesiredCount) < 0:
		return invalid("The desired count must not be negative.")
	case wire.Val(in.SchedulingStrategy) == model.SchedulingDaemon && in.DesiredCount != nil:
		return invalid(countedDaemon)
	case wire.Val(in.SchedulingStrategy) == model.SchedulingDaemon && len(in.PlacementStrategy) > 0:
		return invalid("The daemon scheduling strategy does not support placement strategies. Remove the placement strategy and try again.")
	case in.Role != nil && len(in.LoadBalancers) == 0:
		return invalid("An IAM role is only valid for services configured to use load balancers")
	case in.DeploymentController != nil && wire.Or(in.DeploymentController.Type, "ECS") != "ECS":
		return unbuilt("Deployment controller %s", *in.DeploymentController.Type)
	case wire.Val(in.EnableExecuteCommand):
		return unbuilt("enableExecuteCommand")
	case wire.Val(in.HealthCheckGracePeriodSeconds) < 0:
		return invalid("healthCheckGracePeriodSeconds must not be negative.")
	}
	return nil
}

func (a *API) create(tx *store.Tx, s model.Service, in *shape.CreateServiceInput, ids deploymentIDs) (model.Service, error) {
	c, err := cluster(tx, in.Cluster)
	if err != nil {
		return s, err
	}
	s.Cluster, s.ARN = c.Name, a.arn("service/"+c.Name+"/"+s.Name)
	if old, ok := state.Services.Get(tx, s.ARN); ok {
		switch {
		case old.Status == model.ServiceDraining:
			return s, invalid("Unable to Start a service that is still Draining.")
		case old.Status == model.ServiceActive && s.ClientToken != "" && old.ClientToken == s.ClientToken:
			return old, nil
		case old.Status == model.ServiceActive:
			return s, invalid("Creation of service was not idempotent.")
		}
		if err := forget(tx, old); err != nil {
			return s, err
		}
	}
	d, err := usable(tx, *in.TaskDefinition)
	if err != nil {
		return s, err
	}
	if s.Strategy, s.LaunchType, err = compute(tx, c, in.LaunchType, in.CapacityProviderStrategy); err != nil {
		return s, err
	}
	if onFargate(s.Strategy) {
		s.PlatformVersion = wire.Or(in.PlatformVersion, platformLatest)
	}
	if err := a.fits(d, s.Strategy, s.LaunchType); err != nil {
		return s, err
	}
	s.TaskDefinition = d.ARN
	if s.Network, err = readNetwork(tx, d.NetworkMode, in.NetworkConfiguration); err != nil {
		return s, err
	}
	if err := cmp.Or(suits(wantsOf(s), in.PlatformVersion), checkDaemon(s), checkRole(tx, d, s, in.Role)); err != nil {
		return s, err
	}
	if err := balanced(tx, d, s.LoadBalancers); err != nil {
		return s, err
	}
	if err := a.deploy(tx, &s, ids, s.CreatedAt); err != nil {
		return s, err
	}
	return s, state.Services.Put(tx, s)
}

func wantsOf(s model.Service) wants {
	return wants{kindOf(s.Strategy, s.LaunchType), s.Network, s.Constraints, s.Placement}
}

// forget removes the revisions and deployments of a service that is gone:
// they vanish with it.
func forget(tx *store.Tx, s model.Service) error {
	for _, r := range state.ServiceRevisions.By(tx, "service", s.ARN) {
		if err := state.ServiceRevisions.Delete(tx, r.ARN); err != nil {
			return err
		}
	}
	for _, d := range state.ServiceDeployments.By(tx, "service", s.ARN) {
		if err := state.ServiceDeployments.Delete(tx, d.ARN); err != nil {
			return err
		}
	}
	// The tables check what a record was, so the old one goes first.
	return state.Services.Delete(tx, s.ARN)
}

func readConstraints(in []shape.PlacementConstraint) []model.PlacementConstraint {
	var out []model.PlacementConstraint
	for _, c := range in {
		out = append(out, model.PlacementConstraint{Type: wire.Val(c.Type), Expression: wire.Val(c.Expression)})
	}
	return out
}

// deploy makes a revision of what a service says now and a deployment of it;
// one that runs is superseded (docs/facts/deployments.md D103).
func (a *API) deploy(tx *store.Tx, s *model.Service, ids deploymentIDs, now time.Time) error {
	within := s.Cluster + "/" + s.Name + "/"
	rev := model.ServiceRevision{
		ARN: a.arn("service-revision/" + within + ids.revision), Service: s.ARN, Cluster: s.Cluster, TaskDefinition: s.TaskDefinition,
		Strategy: slices.Clone(s.Strategy), LaunchType: s.LaunchType, Platform: s.PlatformVersion, LoadBalancers: slices.Clone(s.LoadBalancers),
		Network: model.Clone(s.Network), CreatedAt: now,
	}
	d := model.ServiceDeployment{
		ARN: a.arn("service-deployment/" + within + ids.deployment), Service: s.ARN, Cluster: s.Cluster, RolloutID: ids.rollout, Target: rev.ARN,
		Status: model.DeploymentPending, Config: model.Clone(s.Deployment), CreatedAt: now, UpdatedAt: now,
	}
	s.Rollouts = slices.Clone(s.Rollouts)
	for i := range s.Rollouts {
		s.Rollouts[i].Status = model.RolloutActive
		d.Sources = append(d.Sources, s.Rollouts[i].Revision)
	}
	if err := supersede(tx, s.CurrentDeployment, now); err != nil {
		return err
	}
	s.Rollouts = append([]model.Rollout{{
		ID: ids.rollout, Status: model.RolloutPrimary, Revision: rev.ARN, TaskDefinition: rev.TaskDefinition, State: model.RolloutInProgress,
		Reason: "ECS deployment " + ids.rollout + " in progress.", CreatedAt: now, UpdatedAt: now,
	}}, s.Rollouts...)
	s.Revision, s.CurrentDeployment = rev.ARN, d.ARN
	if err := state.ServiceRevisions.Put(tx, rev); err != nil {
		return err
	}
	return state.ServiceDeployments.Put(tx, d)
}

func supersede(tx *store.Tx, arn string, now time.Time) error {
	if arn == "" {
		return nil
	}
	return state.ServiceDeployments.Edit(tx, arn, func(d *model.ServiceDeployment) error {
		d.Status, d.UpdatedAt = model.DeploymentStopRequested, now
		return nil
	})
}

// DeleteService ends a service; its tasks are stopped. Errors:
// ClusterNotFoundException, ServiceNotFoundException,
// InvalidParameterException.
func (a *API) DeleteService(ctx context.Context, in *shape.DeleteServiceInput) (*shape.DeleteServiceOutput, error) {
	var out shape.Service
	now := a.Clock.Now()
	err := a.update(ctx, func(tx *store.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		s, err := service(tx, c, in.Service)
		switch {
		case err != nil:
			return err
		case s.Status == model.ServiceInactive:
			return fault.New(fault.NotFound, "ServiceNotFoundException", "Service not found.")
		case s.DesiredCount > 0 && !wire.Val(in.Force):
			return invalid("The service cannot be stopped while it is scaled above 0.")
		}
		s = model.Clone(s)
		s.Status, s.DesiredCount = model.ServiceDraining, 0
		if err := supersede(tx, s.CurrentDeployment, now); err != nil {
			return err
		}
		out = a.showService(tx, s, []string{"TAGS"})
		return state.Services.Put(tx, s)
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeleteServiceOutput{Service: &out}, nil
}

// DescribeServices describes up to ten services. Errors:
// ClusterNotFoundException, InvalidParameterException.
func (a *API) DescribeServices(_ context.Context, in *shape.DescribeServicesInput) (*shape.DescribeServicesOutput, error) {
	if len(in.Services) == 0 {
		return nil, invalid("Services cannot be empty.")
	}
	if len(in.Services) > 10 {
		return nil, invalid("Services cannot have more than 10 items.")
	}
	v := a.view()
	c, err := cluster(v, in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeServicesOutput{Services: []shape.Service{}, Failures: []shape.Failure{}}
	for _, n := range in.Services {
		s, err := service(v, c, &n)
		if err != nil {
			out.Failures = append(out.Failures, missing(a.whole("service", c.Name, n)))
			continue
		}
		out.Services = append(out.Services, a.showService(v, s, in.Include))
	}
	return out, nil
}

// ListServices lists the services of a cluster that are not gone. Errors:
// ClusterNotFoundException, InvalidParameterException.
func (a *API) ListServices(_ context.Context, in *shape.ListServicesInput) (*shape.ListServicesOutput, error) {
	v := a.view()
	c, err := cluster(v, in.Cluster)
	if err != nil {
		return nil, err
	}
	arns := []string{}
	for _, s := range state.Services.By(v, "cluster", c.Name) {
		if s.Status != model.ServiceInactive && wire.Or(in.SchedulingStrategy, s.SchedulingStrategy) == s.SchedulingStrategy &&
			wire.Or(in.LaunchType, s.LaunchType) == s.LaunchType {
			arns = append(arns, s.ARN)
		}
	}
	arns, next, err := page.Cut(pages(10, 100), in, arns, page.Self)
	if err != nil {
		return nil, err
	}
	return &shape.ListServicesOutput{ServiceArns: arns, NextToken: next}, nil
}
