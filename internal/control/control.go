// Package control is the engine of controllers. A controller brings
// what is observed nearer to what is desired: it is woken with a key, looks at one snapshot,
// decides, writes once and says when it wants to look again. The engine owns
// queues, de-duplication, back-off, and the order of things; it knows no noun.
//
// It can be driven in two ways: Run gives each controller a goroutine of its
// own on a running clock; Settle runs everything that is due in one goroutine
// and in a fixed order, for the simulator. In both, one controller never runs
// twice at the same time, and sees every change that was committed before it
// was woken.
package control

import (
	"context"
	"time"

	"berth/internal/ident"
	"berth/internal/store"
)

// Controller brings one kind of thing nearer to what is desired.
type Controller interface {
	// Name is the log attribute, metric label and decision source, for
	// example "controllers/task".
	Name() string
	// Wake says which changes concern which keys. It is asked once.
	Wake() store.Rules
	// Reconcile brings one key nearer to what is desired. It must not block on
	// anything but the store, and may be called at any time, again and again.
	Reconcile(ctx context.Context, r Request) (Result, error)
}

// Starter is a Controller that wants to look at some keys when the engine
// starts, beyond those that the existing records wake.
type Starter interface {
	Start(r store.Reader) []string
}

// Request asks a controller to look at a key.
type Request struct {
	Key string
	// Now is the time of the control plane's clock; controllers hold no clock.
	Now time.Time
}

// Result says when to look again.
type Result struct {
	// After is on the control plane's clock; zero means when woken.
	After time.Duration
}

// Invoker calls our own AWS APIs in process, through validation and IAM, for
// whoever has operations and members as data, as CloudFormation has. Who knows
// them when it is written uses a generated client (wire.Caller).
type Invoker interface {
	// Invoke calls an operation as a principal. Keys of in and of the answer
	// are the member names of the API model. Errors are *fault.Error with
	// AWS's code and message.
	Invoke(ctx context.Context, as ident.Principal, service, operation string, in map[string]any) (map[string]any, error)
}

// Assumption is a service that takes a role.
type Assumption struct {
	Service string // its principal, such as ecs.amazonaws.com
	Role    string // ARN
	Session string // the session's name
	// For is the ARN of the resource on whose behalf it acts; "" where AWS
	// names none. With it a trust policy can ask for aws:SourceArn and
	// aws:SourceAccount
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html).
	For string
}

// Access answers what roles may do.
type Access interface {
	// Assume checks that a role exists and trusts a service, and returns the
	// session's principal. Errors: fault.NotFound, fault.Denied with AWS's text.
	Assume(r store.Reader, a Assumption) (ident.Principal, error)
	// Allow evaluates IAM for an action on a resource; keys are condition
	// keys. The error is fault.Denied with AWS's text, naming what decided.
	Allow(r store.Reader, p ident.Principal, action, resource string, keys map[string]string) error
}

// Jobs does slow work for controllers, which may not wait.
type Jobs interface {
	// Start runs fn unless a job of that name runs already or has a result
	// that was not yet taken, and wakes the key of the controller when it ends. It
	// reports whether it started.
	Start(controller, key, job string, fn func(ctx context.Context) (any, error)) bool
	// Take returns the result of an ended job and forgets it; running says
	// that it is still under way, ok that a result was there.
	Take(job string) (result any, err error, running, ok bool)
}
