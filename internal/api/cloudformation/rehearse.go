package cloudformation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

// rehearse refuses, in one answer, all that a stack would certainly be refused
// once it is under way. What can be tried depends on much that is checked
// elsewhere, so an attempt that cannot be made refuses nothing. AWS finds out
// when it makes the resources, one after another; so creating a stack without
// a change set does too, but for what Berth has not built.
func (a *API) rehearse(ctx context.Context, s model.Stack, fixed, unbuiltOnly bool) error {
	if a.Rehearse == nil {
		return nil
	}
	refusals, err := a.Rehearse(ctx, a.now(ctx), s, fixed)
	if err != nil {
		return nil //nolint:nilerr // whoever makes the stack will say so
	}
	var lines []string
	for _, f := range refusals {
		if f.NotBuilt || !unbuiltOnly {
			lines = append(lines, fmt.Sprintf("- [%s] (%s) %s", strings.Join(f.Paths, ", "), f.Type, f.Reason))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return invalid("The template was tried, and nothing was made, since this would certainly be refused:\n%s", strings.Join(lines, "\n"))
}

// rehearseCreate tries a stack that CreateStack is asked for.
func (a *API) rehearseCreate(ctx context.Context, s model.Stack, q request) error {
	p, err := a.prepare(ctx, a.DB.View(), s, q)
	if err != nil {
		return nil //nolint:nilerr // the call itself will say so
	}
	apply(&s, p)
	return a.rehearse(ctx, underWay(s, model.StackCreateInProgress, a.now(ctx)), false, true)
}

// rehearseUpdate tries a stack that UpdateStack changes.
func (a *API) rehearseUpdate(ctx context.Context, in *shape.UpdateStackInput) error {
	view := a.DB.View()
	s, err := bracketed(view, in.StackName)
	if err != nil || canUpdate(s) != nil {
		return nil //nolint:nilerr // the call itself will say so
	}
	return a.rehearseChange(ctx, view, s, true, request{
		body: in.TemplateBody, previous: wire.Val(in.UsePreviousTemplate), parameters: in.Parameters,
		capabilities: in.Capabilities, expand: true, roleARN: in.RoleARN,
	})
}

// rehearseChangeSet tries what a change set is asked for.
func (a *API) rehearseChangeSet(ctx context.Context, in *shape.CreateChangeSetInput, fresh model.Stack, kind string) error {
	view := a.DB.View()
	s, _, err := subject(view, in, fresh, kind)
	if err != nil {
		return nil //nolint:nilerr // the call itself will say so
	}
	return a.rehearseChange(ctx, view, s, false, changeSetRequest(in))
}

// rehearseChange tries what a request makes of a stack, which may be one that
// has nothing yet.
func (a *API) rehearseChange(ctx context.Context, r store.Reader, s model.Stack, unbuiltOnly bool, q request) error {
	p, err := a.prepare(ctx, r, s, q)
	if err != nil {
		return nil //nolint:nilerr // the call itself will say so
	}
	s = model.Clone(s)
	status := model.StackUpdateInProgress
	if s.Status == model.StackReviewInProgress {
		status = model.StackCreateInProgress
	}
	apply(&s, p)
	if q.roleARN != nil {
		s.RoleARN = *q.roleARN
	}
	s.Principal = wire.CallFrom(ctx).Principal.ARN
	return a.rehearse(ctx, underWay(s, status, a.now(ctx)), false, unbuiltOnly)
}

// rehearseTemplate tries what of a template no parameter changes.
func (a *API) rehearseTemplate(ctx context.Context, body string, tpl *template.Template) error {
	s := model.Stack{
		ID: a.Place.ARN("cloudformation", "stack/validate/00000000-0000-0000-0000-000000000000"), Name: "validate", Template: body,
		Principal: wire.CallFrom(ctx).Principal.ARN,
	}
	for _, d := range tpl.Parameters {
		v, ok := d.Example()
		if !ok {
			return nil
		}
		s.Parameters = append(s.Parameters, model.StackParameter{Key: d.Name, Value: v})
	}
	return a.rehearse(ctx, underWay(s, model.StackCreateInProgress, a.now(ctx)), true, false)
}

// underWay is a stack as it is once somebody has asked for an operation.
func underWay(s model.Stack, status model.StackStatus, at time.Time) model.Stack {
	s.Operation++
	s.Status, s.Started = status, at
	return s
}
