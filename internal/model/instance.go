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

// InstanceKind is what a machine is for; "" is a managed instance.
type InstanceKind string

// The kinds beside managed instances.
const (
	// KindSlice is the machine of one Fargate task: of its size, outside of the
	// user's VPC, and nobody's container instance.
	KindSlice InstanceKind = "slice"
	// KindEC2 is an instance of the user's own, made by RunInstances or for an
	// Auto Scaling group. It is a container instance once its agent has
	// registered: until then it has neither ARN nor cluster.
	KindEC2 InstanceKind = "ec2"
)

// Launch is how an instance of the user's own is launched.
type Launch struct {
	ImageID         string          `json:"imageId"`
	KeyName         string          `json:"keyName,omitempty"`
	UserData        string          `json:"userData,omitempty"` // as it was sent: base64
	Reservation     string          `json:"reservation"`
	Token           string          `json:"token,omitempty"`
	Template        string          `json:"template,omitempty"` // launch template id
	TemplateVersion int64           `json:"templateVersion,omitempty"`
	PublicIP        *bool           `json:"publicIp,omitempty"` // nil: as its subnet says
	Metadata        MetadataOptions `json:"metadata"`
	Protected       bool            `json:"protected,omitempty"` // from TerminateInstances
}

// MetadataOptions say how an instance's metadata service answers.
type MetadataOptions struct {
	Tokens   string `json:"tokens"`   // required or optional
	Endpoint string `json:"endpoint"` // enabled or disabled
	HopLimit int64  `json:"hopLimit"`
	Tags     string `json:"tags"` // enabled or disabled
}

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

// End is the state if the machine goes away or is gone, else "": for who does
// not tell one that is launched from one that runs.
func (s InstanceState) End() InstanceState {
	if s.Ending() {
		return s
	}
	return ""
}

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

