package cloudformation

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

const notChecked = "NOT_CHECKED" // drift detection is not built

// DescribeStacks shows one stack, or all that are not deleted, newest first.
// Errors: ValidationError.
func (a *API) DescribeStacks(_ context.Context, in *shape.DescribeStacksInput) (*shape.DescribeStacksOutput, error) {
	view := a.DB.View()
	if in.StackName != nil {
		s, err := withID(view, in.StackName)
		if err != nil {
			return nil, err
		}
		return &shape.DescribeStacksOutput{Stacks: []shape.Stack{shapeStack(s)}}, nil
	}
	all := slices.DeleteFunc(newest(state.Stacks.All(view)), func(s model.Stack) bool { return s.Status == model.StackDeleteComplete })
	all, next, err := page.Cut(pages, in, all, stackKey)
	if err != nil {
		return nil, err
	}
	var out []shape.Stack
	for _, s := range all {
		out = append(out, shapeStack(s))
	}
	return &shape.DescribeStacksOutput{Stacks: out, NextToken: next}, nil
}

func newest(stacks []model.Stack) []model.Stack {
	out := slices.Clone(stacks)
	slices.SortFunc(out, func(a, b model.Stack) int { return strings.Compare(stackKey(a), stackKey(b)) })
	return out
}

// stackKey is in the order in which stacks are listed.
func stackKey(s model.Stack) string { return page.Key(page.Newest(s.CreatedAt), s.Name, s.ID) }

func shapeStack(s model.Stack) shape.Stack {
	out := shape.Stack{
		StackId: &s.ID, StackName: &s.Name, ChangeSetId: optional(s.ChangeSet), Description: optional(s.Description),
		CreationTime: stamp(s.CreatedAt), DeletionTime: stamp(s.DeletedAt), LastUpdatedTime: stamp(s.UpdatedAt),
		RollbackConfiguration: &shape.RollbackConfiguration{}, StackStatus: wire.Ptr(string(s.Status)),
		StackStatusReason: optional(s.StatusReason),
		DisableRollback:   wire.Ptr(s.DisableRollback), NotificationARNs: []string{}, Capabilities: s.Capabilities, RoleARN: optional(s.RoleARN),
		Tags: shapeTags(s.Tags), EnableTerminationProtection: wire.Ptr(s.TerminationProtection),
		DriftInformation: &shape.StackDriftInformation{StackDriftStatus: wire.Ptr(notChecked)},
		Parameters:       shown(s.Parameters),
	}
	if s.TimeoutMinutes > 0 {
		out.TimeoutInMinutes = &s.TimeoutMinutes
	}
	for _, o := range s.Outputs {
		out.Outputs = append(out.Outputs, shape.Output{
			OutputKey: wire.Ptr(o.Key), OutputValue: wire.Ptr(o.Value), Description: optional(o.Description), ExportName: optional(o.Export),
		})
	}
	return out
}

// shown are parameters as answers show them: without secrets.
func shown(in []model.StackParameter) []shape.Parameter {
	var out []shape.Parameter
	for _, p := range in {
		v := p.Value
		if p.NoEcho {
			v = "****"
		}
		out = append(out, shape.Parameter{ParameterKey: wire.Ptr(p.Key), ParameterValue: wire.Ptr(v), ResolvedValue: optional(p.Resolved)})
	}
	return out
}

// ListStacks lists stacks, deleted ones too, newest first. Errors:
// ValidationError.
func (a *API) ListStacks(_ context.Context, in *shape.ListStacksInput) (*shape.ListStacksOutput, error) {
	all := slices.DeleteFunc(newest(state.Stacks.All(a.DB.View())), func(s model.Stack) bool {
		return len(in.StackStatusFilter) > 0 && !slices.Contains(in.StackStatusFilter, string(s.Status))
	})
	all, next, err := page.Cut(pages, in, all, stackKey)
	if err != nil {
		return nil, err
	}
	var out []shape.StackSummary
	for _, s := range all {
		out = append(out, shape.StackSummary{
			StackId: wire.Ptr(s.ID), StackName: wire.Ptr(s.Name), TemplateDescription: optional(s.Description),
			CreationTime: stamp(s.CreatedAt), LastUpdatedTime: stamp(s.UpdatedAt), DeletionTime: stamp(s.DeletedAt),
			StackStatus: wire.Ptr(string(s.Status)), StackStatusReason: optional(s.StatusReason),
			DriftInformation: &shape.StackDriftInformationSummary{StackDriftStatus: wire.Ptr(notChecked)},
		})
	}
	return &shape.ListStacksOutput{StackSummaries: out, NextToken: next}, nil
}

