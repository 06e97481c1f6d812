// Package instance is the controller that makes machines of desired instances: it
// checks what the infrastructure role may do, launches, keeps the role's keys
// in the machine fresh, notices machines that died, and terminates.
//
// It owns the machine side of an Instance (State, launch and termination
// times) and DEREGISTERING and INACTIVE of its Status; launches that fail end
// as events of the services that wait, in AWS's words. It chooses no type and
// no subnet (controllers/capacity does) and makes no interface
// (controllers/network does). Only the control engine calls it; slow work
// runs as the engine's jobs.
package instance

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/machine"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

const (
	name = "controllers/instance"
	// A machine that died shows by its agent's connection, which wakes the
	// census; one that was never connected waits for the next. For a while
	// after an agent was seen last its machine may still be dying.
	censusEvery = 5 * time.Minute
	censusSoon  = 5 * time.Second
	dying       = 2 * time.Minute
	bootPoll    = time.Second
	retryEvery  = 5 * time.Second
	// maxAttempts bounds launches that fail for reasons of the host; after
	// them the instance is given up and controllers/capacity decides anew.
	maxAttempts = 5
	// Keys of the instance role live for six hours and are replaced when a
	// quarter of that is left.
	keyLife    = 6 * time.Hour
	keyRefresh = keyLife / 4
)

// Census is the key under which all machines are looked at.
const Census = "machines"

// Minter makes keys for a role session and records them.
type Minter interface {
	Mint(ctx context.Context, role, session, subject string, ttl time.Duration) (model.Credential, error)
}

// Deps are what the controller needs.
type Deps struct {
	DB     *state.DB
	Driver machine.Driver
	Access control.Access
	Minter Minter
	Jobs   control.Jobs
	IDs    *ident.Source
	Place  ident.Place
	// CABundle is the PEM of the authority that signs the endpoints'
	// certificates; machines trust it.
	CABundle []byte
	Log      *slog.Logger
}

// Controller implements control.Controller.
type Controller struct{ Deps }

var (
	_ control.Controller = Controller{}
	_ control.Starter    = Controller{}
)

// New returns the controller.
func New(d Deps) Controller { return Controller{d} }

// Name implements control.Controller.
func (Controller) Name() string { return name }

// Wake implements control.Controller: an instance that has not ended wakes its
// id, and so does its interface; a lost agent wakes the census.
func (Controller) Wake() store.Rules {
	return store.Rules{
		store.On(state.Instances, "the instance, and the census when its agent is lost", wakeInstance),
		store.On(state.NetworkInterfaces, "the instance whose interface it is", func(_, n *model.NetworkInterface) []string {
			if n == nil || n.Kind != vpc.KindInstance && n.Kind != vpc.KindSlice {
				return nil
			}
			return store.Key(n.Owner)
		}),
	}
}

func wakeInstance(old, n *model.Instance) []string {
	switch {
	case n == nil || n.State == model.InstanceTerminated:
		return nil
	case old != nil && old.Connected && !n.Connected && n.State == model.InstanceRunning:
		return []string{n.ID, Census}
	default:
		return []string{n.ID}
	}
}

// Start implements control.Starter.
func (Controller) Start(store.Reader) []string { return []string{Census} }

// Reconcile implements control.Controller.
func (l Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	if r.Key == Census {
		return l.count(ctx, r)
	}
	view := l.DB.View()
	i, ok := state.Instances.Get(view, r.Key)
	switch {
	case !ok || i.State == model.InstanceTerminated:
		return control.Result{}, nil
	case i.Goal == model.GoalTerminate:
		return l.terminate(ctx, r, i)
	case i.State == model.InstancePending:
		return l.launch(ctx, r, view, i)
	case i.State == model.InstanceRunning:
		return l.keep(ctx, r, view, i)
	default:
		return control.Result{}, nil
	}
}

