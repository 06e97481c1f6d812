package stack

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// conclude ends going forward when something failed or all is done.
func (r *run) conclude(b *template.Bound, p *plan) {
	if r.overdue() {
		r.fail("Stack creation time exceeded the specified timeout.")
		return
	}
	if failed := r.failures(); len(failed) > 0 {
		r.cancel()
		r.fail(r.blame())
		return
	}
	for _, id := range p.order {
		if !r.done(r.recs[id]) {
			return
		}
	}
	outputs, err := r.outputs(b)
	if err != nil {
		r.fail(fault.MessageOf(err))
		return
	}
	r.stack.Outputs, r.settled = outputs, true
	switch r.stack.Status {
	case model.StackCreateInProgress:
		r.finish(model.StackCreateComplete, "")
	case model.StackUpdateInProgress:
		r.finish(model.StackUpdateCompleteCleanupInProgress, "")
	default:
		r.stack.Template, r.stack.Parameters, r.stack.Tags = r.stack.Previous, r.stack.PreviousParameters, r.stack.PreviousTags
		r.finish(model.StackUpdateRollbackCompleteCleanupInProgress, "")
	}
}

func (r *run) overdue() bool {
	return r.stack.Status == model.StackCreateInProgress && r.stack.TimeoutMinutes > 0 &&
		r.now.Sub(r.stack.Started) > time.Duration(r.stack.TimeoutMinutes)*time.Minute
}

// cancel ends what is still in flight beside a failure.
func (r *run) cancel() {
	for _, id := range r.order {
		rec := r.recs[id]
		if rec == nil || !r.inFlight(rec) {
			continue
		}
		if rec.Status == model.ResourceCreateInProgress {
			r.setCancelled(rec, model.ResourceCreateFailed, model.CancelledCreate)
		} else {
			r.setCancelled(rec, model.ResourceUpdateFailed, model.CancelledUpdate)
		}
	}
}

// blame names the resources that failed, as CloudFormation does.
func (r *run) blame() string {
	var parts []string
	for _, f := range []struct {
		what   string
		status model.ResourceStatus
	}{{"create", model.ResourceCreateFailed}, {"update", model.ResourceUpdateFailed}, {"delete", model.ResourceDeleteFailed}} {
		var ids []string
		for _, id := range r.failures() {
			if r.recs[id].Status == f.status {
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			parts = append(parts, fmt.Sprintf("The following resource(s) failed to %s: [%s].", f.what, strings.Join(ids, ", ")))
		}
	}
	return strings.Join(parts, " ")
}

// fail ends going forward: by rolling back, deleting, or stopping here.
func (r *run) fail(why string) {
	s := &r.stack
	switch s.Status {
	case model.StackCreateInProgress:
		switch {
		case s.DisableRollback || s.OnFailure == "DO_NOTHING":
			r.finish(model.StackCreateFailed, why+" ")
		case s.OnFailure == "DELETE":
			r.finish(model.StackDeleteInProgress, why+" Delete requested by user.")
		default:
			r.finish(model.StackRollbackInProgress, why+" Rollback requested by user.")
		}
	case model.StackUpdateInProgress:
		if s.DisableRollback {
			r.finish(model.StackUpdateFailed, why+" ")
			return
		}
		r.finish(model.StackUpdateRollbackInProgress, why+" ")
	default:
		r.finish(model.StackUpdateRollbackFailed, why+" ")
	}
}

// outputs evaluates the outputs and holds their exports against those of
// other stacks.
func (r *run) outputs(b *template.Bound) ([]model.StackOutput, error) {
	values, err := b.OutputValues(r.look)
	if err != nil {
		return nil, err
	}
	var out []model.StackOutput
	r.exports = nil
	for _, v := range values {
		out = append(out, model.StackOutput{Key: v.ID, Value: v.Value, Description: v.Description, Export: v.Export})
		if v.Export != "" {
			r.exports = append(r.exports, model.Export{Name: v.Export, Value: v.Value, Stack: r.stack.ID})
		}
	}
	return out, r.mayExport()
}

func (r *run) mayExport() error {
	view := r.DB.View()
	for _, e := range r.exports {
		if other, ok := state.Exports.Get(view, e.Name); ok && other.Stack != r.stack.ID {
			s, _ := state.Stacks.Get(view, other.Stack)
			return fault.New(fault.Conflict, "ValidationError", "Export with name %s is already exported by stack %s.", e.Name, s.Name)
		}
	}
	for _, e := range state.Exports.By(view, "stack", r.stack.ID) {
		i := slices.IndexFunc(r.exports, func(n model.Export) bool { return n.Name == e.Name })
		if i >= 0 && r.exports[i].Value == e.Value {
			continue
		}
		verb := "deleted"
		if i >= 0 {
			verb = "updated"
		}
		if users := importers(view, e.Name, r.stack.ID); len(users) > 0 {
			return fault.New(fault.Conflict, "ValidationError", "Export %s cannot be %s as it is in use by %s.", e.Name, verb,
				strings.Join(users, ", "))
		}
	}
	return nil
}

// importers lists the other stacks that use an export.
func importers(r store.Reader, export, stack string) []string {
	var out []string
	for _, s := range state.Stacks.All(r) {
		if s.ID != stack && s.Status != model.StackDeleteComplete && slices.Contains(s.Imports, export) {
			out = append(out, s.Name)
		}
	}
	return out
}

func (r *run) writeExports(tx *store.Tx) error {
	for _, e := range state.Exports.By(tx, "stack", r.stack.ID) {
		if err := state.Exports.Delete(tx, e.Name); err != nil {
			return err
		}
	}
	for _, e := range r.exports {
		if other, ok := state.Exports.Get(tx, e.Name); ok && other.Stack != r.stack.ID {
			return fault.New(fault.Conflict, "ValidationError", "Export with name %s is already exported by stack %s.", e.Name, other.Stack)
		}
		if err := state.Exports.Put(tx, e); err != nil {
			return err
		}
	}
	return nil
}
