package stack

import (
	"fmt"
	"strings"
	"time"

	"berth/internal/controllers/stack/handler"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/state"
)

// Deleting waits for what still holds a resource (interfaces in a subnet,
// rules on a target group) before it gives up.
const deletePatience = 40 * time.Minute

// deletePatience is how long deleting a resource may take; that of a custom one
// takes as long as its provider may.
func (r *run) deletePatience(rec *model.StackResource) time.Duration {
	if template.IsCustom(rec.Type) {
		return r.handler(rec.Type).Patience(r.step(rec))
	}
	return deletePatience
}

// remove deletes all resources of the stack, the last made first.
func (r *run) remove() error {
	if why := r.exportsInUse(); why != "" {
		r.finish(model.StackDeleteFailed, why)
		return r.save()
	}
	for {
		r.startReady()
		if err := r.save(); err != nil || r.stale {
			return err
		}
		ended := false
		for _, id := range r.left() {
			if rec := r.recs[id]; r.inFlight(rec) {
				ended = r.stepDelete(rec) || ended
			}
		}
		if err := r.save(); err != nil || r.stale {
			return err
		}
		if !ended {
			break
		}
	}
	r.concludeDelete()
	return r.save()
}

// startReady begins deleting whatever nothing needs any more.
func (r *run) startReady() {
	for again := true; again; {
		again = false
		left := r.left()
		for _, id := range left {
			rec := r.recs[id]
			if r.failed(rec) || r.inFlight(rec) || r.dependents(id, left) {
				continue
			}
			r.startDelete(rec)
			again = again || rec.Status == model.ResourceDeleteSkipped
		}
	}
}

// left lists what is not deleted yet.
func (r *run) left() []string {
	var out []string
	for _, id := range r.order {
		if rec := r.recs[id]; rec != nil && rec.Status != model.ResourceDeleteComplete && rec.Status != model.ResourceDeleteSkipped {
			out = append(out, id)
		}
	}
	return out
}

func (r *run) exportsInUse() string {
	if r.stack.Status != model.StackDeleteInProgress {
		return ""
	}
	view := r.DB.View()
	for _, e := range state.Exports.By(view, "stack", r.stack.ID) {
		if users := importers(view, e.Name, r.stack.ID); len(users) > 0 {
			return fmt.Sprintf("Export %s cannot be deleted as it is in use by %s", e.Name, strings.Join(users, ", "))
		}
	}
	return ""
}

// retained says that a resource outlives its stack.
func (r *run) retained(rec *model.StackResource) bool {
	for _, id := range r.stack.RetainOnDelete {
		if id == rec.LogicalID && r.stack.Status == model.StackDeleteInProgress {
			return true
		}
	}
	switch rec.DeletionPolicy {
	case "Retain":
		return true
	case "RetainExceptOnCreate":
		return r.stack.Status != model.StackRollbackInProgress
	default:
		return false
	}
}

func (r *run) startDelete(rec *model.StackResource) {
	if r.retained(rec) {
		r.set(rec, model.ResourceDeleteSkipped, "")
		return
	}
	rec.Started, rec.Token = r.now, r.IDs.UUID()
	r.set(rec, model.ResourceDeleteInProgress, "")
}

// stepDelete takes one step of deleting; it reports whether that ended it.
func (r *run) stepDelete(rec *model.StackResource) bool {
	gone, err := r.deleteBoth(rec)
	r.dirty[rec.LogicalID] = true
	switch {
	case err != nil && !handler.Holding(err) || !gone && r.now.Sub(rec.Started) > r.deletePatience(rec):
		if err == nil {
			err = handler.NotStabilized("%s did not stabilize.", rec.PhysicalID)
		}
		r.setFailed(rec, model.ResourceDeleteFailed, err)
		return true
	case err != nil || !gone:
		return false
	default:
		rec.Replaced = ""
		r.set(rec, model.ResourceDeleteComplete, "")
		return true
	}
}

// deleteBoth deletes a resource and what it replaced.
func (r *run) deleteBoth(rec *model.StackResource) (bool, error) {
	if rec.Replaced != "" {
		if gone, err := r.deleteOne(oldOf(rec)); err != nil || !gone {
			return false, err
		}
	}
	return r.deleteOne(rec)
}

// oldOf is the record of the physical resource that was replaced.
func oldOf(rec *model.StackResource) *model.StackResource {
	return &model.StackResource{
		Stack: rec.Stack, LogicalID: rec.LogicalID, Type: rec.Type, PhysicalID: rec.Replaced, Properties: rec.ReplacedProperties,
		Attributes: rec.ReplacedAttributes, Memo: rec.ReplacedMemo, Token: rec.Token, Started: rec.Started, Tags: rec.Tags,
	}
}

