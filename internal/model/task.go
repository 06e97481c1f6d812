package model

import "time"

// Task states in the order in which a task walks them.
const (
	TaskProvisioning   = "PROVISIONING"
	TaskPending        = "PENDING"
	TaskActivating     = "ACTIVATING"
	TaskRunning        = "RUNNING"
	TaskDeactivating   = "DEACTIVATING"
	TaskStopping       = "STOPPING"
	TaskDeprovisioning = "DEPROVISIONING"
	TaskStopped        = "STOPPED"
)

// TaskStates lists the states of a task in order; a task never moves back.
var TaskStates = []string{TaskProvisioning, TaskPending, TaskActivating, TaskRunning, TaskDeactivating, TaskStopping, TaskDeprovisioning, TaskStopped}

// TaskRank is the position of a state in TaskStates, or -1.
func TaskRank(s string) int {
	for i, t := range TaskStates {
		if s == t {
			return i
		}
	}
	return -1
}

// TaskContainer is what is known of one container of a task.
type TaskContainer struct {
	Name        string `json:"name"`
	ARN         string `json:"arn"`
	Image       string `json:"image"`
	ImageDigest string `json:"imageDigest,omitempty"`
	RuntimeID   string `json:"runtimeId,omitempty"`
	LastStatus  string `json:"lastStatus"` // PENDING, RUNNING, STOPPED
	ExitCode    *int64 `json:"exitCode,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Health      string `json:"health"` // HEALTHY, UNHEALTHY, UNKNOWN
	CPU         int64  `json:"cpu,omitempty"`
	Memory      int64  `json:"memory,omitempty"`
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
	ARN            string                `json:"arn" w:"api/ecs,controllers/service"`
	ID             string                `json:"id" w:"api/ecs,controllers/service"` // 32 hex digits
	Cluster        string                `json:"cluster" w:"api/ecs,controllers/service"`
	Service        string                `json:"service,omitempty" w:"api/ecs,controllers/service"`  // service ARN
	Revision       string                `json:"revision,omitempty" w:"api/ecs,controllers/service"` // service revision ARN
	Group          string                `json:"group" w:"api/ecs,controllers/service"`              // service:NAME or family:NAME
	StartedBy      string                `json:"startedBy,omitempty" w:"api/ecs,controllers/service"`
	TaskDefinition string                `json:"taskDefinition" w:"api/ecs,controllers/service"`
	Network        NetworkConfiguration  `json:"network" w:"api/ecs,controllers/service"`
	Strategy       []StrategyItem        `json:"strategy,omitempty" w:"api/ecs,controllers/service"`
	LoadBalancers  []ServiceLoadBalancer `json:"loadBalancers,omitempty" w:"api/ecs,controllers/service"` // with the revision's own target group
	Constraints    []PlacementConstraint `json:"constraints,omitempty" w:"api/ecs,controllers/service"`
	Overrides      []ContainerOverride   `json:"overrides,omitempty" w:"api/ecs"`
	CPU            int64                 `json:"cpu" w:"api/ecs,controllers/service"`    // units
	Memory         int64                 `json:"memory" w:"api/ecs,controllers/service"` // MiB
	Tags           []Tag                 `json:"tags,omitempty" w:"api/ecs,controllers/service"`
	ExecuteCommand bool                  `json:"executeCommand,omitempty" w:"api/ecs,controllers/service"`
	ClientToken    string                `json:"clientToken,omitempty" w:"api/ecs"` // of the RunTask call
	CreatedAt      time.Time             `json:"createdAt" w:"api/ecs,controllers/service"`

	DesiredStatus string    `json:"desiredStatus" w:"api/ecs,controllers/service,controllers/task,dispatch"` // RUNNING, STOPPED
	StopCode      string    `json:"stopCode,omitempty" w:"api/ecs,controllers/service,controllers/task,dispatch"`
	StoppedReason string    `json:"stoppedReason,omitempty" w:"api/ecs,controllers/service,controllers/task,dispatch"`
	StoppingAt    time.Time `json:"stoppingAt,omitzero" w:"api/ecs,controllers/service,controllers/task,dispatch"`

	// LastStatus moves forward only; each move has one room (house-style 3.2).
	LastStatus string    `json:"lastStatus" w:"api/ecs,controllers/service,controllers/task,controllers/network,controllers/traffic,dispatch"`
	StatusAt   time.Time `json:"statusAt" w:"api/ecs,controllers/service,controllers/task,controllers/network,controllers/traffic,dispatch"`
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
	Health             string          `json:"health" w:"api/ecs,controllers/service,dispatch"` // HEALTHY, UNHEALTHY, UNKNOWN
	Connectivity       string          `json:"connectivity,omitempty" w:"dispatch"`
	ConnectivityAt     time.Time       `json:"connectivityAt,omitzero" w:"dispatch"`
	PullStartedAt      time.Time       `json:"pullStartedAt,omitzero" w:"dispatch"`
	PullStoppedAt      time.Time       `json:"pullStoppedAt,omitzero" w:"dispatch"`
	StartedAt          time.Time       `json:"startedAt,omitzero" w:"controllers/traffic,dispatch"`
	ExecutionStoppedAt time.Time       `json:"executionStoppedAt,omitzero" w:"dispatch"`
	StoppedAt          time.Time       `json:"stoppedAt,omitzero" w:"controllers/network,controllers/task"`
	// Unregistered is when the task's targets were deregistered.
	DeregisteredAt time.Time `json:"deregisteredAt,omitzero" w:"controllers/traffic"`
	// Balancing is set on a task that is to even its service out over zones.
	Balancing bool `json:"balancing,omitempty" w:"controllers/service"`
	// Noted is set when the service loop has counted the task as failed to
	// start, Proven when it has once seen it healthy.
	Noted   bool  `json:"noted,omitempty" w:"controllers/service"`
	Proven  bool  `json:"proven,omitempty" w:"controllers/service"`
	Version int64 `json:"version" w:"api/ecs,controllers/service,controllers/task,controllers/network,controllers/traffic,dispatch"`
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