// DescribeStackEvents lists a stack's events, newest first. Errors:
// ValidationError.
func (a *API) DescribeStackEvents(_ context.Context, in *shape.DescribeStackEventsInput) (*shape.DescribeStackEventsOutput, error) {
	view := a.DB.View()
	s, err := bracketed(view, in.StackName)
	if err != nil {
		return nil, err
	}
	events, next, err := eventPage(view, in, s.ID)
	if err != nil {
		return nil, err
	}
	out := make([]shape.StackEvent, 0, len(events))
	for _, e := range events {
		out = append(out, shapeEvent(s, e))
	}
	return &shape.DescribeStackEventsOutput{StackEvents: out, NextToken: next}, nil
}

// eventPage is a page of a stack's events, newest first.
func eventPage(r store.Reader, in any, stack string) ([]model.StackEvent, *string, error) {
	events := slices.Clone(state.StackEvents.By(r, "stack", stack))
	slices.Reverse(events)
	return page.Cut(pages.Descending(true), in, events, func(e model.StackEvent) string { return page.Number(e.Seq) })
}

func shapeEvent(s model.Stack, e model.StackEvent) shape.StackEvent {
	return shape.StackEvent{
		StackId: wire.Ptr(s.ID), StackName: wire.Ptr(s.Name), EventId: wire.Ptr(e.ID), LogicalResourceId: wire.Ptr(e.LogicalID),
		PhysicalResourceId: wire.Ptr(e.PhysicalID), ResourceType: wire.Ptr(e.Type), Timestamp: wire.Ptr(e.At),
		ResourceStatus: wire.Ptr(string(e.Status)), ResourceStatusReason: optional(e.Reason), ResourceProperties: optional(e.Properties),
		ClientRequestToken: optional(e.Token), DetailedStatus: optional(e.Detailed),
	}
}

// resources lists what a stack has and had, in the order of logical ids.
func (a *API) resources(s model.Stack) []model.StackResource {
	var out []model.StackResource
	for _, r := range state.StackResources.By(a.DB.View(), "stack", s.ID) {
		if r.Status != model.ResourceDeleteComplete || s.Status == model.StackDeleteComplete || s.Status == model.StackDeleteInProgress ||
			s.Status == model.StackRollbackComplete || s.Status == model.StackRollbackInProgress {
			out = append(out, r)
		}
	}
	return out
}

// DescribeStackResource shows one resource. Errors: ValidationError.
func (a *API) DescribeStackResource(_ context.Context, in *shape.DescribeStackResourceInput) (*shape.DescribeStackResourceOutput, error) {
	view := a.DB.View()
	s, ok := find(view, wire.Val(in.StackName))
	if !ok {
		return nil, invalid("Stack '%s' does not exist", wire.Val(in.StackName))
	}
	r, ok := state.StackResources.Get(view, s.ID+"|"+wire.Val(in.LogicalResourceId))
	if !ok {
		return nil, invalid("Resource %s does not exist for stack %s", wire.Val(in.LogicalResourceId), s.Name)
	}
	return &shape.DescribeStackResourceOutput{StackResourceDetail: &shape.StackResourceDetail{
		StackName: &s.Name, StackId: &s.ID, LogicalResourceId: &r.LogicalID, PhysicalResourceId: &r.PhysicalID, ResourceType: &r.Type,
		LastUpdatedTimestamp: &r.UpdatedAt, ResourceStatus: wire.Ptr(string(r.Status)), ResourceStatusReason: optional(r.StatusReason),
		Metadata:         optional(r.Metadata),
		DriftInformation: drift(),
	}}, nil
}

