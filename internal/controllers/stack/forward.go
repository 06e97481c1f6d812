package stack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/controllers/stack/handler"
	"berth/internal/fault"
	"berth/internal/lang/template"
	"berth/internal/model"
)

// forward brings every resource nearer to the target template.
func (r *run) forward() error {
	b, p, err := r.bind()
	if err != nil {
		r.fail(fault.MessageOf(err))
		return r.save()
	}
	r.bound = b
	r.poll(p.order)
	for {
		begun := r.begin(b, p)
		if err := r.save(); err != nil || r.stale {
			return err
		}
		if len(begun) == 0 {
			break
		}
		for _, id := range begun {
			r.act(r.recs[id], false)
		}
	}
	r.conclude(b, p)
	return r.save()
}

// poll goes on with what was in flight when we came.
func (r *run) poll(ids []string) {
	for _, id := range ids {
		if rec := r.recs[id]; rec != nil && r.inFlight(rec) {
			r.act(rec, true)
		}
	}
}

func (r *run) inFlight(rec *model.StackResource) bool {
	return rec.Operation == r.round() && rec.Status.InProgress()
}

func (r *run) done(rec *model.StackResource) bool {
	return rec != nil && rec.Operation == r.round() && rec.Status.Complete()
}

func (r *run) failed(rec *model.StackResource) bool {
	return rec.Operation == r.round() && rec.Status.Failed()
}

func (r *run) failures() []string {
	var out []string
	for _, id := range r.order {
		if rec := r.recs[id]; rec != nil && r.failed(rec) {
			out = append(out, id)
		}
	}
	return out
}

// begin records the intent to work on every resource that is ready, and
// returns those to act on.
func (r *run) begin(b *template.Bound, p *plan) []string {
	if len(r.failures()) > 0 {
		return nil
	}
	var begun []string
	for _, id := range p.order {
		rec := r.recs[id]
		if rec != nil && rec.Operation == r.round() {
			continue
		}
		if slices.ContainsFunc(p.make[id], func(d string) bool { return !r.done(r.recs[d]) }) {
			continue
		}
		if r.intend(b, p, id) {
			begun = append(begun, id)
		}
	}
	return begun
}

// intend decides what one resource needs; it reports whether to act.
func (r *run) intend(b *template.Bound, p *plan, id string) bool {
	res, _ := b.Find(id)
	rec := r.recs[id]
	fresh := rec == nil || rec.PhysicalID == "" && rec.Replaced == ""
	if fresh {
		rec = &model.StackResource{Stack: r.stack.ID, LogicalID: id, Type: res.Type}
		r.add(rec)
	}
	props, err := r.resolve(b, res)
	var told any
	if err == nil {
		told, err = r.metadata(b, id)
	}
	if err != nil {
		r.refuse(rec, fresh, fault.MessageOf(err))
		return false
	}
	rec.DependsOn, rec.DeletionPolicy, rec.UpdateReplacePolicy = p.undo[id], res.DeletionPolicy, res.UpdateReplacePolicy
	rec.Metadata = metadataText(told)
	if slices.Contains(r.stack.Skip, id) && r.stack.Status.UpdateRollback() {
		r.set(rec, model.ResourceUpdateComplete, "")
		return false
	}
	if fresh {
		r.intendCreate(rec, props)
		return true
	}
	return r.intendUpdate(rec, props)
}

func (r *run) refuse(rec *model.StackResource, fresh bool, why string) {
	if fresh {
		r.set(rec, model.ResourceCreateFailed, why)
		return
	}
	r.set(rec, model.ResourceUpdateFailed, why)
}

// resolve evaluates a resource's properties now that all it needs is there.
func (r *run) resolve(b *template.Bound, res template.Resource) (map[string]any, error) {
	raw, err := b.Properties(res.ID, r.look)
	if err != nil {
		return nil, err
	}
	if u, ok := template.UnknownIn(raw); ok {
		return nil, fault.New(fault.Invalid, "ValidationError", "Attribute '%s' does not exist", strings.Join(u.Attributes, "', '"))
	}
	t, ok := template.TypeOf(res.Type)
	if !ok {
		return nil, fault.New(fault.Invalid, "ValidationError", "Unrecognized resource types: [%s]", res.Type)
	}
	props, problems := t.Coerce(raw)
	if len(problems) > 0 {
		return nil, template.Problem(res.ID, problems)
	}
	return props, nil
}