// launch brings a pending instance up.
func (l Controller) launch(ctx context.Context, r control.Request, view *store.View, i model.Instance) (control.Result, error) {
	eni, ok := state.NetworkInterfaces.Get(view, i.ENI)
	if !ok || eni.State == model.InterfacePending {
		return control.Result{}, nil // the interface wakes us
	}
	job := "launch " + i.ID
	res, err, running, done := l.Jobs.Take(job)
	switch {
	case running:
		return control.Result{}, nil
	case done && err != nil:
		return l.failed(ctx, r, i, err)
	case done:
		return l.launched(ctx, r, i, res.(machine.Machine))
	}
	if !i.LaunchedAt.IsZero() {
		l.Jobs.Start(name, i.ID, job, func(ctx context.Context) (any, error) { return l.Driver.Get(ctx, i.ID) })
		return control.Result{}, nil
	}
	if wait := i.NextTryAt.Sub(r.Now); wait > 0 {
		return control.Result{After: wait}, nil // our own write has woken us
	}
	role, err := l.admit(view, i)
	if err != nil {
		return l.failed(ctx, r, i, err)
	}
	spec, err := l.spec(view, i, eni, role)
	if err != nil {
		return l.failed(ctx, r, i, err)
	}
	l.Jobs.Start(name, i.ID, job, func(ctx context.Context) (any, error) { return l.start(ctx, spec, role) })
	return control.Result{}, nil
}

// start is the slow part of a launch.
func (l Controller) start(ctx context.Context, spec machine.Spec, role model.Role) (machine.Machine, error) {
	m, err := l.Driver.Launch(ctx, spec)
	if err != nil || m.State == machine.Terminated || role.ARN == "" {
		return m, err
	}
	return m, l.equip(ctx, spec.ID, role.ARN)
}

// equip mints keys of the instance role and puts them into the machine.
func (l Controller) equip(ctx context.Context, id, role string) error {
	c, err := l.Minter.Mint(ctx, role, id, id, keyLife)
	if err != nil {
		return err
	}
	return l.Driver.SetCredentials(ctx, id, machine.Credentials{
		AccessKeyID: c.AccessKeyID, Secret: c.Secret, Token: c.Token, Expires: c.Expires,
	})
}

// launched records what the driver made.
func (l Controller) launched(ctx context.Context, r control.Request, i model.Instance, m machine.Machine) (control.Result, error) {
	if m.State == machine.Terminated {
		return control.Result{}, l.ended(ctx, r.Now, i.ID, "Server.InternalError", m.Reason)
	}
	if m.State == machine.Pending && !i.LaunchedAt.IsZero() {
		return control.Result{After: bootPoll}, nil
	}
	after := bootPoll
	err := l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if err := state.Instances.Edit(tx, i.ID, func(i *model.Instance) error {
			if i.LaunchedAt.IsZero() {
				i.LaunchedAt = r.Now
			}
			if m.State == machine.Running {
				i.State, after = model.InstanceRunning, 0
			}
			i.Version++
			return nil
		}); err != nil {
			return err
		}
		if after > 0 {
			return nil
		}
		return state.Note(tx, r.Now, model.Decision{
			By: name, Subject: i.ID, Cluster: i.Cluster, Verb: "launched", Reason: "The machine runs: " + i.Type + " in " + i.AvailabilityZone + ".",
			Facts: map[string]string{"type": i.Type, "zone": i.AvailabilityZone, "provider": i.CapacityProvider},
		})
	})
	return control.Result{After: after}, err
}

