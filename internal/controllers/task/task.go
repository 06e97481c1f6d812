// Package task is the controller that gives waiting tasks an instance: one key a
// cluster, one plan for all of its tasks at once.
//
// It owns a task's Instance, CapacityProvider, AvailabilityZone, Subnet,
// PlacedAt and Refusal, and moves on the tasks that nobody else can: those
// told to stop before they had an instance, and those that waited for one too
// long. Tasks whose instance is gone are dispatch's: they may have targets.
// A task of Fargate gets an instance of its own, a slice, with its placement.
// Other instances are not its to buy (controllers/capacity), and no address is its to give
// (controllers/network). Only the control engine calls it.
package task

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"berth/internal/control"
	"berth/internal/controllers/facts"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/plan/placement"
	"berth/internal/state"
	"berth/internal/store"
)

const name = "controllers/task"

// waitLimit is how long a task without a service waits for capacity before it
// is given up: on AWS between 10 and 30 minutes (aws/containers-roadmap#2381,
// read 2026-11-29). A service would only make another.
const waitLimit = 30 * time.Minute

// patience is how long a task waits before its service is told why. Waiting
// for an instance that is on its way is no event on AWS.
const patience = 5 * time.Minute

// Deps are what the controller needs.
type Deps struct {
	DB    *state.DB
	IDs   *ident.Source
	Place ident.Place
	Log   *slog.Logger
}

// Controller implements control.Controller.
type Controller struct {
	Deps
	facts *facts.Keeper
}

var _ control.Controller = Controller{}

// New returns the controller.
func New(d Deps) Controller { return Controller{d, facts.New(d.DB)} }

// Name implements control.Controller.
func (Controller) Name() string { return name }

// Wake implements control.Controller: a cluster is looked at when one of its
// tasks comes, is placed, is told to stop before that, or leaves its instance,
// when an instance gains or loses the ability to take tasks, and when its
// default strategy may have changed. How a task fares on its instance, that it
// has been told why it waits, or that an instance was heard of, is no news.
func (Controller) Wake() store.Rules {
	return store.Rules{
		store.OnPart(state.Tasks, "the task's cluster", placedPart, func(p taskPart) []string { return store.Key(p.cluster) }),
		store.OnPart(state.Instances, "the instance's cluster", hostPart, func(p instancePart) []string { return store.Key(p.cluster) }),
		store.OnPart(state.Clusters, "the cluster", strategyPart, func(p clusterPart) []string { return store.Key(p.name) }),
	}
}

// taskPart, instancePart and clusterPart are what placement sees of records.
type (
	taskPart struct {
		cluster string
		// unplaced tasks are looked at by what is desired and their provider,
		// the others by the instance on which they take up capacity.
		unplaced           bool
		desired            model.TaskStatus
		provider, instance string
	}
	instancePart struct {
		cluster     string
		goal        model.Goal
		end         model.InstanceState
		status      model.ContainerInstanceStatus
		connected   bool
		cpu, memory int64
	}
	clusterPart struct{ name, strategy string }
)

func placedPart(t *model.Task) taskPart {
	switch {
	case state.Unplaced(*t) != "":
		return taskPart{cluster: t.Cluster, unplaced: true, desired: t.DesiredStatus, provider: t.CapacityProvider}
	case t.LastStatus == model.TaskStopped:
		return taskPart{cluster: t.Cluster}
	}
	return taskPart{cluster: t.Cluster, instance: t.Instance}
}

func hostPart(i *model.Instance) instancePart {
	return instancePart{i.Cluster, i.Goal, i.State.End(), i.Status, i.Connected, i.Registered.CPU, i.Registered.Memory}
}

func strategyPart(c *model.Cluster) clusterPart {
	return clusterPart{c.Name, fmt.Sprint(c.DefaultStrategy)}
}

func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Reconcile implements control.Controller.
func (l Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	view := l.DB.View()
	w := l.look(view, r)
	if len(w.asks)+len(w.dropped)+len(w.slices) == 0 {
		return control.Result{}, nil
	}
	plan := placement.Place(w.facts.Now(), w.asks)
	w.explain(plan)
	events, after := w.events(plan)
	giveUp, then := w.giveUp(plan)
	moves := append(w.cancelled(), giveUp...)
	after = sooner(after, then)
	for i := range events {
		events[i].id = l.IDs.UUID()
	}
	open := w.open()
	plan.Refused = w.news(plan.Refused, len(plan.Refused) > many)
	made := l.instances(r.Now, w)
	if len(moves)+len(open)+len(plan.Placed)+len(plan.Refused)+len(events)+len(made) == 0 {
		return control.Result{After: after}, nil
	}
	err := l.DB.Update(ctx, name, func(tx *store.Tx) error {
		for n, i := range made {
			if err := slice(tx, r.Now, i, w.slices[n]); err != nil {
				return err
			}
		}
		return write(tx, r.Now, moves, open, plan, events)
	})
	if err == nil {
		for _, s := range w.slices {
			l.Log.Info("task gets a slice", "cluster", r.Key, "task", s.Task, "reason", s.Why())
		}
		for _, p := range plan.Placed {
			l.Log.Info("task placed", "cluster", r.Key, "task", p.Task, "instance", p.Node, "reason", p.Why())
		}
	}
	return control.Result{After: after}, err
}
