package ecs

import (
	"encoding/json"
	"math"
	"slices"

	"berth/internal/model"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

const (
	usualTimeout  = 1440
	lambdaTimeout = 1440
	pauseTimeout  = 20160
	maxHooks      = 10
	maxBake       = 1440
)

var hookStages = []model.Stage{
	model.StageReconcileService, model.StagePreScaleUp, model.StagePostScaleUp, model.StageTestTrafficShift, model.StagePostTestTrafficShift,
	model.StagePreProductionTrafficShift, model.StageProductionTrafficShift, model.StagePostProductionTrafficShift,
}

var strategies = []model.Strategy{model.StrategyRolling, model.StrategyBlueGreen, model.StrategyLinear, model.StrategyCanary}

// readRollout reads a deployment configuration over what a service has.
// Errors: InvalidParameterException.
func readRollout(have model.DeploymentConfiguration, in *shape.DeploymentConfiguration) (model.DeploymentConfiguration, error) {
	out := model.Clone(have)
	if out.Strategy == "" {
		out.Strategy = model.StrategyRolling
	}
	if out.MaximumPercent == 0 {
		out.MinimumHealthyPercent, out.MaximumPercent = 100, 200
	}
	if in == nil {
		return out, nil
	}
	if s := wire.Val(in.Strategy); s != "" && model.Strategy(s) != out.Strategy {
		out.Strategy = model.Strategy(s)
	}
	out.MinimumHealthyPercent = wire.Or(in.MinimumHealthyPercent, out.MinimumHealthyPercent)
	out.MaximumPercent = wire.Or(in.MaximumPercent, out.MaximumPercent)
	if in.BakeTimeInMinutes != nil {
		out.BakeMinutes = wire.Ptr(*in.BakeTimeInMinutes)
	}
	if b := in.DeploymentCircuitBreaker; b != nil {
		out.CircuitBreaker, out.CircuitRollback = wire.Val(b.Enable), wire.Val(b.Rollback)
		if err := checkBreaker(b); err != nil {
			return out, err
		}
	}
	if a := in.Alarms; a != nil {
		out.Alarms, out.AlarmsEnabled, out.AlarmsRollback = slices.Clone(a.AlarmNames), wire.Val(a.Enable), wire.Val(a.Rollback)
	}
	if in.LifecycleHooks != nil {
		hooks, err := readHooks(in.LifecycleHooks)
		if err != nil {
			return out, err
		}
		out.Hooks = hooks
	}
	readSteps(&out, in)
	return out, checkRollout(out)
}

// checkBreaker admits the defaults of the newer settings and no others.
func checkBreaker(b *shape.DeploymentCircuitBreaker) error {
	if !wire.Or(b.ResetOnHealthyTask, true) {
		return unbuilt("deploymentCircuitBreaker.resetOnHealthyTask with the value false")
	}
	if t := b.ThresholdConfiguration; t != nil && (wire.Or(t.Type, "BOUNDED_PERCENT") != "BOUNDED_PERCENT" || wire.Or(t.Value, 50) != 50) {
		return unbuilt("deploymentCircuitBreaker.thresholdConfiguration other than BOUNDED_PERCENT 50")
	}
	return nil
}

// readSteps reads the steps of CANARY and LINEAR with their defaults. AWS
// drops the configuration of a strategy that is not the service's own.
func readSteps(out *model.DeploymentConfiguration, in *shape.DeploymentConfiguration) {
	c, l := in.CanaryConfiguration, in.LinearConfiguration
	if c == nil {
		c = &shape.CanaryConfiguration{}
	}
	if l == nil {
		l = &shape.LinearConfiguration{}
	}
	was := *out
	out.CanaryPercent, out.CanaryBakeMinutes, out.LinearStepPercent, out.LinearBakeMinutes = 0, 0, 0, 0
	switch out.Strategy {
	case model.StrategyCanary:
		out.CanaryPercent, out.CanaryBakeMinutes = 5, 10
		if was.CanaryPercent > 0 {
			out.CanaryPercent, out.CanaryBakeMinutes = was.CanaryPercent, was.CanaryBakeMinutes
		}
		out.CanaryPercent = wire.Or(c.CanaryPercent, out.CanaryPercent)
		out.CanaryBakeMinutes = wire.Or(c.CanaryBakeTimeInMinutes, out.CanaryBakeMinutes)
	case model.StrategyLinear:
		out.LinearStepPercent, out.LinearBakeMinutes = 10, 6
		if was.LinearStepPercent > 0 {
			out.LinearStepPercent, out.LinearBakeMinutes = was.LinearStepPercent, was.LinearBakeMinutes
		}
		out.LinearStepPercent = wire.Or(l.StepPercent, out.LinearStepPercent)
		out.LinearBakeMinutes = wire.Or(l.StepBakeTimeInMinutes, out.LinearBakeMinutes)
	default: // no more is asked of the others
	}
}

func checkRollout(c model.DeploymentConfiguration) error {
	tenths := func(p float64) bool { return math.Abs(p*10-math.Round(p*10)) < 1e-9 }
	switch {
	case !slices.Contains(strategies, c.Strategy):
		return invalid("Invalid deployment strategy. Valid values are: ROLLING, BLUE_GREEN, LINEAR, CANARY")
	case c.MinimumHealthyPercent < 0 || c.MinimumHealthyPercent > 100:
		return invalid("minimumHealthyPercent must be between 0 and 100.")
	case c.MaximumPercent < 100:
		return invalid("maximumPercent must be at least 100.")
	case c.BakeMinutes != nil && (*c.BakeMinutes < 0 || *c.BakeMinutes > maxBake):
		return invalid("bakeTimeInMinutes must be between 0 and %d.", maxBake)
	case c.CircuitRollback && !c.CircuitBreaker:
		return invalid("The deployment circuit breaker must be enabled to roll back.")
	case c.Strategy == model.StrategyCanary && (c.CanaryPercent < 0.1 || c.CanaryPercent > 100 || !tenths(c.CanaryPercent)):
		return invalid("canaryPercent must be between 0.1 and 100.0, in steps of 0.1.")
	case c.CanaryBakeMinutes < 0 || c.CanaryBakeMinutes > maxBake:
		return invalid("canaryBakeTimeInMinutes must be between 0 and %d.", maxBake)
	case c.Strategy == model.StrategyLinear && (c.LinearStepPercent < 3 || c.LinearStepPercent > 100 || !tenths(c.LinearStepPercent)):
		return invalid("stepPercent must be between 3.0 and 100.0, in steps of 0.1.")
	case c.LinearBakeMinutes < 0 || c.LinearBakeMinutes > maxBake:
		return invalid("stepBakeTimeInMinutes must be between 0 and %d.", maxBake)
	case c.AlarmsEnabled && len(c.Alarms) == 0:
		return invalid("alarmNames must contain at least one alarm when alarms are enabled.")
	case c.Strategy == model.StrategyRolling && len(c.Hooks) > 0:
		return unbuilt("lifecycleHooks with the strategy ROLLING")
	}
	return nil
}

// retyped copies strings of one type into strings of another.
func retyped[To, From ~string](in []From) []To {
	if in == nil {
		return nil
	}
	out := make([]To, len(in))
	for i, s := range in {
		out[i] = To(s)
	}
	return out
}

// readHooks reads lifecycle hooks (docs/facts/deployments.md D104, D107).
func readHooks(in []shape.DeploymentLifecycleHook) ([]model.LifecycleHook, error) {
	out, n := []model.LifecycleHook{}, map[string]int{}
	for _, h := range in {
		k := model.LifecycleHook{
			TargetType: wire.Or(h.TargetType, "AWS_LAMBDA"), TargetARN: wire.Val(h.HookTargetArn), RoleARN: wire.Val(h.RoleArn),
			Stages: retyped[model.Stage](h.LifecycleStages), TimeoutMinutes: usualTimeout, TimeoutAction: "ROLLBACK",
		}
		if t := h.TimeoutConfiguration; t != nil {
			k.TimeoutMinutes, k.TimeoutAction = wire.Or(t.TimeoutInMinutes, usualTimeout), wire.Or(t.Action, "ROLLBACK")
		}
		var err error
		if k.Details, err = readDetails(h.HookDetails); err != nil {
			return nil, err
		}
		if err := checkHook(k); err != nil {
			return nil, err
		}
		if n[k.TargetType]++; n[k.TargetType] > maxHooks {
			return nil, invalid("A service can have at most %d lifecycle hooks of type %s.", maxHooks, k.TargetType)
		}
		out = append(out, k)
	}
	return out, nil
}

// readDetails takes a JSON object, or the text of one as CloudFormation
// writes it.
func readDetails(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return v, nil
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		return nil, invalid("hookDetails must be a JSON object.")
	}
	return m, nil
}

