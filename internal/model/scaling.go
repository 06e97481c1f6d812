package model

import (
	"strings"
	"time"
)

// ScalableTarget is an Application Auto Scaling target. Key: Namespace + "|"
// + ResourceID + "|" + Dimension.
type ScalableTarget struct {
	ARN              string    `json:"arn" w:"api/applicationautoscaling"`
	Namespace        string    `json:"namespace" w:"api/applicationautoscaling"`
	ResourceID       string    `json:"resourceId" w:"api/applicationautoscaling"`
	Dimension        string    `json:"dimension" w:"api/applicationautoscaling"`
	Min              int64     `json:"min" w:"api/applicationautoscaling"`
	Max              int64     `json:"max" w:"api/applicationautoscaling"`
	RoleARN          string    `json:"roleArn" w:"api/applicationautoscaling"`
	SuspendIn        bool      `json:"suspendIn,omitempty" w:"api/applicationautoscaling"`
	SuspendOut       bool      `json:"suspendOut,omitempty" w:"api/applicationautoscaling"`
	SuspendScheduled bool      `json:"suspendScheduled,omitempty" w:"api/applicationautoscaling"`
	Tags             []Tag     `json:"tags,omitempty" w:"api/applicationautoscaling"`
	CreatedAt        time.Time `json:"createdAt" w:"api/applicationautoscaling"`
}

// Key is the record's key.
func (t ScalableTarget) Key() string { return t.Namespace + "|" + t.ResourceID + "|" + t.Dimension }

// StepAdjustment is one step of a step scaling policy.
type StepAdjustment struct {
	Lower      *float64 `json:"lower,omitempty"`
	Upper      *float64 `json:"upper,omitempty"`
	Adjustment int64    `json:"adjustment"`
}

// ScalingPolicy is a scaling policy. Key: ARN. Cooldowns in seconds.
type ScalingPolicy struct {
	ARN              string           `json:"arn" w:"api/applicationautoscaling,api/autoscaling"`
	Name             string           `json:"name" w:"api/applicationautoscaling,api/autoscaling"`
	Type             string           `json:"type" w:"api/applicationautoscaling,api/autoscaling"`   // TargetTrackingScaling, StepScaling
	Target           string           `json:"target" w:"api/applicationautoscaling,api/autoscaling"` // key of the ScalableTarget
	TargetValue      float64          `json:"targetValue,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	PredefinedMetric string           `json:"predefinedMetric,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	ResourceLabel    string           `json:"resourceLabel,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	CustomNamespace  string           `json:"customNamespace,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	CustomMetric     string           `json:"customMetric,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	CustomDimensions []Dimension      `json:"customDimensions,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	CustomStatistic  string           `json:"customStatistic,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	CustomUnit       string           `json:"customUnit,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	ScaleInCooldown  *int64           `json:"scaleInCooldown,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	ScaleOutCooldown *int64           `json:"scaleOutCooldown,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	DisableScaleIn   bool             `json:"disableScaleIn,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	AdjustmentType   string           `json:"adjustmentType,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	Steps            []StepAdjustment `json:"steps,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	MinAdjustment    int64            `json:"minAdjustment,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	Cooldown         int64            `json:"cooldown,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	Aggregation      string           `json:"aggregation,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	Alarms           []string         `json:"alarms,omitempty" w:"api/applicationautoscaling,api/autoscaling"` // alarm names
	CreatedAt        time.Time        `json:"createdAt" w:"api/applicationautoscaling,api/autoscaling"`
	LastOutAt        time.Time        `json:"lastOutAt,omitzero" w:"controllers/scaling,api/autoscaling"`
	LastInAt         time.Time        `json:"lastInAt,omitzero" w:"controllers/scaling,api/autoscaling"`
	// Adjustment is that of a simple scaling policy of a group, and OwnCooldown
	// its cooldown where it is not the group's; Warmup is how long, in seconds,
	// its new instances are not counted on, where it is not the group's.
	Adjustment  int64  `json:"adjustment,omitempty" w:"api/autoscaling"`
	OwnCooldown *int64 `json:"ownCooldown,omitempty" w:"api/autoscaling"`
	Warmup      *int64 `json:"warmup,omitempty" w:"api/autoscaling"`
	Disabled    bool   `json:"disabled,omitempty" w:"api/autoscaling"`
	// LastOutFrom is the capacity before the scale-out that began a cooldown.
	LastOutFrom int64 `json:"lastOutFrom,omitempty" w:"controllers/scaling,api/autoscaling"`
}

// ScheduledAction sets a target's bounds at times. Key: ARN.
type ScheduledAction struct {
	ARN      string    `json:"arn" w:"api/applicationautoscaling,api/autoscaling"`
	Name     string    `json:"name" w:"api/applicationautoscaling,api/autoscaling"`
	Target   string    `json:"target" w:"api/applicationautoscaling,api/autoscaling"` // key of the ScalableTarget
	Schedule string    `json:"schedule" w:"api/applicationautoscaling,api/autoscaling"`
	Timezone string    `json:"timezone,omitempty" w:"api/applicationautoscaling,api/autoscaling"` // "" is UTC
	StartAt  time.Time `json:"startAt,omitzero" w:"api/applicationautoscaling,api/autoscaling"`
	EndAt    time.Time `json:"endAt,omitzero" w:"api/applicationautoscaling,api/autoscaling"`
	Min      *int64    `json:"min,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	Max      *int64    `json:"max,omitempty" w:"api/applicationautoscaling,api/autoscaling"`
	// Desired is the capacity that an action gives an Auto Scaling group.
	Desired   *int64    `json:"desired,omitempty" w:"api/autoscaling"`
	CreatedAt time.Time `json:"createdAt" w:"api/applicationautoscaling,api/autoscaling"`
	// LastAt is when the action fell due that ran last; a change of the
	// schedule begins anew.
	LastAt time.Time `json:"lastAt,omitzero" w:"api/applicationautoscaling,api/autoscaling,controllers/scaling"`
}

