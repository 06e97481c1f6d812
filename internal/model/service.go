package model

import (
	"slices"
	"strings"
	"time"
)

// NetworkConfiguration is the awsvpc configuration of a service or task.
type NetworkConfiguration struct {
	Subnets        []string `json:"subnets"`
	SecurityGroups []string `json:"securityGroups,omitempty"`
	AssignPublicIP bool     `json:"assignPublicIp,omitempty"`
}

// ServiceLoadBalancer ties a container port to target groups.
type ServiceLoadBalancer struct {
	TargetGroupARN          string `json:"targetGroupArn"`
	ContainerName           string `json:"containerName"`
	ContainerPort           int64  `json:"containerPort"`
	AlternateTargetGroupARN string `json:"alternateTargetGroupArn,omitempty"`
	ProductionListenerRule  string `json:"productionListenerRule,omitempty"`
	TestListenerRule        string `json:"testListenerRule,omitempty"`
	RoleARN                 string `json:"roleArn,omitempty"`
}

// ServiceEvent is one line of DescribeServices.events.
type ServiceEvent struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Message string    `json:"message"`
	Cause   Cause     `json:"cause,omitzero"`
}

// ServiceStatus is where a service is in its life.
type ServiceStatus string

// The states of a service.
const (
	ServiceActive   ServiceStatus = "ACTIVE"
	ServiceDraining ServiceStatus = "DRAINING"
	ServiceInactive ServiceStatus = "INACTIVE"
)

// How a service's tasks are scheduled: so many, or one on each instance.
const (
	SchedulingReplica = "REPLICA"
	SchedulingDaemon  = "DAEMON"
)

// Service is an ECS service. Key: ARN.
type Service struct {
	ARN                string                  `json:"arn" w:"api/ecs"`
	Name               string                  `json:"name" w:"api/ecs"`
	Cluster            string                  `json:"cluster" w:"api/ecs"` // cluster name
	Status             ServiceStatus           `json:"status" w:"api/ecs,controllers/service"`
	TaskDefinition     string                  `json:"taskDefinition" w:"api/ecs,controllers/service"` // ARN
	DesiredCount       int64                   `json:"desiredCount" w:"api/ecs"`
	Strategy           []StrategyItem          `json:"strategy,omitempty" w:"api/ecs,controllers/service"`
	LaunchType         string                  `json:"launchType,omitempty" w:"api/ecs,controllers/service"`
	PlatformVersion    string                  `json:"platformVersion,omitempty" w:"api/ecs,controllers/service"` // of Fargate
	LoadBalancers      []ServiceLoadBalancer   `json:"loadBalancers,omitempty" w:"api/ecs,controllers/service"`
	Network            NetworkConfiguration    `json:"network" w:"api/ecs,controllers/service"`
	Deployment         DeploymentConfiguration `json:"deployment" w:"api/ecs"`
	ControllerType     string                  `json:"controllerType" w:"api/ecs"` // ECS
	SchedulingStrategy string                  `json:"schedulingStrategy" w:"api/ecs"`
	GracePeriodSeconds int64                   `json:"gracePeriodSeconds" w:"api/ecs"`
	AZRebalancing      string                  `json:"azRebalancing" w:"api/ecs"`
	Constraints        []PlacementConstraint   `json:"constraints,omitempty" w:"api/ecs"`
	Placement          []PlacementStrategy     `json:"placement,omitempty" w:"api/ecs"`
	PropagateTags      string                  `json:"propagateTags,omitempty" w:"api/ecs"`
	ECSManagedTags     bool                    `json:"ecsManagedTags,omitempty" w:"api/ecs"`
	ExecuteCommand     bool                    `json:"executeCommand,omitempty" w:"api/ecs"`
	RoleARN            string                  `json:"roleArn,omitempty" w:"api/ecs"`
	Tags               []Tag                   `json:"tags,omitempty" w:"api/ecs"`
	CreatedAt          time.Time               `json:"createdAt" w:"api/ecs"`
	CreatedBy          string                  `json:"createdBy" w:"api/ecs"`
	ClientToken        string                  `json:"clientToken,omitempty" w:"api/ecs"` // of the CreateService call
	// Revision is the target revision that the user last asked for.
	Revision string `json:"revision" w:"api/ecs,controllers/service"`
	// CurrentDeployment is the ServiceDeployment that runs now, or "".
	CurrentDeployment string         `json:"currentDeployment,omitempty" w:"api/ecs,controllers/service"`
	Events            []ServiceEvent `json:"events,omitempty" w:"controllers/service,controllers/task,controllers/capacity,controllers/instance,controllers/traffic"`
	SteadyAt          time.Time      `json:"steadyAt,omitzero" w:"controllers/service"`
	// Rollouts are the deployments as DescribeServices lists them, newest first.
	Rollouts []Rollout `json:"rollouts,omitempty" w:"api/ecs,controllers/service"`
}

