package model

import "time"

// Repository is an ECR repository. Key: Name. Manifests and blobs are files
// of the registry.
type Repository struct {
	Name          string    `json:"name" w:"api/ecr"`
	ARN           string    `json:"arn" w:"api/ecr"`
	URI           string    `json:"uri" w:"api/ecr"`
	TagMutability string    `json:"tagMutability" w:"api/ecr"`
	ScanOnPush    bool      `json:"scanOnPush,omitempty" w:"api/ecr"`
	Encryption    string    `json:"encryption" w:"api/ecr"`
	Policy        string    `json:"policy,omitempty" w:"api/ecr"`
	Tags          []Tag     `json:"tags,omitempty" w:"api/ecr"`
	CreatedAt     time.Time `json:"createdAt" w:"api/ecr"`
}

// PullThroughRule is a pull through cache rule of ECR: repositories below its
// prefix are another registry's. Key: Prefix.
type PullThroughRule struct {
	Prefix         string    `json:"prefix" w:"api/ecr"`
	URL            string    `json:"url" w:"api/ecr"`      // as ECR has it, registry-1.docker.io
	Upstream       string    `json:"upstream" w:"api/ecr"` // ecr-public, quay, …
	UpstreamPrefix string    `json:"upstreamPrefix" w:"api/ecr"`
	CreatedAt      time.Time `json:"createdAt" w:"api/ecr"`
}
