package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/control"
	"berth/internal/controllers/stack/handler"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// run is one Reconcile of one stack: what was found, and what is to be
// written. Records are copies and may be changed.
type run struct {
	*Controller
	ctx   context.Context
	now   time.Time
	view  *store.View
	stack model.Stack
	as    ident.Principal

	// operation and status are those found: if they are others when we write,
	// somebody asked for something else meanwhile.
	operation int64
	status    model.StackStatus

	recs    map[string]*model.StackResource
	order   []string // logical ids of recs, sorted
	dirty   map[string]bool
	gone    map[string]bool
	events  []model.StackEvent
	signals []model.StackSignal // in the order in which they came
	bound   *template.Bound     // the template to go to, while going forward
	told    []string            // keys of signals that events tell of now
	exports []model.Export      // to write when outputs are ready; nil leaves them
	settled bool                // exports are to be written
	stale   bool                // something else was asked for in between
	used    map[string]bool     // event ids given out
}

// load reads a stack and all it has; nil if nothing is under way.
func (l *Controller) load(ctx context.Context, req control.Request) (*run, error) {
	view := l.DB.View()
	s, ok := state.Stacks.Get(view, req.Key)
	if !ok || !s.Status.InProgress() {
		return nil, nil
	}
	r := &run{
		Controller: l, ctx: ctx, now: req.Now, view: view, stack: model.Clone(s), operation: s.Operation, status: s.Status,
		recs: map[string]*model.StackResource{}, dirty: map[string]bool{}, gone: map[string]bool{}, used: map[string]bool{},
	}
	for _, rec := range state.StackResources.By(view, "stack", s.ID) {
		c := model.Clone(rec)
		r.recs[rec.LogicalID] = &c
		r.order = append(r.order, rec.LogicalID)
	}
	slices.Sort(r.order)
	r.signals = readSignals(view, s.ID)
	var err error
	if r.as, err = l.principal(view, s); err != nil {
		return r, r.giveUp(err)
	}
	return r, nil
}

// principal is who the stack acts as: its role, or who asked.
func (l *Controller) principal(r store.Reader, s model.Stack) (ident.Principal, error) {
	const service = "cloudformation.amazonaws.com"
	var p ident.Principal
	switch {
	case s.RoleARN != "" && l.Access != nil:
		var err error
		p, err = l.Access.Assume(r, control.Assumption{
			Service: service, Role: s.RoleARN, Session: "AWSCloudFormation", For: s.ID,
		})
		if err != nil {
			return p, err
		}
	case s.Principal == "" || strings.HasSuffix(s.Principal, ":root"):
		p = ident.Root(l.Place)
	default:
		// A bare service principal is not evaluated by IAM, so only the root
		// and roles are marked as acting through CloudFormation.
		if p = asCaller(s.Principal); p.Role == "" {
			p.Via = service
			return p, nil
		}
	}
	p.Service = service
	return p, nil
}

// asCaller makes a principal of the ARN that was recorded.
func asCaller(arn string) ident.Principal {
	a, _ := ident.ParseARN(arn)
	if rest, ok := strings.CutPrefix(a.Resource, "assumed-role/"); ok {
		role, session, _ := strings.Cut(rest, "/")
		return ident.AsRole("arn:"+a.Partition+":iam::"+a.Account+":role/"+role, session)
	}
	return ident.Principal{Account: a.Account, ARN: arn}
}

// hopeless is what a stack becomes that cannot go on with what is under way.
var hopeless = map[model.StackStatus]model.StackStatus{
	model.StackCreateInProgress:         model.StackCreateFailed,
	model.StackUpdateInProgress:         model.StackUpdateRollbackFailed,
	model.StackUpdateRollbackInProgress: model.StackUpdateRollbackFailed,
	model.StackRollbackInProgress:       model.StackRollbackFailed,
	model.StackDeleteInProgress:         model.StackDeleteFailed,
}

// giveUp fails the operation at once: its role cannot be used.
func (r *run) giveUp(why error) error {
	status, ok := hopeless[r.stack.Status]
	if !ok {
		status = cleaned[r.stack.Status]
	}
	r.finish(status, fmt.Sprintf("Role %s is invalid or cannot be assumed: %s", r.stack.RoleARN, fault.MessageOf(why)))
	return r.save()
}

// round numbers attempts: going forward and undoing are two.
func (r *run) round() int64 {
	n := r.operation * 2
	switch r.stack.Status {
	case model.StackCreateInProgress, model.StackUpdateInProgress:
		return n
	default:
		return n + 1
	}
}

// note adds an event about a resource.
func (r *run) note(rec *model.StackResource, status model.ResourceStatus, reason string) {
	r.events = append(r.events, model.StackEvent{
		ID:        r.eventID(rec.LogicalID, string(status)),
		LogicalID: rec.LogicalID, PhysicalID: rec.PhysicalID, Type: rec.Type, Status: status, Reason: reason,
		Properties: r.shown(rec.Properties), Token: r.stack.RequestToken, At: r.now,
	})
}

