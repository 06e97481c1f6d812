package model

import (
	"slices"
	"strings"
	"time"
)

// Function is a Lambda function. Key: Name.
type Function struct {
	Name           string            `json:"name" w:"api/lambda"`
	ARN            string            `json:"arn" w:"api/lambda"`
	Runtime        string            `json:"runtime" w:"api/lambda"`
	Handler        string            `json:"handler" w:"api/lambda"`
	RoleARN        string            `json:"roleArn" w:"api/lambda"`
	Description    string            `json:"description,omitempty" w:"api/lambda"`
	Timeout        int64             `json:"timeout" w:"api/lambda"`    // seconds
	MemorySize     int64             `json:"memorySize" w:"api/lambda"` // MiB
	Environment    map[string]string `json:"environment,omitempty" w:"api/lambda"`
	CodeSHA256     string            `json:"codeSha256" w:"api/lambda"` // base64; the zip is a file in the functions folder named by its hex digest
	CodeSize       int64             `json:"codeSize" w:"api/lambda"`
	Architecture   string            `json:"architecture" w:"api/lambda"`
	Subnets        []string          `json:"subnets,omitempty" w:"api/lambda"`
	SecurityGroups []string          `json:"securityGroups,omitempty" w:"api/lambda"`
	EphemeralMB    int64             `json:"ephemeralMb" w:"api/lambda"`
	LogGroup       string            `json:"logGroup" w:"api/lambda"`
	Concurrency    *int64            `json:"concurrency,omitempty" w:"api/lambda"`
	Tags           []Tag             `json:"tags,omitempty" w:"api/lambda"`
	RevisionID     string            `json:"revisionId" w:"api/lambda"`
	ModifiedAt     time.Time         `json:"modifiedAt" w:"api/lambda"`
	Policy         string            `json:"policy,omitempty" w:"api/lambda"`
	State          string            `json:"state" w:"api/lambda,controllers/lambda"` // Pending, Active, Failed
	StateReason    string            `json:"stateReason,omitempty" w:"controllers/lambda"`
	StateCode      string            `json:"stateCode,omitempty" w:"controllers/lambda"`
	UpdateStatus   string            `json:"updateStatus" w:"api/lambda,controllers/lambda"` // Successful, InProgress, Failed
	// Interfaces is how many environments have needed a network at once; each
	// has an interface of its own. There is always one.
	Interfaces int64 `json:"interfaces,omitempty" w:"controllers/network"`
}

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

// Dimension is a metric's dimension.
type Dimension struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Alarm is a CloudWatch metric alarm. Key: Name. Period in seconds.
type Alarm struct {
	Name                string      `json:"name" w:"api/cloudwatch,api/autoscaling"`
	ARN                 string      `json:"arn" w:"api/cloudwatch,api/autoscaling"`
	Description         string      `json:"description,omitempty" w:"api/cloudwatch,api/autoscaling"`
	ActionsEnabled      bool        `json:"actionsEnabled" w:"api/cloudwatch,api/autoscaling"`
	AlarmActions        []string    `json:"alarmActions,omitempty" w:"api/cloudwatch,api/autoscaling"`
	OKActions           []string    `json:"okActions,omitempty" w:"api/cloudwatch,api/autoscaling"`
	InsufficientActions []string    `json:"insufficientActions,omitempty" w:"api/cloudwatch,api/autoscaling"`
	Namespace           string      `json:"namespace" w:"api/cloudwatch,api/autoscaling"`
	Metric              string      `json:"metric" w:"api/cloudwatch,api/autoscaling"`
	Dimensions          []Dimension `json:"dimensions,omitempty" w:"api/cloudwatch,api/autoscaling"`
	Statistic           string      `json:"statistic,omitempty" w:"api/cloudwatch,api/autoscaling"`
	ExtendedStatistic   string      `json:"extendedStatistic,omitempty" w:"api/cloudwatch,api/autoscaling"`
	Unit                string      `json:"unit,omitempty" w:"api/cloudwatch,api/autoscaling"`
	Period              int64       `json:"period" w:"api/cloudwatch,api/autoscaling"`
	EvaluationPeriods   int64       `json:"evaluationPeriods" w:"api/cloudwatch,api/autoscaling"`
	DatapointsToAlarm   int64       `json:"datapointsToAlarm,omitempty" w:"api/cloudwatch,api/autoscaling"`
	Threshold           float64     `json:"threshold" w:"api/cloudwatch,api/autoscaling"`
	Comparison          string      `json:"comparison" w:"api/cloudwatch,api/autoscaling"`
	TreatMissing        string      `json:"treatMissing,omitempty" w:"api/cloudwatch,api/autoscaling"`
	Tags                []Tag       `json:"tags,omitempty" w:"api/cloudwatch,api/autoscaling"`
	ConfiguredAt        time.Time   `json:"configuredAt" w:"api/cloudwatch,api/autoscaling"`
	State               string      `json:"state" w:"api/cloudwatch,api/autoscaling,controllers/scaling"` // OK, ALARM, INSUFFICIENT_DATA
	StateReason         string      `json:"stateReason" w:"api/cloudwatch,api/autoscaling,controllers/scaling"`
	StateData           string      `json:"stateData,omitempty" w:"api/cloudwatch,api/autoscaling,controllers/scaling"`
	StateAt             time.Time   `json:"stateAt" w:"api/cloudwatch,api/autoscaling,controllers/scaling"`
	TransitionedAt      time.Time   `json:"transitionedAt,omitzero" w:"api/cloudwatch,api/autoscaling,controllers/scaling"`
	ActedAt             time.Time   `json:"actedAt,omitzero" w:"controllers/scaling"`
}

