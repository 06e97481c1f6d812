// Package traffic makes load balancers serve as is desired: it hands the data plane
// its whole configuration, writes back what the data plane reports (health of
// targets, load balancers that serve, listeners in trouble), registers and
// deregisters the targets of ECS tasks, and so moves tasks from ACTIVATING to
// RUNNING and from RUNNING by DEACTIVATING to STOPPING.
//
// Keys: "edge" is the data plane as a whole; "service|ARN" is all tasks of a
// service, so that its events count them together; "task|ARN" is a task
// without a service; "figures" is the minute's metrics. The controller holds
// the last counters, and what it derived from the records and the report that
// it saw last, so that a look costs what has changed; it decides nothing about
// weights or how many tasks there should be.
package traffic

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/internal/balancer"
	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

const name = "controllers/traffic"

// Keys of the controller that do not name a record. KeyEdge is to be woken when the
// data plane has a new report.
const (
	KeyEdge    = "edge"
	keyFigures = "figures"
)

// Edge is the data plane as this controller needs it.
type Edge interface {
	// Set says what should be served; it does not wait.
	Set(c balancer.Config)
	// Report returns the newest report; ok is false while the data plane
	// does not answer. current is whether it was made under the configuration
	// that was Set last.
	Report() (r balancer.Report, current, ok bool)
}

// Deps are what the controller needs.
type Deps struct {
	DB     *state.DB
	Edge   Edge
	Access control.Access
	IDs    *ident.Source
	Log    *slog.Logger
	// HostAddress is where listeners also listen on the host; "" is nowhere.
	HostAddress string
	// Published are more addresses of the host, where public load balancers
	// answer to whom their security groups let in.
	Published []string
	// Metrics takes the figures of each minute; nil is nobody. It needs Jobs
	// and an Edge that is a Counter.
	Metrics Metrics
	Jobs    control.Jobs
}

// Controller moves targets and keeps the data plane as the state says.
type Controller struct {
	Deps
	last      figures
	plane     *plane
	byService *store.Grouped[model.Task]
}

var (
	_ control.Controller = (*Controller)(nil)
	_ control.Starter    = (*Controller)(nil)
)

// New makes the controller.
func New(d Deps) *Controller {
	l := &Controller{Deps: d}
	if d.DB != nil {
		l.plane = newPlane(d.DB.DB, d.HostAddress, d.Published)
		l.byService = store.NewGrouped(d.DB.DB, state.Tasks, func(t *model.Task) string { return t.Service })
	}
	return l
}

// Name implements control.Controller.
func (l *Controller) Name() string { return name }

// Start implements control.Starter.
func (l *Controller) Start(store.Reader) []string { return []string{KeyEdge, keyFigures} }

// Wake implements control.Controller.
func (l *Controller) Wake() store.Rules {
	return store.Rules{
		always(state.LoadBalancers), always(state.Listeners), always(state.ListenerRules), always(state.TargetGroups), always(state.Targets),
		always(state.SecurityGroups), // whom published load balancers let in
		store.OnAny(state.NetworkInterfaces, KeyEdge, func(n *model.NetworkInterface) string {
			if n.Kind != "loadbalancer" {
				return ""
			}
			return KeyEdge
		}),
		// An instance may be a target as soon as it has an address.
		store.On(state.Instances, KeyEdge, func(old, n *model.Instance) []string {
			if addressOf(old) == addressOf(n) {
				return nil
			}
			return []string{KeyEdge}
		}),
		store.On(state.Tasks, "the task's service, or the task", func(_, t *model.Task) []string {
			if t == nil || !concerns(t) {
				return nil
			}
			return []string{keyOf(*t)}
		}),
	}
}

func always[T any](t *store.Table[T]) store.Rule {
	return store.OnAny(t, KeyEdge, func(*T) string { return KeyEdge })
}

func addressOf(i *model.Instance) string {
	if i == nil {
		return ""
	}
	return i.PrivateIP
}

func keyOf(t model.Task) string {
	if t.Service != "" {
		return "service|" + t.Service
	}
	return "task|" + t.ARN
}

// concerns reports whether a task is at a point where this controller moves it.
func concerns(t *model.Task) bool {
	switch t.LastStatus {
	case model.TaskActivating, model.TaskDeactivating:
		return true
	case model.TaskPending, model.TaskRunning:
		return t.DesiredStatus == model.TaskStopped
	default:
		return false
	}
}

