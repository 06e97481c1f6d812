package cloudformation

import (
	"context"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

// isStackName reports whether a stack may be called s: a letter, and up to 127
// letters, digits and hyphens. Written out, since every process of the program
// would compile a pattern when it starts.
func isStackName(s string) bool {
	letter := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
	return s != "" && len(s) <= 128 && letter(rune(s[0])) && strings.IndexFunc(s, func(r rune) bool {
		return !letter(r) && (r < '0' || r > '9') && r != '-'
	}) < 0
}

// CreateStack asks for a new stack. Errors: AlreadyExistsException,
// InsufficientCapabilitiesException, ValidationError.
func (a *API) CreateStack(ctx context.Context, in *shape.CreateStackInput) (*shape.CreateStackOutput, error) {
	if in.DisableRollback != nil && in.OnFailure != nil {
		return nil, invalid("You cannot specify both OnFailure and DisableRollback")
	}
	if !isStackName(wire.Val(in.StackName)) {
		return nil, invalid(
			"1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression "+
				"pattern: [a-zA-Z][-a-zA-Z0-9]*",
			wire.Val(in.StackName),
		)
	}
	now, eventID := a.now(ctx), a.IDs.UUID()
	s := a.blank(ctx, wire.Val(in.StackName))
	s.CreatedAt, s.Tags = now, stackTags(in.Tags)
	s.OnFailure, s.DisableRollback = wire.Val(in.OnFailure), wire.Val(in.DisableRollback)
	s.TimeoutMinutes, s.TerminationProtection = wire.Val(in.TimeoutInMinutes), wire.Val(in.EnableTerminationProtection)
	s.RoleARN, s.RequestToken, s.Capabilities = wire.Val(in.RoleARN), wire.Val(in.ClientRequestToken), in.Capabilities
	asked := request{body: in.TemplateBody, parameters: in.Parameters, capabilities: in.Capabilities, expand: true, roleARN: in.RoleARN}
	if err := a.rehearseCreate(ctx, s, asked); err != nil {
		return nil, err
	}
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		if _, ok := find(tx, s.Name); ok {
			return fault.New(fault.Conflict, "AlreadyExistsException", "Stack [%s] already exists", s.Name)
		}
		p, err := a.prepare(ctx, tx, s, asked)
		if err != nil {
			return err
		}
		apply(&s, p)
		return begin(tx, &s, eventID, model.StackCreateInProgress, now)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateStackOutput{StackId: &s.ID}, nil
}

// blank is a stack that nothing is known of yet but its name and its maker.
func (a *API) blank(ctx context.Context, name string) model.Stack {
	return model.Stack{
		ID: a.Place.ARN("cloudformation", "stack/"+name+"/"+a.IDs.UUID()), Name: name,
		Principal: wire.CallFrom(ctx).Principal.ARN,
	}
}

func apply(s *model.Stack, p prepared) {
	s.Template, s.Parameters, s.Description, s.Imports = p.body, p.parameters, p.bound.Description, p.imports
}

// updatable are the states from which an update may start.
var updatable = []model.StackStatus{
	model.StackCreateComplete, model.StackUpdateComplete, model.StackUpdateRollbackComplete, model.StackUpdateFailed, model.StackCreateFailed,
}

func canUpdate(s model.Stack) error {
	if !slices.Contains(updatable, s.Status) {
		return invalid("Stack:%s is in %s state and can not be updated.", s.ID, s.Status)
	}
	return nil
}

// UpdateStack asks for a changed stack. Errors: ValidationError (also if
// nothing would change), InsufficientCapabilitiesException.
func (a *API) UpdateStack(ctx context.Context, in *shape.UpdateStackInput) (*shape.UpdateStackOutput, error) {
	if err := a.rehearseUpdate(ctx, in); err != nil {
		return nil, err
	}
	now, eventID := a.now(ctx), a.IDs.UUID()
	var id string
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, err := bracketed(tx, in.StackName)
		if err != nil {
			return err
		}
		if err := canUpdate(s); err != nil {
			return err
		}
		p, err := a.prepare(ctx, tx, s, request{
			body: in.TemplateBody, previous: wire.Val(in.UsePreviousTemplate), parameters: in.Parameters,
			capabilities: in.Capabilities, expand: true, roleARN: in.RoleARN,
		})
		if err != nil {
			return err
		}
		tags := s.Tags
		if in.Tags != nil {
			tags = stackTags(in.Tags)
		}
		changes, err := differences(tx, s, p.bound, !sameTags(tags, s.Tags))
		if err != nil {
			return err
		}
		if len(changes) == 0 && !retrying(s) {
			return invalid("No updates are to be performed.")
		}
		s = model.Clone(s)
		id = s.ID
		keep(&s)
		apply(&s, p)
		s.Tags, s.DisableRollback, s.Capabilities = tags, wire.Val(in.DisableRollback), in.Capabilities
		s.RequestToken, s.Principal, s.UpdatedAt = wire.Val(in.ClientRequestToken), wire.CallFrom(ctx).Principal.ARN, now
		if in.RoleARN != nil {
			s.RoleARN = *in.RoleARN
		}
		return begin(tx, &s, eventID, model.StackUpdateInProgress, now)
	})
	if err != nil {
		return nil, err
	}
	return &shape.UpdateStackOutput{StackId: &id}, nil
}

