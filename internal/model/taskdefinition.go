package model

import "time"

// KeyValue is a name and a value.
type KeyValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// PortMapping maps a container port.
type PortMapping struct {
	Name          string `json:"name,omitempty"`
	ContainerPort int64  `json:"containerPort"`
	HostPort      int64  `json:"hostPort,omitempty"`
	Protocol      string `json:"protocol"` // tcp, udp
	AppProtocol   string `json:"appProtocol,omitempty"`
}

// HealthCheck is a container's health check; durations in seconds.
type HealthCheck struct {
	Command     []string `json:"command"`
	Interval    int64    `json:"interval"`
	Timeout     int64    `json:"timeout"`
	Retries     int64    `json:"retries"`
	StartPeriod int64    `json:"startPeriod,omitempty"`
}

// Dependency is one dependsOn entry: START, COMPLETE, SUCCESS or HEALTHY.
type Dependency struct {
	Container string `json:"container"`
	Condition string `json:"condition"`
}

// MountPoint mounts a task volume in a container.
type MountPoint struct {
	SourceVolume  string `json:"sourceVolume"`
	ContainerPath string `json:"containerPath"`
	ReadOnly      bool   `json:"readOnly,omitempty"`
}

// Ulimit is one resource limit.
type Ulimit struct {
	Name string `json:"name"`
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}

// RestartPolicy restarts a container in place.
type RestartPolicy struct {
	Enabled          bool    `json:"enabled"`
	IgnoredExitCodes []int64 `json:"ignoredExitCodes,omitempty"`
	AttemptPeriod    int64   `json:"attemptPeriod"` // seconds
}

// ContainerDefinition is one container of a task definition. CPU in CPU
// units (1,024 a vCPU), memory in MiB.
type ContainerDefinition struct {
	Name                   string            `json:"name"`
	Image                  string            `json:"image"`
	Credentials            string            `json:"credentials,omitempty"` // ARN or name of the secret with the registry's login
	CPU                    int64             `json:"cpu,omitempty"`
	Memory                 int64             `json:"memory,omitempty"`
	MemoryReservation      int64             `json:"memoryReservation,omitempty"`
	Essential              bool              `json:"essential"`
	Command                []string          `json:"command,omitempty"`
	EntryPoint             []string          `json:"entryPoint,omitempty"`
	Environment            []KeyValue        `json:"environment,omitempty"`
	Secrets                []KeyValue        `json:"secrets,omitempty"` // names, and where their values are
	PortMappings           []PortMapping     `json:"portMappings,omitempty"`
	MountPoints            []MountPoint      `json:"mountPoints,omitempty"`
	DependsOn              []Dependency      `json:"dependsOn,omitempty"`
	HealthCheck            *HealthCheck      `json:"healthCheck,omitempty"`
	LogDriver              string            `json:"logDriver,omitempty"`
	LogOptions             map[string]string `json:"logOptions,omitempty"`
	User                   string            `json:"user,omitempty"`
	WorkingDirectory       string            `json:"workingDirectory,omitempty"`
	ReadonlyRootFilesystem bool              `json:"readonlyRootFilesystem,omitempty"`
	Privileged             bool              `json:"privileged,omitempty"`
	CapAdd                 []string          `json:"capAdd,omitempty"`
	CapDrop                []string          `json:"capDrop,omitempty"`
	InitProcess            bool              `json:"initProcess,omitempty"`
	Ulimits                []Ulimit          `json:"ulimits,omitempty"`
	DockerLabels           map[string]string `json:"dockerLabels,omitempty"`
	StartTimeout           int64             `json:"startTimeout,omitempty"`
	StopTimeout            *int64            `json:"stopTimeout,omitempty"`
	RestartPolicy          *RestartPolicy    `json:"restartPolicy,omitempty"`
	VersionConsistency     string            `json:"versionConsistency,omitempty"`
	// Links are NAME or NAME:ALIAS of other containers of a task in bridge mode.
	Links []string `json:"links,omitempty"`
}

// Volume is a task volume: a host path, or an empty directory of the task's
// when HostPath is "".
type Volume struct {
	Name     string `json:"name"`
	HostPath string `json:"hostPath,omitempty"`
}

