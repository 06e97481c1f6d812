package model

import (
	"slices"
	"strings"
	"time"
)

// Cluster is an ECS cluster. Key: Name.
type Cluster struct {
	Name              string            `json:"name" w:"api/ecs"`
	ARN               string            `json:"arn" w:"api/ecs"`
	Status            string            `json:"status" w:"api/ecs"`            // ACTIVE, INACTIVE
	CapacityProviders []string          `json:"capacityProviders" w:"api/ecs"` // names
	DefaultStrategy   []StrategyItem    `json:"defaultStrategy" w:"api/ecs"`
	Settings          map[string]string `json:"settings,omitempty" w:"api/ecs"`
	Tags              []Tag             `json:"tags,omitempty" w:"api/ecs"`
	CreatedAt         time.Time         `json:"createdAt" w:"api/ecs"`
}

// StrategyItem is one provider of a capacity provider strategy.
type StrategyItem struct {
	Provider string `json:"provider"`
	Weight   int64  `json:"weight"`
	Base     int64  `json:"base"`
}

// Range is an inclusive range; a nil end is open.
type Range struct {
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
}

// InstanceRequirements are EC2's attributes for choosing types; a zero field
// means EC2's default (docs/facts/managed-instances.md MI107).
type InstanceRequirements struct {
	VCpuCount                                      Range    `json:"vCpuCount"`
	MemoryMiB                                      Range    `json:"memoryMiB"`
	CpuManufacturers                               []string `json:"cpuManufacturers,omitempty"`
	MemoryGiBPerVCpu                               *Range   `json:"memoryGiBPerVCpu,omitempty"`
	ExcludedInstanceTypes                          []string `json:"excludedInstanceTypes,omitempty"`
	AllowedInstanceTypes                           []string `json:"allowedInstanceTypes,omitempty"`
	InstanceGenerations                            []string `json:"instanceGenerations,omitempty"`
	SpotMaxPricePercentageOverLowestPrice          *int64   `json:"spotMaxPricePercentageOverLowestPrice,omitempty"`
	MaxSpotPriceAsPercentageOfOptimalOnDemandPrice *int64   `json:"maxSpotPriceAsPercentageOfOptimalOnDemandPrice,omitempty"`
	OnDemandMaxPricePercentageOverLowestPrice      *int64   `json:"onDemandMaxPricePercentageOverLowestPrice,omitempty"`
	BareMetal                                      string   `json:"bareMetal,omitempty"`
	BurstablePerformance                           string   `json:"burstablePerformance,omitempty"`
	RequireHibernateSupport                        bool     `json:"requireHibernateSupport,omitempty"`
	NetworkInterfaceCount                          *Range   `json:"networkInterfaceCount,omitempty"`
	LocalStorage                                   string   `json:"localStorage,omitempty"`
	LocalStorageTypes                              []string `json:"localStorageTypes,omitempty"`
	TotalLocalStorageGB                            *Range   `json:"totalLocalStorageGB,omitempty"`
	BaselineEbsBandwidthMbps                       *Range   `json:"baselineEbsBandwidthMbps,omitempty"`
	AcceleratorTypes                               []string `json:"acceleratorTypes,omitempty"`
	AcceleratorCount                               *Range   `json:"acceleratorCount,omitempty"`
	AcceleratorManufacturers                       []string `json:"acceleratorManufacturers,omitempty"`
	AcceleratorNames                               []string `json:"acceleratorNames,omitempty"`
	AcceleratorTotalMemoryMiB                      *Range   `json:"acceleratorTotalMemoryMiB,omitempty"`
	NetworkBandwidthGbps                           *Range   `json:"networkBandwidthGbps,omitempty"`
}

// CapacityProvider is a Managed Instances capacity provider of one cluster.
// Key: Name.
type CapacityProvider struct {
	Name                  string                `json:"name" w:"api/ecs"`
	ARN                   string                `json:"arn" w:"api/ecs"`
	Cluster               string                `json:"cluster" w:"api/ecs"` // cluster name
	Status                string                `json:"status" w:"api/ecs,controllers/capacity"`
	UpdateStatus          string                `json:"updateStatus" w:"api/ecs,controllers/capacity"`
	UpdateStatusReason    string                `json:"updateStatusReason,omitempty" w:"api/ecs,controllers/capacity"`
	InfrastructureRoleARN string                `json:"infrastructureRoleArn" w:"api/ecs"`
	InstanceProfileARN    string                `json:"instanceProfileArn" w:"api/ecs"`
	Subnets               []string              `json:"subnets" w:"api/ecs"`
	SecurityGroups        []string              `json:"securityGroups" w:"api/ecs"`
	StorageSizeGiB        int64                 `json:"storageSizeGiB" w:"api/ecs"`
	Monitoring            string                `json:"monitoring" w:"api/ecs"`     // BASIC, DETAILED
	CapacityOption        string                `json:"capacityOption" w:"api/ecs"` // ON_DEMAND, SPOT, RESERVED
	Requirements          *InstanceRequirements `json:"requirements,omitempty" w:"api/ecs"`
	PropagateTags         string                `json:"propagateTags" w:"api/ecs"` // CAPACITY_PROVIDER, NONE
	// ScaleInAfter in seconds; nil is the service's own timing, -1 is off.
	ScaleInAfter *int64    `json:"scaleInAfter,omitempty" w:"api/ecs"`
	Tags         []Tag     `json:"tags,omitempty" w:"api/ecs"`
	CreatedAt    time.Time `json:"createdAt" w:"api/ecs"`
	// ChangedAt is when Status or UpdateStatus last changed by a call.
	ChangedAt time.Time `json:"changedAt" w:"api/ecs"`
	// Attempts holds the purchase failures that back off launches.
	LastFailure   string    `json:"lastFailure,omitempty" w:"controllers/capacity,controllers/instance"`
	LastFailureAt time.Time `json:"lastFailureAt,omitzero" w:"controllers/capacity,controllers/instance"`
}

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
	CPU                    int64             `json:"cpu,omitempty"`
	Memory                 int64             `json:"memory,omitempty"`
	MemoryReservation      int64             `json:"memoryReservation,omitempty"`
	Essential              bool              `json:"essential"`
	Command                []string          `json:"command,omitempty"`
	EntryPoint             []string          `json:"entryPoint,omitempty"`
	Environment            []KeyValue        `json:"environment,omitempty"`
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

// TaskDefinition is one revision of a family. Key: ARN.
type TaskDefinition struct {
	ARN                     string                `json:"arn" w:"api/ecs"`
	Family                  string                `json:"family" w:"api/ecs"`
	Revision                int64                 `json:"revision" w:"api/ecs"`
	Status                  string                `json:"status" w:"api/ecs"` // ACTIVE, INACTIVE, DELETE_IN_PROGRESS
	Containers              []ContainerDefinition `json:"containers" w:"api/ecs"`
	Volumes                 []Volume              `json:"volumes,omitempty" w:"api/ecs"`
	CPU                     int64                 `json:"cpu,omitempty" w:"api/ecs"`    // units; 0 if not given for the task
	Memory                  int64                 `json:"memory,omitempty" w:"api/ecs"` // MiB
	NetworkMode             string                `json:"networkMode" w:"api/ecs"`      // awsvpc, host
	TaskRoleARN             string                `json:"taskRoleArn,omitempty" w:"api/ecs"`
	ExecutionRoleARN        string                `json:"executionRoleArn,omitempty" w:"api/ecs"`
	RequiresCompatibilities []string              `json:"requiresCompatibilities,omitempty" w:"api/ecs"`
	Compatibilities         []string              `json:"compatibilities,omitempty" w:"api/ecs"`
	PlacementConstraints    []PlacementConstraint `json:"placementConstraints,omitempty" w:"api/ecs"`
	CPUArchitecture         string                `json:"cpuArchitecture,omitempty" w:"api/ecs"` // X86_64, ARM64, "" any
	OSFamily                string                `json:"osFamily,omitempty" w:"api/ecs"`
	PidMode                 string                `json:"pidMode,omitempty" w:"api/ecs"`
	IpcMode                 string                `json:"ipcMode,omitempty" w:"api/ecs"`
	Tags                    []Tag                 `json:"tags,omitempty" w:"api/ecs"`
	RegisteredAt            time.Time             `json:"registeredAt" w:"api/ecs"`
	RegisteredBy            string                `json:"registeredBy" w:"api/ecs"`
	DeregisteredAt          time.Time             `json:"deregisteredAt,omitzero" w:"api/ecs"`
}

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

// LifecycleHook is a Lambda function or a pause at deployment stages.
type LifecycleHook struct {
	TargetType     string   `json:"targetType"` // AWS_LAMBDA, PAUSE
	TargetARN      string   `json:"targetArn,omitempty"`
	RoleARN        string   `json:"roleArn,omitempty"`
	Stages         []string `json:"stages"`
	Details        any      `json:"details,omitempty"`
	TimeoutMinutes int64    `json:"timeoutMinutes"` // default 1,440
	TimeoutAction  string   `json:"timeoutAction"`  // ROLLBACK, CONTINUE
}

// DeploymentConfiguration says how a service goes from one revision to the
// next. Percentages in percent, times in minutes.
type DeploymentConfiguration struct {
	Strategy              string          `json:"strategy"` // ROLLING, BLUE_GREEN, LINEAR, CANARY
	MinimumHealthyPercent int64           `json:"minimumHealthyPercent"`
	MaximumPercent        int64           `json:"maximumPercent"`
	BakeMinutes           *int64          `json:"bakeMinutes,omitempty"`
	CircuitBreaker        bool            `json:"circuitBreaker,omitempty"`
	CircuitRollback       bool            `json:"circuitRollback,omitempty"`
	Alarms                []string        `json:"alarms,omitempty"`
	AlarmsEnabled         bool            `json:"alarmsEnabled,omitempty"`
	AlarmsRollback        bool            `json:"alarmsRollback,omitempty"`
	Hooks                 []LifecycleHook `json:"hooks,omitempty"`
	CanaryPercent         float64         `json:"canaryPercent,omitempty"`
	CanaryBakeMinutes     int64           `json:"canaryBakeMinutes,omitempty"`
	LinearStepPercent     float64         `json:"linearStepPercent,omitempty"`
	LinearBakeMinutes     int64           `json:"linearBakeMinutes,omitempty"`
}

// Bake is the effective bake time: 15 minutes for strategies other than
// ROLLING when nothing was said.
func (c DeploymentConfiguration) Bake() time.Duration {
	if c.BakeMinutes != nil {
		return time.Duration(*c.BakeMinutes) * time.Minute
	}
	if c.Strategy != "ROLLING" && c.Strategy != "" {
		return 15 * time.Minute
	}
	return 0
}

// ServiceEvent is one line of DescribeServices.events.
type ServiceEvent struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Message string    `json:"message"`
}

// Service is an ECS service. Key: ARN.
type Service struct {
	ARN                string                  `json:"arn" w:"api/ecs"`
	Name               string                  `json:"name" w:"api/ecs"`
	Cluster            string                  `json:"cluster" w:"api/ecs"`                            // cluster name
	Status             string                  `json:"status" w:"api/ecs,controllers/service"`         // ACTIVE, DRAINING, INACTIVE
	TaskDefinition     string                  `json:"taskDefinition" w:"api/ecs,controllers/service"` // ARN
	DesiredCount       int64                   `json:"desiredCount" w:"api/ecs"`
	Strategy           []StrategyItem          `json:"strategy,omitempty" w:"api/ecs,controllers/service"`
	LaunchType         string                  `json:"launchType,omitempty" w:"api/ecs"`
	LoadBalancers      []ServiceLoadBalancer   `json:"loadBalancers,omitempty" w:"api/ecs,controllers/service"`
	Network            NetworkConfiguration    `json:"network" w:"api/ecs,controllers/service"`
	Deployment         DeploymentConfiguration `json:"deployment" w:"api/ecs"`
	ControllerType     string                  `json:"controllerType" w:"api/ecs"` // ECS
	SchedulingStrategy string                  `json:"schedulingStrategy" w:"api/ecs"`
	GracePeriodSeconds int64                   `json:"gracePeriodSeconds" w:"api/ecs"`
	AZRebalancing      string                  `json:"azRebalancing" w:"api/ecs"`
	Constraints        []PlacementConstraint   `json:"constraints,omitempty" w:"api/ecs"`
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
	// Rollout is the deployment loop's own memory (deployments as
	// DescribeServices lists them).
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

// Rollout is one entry of DescribeServices.deployments.
type Rollout struct {
	ID                 string    `json:"id"`     // ecs-svc/…; tasks carry it as startedBy
	Status             string    `json:"status"` // PRIMARY, ACTIVE
	Revision           string    `json:"revision"`
	TaskDefinition     string    `json:"taskDefinition"`
	State              string    `json:"state"` // IN_PROGRESS, COMPLETED, FAILED
	Reason             string    `json:"reason"`
	Desired            int64     `json:"desired"`
	FailedTasks        int64     `json:"failedTasks"`
	FirstFailedAt      time.Time `json:"firstFailedAt,omitzero"`
	CreatedAt          time.Time `json:"createdAt"`
	UpdatedAt          time.Time `json:"updatedAt"`
	TargetGroupARN     string    `json:"targetGroupArn,omitempty"` // where this revision's tasks register
	HealthCheckFailing bool      `json:"healthCheckFailing,omitempty"`
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

// HookRun is one run of a lifecycle hook in a deployment.
type HookRun struct {
	ID            string    `json:"id"`
	TargetType    string    `json:"targetType"`
	TargetARN     string    `json:"targetArn,omitempty"`
	RoleARN       string    `json:"roleArn,omitempty"`
	Stage         string    `json:"stage"`
	Step          int64     `json:"step,omitempty"` // which production shift, from 0
	Status        string    `json:"status"`         // IN_PROGRESS, SUCCEEDED, FAILED, TIMED_OUT, AWAITING_ACTION
	StartedAt     time.Time `json:"startedAt"`
	ExpiresAt     time.Time `json:"expiresAt"`
	NextCallAt    time.Time `json:"nextCallAt,omitzero"`
	CallingAt     time.Time `json:"callingAt,omitzero"` // set while an invocation is under way
	Details       any       `json:"details,omitempty"`
	Reason        string    `json:"reason,omitempty"`
	TimeoutAction string    `json:"timeoutAction,omitempty"`
	Rollback      bool      `json:"rollback,omitempty"`
	// ExecutionID is the executionId of the payload (a UUID).
	ExecutionID string `json:"executionId,omitempty"`
}

// ServiceDeployment is one deployment of a service. Key: ARN.
type ServiceDeployment struct {
	ARN               string                  `json:"arn" w:"api/ecs"`
	Service           string                  `json:"service" w:"api/ecs"`
	Cluster           string                  `json:"cluster" w:"api/ecs"`
	RolloutID         string                  `json:"rolloutId" w:"api/ecs"`
	Target            string                  `json:"target" w:"api/ecs"`                                // target revision ARN
	Sources           []string                `json:"sources,omitempty" w:"api/ecs,controllers/service"` // source revision ARNs
	Status            string                  `json:"status" w:"api/ecs,controllers/service"`
	StatusReason      string                  `json:"statusReason,omitempty" w:"api/ecs,controllers/service"`
	Stage             string                  `json:"stage,omitempty" w:"controllers/service"`
	StageAt           time.Time               `json:"stageAt,omitzero" w:"controllers/service"`
	Step              int64                   `json:"step,omitempty" w:"controllers/service"`
	StageDone         bool                    `json:"stageDone,omitempty" w:"controllers/service"`
	BakeFrom          time.Time               `json:"bakeFrom,omitzero" w:"controllers/service"` // when the wait of a step, or of a rolling deployment, began
	Config            DeploymentConfiguration `json:"config" w:"api/ecs"`
	CreatedAt         time.Time               `json:"createdAt" w:"api/ecs"`
	StartedAt         time.Time               `json:"startedAt,omitzero" w:"controllers/service"`
	FinishedAt        time.Time               `json:"finishedAt,omitzero" w:"controllers/service"`
	StoppedAt         time.Time               `json:"stoppedAt,omitzero" w:"api/ecs,controllers/service"`
	UpdatedAt         time.Time               `json:"updatedAt" w:"api/ecs,controllers/service"`
	Hooks             []HookRun               `json:"hooks,omitempty" w:"api/ecs,controllers/service"`
	TestWeights       map[string]float64      `json:"testWeights,omitempty" w:"controllers/service"`       // by revision ARN, percent
	ProductionWeights map[string]float64      `json:"productionWeights,omitempty" w:"controllers/service"` // by revision ARN, percent
	RollbackReason    string                  `json:"rollbackReason,omitempty" w:"controllers/service"`
	RollbackAt        time.Time               `json:"rollbackAt,omitzero" w:"controllers/service"`
	RollbackTo        string                  `json:"rollbackTo,omitempty" w:"controllers/service"`
	FailureCount      int64                   `json:"failureCount" w:"controllers/service"`
	BreakerStatus     string                  `json:"breakerStatus,omitempty" w:"controllers/service"`
	AlarmStatus       string                  `json:"alarmStatus,omitempty" w:"controllers/service"`
	TriggeredAlarms   []string                `json:"triggeredAlarms,omitempty" w:"controllers/service"`
}

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
	Goal       string    `json:"goal" w:"controllers/capacity,api/ecs"`
	GoalReason string    `json:"goalReason,omitempty" w:"controllers/capacity,api/ecs"`
	GoalAt     time.Time `json:"goalAt,omitzero" w:"controllers/capacity,api/ecs"`

	// State of the EC2 side: pending, running, shutting-down, terminated.
	State        string    `json:"state" w:"controllers/capacity,controllers/instance"`
	StateReason  string    `json:"stateReason,omitempty" w:"controllers/instance"`
	LaunchedAt   time.Time `json:"launchedAt,omitzero" w:"controllers/instance"`
	TerminatedAt time.Time `json:"terminatedAt,omitzero" w:"controllers/instance"`
	ENI          string    `json:"eni,omitempty" w:"controllers/network"`
	PrivateIP    string    `json:"privateIp,omitempty" w:"controllers/network"`
	FleetID      string    `json:"fleetId,omitempty" w:"controllers/capacity"`
	Attempts     int64     `json:"attempts,omitempty" w:"controllers/instance"`
	NextTryAt    time.Time `json:"nextTryAt,omitzero" w:"controllers/instance"` // not before, after a failed attempt

	// Container instance side. Status: "" before registration, then
	// REGISTERING, ACTIVE, DRAINING, DEREGISTERING, INACTIVE.
	Status         string      `json:"status,omitempty" w:"dispatch,controllers/capacity,controllers/instance,api/ecs"`
	StatusReason   string      `json:"statusReason,omitempty" w:"dispatch,controllers/capacity,controllers/instance,api/ecs"`
	Registered     Resources   `json:"registered" w:"dispatch"`
	Attributes     []Attribute `json:"attributes,omitempty" w:"dispatch"`
	Connected      bool        `json:"connected" w:"dispatch"`
	ConnectedAt    time.Time   `json:"connectedAt,omitzero" w:"dispatch"`
	LastSeenAt     time.Time   `json:"lastSeenAt,omitzero" w:"dispatch"`
	RegisteredAt   time.Time   `json:"registeredAt,omitzero" w:"dispatch"`
	AgentVersion   string      `json:"agentVersion,omitempty" w:"dispatch"`
	RuntimeVersion string      `json:"runtimeVersion,omitempty" w:"dispatch"`
	Version        int64       `json:"version" w:"dispatch,controllers/capacity,controllers/instance,controllers/network,api/ecs"`
	// IdleAt is when the last task stopped; zero while tasks are there.
	IdleAt time.Time `json:"idleAt,omitzero" w:"controllers/capacity"`
}
