package cloudformation

import (
	"context"
	"encoding/json"
	"slices"

	"berth/internal/fault"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

// GetTemplate returns the body of a stack's or a change set's template. Errors:
// ChangeSetNotFound, ValidationError, NotImplemented.
func (a *API) GetTemplate(_ context.Context, in *shape.GetTemplateInput) (*shape.GetTemplateOutput, error) {
	view := a.DB.View()
	body := ""
	if in.ChangeSetName != nil {
		c, err := changeSet(view, in.ChangeSetName, in.StackName)
		if err != nil {
			return nil, err
		}
		body = c.Template
	} else {
		s, err := withID(view, in.StackName)
		if err != nil {
			return nil, err
		}
		body = s.Template
	}
	if wire.Val(in.TemplateStage) == "Processed" {
		if t, err := template.Parse(body); err == nil && len(t.Transforms) > 0 {
			return nil, fault.New(fault.NotImplemented, "NotImplemented",
				"Berth does not keep the processed form of templates with transforms; ask for the stage Original.")
		}
	}
	return &shape.GetTemplateOutput{TemplateBody: &body, StagesAvailable: []string{"Original", "Processed"}}, nil
}

// bodyOf finds the template that a summary is asked of.
func bodyOf(r store.Reader, body, stack *string) (string, error) {
	if body != nil {
		return *body, inline(*body)
	}
	if stack == nil {
		return "", invalid("Either Template URL or Template Body must be specified.")
	}
	s, err := withID(r, stack)
	if err != nil {
		return "", err
	}
	if s.Status == model.StackReviewInProgress {
		return "", invalid("GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks.")
	}
	return s.Template, nil
}

// GetTemplateSummary says what a template wants. Errors: ValidationError.
func (a *API) GetTemplateSummary(_ context.Context, in *shape.GetTemplateSummaryInput) (*shape.GetTemplateSummaryOutput, error) {
	body, err := bodyOf(a.DB.View(), in.TemplateBody, in.StackName)
	if err != nil {
		return nil, err
	}
	tpl, err := template.Parse(body)
	if err != nil {
		return nil, err
	}
	if err := tpl.Built(); err != nil {
		return nil, err
	}
	need, reason := tpl.Capabilities()
	out := &shape.GetTemplateSummaryOutput{
		Description: optional(tpl.Description), Capabilities: need, CapabilitiesReason: optional(reason), Version: wire.Ptr("2010-09-09"),
		DeclaredTransforms: tpl.Transforms, Parameters: []shape.ParameterDeclaration{},
	}
	if tpl.Metadata != nil {
		if raw, err := json.Marshal(tpl.Metadata); err == nil {
			out.Metadata = wire.Ptr(string(raw))
		}
	}
	for _, p := range tpl.Parameters {
		out.Parameters = append(out.Parameters, shape.ParameterDeclaration{
			ParameterKey: wire.Ptr(p.Name), DefaultValue: p.Default, ParameterType: wire.Ptr(p.Type), NoEcho: wire.Ptr(p.NoEcho),
			Description: optional(p.Description), ParameterConstraints: &shape.ParameterConstraints{AllowedValues: p.AllowedValues},
		})
	}
	for _, r := range tpl.Resources {
		if !slices.Contains(out.ResourceTypes, r.Type) {
			out.ResourceTypes = append(out.ResourceTypes, r.Type)
		}
	}
	return out, nil
}

// ValidateTemplate checks a template as far as that goes without parameters.
// Errors: ValidationError.
func (a *API) ValidateTemplate(ctx context.Context, in *shape.ValidateTemplateInput) (*shape.ValidateTemplateOutput, error) {
	body, err := bodyOf(a.DB.View(), in.TemplateBody, nil)
	if err != nil {
		return nil, err
	}
	tpl, err := template.Parse(body)
	if err != nil {
		return nil, err
	}
	if err := tpl.Built(); err != nil {
		return nil, err
	}
	if err := a.tryBind(tpl); err != nil {
		return nil, err
	}
	if err := a.rehearseTemplate(ctx, body, tpl); err != nil {
		return nil, err
	}
	need, reason := tpl.Capabilities()
	out := &shape.ValidateTemplateOutput{
		Description: optional(tpl.Description), Capabilities: need, CapabilitiesReason: optional(reason), DeclaredTransforms: tpl.Transforms,
		Parameters: []shape.TemplateParameter{},
	}
	for _, p := range tpl.Parameters {
		out.Parameters = append(out.Parameters, shape.TemplateParameter{
			ParameterKey: wire.Ptr(p.Name), DefaultValue: p.Default, NoEcho: wire.Ptr(p.NoEcho), Description: optional(p.Description),
		})
	}
	return out, nil
}

// tryBind looks for circles where every parameter has a default.
func (a *API) tryBind(tpl *template.Template) error {
	if slices.ContainsFunc(tpl.Parameters, func(p template.Parameter) bool { return p.Default == nil }) {
		return nil
	}
	_, err := tpl.Bind(template.Inputs{
		Place: a.place(), StackName: "validate", StackID: "validate", Public: a.public,
		Stored: func(name string) (string, error) { return name, nil }, // what it is does not matter to circles
	})
	return err
}

// GetStackPolicy shows that a stack has no policy: they are not built.
// Errors: ValidationError.
func (a *API) GetStackPolicy(_ context.Context, in *shape.GetStackPolicyInput) (*shape.GetStackPolicyOutput, error) {
	if _, err := bracketed(a.DB.View(), in.StackName); err != nil {
		return nil, err
	}
	return &shape.GetStackPolicyOutput{}, nil
}

var _ shape.Operations = (*API)(nil)
