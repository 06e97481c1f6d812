// Package capacity is the controller that makes the right instances exist: one key
// a capacity provider. It walks a provider through its states, and writes what
// plan/supply decides: new instances with everything that the machine and the
// network need to know, goals of old ones, and since when they idle.
//
// It owns Goal and the desired side of an Instance. It launches nothing
// (controllers/instance does) and places nothing (controllers/task does). Only
// the control engine calls it.
package capacity

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"berth/internal/control"
	"berth/internal/controllers/facts"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/plan/supply"
	"berth/internal/state"
	"berth/internal/store"
)

const name = "controllers/capacity"

// How long the steps of a provider take: creating took 28 s on AWS, where a
// provider could not be associated before it was ACTIVE, and clients rely on
// seeing that (docs/facts/managed-instances.md MI103).
const (
	creating = 25 * time.Second
	updating = 10 * time.Second
)

// Deps are what the controller needs.
type Deps struct {
	DB    *state.DB
	IDs   *ident.Source
	Place ident.Place
	// Architectures are those that the hosts run (x86_64, arm64); none is any.
	Architectures []string
	// MostVCPU and MostMemoryMiB bound the types that are bought to what a
	// host can hold; 0 is no bound.
	MostVCPU, MostMemoryMiB int64
	Log                     *slog.Logger
}

// Controller implements control.Controller.
type Controller struct {
	Deps
	facts   *facts.Keeper
	markets *supply.Markets
}

var _ control.Controller = Controller{}

// New returns the controller.
func New(d Deps) Controller { return Controller{d, facts.New(d.DB), &supply.Markets{}} }

// Name implements control.Controller.
func (Controller) Name() string { return name }

// Wake implements control.Controller: a provider is looked at when it changes,
// when one of its instances does, and when a task of its begins or ceases to
// wait, to take up an instance, or to run. The steps between are no news.
func (Controller) Wake() store.Rules {
	return store.Rules{
		store.OnAny(state.CapacityProviders, "the provider", func(p *model.CapacityProvider) string { return p.Name }),
		store.OnPart(state.Instances, "the instance's provider", ownedPart, func(p instancePart) []string { return store.Key(p.provider) }),
		store.OnPart(state.Services, "the providers of a service that begins or ceases to try again to start tasks", retryPart, retry.keys),
		store.OnPart(state.Tasks, "the task's provider", neededPart, func(p taskPart) []string { return store.Key(p.provider) }),
	}
}

// instancePart, taskPart and retry are what supply sees of records.
type (
	retry struct {
		providers string // their names, with spaces between
	}
	instancePart struct {
		provider  string
		goal      model.Goal
		end       model.InstanceState
		status    model.ContainerInstanceStatus
		connected bool
		cpu       int64
	}
	taskPart struct {
		provider, instance     string
		waits, stopped, serves bool
	}
)

// retryPart is where a service will try again to start tasks that failed to.
func retryPart(s *model.Service) retry {
	if s.DesiredCount == 0 || !slices.ContainsFunc(s.Rollouts, func(r model.Rollout) bool {
		return r.FailedTasks > 0 && r.State == model.RolloutInProgress
	}) {
		return retry{}
	}
	var names []string
	for _, item := range s.Strategy {
		names = append(names, item.Provider)
	}
	return retry{strings.Join(names, " ")}
}

func (r retry) keys() []string { return strings.Fields(r.providers) }

func ownedPart(i *model.Instance) instancePart {
	return instancePart{i.CapacityProvider, i.Goal, i.State.End(), i.Status, i.Connected, i.Registered.CPU}
}

func neededPart(t *model.Task) taskPart {
	serves := t.LastStatus == model.TaskRunning && t.DesiredStatus == model.TaskRunning
	return taskPart{t.CapacityProvider, t.Instance, supply.Waiting(t), t.LastStatus == model.TaskStopped, serves}
}

