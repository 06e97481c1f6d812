package task

import (
	"slices"
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/plan/placement"
	"berth/internal/state"
	"berth/internal/store"
)

func write(tx *store.Tx, now time.Time, moves []move, asks []placement.Ask, plan placement.Plan, events []event) error {
	for _, m := range moves {
		if err := finish(tx, now, m); err != nil {
			return err
		}
	}
	if err := assign(tx, asks); err != nil {
		return err
	}
	for _, p := range plan.Placed {
		if err := put(tx, now, p); err != nil {
			return err
		}
	}
	for _, r := range plan.Refused {
		if err := refuse(tx, now, r); err != nil {
			return err
		}
	}
	for _, e := range events {
		if err := state.Services.Edit(tx, e.service, func(s *model.Service) error {
			state.ServiceEvent(s, model.ServiceEvent{ID: e.id, At: now, Message: e.message})
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// finish moves a task to DEPROVISIONING. It may have moved since the look.
func finish(tx *store.Tx, now time.Time, m move) error {
	t, ok := state.Tasks.Get(tx, m.task)
	if !ok || ended(t) || t.Instance != "" {
		return nil
	}
	if err := state.Tasks.Edit(tx, m.task, func(t *model.Task) error {
		if t.DesiredStatus != model.TaskStopped {
			t.DesiredStatus, t.StopCode, t.StoppedReason, t.StoppingAt = model.TaskStopped, m.code, m.reason, now
		}
		t.LastStatus, t.StatusAt = model.TaskDeprovisioning, now
		t.Refusal = ""
		t.Version++
		return nil
	}); err != nil || m.reason == "" {
		return err
	}
	return state.Note(tx, now, model.Decision{
		By: name, Subject: m.task, Verb: "stopped", Reason: m.reason, Cluster: t.Cluster, Service: t.Service,
	})
}

// open are the asks whose tasks have no provider on record.
func (w *world) open() []placement.Ask {
	var out []placement.Ask
	for i := range w.asks {
		if a := &w.asks[i]; a.Provider != "" && a.Record.CapacityProvider == "" {
			out = append(out, *a)
		}
	}
	return out
}

// assign writes down the provider of every waiting task, so that supply and
// DescribeTasks read one answer.
func assign(tx *store.Tx, asks []placement.Ask) error {
	for _, a := range asks {
		t, ok := state.Tasks.Get(tx, a.Task)
		if !ok || !placement.Waiting(&t) || t.CapacityProvider != "" || a.Provider == "" {
			continue
		}
		if err := state.Tasks.Edit(tx, a.Task, func(t *model.Task) error {
			t.CapacityProvider = a.Provider
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// put writes a placement, unless the task or the instance has changed its
// mind since the look.
func put(tx *store.Tx, now time.Time, p placement.Placed) error {
	t, ok := state.Tasks.Get(tx, p.Task)
	i, there := state.Instances.Get(tx, p.Node)
	if !ok || !there || !placement.Waiting(&t) || i.Goal != model.GoalRun || i.Status != model.ContainerInstanceActive || !i.Connected {
		return nil
	}
	if err := state.Tasks.Edit(tx, p.Task, func(t *model.Task) error {
		t.Instance, t.AvailabilityZone, t.Subnet, t.PlacedAt = i.ARN, i.AvailabilityZone, p.Subnet, now
		if t.LaunchType != model.LaunchEC2 { // which has none, whatever the instance's
			t.CapacityProvider = i.CapacityProvider
		}
		t.Refusal = ""
		t.Version++
		return nil
	}); err != nil {
		return err
	}
	return state.Note(tx, now, model.Decision{
		By: name, Subject: p.Task, Verb: "placed", Reason: p.Why(), Cluster: t.Cluster, Service: t.Service,
		Facts: map[string]string{"instance": p.Node, "zone": p.Zone, "subnet": p.Subnet, "capacityProvider": i.CapacityProvider},
	})
}

// many is how many tasks may wait before their reasons are only rewritten
// when they become others: with each instance that registers, the counts of
// all change, and every rewriting wakes everybody who looks at tasks.
const many = 50

// refuse writes down why a task waits. Only the first reason is a decision:
// later ones differ in counts.
func refuse(tx *store.Tx, now time.Time, r placement.Refused) error {
	t := state.Tasks.Ref(tx, r.Task)
	if told(t, r, false) {
		return nil
	}
	if err := state.Tasks.Edit(tx, r.Task, func(t *model.Task) error {
		t.Refusal = r.Why
		return nil
	}); err != nil || t.Refusal != "" {
		return err
	}
	return state.Note(tx, now, model.Decision{
		By: name, Subject: r.Task, Verb: "refused", Reason: r.Why, Cluster: t.Cluster, Service: t.Service,
	})
}

// told reports whether a task knows a refusal, or does not wait any more.
func told(t *model.Task, r placement.Refused, coarse bool) bool {
	return t == nil || !placement.Waiting(t) || t.Refusal == r.Why || coarse && alike(t.Refusal, r.Why)
}

// alike reports whether reasons say the same but for figures, for the order in
// which they count causes, and for which resource of the instances has run out.
func alike(a, b string) bool { return slices.Equal(clauses(a), clauses(b)) }

var resources = strings.NewReplacer(
	placement.CauseCPU, placement.CauseMemory, placement.CauseENI, placement.CauseMemory,
	"0", "", "1", "", "2", "", "3", "", "4", "", "5", "", "6", "", "7", "", "8", "", "9", "",
)

// clauses are the parts of a reason as alike compares them.
func clauses(why string) []string {
	parts := strings.FieldsFunc(resources.Replace(why), func(r rune) bool { return r == ',' || r == ';' })
	slices.Sort(parts)
	return slices.Compact(parts)
}
