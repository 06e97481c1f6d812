package stack

import (
	"context"

	"berth/internal/controllers/stack/handler"
	"berth/internal/lang/template"
	"berth/internal/model"
)

// What the engine's memo of a resource holds between steps, beside what its
// handler does.
const (
	memoMade    = "made"    // creating is done, but for becoming ready
	memoRefused = "refused" // the API refused to make it: nothing to look for
	stepChanged = "changed" // as handler.MemoStep: the update was made and only has to become ready
)

// caller calls APIs as a stack.
type caller struct{ *run }

var _ handler.API = caller{}

// Call implements handler.API.
func (c caller) Call(ctx context.Context, service, operation string, in map[string]any) (map[string]any, error) {
	for k, v := range in {
		if v == nil {
			delete(in, k)
		}
	}
	in, err := c.resolved(ctx, in)
	if err != nil {
		return nil, err
	}
	return c.Invoke.Invoke(ctx, c.as, service, operation, in)
}

// step is what a handler sees of one resource.
func (r *run) step(rec *model.StackResource) *handler.Step {
	if rec.Memo == nil {
		rec.Memo = map[string]string{}
	}
	if rec.Attributes == nil {
		rec.Attributes = map[string]any{}
	}
	return &handler.Step{
		API: caller{r}, Place: r.Place, Now: r.now, StackName: r.stack.Name, StackID: r.stack.ID, Record: rec, Tags: r.tagsOf(rec,
			rec.Properties),
		Undo:    r.stack.Status.UpdateRollback(),
		Signals: r.signalsOf(rec), Update: r.updatePolicy(rec.LogicalID),
		Provider: provider{r, rec},
		Note:     func(text string) { r.note(rec, rec.Status, text) },
		Taken:    func(id string) bool { return r.taken(id, rec.LogicalID) },
	}
}

// taken reports whether a physical id is that of another resource than the
// given one, or the old one of any.
func (r *run) taken(id, logical string) bool {
	for _, rec := range r.recs {
		if rec.Replaced == id || rec.PhysicalID == id && rec.LogicalID != logical {
			return true
		}
	}
	return false
}

// tagsOf lists the tags a resource should carry: CloudFormation's own, the
// stack's, and above these its own.
func (r *run) tagsOf(rec *model.StackResource, props map[string]any) []model.Tag {
	stack := r.stack.Tags
	if r.stack.Status.UpdateRollback() {
		stack = r.stack.PreviousTags
	}
	tags := model.SetTags(nil, stack)
	if t, ok := template.TypeOf(rec.Type); ok && t.Taggable() {
		tags = model.SetTags(tags, handler.TagList(props[t.TagProperty]))
	}
	if !r.handler(rec.Type).SystemTags() {
		return tags
	}
	return model.SetTags(tags, []model.Tag{
		{Key: "aws:cloudformation:stack-name", Value: r.stack.Name},
		{Key: handler.StackIDTag, Value: r.stack.ID},
		{Key: handler.LogicalIDTag, Value: rec.LogicalID},
	})
}
