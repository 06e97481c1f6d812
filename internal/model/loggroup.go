package model

import "time"

// LogGroup is a CloudWatch Logs group. Key: Name. Streams and events live in
// series.
type LogGroup struct {
	Name          string    `json:"name" w:"api/logs"`
	ARN           string    `json:"arn" w:"api/logs"` // without the trailing :*
	RetentionDays int64     `json:"retentionDays,omitempty" w:"api/logs"`
	Class         string    `json:"class" w:"api/logs"`
	Tags          []Tag     `json:"tags,omitempty" w:"api/logs"`
	CreatedAt     time.Time `json:"createdAt" w:"api/logs"`
}