func (r *run) deleteOne(rec *model.StackResource) (bool, error) {
	h, s := r.handler(rec.Type), r.step(rec)
	if rec.PhysicalID == "" {
		// The process may have been killed between making it and noting so.
		if rec.Memo[handler.MemoSuffix] == "" || rec.Memo[memoRefused] != "" {
			return true, nil
		}
		if found, err := h.Find(r.ctx, s); err != nil || !found {
			return err == nil, err
		}
	}
	gone, err := h.Delete(r.ctx, s)
	if handler.Absent(err) {
		return true, nil
	}
	return gone, err
}

func (r *run) concludeDelete() {
	var failed []string
	for _, id := range r.left() {
		if rec := r.recs[id]; r.failed(rec) {
			failed = append(failed, id)
		} else if r.inFlight(rec) {
			return
		}
	}
	rollback := r.stack.Status == model.StackRollbackInProgress
	switch {
	case len(failed) > 0 && rollback:
		r.finish(model.StackRollbackFailed, r.blame()+" ")
	case len(failed) > 0:
		r.finish(model.StackDeleteFailed, r.blame()+" ")
	case rollback:
		r.stack.Outputs, r.exports, r.settled = nil, nil, true
		r.finish(model.StackRollbackComplete, "")
	default:
		r.stack.DeletedAt, r.exports, r.settled = r.now, nil, true
		r.stack.Imports = nil
		r.finish(model.StackDeleteComplete, "")
	}
}

const memoDeleting = "deleting"

// cleaned is what a stack is after its clean-up.
var cleaned = map[model.StackStatus]model.StackStatus{
	model.StackUpdateCompleteCleanupInProgress:         model.StackUpdateComplete,
	model.StackUpdateRollbackCompleteCleanupInProgress: model.StackUpdateRollbackComplete,
}

// cleanUp deletes what an update left over: resources that the template no
// longer has, and old ones that were replaced. What cannot be deleted is left
// behind, as CloudFormation does.
func (r *run) cleanUp() error {
	b, _, err := r.bind()
	if err != nil {
		return err
	}
	for progress := true; progress; {
		progress = false
		left := r.leftovers(func(id string) bool { _, ok := b.Find(id); return ok })
		for _, id := range left {
			rec := r.recs[id]
			if _, stays := b.Find(id); stays {
				progress = r.cleanOld(rec) || progress
			} else if !r.dependents(id, left) {
				progress = r.cleanRemoved(rec) || progress
			}
		}
		if err := r.save(); err != nil || r.stale {
			return err
		}
		if len(left) == 0 {
			r.finish(cleaned[r.stack.Status], "")
			return r.save()
		}
	}
	return nil
}

// leftovers lists what is still to be cleaned up.
func (r *run) leftovers(stays func(string) bool) []string {
	var out []string
	for _, id := range r.order {
		rec := r.recs[id]
		if rec != nil && (rec.Replaced != "" || !stays(id)) {
			out = append(out, id)
		}
	}
	return out
}

// cleanRemoved deletes a resource that the template no longer has; it reports
// whether that ended.
func (r *run) cleanRemoved(rec *model.StackResource) bool {
	if !r.inFlight(rec) {
		r.startDelete(rec)
	}
	ended := rec.Status == model.ResourceDeleteSkipped || r.stepDelete(rec)
	if ended {
		r.drop(rec.LogicalID)
	}
	return ended
}

// cleanOld deletes what was replaced; it reports whether that ended.
func (r *run) cleanOld(rec *model.StackResource) bool {
	old := oldOf(rec)
	if rec.UpdateReplacePolicy == "Retain" {
		r.note(old, model.ResourceDeleteSkipped, "")
		r.settleOld(rec)
		return true
	}
	if old.Memo[memoDeleting] == "" {
		if rec.ReplacedMemo == nil {
			rec.ReplacedMemo = map[string]string{}
		}
		rec.ReplacedMemo[memoDeleting], rec.Started = "yes", r.now
		r.note(old, model.ResourceDeleteInProgress, "")
		r.dirty[rec.LogicalID] = true
	}
	gone, err := r.deleteOne(old)
	waited := r.now.Sub(rec.Started) > r.deletePatience(old)
	switch {
	case err == nil && gone:
		r.note(old, model.ResourceDeleteComplete, "")
	case err != nil && (!handler.Holding(err) || waited):
		r.note(old, model.ResourceDeleteFailed, handler.Describe(err, rec.Token))
	case waited:
		r.note(old, model.ResourceDeleteFailed, handler.Describe(handler.NotStabilized("%s did not stabilize.", old.PhysicalID), rec.Token))
	default:
		return false
	}
	r.settleOld(rec)
	return true
}

func (r *run) settleOld(rec *model.StackResource) {
	rec.Replaced, rec.ReplacedProperties, rec.ReplacedAttributes, rec.ReplacedMemo = "", nil, nil, nil
	r.dirty[rec.LogicalID] = true
}
