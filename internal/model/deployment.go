package model

import (
	"slices"
	"time"
)

// Stage is a lifecycle stage of a deployment.
type Stage string

// The lifecycle stages of a deployment (docs/facts/deployments.md D105).
const (
	StageReconcileService           Stage = "RECONCILE_SERVICE"
	StagePreScaleUp                 Stage = "PRE_SCALE_UP"
	StageScaleUp                    Stage = "SCALE_UP"
	StagePostScaleUp                Stage = "POST_SCALE_UP"
	StageTestTrafficShift           Stage = "TEST_TRAFFIC_SHIFT"
	StagePostTestTrafficShift       Stage = "POST_TEST_TRAFFIC_SHIFT"
	StagePreProductionTrafficShift  Stage = "PRE_PRODUCTION_TRAFFIC_SHIFT"
	StageProductionTrafficShift     Stage = "PRODUCTION_TRAFFIC_SHIFT"
	StagePostProductionTrafficShift Stage = "POST_PRODUCTION_TRAFFIC_SHIFT"
	StageBakeTime                   Stage = "BAKE_TIME"
	StageCleanUp                    Stage = "CLEAN_UP"
)

// Stages lists the stages in order; a deployment only moves forward in them,
// except that each production step walks PRE_PRODUCTION and PRODUCTION again.
var Stages = []Stage{
	StageReconcileService, StagePreScaleUp, StageScaleUp, StagePostScaleUp, StageTestTrafficShift, StagePostTestTrafficShift,
	StagePreProductionTrafficShift, StageProductionTrafficShift, StagePostProductionTrafficShift, StageBakeTime, StageCleanUp,
}

// Rank is the stage's position in Stages, or -1 before the first.
func (s Stage) Rank() int { return slices.Index(Stages, s) }

// LifecycleHook is a Lambda function or a pause at deployment stages.
type LifecycleHook struct {
	TargetType     string  `json:"targetType"` // AWS_LAMBDA, PAUSE
	TargetARN      string  `json:"targetArn,omitempty"`
	RoleARN        string  `json:"roleArn,omitempty"`
	Stages         []Stage `json:"stages"`
	Details        any     `json:"details,omitempty"`
	TimeoutMinutes int64   `json:"timeoutMinutes"` // default 1,440
	TimeoutAction  string  `json:"timeoutAction"`  // ROLLBACK, CONTINUE
}

// Strategy is how a service goes from one revision to the next.
type Strategy string

// The deployment strategies.
const (
	StrategyRolling   Strategy = "ROLLING"
	StrategyBlueGreen Strategy = "BLUE_GREEN"
	StrategyLinear    Strategy = "LINEAR"
	StrategyCanary    Strategy = "CANARY"
)

// Staged reports whether a deployment of the strategy goes through the
// lifecycle stages and shifts traffic; "" stands for ROLLING.
func (s Strategy) Staged() bool { return s != StrategyRolling && s != "" }

// DeploymentConfiguration says how a service goes from one revision to the
// next. Percentages in percent, times in minutes.
type DeploymentConfiguration struct {
	Strategy              Strategy        `json:"strategy"`
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
	if c.Strategy.Staged() {
		return 15 * time.Minute
	}
	return 0
}

// HookStatus is how a run of a lifecycle hook goes.
type HookStatus string

// The states of a run of a hook.
const (
	HookInProgress     HookStatus = "IN_PROGRESS"
	HookSucceeded      HookStatus = "SUCCEEDED"
	HookFailed         HookStatus = "FAILED"
	HookTimedOut       HookStatus = "TIMED_OUT"
	HookAwaitingAction HookStatus = "AWAITING_ACTION"
)

