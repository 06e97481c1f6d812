package model

import "time"

// Secret is a secret of Secrets Manager. Key: Name. What it keeps is as secret
// as the state's other keys are.
type Secret struct {
	Name        string          `json:"name" w:"api/secretsmanager"`
	ARN         string          `json:"arn" w:"api/secretsmanager"`
	Description string          `json:"description,omitempty" w:"api/secretsmanager"`
	Tags        []Tag           `json:"tags,omitempty" w:"api/secretsmanager"`
	Versions    []SecretVersion `json:"versions,omitempty" w:"api/secretsmanager"`
	CreatedAt   time.Time       `json:"createdAt" w:"api/secretsmanager"`
	ChangedAt   time.Time       `json:"changedAt" w:"api/secretsmanager"`
	// DeletedAt is when it was deleted, and EndsAt when it is gone.
	DeletedAt time.Time `json:"deletedAt,omitzero" w:"api/secretsmanager"`
	EndsAt    time.Time `json:"endsAt,omitzero" w:"api/secretsmanager"`
}

// SecretVersion is one value of a secret: text, or bytes.
type SecretVersion struct {
	ID        string    `json:"id"`
	Text      *string   `json:"text,omitempty"`
	Bytes     []byte    `json:"bytes,omitempty"`
	Stages    []string  `json:"stages,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
}
