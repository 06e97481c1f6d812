package cloudwatch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudwatch"
)

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "ValidationError", format, args...)
}

func noAlarm(name string) error {
	return fault.New(fault.NotFound, "ResourceNotFound", "Unable to find alarm with name %s", name)
}

func (a *API) update(ctx context.Context, fn func(*store.Tx) error) error {
	return a.DB.Update(ctx, writer, fn)
}

// PutMetricAlarm makes or replaces an alarm; a new one has no data yet.
// Errors: ValidationError, InvalidParameterValue, NotImplemented.
func (a *API) PutMetricAlarm(ctx context.Context, in *shape.PutMetricAlarmInput) (*shape.PutMetricAlarmOutput, error) {
	now := a.Clock.Now()
	x := model.Alarm{
		Name: wire.Val(in.AlarmName), ARN: a.Place.ARN("cloudwatch", "alarm:"+wire.Val(in.AlarmName)), Description: wire.Val(in.AlarmDescription),
		ActionsEnabled: wire.Or(in.ActionsEnabled, true), AlarmActions: in.AlarmActions, OKActions: in.OKActions,
		InsufficientActions: in.InsufficientDataActions, Namespace: wire.Val(in.Namespace), Metric: wire.Val(in.MetricName),
		Statistic: wire.Val(in.Statistic), ExtendedStatistic: wire.Val(in.ExtendedStatistic), Unit: wire.Val(in.Unit),
		Period: wire.Val(in.Period), EvaluationPeriods: wire.Val(in.EvaluationPeriods), DatapointsToAlarm: wire.Val(in.DatapointsToAlarm),
		Threshold: wire.Val(in.Threshold), Comparison: wire.Val(in.ComparisonOperator), TreatMissing: wire.Or(in.TreatMissingData, "missing"),
		ConfiguredAt: now, State: model.AlarmInsufficientData, StateReason: "Unchecked: Initial alarm creation", StateAt: now,
		TransitionedAt: now,
	}
	for _, d := range in.Dimensions {
		x.Dimensions = append(x.Dimensions, model.Dimension{Name: wire.Val(d.Name), Value: wire.Val(d.Value)})
	}
	var err error
	if x.Tags, err = addTags(nil, in.Tags); err == nil {
		err = checkAlarm(x, in)
	}
	if err != nil {
		return nil, err
	}
	return &shape.PutMetricAlarmOutput{}, a.update(ctx, func(tx *store.Tx) error {
		if old, ok := state.Alarms.Get(tx, x.Name); ok {
			// A replaced alarm keeps its state; tags are only for new ones.
			x.State, x.StateReason, x.StateData, x.StateAt, x.TransitionedAt, x.ActedAt = old.State, old.StateReason, old.StateData, old.StateAt,
				old.TransitionedAt, old.ActedAt
			x.Tags = old.Tags
		}
		return state.Alarms.Put(tx, x)
	})
}

