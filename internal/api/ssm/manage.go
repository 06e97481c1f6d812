package ssm

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ssm"
)

const maxLabels = 10

var labelForm = regexp.MustCompile(`^[a-zA-Z_.\-][a-zA-Z0-9_.\-]{0,99}$`)

func notFound(name string) error {
	return fault.New(fault.NotFound, "ParameterNotFound", "Parameter %s not found.", name)
}

func noVersion(version, name string) error {
	return fault.New(
		fault.NotFound, "ParameterVersionNotFound", "Systems Manager could not find version %s of %s. Verify the version and try again.",
		version, name,
	)
}

// DeleteParameter deletes one. Errors: ParameterNotFound.
func (a *API) DeleteParameter(ctx context.Context, in *shape.DeleteParameterInput) (*shape.DeleteParameterOutput, error) {
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		p, ok := a.own(tx, wire.Val(in.Name))
		if !ok {
			return notFound(wire.Val(in.Name))
		}
		return state.Parameters.Delete(tx, p.Name)
	})
	return &shape.DeleteParameterOutput{}, err
}

// DeleteParameters deletes up to ten, and names those that there are not.
func (a *API) DeleteParameters(ctx context.Context, in *shape.DeleteParametersInput) (*shape.DeleteParametersOutput, error) {
	out := &shape.DeleteParametersOutput{DeletedParameters: []string{}, InvalidParameters: []string{}}
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		out.DeletedParameters, out.InvalidParameters = []string{}, []string{}
		for _, name := range in.Names {
			p, ok := a.own(tx, name)
			if !ok {
				out.InvalidParameters = append(out.InvalidParameters, name)
				continue
			}
			out.DeletedParameters = append(out.DeletedParameters, name)
			if err := state.Parameters.Delete(tx, p.Name); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// GetParameterHistory shows all versions, oldest first. Errors:
// ParameterNotFound, InvalidNextToken.
func (a *API) GetParameterHistory(_ context.Context, in *shape.GetParameterHistoryInput) (*shape.GetParameterHistoryOutput, error) {
	p, ok := a.own(a.DB.View(), wire.Val(in.Name))
	if !ok {
		return nil, notFound(wire.Val(in.Name))
	}
	all, next, err := page.Cut(longPages, in, p.Versions, func(v model.ParameterVersion) string {
		return strings.Repeat("0", 19-len(strconv.FormatInt(v.Number, 10))) + strconv.FormatInt(v.Number, 10)
	})
	if err != nil {
		return nil, err
	}
	out := &shape.GetParameterHistoryOutput{Parameters: []shape.ParameterHistory{}, NextToken: next}
	for _, v := range all {
		out.Parameters = append(out.Parameters, shape.ParameterHistory{
			Name: &p.Name, Type: &v.Type, KeyId: key(v), LastModifiedDate: &v.At, LastModifiedUser: &v.By, Description: said(v.Description),
			Value: wire.Ptr(told(v, wire.Val(in.WithDecryption))), AllowedPattern: said(v.AllowedPattern), Version: &v.Number, Labels: v.Labels,
			Tier: &v.Tier, Policies: []shape.ParameterInlinePolicy{}, DataType: &v.DataType,
		})
	}
	return out, nil
}

// LabelParameterVersion gives a version labels, which other versions lose; it
// names those that are no labels. Errors: ParameterNotFound,
// ParameterVersionNotFound, ParameterVersionLabelLimitExceeded.
func (a *API) LabelParameterVersion(
	ctx context.Context, in *shape.LabelParameterVersionInput,
) (*shape.LabelParameterVersionOutput, error) {
	out := &shape.LabelParameterVersionOutput{InvalidLabels: []string{}}
	var good []string
	for _, l := range in.Labels {
		low := strings.ToLower(l)
		if !labelForm.MatchString(l) || strings.HasPrefix(low, "aws") || strings.HasPrefix(low, "ssm") {
			out.InvalidLabels = append(out.InvalidLabels, l)
		} else if !slices.Contains(good, l) {
			good = append(good, l)
		}
	}
	n, err := a.label(ctx, in.Name, in.ParameterVersion, func(p *model.Parameter, i int) error {
		for j := range p.Versions {
			p.Versions[j].Labels = without(p.Versions[j].Labels, good)
		}
		if p.Versions[i].Labels = append(p.Versions[i].Labels, good...); len(p.Versions[i].Labels) > maxLabels {
			return fault.New(
				fault.Conflict, "ParameterVersionLabelLimitExceeded",
				"A parameter version can have a maximum of ten labels.",
			)
		}
		return nil
	})
	out.ParameterVersion = &n
	return out, err
}

// UnlabelParameterVersion takes labels away from a version, and names those that
// it does not have. Errors: ParameterNotFound, ParameterVersionNotFound.
func (a *API) UnlabelParameterVersion(
	ctx context.Context, in *shape.UnlabelParameterVersionInput,
) (*shape.UnlabelParameterVersionOutput, error) {
	out := &shape.UnlabelParameterVersionOutput{}
	_, err := a.label(ctx, in.Name, in.ParameterVersion, func(p *model.Parameter, i int) error {
		out.RemovedLabels, out.InvalidLabels = []string{}, []string{}
		for _, l := range in.Labels {
			if slices.Contains(p.Versions[i].Labels, l) {
				out.RemovedLabels = append(out.RemovedLabels, l)
			} else {
				out.InvalidLabels = append(out.InvalidLabels, l)
			}
		}
		p.Versions[i].Labels = without(p.Versions[i].Labels, in.Labels)
		return nil
	})
	return out, err
}

func without(labels, drop []string) []string {
	return slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return slices.Contains(drop, l) })
}

