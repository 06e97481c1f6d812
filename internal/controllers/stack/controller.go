// Package stack makes CloudFormation's stacks what was asked for: it creates,
// changes, replaces and deletes resources in the order that the template
// wants, all that are ready at once, and rolls back what fails.
//
// It owns a stack's progress (status, resources, events, outputs, exports). A
// resource's own code calls the ordinary APIs as the stack's principal, through
// control.Invoker, and nothing else. What is about to be done is on record
// before it is done, and every act may be done twice: a Reconcile may be the
// first one after the process was killed. It refuses, by failing the resource
// with the API's own message, whatever the API refuses. The engine calls it for
// one stack at a time; different stacks may run at the same time.
package stack

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"berth/internal/control"
	"berth/internal/controllers/stack/handler"
	"berth/internal/ident"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// writer signs the transactions and decisions of this package.
const writer = "controllers/stack"

// Deps is what the controller is made of.
type Deps struct {
	DB     *state.DB
	Invoke control.Invoker
	// Access makes sessions of stacks' roles.
	Access control.Access
	// Jobs calls the functions behind custom resources.
	Jobs  control.Jobs
	IDs   *ident.Source
	Place ident.Place
	// Zones are the Region's Availability Zones, for Fn::GetAZs.
	Zones []string
	Log   *slog.Logger
}

// Controller is the controller of stacks; its keys are stack ids.
type Controller struct {
	Deps
	handlers map[string]handler.Handler

	mu    sync.Mutex
	bound map[string]cached // by stack id; only saves time
}

type cached struct {
	key   string
	plan  *plan
	bound *template.Bound
}

var _ control.Controller = (*Controller)(nil)

// New makes the controller.
func New(d Deps) *Controller {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	l := &Controller{Deps: d, handlers: map[string]handler.Handler{}, bound: map[string]cached{}}
	for name, t := range handler.Types() {
		l.handlers[name] = t
	}
	return l
}

// handler is the code behind a resource type.
func (l *Controller) handler(kind string) handler.Handler {
	if template.IsCustom(kind) {
		return handler.Custom{}
	}
	return l.handlers[kind]
}

// Name implements control.Controller.
func (l *Controller) Name() string { return writer }

// Wake implements control.Controller: a stack under way concerns us when what
// it does changes, when it is sent a signal, or when the process starts.
func (l *Controller) Wake() store.Rules {
	return store.Rules{
		store.On(state.Stacks, "the stack, while it is under way", func(old, s *model.Stack) []string {
			if s == nil || !s.Status.InProgress() {
				return nil
			}
			if old != nil && old.Status == s.Status && old.Operation == s.Operation {
				return nil
			}
			return []string{s.ID}
		}),
		store.On(state.StackSignals, "the stack of a new signal", func(old, s *model.StackSignal) []string {
			if old != nil || s == nil {
				return nil
			}
			return []string{s.Stack}
		}),
	}
}

// Reconcile implements control.Controller.
func (l *Controller) Reconcile(ctx context.Context, req control.Request) (control.Result, error) {
	r, err := l.load(ctx, req)
	if err != nil || r == nil {
		return control.Result{}, err
	}
	r.tellSignals()
	switch r.stack.Status {
	case model.StackCreateInProgress, model.StackUpdateInProgress, model.StackUpdateRollbackInProgress:
		err = r.forward()
	case model.StackRollbackInProgress, model.StackDeleteInProgress:
		err = r.remove()
	case model.StackUpdateCompleteCleanupInProgress, model.StackUpdateRollbackCompleteCleanupInProgress:
		err = r.cleanUp()
	default: // nothing is under way
	}
	if err != nil {
		return control.Result{}, err
	}
	return control.Result{After: r.again()}, nil
}

// again says when to look at what is in flight: often at first, then less.
func (r *run) again() time.Duration {
	if !r.stack.Status.InProgress() {
		r.forget()
		return 0
	}
	since := r.now.Sub(r.stack.Started)
	return min(max(since/60, time.Second), 5*time.Second)
}
