package model

import (
	"slices"
	"strings"
	"time"
)

// Dimension is a metric's dimension.
type Dimension struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// AlarmState is what an alarm thinks of its metric.
type AlarmState string

// The states of an alarm.
const (
	AlarmOK               AlarmState = "OK"
	AlarmFiring           AlarmState = "ALARM"
	AlarmInsufficientData AlarmState = "INSUFFICIENT_DATA"
)

// Alarm is a CloudWatch metric alarm. Key: Name. Period in seconds.
type Alarm struct {
	Name                string      `json:"name" w:"api/cloudwatch,api/applicationautoscaling"`
	ARN                 string      `json:"arn" w:"api/cloudwatch,api/applicationautoscaling"`
	Description         string      `json:"description,omitempty" w:"api/cloudwatch,api/applicationautoscaling"`
	ActionsEnabled      bool        `json:"actionsEnabled" w:"api/cloudwatch,api/applicationautoscaling"`
	AlarmActions        []string    `json:"alarmActions,omitempty" w:"api/cloudwatch,api/applicationautoscaling"`
	OKActions           []string    `json:"okActions,omitempty" w:"api/cloudwatch,api/applicationautoscaling"`
	InsufficientActions []string    `json:"insufficientActions,omitempty" w:"api/cloudwatch,api/applicationautoscaling"`
	Namespace           string      `json:"namespace" w:"api/cloudwatch,api/applicationautoscaling"`
	Metric              string      `json:"metric" w:"api/cloudwatch,api/applicationautoscaling"`
	Dimensions          []Dimension `json:"dimensions,omitempty" w:"api/cloudwatch,api/applicationautoscaling"`
	Statistic           string      `json:"statistic,omitempty" w:"api/cloudwatch,api/applicationautoscaling"`
	ExtendedStatistic   string      `json:"extendedStatistic,omitempty" w:"api/cloudwatch,api/applicationautoscaling"`
	Unit                string      `json:"unit,omitempty" w:"api/cloudwatch,api/applicationautoscaling"`
	Period              int64       `json:"period" w:"api/cloudwatch,api/applicationautoscaling"`
	EvaluationPeriods   int64       `json:"evaluationPeriods" w:"api/cloudwatch,api/applicationautoscaling"`
	DatapointsToAlarm   int64       `json:"datapointsToAlarm,omitempty" w:"api/cloudwatch,api/applicationautoscaling"`
	Threshold           float64     `json:"threshold" w:"api/cloudwatch,api/applicationautoscaling"`
	Comparison          string      `json:"comparison" w:"api/cloudwatch,api/applicationautoscaling"`
	TreatMissing        string      `json:"treatMissing,omitempty" w:"api/cloudwatch,api/applicationautoscaling"`
	Tags                []Tag       `json:"tags,omitempty" w:"api/cloudwatch,api/applicationautoscaling"`
	ConfiguredAt        time.Time   `json:"configuredAt" w:"api/cloudwatch,api/applicationautoscaling"`
	State               AlarmState  `json:"state" w:"api/cloudwatch,api/applicationautoscaling,controllers/scaling"`
	StateReason         string      `json:"stateReason" w:"api/cloudwatch,api/applicationautoscaling,controllers/scaling"`
	StateData           string      `json:"stateData,omitempty" w:"api/cloudwatch,api/applicationautoscaling,controllers/scaling"`
	StateAt             time.Time   `json:"stateAt" w:"api/cloudwatch,api/applicationautoscaling,controllers/scaling"`
	TransitionedAt      time.Time   `json:"transitionedAt,omitzero" w:"api/cloudwatch,api/applicationautoscaling,controllers/scaling"`
	ActedAt             time.Time   `json:"actedAt,omitzero" w:"controllers/scaling"`
}

// Actions are those of the alarm's present state.
func (a Alarm) Actions() []string {
	switch a.State {
	case AlarmFiring:
		return a.AlarmActions
	case AlarmOK:
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
