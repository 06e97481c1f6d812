package cloudformation

import (
	"context"
	"time"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

// execute makes a change set what the stack is asked for.
func (a *API) execute(ctx context.Context, tx *store.Tx, c model.ChangeSet, in *shape.ExecuteChangeSetInput, now time.Time,
	eventID string) error {
	s, ok := state.Stacks.Get(tx, c.Stack)
	if !ok {
		return invalid("Stack [%s] does not exist", c.StackName)
	}
	s = model.Clone(s)
	status := model.StackCreateInProgress
	if c.Type == "UPDATE" {
		if err := canUpdate(s); err != nil {
			return err
		}
		status = model.StackUpdateInProgress
		keep(&s)
		s.UpdatedAt = now
	} else if s.Status != model.StackReviewInProgress {
		return invalid("Stack:%s is in %s state and can not be created by a change set.", s.ID, s.Status)
	}
	p, err := a.prepare(ctx, tx, s, request{body: &c.Template, parameters: shapeParameters(c.Parameters), capabilities: c.Capabilities})
	if err != nil {
		return err
	}
	apply(&s, p)
	s.Tags, s.Capabilities, s.ChangeSet = c.Tags, c.Capabilities, c.ID
	s.DisableRollback, s.OnFailure = wire.Val(in.DisableRollback), c.OnStackFailure
	s.RequestToken, s.Principal = wire.Val(in.ClientRequestToken), wire.CallFrom(ctx).Principal.ARN
	if c.RoleARN != "" {
		s.RoleARN = c.RoleARN
	}
	if err := dropOthers(tx, c); err != nil {
		return err
	}
	if err := state.ChangeSets.Edit(tx, c.ID, func(c *model.ChangeSet) error {
		c.ExecutionStatus = model.ExecutionComplete
		return nil
	}); err != nil {
		return err
	}
	return begin(tx, &s, eventID, status, now)
}

// dropOthers deletes the stack's other change sets, as executing one does.
func dropOthers(tx *store.Tx, c model.ChangeSet) error {
	for _, other := range state.ChangeSets.By(tx, "stack", c.Stack) {
		if other.ID == c.ID {
			continue
		}
		if err := state.ChangeSets.Delete(tx, other.ID); err != nil {
			return err
		}
	}
	return nil
}

func shapeParameters(in []model.StackParameter) []shape.Parameter {
	out := make([]shape.Parameter, 0, len(in))
	for _, p := range in {
		out = append(out, shape.Parameter{ParameterKey: wire.Ptr(p.Key), ParameterValue: wire.Ptr(p.Value), ResolvedValue: optional(p.Resolved)})
	}
	return out
}

// DeleteChangeSet forgets a change set. Errors: InvalidChangeSetStatus while it
// is executed, ValidationError.
func (a *API) DeleteChangeSet(ctx context.Context, in *shape.DeleteChangeSetInput) (*shape.DeleteChangeSetOutput, error) {
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		c, err := changeSet(tx, in.ChangeSetName, in.StackName)
		if err != nil {
			if _, known := find(tx, wire.Val(in.StackName)); known || in.StackName == nil {
				return nil // deleting what is absent succeeds
			}
			return err
		}
		if s, _ := state.Stacks.Get(tx, c.Stack); s.ChangeSet == c.ID && s.Status.InProgress() {
			return fault.New(
				fault.Invalid, "InvalidChangeSetStatus", "ChangeSet [%s] cannot be deleted in its current status of [EXECUTE_IN_PROGRESS]", c.ID,
			)
		}
		return state.ChangeSets.Delete(tx, c.ID)
	})
	return &shape.DeleteChangeSetOutput{}, err
}