// PlacementConstraint is distinctInstance or memberOf.
type PlacementConstraint struct {
	Type       string `json:"type"`
	Expression string `json:"expression,omitempty"`
}

// The network modes of task definitions: an interface of the task's own, the
// instance's network, a network of containers behind the instance's address,
// or none.
const (
	NetworkAwsvpc = "awsvpc"
	NetworkHost   = "host"
	NetworkBridge = "bridge"
	NetworkNone   = "none"
)

// PlacementStrategy says how instances that fit are chosen from: spread over
// the values of a field, binpack on cpu or memory, or random.
type PlacementStrategy struct {
	Type  string `json:"type"`
	Field string `json:"field,omitempty"`
}

// DefinitionStatus is where a revision of a family is in its life.
type DefinitionStatus string

// The states of a task definition.
const (
	DefinitionActive           DefinitionStatus = "ACTIVE"
	DefinitionInactive         DefinitionStatus = "INACTIVE"
	DefinitionDeleteInProgress DefinitionStatus = "DELETE_IN_PROGRESS"
)

// TaskDefinition is one revision of a family. Key: ARN.
type TaskDefinition struct {
	ARN                     string                `json:"arn" w:"api/ecs"`
	Family                  string                `json:"family" w:"api/ecs"`
	Revision                int64                 `json:"revision" w:"api/ecs"`
	Status                  DefinitionStatus      `json:"status" w:"api/ecs"`
	Containers              []ContainerDefinition `json:"containers" w:"api/ecs"`
	Volumes                 []Volume              `json:"volumes,omitempty" w:"api/ecs"`
	CPU                     int64                 `json:"cpu,omitempty" w:"api/ecs"`    // units; 0 if not given for the task
	Memory                  int64                 `json:"memory,omitempty" w:"api/ecs"` // MiB
	NetworkMode             string                `json:"networkMode" w:"api/ecs"`      // awsvpc, host, bridge, none
	TaskRoleARN             string                `json:"taskRoleArn,omitempty" w:"api/ecs"`
	ExecutionRoleARN        string                `json:"executionRoleArn,omitempty" w:"api/ecs"`
	RequiresCompatibilities []string              `json:"requiresCompatibilities,omitempty" w:"api/ecs"`
	Compatibilities         []string              `json:"compatibilities,omitempty" w:"api/ecs"`
	PlacementConstraints    []PlacementConstraint `json:"placementConstraints,omitempty" w:"api/ecs"`
	CPUArchitecture         string                `json:"cpuArchitecture,omitempty" w:"api/ecs"` // X86_64, ARM64, "" any
	OSFamily                string                `json:"osFamily,omitempty" w:"api/ecs"`
	PidMode                 string                `json:"pidMode,omitempty" w:"api/ecs"`
	IpcMode                 string                `json:"ipcMode,omitempty" w:"api/ecs"`
	StorageGiB              int64                 `json:"storageGiB,omitempty" w:"api/ecs"` // of Fargate; 0 if not given
	Tags                    []Tag                 `json:"tags,omitempty" w:"api/ecs"`
	RegisteredAt            time.Time             `json:"registeredAt" w:"api/ecs"`
	RegisteredBy            string                `json:"registeredBy" w:"api/ecs"`
	DeregisteredAt          time.Time             `json:"deregisteredAt,omitzero" w:"api/ecs"`
}

// Awsvpc reports whether tasks have an interface of their own.
func (d TaskDefinition) Awsvpc() bool { return d.NetworkMode == NetworkAwsvpc }

// CPUUnits is what the task reserves in CPU units.
func (d TaskDefinition) CPUUnits() int64 {
	if d.CPU > 0 {
		return d.CPU
	}
	var n int64
	for _, c := range d.Containers {
		n += c.CPU
	}
	return n
}

// MemoryMiB is what the task reserves in MiB: the task's own figure, else the
// sum of each container's reservation or, lacking that, its limit.
func (d TaskDefinition) MemoryMiB() int64 {
	if d.Memory > 0 {
		return d.Memory
	}
	var n int64
	for _, c := range d.Containers {
		if c.MemoryReservation > 0 {
			n += c.MemoryReservation
		} else {
			n += c.Memory
		}
	}
	return n
}
