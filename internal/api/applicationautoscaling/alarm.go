package applicationautoscaling

import (
	"context"
	"errors"
	"slices"
	"strings"

	"berth/internal/model"
	plan "berth/internal/plan/scaling"
	"berth/internal/state"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/applicationautoscaling"
	"berth/internal/wire/shape/cloudwatch"
)

// watched is what an alarm of a target tracking policy watches.
type watched struct {
	namespace, metric, statistic, unit string
	dimensions                         []model.Dimension
}

func (p place) watch(x model.ScalingPolicy) watched {
	service := []model.Dimension{{Name: "ClusterName", Value: p.cluster}, {Name: "ServiceName", Value: p.service}}
	switch x.PredefinedMetric {
	case cpuMetric:
		return watched{"AWS/ECS", "CPUUtilization", "Average", "Percent", service}
	case memoryMetric:
		return watched{"AWS/ECS", "MemoryUtilization", "Average", "Percent", service}
	case requestsMetric:
		return watched{
			"AWS/ApplicationELB", "RequestCountPerTarget", "Sum", "",
			[]model.Dimension{{Name: "TargetGroup", Value: plan.TargetGroupOf(x.ResourceLabel)}},
		}
	default:
		return watched{x.CustomNamespace, x.CustomMetric, x.CustomStatistic, x.CustomUnit, x.CustomDimensions}
	}
}

// alarmsOf names the alarms of a policy, in the policy, and returns what
// PutMetricAlarm is to be called with. Alarms that are there keep their names.
func (a *API) alarmsOf(p place, x *model.ScalingPolicy) []cloudwatch.PutMetricAlarmInput {
	if x.Type != tracking {
		x.Alarms = nil
		return nil
	}
	had := x.Alarms
	x.Alarms = nil
	action := x.ARN + ":createdBy/" + a.creator(had)
	var out []cloudwatch.PutMetricAlarmInput
	for _, w := range plan.TrackingAlarms(*x) {
		in := a.alarm(p, x, had, w.Side, action)
		in.ComparisonOperator, in.EvaluationPeriods, in.Threshold = &w.Comparison, &w.Periods, &w.Threshold
		out = append(out, in)
	}
	return out
}

// creator is the id that the policy's alarms carry: that of those that are
// there, or a new one.
func (a *API) creator(alarms []string) string {
	for _, n := range alarms {
		if x, ok := state.Alarms.Get(a.DB.View(), n); ok && len(x.AlarmActions) == 1 {
			if _, id, ok := strings.Cut(x.AlarmActions[0], ":createdBy/"); ok {
				return id
			}
		}
	}
	return a.IDs.UUID()
}

func (a *API) alarm(p place, x *model.ScalingPolicy, had []string, side, action string) cloudwatch.PutMetricAlarmInput {
	prefix := "TargetTracking-" + p.resource + "-Alarm" + side + "-"
	i := slices.IndexFunc(had, func(n string) bool { return strings.HasPrefix(n, prefix) })
	name := ""
	if i >= 0 {
		name = had[i]
	} else {
		name = prefix + a.IDs.UUID()
	}
	x.Alarms = append(x.Alarms, name)
	w := p.watch(*x)
	dims := []cloudwatch.Dimension{}
	for _, d := range w.dimensions {
		dims = append(dims, cloudwatch.Dimension{Name: wire.Ptr(d.Name), Value: wire.Ptr(d.Value)})
	}
	out := cloudwatch.PutMetricAlarmInput{
		AlarmName: &name, AlarmDescription: wire.Ptr("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy " + action + "."),
		ActionsEnabled: wire.Ptr(true), AlarmActions: []string{action}, Namespace: &w.namespace, MetricName: &w.metric, Statistic: &w.statistic,
		Dimensions: dims, Period: wire.Ptr(int64(plan.TrackingPeriod)),
	}
	if w.unit != "" {
		out.Unit = &w.unit
	}
	return out
}

// alarms is the API of alarms, as the service-linked role.
func (a *API) alarms() cloudwatch.Client {
	return cloudwatch.Client{Caller: a.As(a.linked("AutoScaling-ManageAlarms"))}
}

func (a *API) putAlarm(ctx context.Context, in cloudwatch.PutMetricAlarmInput) error {
	_, err := a.alarms().PutMetricAlarm(ctx, &in)
	return err
}

// deleteAlarms deletes those of the alarms that are there.
func (a *API) deleteAlarms(ctx context.Context, names []string) error {
	view := a.DB.View()
	there := []string{}
	for _, n := range names {
		if _, ok := state.Alarms.Get(view, n); ok {
			there = append(there, n)
		}
	}
	if len(there) == 0 {
		return nil
	}
	_, err := a.alarms().DeleteAlarms(ctx, &cloudwatch.DeleteAlarmsInput{AlarmNames: there})
	return err
}

// undo deletes new alarms whose policy could not be stored.
func (a *API) undo(ctx context.Context, fresh []string, err error) error {
	return errors.Join(err, a.deleteAlarms(ctx, fresh))
}

// showAlarms lists the alarms that trigger a policy: its own, or those that a
// user made with the policy as action.
func (a *API) showAlarms(x model.ScalingPolicy) []shape.Alarm {
	out := []shape.Alarm{}
	for _, alarm := range state.Alarms.By(a.DB.View(), "policy", x.ARN) {
		out = append(out, shape.Alarm{AlarmName: wire.Ptr(alarm.Name), AlarmARN: wire.Ptr(alarm.ARN)})
	}
	return out
}
