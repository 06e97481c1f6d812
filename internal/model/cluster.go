package model

import "time"

// ClusterStatus is where a cluster is in its life.
type ClusterStatus string

// The states of a cluster.
const (
	ClusterActive   ClusterStatus = "ACTIVE"
	ClusterInactive ClusterStatus = "INACTIVE"
)

// Cluster is an ECS cluster. Key: Name.
type Cluster struct {
	Name              string            `json:"name" w:"api/ecs"`
	ARN               string            `json:"arn" w:"api/ecs"`
	Status            ClusterStatus     `json:"status" w:"api/ecs"`
	CapacityProviders []string          `json:"capacityProviders" w:"api/ecs"` // names
	DefaultStrategy   []StrategyItem    `json:"defaultStrategy" w:"api/ecs"`
	Settings          map[string]string `json:"settings,omitempty" w:"api/ecs"`
	Tags              []Tag             `json:"tags,omitempty" w:"api/ecs"`
	CreatedAt         time.Time         `json:"createdAt" w:"api/ecs"`
}

// The one setting of clusters, and its values.
const (
	SettingInsights  = "containerInsights"
	InsightsEnabled  = "enabled"
	InsightsDisabled = "disabled"
)

// Insights reports whether metrics of Container Insights are wanted.
func (c Cluster) Insights() bool {
	v := c.Settings[SettingInsights]
	return v != "" && v != InsightsDisabled
}

// LaunchFargate is the launch type of tasks that have a machine of their own
// size and no container instance.
const LaunchFargate = "FARGATE"

// LaunchEC2 is the launch type of tasks on the user's own instances.
const LaunchEC2 = "EC2"

// The capacity providers of Fargate, which every cluster may have.
const (
	ProviderFargate     = "FARGATE"
	ProviderFargateSpot = "FARGATE_SPOT"
)

// IsFargate reports whether a capacity provider is one of Fargate's.
func IsFargate(provider string) bool {
	return provider == ProviderFargate || provider == ProviderFargateSpot
}

// ServiceRole is the service-linked role by which ECS acts, and by which the
// agents of Fargate speak, as a resource of IAM.
const ServiceRole = "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"

// StrategyItem is one provider of a capacity provider strategy.
type StrategyItem struct {
	Provider string `json:"provider"`
	Weight   int64  `json:"weight"`
	Base     int64  `json:"base"`
	// EC2 says that the provider is of an Auto Scaling group.
	EC2 bool `json:"ec2,omitempty"`
}