// retrying says that a failed operation may be tried again with nothing new.
func retrying(s model.Stack) bool { return s.Status.Failed() }

// keep remembers what to roll back to. After a failure without rollback that
// is still what was good before.
func keep(s *model.Stack) {
	if s.Status == model.StackUpdateFailed {
		return
	}
	s.Previous, s.PreviousParameters, s.PreviousTags = s.Template, s.Parameters, s.Tags
}

// existing is what a stack has, in the template language's terms.
func existing(r store.Reader, stackID string) map[string]template.Existing {
	out := map[string]template.Existing{}
	for _, res := range state.StackResources.By(r, "stack", stackID) {
		if res.PhysicalID == "" || res.Status == model.ResourceDeleteComplete {
			continue
		}
		out[res.LogicalID] = template.Existing{Type: res.Type, PhysicalID: res.PhysicalID, Properties: res.Properties, Attributes: res.Attributes}
	}
	return out
}

func differences(r store.Reader, s model.Stack, b *template.Bound, retagged bool) ([]template.Change, error) {
	return template.Difference(b, existing(r, s.ID), retagged)
}

// DeleteStack asks for a stack to go; an absent one is gone already. Errors:
// ValidationError.
func (a *API) DeleteStack(ctx context.Context, in *shape.DeleteStackInput) (*shape.DeleteStackOutput, error) {
	now, eventID := a.now(ctx), a.IDs.UUID()
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, ok := find(tx, wire.Val(in.StackName))
		if !ok || s.Status == model.StackDeleteComplete || s.Status == model.StackDeleteInProgress {
			return nil
		}
		if s.Status.InProgress() && s.Status.Updating() {
			return invalid("Stack [%s] cannot be deleted while in status %s", s.ID, s.Status)
		}
		if s.TerminationProtection {
			return invalid("Stack [%s] cannot be deleted while TerminationProtection is enabled", s.Name)
		}
		if len(in.RetainResources) > 0 && s.Status != model.StackDeleteFailed {
			return invalid("Invalid operation on stack [%s]. Specify resources to retain only when the stack is in the DELETE_FAILED state", s.ID)
		}
		if err := retainable(tx, s, in.RetainResources); err != nil {
			return err
		}
		if err := a.mayPass(ctx, tx, s.ID, wire.Val(in.RoleARN)); err != nil {
			return err
		}
		s = model.Clone(s)
		s.RetainOnDelete, s.RequestToken = in.RetainResources, wire.Val(in.ClientRequestToken)
		s.Principal = wire.CallFrom(ctx).Principal.ARN
		if in.RoleARN != nil {
			s.RoleARN = *in.RoleARN
		}
		for _, c := range state.ChangeSets.By(tx, "stack", s.ID) {
			if err := state.ChangeSets.Delete(tx, c.ID); err != nil {
				return err
			}
		}
		return begin(tx, &s, eventID, model.StackDeleteInProgress, now)
	})
	return &shape.DeleteStackOutput{}, err
}

func retainable(r store.Reader, s model.Stack, ids []string) error {
	for _, id := range ids {
		res, ok := state.StackResources.Get(r, s.ID+"|"+id)
		if !ok || res.Status != model.ResourceDeleteFailed {
			return invalid(
				"The specified resources to retain must be in a valid state. Do not specify a resource which is not in the DELETE_FAILED state: [%s]",
				id,
			)
		}
	}
	return nil
}