// Reconcile implements control.Controller.
func (l *Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	kind, arn, _ := strings.Cut(r.Key, "|")
	switch kind {
	case KeyEdge:
		return l.edge(ctx, r.Now)
	case keyFigures:
		return l.figures(ctx, r.Now)
	case "service":
		var ts []model.Task
		for _, t := range l.tasksOf(arn) {
			if concerns(t) {
				ts = append(ts, *t)
			}
		}
		return l.tasks(ctx, r.Now, arn, ts)
	default:
		t, _ := state.Tasks.Get(l.DB.View(), arn)
		return l.tasks(ctx, r.Now, "", []model.Task{t})
	}
}

// tasksOf are the tasks of a service. They are only read.
func (l *Controller) tasksOf(service string) []*model.Task {
	l.byService.To(l.DB.View())
	return l.byService.Of(service)
}

// edge configures the data plane and writes down what it reports.
func (l *Controller) edge(ctx context.Context, now time.Time) (control.Result, error) {
	view := l.DB.View()
	if l.plane.configure(view) {
		l.Edge.Set(l.plane.config.now)
	}
	rep, current, ok := l.Edge.Report()
	f := facts{now: now, known: ok, current: current, report: rep, plane: l.plane}
	changed := f.look(view)
	if changed {
		if err := l.DB.Update(ctx, name, f.write); err != nil {
			l.plane.forget()
			return control.Result{}, err
		}
	}
	return control.Result{After: f.next}, l.leave(ctx, view, &f)
}

// facts are what a report says that the state does not know yet.
type facts struct {
	now     time.Time
	known   bool // the data plane answers
	current bool // the report was made under the newest configuration
	report  balancer.Report
	plane   *plane

	next      time.Duration // until the next draining ends
	ended     []string      // keys of targets whose draining is over
	health    map[string]balancer.TargetReport
	active    []string                           // load balancers that serve now
	homeless  []string                           // load balancers without an address of the host
	listeners map[string]balancer.ListenerReport // by ARN
	served    map[string]int64                   // changes of rules that are in force now, by ARN
}

// look compares; it reports whether there is anything to write.
func (f *facts) look(r *store.View) bool {
	f.health, f.listeners = map[string]balancer.TargetReport{}, map[string]balancer.ListenerReport{}
	for key := range f.plane.news(r, f.report.Targets) {
		f.target(r, key)
	}
	f.drains(r)
	f.addresses(r)
	if f.known {
		f.balancers(r)
	}
	if f.known && f.current {
		f.rules(r)
	}
	return len(f.ended)+len(f.health)+len(f.active)+len(f.homeless)+len(f.listeners)+len(f.served) > 0
}

func usedGroups(r store.Reader) map[string]bool {
	used := map[string]bool{}
	for rule := range state.ListenerRules.Every(r) {
		for _, x := range rule.Actions {
			for _, t := range x.Targets {
				used[t.TargetGroupARN] = true
			}
		}
	}
	return used
}

// of finds what is reported of a registration.
func (f *facts) of(t model.Target) (rep balancer.TargetReport, ok bool) {
	rep, ok = f.plane.reports[reportKey{t.Group, t.ID, int(t.Port)}]
	return rep, ok && rep.Since.Equal(t.RegisteredAt)
}

// heard is whether the data plane sends nothing new to a draining target, or
// does not answer: until then the target has to live, however short its delay.
func (f *facts) heard(t model.Target) bool {
	rep, ok := f.of(t)
	return !f.known || f.current || ok && rep.State == string(model.TargetDraining)
}

// drains ends what has drained, and says when to look at the rest again.
func (f *facts) drains(r store.Reader) {
	var used map[string]bool
	for key, t := range f.plane.draining.Parts() {
		if used == nil {
			used = usedGroups(r)
		}
		left := t.DrainingAt.Add(drainDelay(r, t.Group)).Sub(f.now)
		switch heard := f.heard(t); {
		case heard && (left <= 0 || !used[t.Group]):
			f.ended = append(f.ended, key)
			delete(f.health, key)
			continue
		case !heard:
			left = max(left, lookAgain) // its report comes sooner
		}
		if f.next == 0 || left < f.next {
			f.next = left
		}
	}
}