func checkAlarm(x model.Alarm, in *shape.PutMetricAlarmInput) error {
	switch {
	case x.Metric == "" || x.Namespace == "":
		return invalid("The parameters MetricName and Namespace must be specified.")
	case (x.Statistic == "") == (x.ExtendedStatistic == ""):
		return invalid("Exactly one of the parameters Statistic and ExtendedStatistic must be specified.")
	case x.EvaluationPeriods < 1:
		return invalid("The parameter EvaluationPeriods must be greater than 0.")
	case x.DatapointsToAlarm > x.EvaluationPeriods:
		return invalid("The parameter DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
	case x.Period != 10 && x.Period != 20 && x.Period != 30 && (x.Period < 60 || x.Period%60 != 0):
		return invalid("The parameter Period must be 10, 20, 30 or a multiple of 60.")
	case x.Period*x.EvaluationPeriods > 604800:
		return invalid("Metrics cannot be checked across more than seven days (EvaluationPeriods * Period must be <= 604800).")
	case in.Threshold == nil:
		return invalid("The parameter Threshold must be specified.")
	case !slices.Contains(
		[]string{"GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"}, x.Comparison,
	):
		return fault.New(fault.NotImplemented, "NotImplemented", "The comparison operator %s is not implemented by Berth.", x.Comparison)
	case !slices.Contains([]string{"missing", "ignore", "breaching", "notBreaching"}, x.TreatMissing):
		return invalid("The value %s for parameter TreatMissingData is invalid.", x.TreatMissing)
	}
	if x.ExtendedStatistic != "" {
		if err := checkExtended("ExtendedStatistic", x.ExtendedStatistic); err != nil {
			return err
		}
	}
	return checkActions(x)
}

// checkActions refuses actions that nobody would carry out.
func checkActions(x model.Alarm) error {
	for _, arn := range slices.Concat(x.AlarmActions, x.OKActions, x.InsufficientActions) {
		if !strings.Contains(arn, ":scalingPolicy:") {
			return fault.New(
				fault.NotImplemented, "NotImplemented",
				"The alarm action %s is not implemented by Berth; only scaling policies are.", arn,
			)
		}
	}
	return nil
}

func showAlarm(x model.Alarm) shape.MetricAlarm {
	out := shape.MetricAlarm{
		AlarmName: wire.Ptr(x.Name), AlarmArn: wire.Ptr(x.ARN), AlarmConfigurationUpdatedTimestamp: wire.Ptr(x.ConfiguredAt),
		ActionsEnabled: wire.Ptr(x.ActionsEnabled), OKActions: orEmpty(x.OKActions), AlarmActions: orEmpty(x.AlarmActions),
		InsufficientDataActions: orEmpty(x.InsufficientActions), StateValue: wire.Ptr(string(x.State)), StateReason: wire.Ptr(x.StateReason),
		StateUpdatedTimestamp: wire.Ptr(x.StateAt), StateTransitionedTimestamp: wire.Ptr(x.TransitionedAt), MetricName: wire.Ptr(x.Metric),
		Namespace: wire.Ptr(x.Namespace), Dimensions: []shape.Dimension{}, Period: wire.Ptr(x.Period),
		EvaluationPeriods: wire.Ptr(x.EvaluationPeriods), Threshold: wire.Ptr(x.Threshold), ComparisonOperator: wire.Ptr(x.Comparison),
		TreatMissingData: wire.Ptr(x.TreatMissing),
	}
	for _, s := range []struct {
		to   **string
		from string
	}{
		{&out.AlarmDescription, x.Description}, {&out.StateReasonData, x.StateData}, {&out.Statistic, x.Statistic},
		{&out.ExtendedStatistic, x.ExtendedStatistic}, {&out.Unit, x.Unit},
	} {
		if s.from != "" {
			*s.to = wire.Ptr(s.from)
		}
	}
	if x.DatapointsToAlarm > 0 {
		out.DatapointsToAlarm = wire.Ptr(x.DatapointsToAlarm)
	}
	for _, d := range x.Dimensions {
		out.Dimensions = append(out.Dimensions, shape.Dimension{Name: wire.Ptr(d.Name), Value: wire.Ptr(d.Value)})
	}
	return out
}

func orEmpty(in []string) []string {
	if in == nil {
		return []string{}
	}
	return in
}

// DescribeAlarms lists alarms by name, prefix, state or action. Errors:
// InvalidNextToken, InvalidParameterCombination.
func (a *API) DescribeAlarms(_ context.Context, in *shape.DescribeAlarmsInput) (*shape.DescribeAlarmsOutput, error) {
	if len(in.AlarmNames) > 0 && in.AlarmNamePrefix != nil {
		return nil, badTogether("AlarmNames and AlarmNamePrefix cannot be specified together.")
	}
	out := &shape.DescribeAlarmsOutput{MetricAlarms: []shape.MetricAlarm{}, CompositeAlarms: []shape.CompositeAlarm{}}
	if len(in.AlarmTypes) > 0 && !slices.Contains(in.AlarmTypes, "MetricAlarm") {
		return out, nil
	}
	var all []model.Alarm
	for _, x := range state.Alarms.All(a.DB.View()) {
		if matches(x, in) {
			all = append(all, x)
		}
	}
	all, next, err := page.Cut(pages.Of(50, 0), in, all, func(x model.Alarm) string { return x.Name })
	if err != nil {
		return nil, err
	}
	out.NextToken = next
	for _, x := range all {
		out.MetricAlarms = append(out.MetricAlarms, showAlarm(x))
	}
	return out, nil
}

func matches(x model.Alarm, in *shape.DescribeAlarmsInput) bool {
	switch {
	case len(in.AlarmNames) > 0 && !slices.Contains(in.AlarmNames, x.Name),
		!strings.HasPrefix(x.Name, wire.Val(in.AlarmNamePrefix)),
		in.StateValue != nil && model.AlarmState(*in.StateValue) != x.State:
		return false
	case in.ActionPrefix == nil:
		return true
	}
	return slices.ContainsFunc(slices.Concat(x.AlarmActions, x.OKActions, x.InsufficientActions), func(s string) bool {
		return strings.HasPrefix(s, *in.ActionPrefix)
	})
}

// DescribeAlarmsForMetric lists the alarms that watch a metric.
func (a *API) DescribeAlarmsForMetric(
	_ context.Context, in *shape.DescribeAlarmsForMetricInput,
) (*shape.DescribeAlarmsForMetricOutput, error) {
	var want []model.Dimension
	for _, d := range in.Dimensions {
		want = append(want, model.Dimension{Name: wire.Val(d.Name), Value: wire.Val(d.Value)})
	}
	out := &shape.DescribeAlarmsForMetricOutput{MetricAlarms: []shape.MetricAlarm{}}
	for _, x := range state.Alarms.All(a.DB.View()) {
		same := len(want) == len(x.Dimensions) &&
			!slices.ContainsFunc(want, func(d model.Dimension) bool { return !slices.Contains(x.Dimensions, d) })
		if x.Namespace == wire.Val(in.Namespace) && x.Metric == wire.Val(in.MetricName) && same &&
			(in.Statistic == nil || *in.Statistic == x.Statistic) && (in.Period == nil || *in.Period == x.Period) &&
			(in.Unit == nil || *in.Unit == x.Unit) {
			out.MetricAlarms = append(out.MetricAlarms, showAlarm(x))
		}
	}
	return out, nil
}

// DeleteAlarms removes alarms, all or none. Errors: ResourceNotFound.
func (a *API) DeleteAlarms(ctx context.Context, in *shape.DeleteAlarmsInput) (*shape.DeleteAlarmsOutput, error) {
	return &shape.DeleteAlarmsOutput{}, a.update(ctx, func(tx *store.Tx) error {
		for _, n := range in.AlarmNames {
			if _, ok := state.Alarms.Get(tx, n); !ok {
				return noAlarm(n)
			}
			if err := state.Alarms.Delete(tx, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// SetAlarmState sets an alarm's state until it is next evaluated. Errors:
// ResourceNotFound, InvalidFormat.
func (a *API) SetAlarmState(ctx context.Context, in *shape.SetAlarmStateInput) (*shape.SetAlarmStateOutput, error) {
	if d := wire.Val(in.StateReasonData); d != "" && !json.Valid([]byte(d)) {
		return nil, fault.New(fault.Invalid, "InvalidFormat", "The parameter StateReasonData is not valid JSON.")
	}
	now, name, to := a.Clock.Now(), wire.Val(in.AlarmName), model.AlarmState(wire.Val(in.StateValue))
	return &shape.SetAlarmStateOutput{}, a.update(ctx, func(tx *store.Tx) error {
		old, ok := state.Alarms.Get(tx, name)
		if !ok {
			return noAlarm(name)
		}
		err := state.Alarms.Edit(tx, name, func(x *model.Alarm) error {
			if x.State != to {
				x.TransitionedAt = now
			}
			x.State, x.StateReason, x.StateData, x.StateAt = to, wire.Val(in.StateReason), wire.Val(in.StateReasonData), now
			return nil
		})
		if err != nil || old.State == to {
			return err
		}
		return state.Note(tx, now, model.Decision{
			By: writer, Subject: old.ARN, Verb: "alarm", Reason: fmt.Sprintf("Alarm updated from %s to %s", old.State, to),
			Facts: map[string]string{"reason": wire.Val(in.StateReason)},
		})
	})
}

func (a *API) enable(ctx context.Context, names []string, yes bool) error {
	return a.update(ctx, func(tx *store.Tx) error {
		for _, n := range names {
			if _, ok := state.Alarms.Get(tx, n); !ok {
				continue // AWS passes over names that do not exist
			}
			if err := state.Alarms.Edit(tx, n, func(x *model.Alarm) error { x.ActionsEnabled = yes; return nil }); err != nil {
				return err
			}
		}
		return nil
	})
}

// EnableAlarmActions lets alarms act.
func (a *API) EnableAlarmActions(ctx context.Context, in *shape.EnableAlarmActionsInput) (*shape.EnableAlarmActionsOutput, error) {
	return &shape.EnableAlarmActionsOutput{}, a.enable(ctx, in.AlarmNames, true)
}

// DisableAlarmActions keeps alarms from acting.
func (a *API) DisableAlarmActions(ctx context.Context, in *shape.DisableAlarmActionsInput) (*shape.DisableAlarmActionsOutput, error) {
	return &shape.DisableAlarmActionsOutput{}, a.enable(ctx, in.AlarmNames, false)
}

// DescribeAlarmHistory lists the changes of alarms' states, newest first, as
// far as decisions are kept. Errors: InvalidNextToken.
func (a *API) DescribeAlarmHistory(_ context.Context, in *shape.DescribeAlarmHistoryInput) (*shape.DescribeAlarmHistoryOutput, error) {
	out := &shape.DescribeAlarmHistoryOutput{AlarmHistoryItems: []shape.AlarmHistoryItem{}}
	composite := len(in.AlarmTypes) > 0 && !slices.Contains(in.AlarmTypes, "MetricAlarm")
	if t := wire.Or(in.HistoryItemType, "StateUpdate"); t != "StateUpdate" || composite {
		return out, nil
	}
	v := a.DB.View()
	var all []model.Decision
	for _, x := range state.Alarms.All(v) {
		if in.AlarmName != nil && *in.AlarmName != x.Name {
			continue
		}
		for _, d := range state.Decisions.By(v, "subject", x.ARN) {
			if d.Verb == "alarm" && (in.StartDate == nil || !d.At.Before(*in.StartDate)) && (in.EndDate == nil || d.At.Before(*in.EndDate)) {
				all = append(all, d)
			}
		}
	}
	down := wire.Val(in.ScanBy) != "TimestampAscending"
	slices.SortFunc(all, func(x, y model.Decision) int { return cmp.Compare(x.Seq, y.Seq) })
	if down {
		slices.Reverse(all)
	}
	all, next, err := page.Cut(pages.Of(100, 0).Descending(down), in, all, func(d model.Decision) string { return page.Number(d.Seq) })
	if err != nil {
		return nil, err
	}
	out.NextToken = next
	for _, d := range all {
		out.AlarmHistoryItems = append(out.AlarmHistoryItems, shape.AlarmHistoryItem{
			AlarmName: wire.Ptr(d.Subject[strings.Index(d.Subject, ":alarm:")+len(":alarm:"):]), AlarmType: wire.Ptr("MetricAlarm"),
			Timestamp: wire.Ptr(d.At), HistoryItemType: wire.Ptr("StateUpdate"), HistorySummary: wire.Ptr(d.Reason),
			HistoryData: wire.Ptr(historyData(d)),
		})
	}
	return out, nil
}

func historyData(d model.Decision) string {
	raw, err := json.Marshal(map[string]any{"version": "1.0", "type": "Update", "newState": d.Facts})
	if err != nil {
		return "{}"
	}
	return string(raw)
}

func alarmName(arn string) string {
	if i := strings.Index(arn, ":alarm:"); i >= 0 {
		return arn[i+len(":alarm:"):]
	}
	return arn
}

func noResource(arn string) error {
	return fault.New(fault.NotFound, "ResourceNotFoundException", "%s does not exist", arn)
}

// maxTags is how many tags an alarm may have
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_TagResource.html).
const maxTags = 50

func addTags(old []model.Tag, in []shape.Tag) ([]model.Tag, error) {
	var more []model.Tag
	for _, t := range in {
		more = append(more, model.Tag{Key: wire.Val(t.Key), Value: wire.Val(t.Value)})
	}
	out := model.SetTags(old, more)
	if len(out) > maxTags {
		return nil, fault.New(fault.Invalid, "InvalidParameterValue", "An alarm can have at most %d tags.", maxTags)
	}
	return out, nil
}

func (a *API) retag(ctx context.Context, arn string, fn func([]model.Tag) ([]model.Tag, error)) error {
	return a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.Alarms.Get(tx, alarmName(arn)); !ok {
			return noResource(arn)
		}
		return state.Alarms.Edit(tx, alarmName(arn), func(x *model.Alarm) (err error) {
			x.Tags, err = fn(x.Tags)
			return err
		})
	})
}

// TagResource adds tags to an alarm. Errors: ResourceNotFoundException,
// InvalidParameterValue.
func (a *API) TagResource(ctx context.Context, in *shape.TagResourceInput) (*shape.TagResourceOutput, error) {
	return &shape.TagResourceOutput{}, a.retag(ctx, wire.Val(in.ResourceARN), func(old []model.Tag) ([]model.Tag, error) {
		return addTags(old, in.Tags)
	})
}

// UntagResource removes tags from an alarm. Errors:
// ResourceNotFoundException.
func (a *API) UntagResource(ctx context.Context, in *shape.UntagResourceInput) (*shape.UntagResourceOutput, error) {
	return &shape.UntagResourceOutput{}, a.retag(ctx, wire.Val(in.ResourceARN), func(old []model.Tag) ([]model.Tag, error) {
		return model.DropTags(old, in.TagKeys), nil
	})
}

// ListTagsForResource lists an alarm's tags. Errors:
// ResourceNotFoundException.
func (a *API) ListTagsForResource(_ context.Context, in *shape.ListTagsForResourceInput) (*shape.ListTagsForResourceOutput, error) {
	x, ok := state.Alarms.Get(a.DB.View(), alarmName(wire.Val(in.ResourceARN)))
	if !ok {
		return nil, noResource(wire.Val(in.ResourceARN))
	}
	out := &shape.ListTagsForResourceOutput{Tags: []shape.Tag{}}
	for _, t := range x.Tags {
		out.Tags = append(out.Tags, shape.Tag{Key: wire.Ptr(t.Key), Value: wire.Ptr(t.Value)})
	}
	return out, nil
}
