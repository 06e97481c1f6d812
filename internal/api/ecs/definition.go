package ecs

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// RegisterTaskDefinition adds a revision to a family. Errors: ClientException,
// InvalidParameterException, NotImplemented.
func (a *API) RegisterTaskDefinition(
	ctx context.Context, in *shape.RegisterTaskDefinitionInput,
) (*shape.RegisterTaskDefinitionOutput, error) {
	d, err := a.readDefinition(in)
	if err != nil {
		return nil, err
	}
	if err := checkParameters(in, d); err != nil {
		return nil, err
	}
	d.Compatibilities = compatible(in, d)
	if err := checkDefinition(d); err != nil {
		return nil, err
	}
	d.RegisteredBy = caller(ctx).ARN
	err = a.update(ctx, func(tx *store.Tx) error {
		d.Revision = 1
		state.TaskDefinitions.Backward(tx, "revision", d.Family+":", func(o model.TaskDefinition) bool {
			d.Revision = o.Revision + 1
			return false
		})
		d.ARN = a.arn("task-definition/" + d.Family + ":" + strconv.FormatInt(d.Revision, 10))
		return state.TaskDefinitions.Put(tx, d)
	})
	if err != nil {
		return nil, err
	}
	return &shape.RegisterTaskDefinitionOutput{TaskDefinition: wire.Ptr(showDefinition(d)), Tags: showTags(d.Tags)}, nil
}

// DeregisterTaskDefinition makes a revision INACTIVE: what runs goes on, and
// nothing new starts from it. Errors: ClientException,
// InvalidParameterException.
func (a *API) DeregisterTaskDefinition(
	ctx context.Context, in *shape.DeregisterTaskDefinitionInput,
) (*shape.DeregisterTaskDefinitionOutput, error) {
	var d model.TaskDefinition
	now := a.Clock.Now()
	err := a.update(ctx, func(tx *store.Tx) error {
		if !strings.Contains(lastSegment(wire.Val(in.TaskDefinition)), ":") {
			return invalid("Unable to describe task definition. Specify a revision.")
		}
		var ok bool
		if d, ok = definition(tx, *in.TaskDefinition); !ok {
			return noDefinition()
		}
		if d.Status == model.DefinitionActive {
			d = model.Clone(d)
			d.Status, d.DeregisteredAt = model.DefinitionInactive, now
		}
		return state.TaskDefinitions.Put(tx, d)
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeregisterTaskDefinitionOutput{TaskDefinition: wire.Ptr(showDefinition(d))}, nil
}

func lastSegment(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// DeleteTaskDefinitions marks INACTIVE revisions as being deleted; what still
// uses them goes on. The record stays, so that a number is never given twice.
// Errors: InvalidParameterException.
func (a *API) DeleteTaskDefinitions(ctx context.Context, in *shape.DeleteTaskDefinitionsInput) (*shape.DeleteTaskDefinitionsOutput, error) {
	if len(in.TaskDefinitions) == 0 || len(in.TaskDefinitions) > 10 {
		return nil, invalid("taskDefinitions must have between 1 and 10 items.")
	}
	out := &shape.DeleteTaskDefinitionsOutput{TaskDefinitions: []shape.TaskDefinition{}, Failures: []shape.Failure{}}
	err := a.update(ctx, func(tx *store.Tx) error {
		for _, n := range in.TaskDefinitions {
			d, ok := definition(tx, n)
			if !ok {
				out.Failures = append(out.Failures, missing(a.whole("task-definition", "", n)))
				continue
			}
			if d.Status == model.DefinitionActive {
				out.Failures = append(out.Failures, shape.Failure{
					Arn:    wire.Ptr(d.ARN),
					Reason: wire.Ptr("The specified task definition is still in ACTIVE status. Please deregister the target and try again."),
				})
				continue
			}
			d = model.Clone(d)
			d.Status = model.DefinitionDeleteInProgress
			if err := state.TaskDefinitions.Put(tx, d); err != nil {
				return err
			}
			out.TaskDefinitions = append(out.TaskDefinitions, showDefinition(d))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// noDefinition says that there is no such revision. ECS has no code of its own
// for that; the class tells our own callers.
func noDefinition() error {
	return fault.New(fault.NotFound, "ClientException", "Unable to describe task definition.")
}

// DescribeTaskDefinition describes one revision. Errors: ClientException.
func (a *API) DescribeTaskDefinition(
	_ context.Context, in *shape.DescribeTaskDefinitionInput,
) (*shape.DescribeTaskDefinitionOutput, error) {
	d, ok := definition(a.view(), wire.Val(in.TaskDefinition))
	if !ok {
		return nil, noDefinition()
	}
	out := &shape.DescribeTaskDefinitionOutput{TaskDefinition: wire.Ptr(showDefinition(d))}
	if slices.Contains(in.Include, "TAGS") {
		out.Tags = showTags(d.Tags)
	}
	return out, nil
}

// ListTaskDefinitions lists revisions by family and number. Errors:
// InvalidParameterException.
func (a *API) ListTaskDefinitions(_ context.Context, in *shape.ListTaskDefinitionsInput) (*shape.ListTaskDefinitionsOutput, error) {
	status := wire.Or(in.Status, "ACTIVE")
	var found []model.TaskDefinition
	for _, d := range state.TaskDefinitions.All(a.view()) {
		if d.Status == model.DefinitionStatus(status) && (wire.Val(in.FamilyPrefix) == "" || d.Family == *in.FamilyPrefix) {
			found = append(found, d)
		}
	}
	down := wire.Val(in.Sort) == "DESC"
	slices.SortFunc(found, func(x, y model.TaskDefinition) int { return strings.Compare(byFamily(x), byFamily(y)) })
	if down {
		slices.Reverse(found)
	}
	found, next, err := page.Cut(pages(100, 100).Descending(down), in, found, byFamily)
	if err != nil {
		return nil, err
	}
	out := &shape.ListTaskDefinitionsOutput{TaskDefinitionArns: []string{}, NextToken: next}
	for _, d := range found {
		out.TaskDefinitionArns = append(out.TaskDefinitionArns, d.ARN)
	}
	return out, nil
}

// byFamily is the key under which revisions are listed.
func byFamily(d model.TaskDefinition) string { return page.Key(d.Family, page.Number(d.Revision)) }

// ListTaskDefinitionFamilies lists families. Errors:
// InvalidParameterException.
func (a *API) ListTaskDefinitionFamilies(
	_ context.Context, in *shape.ListTaskDefinitionFamiliesInput,
) (*shape.ListTaskDefinitionFamiliesOutput, error) {
	active := map[string]bool{}
	for _, d := range state.TaskDefinitions.All(a.view()) {
		active[d.Family] = active[d.Family] || d.Status == model.DefinitionActive
	}
	names := []string{}
	for f, is := range active {
		wanted := true
		switch model.DefinitionStatus(wire.Val(in.Status)) {
		case model.DefinitionActive:
			wanted = is
		case model.DefinitionInactive:
			wanted = !is
		default: // ALL
		}
		if wanted && strings.HasPrefix(f, wire.Val(in.FamilyPrefix)) {
			names = append(names, f)
		}
	}
	slices.Sort(names)
	names, next, err := page.Cut(pages(100, 100), in, names, page.Self)
	if err != nil {
		return nil, err
	}
	return &shape.ListTaskDefinitionFamiliesOutput{Families: names, NextToken: next}, nil
}
