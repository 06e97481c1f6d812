// Package lambda is the controller of functions: a new function becomes Active, or
// Failed when this machine cannot run it; an update becomes Successful; what
// runs an old revision, or a function that is gone, is retired.
//
// It owns the state of functions and of their last update. Called by the
// engine only; it holds nothing that changes.
package lambda

import (
	"context"

	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/function"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

const name = "controllers/lambda"

// Deps are what the controller needs.
type Deps struct {
	DB        *state.DB
	Functions function.Driver
}

// Controller brings functions into service.
type Controller struct{ Deps }

var _ control.Controller = (*Controller)(nil)

// New makes the controller.
func New(d Deps) *Controller { return &Controller{d} }

// Name is controllers/lambda.
func (l *Controller) Name() string { return name }

// Wake wakes a function when it changes.
func (l *Controller) Wake() store.Rules {
	return store.Rules{store.OnAny(state.Functions, "the function", func(f *model.Function) string { return f.Name })}
}

// Reconcile looks at one function.
func (l *Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	fn, ok := state.Functions.Get(l.DB.View(), r.Key)
	if !ok {
		l.Functions.Retire(r.Key, "")
		return control.Result{}, nil
	}
	l.Functions.Retire(fn.Name, fn.RevisionID)
	next := judge(fn, l.Functions.Ready(fn))
	if next.State == fn.State && next.UpdateStatus == fn.UpdateStatus {
		return control.Result{}, nil
	}
	return control.Result{}, l.DB.Update(ctx, name, func(tx *store.Tx) error {
		now, ok := state.Functions.Get(tx, fn.Name)
		if !ok || now.RevisionID != fn.RevisionID {
			return nil // changed since; that change wakes the controller again
		}
		if err := state.Functions.Edit(tx, fn.Name, func(f *model.Function) error {
			f.State, f.StateReason, f.StateCode, f.UpdateStatus = next.State, next.StateReason, next.StateCode, next.UpdateStatus
			return nil
		}); err != nil {
			return err
		}
		return state.Note(tx, r.Now, model.Decision{By: name, Subject: fn.ARN, Verb: "state", Reason: reason(next)})
	})
}

// judge says what a function becomes, given what stands in the way of it.
func judge(fn model.Function, obstacle error) model.Function {
	switch {
	case obstacle == nil && (fn.State != model.FunctionActive || fn.UpdateStatus != model.FunctionUpdateSuccessful):
		fn.State, fn.UpdateStatus, fn.StateReason, fn.StateCode = model.FunctionActive, model.FunctionUpdateSuccessful, "", ""
	case obstacle != nil && fn.State == model.FunctionPending:
		fn.State, fn.UpdateStatus, fn.StateReason, fn.StateCode = model.FunctionFailed, model.FunctionUpdateFailed, fault.MessageOf(obstacle),
			"InvalidRuntime"
	case obstacle != nil && fn.UpdateStatus == model.FunctionUpdateInProgress:
		fn.UpdateStatus, fn.StateReason, fn.StateCode = model.FunctionUpdateFailed, fault.MessageOf(obstacle), "InvalidRuntime"
	}
	return fn
}

func reason(fn model.Function) string {
	if fn.StateReason != "" {
		return "function " + fn.Name + " is " + string(fn.State) + ": " + fn.StateReason
	}
	return "function " + fn.Name + " is " + string(fn.State)
}
