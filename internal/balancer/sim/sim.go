// Package sim is a data plane that carries nothing: targets become healthy
// one check after their registration unless they are broken on purpose, and
// everything follows the given clock. It stands where edge.Client stands in
// the simulator and in tests. Safe for concurrent use.
package sim

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/balancer"
	"berth/internal/clock"
)

// firstCheck is when a new target is checked first.
const firstCheck = time.Second

// Edge is the simulated data plane.
type Edge struct {
	clock  clock.Clock
	notify func()

	mu       sync.Mutex
	cfg      balancer.Config
	set      bool
	targets  map[key]*target
	order    []*target               // the same in the order of the report
	report   []balancer.TargetReport // the last, nil if it has changed; nobody writes into it
	broken   map[string]string       // by IP: the reason to give
	inFlight map[string]int          // by IP
	down     bool
	slow     bool
	late     *balancer.Config // what a slow one has not taken yet
}

type key struct {
	group, id string
	port      int
	since     int64
}

type target struct {
	key    key
	name   string // by which reports are in order
	report balancer.TargetReport
	ip     string
	group  balancer.Group
	passes int
	fails  int
	timer  *clock.Timer
}

// New makes one. notify is called after the report has changed, not under any
// lock; it may be nil.
func New(c clock.Clock, notify func()) *Edge {
	if notify == nil {
		notify = func() {}
	}
	return &Edge{clock: c, notify: notify, targets: map[key]*target{}, broken: map[string]string{}, inFlight: map[string]int{}}
}

// OnReport replaces the function that is called after a change.
func (e *Edge) OnReport(notify func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notify = notify
}

// Slow makes the data plane not take what it is given, as if it were busy;
// when that ends it takes the newest.
func (e *Edge) Slow(slow bool) {
	e.mu.Lock()
	late := e.late
	e.slow, e.late = slow, nil
	e.mu.Unlock()
	if late != nil {
		e.Set(*late)
	}
}

// Set takes a configuration; it is in force at once, unless the data plane is
// slow. An equal one changes nothing.
func (e *Edge) Set(c balancer.Config) {
	e.mu.Lock()
	if e.slow && e.set {
		e.late = &c
		e.mu.Unlock()
		return
	}
	if e.set && reflect.DeepEqual(e.cfg, c) {
		e.mu.Unlock()
		return
	}
	e.report = nil
	e.settleGroups(c)
	e.cfg, e.set = c, true
	notify := e.notify
	e.mu.Unlock()
	notify()
}

// settleGroups takes over the groups that are others than before, or are used
// otherwise.
func (e *Edge) settleGroups(c balancer.Config) {
	used, was, old := usedGroups(c), usedGroups(e.cfg), map[string]balancer.Group{}
	for _, g := range e.cfg.Groups {
		old[g.ID] = g
	}
	for _, g := range c.Groups {
		before := old[g.ID]
		delete(old, g.ID)
		if used[g.ID] == was[g.ID] && reflect.DeepEqual(before, g) {
			continue
		}
		e.settleGroup(before, g, used[g.ID])
	}
	for _, g := range old {
		e.settleGroup(g, balancer.Group{}, false)
	}
}

// settleGroup makes the targets of a group those that it has now.
func (e *Edge) settleGroup(old, g balancer.Group, used bool) {
	seen := map[key]bool{}
	for _, t := range g.Targets {
		k := keyOf(g, t)
		seen[k] = true
		e.settle(k, g, t, used)
	}
	for _, t := range old.Targets {
		if k := keyOf(old, t); !seen[k] {
			e.forget(k)
		}
	}
}

func keyOf(g balancer.Group, t balancer.Target) key {
	return key{g.ID, t.ID, t.Port, t.Since.UnixNano()}
}

func (e *Edge) forget(k key) {
	t := e.targets[k]
	if t == nil {
		return
	}
	t.stop()
	delete(e.targets, k)
	at, _ := slices.BinarySearchFunc(e.order, t, (*target).compare)
	e.order = slices.Delete(e.order, at, at+1)
}

// add puts a target into its place in the report.
func (e *Edge) add(t *target) {
	e.targets[t.key] = t
	at, _ := slices.BinarySearchFunc(e.order, t, (*target).compare)
	e.order = slices.Insert(e.order, at, t)
}

func (t *target) compare(o *target) int {
	return cmp.Or(strings.Compare(t.name, o.name), cmp.Compare(t.key.port, o.key.port), cmp.Compare(t.key.since, o.key.since))
}

func usedGroups(c balancer.Config) map[string]bool {
	used := map[string]bool{}
	for _, lb := range c.LoadBalancers {
		for _, l := range lb.Listeners {
			for _, r := range l.Rules {
				if r.Action.Forward == nil {
					continue
				}
				for _, w := range r.Action.Forward.Groups {
					used[w.Group] = true
				}
			}
		}
	}
	return used
}

