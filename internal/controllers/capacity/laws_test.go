package capacity_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Laws, whatever is asked for and whatever dies: no instance ever carries more
// than it has; never two of a provider's instances are drained at once; in the
// end every task that is desired runs, and no instance is left without one.
func TestInstancesFollowTasks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, nil)
		w.advance(time.Minute)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"scale", "kill", "wait"}).Draw(rt, "step") {
			case "scale":
				w.scale(rapid.IntRange(0, 30).Draw(rt, "tasks"), rapid.SampledFrom([]int64{128, 512, 1500, 3000}).Draw(rt, "memory"))
			case "kill":
				w.kill(rapid.IntRange(0, 3).Draw(rt, "which"))
			case "wait":
				w.advance(time.Duration(rapid.IntRange(1, 600).Draw(rt, "seconds")) * time.Second)
			}
			w.advance(time.Second)
			if broken := w.overcommitted(); broken != "" {
				rt.Fatal(broken)
			}
		}
		w.advance(2 * time.Hour)
		if broken := w.overcommitted() + w.unserved(); broken != "" {
			rt.Fatal(broken)
		}
	})
}

// kill ends the n-th instance that runs, as when its host dies.
func (w *world) kill(n int) {
	for _, i := range state.Instances.All(w.db.View()) {
		if i.State != model.InstanceRunning {
			continue
		}
		if n--; n >= 0 {
			continue
		}
		w.as("controllers/instance", func(tx *store.Tx) error {
			return state.Instances.Edit(tx, i.ID, func(i *model.Instance) error {
				i.State, i.Status, i.TerminatedAt = model.InstanceTerminated, model.ContainerInstanceInactive, w.clock.Now()
				return nil
			})
		})
		return
	}
}

func (w *world) overcommitted() string {
	view := w.db.View()
	draining := 0
	for _, i := range state.Instances.All(view) {
		if i.State == model.InstanceTerminated {
			continue
		}
		if i.Goal == model.GoalDrain {
			draining++
		}
		left := i.Expected
		for _, t := range state.Tasks.By(view, "instance", i.ARN) {
			if t.LastStatus != model.TaskStopped {
				left.CPU, left.Memory, left.ENIs = left.CPU-t.CPU, left.Memory-t.Memory, left.ENIs-1
			}
		}
		if left.CPU < 0 || left.Memory < 0 || left.ENIs < 0 {
			return fmt.Sprintf("%s has %+v left", i.ID, left)
		}
	}
	if draining > 1 {
		return fmt.Sprintf("%d instances are drained at once", draining)
	}
	return ""
}

func (w *world) unserved() string {
	view := w.db.View()
	busy := map[string]bool{}
	for _, t := range state.Tasks.All(view) {
		if t.DesiredStatus == model.TaskRunning && t.LastStatus != model.TaskRunning {
			return fmt.Sprintf("%s is %s: %s", t.ARN, t.LastStatus, t.Refusal)
		}
		busy[t.Instance] = busy[t.Instance] || t.LastStatus == model.TaskRunning
	}
	for _, i := range state.Instances.All(view) {
		if i.State != model.InstanceTerminated && !busy[i.ARN] {
			return i.ID + " has no task"
		}
	}
	return ""
}