// label changes the labels of a version, of itself the newest.
func (a *API) label(ctx context.Context, name *string, version *int64, fn func(p *model.Parameter, i int) error) (n int64, err error) {
	err = a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		p, ok := a.own(tx, wire.Val(name))
		if !ok {
			return notFound(wire.Val(name))
		}
		n = wire.Or(version, p.Newest().Number)
		p.Versions = slices.Clone(p.Versions)
		i := slices.IndexFunc(p.Versions, func(v model.ParameterVersion) bool { return v.Number == n })
		if i < 0 {
			return noVersion(strconv.FormatInt(n, 10), p.Name)
		}
		if err := fn(&p, i); err != nil {
			return err
		}
		return state.Parameters.Put(tx, p)
	})
	return n, err
}

// named is the parameter that the calls about tags name.
func (a *API) named(r store.Reader, kind, id *string) (model.Parameter, error) {
	if wire.Val(kind) != resourceParameter {
		return model.Parameter{}, fault.New(
			fault.Invalid, "InvalidResourceType", "The resource type %s is not valid, or is not built in Berth: use %s.", wire.Val(kind),
			resourceParameter,
		)
	}
	p, ok := a.own(r, wire.Val(id))
	if !ok {
		return p, fault.New(
			fault.NotFound, "InvalidResourceId", "The resource ID is not valid. Verify that you entered the correct ID and try again.",
		)
	}
	return p, nil
}

// tags changes the tags of a parameter.
func (a *API) tags(ctx context.Context, kind, id *string, fn func(*model.Parameter) error) error {
	return a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		p, err := a.named(tx, kind, id)
		if err != nil {
			return err
		}
		return state.Parameters.Edit(tx, p.Name, fn)
	})
}

// AddTagsToResource gives a parameter tags, or other values of them. Errors:
// InvalidResourceType, InvalidResourceId, TooManyTagsError,
// ValidationException.
func (a *API) AddTagsToResource(ctx context.Context, in *shape.AddTagsToResourceInput) (*shape.AddTagsToResourceOutput, error) {
	return &shape.AddTagsToResourceOutput{}, a.tags(ctx, in.ResourceType, in.ResourceId, func(p *model.Parameter) (err error) {
		p.Tags, err = tagged(p.Tags, in.Tags)
		return err
	})
}

// RemoveTagsFromResource takes tags away. Errors: InvalidResourceType,
// InvalidResourceId.
func (a *API) RemoveTagsFromResource(
	ctx context.Context, in *shape.RemoveTagsFromResourceInput,
) (*shape.RemoveTagsFromResourceOutput, error) {
	return &shape.RemoveTagsFromResourceOutput{}, a.tags(ctx, in.ResourceType, in.ResourceId, func(p *model.Parameter) error {
		p.Tags = slices.DeleteFunc(slices.Clone(p.Tags), func(t model.Tag) bool { return slices.Contains(in.TagKeys, t.Key) })
		return nil
	})
}

// ListTagsForResource shows a parameter's tags. Errors: InvalidResourceType,
// InvalidResourceId.
func (a *API) ListTagsForResource(_ context.Context, in *shape.ListTagsForResourceInput) (*shape.ListTagsForResourceOutput, error) {
	p, err := a.named(a.DB.View(), in.ResourceType, in.ResourceId)
	if err != nil {
		return nil, err
	}
	out := &shape.ListTagsForResourceOutput{TagList: []shape.Tag{}}
	for _, t := range p.Tags {
		out.TagList = append(out.TagList, shape.Tag{Key: wire.Ptr(t.Key), Value: wire.Ptr(t.Value)})
	}
	return out, nil
}
