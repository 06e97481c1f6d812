// Package explain answers "why" from what the state has: why a task waits,
// why an instance has its type and is kept or ended, why a target is
// unhealthy, where a deployment stands. It reads one view, changes nothing,
// and finishes each answer with what to do next where there is something.
package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Answer is an explanation in sentences.
type Answer struct {
	Subject string   `json:"subject"`
	Kind    string   `json:"kind"` // task, instance, service, target, stack, endpoint, …
	Say     []string `json:"say"`
	Cure    string   `json:"cure,omitempty"`
	Log     string   `json:"log,omitempty"` // what berth logs takes, where the cure names a log
	// Routine are the lines of Say that tell of what goes as it should.
	Routine []string         `json:"routine,omitempty"`
	History []model.Decision `json:"history,omitempty"`
}

// heal sets the cure, and the log that it names.
func (a *Answer) heal(cure, log string) { a.Cure, a.Log = cure, log }

// prefer replaces the cure if there is another.
func (a *Answer) prefer(cure, log string) {
	if cure != "" {
		a.heal(cure, log)
	}
}

// offer sets the cure if there is none.
func (a *Answer) offer(cure, log string) {
	if a.Cure == "" {
		a.heal(cure, log)
	}
}

func (a *Answer) say(format string, args ...any) { a.Say = append(a.Say, fmt.Sprintf(format, args...)) }

// Find explains what id names: an ARN, an id, the beginning of a task id, the
// name of a service, target group, capacity provider, stack, load balancer or
// cluster, the id of a deployment, or the address of a target. A stack that has
// the name of a service is stack/NAME. "denied" is the calls that IAM denied.
func Find(v store.Reader, id string, now time.Time) (Answer, bool) {
	if t, ok := findTask(v, id); ok {
		return task(v, t, now), true
	}
	if i, ok := findInstance(v, id); ok {
		return instance(v, i, now), true
	}
	if name, ok := strings.CutPrefix(id, "stack/"); ok {
		if s, ok := findStack(v, name); ok {
			return stack(v, s, now), true
		}
	}
	s, named := findService(v, id)
	if named && s.Status != model.ServiceInactive {
		return service(v, s, now), true
	}
	for _, g := range state.TargetGroups.All(v) {
		if g.ARN == id || g.Name == id {
			return group(v, g), true
		}
	}
	for _, cp := range state.CapacityProviders.All(v) {
		if cp.ARN == id || cp.Name == id {
			return provider(v, cp, now), true
		}
	}
	for _, d := range state.ServiceDeployments.All(v) {
		if d.ARN == id || short(d.ARN) == id || d.RolloutID == id {
			return ofDeployment(v, d, now), true
		}
	}
	if s, ok := findStack(v, id); ok {
		return stack(v, s, now), true
	}
	if named { // one that is gone
		return service(v, s, now), true
	}
	for _, b := range state.LoadBalancers.All(v) {
		if b.ARN == id || b.Name == id || b.DNSName == id {
			return loadBalancer(v, b), true
		}
	}
	for _, c := range state.Clusters.All(v) {
		if c.ARN == id || c.Name == id {
			return cluster(v, c, now), true
		}
	}
	if a, ok := findTargets(v, id); ok {
		return a, true
	}
	if a, ok := findPlace(v, id); ok {
		return a, true
	}
	if id == "denied" { // nothing has that name
		return deniedCalls(v), true
	}
	if h := history(v, id); len(h) > 0 {
		return Answer{Subject: id, Kind: "record", Say: []string{"this is what was decided about it"}, History: h}, true
	}
	return Answer{}, false
}

// Near returns what somebody who wrote id may have meant: the tasks that it
// begins, or names that are like it.
func Near(v store.Reader, id string) []string {
	var tasks, names []string
	for _, t := range state.Tasks.All(v) {
		if id != "" && strings.HasPrefix(t.ID, id) && len(tasks) < 5 {
			tasks = append(tasks, t.ID)
		}
	}
	if len(tasks) > 0 {
		return tasks
	}
	for _, s := range state.Services.All(v) {
		if s.Status != model.ServiceInactive {
			names = append(names, s.Name)
		}
	}
	for _, s := range state.Stacks.All(v) {
		names = append(names, s.Name)
	}
	for _, g := range state.TargetGroups.All(v) {
		names = append(names, g.Name)
	}
	for _, cp := range state.CapacityProviders.All(v) {
		names = append(names, cp.Name)
	}
	for _, b := range state.LoadBalancers.All(v) {
		names = append(names, b.Name)
	}
	for _, in := range state.Instances.All(v) {
		names = append(names, in.ID)
	}
	return ident.Near(short(id), names)
}

func findStack(v store.Reader, id string) (model.Stack, bool) {
	return newest(state.Stacks.All(v), func(s model.Stack) (bool, time.Time) { return s.ID == id || s.Name == id, s.CreatedAt })
}

func findService(v store.Reader, id string) (model.Service, bool) {
	return newest(state.Services.All(v), func(s model.Service) (bool, time.Time) {
		return s.ARN == id || s.Name == id || s.Cluster+"/"+s.Name == id, s.CreatedAt
	})
}

// newest is the last made of the records that are meant: names are used again.
func newest[T any](all []T, meant func(T) (bool, time.Time)) (T, bool) {
	var out T
	var at time.Time
	found := false
	for _, r := range all {
		if is, made := meant(r); is && (!found || made.After(at)) {
			out, at, found = r, made, true
		}
	}
	return out, found
}

func history(v store.Reader, subjects ...string) []model.Decision {
	var out []model.Decision
	for _, s := range subjects {
		if s != "" {
			out = append(out, state.Decisions.By(v, "subject", s)...)
		}
	}
	slices.SortFunc(out, func(a, b model.Decision) int { return int(a.Seq - b.Seq) })
	if len(out) > 30 {
		out = out[len(out)-30:]
	}
	return out
}

func since(now, at time.Time) string {
	if at.IsZero() {
		return "an unknown time"
	}
	return now.Sub(at).Round(time.Second).String()
}

func first(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

func groupName(arn string) string {
	if i := strings.Index(arn, "targetgroup/"); i >= 0 {
		return arn[i:]
	}
	return arn
}

func short(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
