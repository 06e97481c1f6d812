package service

import (
	"reflect"
	"slices"
	"sync"
	"time"

	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/plan/rollout"
	"berth/internal/state"
	"berth/internal/store"
)

// input is what a look knows besides the state.
type input struct {
	now time.Time
	// seed is that of the ids that it draws, the same in both looks, and drawn
	// when it is first asked for.
	seed    func() uint64
	calling map[string]bool
	replies map[string]rollout.Reply
	refusal string
	// refusalCause is its code.
	refusalCause string
	options      rollout.Options
}

// finder finds the records of which a service has many. They are only read.
type finder struct {
	tasks   func(service string) []*model.Task
	targets func(task string) []*model.Target
	// leaving gives an instance if it is being emptied.
	leaving func(arn string) []*model.Instance
}

// kept is what the controller keeps of a view from one look to the next.
type kept struct {
	tasks   *store.Grouped[model.Task]
	targets *store.Grouped[model.Target]
	leaving *store.Grouped[model.Instance]
}

func keep(db *state.DB) kept {
	return kept{
		store.NewGrouped(db.DB, state.Tasks, func(t *model.Task) string { return t.Service }),
		store.NewGrouped(db.DB, state.Targets, func(t *model.Target) string { return t.Task }),
		store.NewGrouped(db.DB, state.Instances, leaving),
	}
}

// leaving is the ARN of an instance that is being emptied.
func leaving(i *model.Instance) string {
	if !emptying(i) {
		return ""
	}
	return i.ARN
}

// at finds in a view.
func (k kept) at(v *store.View) finder {
	k.tasks.To(v)
	k.targets.To(v)
	k.leaving.To(v)
	return finder{k.tasks.Of, k.targets.Of, k.leaving.Of}
}

// inside finds in a transaction.
func inside(tx *store.Tx) finder {
	return finder{
		func(service string) []*model.Task { return slices.Collect(state.Tasks.Each(tx, "service", service)) },
		func(task string) []*model.Target { return slices.Collect(state.Targets.Each(tx, "task", task)) },
		func(arn string) []*model.Instance {
			return slices.DeleteFunc(slices.Collect(state.Instances.Each(tx, "arn", arn)), func(i *model.Instance) bool { return !emptying(i) })
		},
	}
}

// world reads all that a decision on a service needs.
func world(r store.Reader, find finder, arn string, in input) rollout.World {
	s, _ := state.Services.Get(r, arn)
	ids := sync.OnceValue(func() *ident.Source { return ident.Seeded(in.seed()) })
	w := rollout.World{
		Now: in.now, Service: s, Calling: in.calling, Replies: in.replies,
		Refusal: in.refusal, RefusalCause: in.refusalCause, Options: in.options,
		IDs:         func() string { return ids().Hex(32) },
		Revisions:   map[string]model.ServiceRevision{},
		Definitions: map[string]model.TaskDefinition{},
		Targets:     map[rollout.TargetKey]model.Target{},
		Rules:       map[string]model.ListenerRule{},
		Alarms:      map[string]model.AlarmState{},
		Draining:    map[string]bool{},
		Hosts:       hosts(r, s),
	}
	for _, d := range state.ServiceDeployments.By(r, "service", arn) {
		if !d.Status.Final() {
			w.Deployments = append(w.Deployments, d)
			readRevision(r, &w, d.Target)
			readAlarms(r, &w, d)
		}
	}
	for _, o := range s.Rollouts {
		readRevision(r, &w, o.Revision)
	}
	w.Tasks = find.tasks(arn)
	var like *model.Task
	for _, t := range w.Tasks {
		if t.LastStatus != model.TaskStopped {
			readTask(r, find, &w, t, like)
			like = t
		}
	}
	if s.AZRebalancing == "ENABLED" {
		w.Zones = zones(r, s)
	}
	return w
}

// zones are those of the service's subnets in which its capacity providers
// have some too.
func zones(r store.Reader, s model.Service) map[string]string {
	strategy := s.Strategy
	if len(strategy) == 0 {
		c, _ := state.Clusters.Get(r, s.Cluster)
		strategy = c.DefaultStrategy
	}
	have := map[string]bool{}
	for _, i := range strategy {
		if model.IsFargate(i.Provider) {
			for _, id := range s.Network.Subnets { // it has all zones
				subnet, _ := state.Subnets.Get(r, id)
				have[subnet.AvailabilityZone] = true
			}
		}
		cp, _ := state.CapacityProviders.Get(r, i.Provider)
		subnets := cp.Subnets
		if cp.Group != nil {
			g, _ := state.AutoScalingGroups.Get(r, cp.Group.Name)
			subnets = g.Subnets
		}
		for _, id := range subnets {
			subnet, _ := state.Subnets.Get(r, id)
			have[subnet.AvailabilityZone] = true
		}
	}
	out := map[string]string{}
	for _, id := range s.Network.Subnets {
		if subnet, ok := state.Subnets.Get(r, id); ok && have[subnet.AvailabilityZone] {
			out[id] = subnet.AvailabilityZone
		}
	}
	return out
}