func checkHook(h model.LifecycleHook) error {
	limit := int64(lambdaTimeout)
	switch h.TargetType {
	case "AWS_LAMBDA":
		if h.TargetARN == "" || h.RoleARN == "" {
			return invalid("hookTargetArn and roleArn are required for a lifecycle hook of type AWS_LAMBDA.")
		}
	case "PAUSE":
		limit = pauseTimeout
		if h.TargetARN != "" || h.RoleARN != "" {
			return invalid("hookTargetArn and roleArn cannot be specified for a lifecycle hook of type PAUSE.")
		}
	default:
		return invalid("Invalid targetType. Valid values are: AWS_LAMBDA, PAUSE")
	}
	if len(h.Stages) == 0 {
		return invalid("A lifecycle hook must have at least one lifecycle stage.")
	}
	for _, s := range h.Stages {
		if !slices.Contains(hookStages, s) {
			return invalid("Invalid lifecycle stage %s.", s)
		}
		if h.TargetType == "PAUSE" && (s == model.StageTestTrafficShift || s == model.StageProductionTrafficShift) {
			return invalid("Invalid lifecycle stage provided for Pause Hook")
		}
	}
	if h.TimeoutMinutes < 1 || h.TimeoutMinutes > limit {
		return invalid("timeoutInMinutes must be between 1 and %d for a lifecycle hook of type %s.", limit, h.TargetType)
	}
	if h.TimeoutAction != "ROLLBACK" && h.TimeoutAction != "CONTINUE" {
		return invalid("The action of a timeoutConfiguration must be ROLLBACK or CONTINUE.")
	}
	return nil
}