// ActivityStatus is how a scaling activity goes.
type ActivityStatus string

// The states of a scaling activity.
const (
	ActivityPending     ActivityStatus = "Pending"
	ActivityInProgress  ActivityStatus = "InProgress"
	ActivitySuccessful  ActivityStatus = "Successful"
	ActivityFailed      ActivityStatus = "Failed"
	ActivityOverridden  ActivityStatus = "Overridden"
	ActivityUnfulfilled ActivityStatus = "Unfulfilled"
)

// OfGroup is whether the action is one of an Auto Scaling group, whose schedule
// is a recurrence as Unix's cron has it, or "" if it runs at its start only.
func (a ScheduledAction) OfGroup() bool { return strings.HasPrefix(a.Target, "autoscaling|") }

// Once is whether the action is a group's that runs once.
func (a ScheduledAction) Once() bool { return a.OfGroup() && a.Schedule == "" }

// ScalingActivity is one activity. Key: ID.
type ScalingActivity struct {
	ID          string         `json:"id"`
	Target      string         `json:"target"` // key of the ScalableTarget
	Description string         `json:"description"`
	Cause       string         `json:"cause"`
	Status      ActivityStatus `json:"status"`
	Message     string         `json:"message,omitempty"`
	Details     string         `json:"details,omitempty"`
	NotScaled   []string       `json:"notScaled,omitempty"`
	StartedAt   time.Time      `json:"startedAt"`
	EndedAt     time.Time      `json:"endedAt,omitzero"`
	To          int64          `json:"to,omitempty"`      // the desired count that was set
	Policy      string         `json:"policy,omitempty"`  // ARN of the policy that asked, or ""
	Max         *int64         `json:"max,omitempty"`     // with NotScaled: the bound, or
	Min         *int64         `json:"min,omitempty"`     // the other bound, or
	Current     *int64         `json:"current,omitempty"` // the capacity, that stood against it
}