// failed works a refused launch in. Failures of the host are tried again;
// what AWS would refuse ends the instance, tells the services that wait, and
// leaves the next try to controllers/capacity.
func (l Controller) failed(ctx context.Context, r control.Request, i model.Instance, cause error) (control.Result, error) {
	var known *fault.Error
	if !errors.As(cause, &known) || known.Class == fault.Unavailable || known.Class == fault.Internal || known.Class == fault.Conflict {
		if i.Attempts+1 < maxAttempts {
			l.Log.WarnContext(ctx, "launch failed, trying again", "instance", i.ID, "attempt", i.Attempts+1, "error", cause)
			return control.Result{After: retryEvery}, l.DB.Update(ctx, name, func(tx *store.Tx) error {
				return state.Instances.Edit(tx, i.ID, func(i *model.Instance) error {
					i.Attempts++
					i.NextTryAt = r.Now.Add(retryEvery)
					return nil
				})
			})
		}
		cause = fault.Wrap(fault.Internal, cause, "The machine could not be started after %d attempts", maxAttempts)
	}
	why := state.CauseOf(cause)
	why.Code = cmp.Or(why.Code, "InternalError")
	if i.Kind == model.KindSlice {
		return control.Result{}, l.refuseSlice(ctx, r.Now, i, why, cause)
	}
	return control.Result{}, l.refuse(ctx, r.Now, i, why, fault.MessageOf(cause))
}

// refuse ends an instance that never ran and says so everywhere.
func (l Controller) refuse(ctx context.Context, now time.Time, i model.Instance, cause model.Cause, message string) error {
	request, text := l.IDs.UUID(), cause.Code+": "+message
	reason := "ResourceInitializationError: Unable to launch instance(s) for capacity provider " + i.CapacityProvider + ". " + text +
		" RequestId: " + request
	view := l.DB.View()
	waiting := l.waiting(view, i)
	events := make([]string, len(waiting))
	for n := range events {
		events[n] = l.IDs.UUID()
	}
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if err := end(tx, i.ID, now, cause.Code, message); err != nil {
			return err
		}
		if _, ok := state.CapacityProviders.Get(tx, i.CapacityProvider); ok {
			if err := state.CapacityProviders.Edit(tx, i.CapacityProvider, func(p *model.CapacityProvider) error {
				p.LastFailure, p.LastFailureAt, p.FailureCause = text, now, cause
				return nil
			}); err != nil {
				return err
			}
		}
		for n, arn := range waiting {
			if err := state.Services.Edit(tx, arn, func(s *model.Service) error {
				state.ServiceEvent(s, model.ServiceEvent{
					ID: events[n], At: now, Message: "(service " + s.Name + ") was unable to place a task. Reason: " + reason,
				})
				return nil
			}); err != nil {
				return err
			}
		}
		return state.Note(tx, now, model.Decision{
			By: name, Subject: i.ID, Cluster: i.Cluster, Verb: "refused", Reason: text,
			Facts: map[string]string{"provider": i.CapacityProvider, "type": i.Type, "zone": i.AvailabilityZone, "requestId": request},
		})
	})
}

// waiting lists the services that have a task which this instance was for.
func (Controller) waiting(r store.Reader, i model.Instance) []string {
	var out []string
	seen := map[string]bool{}
	for _, t := range state.Tasks.By(r, "status", string(model.TaskProvisioning)) {
		if t.Cluster != i.Cluster || t.Instance != "" || t.Service == "" || seen[t.Service] || t.DesiredStatus == model.TaskStopped {
			continue
		}
		if _, ok := state.Services.Get(r, t.Service); !ok {
			continue
		}
		for _, s := range t.Strategy {
			if s.Provider == i.CapacityProvider && !seen[t.Service] {
				seen[t.Service] = true
				out = append(out, t.Service)
			}
		}
	}
	return out
}

