package model

import "time"

// LifecycleHook is a Lambda function or a pause at deployment stages.
type LifecycleHook struct {
	TargetType     string   `json:"targetType"` // AWS_LAMBDA, PAUSE
	TargetARN      string   `json:"targetArn,omitempty"`
	RoleARN        string   `json:"roleArn,omitempty"`
	Stages         []string `json:"stages"`
	Details        any      `json:"details,omitempty"`
	TimeoutMinutes int64    `json:"timeoutMinutes"` // default 1,440
	TimeoutAction  string   `json:"timeoutAction"`  // ROLLBACK, CONTINUE
}

// DeploymentConfiguration says how a service goes from one revision to the
// next. Percentages in percent, times in minutes.
type DeploymentConfiguration struct {
	Strategy              string          `json:"strategy"` // ROLLING, BLUE_GREEN, LINEAR, CANARY
	MinimumHealthyPercent int64           `json:"minimumHealthyPercent"`
	MaximumPercent        int64           `json:"maximumPercent"`
	BakeMinutes           *int64          `json:"bakeMinutes,omitempty"`
	CircuitBreaker        bool            `json:"circuitBreaker,omitempty"`
	CircuitRollback       bool            `json:"circuitRollback,omitempty"`
	Alarms                []string        `json:"alarms,omitempty"`
	AlarmsEnabled         bool            `json:"alarmsEnabled,omitempty"`
	AlarmsRollback        bool            `json:"alarmsRollback,omitempty"`
	Hooks                 []LifecycleHook `json:"hooks,omitempty"`
	CanaryPercent         float64         `json:"canaryPercent,omitempty"`
	CanaryBakeMinutes     int64           `json:"canaryBakeMinutes,omitempty"`
	LinearStepPercent     float64         `json:"linearStepPercent,omitempty"`
	LinearBakeMinutes     int64           `json:"linearBakeMinutes,omitempty"`
}

// Bake is the effective bake time: 15 minutes for strategies other than
// ROLLING when nothing was said.
func (c DeploymentConfiguration) Bake() time.Duration {
	if c.BakeMinutes != nil {
		return time.Duration(*c.BakeMinutes) * time.Minute
	}
	if c.Strategy != "ROLLING" && c.Strategy != "" {
		return 15 * time.Minute
	}
	return 0
}

// HookRun is one run of a lifecycle hook in a deployment.
type HookRun struct {
	ID            string    `json:"id"`
	TargetType    string    `json:"targetType"`
	TargetARN     string    `json:"targetArn,omitempty"`
	RoleARN       string    `json:"roleArn,omitempty"`
	Stage         string    `json:"stage"`
	Step          int64     `json:"step,omitempty"` // which production shift, from 0
	Status        string    `json:"status"`         // IN_PROGRESS, SUCCEEDED, FAILED, TIMED_OUT, AWAITING_ACTION
	StartedAt     time.Time `json:"startedAt"`
	ExpiresAt     time.Time `json:"expiresAt"`
	NextCallAt    time.Time `json:"nextCallAt,omitzero"`
	CallingAt     time.Time `json:"callingAt,omitzero"` // set while an invocation is under way
	Details       any       `json:"details,omitempty"`
	Reason        string    `json:"reason,omitempty"`
	TimeoutAction string    `json:"timeoutAction,omitempty"`
	Rollback      bool      `json:"rollback,omitempty"`
	// ExecutionID is the executionId of the payload (a UUID).
	ExecutionID string `json:"executionId,omitempty"`
}

// ServiceDeployment is one deployment of a service. Key: ARN.
type ServiceDeployment struct {
	ARN               string                  `json:"arn" w:"api/ecs"`
	Service           string                  `json:"service" w:"api/ecs"`
	Cluster           string                  `json:"cluster" w:"api/ecs"`
	RolloutID         string                  `json:"rolloutId" w:"api/ecs"`
	Target            string                  `json:"target" w:"api/ecs"`                                // target revision ARN
	Sources           []string                `json:"sources,omitempty" w:"api/ecs,controllers/service"` // source revision ARNs
	Status            string                  `json:"status" w:"api/ecs,controllers/service"`
	StatusReason      string                  `json:"statusReason,omitempty" w:"api/ecs,controllers/service"`
	Stage             string                  `json:"stage,omitempty" w:"controllers/service"`
	StageAt           time.Time               `json:"stageAt,omitzero" w:"controllers/service"`
	Step              int64                   `json:"step,omitempty" w:"controllers/service"`
	StageDone         bool                    `json:"stageDone,omitempty" w:"controllers/service"`
	BakeFrom          time.Time               `json:"bakeFrom,omitzero" w:"controllers/service"` // when the wait of a step, or of a rolling deployment, began
	Config            DeploymentConfiguration `json:"config" w:"api/ecs"`
	CreatedAt         time.Time               `json:"createdAt" w:"api/ecs"`
	StartedAt         time.Time               `json:"startedAt,omitzero" w:"controllers/service"`
	FinishedAt        time.Time               `json:"finishedAt,omitzero" w:"controllers/service"`
	StoppedAt         time.Time               `json:"stoppedAt,omitzero" w:"api/ecs,controllers/service"`
	UpdatedAt         time.Time               `json:"updatedAt" w:"api/ecs,controllers/service"`
	Hooks             []HookRun               `json:"hooks,omitempty" w:"api/ecs,controllers/service"`
	TestWeights       map[string]float64      `json:"testWeights,omitempty" w:"controllers/service"`       // by revision ARN, percent
	ProductionWeights map[string]float64      `json:"productionWeights,omitempty" w:"controllers/service"` // by revision ARN, percent
	RollbackReason    string                  `json:"rollbackReason,omitempty" w:"controllers/service"`
	RollbackAt        time.Time               `json:"rollbackAt,omitzero" w:"controllers/service"`
	RollbackTo        string                  `json:"rollbackTo,omitempty" w:"controllers/service"`
	FailureCount      int64                   `json:"failureCount" w:"controllers/service"`
	BreakerStatus     string                  `json:"breakerStatus,omitempty" w:"controllers/service"`
	AlarmStatus       string                  `json:"alarmStatus,omitempty" w:"controllers/service"`
	TriggeredAlarms   []string                `json:"triggeredAlarms,omitempty" w:"controllers/service"`
}
