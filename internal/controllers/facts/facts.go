// Package facts keeps what plan/placement and plan/supply are told of
// clusters. The plans are given whole values; these are made by difference, so
// that a look costs what has changed since the last one, and not what there is.
//
// It decides nothing and writes nothing. controllers/task and
// controllers/capacity have a Keeper each.
package facts

import (
	"slices"

	"berth/internal/model"
	"berth/internal/plan/placement"
	"berth/internal/state"
	"berth/internal/store"
)

// Keeper keeps the facts of all clusters. It belongs to one goroutine at a
// time, and what it gives is good until it is asked again.
type Keeper struct {
	view  *store.View // that parts are made from
	zones *store.Derived[string]
	loads *store.Derived[*placement.Load]
	asks  *store.Derived[placement.Ask]
	tasks *store.Grouped[model.Task] // by instance
	asker *placement.Asker
	// lines are the asks of each cluster in order, waits the tasks in them.
	lines map[string][]placement.Ask
	waits map[string]bool
}

// New is a keeper that knows nothing yet.
func New(db *state.DB) *Keeper {
	k := &Keeper{lines: map[string][]placement.Ask{}, waits: map[string]bool{}}
	k.tasks = store.NewGrouped(db.DB, state.Tasks, func(t *model.Task) string { return t.Instance })
	k.zones = store.NewDerived(db.DB, store.Rules{
		store.OnAny(state.Subnets, "the subnet", func(s *model.Subnet) string { return s.ID }),
	}, func(r store.Reader, id string) (string, bool) {
		s, ok := state.Subnets.Get(r, id)
		return s.AvailabilityZone, ok
	})
	k.loads = store.NewDerived(db.DB, store.Rules{
		store.OnPart(state.Tasks, "the task's instance", carried, func(p part) []string { return store.Key(p.instance) }),
	}, k.load)
	k.asks = store.NewDerived(db.DB, store.Rules{
		store.On(state.Tasks, "the task, while it waits", waiting),
		store.On(state.Subnets, "all that wait", func(_, _ *model.Subnet) []string { return []string{store.Everything} }),
		store.On(state.TaskDefinitions, "all that wait, when one goes", gone),
	}, k.ask)
	return k
}

// part is all of a task that its instance's load is made of.
type part struct {
	instance, definition, group, service, provider string
	cpu, memory                                    int64
	last, desired                                  model.TaskStatus
	placed, started, stopped                       int64
}

func carried(t *model.Task) part {
	return part{
		t.Instance, t.TaskDefinition, t.Group, t.Service, t.CapacityProvider, t.CPU, t.Memory, settled(t.LastStatus), t.DesiredStatus,
		t.PlacedAt.UnixNano(), t.StartedAt.UnixNano(), t.StoppedAt.UnixNano(),
	}
}

// settled are the states that a load tells apart; "" is all others.
func settled(s model.TaskStatus) model.TaskStatus {
	if s == model.TaskRunning || s == model.TaskStopped {
		return s
	}
	return ""
}

// waiting is a task that waits before or after a change.
func waiting(old, updated *model.Task) []string {
	for _, t := range []*model.Task{old, updated} {
		if t != nil && placement.Waiting(t) {
			return []string{t.ARN}
		}
	}
	return nil
}

// gone is when all has to be looked at: nobody can name a definition before it
// is there, and what they say does not change.
func gone(_, updated *model.TaskDefinition) []string {
	if updated == nil {
		return []string{store.Everything}
	}
	return nil
}

// Of is a cluster at a view.
func (k *Keeper) Of(view *store.View, cluster string) placement.Facts {
	k.to(view)
	c, _ := state.Clusters.Get(view, cluster)
	f := k.facts()
	f.Default = c.DefaultStrategy
	f.Instances = slices.Collect(state.Instances.Each(view, "cluster", cluster))
	f.Slices = slices.Collect(state.Instances.Each(view, "slices", cluster))
	f.Known = &placement.Known{Loads: make(map[string]*placement.Load, len(f.Instances)+len(f.Slices)), Asks: k.lines[cluster], On: k.on}
	for _, i := range slices.Concat(f.Instances, f.Slices) {
		if l, ok := k.loads.Part(i.ARN); ok {
			f.Known.Loads[i.ARN] = l
		}
	}
	return f
}

// Made is how many parts have been made in all: what tests hold the cost by.
func (k *Keeper) Made() int { return k.loads.Made() + k.asks.Made() + k.zones.Made() }

// facts are what parts are made with.
func (k *Keeper) facts() placement.Facts {
	return placement.Facts{
		Definition: func(arn string) *model.TaskDefinition { return state.TaskDefinitions.Ref(k.view, arn) },
		Zone: func(subnet string) string {
			zone, _ := k.zones.Part(subnet)
			return zone
		},
	}
}

func (k *Keeper) to(view *store.View) {
	k.view = view
	if len(k.zones.To(view)) > 0 || k.asker == nil {
		k.asker = k.facts().Asker() // it remembers zones
	}
	k.tasks.To(view)
	k.loads.To(view)
	k.arrange(k.asks.To(view))
}

func (k *Keeper) load(_ store.Reader, arn string) (*placement.Load, bool) {
	tasks := k.tasks.Of(arn)
	return k.facts().LoadOf(tasks), len(tasks) > 0
}

func (k *Keeper) ask(r store.Reader, arn string) (placement.Ask, bool) {
	t := state.Tasks.Ref(r, arn)
	if t == nil || !placement.Waiting(t) {
		return placement.Ask{}, false
	}
	return k.asker.Ask(t), true
}

// on are the tasks of an instance that have not stopped.
func (k *Keeper) on(arn string) []*model.Task {
	return slices.DeleteFunc(slices.Clone(k.tasks.Of(arn)), func(t *model.Task) bool {
		return t.LastStatus == model.TaskStopped
	})
}