// HookRun is one run of a lifecycle hook in a deployment.
type HookRun struct {
	ID            string     `json:"id"`
	TargetType    string     `json:"targetType"`
	TargetARN     string     `json:"targetArn,omitempty"`
	RoleARN       string     `json:"roleArn,omitempty"`
	Stage         Stage      `json:"stage"`
	Step          int64      `json:"step,omitempty"` // which production shift, from 0
	Status        HookStatus `json:"status"`
	StartedAt     time.Time  `json:"startedAt"`
	ExpiresAt     time.Time  `json:"expiresAt"`
	NextCallAt    time.Time  `json:"nextCallAt,omitzero"`
	CallingAt     time.Time  `json:"callingAt,omitzero"` // set while an invocation is under way
	Details       any        `json:"details,omitempty"`
	Reason        string     `json:"reason,omitempty"`
	Cause         Cause      `json:"cause,omitzero"`
	TimeoutAction string     `json:"timeoutAction,omitempty"`
	Rollback      bool       `json:"rollback,omitempty"`
	// ExecutionID is the executionId of the payload (a UUID).
	ExecutionID string `json:"executionId,omitempty"`
}

// DeploymentStatus is how a deployment goes.
type DeploymentStatus string

// The states of a deployment (docs/facts/deployments.md D108).
const (
	DeploymentPending            DeploymentStatus = "PENDING"
	DeploymentInProgress         DeploymentStatus = "IN_PROGRESS"
	DeploymentSuccessful         DeploymentStatus = "SUCCESSFUL"
	DeploymentStopRequested      DeploymentStatus = "STOP_REQUESTED"
	DeploymentStopped            DeploymentStatus = "STOPPED"
	DeploymentRollbackRequested  DeploymentStatus = "ROLLBACK_REQUESTED"
	DeploymentRollbackInProgress DeploymentStatus = "ROLLBACK_IN_PROGRESS"
	DeploymentRollbackSuccessful DeploymentStatus = "ROLLBACK_SUCCESSFUL"
	DeploymentRollbackFailed     DeploymentStatus = "ROLLBACK_FAILED"
)

// Final reports whether the deployment has ended.
func (s DeploymentStatus) Final() bool {
	switch s {
	case DeploymentSuccessful, DeploymentStopped, DeploymentRollbackSuccessful, DeploymentRollbackFailed:
		return true
	default:
		return false
	}
}

// MonitorStatus is what a deployment's circuit breaker, or its watch over alarms, does.
type MonitorStatus string

// The states of a circuit breaker and of a watch over alarms.
const (
	MonitorActive    MonitorStatus = "MONITORING"
	MonitorComplete  MonitorStatus = "MONITORING_COMPLETE"
	MonitorTriggered MonitorStatus = "TRIGGERED"
	MonitorDisabled  MonitorStatus = "DISABLED"
)

// ServiceDeployment is one deployment of a service. Key: ARN.
type ServiceDeployment struct {
	ARN          string           `json:"arn" w:"api/ecs"`
	Service      string           `json:"service" w:"api/ecs"`
	Cluster      string           `json:"cluster" w:"api/ecs"`
	RolloutID    string           `json:"rolloutId" w:"api/ecs"`
	Target       string           `json:"target" w:"api/ecs"`                                // target revision ARN
	Sources      []string         `json:"sources,omitempty" w:"api/ecs,controllers/service"` // source revision ARNs
	Status       DeploymentStatus `json:"status" w:"api/ecs,controllers/service"`
	StatusReason string           `json:"statusReason,omitempty" w:"api/ecs,controllers/service"`
	Stage        Stage            `json:"stage,omitempty" w:"controllers/service"`
	StageAt      time.Time        `json:"stageAt,omitzero" w:"controllers/service"`
	Step         int64            `json:"step,omitempty" w:"controllers/service"`
	StageDone    bool             `json:"stageDone,omitempty" w:"controllers/service"`
	// when the wait of a step, or of a rolling deployment, began
	BakeFrom          time.Time               `json:"bakeFrom,omitzero" w:"controllers/service"`
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
	RollbackCause     string                  `json:"rollbackCause,omitempty" w:"controllers/service"` // CauseNotPermitted, or ""
	RollbackAt        time.Time               `json:"rollbackAt,omitzero" w:"controllers/service"`
	RollbackTo        string                  `json:"rollbackTo,omitempty" w:"controllers/service"`
	FailureCount      int64                   `json:"failureCount" w:"controllers/service"`
	BreakerStatus     MonitorStatus           `json:"breakerStatus,omitempty" w:"controllers/service"`
	AlarmStatus       MonitorStatus           `json:"alarmStatus,omitempty" w:"controllers/service"`
	TriggeredAlarms   []string                `json:"triggeredAlarms,omitempty" w:"controllers/service"`
}