// Balanceable reports whether a service's tasks may be moved between zones: AWS
// excludes a maximum of 100 % and constraints on zones.
func (s Service) Balanceable() bool {
	return s.Deployment.MaximumPercent > 100 && !OnZone(s.Constraints)
}

// OnZone reports whether constraints speak of Availability Zones.
func OnZone(cs []PlacementConstraint) bool {
	return slices.ContainsFunc(cs, func(c PlacementConstraint) bool { return strings.Contains(c.Expression, "ecs.availability-zone") })
}

// RolloutStatus says whether a rollout is the one that a service goes to.
type RolloutStatus string

// The roles of a rollout.
const (
	RolloutPrimary  RolloutStatus = "PRIMARY"
	RolloutActive   RolloutStatus = "ACTIVE"
	RolloutInactive RolloutStatus = "INACTIVE"
)

// RolloutState is how far a rollout is.
type RolloutState string

// The states of a rollout.
const (
	RolloutInProgress RolloutState = "IN_PROGRESS"
	RolloutCompleted  RolloutState = "COMPLETED"
	RolloutFailed     RolloutState = "FAILED"
)

// Rollout is one entry of DescribeServices.deployments.
type Rollout struct {
	ID                 string        `json:"id"` // ecs-svc/…; tasks carry it as startedBy
	Status             RolloutStatus `json:"status"`
	Revision           string        `json:"revision"`
	TaskDefinition     string        `json:"taskDefinition"`
	State              RolloutState  `json:"state"`
	Reason             string        `json:"reason"`
	Desired            int64         `json:"desired"`
	FailedTasks        int64         `json:"failedTasks"`
	FirstFailedAt      time.Time     `json:"firstFailedAt,omitzero"`
	CreatedAt          time.Time     `json:"createdAt"`
	UpdatedAt          time.Time     `json:"updatedAt"`
	TargetGroupARN     string        `json:"targetGroupArn,omitempty"` // where this revision's tasks register
	HealthCheckFailing bool          `json:"healthCheckFailing,omitempty"`
	// LastFailedAt is when the last of FailedTasks failed: starts back off from it.
	LastFailedAt time.Time `json:"lastFailedAt,omitzero"`
}

// ServiceRevision is an immutable picture of a service's configuration.
// Key: ARN.
type ServiceRevision struct {
	ARN            string                `json:"arn"`
	Service        string                `json:"service"` // service ARN
	Cluster        string                `json:"cluster"`
	TaskDefinition string                `json:"taskDefinition"`
	Strategy       []StrategyItem        `json:"strategy,omitempty"`
	LaunchType     string                `json:"launchType,omitempty"`
	Platform       string                `json:"platform,omitempty"`
	LoadBalancers  []ServiceLoadBalancer `json:"loadBalancers,omitempty"`
	Network        NetworkConfiguration  `json:"network"`
	CreatedAt      time.Time             `json:"createdAt"`
	// Images pins each container's image to a digest, by container name.
	Images map[string]string `json:"images,omitempty" w:"controllers/service,dispatch"`
	// TargetGroupARN is the target group that this revision really uses.
	TargetGroupARN string `json:"targetGroupArn,omitempty" w:"controllers/service"`
	// Groups are the target groups really used, one for each of LoadBalancers.
	Groups []string `json:"groups,omitempty" w:"controllers/service"`
}
