package placement

import (
	"cmp"
	"slices"
	"time"

	"berth/internal/model"
)

// Known is what facts say of the tasks of a cluster, in parts that can be kept
// from one moment to the next: only those that changed are made again.
type Known struct {
	// Loads are what instances carry, by their ARNs; who carries nothing may
	// be left out.
	Loads map[string]*Load
	// Asks are the tasks that wait, in the order of Compare, each with the
	// provider that it has on record.
	Asks []Ask
	// On lists the tasks of an instance that have not stopped.
	On func(arn string) []*model.Task
}

// Load is what the tasks of one instance come to.
type Load struct {
	// Tasks are those that have not stopped, Need what they take, with their
	// ports, and Groups how many they are by group.
	Tasks  int
	Need   model.Resources
	Groups map[string]int
	// Wanted are those of them that are to run.
	Wanted map[Wanted]int
	// Steady says that all of them run, are to run, and belong to services.
	Steady bool
	// Touched is when one of them was last placed or started, and Stopped when
	// a task last stopped.
	Touched, Stopped time.Time
}

// Wanted is what tasks are counted by for the strategies of capacity providers.
type Wanted struct{ Group, Provider string }

// Compare orders asks: the largest first, and among equals the oldest.
func Compare(a, b Ask) int {
	return cmp.Or(cmp.Compare(b.Need.Memory, a.Need.Memory), cmp.Compare(b.Need.CPU, a.Need.CPU), older(a.Record, b.Record))
}

var none = &Load{Steady: true}

// Load is that of an instance.
func (k *Known) Load(arn string) *Load {
	if l := k.Loads[arn]; l != nil {
		return l
	}
	return none
}

// Learn is what is known of the tasks, worked out from all of them if it is not
// given.
func (f Facts) Learn() *Known {
	if f.Known != nil {
		return f.Known
	}
	k := &Known{Loads: map[string]*Load{}}
	on := map[string][]*model.Task{}
	asker := f.Asker()
	for _, t := range f.Tasks {
		if t.Instance != "" {
			on[t.Instance] = append(on[t.Instance], t)
		}
		if Waiting(t) {
			k.Asks = append(k.Asks, asker.Ask(t))
		}
	}
	for arn, tasks := range on {
		k.Loads[arn] = f.LoadOf(tasks)
	}
	slices.SortFunc(k.Asks, Compare)
	k.On = func(arn string) []*model.Task {
		return slices.DeleteFunc(slices.Clone(on[arn]), func(t *model.Task) bool { return t.LastStatus == model.TaskStopped })
	}
	return k
}

// LoadOf is what tasks come to that have one instance.
func (f Facts) LoadOf(tasks []*model.Task) *Load {
	l := &Load{Groups: map[string]int{}, Wanted: map[Wanted]int{}, Steady: true}
	for _, t := range tasks {
		if t.LastStatus == model.TaskStopped {
			l.Stopped = latest(l.Stopped, t.StoppedAt)
			continue
		}
		f.carry(l, t)
	}
	return l
}

func (f Facts) carry(l *Load, t *model.Task) {
	need, _ := f.need(t)
	l.Tasks++
	l.Need.CPU += need.CPU
	l.Need.Memory += need.Memory
	l.Need.ENIs += need.ENIs
	l.Need.Ports = append(l.Need.Ports, need.Ports...)
	l.Groups[t.Group]++
	if t.CapacityProvider != "" && t.DesiredStatus == model.TaskRunning {
		l.Wanted[Wanted{t.Group, t.CapacityProvider}]++
	}
	l.Steady = l.Steady && t.Service != "" && t.LastStatus == model.TaskRunning && t.DesiredStatus == model.TaskRunning
	l.Touched = latest(l.Touched, latest(t.PlacedAt, t.StartedAt))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