// CancelUpdateStack rolls an update under way back. Errors: ValidationError.
func (a *API) CancelUpdateStack(ctx context.Context, in *shape.CancelUpdateStackInput) (*shape.CancelUpdateStackOutput, error) {
	now, eventID := a.now(ctx), a.IDs.UUID()
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, err := bracketed(tx, in.StackName)
		if err != nil {
			return err
		}
		if s.Status != model.StackUpdateInProgress {
			return invalid("CancelUpdateStack cannot be called from current stack status")
		}
		s = model.Clone(s)
		s.Status, s.StatusReason, s.RequestToken = model.StackUpdateRollbackInProgress, "User Initiated", wire.Val(in.ClientRequestToken)
		if err := event(tx, &s, eventID, s.Status, s.StatusReason, now); err != nil {
			return err
		}
		return state.Stacks.Put(tx, s)
	})
	return &shape.CancelUpdateStackOutput{}, err
}

// ContinueUpdateRollback tries a failed rollback again. Errors: ValidationError.
func (a *API) ContinueUpdateRollback(ctx context.Context,
	in *shape.ContinueUpdateRollbackInput) (*shape.ContinueUpdateRollbackOutput, error) {
	now, eventID := a.now(ctx), a.IDs.UUID()
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, err := bracketed(tx, in.StackName)
		if err != nil {
			return err
		}
		if s.Status != model.StackUpdateRollbackFailed {
			return invalid("Stack:%s is in %s state and can not be continued with its rollback.", s.ID, s.Status)
		}
		for _, id := range in.ResourcesToSkip {
			res, ok := state.StackResources.Get(tx, s.ID+"|"+id)
			if !ok {
				return invalid("ResourcesToSkip contains resources that do not exist in the stack: [%s]", id)
			}
			if res.Status != model.ResourceUpdateFailed {
				return invalid("Resources to skip must be in the UPDATE_FAILED state: [%s]", id)
			}
		}
		if err := a.mayPass(ctx, tx, s.ID, wire.Val(in.RoleARN)); err != nil {
			return err
		}
		s = model.Clone(s)
		s.Skip, s.RequestToken, s.Principal = in.ResourcesToSkip, wire.Val(in.ClientRequestToken), wire.CallFrom(ctx).Principal.ARN
		if in.RoleARN != nil {
			s.RoleARN = *in.RoleARN
		}
		return begin(tx, &s, eventID, model.StackUpdateRollbackInProgress, now)
	})
	return &shape.ContinueUpdateRollbackOutput{}, err
}

// RollbackStack rolls a failed create or update back. Errors: ValidationError.
func (a *API) RollbackStack(ctx context.Context, in *shape.RollbackStackInput) (*shape.RollbackStackOutput, error) {
	now, eventID := a.now(ctx), a.IDs.UUID()
	var id string
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, err := bracketed(tx, in.StackName)
		if err != nil {
			return err
		}
		next := map[model.StackStatus]model.StackStatus{
			model.StackCreateFailed: model.StackRollbackInProgress, model.StackUpdateFailed: model.StackUpdateRollbackInProgress,
		}[s.Status]
		if next == "" {
			return invalid("Stack:%s is in %s state and can not be rolled back.", s.ID, s.Status)
		}
		if err := a.mayPass(ctx, tx, s.ID, wire.Val(in.RoleARN)); err != nil {
			return err
		}
		s = model.Clone(s)
		id, s.RequestToken, s.Principal = s.ID, wire.Val(in.ClientRequestToken), wire.CallFrom(ctx).Principal.ARN
		if in.RoleARN != nil {
			s.RoleARN = *in.RoleARN
		}
		return begin(tx, &s, eventID, next, now)
	})
	if err != nil {
		return nil, err
	}
	return &shape.RollbackStackOutput{StackId: &id}, nil
}

// UpdateTerminationProtection guards a stack against deletion, or no longer.
// Errors: ValidationError.
func (a *API) UpdateTerminationProtection(ctx context.Context,
	in *shape.UpdateTerminationProtectionInput) (*shape.UpdateTerminationProtectionOutput, error) {
	var id string
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, err := bracketed(tx, in.StackName)
		if err != nil {
			return err
		}
		if strings.HasPrefix(string(s.Status), "DELETE_") && s.Status != model.StackDeleteFailed {
			return invalid("Stack [%s] is in %s state and can not change its termination protection", s.Name, s.Status)
		}
		id = s.ID
		return state.Stacks.Edit(tx, s.ID, func(s *model.Stack) error {
			s.TerminationProtection = wire.Val(in.EnableTerminationProtection)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &shape.UpdateTerminationProtectionOutput{StackId: &id}, nil
}
