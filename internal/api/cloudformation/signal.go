package cloudformation

import (
	"context"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

// SignalResource tells a resource that is being created or updated of a
// success or a failure; controllers/stack counts. A second signal with the
// same unique id is the first one again. Errors: ValidationError.
func (a *API) SignalResource(ctx context.Context, in *shape.SignalResourceInput) (*shape.SignalResourceOutput, error) {
	now := a.now(ctx)
	return &shape.SignalResourceOutput{}, a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, r, err := signalled(tx, in)
		if err != nil {
			return err
		}
		sig := model.StackSignal{
			Stack: s.ID, LogicalID: r.LogicalID, Act: r.Token, UniqueID: wire.Val(in.UniqueId),
			Status: model.SignalStatus(wire.Val(in.Status)), At: now,
		}
		if _, again := state.StackSignals.Get(tx, state.StackSignals.Key(sig)); again {
			return nil
		}
		return state.StackSignals.Put(tx, sig)
	})
}

// signalled finds the stack and the resource that a signal is for: both must
// be under way.
func signalled(r store.Reader, in *shape.SignalResourceInput) (model.Stack, model.StackResource, error) {
	s, ok := find(r, wire.Val(in.StackName))
	if !ok {
		return s, model.StackResource{}, invalid("Stack '%s' does not exist", wire.Val(in.StackName))
	}
	if !s.Status.InProgress() || s.Status == model.StackDeleteInProgress {
		return s, model.StackResource{}, invalid("Stack %s is in %s state and cannot be signaled", s.ID, s.Status)
	}
	res, ok := state.StackResources.Get(r, s.ID+"|"+wire.Val(in.LogicalResourceId))
	switch {
	case !ok:
		return s, res, invalid("Resource %s does not exist for stack %s", wire.Val(in.LogicalResourceId), s.Name)
	case !res.Status.InProgress() || res.Status == model.ResourceDeleteInProgress:
		return s, res, invalid("Resource %s is in %s state and cannot be signaled", res.LogicalID, res.Status)
	}
	return s, res, nil
}
