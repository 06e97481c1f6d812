package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

func service(v store.Reader, s model.Service, now time.Time) Answer {
	a := Answer{
		Subject: s.ARN, Kind: "service",
		History: slices.DeleteFunc(history(v, s.ARN, s.Name), func(d model.Decision) bool { return d.At.Before(s.CreatedAt) }),
	}
	tasks := state.Tasks.By(v, "service", s.ARN)
	a.say("%s, desired %d: %s", s.Status, s.DesiredCount, crowd(tasks))
	ds := state.ServiceDeployments.By(v, "service", s.ARN)
	slices.SortFunc(ds, func(x, y model.ServiceDeployment) int { return x.CreatedAt.Compare(y.CreatedAt) })
	var wanting model.ServiceDeployment
	if len(ds) > 0 {
		d := ds[len(ds)-1]
		deployment(v, &a, d, now)
		if a.Cure == "" && (d.RollbackReason != "" || d.Stage == model.StageScaleUp) {
			wanting = d
		}
	}
	stuck, ended := troubled(tasks, s, wanting)
	switch t, found := forgotten(v, s, tasks); {
	case waitsLong(stuck, now):
		a.tell(stuck, task(v, stuck, now))
		if ended.ARN != "" {
			a.say("the last task that ended, %s: %s", ended.ID[:min(8, len(ended.ID))], ended.StoppedReason)
			a.offer(stoppedCure(v, ended))
		}
	case ended.ARN != "":
		a.tell(ended, task(v, ended, now))
	case found:
		a.say("the last task that ended, %s: %s", t.ID[:min(8, len(t.ID))], t.StoppedReason)
		a.prefer(stoppedCure(v, t))
	}
	for _, e := range s.Events[:min(3, len(s.Events))] {
		a.say("%s %s", e.At.Format("15:04:05"), e.Message)
		if e.Cause.Code == model.CauseStarted {
			a.Routine = append(a.Routine, a.Say[len(a.Say)-1])
		}
	}
	return a
}

// crowd counts tasks by their state.
func crowd(tasks []model.Task) string {
	by := map[string]int{}
	for _, t := range tasks {
		by[string(t.LastStatus)]++
	}
	var counts []string
	for _, st := range model.TaskStates {
		if by[string(st)] > 0 && st != model.TaskStopped {
			counts = append(counts, fmt.Sprintf("%d %s", by[string(st)], st))
		}
	}
	return first(strings.Join(counts, ", "), "no tasks")
}

// deployment says where the newest deployment stands, or how it ended.
func deployment(v store.Reader, a *Answer, d model.ServiceDeployment, now time.Time) {
	if end := over(d); d.StatusReason == "" && !end.IsZero() {
		a.say("deployment %s has been %s for %s", short(d.ARN), d.Status, since(now, end))
	} else if d.StatusReason != "" {
		a.say("deployment %s is %s: %s", short(d.ARN), d.Status, d.StatusReason)
	} else if d.Stage == "" { // a rolling one has none
		a.say("deployment %s is %s for %s", short(d.ARN), d.Status, since(now, d.CreatedAt))
	} else {
		a.say("deployment %s is %s, stage %s for %s", short(d.ARN), d.Status, d.Stage, since(now, d.StageAt))
	}
	if d.RollbackReason != "" && d.RollbackReason != d.StatusReason {
		a.say("it was given up: %s", d.RollbackReason)
	}
	for _, h := range d.Hooks {
		a.say("hook %s at %s: %s", function(h), h.Stage, h.Status)
		if h.Status == model.HookFailed || h.Status == model.HookTimedOut {
			a.heal(hookCure(h))
		}
	}
	if d.RollbackCause == model.CauseNotPermitted {
		a.heal("attach AmazonECSInfrastructureRolePolicyForLoadBalancers to the role of the service's load balancer, then deploy again", "")
	}
}

