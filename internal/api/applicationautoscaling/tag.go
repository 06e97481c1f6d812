package applicationautoscaling

import (
	"context"
	"maps"
	"slices"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/applicationautoscaling"
)

// maxTags is the quota of a scalable target.
const maxTags = 50

func tagged(have []model.Tag, more map[string]string) ([]model.Tag, error) {
	var add []model.Tag
	for _, k := range slices.Sorted(maps.Keys(more)) {
		add = append(add, model.Tag{Key: k, Value: more[k]})
	}
	out := model.SetTags(have, add)
	if len(out) > maxTags {
		return nil, fault.New(fault.Invalid, "TooManyTagsException", "The number of tags exceeds the limit of %d tags for a resource.", maxTags)
	}
	return out, nil
}

// target finds a target by ARN.
func target(r store.Reader, arn string) (model.ScalableTarget, error) {
	for _, t := range state.ScalableTargets.All(r) {
		if t.ARN == arn {
			return t, nil
		}
	}
	return model.ScalableTarget{}, fault.New(fault.NotFound, "ResourceNotFoundException", "The specified resource doesn't exist: %s", arn)
}

func (a *API) retag(ctx context.Context, arn *string, fn func([]model.Tag) ([]model.Tag, error)) error {
	return a.update(ctx, func(tx *store.Tx) error {
		t, err := target(tx, wire.Val(arn))
		if err != nil {
			return err
		}
		return state.ScalableTargets.Edit(tx, t.Key(), func(t *model.ScalableTarget) error {
			t.Tags, err = fn(t.Tags)
			return err
		})
	})
}

// TagResource adds tags to a scalable target. Errors:
// ResourceNotFoundException, TooManyTagsException.
func (a *API) TagResource(ctx context.Context, in *shape.TagResourceInput) (*shape.TagResourceOutput, error) {
	return &shape.TagResourceOutput{}, a.retag(ctx, in.ResourceARN, func(have []model.Tag) ([]model.Tag, error) {
		return tagged(have, in.Tags)
	})
}

// UntagResource removes tags from a scalable target. Errors:
// ResourceNotFoundException.
func (a *API) UntagResource(ctx context.Context, in *shape.UntagResourceInput) (*shape.UntagResourceOutput, error) {
	return &shape.UntagResourceOutput{}, a.retag(ctx, in.ResourceARN, func(have []model.Tag) ([]model.Tag, error) {
		return model.DropTags(have, in.TagKeys), nil
	})
}

// ListTagsForResource lists the tags of a scalable target. Errors:
// ResourceNotFoundException.
func (a *API) ListTagsForResource(_ context.Context, in *shape.ListTagsForResourceInput) (*shape.ListTagsForResourceOutput, error) {
	t, err := target(a.DB.View(), wire.Val(in.ResourceARN))
	if err != nil {
		return nil, err
	}
	out := &shape.ListTagsForResourceOutput{Tags: map[string]string{}}
	for _, tag := range t.Tags {
		out.Tags[tag.Key] = tag.Value
	}
	return out, nil
}
