package stack

import (
	"context"
	"errors"
	"slices"
	"time"

	"berth/internal/controllers/stack/handler"
	"berth/internal/fault"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/state"
)

// Rehearse makes and changes the resources of a stack in their order, on a
// state that is thrown away afterwards (the controller's DB must be a fork, and
// its Invoke call services on it), and says which will certainly be refused:
// the handlers and the services themselves say so, there are no rules of its
// own. s is the stack as it would be under way. What is refused for want of
// something or of a permission, or because of what others have, may be
// different when the time comes and is not told; nor is a resource looked at
// that needs what was refused, or what is only known of real resources. With
// fixed, only resources that no parameter can change are.
func (l *Controller) Rehearse(ctx context.Context, now time.Time, s model.Stack, fixed bool) ([]model.StackRefusal, error) {
	r := &run{
		Controller: l, ctx: ctx, now: now, view: l.DB.View(), stack: model.Clone(s), operation: s.Operation, status: s.Status,
		recs: map[string]*model.StackResource{}, dirty: map[string]bool{}, gone: map[string]bool{}, used: map[string]bool{},
	}
	for _, rec := range state.StackResources.By(r.view, "stack", s.ID) {
		c := model.Clone(rec)
		r.add(&c)
	}
	var err error
	if r.as, err = l.principal(r.view, s); err != nil {
		return nil, err
	}
	if r.bound, err = r.read(s.Template, s.Parameters); err != nil {
		return nil, err
	}
	p, err := newPlan(r.bound)
	if err != nil {
		return nil, err
	}
	certain := r.bound.Certain()
	var out []model.StackRefusal
	for _, id := range p.order {
		waits := slices.ContainsFunc(p.make[id], func(d string) bool { return !r.done(r.recs[d]) })
		if res, _ := r.bound.Find(id); waits || fixed && !certain[id] || template.IsCustom(res.Type) {
			continue // only the provider of a custom resource knows what becomes of it
		}
		if refusal, refused := r.tryOut(p, id); refused {
			out = append(out, refusal)
		}
	}
	return out, nil
}

// tryOut makes or changes one resource.
func (r *run) tryOut(p *plan, id string) (refusal model.StackRefusal, refused bool) {
	res, _ := r.bound.Find(id)
	if props, err := r.bound.Properties(id, r.look); err != nil {
		return refusal, false
	} else if _, unknown := template.UnknownIn(props); unknown {
		return refusal, false
	}
	refusal = model.StackRefusal{Resource: id, Type: res.Type, Paths: []string{"/Resources/" + id + "/Properties"}}
	if !r.intend(r.bound, p, id) {
		rec := r.recs[id]
		refusal.Reason = rec.StatusReason
		return refusal, r.failed(rec)
	}
	rec, before := r.recs[id], r.DB.View()
	intent := model.Clone(*rec)
	err := r.try(rec)
	if err == nil {
		rec.Prior = nil
		delete(rec.Memo, handler.MemoStep)
		r.set(rec, completing[rec.Status], "")
		return refusal, false
	}
	r.DB.Rewind(before)
	r.set(rec, failing[rec.Status], fault.MessageOf(err))
	refusal.Reason, refusal.NotBuilt = fault.MessageOf(err), fault.Is(err, fault.NotImplemented)
	if !lasting(err) {
		return refusal, false
	}
	b := &blame{run: r, intent: intent, before: before, reason: refusal.Reason}
	refusal.Paths = b.paths(refusal.Paths[0])
	return refusal, true
}

// try makes or changes a resource and lets it tell its attributes, if it can
// by now.
func (r *run) try(rec *model.StackResource) error {
	h, s := r.handler(rec.Type), r.step(rec)
	err := r.make(h, s, rec)
	if handler.Passing(err) {
		err = nil
	}
	if err == nil {
		_, _ = h.Ready(r.ctx, s) // whether it is ready does not matter here
	}
	return err
}

// lasting reports whether an error says that the resource can never be as it
// is asked for. Codes that end so speak of what is there at the time, but for
// images: no call makes one.
func lasting(err error) bool {
	if f := (&handler.Failure{}); errors.As(err, &f) {
		return f.Refuses()
	}
	if fault.CodeOf(err) == "InvalidAMIID.NotFound" {
		return true
	}
	return (fault.Is(err, fault.Invalid) || fault.Is(err, fault.NotImplemented)) && !handler.Absent(err) && !handler.Holding(err)
}
