package supply

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/plan/placement"
)

// consider looks at one instance: has it joined, has it idled too long. needed
// says that waiting tasks are counted on it.
func (w *World) consider(p *Plan, i *model.Instance, needed bool) {
	if i.Status == "" || i.Status == model.ContainerInstanceRegistering {
		w.joining(p, i)
		return
	}
	if w.load(i).Tasks > 0 || needed && i.Goal == model.GoalRun {
		if !i.IdleAt.IsZero() {
			p.Idle = append(p.Idle, Idle{Instance: i.ID, Why: "kept: it has a task, or one is meant for it"})
		}
		return
	}
	since, why := i.IdleAt, "its last task stopped"
	wait, ever := w.idleWait()
	if since.IsZero() {
		since = w.Now
		kept := fmt.Sprintf("it has no task: it goes in %s unless one comes", wait)
		if !ever && i.Goal == model.GoalRun {
			since, kept = Never, "kept although it has no task: scaleInAfter is -1"
		}
		p.Idle = append(p.Idle, Idle{i.ID, since, kept})
	}
	if i.Goal == model.GoalDrain {
		// Draining takes what idling would have kept (facts §1.4).
		since, wait, ever, why = latest(i.GoalAt, sane(since)), min(wait, IdleWait), true, "it was drained"
		if _, on := w.idleWait(); !on {
			wait = IdleWait
		}
	}
	if !ever || since.Equal(Never) {
		return
	}
	if due := since.Add(wait); w.Now.Before(due) {
		p.again(due.Sub(w.Now))
		return
	}
	if i.Goal == model.GoalRun && w.kept < w.Retries {
		w.kept++
		return
	}
	p.Changes = append(p.Changes, Change{
		Instance: i.ID, Goal: model.GoalTerminate, Empty: true,
		Why: fmt.Sprintf("idle for %s since %s", w.Now.Sub(since).Round(time.Second), why),
	})
}

