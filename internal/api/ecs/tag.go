package ecs

import (
	"context"
	"strings"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

const maxTags = 50

// readTags checks and reads the tags of a request. Errors:
// InvalidParameterException.
func readTags(in []shape.Tag) ([]model.Tag, error) {
	var out []model.Tag
	for _, t := range in {
		k := wire.Val(t.Key)
		switch {
		case k == "" || len(k) > 128:
			return nil, invalid("Tag keys must be between 1 and 128 characters long.")
		case len(wire.Val(t.Value)) > 256:
			return nil, invalid("Tag values must be at most 256 characters long.")
		case strings.HasPrefix(strings.ToLower(k), "aws:") && !strings.HasPrefix(k, "aws:cloudformation:"):
			return nil, invalid("Tag keys cannot begin with aws:.")
		}
		out = append(out, model.Tag{Key: k, Value: wire.Val(t.Value)})
	}
	out = model.SetTags(nil, out)
	if len(out) > maxTags {
		return nil, invalid("Tag limit exceeded: a resource can have at most %d tags.", maxTags)
	}
	return out, nil
}

func showTags(tags []model.Tag) []shape.Tag {
	var out []shape.Tag
	for _, t := range tags {
		out = append(out, shape.Tag{Key: wire.Ptr(t.Key), Value: wire.Ptr(t.Value)})
	}
	return out
}

// tagged changes, or with a nil function only reads, the tags of a resource.
func tagged(r store.Reader, arn string, change func([]model.Tag) []model.Tag) ([]model.Tag, error) {
	a, _ := ident.ParseARN(arn)
	kind, name, _ := strings.Cut(a.Resource, "/")
	tx, _ := r.(*store.Tx)
	gone := fault.New(fault.Invalid, "InvalidParameterException", "The specified resource %s was not found.", arn)
	switch kind {
	case "cluster":
		v, ok := state.Clusters.Get(r, name)
		return retag(tx, state.Clusters, name, v.Tags, ok, gone, change, func(c *model.Cluster) *[]model.Tag { return &c.Tags })
	case "capacity-provider":
		v, ok := state.CapacityProviders.Get(r, name)
		return retag(tx, state.CapacityProviders, name, v.Tags, ok, gone, change, func(c *model.CapacityProvider) *[]model.Tag { return &c.Tags })
	case "task-definition":
		v, ok := state.TaskDefinitions.Get(r, arn)
		return retag(tx, state.TaskDefinitions, arn, v.Tags, ok, gone, change, func(c *model.TaskDefinition) *[]model.Tag { return &c.Tags })
	case "service":
		v, ok := state.Services.Get(r, arn)
		return retag(tx, state.Services, arn, v.Tags, ok && v.Status != model.ServiceInactive, gone, change, func(c *model.Service) *[]model.Tag {
			return &c.Tags
		})
	case "task":
		v, ok := state.Tasks.Get(r, arn)
		return retag(tx, state.Tasks, arn, v.Tags, ok, gone, change, func(c *model.Task) *[]model.Tag { return &c.Tags })
	case "container-instance":
		v, ok := state.Instances.One(r, "arn", arn)
		ok = ok && v.Kind != model.KindSlice
		if ok && change != nil {
			return nil, unbuilt("Changing the tags of a managed container instance")
		}
		return retag(tx, state.Instances, v.ID, v.Tags, ok, gone, nil, func(c *model.Instance) *[]model.Tag { return &c.Tags })
	default:
		return nil, invalid("Invalid ARN: %s", arn)
	}
}

func retag[T any](
	tx *store.Tx, table *store.Table[T], key string, now []model.Tag, ok bool, gone error, change func([]model.Tag) []model.Tag,
	of func(*T) *[]model.Tag,
) ([]model.Tag, error) {
	if !ok {
		return nil, gone
	}
	if change == nil {
		return now, nil
	}
	next := change(now)
	if len(next) > maxTags {
		return nil, invalid("Tag limit exceeded: a resource can have at most %d tags.", maxTags)
	}
	return next, table.Edit(tx, key, func(v *T) error { *of(v) = next; return nil })
}

// TagResource adds tags. Errors: InvalidParameterException, NotImplemented.
func (a *API) TagResource(ctx context.Context, in *shape.TagResourceInput) (*shape.TagResourceOutput, error) {
	tags, err := readTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, a.update(ctx, func(tx *store.Tx) error {
		_, err := tagged(tx, wire.Val(in.ResourceArn), func(t []model.Tag) []model.Tag { return model.SetTags(t, tags) })
		return err
	})
}

// UntagResource removes tags. Errors: InvalidParameterException,
// NotImplemented.
func (a *API) UntagResource(ctx context.Context, in *shape.UntagResourceInput) (*shape.UntagResourceOutput, error) {
	return nil, a.update(ctx, func(tx *store.Tx) error {
		_, err := tagged(tx, wire.Val(in.ResourceArn), func(t []model.Tag) []model.Tag { return model.DropTags(t, in.TagKeys) })
		return err
	})
}

// ListTagsForResource lists tags. Errors: InvalidParameterException.
func (a *API) ListTagsForResource(_ context.Context, in *shape.ListTagsForResourceInput) (*shape.ListTagsForResourceOutput, error) {
	tags, err := tagged(a.view(), wire.Val(in.ResourceArn), nil)
	if err != nil {
		return nil, err
	}
	return &shape.ListTagsForResourceOutput{Tags: append([]shape.Tag{}, showTags(tags)...)}, nil
}
