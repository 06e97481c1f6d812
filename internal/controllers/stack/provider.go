package stack

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/internal/controllers/stack/handler"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/presigned"
)

// provider asks the function behind a custom resource.
type provider struct {
	r   *run
	rec *model.StackResource
}

var _ handler.Provider = provider{}

// Draw implements handler.Provider.
func (p provider) Draw() (request, signature string) { return p.r.IDs.UUID(), p.r.IDs.Hex(64) }

// URL implements handler.Provider.
func (p provider) URL(request, signature string, until time.Time) string {
	return presigned.Address{
		Bucket: presigned.Responses, Stack: p.r.stack.ID, LogicalID: p.rec.LogicalID, Act: request, Signature: signature, Expires: until,
	}.URL(p.r.Place.Region)
}

// Keep implements handler.Provider.
func (p provider) Keep() error {
	p.r.dirty[p.rec.LogicalID] = true
	if err := p.r.save(); err != nil {
		return err
	}
	if p.r.stale {
		return fault.New(fault.Unavailable, "", "something else was asked of stack %s meanwhile", p.r.stack.Name)
	}
	return nil
}

// Answer implements handler.Provider.
func (p provider) Answer(request string) (string, bool) {
	for _, s := range p.r.signals {
		if s.LogicalID == p.rec.LogicalID && s.Act == request {
			return s.Body, true
		}
	}
	return "", false
}

// Call implements handler.Provider: the function runs in a job, as the stack.
func (p provider) Call(request, function string, payload []byte) (busy, crashed bool, err error) {
	r := p.r
	job := writer + " " + request
	result, err, running, ended := r.Jobs.Take(job)
	if ended {
		crashed, _ = result.(bool)
		return false, crashed, err
	}
	if running {
		return true, false, nil
	}
	as := r.as
	r.Jobs.Start(writer, r.stack.ID, job, func(ctx context.Context) (any, error) {
		out, err := r.Invoke.Invoke(ctx, as, "lambda", "Invoke", map[string]any{"FunctionName": function, "Payload": payload})
		if err != nil {
			return false, err
		}
		said, _ := out["FunctionError"].(string)
		return said != "", nil
	})
	return true, false, nil
}

// shown is a record's properties as events show them: without what the providers
// of custom resources said with NoEcho.
func (r *run) shown(props map[string]any) string {
	text := propertiesText(props)
	for _, id := range r.order {
		rec := r.recs[id]
		if rec == nil || rec.Memo[handler.MemoNoEcho] == "" {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(rec.Attributes)) {
			if s, ok := rec.Attributes[name].(string); ok && s != "" {
				quoted := propertiesText(map[string]any{"": s})
				text = strings.ReplaceAll(text, quoted[len(`{"":"`):len(quoted)-len(`"}`)], "*****")
			}
		}
	}
	return text
}
