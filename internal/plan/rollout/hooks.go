package rollout

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"berth/internal/model"
)

// Reply is what calling a hook gave.
type Reply struct {
	// Payload is the function's answer.
	Payload []byte
	// Crashed says that Payload describes an error of the function.
	Crashed bool
	// Assume and Invoke are errors before the function ran: the role could not
	// be assumed, or the call was refused.
	Assume, Invoke string
	// InvokeCode is the error code of Invoke.
	InvokeCode string
	// Retry says that the error is passing, and the call is to be made again.
	Retry bool
}

type verdict int

const (
	allowed verdict = iota
	waiting
	refused
)

// callBack is the wait before a hook that is IN_PROGRESS is called again.
const callBack = 30 * time.Second

// hooks runs the hooks of the stage, all at once. In a rollback a hook's
// failure is recorded and does not stop it: production must return.
func (p *pass) hooks(rollback bool) verdict {
	v := allowed
	for i, h := range p.d.Config.Hooks {
		if !slices.Contains(h.Stages, p.d.Stage) || rollback && h.TargetType == "PAUSE" {
			continue
		}
		switch got := p.hook(p.run(i, h, rollback)); {
		case got == refused && !rollback:
			return refused
		case got == waiting:
			v = waiting
		}
	}
	return v
}

// run finds or makes the run of a hook in this stage and step. Its id is drawn
// from what it is a run of, so that deciding twice gives the same.
func (p *pass) run(i int, h model.LifecycleHook, rollback bool) *model.HookRun {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d|%t|%d", p.d.ARN, p.d.Stage, p.d.Step, rollback, i))
	kind, status := "lambda", model.HookInProgress
	if h.TargetType == "PAUSE" {
		kind, status = "pause", model.HookAwaitingAction
	}
	id := "ecs-" + kind + "-" + base64.RawURLEncoding.EncodeToString(sum[:])
	for j := range p.d.Hooks {
		if p.d.Hooks[j].ID == id {
			return &p.d.Hooks[j]
		}
	}
	p.d.Hooks = append(p.d.Hooks, model.HookRun{
		ID: id, TargetType: h.TargetType, TargetARN: h.TargetARN, RoleARN: h.RoleARN, Stage: p.d.Stage, Step: p.d.Step,
		Status: status, StartedAt: p.now, ExpiresAt: p.now.Add(time.Duration(h.TimeoutMinutes) * time.Minute), NextCallAt: p.now,
		Details: h.Details, TimeoutAction: h.TimeoutAction, Rollback: rollback, ExecutionID: uuid(hex.EncodeToString(sum[:16])),
	})
	return &p.d.Hooks[len(p.d.Hooks)-1]
}

// hook moves one run on and says where it stands.
func (p *pass) hook(h *model.HookRun) verdict {
	if r, ok := p.w.Replies[h.ID]; ok && h.Status == model.HookInProgress && !h.CallingAt.IsZero() {
		p.answer(h, r)
	}
	switch h.Status {
	case model.HookSucceeded:
		return allowed
	case model.HookFailed:
		p.hookFailed(h)
		return refused
	case model.HookTimedOut:
		return p.timedOut(h)
	default: // no answer yet
	}
	if p.passed(h.ExpiresAt) {
		h.Status, h.CallingAt = model.HookTimedOut, time.Time{}
		return p.timedOut(h)
	}
	if h.TargetType != "PAUSE" {
		p.call(h)
	}
	return waiting
}

// call makes the invocation that is due, and makes one again that was lost.
func (p *pass) call(h *model.HookRun) {
	if p.w.Calling[h.ID] {
		return
	}
	if h.CallingAt.IsZero() {
		if !p.passed(h.NextCallAt) {
			return
		}
		h.CallingAt = p.now
	}
	p.plan.Calls = append(p.plan.Calls, Call{Hook: h.ID, Function: h.TargetARN, Role: h.RoleARN, Payload: p.payload(h)})
}

// payload is the event of a hook (1.7).
func (p *pass) payload(h *model.HookRun) map[string]any {
	test, production := p.hookWeights(h)
	out := map[string]any{
		"executionId": h.ExecutionID, "lifecycleStage": h.Stage, "resourceArn": p.d.ARN,
		"executionDetails": map[string]any{
			"serviceArn": p.s.ARN, "targetServiceRevisionArn": p.d.Target,
			"testTrafficWeights": test, "productionTrafficWeights": production,
		},
	}
	if h.Details != nil {
		out["hookDetails"] = h.Details
	}
	return out
}

func (p *pass) hookWeights(h *model.HookRun) (test, production map[string]float64) {
	test, production = map[string]float64{}, map[string]float64{}
	green := func(before bool) float64 {
		steps := Steps(p.d.Config)
		switch {
		case h.Rollback || before && h.Step == 0:
			return 0
		case before:
			return steps[h.Step-1]
		default:
			return steps[h.Step]
		}
	}
	switch h.Stage {
	case model.StageTestTrafficShift:
		share := 100.0
		if h.Rollback {
			share = 0
		}
		test = p.percents(share)
	case model.StagePreProductionTrafficShift:
		production = p.percents(green(true))
	case model.StageProductionTrafficShift:
		production = p.percents(green(false))
	default: // the others move no weights
	}
	return test, production
}