func (r *run) metadata(b *template.Bound, id string) (any, error) {
	told, err := b.Metadata(id, r.look)
	if u, unknown := template.UnknownIn(told); unknown && err == nil {
		err = fault.New(fault.Invalid, "ValidationError", "Attribute '%s' does not exist", strings.Join(u.Attributes, "', '"))
	}
	return told, err
}

func (r *run) intendCreate(rec *model.StackResource, props map[string]any) {
	rec.Properties, rec.Attributes = props, nil
	rec.Memo = map[string]string{handler.MemoSuffix: r.IDs.Upper(12)}
	rec.Token, rec.Started = r.IDs.UUID(), r.now
	r.set(rec, model.ResourceCreateInProgress, "")
}

// intendUpdate compares what a resource has with what it should have.
func (r *run) intendUpdate(rec *model.StackResource, props map[string]any) bool {
	t, _ := template.TypeOf(rec.Type)
	if rec.Replaced != "" && len(t.Changes(rec.ReplacedProperties, props)) == 0 {
		r.swapBack(rec)
	}
	if rec.PhysicalID == "" {
		// The replacement was never made, and is not wanted back either.
		r.restart(rec, props)
		return true
	}
	changes := t.Changes(rec.Properties, props)
	retagged := t.Taggable() && !handler.SameTags(rec.Tags, r.tagsOf(rec, props))
	broken := rec.Status.Failed()
	if len(changes) == 0 && !retagged && !broken {
		rec.Operation = r.round()
		if !rec.Status.Complete() {
			rec.Status = model.ResourceUpdateComplete
		}
		r.dirty[rec.LogicalID] = true
		return false
	}
	rec.Token, rec.Started = r.IDs.UUID(), r.now
	if r.replacesGroup(rec.LogicalID, changes) ||
		slices.ContainsFunc(changes, func(c template.PropertyChange) bool { return c.Recreation == template.Always }) {
		return r.intendReplace(rec, props, changes)
	}
	rec.Prior, rec.Properties = rec.Properties, props
	delete(rec.Memo, handler.MemoStep)
	delete(rec.Memo, handler.MemoRoll)
	r.set(rec, model.ResourceUpdateInProgress, "")
	return true
}

const replacing = "Requested update requires the creation of a new physical resource; hence creating one."

func (r *run) intendReplace(rec *model.StackResource, props map[string]any, changes []template.PropertyChange) bool {
	name := r.handler(rec.Type).NameProperty()
	if v, ok := props[name].(string); ok && !slices.ContainsFunc(changes, func(c template.PropertyChange) bool { return c.Name == name }) {
		r.set(rec, model.ResourceUpdateFailed,
			fmt.Sprintf("CloudFormation cannot update a stack when a custom-named resource requires replacing. "+
				"Rename %s and update the stack again.", v))
		return false
	}
	rec.Replaced, rec.ReplacedProperties, rec.ReplacedAttributes, rec.ReplacedMemo = rec.PhysicalID, rec.Properties, rec.Attributes, rec.Memo
	r.restart(rec, props)
	return true
}

// restart makes a record ready for a new physical resource.
func (r *run) restart(rec *model.StackResource, props map[string]any) {
	rec.Properties, rec.Attributes, rec.Prior = props, nil, nil
	rec.Memo = map[string]string{handler.MemoSuffix: r.IDs.Upper(12)}
	rec.Token, rec.Started = r.IDs.UUID(), r.now
	r.note(&model.StackResource{LogicalID: rec.LogicalID, PhysicalID: rec.Replaced, Type: rec.Type, Properties: props},
		model.ResourceUpdateInProgress, replacing)
	rec.PhysicalID = ""
	rec.Status, rec.StatusReason, rec.UpdatedAt, rec.Operation = model.ResourceUpdateInProgress, replacing, r.now, r.round()
	r.dirty[rec.LogicalID] = true
}