// eventID names an event as CloudFormation does. Clients tell events apart by
// it, so two of the same moment get two names.
func (r *run) eventID(logical, status string) string {
	for at := r.now.UTC(); ; at = at.Add(time.Millisecond) {
		id := logical + "-" + status + "-" + at.Format("2006-01-02T15:04:05.000Z")
		if !r.used[id] {
			r.used[id] = true
			return id
		}
	}
}

// set moves a resource to a status and tells of it.
func (r *run) set(rec *model.StackResource, status model.ResourceStatus, reason string) {
	rec.Status, rec.StatusReason, rec.UpdatedAt, rec.Operation = status, reason, r.now, r.round()
	r.dirty[rec.LogicalID] = true
	r.note(rec, status, reason)
}

// setFailed ends a resource with an error.
func (r *run) setFailed(rec *model.StackResource, status model.ResourceStatus, err error) {
	r.set(rec, status, handler.Describe(err, rec.Token))
	r.events[len(r.events)-1].Cause = state.CauseOf(err)
}

// setCancelled ends a resource since another failed first.
func (r *run) setCancelled(rec *model.StackResource, status model.ResourceStatus, reason string) {
	r.set(rec, status, reason)
	r.events[len(r.events)-1].Cause.Code = model.CauseCancelled
}

// finish moves the stack itself to a status and tells of it.
func (r *run) finish(status model.StackStatus, reason string) {
	r.stack.Status, r.stack.StatusReason = status, reason
	r.events = append(r.events, model.StackEvent{
		ID: r.IDs.UUID(), LogicalID: r.stack.Name, PhysicalID: r.stack.ID, Type: "AWS::CloudFormation::Stack",
		Status: model.ResourceStatus(status), Reason: reason, Token: r.stack.RequestToken, At: r.now,
	})
}

// save writes what changed, in one transaction. What is observed of resources
// is always written; the stack's own progress only if nobody asked for
// something else meanwhile.
func (r *run) save() error {
	if len(r.dirty) == 0 && len(r.events) == 0 && len(r.gone) == 0 && r.stack.Status == r.status {
		return nil
	}
	err := r.DB.Update(r.ctx, writer, r.write)
	if err != nil {
		return fmt.Errorf("write the progress of stack %s: %w", r.stack.Name, err)
	}
	r.status = r.stack.Status
	clear(r.dirty)
	clear(r.gone)
	r.events, r.told, r.settled = nil, nil, false
	return nil
}

func (r *run) write(tx *store.Tx) error {
	cur, ok := state.Stacks.Get(tx, r.stack.ID)
	if !ok {
		return fault.New(fault.NotFound, "", "the stack %s is gone", r.stack.ID)
	}
	r.stale = cur.Operation != r.operation || cur.Status != r.status
	next := model.Clone(cur)
	if !r.stale {
		next = model.Clone(r.stack)
	}
	next.Events = cur.Events
	if err := r.writeResources(tx); err != nil {
		return err
	}
	if err := r.writeSignals(tx); err != nil {
		return err
	}
	for _, e := range r.events {
		if r.stale && e.LogicalID == r.stack.Name && e.PhysicalID == r.stack.ID {
			continue
		}
		next.Events++
		e.Stack, e.Seq = r.stack.ID, next.Events
		if err := state.StackEvents.Put(tx, e); err != nil {
			return err
		}
	}
	if r.settled && !r.stale {
		if err := r.writeExports(tx); err != nil {
			return err
		}
	}
	if !r.stale && r.stack.Status != r.status {
		if err := r.decide(tx); err != nil {
			return err
		}
	}
	return state.Stacks.Put(tx, next)
}

func (r *run) writeResources(tx *store.Tx) error {
	for _, id := range r.order {
		if r.gone[id] {
			if err := state.StackResources.Delete(tx, r.stack.ID+"|"+id); err != nil {
				return err
			}
			continue
		}
		if r.dirty[id] {
			// A copy: what is stored must not change with our record.
			if err := state.StackResources.Put(tx, model.Clone(*r.recs[id])); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) decide(tx *store.Tx) error {
	reason := string(r.stack.Status)
	switch {
	case r.stack.StatusReason != "":
		reason += ": " + r.stack.StatusReason
	case r.stack.Status == model.StackCreateComplete || r.stack.Status == model.StackUpdateComplete:
		reason += ": all resources are as the template wants them"
	}
	return state.Note(tx, r.now, model.Decision{By: writer, Subject: r.stack.ID, Verb: "state", Reason: reason})
}

func (r *run) add(rec *model.StackResource) {
	if _, ok := r.recs[rec.LogicalID]; !ok {
		r.order = append(r.order, rec.LogicalID)
		slices.Sort(r.order)
	}
	r.recs[rec.LogicalID] = rec
}

func (r *run) drop(id string) {
	r.gone[id] = true
	delete(r.recs, id)
}

func (r *run) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.Controller.bound, r.stack.ID)
}