func sane(t time.Time) time.Time {
	if t.Equal(Never) {
		return time.Time{}
	}
	return t
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// joining gives up on an instance whose agent does not register.
func (w *World) joining(p *Plan, i *model.Instance) {
	if i.Goal == model.GoalDrain {
		p.change(i.ID, model.GoalTerminate, "drained before it had registered")
		return
	}
	if due := born(i).Add(Join); w.Now.Before(due) {
		p.again(due.Sub(w.Now))
		return
	}
	p.Changes = append(p.Changes, Change{Instance: i.ID, Goal: model.GoalTerminate, Failure: true,
		Why: fmt.Sprintf("its agent did not register within %s", Join)})
}

// refresh drains the oldest instance that is past its 14 days, one at a time
// for each provider, and ends those past their 21 days.
func (w *World) refresh(p *Plan) {
	own := slices.Clone(w.own())
	slices.SortFunc(own, func(a, b *model.Instance) int {
		if c := born(a).Compare(born(b)); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	draining := w.draining(p)
	for _, i := range own {
		age := w.Now.Sub(born(i))
		switch {
		case p.changes(i.ID):
		case age >= Lifetime:
			p.change(i.ID, model.GoalTerminate, "its lifetime of 21 days is over")
		case age < Refresh:
			p.again(Refresh - age)
		case i.Goal == model.GoalRun && !draining:
			p.change(i.ID, model.GoalDrain, "instance refresh: it is 14 days old")
			draining = true
			p.again(Lifetime - age)
		default:
			p.again(Lifetime - age)
		}
	}
}

// draining reports whether one of the provider's instances is on its way out,
// with tasks that still have to move.
func (w *World) draining(p *Plan) bool {
	return slices.ContainsFunc(w.own(), func(i *model.Instance) bool {
		return i.Goal == model.GoalDrain && !p.changes(i.ID)
	}) || slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Goal == model.GoalDrain })
}

// consolidate drains one instance whose tasks would fit on the others, once
// nothing has started or stopped on it for the idle wait: never on Spot, never
// with a task that belongs to no service, never two at a time, and not while
// tasks wait or one of its services is being deployed (facts §4.4).
func (w *World) consolidate(p *Plan, needed map[string]bool) {
	wait, ever := w.idleWait()
	if !ever || w.Provider.CapacityOption == "SPOT" || w.Provider.Status != model.ProviderActive || len(p.Buy) > 0 || w.unsettled() ||
		w.draining(p) {
		return
	}
	trials := 0
	var nodes []placement.Node
	for _, i := range w.emptiest() {
		if w.load(i).Tasks == 0 || p.changes(i.ID) || i.Goal != model.GoalRun || needed[i.ID] || !w.movable(i) {
			continue
		}
		if due := w.touched(i).Add(max(wait, IdleWait)); w.Now.Before(due) {
			p.again(due.Sub(w.Now))
			continue
		}
		if trials++; trials > mostTrials {
			return
		}
		if nodes == nil {
			nodes = w.Facts.Now()
		}
		tasks := w.tasksOn(i)
		if !w.fitElsewhere(i, tasks, nodes) {
			continue
		}
		p.change(i.ID, model.GoalDrain, fmt.Sprintf("underutilized: %s would fit on the other instances", plural(len(tasks), "task")))
		return
	}
	w.rightsize(p, needed)
}

// worthwhile is the part of an instance's price that the right size for its
// tasks may cost at most, for the exchange to be made.
const worthwhile = 0.7

// rightsize drains one instance that is much dearer than what would be bought
// for its tasks today, under the conditions of consolidate. What is bought for
// them then is what was compared with, so that the exchange is made once.
func (w *World) rightsize(p *Plan, needed map[string]bool) {
	wait, _ := w.idleWait()
	var m *market
	trials := 0
	for _, i := range w.emptiest() {
		if w.load(i).Tasks == 0 || i.Goal != model.GoalRun || needed[i.ID] || w.lacking.zone(i.AvailabilityZone) || !w.movable(i) ||
			w.Now.Before(w.touched(i).Add(max(wait, IdleWait))) {
			continue
		}
		if trials++; trials > mostTrials {
			return
		}
		if m == nil {
			m = w.market()
		}
		tasks := w.tasksOn(i)
		t, ok := catalog.Lookup(i.Type)
		size, cost := w.priced(m, i, tasks)
		if ok && size != "" && cost <= worthwhile*w.cost(t) {
			p.change(
				i.ID, model.GoalDrain,
				fmt.Sprintf("underutilized: %s would fit on %s at $%.4f an hour instead of $%.4f", plural(len(tasks), "task"), size, cost, w.cost(t)),
			)
			return
		}
	}
}

// priced is what the tasks of an instance would be given in its zone today.
func (w *World) priced(m *market, i *model.Instance, tasks []*model.Task) (size string, cost float64) {
	asks := w.leaving(tasks)
	for k := range asks {
		if asks[k].Impossible != "" || !m.holds(i.AvailabilityZone, &asks[k]) {
			return "", 0
		}
	}
	var sizes []string
	for _, b := range m.pack(i.AvailabilityZone, asks) {
		sizes = append(sizes, b.offer.Name)
		cost += b.offer.cost
	}
	return strings.Join(sizes, " and "), cost
}

// mostTrials bounds how many instances are tried in one pass: each trial
// places the tasks of one on all the others. The emptiest come first, so that
// one that fits nowhere means little hope for the fuller ones.
const mostTrials = 8

// unsettled reports whether any task of the cluster still waits for a place,
// or an instance is still coming.
func (w *World) unsettled() bool {
	return len(w.known.Asks) > 0 ||
		slices.ContainsFunc(w.own(), func(i *model.Instance) bool { return i.Status != model.ContainerInstanceActive || !i.Connected })
}

// emptiest orders instances by how little they carry.
func (w *World) emptiest() []*model.Instance {
	own := slices.Clone(w.own())
	count := map[string]int{}
	for _, i := range own {
		count[i.ID] = w.load(i).Tasks
	}
	slices.SortStableFunc(own, func(a, b *model.Instance) int { return count[a.ID] - count[b.ID] })
	return own
}

// movable reports whether all tasks of an instance run, and belong to services
// that are not being deployed.
func (w *World) movable(i *model.Instance) bool {
	return w.load(i).Steady && !slices.ContainsFunc(w.tasksOn(i), func(t *model.Task) bool { return w.Rolling[t.Service] })
}

// fitElsewhere asks placement whether the tasks of an instance fit on
// the others, that instance being gone.
func (w *World) fitElsewhere(i *model.Instance, tasks []*model.Task, nodes []placement.Node) bool {
	service := map[string]string{}
	for _, t := range tasks {
		service[t.ARN] = t.Service
	}
	asks := w.leaving(tasks)
	for k := range asks {
		if w.Spread[service[asks[k].Task]] {
			asks[k].Subnets = map[string]string{i.AvailabilityZone: i.Subnet}
		}
	}
	others := slices.DeleteFunc(slices.Clone(nodes), func(n placement.Node) bool { return n.ID == i.ID })
	_, left := placement.Try(others, asks)
	return len(left) == 0
}

// leaving are the tasks of an instance as though they waited.
func (w *World) leaving(tasks []*model.Task) []placement.Ask {
	f := w.Facts
	f.Known, f.Tasks = nil, make([]*model.Task, len(tasks))
	for k, t := range tasks {
		left := *t // the record is everybody's
		left.Instance, left.LastStatus = "", model.TaskProvisioning
		f.Tasks[k] = &left
	}
	return f.Asks()
}

// touched is when a task last started or stopped on an instance.
func (w *World) touched(i *model.Instance) time.Time {
	l := w.load(i)
	return latest(latest(i.RegisteredAt, born(i)), latest(l.Touched, l.Stopped))
}