// Reconcile implements control.Controller.
func (l Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	view := l.DB.View()
	p, ok := state.CapacityProviders.Get(view, r.Key)
	if !ok || p.Status == model.ProviderInactive {
		return control.Result{}, nil
	}
	if p.Status == model.ProviderDeprovisioning {
		return control.Result{}, l.remove(ctx, r.Now, view, p)
	}
	if p.Group != nil { // which has instances of its own
		return control.Result{}, nil
	}
	wait, err := l.settle(ctx, r.Now, p)
	if err != nil {
		return control.Result{}, err
	}
	plan := supply.Decide(l.world(view, r.Now, p))
	if err := l.carryOut(ctx, r.Now, view, p, plan); err != nil {
		return control.Result{}, err
	}
	return control.Result{After: sooner(wait, plan.Next)}, nil
}

func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// settle ends a provider's creation or update when its time has come, and
// says how long that is.
func (l Controller) settle(ctx context.Context, now time.Time, p model.CapacityProvider) (time.Duration, error) {
	var takes time.Duration
	done := ""
	switch p.UpdateStatus {
	case model.ProviderCreateInProgress:
		takes, done = creating, "CREATE_COMPLETE"
	case model.ProviderUpdateInProgress:
		takes, done = updating, "UPDATE_COMPLETE"
	default:
		return 0, nil
	}
	if left := p.ChangedAt.Add(takes).Sub(now); left > 0 {
		return left, nil
	}
	return 0, l.DB.Update(ctx, name, func(tx *store.Tx) error {
		return state.CapacityProviders.Edit(tx, p.Name, func(q *model.CapacityProvider) error {
			if q.UpdateStatus == p.UpdateStatus && q.ChangedAt.Equal(p.ChangedAt) {
				q.Status, q.UpdateStatus = model.ProviderActive, model.ProviderUpdate(done)
			}
			return nil
		})
	})
}

// remove ends all instances of a provider that is being deleted, and the
// provider when they are gone.
func (l Controller) remove(ctx context.Context, now time.Time, view store.Reader, p model.CapacityProvider) error {
	left := 0
	var end []model.Instance
	for _, i := range state.Instances.By(view, "provider", p.Name) {
		if i.State != model.InstanceTerminated {
			left++
			if i.Goal != model.GoalTerminate {
				end = append(end, i)
			}
		}
	}
	if left > 0 && len(end) == 0 {
		return nil
	}
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		for _, i := range end {
			if err := aim(tx, now, i.ID, model.GoalTerminate, "its capacity provider is being deleted"); err != nil {
				return err
			}
		}
		if left > 0 {
			return nil
		}
		return state.CapacityProviders.Edit(tx, p.Name, func(p *model.CapacityProvider) error {
			if p.Status == model.ProviderDeprovisioning {
				p.Status, p.UpdateStatus = model.ProviderInactive, model.ProviderDeleteComplete
			}
			return nil
		})
	})
}

// world collects what supply needs to know.
func (l Controller) world(view *store.View, now time.Time, p model.CapacityProvider) supply.World {
	w := supply.World{
		Now: now, Region: l.Place.Region, Provider: p,
		Architectures: l.Architectures, MostVCPU: l.MostVCPU, MostMemoryMiB: l.MostMemoryMiB,
		Rolling: map[string]bool{}, Spread: map[string]bool{}, Markets: l.markets,
	}
	for _, id := range p.Subnets {
		if s, ok := state.Subnets.Get(view, id); ok {
			w.Subnets = append(w.Subnets, supply.Subnet{ID: s.ID, Zone: s.AvailabilityZone})
		}
	}
	for s := range state.Services.Each(view, "cluster", p.Cluster) {
		w.Rolling[s.ARN] = s.CurrentDeployment != ""
		w.Spread[s.ARN] = s.AZRebalancing == "ENABLED"
		if slices.Contains(retryPart(s).keys(), p.Name) {
			w.Retries++
		}
	}
	w.Facts = l.facts.Of(view, p.Cluster)
	return w
}