func drift() *shape.StackResourceDriftInformation {
	return &shape.StackResourceDriftInformation{StackResourceDriftStatus: wire.Ptr(notChecked)}
}

// DescribeStackResources shows a stack's resources, found by the stack or by
// a physical id. Errors: ValidationError.
func (a *API) DescribeStackResources(_ context.Context,
	in *shape.DescribeStackResourcesInput) (*shape.DescribeStackResourcesOutput, error) {
	view := a.DB.View()
	if in.StackName == nil && in.PhysicalResourceId == nil {
		return nil, invalid("Either stackName or physicalResourceId must be specified")
	}
	var s model.Stack
	var err error
	if in.StackName != nil {
		if s, err = withID(view, in.StackName); err != nil {
			return nil, err
		}
	} else {
		owner, ok := byPhysical(state.StackResources.All(view), *in.PhysicalResourceId)
		if !ok {
			return nil, invalid("Stack for %s does not exist", *in.PhysicalResourceId)
		}
		s, _ = state.Stacks.Get(view, owner)
	}
	out := &shape.DescribeStackResourcesOutput{}
	for _, r := range a.resources(s) {
		if in.LogicalResourceId != nil && *in.LogicalResourceId != r.LogicalID {
			continue
		}
		out.StackResources = append(out.StackResources, shape.StackResource{
			StackName: wire.Ptr(s.Name), StackId: wire.Ptr(s.ID), LogicalResourceId: wire.Ptr(r.LogicalID),
			PhysicalResourceId: optional(r.PhysicalID),
			ResourceType:       wire.Ptr(r.Type), Timestamp: wire.Ptr(r.UpdatedAt), ResourceStatus: wire.Ptr(string(r.Status)),
			ResourceStatusReason: optional(r.StatusReason), DriftInformation: drift(),
		})
	}
	return out, nil
}

func byPhysical(all []model.StackResource, id string) (stack string, ok bool) {
	for _, r := range all {
		if r.PhysicalID == id && r.Status != model.ResourceDeleteComplete {
			return r.Stack, true
		}
	}
	return "", false
}

// ListStackResources lists a stack's resources. Errors: ValidationError.
func (a *API) ListStackResources(_ context.Context, in *shape.ListStackResourcesInput) (*shape.ListStackResourcesOutput, error) {
	s, err := withID(a.DB.View(), in.StackName)
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(pages, in, a.resources(s), func(r model.StackResource) string { return r.LogicalID })
	if err != nil {
		return nil, err
	}
	var out []shape.StackResourceSummary
	for _, r := range all {
		out = append(out, shape.StackResourceSummary{
			LogicalResourceId: wire.Ptr(r.LogicalID), PhysicalResourceId: optional(r.PhysicalID), ResourceType: wire.Ptr(r.Type),
			LastUpdatedTimestamp: wire.Ptr(r.UpdatedAt), ResourceStatus: wire.Ptr(string(r.Status)), ResourceStatusReason: optional(r.StatusReason),
			DriftInformation: &shape.StackResourceDriftInformationSummary{StackResourceDriftStatus: wire.Ptr(notChecked)},
		})
	}
	return &shape.ListStackResourcesOutput{StackResourceSummaries: out, NextToken: next}, nil
}