// Instance is a managed instance, the EC2 instance and the container instance
// in one record, or a slice of Fargate, or an EC2 instance of the user's own,
// whose ARN and cluster are "" until its agent registers. ARN is the container
// instance's; Why says why it is of its type, in one sentence; For are the ARNs
// of the tasks that it was bought for. Key: ID (i-…).
type Instance struct {
	ID               string    `json:"id" w:"controllers/capacity,controllers/task,api/ec2"`
	ARN              string    `json:"arn" w:"controllers/capacity,controllers/task,api/ec2,dispatch"`
	Cluster          string    `json:"cluster" w:"controllers/capacity,controllers/task,api/ec2,dispatch"`
	CapacityProvider string    `json:"capacityProvider" w:"controllers/capacity,controllers/task,controllers/reservation,api/ec2"`
	Type             string    `json:"type" w:"controllers/capacity,controllers/task,api/ec2"`
	AvailabilityZone string    `json:"availabilityZone" w:"controllers/capacity,controllers/task,api/ec2"`
	Subnet           string    `json:"subnet" w:"controllers/capacity,controllers/task,api/ec2"`
	SecurityGroups   []string  `json:"securityGroups" w:"controllers/capacity,controllers/task,api/ec2"`
	ProfileARN       string    `json:"profileArn" w:"controllers/capacity,controllers/task,api/ec2"`
	InfraRoleARN     string    `json:"infraRoleArn" w:"controllers/capacity,controllers/task,api/ec2"`
	CapacityOption   string    `json:"capacityOption" w:"controllers/capacity,controllers/task,api/ec2"`
	StorageGiB       int64     `json:"storageGiB" w:"controllers/capacity,controllers/task,api/ec2"`
	Monitoring       string    `json:"monitoring" w:"controllers/capacity,controllers/task,api/ec2"`
	Tags             []Tag     `json:"tags,omitempty" w:"controllers/capacity,controllers/task,api/ec2"`
	Why              string    `json:"why" w:"controllers/capacity,controllers/task,api/ec2"`
	WantedAt         time.Time `json:"wantedAt" w:"controllers/capacity,controllers/task,api/ec2"`
	For              []string  `json:"for,omitempty" w:"controllers/capacity,controllers/task,api/ec2"`
	// Expected is what supply counts on before the agent has registered.
	Expected Resources `json:"expected" w:"controllers/capacity,controllers/task,api/ec2"`
	// Goal: RUN, DRAIN, TERMINATE. It moves forward only.
	Goal       Goal      `json:"goal" w:"controllers/capacity,controllers/task,controllers/fargate,api/ecs,api/ec2"`
	GoalReason string    `json:"goalReason,omitempty" w:"controllers/capacity,controllers/fargate,api/ecs,api/ec2"`
	GoalAt     time.Time `json:"goalAt,omitzero" w:"controllers/capacity,controllers/fargate,api/ecs,api/ec2"`

	// State of the EC2 side: pending, running, shutting-down, terminated.
	State        InstanceState `json:"state" w:"controllers/capacity,controllers/task,api/ec2,controllers/instance"`
	StateReason  string        `json:"stateReason,omitempty" w:"controllers/instance"`
	StateCode    string        `json:"stateCode,omitempty" w:"controllers/instance"` // the error code in StateReason
	LaunchedAt   time.Time     `json:"launchedAt,omitzero" w:"controllers/instance"`
	TerminatedAt time.Time     `json:"terminatedAt,omitzero" w:"controllers/instance"`
	ENI          string        `json:"eni,omitempty" w:"controllers/network"`
	PrivateIP    string        `json:"privateIp,omitempty" w:"controllers/network"`
	FleetID      string        `json:"fleetId,omitempty" w:"controllers/capacity,controllers/task,api/ec2"`
	Attempts     int64         `json:"attempts,omitempty" w:"controllers/instance"`
	NextTryAt    time.Time     `json:"nextTryAt,omitzero" w:"controllers/instance"` // not before, after a failed attempt

	// Container instance side. Status: "" before registration, then
	// REGISTERING, ACTIVE, DRAINING, DEREGISTERING, INACTIVE.
	Status         ContainerInstanceStatus `json:"status,omitempty" w:"dispatch,controllers/capacity,controllers/instance,api/ecs"`
	StatusReason   string                  `json:"statusReason,omitempty" w:"dispatch,controllers/capacity,controllers/instance,api/ecs"`
	Registered     Resources               `json:"registered" w:"dispatch"`
	Attributes     []Attribute             `json:"attributes,omitempty" w:"dispatch,api/ecs"`
	Connected      bool                    `json:"connected" w:"dispatch"`
	ConnectedAt    time.Time               `json:"connectedAt,omitzero" w:"dispatch"`
	LastSeenAt     time.Time               `json:"lastSeenAt,omitzero" w:"dispatch"`
	RegisteredAt   time.Time               `json:"registeredAt,omitzero" w:"dispatch"`
	AgentVersion   string                  `json:"agentVersion,omitempty" w:"dispatch"`
	RuntimeVersion string                  `json:"runtimeVersion,omitempty" w:"dispatch"`
	Version        int64                   `json:"version" w:"dispatch,controllers/capacity,controllers/task,controllers/reservation,controllers/fargate,controllers/instance,controllers/network,api/ecs,api/ec2"`
	// Kind is what the machine is for; only placement and who shows instances
	// may ask.
	Kind InstanceKind `json:"kind,omitempty" w:"controllers/task,api/ec2"`
	// Launch is how an instance of the user's own is launched; nil of others.
	Launch *Launch `json:"launch,omitempty" w:"api/ec2"`
	// Group is the name of the Auto Scaling group that launched it; "": none did.
	Group string `json:"group,omitempty" w:"api/ec2"`
	// ServingAt is when it came into service in that group.
	ServingAt time.Time `json:"servingAt,omitzero" w:"controllers/group"`
	// InterruptAt is when a slice of Fargate Spot is taken away.
	InterruptAt time.Time `json:"interruptAt,omitzero" w:"controllers/fargate"`
	// IdleAt is when the last task stopped; zero while tasks are there.
	IdleAt time.Time `json:"idleAt,omitzero" w:"controllers/capacity,controllers/task,api/ec2"`
}

// UserDataState is how far the user data of an instance are; "" before they run,
// and of one that has none.
type UserDataState string

// The states of user data.
const (
	UserDataRuns  UserDataState = "running"
	UserDataEnded UserDataState = "ended"
)

// Boot is what the agent of an instance of the user's own says on its machine of
// its start. It is kept there, and not in the state.
type Boot struct {
	UserData UserDataState `json:"userData,omitempty"`
	Failures []BootFailure `json:"failures,omitempty"`
	Cluster  string        `json:"cluster,omitempty"` // that the agent is to join
	Held     bool          `json:"held,omitempty"`    // they keep the agent from running
	Trouble  []string      `json:"trouble,omitempty"` // lines of ecs.config that have no effect, and why
	// Refused is why the agent was not registered when it was last tried; "": it is,
	// or was not tried.
	Refused     string `json:"refused,omitempty"`
	RefusedCode string `json:"refusedCode,omitempty"` // AWS's; "" if nobody answered
}

// BootFailure is a part of user data that failed or had no effect.
type BootFailure struct {
	Part string `json:"part"`
	Exit int    `json:"exit"` // exit status; 0 if it was not run
	Last string `json:"last"` // the last line that it wrote, or why it had no effect
}