// over is when a deployment ended.
func over(d model.ServiceDeployment) time.Time {
	if d.FinishedAt.IsZero() {
		return d.StoppedAt
	}
	return d.FinishedAt
}

// ofDeployment explains a deployment: the newest one by what its service is
// about, an older one by how it ended.
func ofDeployment(v store.Reader, d model.ServiceDeployment, now time.Time) Answer {
	a := Answer{Subject: d.ARN, Kind: "deployment", History: history(v, d.ARN)}
	s, ok := state.Services.Get(v, d.Service)
	newer := slices.ContainsFunc(state.ServiceDeployments.By(v, "service", d.Service), func(o model.ServiceDeployment) bool {
		return o.CreatedAt.After(d.CreatedAt)
	})
	if ok && !newer {
		of := service(v, s, now)
		a.Say, a.Routine = of.Say, of.Routine
		a.heal(of.Cure, of.Log)
		return a
	}
	deployment(v, &a, d, now)
	return a
}

// tell takes over what there is to say of a task.
func (a *Answer) tell(t model.Task, of Answer) {
	for _, line := range of.Say {
		a.say("task %s: %s", t.ID[:min(8, len(t.ID))], line)
	}
	a.prefer(of.Cure, of.Log)
}

// troubled are the tasks that show best what is wrong with a service: the one that
// is longest on its way, and the last that ended by itself, if tasks are missing or
// a deployment wants for its own.
func troubled(tasks []model.Task, s model.Service, wanting model.ServiceDeployment) (stuck, ended model.Task) {
	healthy := 0
	for _, t := range tasks {
		under := t.LastStatus != model.TaskRunning && t.LastStatus != model.TaskStopped
		switch {
		case t.LastStatus == model.TaskRunning:
			healthy++
		case t.DesiredStatus == model.TaskStopped && failed(t) && t.StoppingAt.After(ended.StoppingAt):
			ended = t
		}
		if under && (stuck.ARN == "" || t.StatusAt.Before(stuck.StatusAt)) {
			stuck = t
		}
	}
	if int64(healthy) >= s.DesiredCount && (wanting.ARN == "" || ended.Revision != wanting.Target) {
		ended = model.Task{}
	}
	return stuck, ended
}

// waitsLong tells a task that does not get on from one that has just begun.
func waitsLong(t model.Task, now time.Time) bool {
	return t.ARN != "" && now.Sub(t.StatusAt) > time.Minute
}

// forgotten is the last task of a service without any that ended for a fault,
// as far as decisions tell: tasks are forgotten an hour after their end.
func forgotten(v store.Reader, s model.Service, tasks []model.Task) (model.Task, bool) {
	if len(tasks) > 0 || s.DesiredCount == 0 {
		return model.Task{}, false
	}
	var last model.Decision
	for _, d := range state.Decisions.All(v) {
		if d.Service == s.ARN && d.Facts["stoppedReason"] != "" && !d.At.Before(s.CreatedAt) && d.Seq > last.Seq {
			last = d
		}
	}
	t := remembered(last)
	t.TaskDefinition, t.LoadBalancers = s.TaskDefinition, s.LoadBalancers
	return t, last.Seq > 0 && failed(t)
}

// remembered is as much of a task as a decision about its end tells.
func remembered(d model.Decision) model.Task {
	return model.Task{
		ARN: d.Subject, ID: short(d.Subject),
		StoppedReason: d.Facts["stoppedReason"], StopCode: d.Facts["stopCode"], StopCause: d.Facts["stopCause"],
	}
}

// failed tells a task that ended for a fault from one that was not needed.
func failed(t model.Task) bool {
	return t.StopCause != model.CauseScaling && t.StopCode != "UserInitiated"
}

// function is the name of a hook's function.
func function(h model.HookRun) string {
	if i := strings.LastIndexByte(h.TargetARN, ':'); i >= 0 {
		return h.TargetARN[i+1:]
	}
	return first(h.TargetARN, h.TargetType)
}