// showRollout shapes a deployment configuration with the defaults that AWS
// reads back.
func showRollout(c model.DeploymentConfiguration) *shape.DeploymentConfiguration {
	out := &shape.DeploymentConfiguration{
		DeploymentCircuitBreaker: &shape.DeploymentCircuitBreaker{
			Enable: &c.CircuitBreaker, Rollback: &c.CircuitRollback, ResetOnHealthyTask: wire.Ptr(true),
			ThresholdConfiguration: &shape.ThresholdConfiguration{Type: wire.Ptr("BOUNDED_PERCENT"), Value: wire.Ptr[int64](50)},
		},
		MaximumPercent: &c.MaximumPercent, MinimumHealthyPercent: &c.MinimumHealthyPercent, Strategy: wire.Ptr(string(c.Strategy)),
		BakeTimeInMinutes: c.BakeMinutes,
	}
	if c.Strategy != model.StrategyRolling {
		out.BakeTimeInMinutes = wire.Ptr(int64(c.Bake().Minutes()))
	}
	if len(c.Alarms) > 0 || c.AlarmsEnabled {
		out.Alarms = &shape.DeploymentAlarms{AlarmNames: c.Alarms, Enable: &c.AlarmsEnabled, Rollback: &c.AlarmsRollback}
	}
	for _, h := range c.Hooks {
		k := shape.DeploymentLifecycleHook{
			TargetType: wire.Ptr(h.TargetType), HookTargetArn: text(h.TargetARN), RoleArn: text(h.RoleARN),
			LifecycleStages: retyped[string](h.Stages), HookDetails: h.Details,
		}
		k.TimeoutConfiguration = &shape.DeploymentLifecycleHookTimeoutConfiguration{
			TimeoutInMinutes: wire.Ptr(h.TimeoutMinutes), Action: wire.Ptr(h.TimeoutAction),
		}
		out.LifecycleHooks = append(out.LifecycleHooks, k)
	}
	switch c.Strategy {
	case model.StrategyCanary:
		out.CanaryConfiguration = &shape.CanaryConfiguration{CanaryPercent: &c.CanaryPercent, CanaryBakeTimeInMinutes: &c.CanaryBakeMinutes}
	case model.StrategyLinear:
		out.LinearConfiguration = &shape.LinearConfiguration{StepPercent: &c.LinearStepPercent, StepBakeTimeInMinutes: &c.LinearBakeMinutes}
	default: // no more is asked of the others
	}
	return out
}
