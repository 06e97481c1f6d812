package rollout

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"berth/internal/model"
)

// pass is one decision in the making: the world, and working copies.
type pass struct {
	w       World
	now     time.Time
	s       model.Service
	d       *model.ServiceDeployment // the current one, nil if none runs
	others  []model.ServiceDeployment
	revs    map[string]model.ServiceRevision // changed ones
	tasks   []*member
	plan    Plan
	refused bool // the refusal of this look was used
	more    bool // staffing stopped something: look at the deployment again
	// starting lets staffing start tasks; before, it only counts on them.
	starting bool
}

// Decide says what a service needs next.
func Decide(w World) Plan {
	p := newPass(w)
	p.count()
	p.pin()
	switch w.Service.Status {
	case model.ServiceDraining:
		p.drain()
	case model.ServiceActive:
		p.retire()
		p.astray()
		p.work()
		p.steady()
		p.balance()
	default: // an inactive service is over
	}
	return p.finish()
}

// work advances the deployment and staffs the service until neither changes
// what the other saw: a stop may complete a deployment, and a task replaced for
// its health may trip the breaker.
func (p *pass) work() {
	for range 8 {
		for range 64 { // every deployment has fewer moves than this
			if !p.advance() {
				break
			}
		}
		p.more = false
		p.staff()
		if !p.more {
			break
		}
	}
	// Tasks start only when it is settled that the deployment goes on.
	p.starting = true
	p.staff()
}

func newPass(w World) *pass {
	p := &pass{w: w, now: w.Now, s: model.Clone(w.Service), revs: map[string]model.ServiceRevision{}}
	if p.daemon() {
		p.s.DesiredCount = int64(len(w.Hosts))
	}
	for _, d := range w.Deployments {
		c := model.Clone(d)
		if d.ARN == w.Service.CurrentDeployment {
			p.d = &c
		} else {
			p.others = append(p.others, c)
		}
	}
	p.tasks = make([]*member, 0, len(w.Tasks))
	for _, t := range w.Tasks {
		p.tasks = append(p.tasks, p.member(t))
	}
	slices.SortFunc(p.tasks, func(a, b *member) int { return strings.Compare(a.t.ARN, b.t.ARN) })
	return p
}

// finish collects what changed.
func (p *pass) finish() Plan {
	if p.d != nil {
		p.others = append(p.others, *p.d)
	}
	for _, d := range p.others {
		i := slices.IndexFunc(p.w.Deployments, func(o model.ServiceDeployment) bool { return o.ARN == d.ARN })
		if i >= 0 && reflect.DeepEqual(p.w.Deployments[i], d) {
			continue
		}
		d.UpdatedAt = p.now
		p.plan.Deployments = append(p.plan.Deployments, d)
	}
	for _, arn := range sortedKeys(p.revs) {
		p.plan.Revisions = append(p.plan.Revisions, p.revs[arn])
	}
	p.plan.Service = p.s
	p.plan.Service.DesiredCount = p.w.Service.DesiredCount // a daemon's is not asked
	return p.plan
}

// rev finds a revision, with what this pass changed in it.
func (p *pass) rev(arn string) model.ServiceRevision {
	if r, ok := p.revs[arn]; ok {
		return r
	}
	return p.w.Revisions[arn]
}

func (p *pass) def(t string) model.TaskDefinition { return p.w.Definitions[t] }

// wake asks for another look at a moment in the future.
func (p *pass) wake(at time.Time) {
	if at.After(p.now) && (p.plan.At.IsZero() || at.Before(p.plan.At)) {
		p.plan.At = at
	}
}

// passed reports whether a moment has come, and asks to be woken if not.
func (p *pass) passed(at time.Time) bool {
	p.wake(at)
	return !at.After(p.now)
}

// say writes a service event; every one of them names the service first. What
// the newest event says already is not repeated (1.11).
func (p *pass) say(format string, args ...any) { p.tell("", format, args...) }

// tell is say with a code for programs.
func (p *pass) tell(code, format string, args ...any) {
	text := "(service " + p.s.Name + ") " + fmt.Sprintf(format, args...)
	newest := ""
	if n := len(p.plan.Events); n > 0 {
		newest = p.plan.Events[n-1].Message
	} else if len(p.w.Service.Events) > 0 {
		newest = p.w.Service.Events[0].Message
	}
	if text != newest || p.plan.Steady {
		p.plan.Events = append(p.plan.Events, model.ServiceEvent{Message: text, Cause: model.Cause{Code: code}})
	}
}

// saidLately reports whether the last hour's events have a text.
func (p *pass) saidLately(text string) bool {
	return slices.ContainsFunc(p.w.Service.Events, func(e model.ServiceEvent) bool {
		return e.Message == "(service "+p.s.Name+") "+text && p.now.Sub(e.At) < time.Hour
	})
}

func (p *pass) note(subject, verb, format string, args ...any) {
	p.plan.Notes = append(p.plan.Notes, Note{Subject: subject, Verb: verb, Reason: fmt.Sprintf(format, args...)})
}

// rollout finds the entry of a revision, nil if the service has none.
func (p *pass) rollout(revision string) *model.Rollout {
	for i := range p.s.Rollouts {
		if p.s.Rollouts[i].Revision == revision {
			return &p.s.Rollouts[i]
		}
	}
	return nil
}

// entry finds a rollout by its id, nil if the service has none.
func (p *pass) entry(id string) *model.Rollout {
	for i := range p.s.Rollouts {
		if p.s.Rollouts[i].ID == id {
			return &p.s.Rollouts[i]
		}
	}
	return nil
}

func (p *pass) primary() *model.Rollout {
	for i := range p.s.Rollouts {
		if p.s.Rollouts[i].Status == model.RolloutPrimary {
			return &p.s.Rollouts[i]
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// lastPart is what follows the last slash.
func lastPart(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }
