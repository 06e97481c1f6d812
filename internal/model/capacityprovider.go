package model

import "time"

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

// ProviderStatus is where a capacity provider is in its life.
type ProviderStatus string

// The states of a capacity provider.
const (
	ProviderProvisioning   ProviderStatus = "PROVISIONING"
	ProviderActive         ProviderStatus = "ACTIVE"
	ProviderDeprovisioning ProviderStatus = "DEPROVISIONING"
	ProviderInactive       ProviderStatus = "INACTIVE"
)

// ProviderUpdate is how the last call that changed a capacity provider goes.
type ProviderUpdate string

// The states of a change of a capacity provider.
const (
	ProviderCreateInProgress ProviderUpdate = "CREATE_IN_PROGRESS"
	ProviderCreateComplete   ProviderUpdate = "CREATE_COMPLETE"
	ProviderUpdateInProgress ProviderUpdate = "UPDATE_IN_PROGRESS"
	ProviderUpdateComplete   ProviderUpdate = "UPDATE_COMPLETE"
	ProviderUpdateFailed     ProviderUpdate = "UPDATE_FAILED"
	ProviderDeleteInProgress ProviderUpdate = "DELETE_IN_PROGRESS"
	ProviderDeleteComplete   ProviderUpdate = "DELETE_COMPLETE"
)

// ManagedScaling is how ECS scales the Auto Scaling group of a capacity
// provider.
type ManagedScaling struct {
	Enabled bool  `json:"enabled,omitempty"`
	Target  int64 `json:"target"` // percent of the group's instances that tasks need
	MinStep int64 `json:"minStep"`
	MaxStep int64 `json:"maxStep"`
	WarmUp  int64 `json:"warmUp"` // seconds
}

// GroupProvider is what a capacity provider of an Auto Scaling group says of it.
type GroupProvider struct {
	Name    string         `json:"name"` // of the group
	ARN     string         `json:"arn"`
	Scaling ManagedScaling `json:"scaling"`
	// Protects keeps instances with tasks from scaling in, and Drains empties
	// instances before the group ends them.
	Protects bool `json:"protects,omitempty"`
	Drains   bool `json:"drains,omitempty"`
}

// CapacityProvider is a capacity provider of Managed Instances of one cluster,
// or, if it has a Group, of an Auto Scaling group, which may be in no cluster.
// Key: Name.
type CapacityProvider struct {
	Name                  string                `json:"name" w:"api/ecs"`
	ARN                   string                `json:"arn" w:"api/ecs"`
	Cluster               string                `json:"cluster" w:"api/ecs"` // cluster name
	Status                ProviderStatus        `json:"status" w:"api/ecs,controllers/capacity"`
	UpdateStatus          ProviderUpdate        `json:"updateStatus" w:"api/ecs,controllers/capacity"`
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
	// LastFailure is why an instance could last not be launched, or did not come;
	// supply waits after it before it buys again.
	LastFailure   string    `json:"lastFailure,omitempty" w:"controllers/capacity,controllers/instance"`
	LastFailureAt time.Time `json:"lastFailureAt,omitzero" w:"controllers/capacity,controllers/instance"`
	FailureCause  Cause     `json:"failureCause,omitzero" w:"controllers/capacity,controllers/instance"`
	// Group is nil of Managed Instances.
	Group *GroupProvider `json:"group,omitempty" w:"api/ecs"`
	// LowSince is since when the group's reservation has been below its target.
	LowSince time.Time `json:"lowSince,omitzero" w:"controllers/reservation"`
}
