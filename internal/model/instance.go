package model

import "time"

// Attribute is an attribute of a container instance.
type Attribute struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// Resources are what an instance has, or what a task asks.
type Resources struct {
	CPU    int64    `json:"cpu"`    // units
	Memory int64    `json:"memory"` // MiB
	ENIs   int64    `json:"enis"`   // awsvpc interfaces
	Ports  []string `json:"ports,omitempty"`
}

// Goal is what is to become of an instance.
type Goal string

// The goals of an instance.
const (
	GoalRun       Goal = "RUN"
	GoalDrain     Goal = "DRAIN"
	GoalTerminate Goal = "TERMINATE"
)

// InstanceState is where the EC2 instance is in its life.
type InstanceState string

// The states of an EC2 instance.
const (
	InstancePending      InstanceState = "pending"
	InstanceRunning      InstanceState = "running"
	InstanceShuttingDown InstanceState = "shutting-down"
	InstanceTerminated   InstanceState = "terminated"
)

// Ending reports whether the machine goes away or is gone.
func (s InstanceState) Ending() bool { return s == InstanceShuttingDown || s == InstanceTerminated }

// ContainerInstanceStatus is where the container instance is in its life; "" before its agent registers.
type ContainerInstanceStatus string

// The states of a container instance.
const (
	ContainerInstanceRegistering        ContainerInstanceStatus = "REGISTERING"
	ContainerInstanceRegistrationFailed ContainerInstanceStatus = "REGISTRATION_FAILED"
	ContainerInstanceActive             ContainerInstanceStatus = "ACTIVE"
	ContainerInstanceDraining           ContainerInstanceStatus = "DRAINING"
	ContainerInstanceDeregistering      ContainerInstanceStatus = "DEREGISTERING"
	ContainerInstanceInactive           ContainerInstanceStatus = "INACTIVE"
)

// Instance is a managed instance: the EC2 instance and the container instance
// in one record. Key: ID (i-…).
type Instance struct {
	ID               string    `json:"id" w:"controllers/capacity"`
	ARN              string    `json:"arn" w:"controllers/capacity"` // container instance ARN
	Cluster          string    `json:"cluster" w:"controllers/capacity"`
	CapacityProvider string    `json:"capacityProvider" w:"controllers/capacity"`
	Type             string    `json:"type" w:"controllers/capacity"`
	AvailabilityZone string    `json:"availabilityZone" w:"controllers/capacity"`
	Subnet           string    `json:"subnet" w:"controllers/capacity"`
	SecurityGroups   []string  `json:"securityGroups" w:"controllers/capacity"`
	ProfileARN       string    `json:"profileArn" w:"controllers/capacity"`
	InfraRoleARN     string    `json:"infraRoleArn" w:"controllers/capacity"`
	CapacityOption   string    `json:"capacityOption" w:"controllers/capacity"`
	StorageGiB       int64     `json:"storageGiB" w:"controllers/capacity"`
	Monitoring       string    `json:"monitoring" w:"controllers/capacity"`
	Tags             []Tag     `json:"tags,omitempty" w:"controllers/capacity"`
	Why              string    `json:"why" w:"controllers/capacity"` // why this type, in one sentence
	WantedAt         time.Time `json:"wantedAt" w:"controllers/capacity"`
	For              []string  `json:"for,omitempty" w:"controllers/capacity"` // the tasks it was bought for (ARNs)
	// Expected is what supply counts on before the agent has registered.
	Expected Resources `json:"expected" w:"controllers/capacity"`
	// Goal: RUN, DRAIN, TERMINATE. It moves forward only.
	Goal       Goal      `json:"goal" w:"controllers/capacity,api/ecs"`
	GoalReason string    `json:"goalReason,omitempty" w:"controllers/capacity,api/ecs"`
	GoalAt     time.Time `json:"goalAt,omitzero" w:"controllers/capacity,api/ecs"`

	// State of the EC2 side: pending, running, shutting-down, terminated.
	State        InstanceState `json:"state" w:"controllers/capacity,controllers/instance"`
	StateReason  string        `json:"stateReason,omitempty" w:"controllers/instance"`
	StateCode    string        `json:"stateCode,omitempty" w:"controllers/instance"` // the error code in StateReason
	LaunchedAt   time.Time     `json:"launchedAt,omitzero" w:"controllers/instance"`
	TerminatedAt time.Time     `json:"terminatedAt,omitzero" w:"controllers/instance"`
	ENI          string        `json:"eni,omitempty" w:"controllers/network"`
	PrivateIP    string        `json:"privateIp,omitempty" w:"controllers/network"`
	FleetID      string        `json:"fleetId,omitempty" w:"controllers/capacity"`
	Attempts     int64         `json:"attempts,omitempty" w:"controllers/instance"`
	NextTryAt    time.Time     `json:"nextTryAt,omitzero" w:"controllers/instance"` // not before, after a failed attempt

	// Container instance side. Status: "" before registration, then
	// REGISTERING, ACTIVE, DRAINING, DEREGISTERING, INACTIVE.
	Status         ContainerInstanceStatus `json:"status,omitempty" w:"dispatch,controllers/capacity,controllers/instance,api/ecs"`
	StatusReason   string                  `json:"statusReason,omitempty" w:"dispatch,controllers/capacity,controllers/instance,api/ecs"`
	Registered     Resources               `json:"registered" w:"dispatch"`
	Attributes     []Attribute             `json:"attributes,omitempty" w:"dispatch"`
	Connected      bool                    `json:"connected" w:"dispatch"`
	ConnectedAt    time.Time               `json:"connectedAt,omitzero" w:"dispatch"`
	LastSeenAt     time.Time               `json:"lastSeenAt,omitzero" w:"dispatch"`
	RegisteredAt   time.Time               `json:"registeredAt,omitzero" w:"dispatch"`
	AgentVersion   string                  `json:"agentVersion,omitempty" w:"dispatch"`
	RuntimeVersion string                  `json:"runtimeVersion,omitempty" w:"dispatch"`
	Version        int64                   `json:"version" w:"dispatch,controllers/capacity,controllers/instance,controllers/network,api/ecs"`
	// IdleAt is when the last task stopped; zero while tasks are there.
	IdleAt time.Time `json:"idleAt,omitzero" w:"controllers/capacity"`
}
