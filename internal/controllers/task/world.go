package task

import (
	"fmt"
	"slices"
	"time"

	"berth/internal/control"
	"berth/internal/model"
	"berth/internal/plan/placement"
	"berth/internal/state"
	"berth/internal/store"
)

// world is one cluster at one moment.
type world struct {
	now     time.Time
	cluster string
	facts   placement.Facts
	// asks are of the tasks that wait; dropped are the tasks that were told to
	// stop before they were placed.
	asks    []placement.Ask
	dropped []*model.Task
	// slices are those that tasks of Fargate get.
	slices []placement.Slice
	view   store.Reader
}

// look reads a cluster.
func (l Controller) look(view *store.View, r control.Request) *world {
	w := &world{now: r.Now, cluster: r.Key, view: view, facts: l.facts.Of(view, r.Key)}
	w.dropped = slices.Collect(state.Tasks.Each(view, "dropped", r.Key))
	w.slices, w.asks = w.facts.Apart(w.facts.Asks())
	return w
}

// move takes a waiting task out of the world of the living.
type move struct{ task, code, reason string }

// cancelled are the tasks that were told to stop before they were placed.
func (w *world) cancelled() []move {
	var out []move
	for _, t := range w.dropped {
		out = append(out, move{task: t.ARN})
	}
	return out
}

// giveUp are the tasks without a service that have waited for capacity too
// long, and when the next one will have.
func (w *world) giveUp(plan placement.Plan) (out []move, after time.Duration) {
	for _, r := range plan.Refused {
		t := w.asks[r.Ask].Record
		if t.Service != "" {
			continue
		}
		wait := t.CreatedAt.Add(waitLimit).Sub(w.now)
		if wait > 0 && !w.asks[r.Ask].EC2 { // for which nothing is bought
			after = sooner(after, wait)
			continue
		}
		out = append(out, move{task: r.Task, code: "TaskFailedToStart", reason: r.Code})
	}
	return out, after
}

func ended(t model.Task) bool {
	return !t.LastStatus.Before(model.TaskDeprovisioning)
}

// explain adds to a refusal what is on its way, so that explain can say that
// waiting is enough.
func (w *world) explain(plan placement.Plan) {
	coming := map[string]int{}
	for _, i := range w.facts.Instances {
		if i.Goal == model.GoalRun && i.State != model.InstanceTerminated && i.State != model.InstanceShuttingDown &&
			i.Status != model.ContainerInstanceActive {
			coming[i.CapacityProvider]++
		}
	}
	told := map[*placement.Reason]bool{}
	for _, r := range plan.Refused {
		if n := coming[r.Provider]; n > 0 && !told[r.Reason] {
			told[r.Reason] = true
			r.Why += fmt.Sprintf("; %d on the way", n)
		}
	}
}

// news are the refusals that their tasks have not been told of. Most tasks know
// the same reason, and are refused for the same.
func (w *world) news(refused []placement.Refused, coarse bool) []placement.Refused {
	type pair struct {
		known string
		now   *placement.Reason
	}
	var last pair
	var old bool
	return slices.DeleteFunc(refused, func(r placement.Refused) bool {
		t := w.asks[r.Ask].Record
		if p := (pair{t.Refusal, r.Reason}); p != last {
			last, old = p, told(t, r, coarse)
		}
		return old
	})
}

// event is a line for a service.
type event struct{ service, message, id string }

// events are the reasons that services are told, once a task of theirs has
// waited long enough, and when the next one will have.
func (w *world) events(plan placement.Plan) ([]event, time.Duration) {
	var out []event
	var after time.Duration
	told := map[string]bool{}
	for _, r := range plan.Refused {
		t := w.asks[r.Ask].Record
		if wait := t.CreatedAt.Add(patience).Sub(w.now); wait > 0 && !w.asks[r.Ask].EC2 {
			if after == 0 || wait < after {
				after = wait
			}
			continue
		}
		s, ok := state.Services.Get(w.view, t.Service)
		if !ok || told[s.ARN] {
			continue
		}
		told[s.ARN] = true
		message := "(service " + s.Name + ") was unable to place a task because " + r.Event
		if !said(s, message) {
			out = append(out, event{service: s.ARN, message: message})
		}
	}
	return out, after
}

// said reports whether the service has been told, with nothing placed since.
func said(s model.Service, message string) bool {
	for _, e := range s.Events {
		if e.Message == message {
			return true
		}
		if e.Cause.Code == model.CauseStarted {
			return false
		}
	}
	return false
}
