package ecs

import (
	"slices"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// showService shapes a service as DescribeServices does.
func (a *API) showService(r store.Reader, s model.Service, include []string) shape.Service {
	tasks := state.Tasks.By(r, "service", s.ARN)
	running, pending := tally(tasks, func(model.Task) bool { return true })
	out := shape.Service{
		ServiceArn: &s.ARN, ServiceName: &s.Name, ClusterArn: wire.Ptr(a.arn("cluster/" + s.Cluster)), Status: wire.Ptr(string(s.Status)),
		LoadBalancers: showBalancers(s.LoadBalancers), ServiceRegistries: []shape.ServiceRegistry{}, DesiredCount: wire.Ptr(desired(s)),
		RunningCount: &running, PendingCount: &pending, LaunchType: text(s.LaunchType),
		CapacityProviderStrategy: shownStrategy(s.LaunchType, s.Strategy),
		TaskDefinition:           &s.TaskDefinition, DeploymentConfiguration: showRollout(s.Deployment), RoleArn: text(s.RoleARN),
		CreatedAt: at(s.CreatedAt), CreatedBy: text(s.CreatedBy), CurrentServiceDeployment: text(s.CurrentDeployment),
		PlacementConstraints: []shape.PlacementConstraint{}, PlacementStrategy: []shape.PlacementStrategy{},
		NetworkConfiguration: showNetwork(s.Network), SchedulingStrategy: &s.SchedulingStrategy,
		DeploymentController: &shape.DeploymentController{Type: &s.ControllerType}, EnableECSManagedTags: &s.ECSManagedTags,
		PropagateTags: text(s.PropagateTags), EnableExecuteCommand: &s.ExecuteCommand, AvailabilityZoneRebalancing: text(s.AZRebalancing),
		ResourceManagementType: wire.Ptr("CUSTOMER"), Events: []shape.ServiceEvent{}, Deployments: []shape.Deployment{},
	}
	out.PlatformVersion, out.PlatformFamily = platform(s.Strategy, s.PlatformVersion)
	if len(s.LoadBalancers) > 0 {
		out.HealthCheckGracePeriodSeconds = &s.GracePeriodSeconds
	}
	for _, c := range s.Constraints {
		out.PlacementConstraints = append(out.PlacementConstraints, shape.PlacementConstraint{
			Type: wire.Ptr(c.Type), Expression: text(c.Expression),
		})
	}
	for _, p := range s.Placement {
		out.PlacementStrategy = append(out.PlacementStrategy, shape.PlacementStrategy{Type: wire.Ptr(p.Type), Field: text(p.Field)})
	}
	for _, e := range s.Events {
		out.Events = append(out.Events, shape.ServiceEvent{Id: wire.Ptr(e.ID), CreatedAt: at(e.At), Message: wire.Ptr(e.Message)})
	}
	for _, o := range s.Rollouts {
		out.Deployments = append(out.Deployments, showDeployment(r, s, o, tasks))
	}
	out.CurrentServiceRevisions = currentRevisions(s, tasks)
	if slices.Contains(include, "TAGS") {
		out.Tags = showTags(s.Tags)
	}
	return out
}

func showDeployment(r store.Reader, s model.Service, o model.Rollout, tasks []model.Task) shape.Deployment {
	rev, _ := state.ServiceRevisions.Get(r, o.Revision)
	running, pending := tally(tasks, func(t model.Task) bool { return t.StartedBy == o.ID })
	desired := o.Desired
	if desired == 0 && o.Status == model.RolloutPrimary && o.State == model.RolloutInProgress && running+pending == 0 {
		desired = s.DesiredCount // the controller has not looked yet
	}
	out := shape.Deployment{
		Id: wire.Ptr(o.ID), Status: wire.Ptr(string(o.Status)), TaskDefinition: wire.Ptr(o.TaskDefinition), DesiredCount: &desired,
		RunningCount: &running, PendingCount: &pending, FailedTasks: wire.Ptr(o.FailedTasks), CreatedAt: at(o.CreatedAt),
		UpdatedAt: at(o.UpdatedAt), CapacityProviderStrategy: shownStrategy(rev.LaunchType, rev.Strategy), LaunchType: text(rev.LaunchType),
		NetworkConfiguration: showNetwork(rev.Network), RolloutState: wire.Ptr(string(o.State)), RolloutStateReason: text(o.Reason),
	}
	out.PlatformVersion, out.PlatformFamily = platform(rev.Strategy, rev.Platform)
	return out
}

// currentRevisions are the revisions that have, or should have, tasks.
func currentRevisions(s model.Service, tasks []model.Task) []shape.ServiceCurrentRevisionSummary {
	out := []shape.ServiceCurrentRevisionSummary{}
	for _, o := range s.Rollouts {
		running, pending := tally(tasks, func(t model.Task) bool { return t.Revision == o.Revision })
		if o.Desired+running+pending > 0 || o.Status == model.RolloutPrimary {
			out = append(out, shape.ServiceCurrentRevisionSummary{
				Arn: wire.Ptr(o.Revision), RequestedTaskCount: wire.Ptr(o.Desired), RunningTaskCount: &running, PendingTaskCount: &pending,
			})
		}
	}
	return out
}
