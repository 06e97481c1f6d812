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
	State               AlarmState  `json:"state" w:"api/cloudwatch,api/autoscaling,controllers/scaling"`
	StateReason         string      `json:"stateReason" w:"api/cloudwatch,api/autoscaling,controllers/scaling"`
	StateData           string      `json:"stateData,omitempty" w:"api/cloudwatch,api/autoscaling,controllers/scaling"`
	StateAt             time.Time   `json:"stateAt" w:"api/cloudwatch,api/autoscaling,controllers/scaling"`
	TransitionedAt      time.Time   `json:"transitionedAt,omitzero" w:"api/cloudwatch,api/autoscaling,controllers/scaling"`
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