// answer takes in what a call gave (1.7, 1.8).
func (p *pass) answer(h *model.HookRun, r Reply) {
	h.CallingAt = time.Time{}
	switch {
	case r.Retry:
		h.NextCallAt = p.now.Add(callBack)
	case r.Assume != "":
		h.Status, h.Reason, h.Cause.Code = model.HookFailed, "ECS was unable to assume role "+h.RoleARN, model.CauseAssumeRole
	case r.Invoke != "":
		h.Status, h.Cause.Code = model.HookFailed, model.CauseInvoke
		h.Reason = "ECS was unable to invoke hook target " + h.TargetARN + " due to " + r.Invoke
		if r.InvokeCode == "ResourceNotFoundException" {
			h.Cause.Code = model.CauseNoFunction
		}
	default:
		p.read(h, r)
	}
	facts := map[string]string{model.FactHook: h.TargetARN, model.FactStatus: string(h.Status)}
	text, why := fmt.Sprintf("hook %s at %s is %s", h.TargetARN, h.Stage, h.Status), last(h, r)
	if why != "" {
		text, facts[model.FactWhy] = text+": "+why, why
	}
	p.plan.Notes = append(p.plan.Notes, Note{p.d.ARN, "hook", text, facts})
}

// last is what is known of a failure besides AWS's words: a function's own
// error is in its log only there.
func last(h *model.HookRun, r Reply) string {
	var e struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	switch {
	case r.Crashed && json.Unmarshal(r.Payload, &e) == nil && e.Message != "":
		ended := e.Message
		if e.Type != "" {
			ended = e.Type + ": " + ended
		}
		h.Cause.Facts = map[string]string{model.FactEnded: ended}
		return "the function ended with " + ended
	case h.Status == model.HookFailed:
		return h.Reason
	default:
		return ""
	}
}

// read understands a function's answer; what it cannot read is a failure.
func (p *pass) read(h *model.HookRun, r Reply) {
	var a struct {
		HookStatus   *model.HookStatus `json:"hookStatus"`
		CallBack     *float64          `json:"callBackDelay"`
		CallBackLong *float64          `json:"callBackDelaySeconds"`
		Details      map[string]any    `json:"hookDetails"`
	}
	why := ""
	if err := json.Unmarshal(r.Payload, &a); err != nil && !r.Crashed {
		why = "the response is not a JSON object of the documented form"
	}
	switch {
	case why != "":
	case r.Crashed || a.HookStatus == nil:
		why = "HookStatus must not be null"
	case *a.HookStatus == model.HookSucceeded:
		h.Status = model.HookSucceeded
	case *a.HookStatus == model.HookFailed:
		h.Status, h.Reason = model.HookFailed, "Lifecycle hook target "+h.TargetARN+" returned FAILED status."
	case *a.HookStatus == model.HookInProgress:
		h.NextCallAt = p.now.Add(delay(a.CallBack, a.CallBackLong))
		h.Details = merged(h.Details, a.Details)
	default:
		why = fmt.Sprintf("HookStatus %q is not one of SUCCEEDED, FAILED, IN_PROGRESS", *a.HookStatus)
	}
	if why != "" {
		h.Status, h.Reason = model.HookFailed, "ECS was unable to parse the response from "+h.TargetARN+" due to: "+why
	}
}

// delay reads callBackDelay; one page of AWS calls it callBackDelaySeconds.
func delay(ds ...*float64) time.Duration {
	for _, d := range ds {
		if d != nil && *d >= 0 && !math.IsInf(*d, 0) && *d < 1e7 {
			return time.Duration(*d * float64(time.Second))
		}
	}
	return callBack
}

// merged adds returned details to those that a hook has.
func merged(have any, more map[string]any) any {
	if len(more) == 0 {
		return have
	}
	old, _ := have.(map[string]any)
	out := map[string]any{}
	maps.Copy(out, old)
	maps.Copy(out, more)
	return out
}

func (p *pass) hookFailed(h *model.HookRun) {
	if h.Rollback {
		return
	}
	why := "Service deployment rolled back because " + string(h.Stage) + " lifecycle hook(s) failed. " + h.Reason
	if h.TargetType == "PAUSE" {
		why = "Service deployment rolled back because " + string(h.Stage) + " pause hook was rolled back."
	}
	p.turn(why, why)
}

func (p *pass) timedOut(h *model.HookRun) verdict {
	if h.TimeoutAction == "CONTINUE" {
		return allowed
	}
	if !h.Rollback {
		kind := "lifecycle"
		if h.TargetType == "PAUSE" {
			kind = "pause"
		}
		why := "Service deployment rolled back because " + string(h.Stage) + " " + kind + " hook timed out."
		p.turn(why, why)
	}
	return refused
}
