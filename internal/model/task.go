package model

import (
	"slices"
	"time"
)

// TaskStatus is where a task is in its life, or is to be.
type TaskStatus string

// The states of a task in the order in which it walks them.
const (
	TaskProvisioning   TaskStatus = "PROVISIONING"
	TaskPending        TaskStatus = "PENDING"
	TaskActivating     TaskStatus = "ACTIVATING"
	TaskRunning        TaskStatus = "RUNNING"
	TaskDeactivating   TaskStatus = "DEACTIVATING"
	TaskStopping       TaskStatus = "STOPPING"
	TaskDeprovisioning TaskStatus = "DEPROVISIONING"
	TaskStopped        TaskStatus = "STOPPED"
)

// TaskStates lists the states of a task in order; a task never moves back.
var TaskStates = []TaskStatus{
	TaskProvisioning, TaskPending, TaskActivating, TaskRunning, TaskDeactivating, TaskStopping, TaskDeprovisioning, TaskStopped,
}

// Rank is the state's position in TaskStates, or -1.
func (s TaskStatus) Rank() int { return slices.Index(TaskStates, s) }

// Before reports whether a task walks through s before it comes to other.
func (s TaskStatus) Before(other TaskStatus) bool { return s.Rank() < other.Rank() }

// ContainerStatus is where one container of a task is.
type ContainerStatus string

// The states of a container.
const (
	ContainerPending ContainerStatus = "PENDING"
	ContainerRunning ContainerStatus = "RUNNING"
	ContainerStopped ContainerStatus = "STOPPED"
)

// Health is what health checks say of a container or a task.
type Health string

// What health checks say.
const (
	Healthy       Health = "HEALTHY"
	Unhealthy     Health = "UNHEALTHY"
	HealthUnknown Health = "UNKNOWN"
)

// Connectivity says whether the agent has ever reported a task.
type Connectivity string

// The states of a task's connection.
const (
	Connected    Connectivity = "CONNECTED"
	Disconnected Connectivity = "DISCONNECTED"
)