// DescribeChangeSet shows a change set. Errors: ChangeSetNotFound,
// ValidationError.
func (a *API) DescribeChangeSet(_ context.Context, in *shape.DescribeChangeSetInput) (*shape.DescribeChangeSetOutput, error) {
	c, err := changeSet(a.DB.View(), in.ChangeSetName, in.StackName)
	if err != nil {
		return nil, err
	}
	at := make([]int64, len(c.Changes)) // a change set stays as it was made: its places are keys
	for i := range at {
		at[i] = int64(i)
	}
	at, next, err := page.Cut(pages, in, at, page.Number)
	if err != nil {
		return nil, err
	}
	var changes []shape.Change
	for _, i := range at {
		changes = append(changes, shapeChange(c.Changes[i], wire.Val(in.IncludePropertyValues)))
	}
	return &shape.DescribeChangeSetOutput{
		ChangeSetName: &c.Name, ChangeSetId: &c.ID, StackId: &c.Stack, StackName: &c.StackName, Description: optional(c.Description),
		Parameters: shown(c.Parameters), CreationTime: &c.CreatedAt, ExecutionStatus: wire.Ptr(string(c.ExecutionStatus)),
		Status:       wire.Ptr(string(c.Status)),
		StatusReason: optional(c.StatusReason), NotificationARNs: []string{}, RollbackConfiguration: &shape.RollbackConfiguration{},
		Capabilities: c.Capabilities, Tags: shapeTags(c.Tags), Changes: changes, NextToken: next, IncludeNestedStacks: &c.Nested,
		OnStackFailure: optional(c.OnStackFailure),
	}, nil
}

func shapeChange(ch model.ResourceChange, values bool) shape.Change {
	rc := &shape.ResourceChange{
		Action: wire.Ptr(ch.Action), LogicalResourceId: wire.Ptr(ch.LogicalID), PhysicalResourceId: optional(ch.PhysicalID),
		ResourceType: wire.Ptr(ch.Type), Replacement: optional(ch.Replacement), Scope: []string{}, Details: []shape.ResourceChangeDetail{},
	}
	if ch.Action == "Remove" {
		rc.PolicyAction = wire.Ptr("Delete")
	}
	for _, d := range ch.Details {
		if !slices.Contains(rc.Scope, d.Attribute) {
			rc.Scope = append(rc.Scope, d.Attribute)
		}
		target := &shape.ResourceTargetDefinition{
			Attribute: wire.Ptr(d.Attribute), Name: optional(d.Name), RequiresRecreation: optional(d.Recreation),
		}
		if values {
			withValues(target, d)
		}
		rc.Details = append(rc.Details, shape.ResourceChangeDetail{
			Target: target, Evaluation: wire.Ptr(d.Evaluation), ChangeSource: optional(d.Source), CausingEntity: optional(d.Causing),
		})
	}
	if values {
		rc.BeforeContext, rc.AfterContext = optional(ch.Before), optional(ch.After)
	}
	return shape.Change{Type: wire.Ptr("Resource"), ResourceChange: rc}
}

// withValues adds to a detail what the property has and will have.
func withValues(t *shape.ResourceTargetDefinition, d model.ChangeDetail) {
	if d.Before == "" && d.After == "" {
		return
	}
	t.Path = wire.Ptr("/Properties/" + cmp.Or(d.Name, "Tags"))
	t.BeforeValue, t.AfterValue = optional(d.Before), optional(d.After)
	switch {
	case d.Before == "":
		t.AttributeChangeType = wire.Ptr("Add")
	case d.After == "":
		t.AttributeChangeType = wire.Ptr("Remove")
	default:
		t.AttributeChangeType = wire.Ptr("Modify")
	}
}

// ListChangeSets lists a stack's change sets. Errors: ValidationError.
func (a *API) ListChangeSets(_ context.Context, in *shape.ListChangeSetsInput) (*shape.ListChangeSetsOutput, error) {
	view := a.DB.View()
	s, err := bracketed(view, in.StackName)
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(pages, in, state.ChangeSets.By(view, "stack", s.ID), func(c model.ChangeSet) string { return c.ID })
	if err != nil {
		return nil, err
	}
	var out []shape.ChangeSetSummary
	for _, c := range all {
		out = append(out, shape.ChangeSetSummary{
			StackId: wire.Ptr(c.Stack), StackName: wire.Ptr(c.StackName), ChangeSetId: wire.Ptr(c.ID), ChangeSetName: wire.Ptr(c.Name),
			ExecutionStatus: wire.Ptr(string(c.ExecutionStatus)), Status: wire.Ptr(string(c.Status)), StatusReason: optional(c.StatusReason),
			CreationTime: wire.Ptr(c.CreatedAt), Description: optional(c.Description), IncludeNestedStacks: wire.Ptr(c.Nested),
		})
	}
	return &shape.ListChangeSetsOutput{Summaries: out, NextToken: next}, nil
}

