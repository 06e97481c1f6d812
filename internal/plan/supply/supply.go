// Package supply answers which instances should exist: what to buy for the
// tasks that wait, which instances have idled long enough to go, which are too
// old, which have failed to join. It is pure: a world and its now go in, a
// plan with reasons comes out; asking again in the world that the plan made
// gives nothing new.
//
// It chooses no instance for a task. For that it asks plan/placement "would it
// fit if…?", with instances that are on their way counted as though they were
// there, so that nothing is bought twice. One world is one capacity provider.
// It is called by controllers/capacity and by what-if questions.
package supply

import (
	"slices"
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/plan/placement"
)

// Times of the service. AWS publishes only the 14 and 21 days
// (docs/facts/managed-instances.md MI115); the others are ours, within what was seen.
const (
	// IdleWait is how long an instance idles when the provider does not say:
	// instances on AWS began to shut down some 70 s after their last task.
	IdleWait = 75 * time.Second
	// Refresh is the age at which an instance is drained.
	Refresh = 14 * 24 * time.Hour
	// Lifetime is the age at which it is ended, whatever runs on it.
	Lifetime = 21 * 24 * time.Hour
	// Join is how long an instance may take to register.
	Join = 30 * time.Minute
	// Backoff is how long no instance is bought after a refused launch; in the
	// same zone, if it was the zone that had no capacity.
	Backoff = 5 * time.Minute
	// Shun is how long a type that a zone did not have is not bought there
	// while another will do.
	Shun = 30 * time.Minute
	// Batch is how long the newest task may wait for company before capacity
	// is bought, and BatchMost how long the oldest may.
	Batch     = time.Second
	BatchMost = 5 * time.Second
)

// Never is the idle time of an instance that became idle while scale-in was
// off: a later change of the provider does not reclaim it (facts §1.4).
var Never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Subnet is one of the provider's subnets that exist.
type Subnet struct{ ID, Zone string }

// World is one capacity provider and its cluster at one moment.
type World struct {
	Now      time.Time
	Region   string
	Provider model.CapacityProvider
	// Subnets are those of the provider that exist, in its order.
	Subnets []Subnet
	Facts   placement.Facts
	// Architectures are those that hosts can run (x86_64, arm64); none is any.
	Architectures []string
	// MostVCPU and MostMemoryMiB are the largest instance that a host can
	// hold; 0 is no limit.
	MostVCPU, MostMemoryMiB int64
	// Rolling names the services (by ARN) that are being deployed; their
	// instances are not consolidated.
	Rolling map[string]bool
	// Spread names the services (by ARN) whose balance over zones is kept:
	// their tasks are consolidated within their zone only. AWS lets the
	// balance go and repairs it afterwards; with instances of one size that
	// would never come to rest.
	Spread map[string]bool

	// Retries is how many services will try again to start tasks on the
	// provider's instances after tries that failed: as many idle instances are
	// kept for them, since buying one for each try would cure nothing.
	Retries int

	// Markets remember what can be bought from one look to the next; nil works
	// it out.
	Markets *Markets

	known   *placement.Known
	mine    []*model.Instance
	kept    int // for Retries
	lacking lack
}

// Purchase is an instance to be bought.
type Purchase struct {
	Type     catalog.Type
	Zone     string
	Subnet   string
	Expected model.Resources
	Tasks    []string // those it is bought for
	Why      string
}

// Change is a new goal for an instance.
type Change struct {
	Instance string
	Goal     model.Goal // DRAIN, TERMINATE
	Why      string
	// Failure is set when the instance never joined.
	Failure bool
	// Empty says that the change stands only while the instance has no task.
	Empty bool
}

// Idle says since when an instance has no task; the zero time clears it.
type Idle struct {
	Instance string
	Since    time.Time
	Why      string
}

// Shortage is a task for which nothing can be bought.
type Shortage struct {
	Task, Why string
	Lacks     string // what nothing has, of model's Lacks constants; "" if it is none of them
}

// Plan is the answer.
type Plan struct {
	Buy     []Purchase
	Changes []Change
	Idle    []Idle
	Short   []Shortage
	// Next is when to ask again if nothing changes; 0 is never.
	Next time.Duration
}

// Decide works out the plan for a world.
func Decide(w World) Plan {
	w.known = w.Facts.Learn()
	w.Facts.Known = w.known
	w.mine, w.lacking = w.find(), w.lack()
	var p Plan
	needed := w.purchases(&p)
	for _, i := range w.own() {
		w.consider(&p, i, needed[i.ID])
	}
	w.refresh(&p)
	w.consolidate(&p, needed)
	return p
}

// own are the provider's instances that have not ended, by id. Callers that
// sort take a copy.
func (w *World) own() []*model.Instance { return w.mine }

func (w *World) find() []*model.Instance {
	var out []*model.Instance
	for _, i := range w.Facts.Instances {
		if i.CapacityProvider == w.Provider.Name && alive(i) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b *model.Instance) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func alive(i *model.Instance) bool {
	return i.Goal != model.GoalTerminate && i.State != model.InstanceTerminated && i.State != model.InstanceShuttingDown
}

// again asks for another look after d.
func (p *Plan) again(d time.Duration) {
	if d > 0 && (p.Next == 0 || d < p.Next) {
		p.Next = d
	}
}

func (p *Plan) change(instance string, goal model.Goal, why string) {
	p.Changes = append(p.Changes, Change{Instance: instance, Goal: goal, Why: why})
}

func (p *Plan) changes(instance string) bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Instance == instance })
}

// load is what an instance carries.
func (w *World) load(i *model.Instance) *placement.Load { return w.known.Load(i.ARN) }

// tasksOn are the tasks of an instance that have not stopped.
func (w *World) tasksOn(i *model.Instance) []*model.Task { return w.known.On(i.ARN) }

// born is when an instance's age begins.
func born(i *model.Instance) time.Time {
	if i.LaunchedAt.IsZero() {
		return i.WantedAt
	}
	return i.LaunchedAt
}

// idleWait is how long idle instances are kept; false is for ever.
func (w *World) idleWait() (time.Duration, bool) {
	s := w.Provider.ScaleInAfter
	switch {
	case s == nil:
		return IdleWait, true
	case *s < 0:
		return 0, false
	}
	return time.Duration(*s) * time.Second, true
}

// candidates are the types that the provider may buy and hosts can hold.
func (w *World) candidates() []catalog.Type {
	var match []catalog.Type
	if w.Provider.Requirements == nil {
		match = catalog.General(w.Region, w.Provider.CapacityOption)
	} else {
		match = catalog.MatchFor(w.Region, *w.Provider.Requirements, w.Provider.CapacityOption)
	}
	return slices.DeleteFunc(match, func(t catalog.Type) bool {
		return !t.Runs(w.Architectures...) || w.MostVCPU > 0 && t.VCPU > w.MostVCPU || w.MostMemoryMiB > 0 && t.MemoryMiB > w.MostMemoryMiB
	})
}

// cost falls back to a rough figure by size where no price is known, so that
// such types are still told apart by size.
func (w *World) cost(t catalog.Type) float64 {
	price := catalog.HourlyCost(w.Region, t.Name, w.Provider.CapacityOption)
	if price == 0 {
		return float64(t.VCPU)*0.05 + float64(t.MemoryMiB)/1024*0.005
	}
	p, _ := catalog.PriceOf(w.Region, t.Name)
	return price + p.Fee
}

// Facts are placement's facts of a cluster, which a World holds.
type Facts = placement.Facts

// Waiting reports whether a task is to be placed.
func Waiting(t *model.Task) bool { return placement.Waiting(t) }