// TaskContainer is what is known of one container of a task.
type TaskContainer struct {
	Name        string          `json:"name"`
	ARN         string          `json:"arn"`
	Image       string          `json:"image"`
	ImageDigest string          `json:"imageDigest,omitempty"`
	RuntimeID   string          `json:"runtimeId,omitempty"`
	LastStatus  ContainerStatus `json:"lastStatus"`
	ExitCode    *int64          `json:"exitCode,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	Health      Health          `json:"health"` // HEALTHY, UNHEALTHY, UNKNOWN
	CPU         int64           `json:"cpu,omitempty"`
	Memory      int64           `json:"memory,omitempty"`
	// Bindings are the ports of the instance that lead to the container.
	Bindings []NetworkBinding `json:"bindings,omitempty"`
}

// NetworkBinding is a port of the instance that leads to a container's.
type NetworkBinding struct {
	BindIP        string `json:"bindIp,omitempty"`
	ContainerPort int64  `json:"containerPort"`
	HostPort      int64  `json:"hostPort"`
	Protocol      string `json:"protocol"`
}

// ContainerOverride changes one container of a task that RunTask starts.
type ContainerOverride struct {
	Name        string     `json:"name"`
	Command     []string   `json:"command,omitempty"`
	Environment []KeyValue `json:"environment,omitempty"`
	CPU         int64      `json:"cpu,omitempty"`
	Memory      int64      `json:"memory,omitempty"`
}

// Task is an ECS task. Key: ARN.
type Task struct {
	ARN            string               `json:"arn" w:"api/ecs,controllers/service"`
	ID             string               `json:"id" w:"api/ecs,controllers/service"` // 32 hex digits
	Cluster        string               `json:"cluster" w:"api/ecs,controllers/service"`
	Service        string               `json:"service,omitempty" w:"api/ecs,controllers/service"`  // service ARN
	Revision       string               `json:"revision,omitempty" w:"api/ecs,controllers/service"` // service revision ARN
	Group          string               `json:"group" w:"api/ecs,controllers/service"`              // service:NAME or family:NAME
	StartedBy      string               `json:"startedBy,omitempty" w:"api/ecs,controllers/service"`
	TaskDefinition string               `json:"taskDefinition" w:"api/ecs,controllers/service"`
	Network        NetworkConfiguration `json:"network" w:"api/ecs,controllers/service"`
	Strategy       []StrategyItem       `json:"strategy,omitempty" w:"api/ecs,controllers/service"`
	LaunchType     string               `json:"launchType,omitempty" w:"api/ecs,controllers/service"` // if it was asked for
	// with the revision's own target group
	LoadBalancers []ServiceLoadBalancer `json:"loadBalancers,omitempty" w:"api/ecs,controllers/service"`
	Constraints   []PlacementConstraint `json:"constraints,omitempty" w:"api/ecs,controllers/service"`
	Placement     []PlacementStrategy   `json:"placement,omitempty" w:"api/ecs,controllers/service"`
	// Host is the ARN of the only container instance that may take the task, of
	// StartTask and of daemons.
	Host           string              `json:"host,omitempty" w:"api/ecs,controllers/service"`
	Overrides      []ContainerOverride `json:"overrides,omitempty" w:"api/ecs"`
	CPU            int64               `json:"cpu" w:"api/ecs,controllers/service"`    // units
	Memory         int64               `json:"memory" w:"api/ecs,controllers/service"` // MiB
	Tags           []Tag               `json:"tags,omitempty" w:"api/ecs,controllers/service"`
	ExecuteCommand bool                `json:"executeCommand,omitempty" w:"api/ecs,controllers/service"`
	ClientToken    string              `json:"clientToken,omitempty" w:"api/ecs"` // of the RunTask call
	CreatedAt      time.Time           `json:"createdAt" w:"api/ecs,controllers/service"`

	// DesiredStatus is RUNNING or STOPPED.
	DesiredStatus TaskStatus `json:"desiredStatus" w:"api/ecs,controllers/service,controllers/task,controllers/fargate,dispatch"`
	StopCode      string     `json:"stopCode,omitempty" w:"api/ecs,controllers/service,controllers/task,controllers/fargate,dispatch"`
	StoppedReason string     `json:"stoppedReason,omitempty" w:"api/ecs,controllers/service,controllers/task,controllers/fargate,dispatch"`
	// StopCause is CauseScaling or CauseUnhealthy, of what the scheduler stopped.
	StopCause  string    `json:"stopCause,omitempty" w:"controllers/service"`
	StoppingAt time.Time `json:"stoppingAt,omitzero" w:"api/ecs,controllers/service,controllers/task,controllers/fargate,dispatch"`

	// LastStatus moves forward only; each move has one writer.
	LastStatus TaskStatus `json:"lastStatus" w:"api/ecs,controllers/service,controllers/task,controllers/network,controllers/traffic,dispatch"`
	StatusAt   time.Time  `json:"statusAt" w:"api/ecs,controllers/service,controllers/task,controllers/network,controllers/traffic,dispatch"`
	// Instance is the container instance's ARN, set once.
	Instance         string    `json:"instance,omitempty" w:"controllers/task"`
	CapacityProvider string    `json:"capacityProvider,omitempty" w:"controllers/task"`
	AvailabilityZone string    `json:"availabilityZone,omitempty" w:"controllers/task"`
	Subnet           string    `json:"subnet,omitempty" w:"controllers/task"`
	PlacedAt         time.Time `json:"placedAt,omitzero" w:"controllers/task"`
	// Refusal is why the task is not placed, for explain.
	Refusal string `json:"refusal,omitempty" w:"controllers/task"`
	// ENI is the id of the task's network interface.
	ENI string `json:"eni,omitempty" w:"controllers/network"`
	// AttachmentID is the id of the ENI attachment (a UUID).
	AttachmentID string `json:"attachmentId,omitempty" w:"controllers/network"`

	Containers         []TaskContainer `json:"containers" w:"api/ecs,controllers/service,dispatch"`
	Health             Health          `json:"health" w:"api/ecs,controllers/service,dispatch"`
	Connectivity       Connectivity    `json:"connectivity,omitempty" w:"dispatch"`
	ConnectivityAt     time.Time       `json:"connectivityAt,omitzero" w:"dispatch"`
	PullStartedAt      time.Time       `json:"pullStartedAt,omitzero" w:"dispatch"`
	PullStoppedAt      time.Time       `json:"pullStoppedAt,omitzero" w:"dispatch"`
	StartedAt          time.Time       `json:"startedAt,omitzero" w:"controllers/traffic,dispatch"`
	ExecutionStoppedAt time.Time       `json:"executionStoppedAt,omitzero" w:"dispatch"`
	StoppedAt          time.Time       `json:"stoppedAt,omitzero" w:"controllers/network,controllers/task"`
	// DeregisteredAt is when the task's targets were deregistered.
	DeregisteredAt time.Time `json:"deregisteredAt,omitzero" w:"controllers/traffic"`
	// Balancing is set on a task that is to even its service out over zones.
	Balancing bool `json:"balancing,omitempty" w:"controllers/service"`
	// Noted is set when controllers/service has counted the task as failed to
	// start, Proven when it has once seen it healthy.
	Noted   bool  `json:"noted,omitempty" w:"controllers/service"`
	Proven  bool  `json:"proven,omitempty" w:"controllers/service"`
	Version int64 `json:"version" w:"api/ecs,controllers/service,controllers/task,controllers/fargate,controllers/network,controllers/traffic,dispatch"`
}

// TargetGroups lists the target groups that the task registers in.
func (t Task) TargetGroups() []string {
	var out []string
	for _, lb := range t.LoadBalancers {
		if lb.TargetGroupARN != "" {
			out = append(out, lb.TargetGroupARN)
		}
	}
	return out
}