// keep renews the machine's keys in time.
func (l Controller) keep(ctx context.Context, r control.Request, view *store.View, i model.Instance) (control.Result, error) {
	job := "equip " + i.ID
	_, err, running, done := l.Jobs.Take(job)
	if running {
		return control.Result{}, nil
	}
	if done && err != nil {
		l.Log.WarnContext(ctx, "keys of a machine not renewed", "instance", i.ID, "error", err)
		return control.Result{After: retryEvery}, nil
	}
	left := keysEnd(view, i.ID).Sub(r.Now)
	if left > keyRefresh {
		return control.Result{After: left - keyRefresh}, nil
	}
	role, err := l.role(view, i)
	if err != nil {
		l.Log.WarnContext(ctx, "keys of a machine not renewed", "instance", i.ID, "error", err)
		return control.Result{After: keyRefresh / 8}, nil
	}
	if role.ARN == "" {
		return control.Result{}, nil // it has no profile
	}
	l.Jobs.Start(name, i.ID, job, func(ctx context.Context) (any, error) { return nil, l.equip(ctx, i.ID, role.ARN) })
	return control.Result{}, nil
}

// keysEnd is when the machine's newest keys end.
func keysEnd(r store.Reader, id string) time.Time {
	var end time.Time
	for _, c := range state.Credentials.By(r, "for", id) {
		if c.Expires.After(end) {
			end = c.Expires
		}
	}
	return end
}

// terminate ends an instance: the container instance first, then the machine.
func (l Controller) terminate(ctx context.Context, r control.Request, i model.Instance) (control.Result, error) {
	job := "terminate " + i.ID
	_, err, running, done := l.Jobs.Take(job)
	switch {
	case running:
		return control.Result{}, nil
	case done && err == nil:
		return control.Result{}, l.ended(ctx, r.Now, i.ID, "Client.UserInitiatedShutdown", i.GoalReason)
	case done:
		l.Log.WarnContext(ctx, "machine not terminated", "instance", i.ID, "error", err)
		return control.Result{After: retryEvery}, nil
	}
	if _, _, launching, _ := l.Jobs.Take("launch " + i.ID); launching {
		return control.Result{}, nil // its end wakes us
	}
	if i.State != model.InstanceShuttingDown || i.Status != "" && i.Status != model.ContainerInstanceDeregistering {
		if err := l.DB.Update(ctx, name, func(tx *store.Tx) error { return leaving(tx, i, r.Now) }); err != nil {
			return control.Result{}, err
		}
	}
	l.Jobs.Start(name, i.ID, job, func(ctx context.Context) (any, error) { return nil, l.Driver.Terminate(ctx, i.ID) })
	return control.Result{}, nil
}

func leaving(tx *store.Tx, i model.Instance, now time.Time) error {
	if err := state.Instances.Edit(tx, i.ID, func(i *model.Instance) error {
		i.State = model.InstanceShuttingDown
		if i.Status != "" {
			i.Status = model.ContainerInstanceDeregistering
		}
		i.Version++
		return nil
	}); err != nil {
		return err
	}
	return state.Note(tx, now, model.Decision{By: name, Subject: i.ID, Cluster: i.Cluster, Verb: "terminating", Reason: i.GoalReason})
}

// ended records that a machine is no more.
func (l Controller) ended(ctx context.Context, now time.Time, id, code, message string) error {
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		i, ok := state.Instances.Get(tx, id)
		if !ok || i.State == model.InstanceTerminated {
			return nil
		}
		if err := end(tx, id, now, code, message); err != nil {
			return err
		}
		return state.Note(tx, now, model.Decision{
			By: name, Subject: id, Cluster: i.Cluster, Verb: "terminated", Reason: coded(code, message),
		})
	})
}

// coded is a reason as EC2 shows it.
func coded(code, message string) string {
	if message == "" {
		return code
	}
	return code + ": " + message
}

func end(tx *store.Tx, id string, now time.Time, code, message string) error {
	return state.Instances.Edit(tx, id, func(i *model.Instance) error {
		i.State, i.TerminatedAt = model.InstanceTerminated, now
		i.StateCode, i.StateReason = code, coded(code, message)
		if i.Status != "" {
			i.Status, i.StatusReason = model.ContainerInstanceInactive, i.StateReason
		}
		i.Version++
		return nil
	})
}
