package model

import "time"

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
