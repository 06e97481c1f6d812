package explain

import (
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

func stack(v store.Reader, s model.Stack, now time.Time) Answer {
	a := Answer{Subject: s.ID, Kind: "stack", History: history(v, s.ID)}
	a.say("%s", strings.TrimSpace(string(s.Status)+" "+s.StatusReason))
	for _, r := range state.StackResources.By(v, "stack", s.ID) {
		if r.Status.InProgress() {
			a.say("%s (%s) is %s", r.LogicalID, r.Type, r.Status)
			serviceOf(v, &a, s, r.Type, r.PhysicalID, now)
		}
	}
	for _, e := range state.StackEvents.By(v, "stack", s.ID) {
		if !strings.HasSuffix(string(e.Status), "FAILED") || e.Type == "AWS::CloudFormation::Stack" || e.Cause.Code == model.CauseCancelled ||
			e.At.Before(s.Started) {
			continue
		}
		a.say("%s (%s) %s: %s", e.LogicalID, e.Type, e.Status, e.Reason)
		serviceOf(v, &a, s, e.Type, e.PhysicalID, now)
		if e.Cause.Facts[model.FactLacks] == model.LacksTypes {
			a.heal("no instance type meets the instance requirements of "+e.LogicalID+": widen vCpuCount, memoryMiB and the rest "+
				"(burstable types count only with burstablePerformance included)", "")
		}
	}
	return a
}

// serviceOf adds what is the matter with a stack's ECS service. One that a
// rollback took away is told of by what was decided about it.
func serviceOf(v store.Reader, a *Answer, s model.Stack, typ, arn string, now time.Time) {
	if typ != "AWS::ECS::Service" || arn == "" {
		return
	}
	if made, ok := state.Services.Get(v, arn); ok && made.Status != model.ServiceInactive {
		of := service(v, made, now)
		a.Say, a.Routine = append(a.Say, of.Say...), append(a.Routine, of.Routine...)
		a.heal(of.Cure, of.Log)
		return
	}
	var last model.Decision
	for _, d := range state.Decisions.All(v) {
		about := d.Service == arn || d.Service == short(arn)
		wrong := d.Verb == "rollback" || d.Verb == "hook" && d.Facts[model.FactStatus] == string(model.HookFailed) ||
			d.Facts["stoppedReason"] != "" && d.Facts["stopCause"] != model.CauseScaling
		if !about || !wrong || d.At.Before(s.Started) || d.Seq < last.Seq {
			continue
		}
		last = d
		if d.Verb == "hook" {
			a.heal(lostHookCure(d))
			continue
		}
		if why := d.Facts["stoppedReason"]; why != "" {
			a.heal(stoppedCure(v, remembered(d)))
		}
	}
	if last.Seq > 0 {
		a.say("its service is gone; the last that went wrong with it: %s", first(last.Facts["stoppedReason"], last.Reason))
	}
}

// lostHookCure is the cure for a hook of a deployment that is gone, from the
// decision about it.
func lostHookCure(d model.Decision) (cure, log string) {
	log = function(model.HookRun{TargetARN: d.Facts[model.FactHook]})
	return "the lifecycle hook refused the deployment (" + d.Facts[model.FactWhy] + "): berth logs " + log + " shows why", log
}