// target compares what is reported of a target with what is known.
func (f *facts) target(r store.Reader, key string) {
	t, ok := state.Targets.Get(r, key)
	if !ok {
		return
	}
	rep, ok := f.of(t)
	if ok && (model.TargetState(rep.State) != t.State || rep.Reason != t.Reason || rep.Description != t.Description) {
		f.health[key] = rep
	}
}

// drainDelay is how long a group's targets may finish what they have.
func drainDelay(r store.Reader, group string) time.Duration {
	g, _ := state.TargetGroups.Get(r, group)
	return attributes(g.Attributes).seconds("deregistration_delay.timeout_seconds", 300)
}

func (f *facts) balancers(r store.Reader) {
	for lb := range state.LoadBalancers.Every(r) {
		served := slices.Contains(f.report.LoadBalancers, lb.ARN)
		if lb.State == model.LoadBalancerProvisioning && served && len(Nodes(r, *lb)) == len(lb.Subnets) {
			f.active = append(f.active, lb.ARN)
		}
	}
	for _, x := range f.report.Listeners {
		if l := state.Listeners.Ref(r, x.ID); l != nil && (l.Trouble != x.Trouble || l.AnswersOn != int64(x.AnswersOn)) {
			f.listeners[x.ID] = x
		}
	}
}

// rules finds those that came into force with the configuration.
func (f *facts) rules(r store.Reader) {
	f.served = map[string]int64{}
	for x := range state.ListenerRules.Every(r) {
		if !x.InForce() {
			f.served[x.ARN] = x.Changes
		}
	}
}

func (f *facts) write(tx *store.Tx) error {
	for _, arn := range slices.Sorted(maps.Keys(f.served)) {
		err := state.ListenerRules.Edit(tx, arn, func(x *model.ListenerRule) error { x.Served = f.served[arn]; return nil })
		if err != nil && !fault.Is(err, fault.NotFound) { // a rule may have gone since the look
			return err
		}
	}
	for _, key := range f.ended {
		if err := state.Targets.Delete(tx, key); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f.health)) {
		rep := f.health[key]
		if t, ok := state.Targets.Get(tx, key); !ok || !rep.Since.Equal(t.RegisteredAt) {
			continue
		}
		if err := f.writeHealth(tx, key, rep); err != nil {
			return err
		}
	}
	for _, arn := range f.active {
		if err := f.activate(tx, arn); err != nil {
			return err
		}
	}
	if err := f.settle(tx); err != nil {
		return err
	}
	for _, arn := range slices.Sorted(maps.Keys(f.listeners)) {
		l, ok := state.Listeners.Get(tx, arn)
		if !ok {
			continue
		}
		x := f.listeners[arn]
		if err := state.Listeners.Edit(tx, l.ARN, func(l *model.Listener) error {
			l.Trouble, l.AnswersOn = x.Trouble, int64(x.AnswersOn)
			return nil
		}); err != nil {
			return err
		}
		if x.Trouble != "" {
			if err := state.Note(tx, f.now, model.Decision{By: name, Subject: l.ARN, Verb: "trouble", Reason: x.Trouble}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *facts) writeHealth(tx *store.Tx, key string, rep balancer.TargetReport) error {
	return state.Targets.Edit(tx, key, func(t *model.Target) error {
		was := t.State
		t.State, t.Reason, t.Description, t.StateAt = model.TargetState(rep.State), rep.Reason, rep.Description, f.now
		if was == t.State {
			return nil
		}
		why := string(t.State)
		if t.Description != "" {
			why += ": " + t.Description
		}
		subject := t.Task
		if subject == "" {
			subject = t.Group
		}
		return state.Note(tx, f.now, model.Decision{
			By: name, Subject: subject, Verb: "state", Reason: "target " + t.ID + " is " + why,
			Facts: map[string]string{"target_group": t.Group, "target": key, "reason": t.Reason},
		})
	})
}

func (f *facts) activate(tx *store.Tx, arn string) error {
	lb, ok := state.LoadBalancers.Get(tx, arn)
	if !ok || lb.State != model.LoadBalancerProvisioning {
		return nil
	}
	if err := state.LoadBalancers.Edit(tx, arn, func(l *model.LoadBalancer) error {
		l.State = model.LoadBalancerActive
		return nil
	}); err != nil {
		return err
	}
	return state.Note(tx, f.now, model.Decision{
		By: name, Subject: arn, Verb: "state", Reason: "the load balancer is active: its interfaces are there and the data plane serves it",
	})
}
