package model

import "time"

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
	ARN              string           `json:"arn" w:"api/applicationautoscaling"`
	Name             string           `json:"name" w:"api/applicationautoscaling"`
	Type             string           `json:"type" w:"api/applicationautoscaling"`   // TargetTrackingScaling, StepScaling
	Target           string           `json:"target" w:"api/applicationautoscaling"` // key of the ScalableTarget
	TargetValue      float64          `json:"targetValue,omitempty" w:"api/applicationautoscaling"`
	PredefinedMetric string           `json:"predefinedMetric,omitempty" w:"api/applicationautoscaling"`
	ResourceLabel    string           `json:"resourceLabel,omitempty" w:"api/applicationautoscaling"`
	CustomNamespace  string           `json:"customNamespace,omitempty" w:"api/applicationautoscaling"`
	CustomMetric     string           `json:"customMetric,omitempty" w:"api/applicationautoscaling"`
	CustomDimensions []Dimension      `json:"customDimensions,omitempty" w:"api/applicationautoscaling"`
	CustomStatistic  string           `json:"customStatistic,omitempty" w:"api/applicationautoscaling"`
	CustomUnit       string           `json:"customUnit,omitempty" w:"api/applicationautoscaling"`
	ScaleInCooldown  *int64           `json:"scaleInCooldown,omitempty" w:"api/applicationautoscaling"`
	ScaleOutCooldown *int64           `json:"scaleOutCooldown,omitempty" w:"api/applicationautoscaling"`
	DisableScaleIn   bool             `json:"disableScaleIn,omitempty" w:"api/applicationautoscaling"`
	AdjustmentType   string           `json:"adjustmentType,omitempty" w:"api/applicationautoscaling"`
	Steps            []StepAdjustment `json:"steps,omitempty" w:"api/applicationautoscaling"`
	MinAdjustment    int64            `json:"minAdjustment,omitempty" w:"api/applicationautoscaling"`
	Cooldown         int64            `json:"cooldown,omitempty" w:"api/applicationautoscaling"`
	Aggregation      string           `json:"aggregation,omitempty" w:"api/applicationautoscaling"`
	Alarms           []string         `json:"alarms,omitempty" w:"api/applicationautoscaling"` // alarm names
	CreatedAt        time.Time        `json:"createdAt" w:"api/applicationautoscaling"`
	LastOutAt        time.Time        `json:"lastOutAt,omitzero" w:"controllers/scaling"`
	LastInAt         time.Time        `json:"lastInAt,omitzero" w:"controllers/scaling"`
	// LastOutFrom is the capacity before the scale-out that began a cooldown.
	LastOutFrom int64 `json:"lastOutFrom,omitempty" w:"controllers/scaling"`
}

// ScheduledAction sets a target's bounds at times. Key: ARN.
type ScheduledAction struct {
	ARN       string    `json:"arn" w:"api/applicationautoscaling"`
	Name      string    `json:"name" w:"api/applicationautoscaling"`
	Target    string    `json:"target" w:"api/applicationautoscaling"` // key of the ScalableTarget
	Schedule  string    `json:"schedule" w:"api/applicationautoscaling"`
	Timezone  string    `json:"timezone,omitempty" w:"api/applicationautoscaling"` // "" is UTC
	StartAt   time.Time `json:"startAt,omitzero" w:"api/applicationautoscaling"`
	EndAt     time.Time `json:"endAt,omitzero" w:"api/applicationautoscaling"`
	Min       *int64    `json:"min,omitempty" w:"api/applicationautoscaling"`
	Max       *int64    `json:"max,omitempty" w:"api/applicationautoscaling"`
	CreatedAt time.Time `json:"createdAt" w:"api/applicationautoscaling"`
	// LastAt is when the action fell due that ran last; a change of the
	// schedule begins anew.
	LastAt time.Time `json:"lastAt,omitzero" w:"api/applicationautoscaling,controllers/scaling"`
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