// Actions are those of the alarm's present state.
func (a Alarm) Actions() []string {
	switch a.State {
	case "ALARM":
		return a.AlarmActions
	case "OK":
		return a.OKActions
	default:
		return a.InsufficientActions
	}
}

// Policies are the ARNs of the scaling policies that any of the alarm's
// actions name, each once.
func (a Alarm) Policies() []string {
	var out []string
	for _, arn := range slices.Concat(a.AlarmActions, a.OKActions, a.InsufficientActions) {
		if strings.Contains(arn, ":scalingPolicy:") {
			out = append(out, PolicyOf(arn))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// PolicyOf is the scaling policy that an alarm's action names: alarms that
// Application Auto Scaling makes add who made them to its ARN.
func PolicyOf(action string) string {
	arn, _, _ := strings.Cut(action, ":createdBy/")
	return arn
}

// ScalableTarget is an Application Auto Scaling target. Key: Namespace + "|"
// + ResourceID + "|" + Dimension.
type ScalableTarget struct {
	ARN              string    `json:"arn" w:"api/autoscaling"`
	Namespace        string    `json:"namespace" w:"api/autoscaling"`
	ResourceID       string    `json:"resourceId" w:"api/autoscaling"`
	Dimension        string    `json:"dimension" w:"api/autoscaling"`
	Min              int64     `json:"min" w:"api/autoscaling"`
	Max              int64     `json:"max" w:"api/autoscaling"`
	RoleARN          string    `json:"roleArn" w:"api/autoscaling"`
	SuspendIn        bool      `json:"suspendIn,omitempty" w:"api/autoscaling"`
	SuspendOut       bool      `json:"suspendOut,omitempty" w:"api/autoscaling"`
	SuspendScheduled bool      `json:"suspendScheduled,omitempty" w:"api/autoscaling"`
	Tags             []Tag     `json:"tags,omitempty" w:"api/autoscaling"`
	CreatedAt        time.Time `json:"createdAt" w:"api/autoscaling"`
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
	ARN              string           `json:"arn" w:"api/autoscaling"`
	Name             string           `json:"name" w:"api/autoscaling"`
	Type             string           `json:"type" w:"api/autoscaling"`   // TargetTrackingScaling, StepScaling
	Target           string           `json:"target" w:"api/autoscaling"` // key of the ScalableTarget
	TargetValue      float64          `json:"targetValue,omitempty" w:"api/autoscaling"`
	PredefinedMetric string           `json:"predefinedMetric,omitempty" w:"api/autoscaling"`
	ResourceLabel    string           `json:"resourceLabel,omitempty" w:"api/autoscaling"`
	CustomNamespace  string           `json:"customNamespace,omitempty" w:"api/autoscaling"`
	CustomMetric     string           `json:"customMetric,omitempty" w:"api/autoscaling"`
	CustomDimensions []Dimension      `json:"customDimensions,omitempty" w:"api/autoscaling"`
	CustomStatistic  string           `json:"customStatistic,omitempty" w:"api/autoscaling"`
	CustomUnit       string           `json:"customUnit,omitempty" w:"api/autoscaling"`
	ScaleInCooldown  *int64           `json:"scaleInCooldown,omitempty" w:"api/autoscaling"`
	ScaleOutCooldown *int64           `json:"scaleOutCooldown,omitempty" w:"api/autoscaling"`
	DisableScaleIn   bool             `json:"disableScaleIn,omitempty" w:"api/autoscaling"`
	AdjustmentType   string           `json:"adjustmentType,omitempty" w:"api/autoscaling"`
	Steps            []StepAdjustment `json:"steps,omitempty" w:"api/autoscaling"`
	MinAdjustment    int64            `json:"minAdjustment,omitempty" w:"api/autoscaling"`
	Cooldown         int64            `json:"cooldown,omitempty" w:"api/autoscaling"`
	Aggregation      string           `json:"aggregation,omitempty" w:"api/autoscaling"`
	Alarms           []string         `json:"alarms,omitempty" w:"api/autoscaling"` // alarm names
	CreatedAt        time.Time        `json:"createdAt" w:"api/autoscaling"`
	LastOutAt        time.Time        `json:"lastOutAt,omitzero" w:"controllers/scaling"`
	LastInAt         time.Time        `json:"lastInAt,omitzero" w:"controllers/scaling"`
	// LastOutFrom is the capacity before the scale-out that began a cooldown.
	LastOutFrom int64 `json:"lastOutFrom,omitempty" w:"controllers/scaling"`
}

// ScheduledAction sets a target's bounds at times. Key: ARN.
type ScheduledAction struct {
	ARN       string    `json:"arn" w:"api/autoscaling"`
	Name      string    `json:"name" w:"api/autoscaling"`
	Target    string    `json:"target" w:"api/autoscaling"` // key of the ScalableTarget
	Schedule  string    `json:"schedule" w:"api/autoscaling"`
	Timezone  string    `json:"timezone,omitempty" w:"api/autoscaling"` // "" is UTC
	StartAt   time.Time `json:"startAt,omitzero" w:"api/autoscaling"`
	EndAt     time.Time `json:"endAt,omitzero" w:"api/autoscaling"`
	Min       *int64    `json:"min,omitempty" w:"api/autoscaling"`
	Max       *int64    `json:"max,omitempty" w:"api/autoscaling"`
	CreatedAt time.Time `json:"createdAt" w:"api/autoscaling"`
	// LastAt is when the action fell due that ran last; a change of the
	// schedule begins anew.
	LastAt time.Time `json:"lastAt,omitzero" w:"api/autoscaling,controllers/scaling"`
}

// ScalingActivity is one activity. Key: ID.
type ScalingActivity struct {
	ID          string    `json:"id"`
	Target      string    `json:"target"` // key of the ScalableTarget
	Description string    `json:"description"`
	Cause       string    `json:"cause"`
	Status      string    `json:"status"`
	Message     string    `json:"message,omitempty"`
	Details     string    `json:"details,omitempty"`
	NotScaled   []string  `json:"notScaled,omitempty"`
	StartedAt   time.Time `json:"startedAt"`
	EndedAt     time.Time `json:"endedAt,omitzero"`
	To          int64     `json:"to,omitempty"`      // the desired count that was set
	Policy      string    `json:"policy,omitempty"`  // ARN of the policy that asked, or ""
	Max         *int64    `json:"max,omitempty"`     // with NotScaled: the bound, or
	Min         *int64    `json:"min,omitempty"`     // the other bound, or
	Current     *int64    `json:"current,omitempty"` // the capacity, that stood against it
}

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