// DescribeChangeSetHooks shows that no hooks are there: they are not built.
// Errors: ChangeSetNotFound, ValidationError.
func (a *API) DescribeChangeSetHooks(_ context.Context,
	in *shape.DescribeChangeSetHooksInput) (*shape.DescribeChangeSetHooksOutput, error) {
	c, err := changeSet(a.DB.View(), in.ChangeSetName, in.StackName)
	if err != nil {
		return nil, err
	}
	return &shape.DescribeChangeSetHooksOutput{
		ChangeSetId: &c.ID, ChangeSetName: &c.Name, StackId: &c.Stack, StackName: &c.StackName, Status: wire.Ptr("PLANNED"),
		Hooks: []shape.ChangeSetHook{},
	}, nil
}

// ListExports lists the exports of all stacks. Errors: ValidationError.
func (a *API) ListExports(_ context.Context, in *shape.ListExportsInput) (*shape.ListExportsOutput, error) {
	all, next, err := page.Cut(pages, in, state.Exports.All(a.DB.View()), func(e model.Export) string { return e.Name })
	if err != nil {
		return nil, err
	}
	var out []shape.Export
	for _, e := range all {
		out = append(out, shape.Export{ExportingStackId: wire.Ptr(e.Stack), Name: wire.Ptr(e.Name), Value: wire.Ptr(e.Value)})
	}
	return &shape.ListExportsOutput{Exports: out, NextToken: next}, nil
}

// ListImports lists the stacks that use an export. Errors: ValidationError.
func (a *API) ListImports(_ context.Context, in *shape.ListImportsInput) (*shape.ListImportsOutput, error) {
	view, name := a.DB.View(), wire.Val(in.ExportName)
	if _, ok := state.Exports.Get(view, name); !ok {
		return nil, invalid("Export '%s' does not exist.", name)
	}
	var out []string
	for _, s := range state.Stacks.All(view) {
		if s.Status != model.StackDeleteComplete && slices.Contains(s.Imports, name) {
			out = append(out, s.Name)
		}
	}
	slices.Sort(out)
	if len(out) == 0 {
		return nil, invalid("Export '%s' is not imported by any stack.", name)
	}
	items, next, err := page.Cut(pages, in, out, page.Self)
	return &shape.ListImportsOutput{Imports: items, NextToken: next}, err
}

// DescribeEvents lists a stack's or a change set's events, newest first.
// Errors: ChangeSetNotFound, ValidationError.
func (a *API) DescribeEvents(_ context.Context, in *shape.DescribeEventsInput) (*shape.DescribeEventsOutput, error) {
	view := a.DB.View()
	name := in.StackName
	if name == nil {
		c, err := changeSet(view, in.ChangeSetName, nil)
		if err != nil {
			return nil, err
		}
		name = &c.Stack
	}
	s, err := bracketed(view, name)
	if err != nil {
		return nil, err
	}
	events, next, err := eventPage(view, in, s.ID)
	if err != nil {
		return nil, err
	}
	var out []shape.OperationEvent
	for _, e := range events {
		out = append(out, operationEvent(s, e, e.At))
	}
	return &shape.DescribeEventsOutput{OperationEvents: out, NextToken: next}, nil
}

func operationEvent(s model.Stack, e model.StackEvent, at time.Time) shape.OperationEvent {
	return shape.OperationEvent{
		EventId: wire.Ptr(e.ID), StackId: wire.Ptr(s.ID), EventType: wire.Ptr("STACK_EVENT"), LogicalResourceId: wire.Ptr(e.LogicalID),
		PhysicalResourceId: wire.Ptr(e.PhysicalID), ResourceType: wire.Ptr(e.Type), Timestamp: &at, ResourceStatus: wire.Ptr(string(e.Status)),
		ResourceStatusReason: optional(e.Reason), ResourceProperties: optional(e.Properties), ClientRequestToken: optional(e.Token),
		DetailedStatus: optional(e.Detailed),
	}
}
