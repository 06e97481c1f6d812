package applicationautoscaling

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/applicationautoscaling"
)

// kept is how long AWS shows activities.
const kept = 6 * 7 * 24 * time.Hour

// The texts of activities (docs/facts/deployments.md D123).

func count(n int64) string { return strconv.FormatInt(n, 10) }

func setting(n int64) string { return "Setting desired count to " + count(n) + "." }

func success(n int64) string {
	return "Successfully set desired count to " + count(n) + ". Waiting for change to be fulfilled by ecs."
}

// DescribeScalingActivities lists what was scaled in the last six weeks, and
// what was not if that is asked for, newest first. Errors:
// ValidationException, InvalidNextTokenException.
func (a *API) DescribeScalingActivities(
	_ context.Context, in *shape.DescribeScalingActivitiesInput,
) (*shape.DescribeScalingActivitiesOutput, error) {
	keys, err := filter(in.ServiceNamespace, in.ScalableDimension, given(in.ResourceId)...)
	if err != nil {
		return nil, err
	}
	since := a.Clock.Now().Add(-kept)
	var all []model.ScalingActivity
	for _, x := range state.ScalingActivities.All(a.DB.View()) {
		if (keys == nil || keys[x.Target]) && !x.StartedAt.Before(since) && (len(x.NotScaled) == 0 || wire.Val(in.IncludeNotScaledActivities)) {
			all = append(all, x)
		}
	}
	newest := func(x model.ScalingActivity) string { return page.Key(page.Time(x.StartedAt), x.ID) }
	slices.SortFunc(all, func(x, y model.ScalingActivity) int { return strings.Compare(newest(y), newest(x)) })
	all, next, err := page.Cut(pages.Descending(true), in, all, newest)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeScalingActivitiesOutput{ScalingActivities: []shape.ScalingActivity{}, NextToken: next}
	for _, x := range all {
		out.ScalingActivities = append(out.ScalingActivities, showActivity(x))
	}
	return out, nil
}

func showActivity(x model.ScalingActivity) shape.ScalingActivity {
	f := strings.Split(x.Target, "|")
	out := shape.ScalingActivity{
		ActivityId: wire.Ptr(x.ID), ServiceNamespace: wire.Ptr(f[0]), ResourceId: wire.Ptr(f[1]), ScalableDimension: wire.Ptr(f[2]),
		Description: wire.Ptr(x.Description), Cause: wire.Ptr(x.Cause), StartTime: wire.Ptr(x.StartedAt), StatusCode: wire.Ptr(string(x.Status)),
		StatusMessage: text(x.Message), Details: text(x.Details),
	}
	if !x.EndedAt.IsZero() {
		out.EndTime = wire.Ptr(x.EndedAt)
	}
	for _, code := range x.NotScaled {
		out.NotScaledReasons = append(out.NotScaledReasons, shape.NotScaledReason{
			Code: wire.Ptr(code), MaxCapacity: x.Max, MinCapacity: x.Min, CurrentCapacity: x.Current,
		})
	}
	return out
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