// swapBack makes the old physical resource the current one again; the new one
// is to be cleaned up.
func (r *run) swapBack(rec *model.StackResource) {
	oldID, oldProps, oldAtts, oldMemo := rec.Replaced, rec.ReplacedProperties, rec.ReplacedAttributes, rec.ReplacedMemo
	rec.Replaced, rec.ReplacedProperties, rec.ReplacedAttributes, rec.ReplacedMemo = rec.PhysicalID, rec.Properties, rec.Attributes, rec.Memo
	rec.PhysicalID, rec.Properties, rec.Attributes, rec.Memo = oldID, oldProps, oldAtts, oldMemo
	rec.Prior, rec.Status = nil, model.ResourceUpdateComplete
	if rec.Replaced == "" {
		rec.ReplacedProperties, rec.ReplacedAttributes, rec.ReplacedMemo = nil, nil, nil
	}
	r.dirty[rec.LogicalID] = true
}

func propertiesText(props map[string]any) string {
	if len(props) == 0 {
		return ""
	}
	b, err := json.Marshal(props)
	if err != nil {
		return ""
	}
	return string(b)
}

func metadataText(v any) string {
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// act takes one step with a resource: make it, change it, or see whether it
// is ready. again says that an earlier step may have been interrupted.
func (r *run) act(rec *model.StackResource, again bool) {
	h, s := r.handler(rec.Type), r.step(rec)
	s.Again = again
	err := r.make(h, s, rec)
	r.dirty[rec.LogicalID] = true
	ready := false
	if err == nil {
		ready, err = h.Ready(r.ctx, s)
	}
	patience := h.Patience(s)
	if policy := r.creationPolicy(rec); policy != nil && err == nil {
		patience = max(patience, policy.Timeout+time.Minute)
		ready, err = heard(policy, rec, r.signalsOf(rec), r.now, ready)
	}
	r.setOutcome(rec, patience, ready, err)
}

// make creates a resource or changes it, unless that was done.
func (r *run) make(h handler.Handler, s *handler.Step, rec *model.StackResource) (err error) {
	switch {
	case rec.Memo[memoMade] == "":
		if err = h.Create(r.ctx, s); err == nil {
			rec.PhysicalID, err = caller{r}.resolveText(r.ctx, rec.PhysicalID) // a name may be a reference
		}
		if err == nil {
			rec.Tags = s.Tags
			rec.Memo[memoMade] = "yes"
			r.set(rec, rec.Status, "Resource creation Initiated")
		} else if !handler.Passing(err) && rec.PhysicalID == "" {
			rec.Memo[memoRefused] = "yes"
		}
	case rec.Prior != nil && rec.Memo[handler.MemoStep] != stepChanged:
		if err = h.Update(r.ctx, s); err == nil {
			rec.Tags = s.Tags
			rec.Memo[handler.MemoStep] = stepChanged
		}
	}
	return err
}

// failing and completing are how what is under way may end.
var (
	failing = map[model.ResourceStatus]model.ResourceStatus{
		model.ResourceCreateInProgress: model.ResourceCreateFailed, model.ResourceUpdateInProgress: model.ResourceUpdateFailed,
	}
	completing = map[model.ResourceStatus]model.ResourceStatus{
		model.ResourceCreateInProgress: model.ResourceCreateComplete, model.ResourceUpdateInProgress: model.ResourceUpdateComplete,
	}
)

// setOutcome turns what a step came to into the resource's status.
func (r *run) setOutcome(rec *model.StackResource, patience time.Duration, ready bool, err error) {
	if !ready && r.now.Sub(rec.Started) > patience {
		if err == nil {
			err = handler.NotStabilized("%s did not stabilize.", rec.PhysicalID)
		}
		r.setFailed(rec, failing[rec.Status], err)
		return
	}
	switch {
	case err != nil && handler.Passing(err):
		r.Log.DebugContext(r.ctx, "will try a resource again", "stack", r.stack.Name, "resource", rec.LogicalID, "error", err)
	case err != nil:
		r.setFailed(rec, failing[rec.Status], err)
	case ready:
		rec.Prior = nil
		delete(rec.Memo, handler.MemoStep)
		r.set(rec, completing[rec.Status], "")
	}
}
