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

// StrategyItem is one provider of a capacity provider strategy.
type StrategyItem struct {
	Provider string `json:"provider"`
	Weight   int64  `json:"weight"`
	Base     int64  `json:"base"`
}