func (e *Edge) settle(k key, g balancer.Group, c balancer.Target, used bool) {
	t := e.targets[k]
	if t == nil {
		t = &target{key: k, name: g.ID + c.ID, report: balancer.TargetReport{Group: g.ID, ID: c.ID, Port: c.Port, Since: c.Since}, ip: c.IP}
		e.add(t)
	}
	t.group = g
	switch {
	case c.Draining:
		t.stop()
		t.become(balancer.StateDraining, "Target.DeregistrationInProgress", "Target deregistration is in progress")
	case !used:
		t.stop()
		t.become(balancer.StateUnused, "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
	case !g.Health.Enabled:
		t.stop()
		t.become("unavailable", "Target.HealthCheckDisabled", "Health checks are disabled for this target")
	case t.report.State == "" || t.report.State == balancer.StateUnused || t.report.State == balancer.StateDraining:
		t.become(balancer.StateInitial, "Elb.RegistrationInProgress", "Target registration is in progress")
		t.passes, t.fails = 0, 0
		e.plan(k, t, firstCheck)
	}
}

func (t *target) stop() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}

func (t *target) become(state, reason, text string) {
	t.report.State, t.report.Reason, t.report.Description = state, reason, text
}

func (e *Edge) plan(k key, t *target, after time.Duration) {
	t.stop()
	t.timer = e.clock.AfterFunc(after, func() { e.check(k) })
}

// check decides one health check. A target whose state cannot change is not
// checked again until something happens to it, so that an idle simulation has
// nothing to do.
func (e *Edge) check(k key) {
	e.mu.Lock()
	t := e.targets[k]
	if t == nil || t.timer == nil {
		e.mu.Unlock()
		return
	}
	t.timer, e.report = nil, nil
	why, broken := e.broken[t.ip]
	h := t.group.Health
	if broken {
		t.passes, t.fails = 0, t.fails+1
		if t.fails >= h.Unhealthy {
			t.become(balancer.StateUnhealthy, reasonOf(why), why)
		}
	} else {
		t.fails, t.passes = 0, t.passes+1
		if t.report.State == balancer.StateInitial || t.passes >= h.Healthy {
			t.become(balancer.StateHealthy, "", "")
		}
	}
	if settled := broken && t.report.State == balancer.StateUnhealthy || !broken && t.report.State == balancer.StateHealthy; !settled {
		e.plan(k, t, h.Interval)
	}
	notify := e.notify
	e.mu.Unlock()
	notify()
}

func reasonOf(text string) string {
	switch {
	case strings.Contains(text, "codes"):
		return "Target.ResponseCodeMismatch"
	case strings.Contains(text, "timed out"):
		return "Target.Timeout"
	default:
		return "Target.FailedHealthChecks"
	}
}

// Break makes the health checks of an address fail with a description, such
// as "Health checks failed with these codes: [503]".
func (e *Edge) Break(ip, text string) { e.turn(ip, func() { e.broken[ip] = text }) }

// Heal makes the health checks of an address pass again.
func (e *Edge) Heal(ip string) { e.turn(ip, func() { delete(e.broken, ip) }) }

func (e *Edge) turn(ip string, fn func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	fn()
	for k, t := range e.targets {
		if t.ip == ip && t.timer == nil && (t.report.State == balancer.StateHealthy || t.report.State == balancer.StateUnhealthy) {
			t.passes, t.fails = 0, 0
			e.plan(k, t, t.group.Health.Interval)
		}
	}
}

// Busy says how many requests an address has in flight.
func (e *Edge) Busy(ip string, requests int) {
	e.mu.Lock()
	e.inFlight[ip], e.report = requests, nil
	notify := e.notify
	e.mu.Unlock()
	notify()
}

// Down makes the data plane not answer, as if its process had died.
func (e *Edge) Down(down bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = down
}

// Report tells every target's health; current is false while the newest
// configuration is not in force, ok before the first Set and while it is down.
func (e *Edge) Report() (r balancer.Report, current, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.set || e.down {
		return r, false, false
	}
	for _, lb := range e.cfg.LoadBalancers {
		r.LoadBalancers = append(r.LoadBalancers, lb.ID)
		for _, l := range lb.Listeners {
			r.Listeners = append(r.Listeners, balancer.ListenerReport{ID: l.ID})
		}
	}
	if e.report == nil && len(e.order) > 0 {
		e.report = make([]balancer.TargetReport, len(e.order))
		for i, t := range e.order {
			e.report[i] = t.report
			e.report[i].InFlight = e.inFlight[t.ip]
		}
	}
	r.Targets = e.report
	return r, e.late == nil || reflect.DeepEqual(*e.late, e.cfg), true
}

// Config returns the configuration in force.
func (e *Edge) Config() balancer.Config {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cfg
}
