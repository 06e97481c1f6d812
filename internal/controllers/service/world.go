package service

import (
	"reflect"
	"slices"
	"time"

	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/plan/rollout"
	"berth/internal/state"
	"berth/internal/store"
)

// input is what a look knows besides the state.
type input struct {
	now     time.Time
	seed    uint64 // of the ids that it draws, the same in both looks
	calling map[string]bool
	replies map[string]rollout.Reply
	refusal string
	// refusalCause is its code.
	refusalCause string
	options      rollout.Options
}

// world reads all that a decision on a service needs.
func world(r store.Reader, arn string, in input) rollout.World {
	s, _ := state.Services.Get(r, arn)
	ids := ident.Seeded(in.seed)
	w := rollout.World{
		Now: in.now, Service: s, Calling: in.calling, Replies: in.replies,
		Refusal: in.refusal, RefusalCause: in.refusalCause, Options: in.options,
		IDs:         func() string { return ids.Hex(32) },
		Revisions:   map[string]model.ServiceRevision{},
		Definitions: map[string]model.TaskDefinition{},
		Targets:     map[rollout.TargetKey]model.Target{},
		Rules:       map[string]model.ListenerRule{},
		Alarms:      map[string]model.AlarmState{},
		Draining:    map[string]bool{},
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
	tasks := slices.Collect(state.Tasks.Each(r, "service", arn))
	w.Tasks = make([]model.Task, 0, len(tasks))
	for _, t := range tasks {
		readTask(r, &w, t)
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
		cp, _ := state.CapacityProviders.Get(r, i.Provider)
		for _, id := range cp.Subnets {
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

func readTask(r store.Reader, w *rollout.World, t *model.Task) {
	w.Tasks = append(w.Tasks, *t)
	if t.LastStatus == model.TaskStopped {
		return
	}
	readDefinition(r, w, t.TaskDefinition)
	readRevision(r, w, t.Revision)
	for _, target := range state.Targets.By(r, "task", t.ARN) {
		w.Targets[rollout.TargetKey{Group: target.Group, Task: t.ARN}] = target
	}
	if t.Instance == "" {
		return
	}
	if i, ok := state.Instances.One(r, "arn", t.Instance); ok && emptying(i) {
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
	ids := ident.Seeded(in.seed + 1)
	for i, e := range p.Events {
		e.ID, e.At = ids.UUID(), in.now
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