func readRevision(r store.Reader, w *rollout.World, arn string) {
	if _, ok := w.Revisions[arn]; ok {
		return
	}
	rev, ok := state.ServiceRevisions.Get(r, arn)
	if !ok {
		return
	}
	w.Revisions[arn] = rev
	readDefinition(r, w, rev.TaskDefinition)
	for _, lb := range rev.LoadBalancers {
		for _, arn := range []string{lb.ProductionListenerRule, lb.TestListenerRule} {
			if rule, ok := state.ListenerRules.Get(r, arn); ok {
				w.Rules[arn] = rule
			}
		}
	}
}

func readDefinition(r store.Reader, w *rollout.World, arn string) {
	if _, known := w.Definitions[arn]; known {
		return
	}
	if d, ok := state.TaskDefinitions.Get(r, arn); ok {
		w.Definitions[arn] = d
	}
}

func readAlarms(r store.Reader, w *rollout.World, d model.ServiceDeployment) {
	for _, n := range d.Config.Alarms {
		if a, ok := state.Alarms.Get(r, n); ok {
			w.Alarms[n] = a.State
		}
	}
}

// readTask reads what a task names; like is another that has been read, and
// mostly names the same.
func readTask(r store.Reader, find finder, w *rollout.World, t, like *model.Task) {
	if like == nil || like.TaskDefinition != t.TaskDefinition {
		readDefinition(r, w, t.TaskDefinition)
	}
	if like == nil || like.Revision != t.Revision {
		readRevision(r, w, t.Revision)
	}
	if len(t.LoadBalancers) > 0 {
		for _, target := range find.targets(t.ARN) {
			w.Targets[rollout.TargetKey{Group: target.Group, Task: t.ARN}] = *target
		}
	}
	if t.Instance != "" && len(find.leaving(t.Instance)) > 0 {
		w.Draining[t.Instance] = true
	}
}

// changes reports whether a plan has anything to write.
func changes(r store.Reader, p rollout.Plan) bool {
	if len(p.Deployments)+len(p.Revisions)+len(p.Start)+len(p.Stop)+len(p.Noted)+len(p.Proven)+len(p.Events) > 0 {
		return true
	}
	s, _ := state.Services.Get(r, p.Service.ARN)
	return !reflect.DeepEqual(s, p.Service)
}

// apply writes a plan.
func apply(tx *store.Tx, p rollout.Plan, in input) error {
	ids := sync.OnceValue(func() *ident.Source { return ident.Seeded(in.seed() + 1) })
	for i, e := range p.Events {
		e.ID, e.At = ids().UUID(), in.now
		if p.Steady && i == len(p.Events)-1 {
			// The announcement repeats itself on purpose.
			p.Service.Events = append([]model.ServiceEvent{e}, p.Service.Events...)
			p.Service.Events = p.Service.Events[:min(len(p.Service.Events), state.MaxServiceEvents)]
			continue
		}
		state.ServiceEvent(&p.Service, e)
	}
	if err := state.Services.Put(tx, p.Service); err != nil {
		return err
	}
	for _, d := range p.Deployments {
		if err := state.ServiceDeployments.Put(tx, d); err != nil {
			return err
		}
	}
	for _, r := range p.Revisions {
		if err := state.ServiceRevisions.Put(tx, r); err != nil {
			return err
		}
	}
	if err := applyTasks(tx, p, in.now); err != nil {
		return err
	}
	for _, n := range p.Notes {
		d := model.Decision{
			By: name, Subject: n.Subject, Verb: n.Verb, Reason: n.Reason, Cluster: p.Service.Cluster, Service: p.Service.Name, Facts: n.Facts,
		}
		if err := state.Note(tx, in.now, d); err != nil {
			return err
		}
	}
	return nil
}

func applyTasks(tx *store.Tx, p rollout.Plan, now time.Time) error {
	for _, t := range p.Start {
		if err := state.Tasks.Put(tx, t); err != nil {
			return err
		}
	}
	for _, s := range p.Stop {
		if err := state.Tasks.Edit(tx, s.Task, func(t *model.Task) error {
			t.DesiredStatus, t.StopCode, t.StopCause, t.StoppedReason, t.StoppingAt = model.TaskStopped, s.Code, s.Cause, s.Reason, now
			t.Version++
			return nil
		}); err != nil {
			return err
		}
	}
	for _, arn := range p.Noted {
		if err := state.Tasks.Edit(tx, arn, func(t *model.Task) error { t.Noted = true; return nil }); err != nil {
			return err
		}
	}
	for _, arn := range p.Proven {
		if err := state.Tasks.Edit(tx, arn, func(t *model.Task) error { t.Proven = true; return nil }); err != nil {
			return err
		}
	}
	return nil
}
