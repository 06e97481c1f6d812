// Package explain answers "why" from what the state has: why a task waits,
// why an instance has its type and is kept or ended, why a target is
// unhealthy, where a deployment stands. It reads one view, changes nothing,
// and finishes each answer with what to do next where there is something.
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

// Answer is an explanation in sentences.
type Answer struct {
	Subject string           `json:"subject"`
	Kind    string           `json:"kind"` // task, instance, service, target, stack, endpoint, …
	Say     []string         `json:"say"`
	Cure    string           `json:"cure,omitempty"`
	History []model.Decision `json:"history,omitempty"`
}

func (a *Answer) say(format string, args ...any) { a.Say = append(a.Say, fmt.Sprintf(format, args...)) }

// Find explains what id names: an ARN, an id, the beginning of a task id, or
// the name of a service, stack, load balancer or target group.
func Find(v store.Reader, id string, now time.Time) (Answer, bool) {
	if t, ok := findTask(v, id); ok {
		return task(v, t, now), true
	}
	if i, ok := findInstance(v, id); ok {
		return instance(v, i, now), true
	}
	for _, s := range state.Services.All(v) {
		if s.ARN == id || s.Name == id || s.Cluster+"/"+s.Name == id {
			return service(v, s, now), true
		}
	}
	for _, g := range state.TargetGroups.All(v) {
		if g.ARN == id || g.Name == id {
			return group(v, g), true
		}
	}
	for _, s := range state.Stacks.All(v) {
		if s.ID == id || s.Name == id {
			return stack(v, s), true
		}
	}
	if a, ok := findPlace(v, id); ok {
		return a, true
	}
	if h := history(v, id); len(h) > 0 {
		return Answer{Subject: id, Kind: "record", Say: []string{"this is what was decided about it"}, History: h}, true
	}
	return Answer{}, false
}

func history(v store.Reader, subjects ...string) []model.Decision {
	var out []model.Decision
	for _, s := range subjects {
		if s != "" {
			out = append(out, state.Decisions.By(v, "subject", s)...)
		}
	}
	slices.SortFunc(out, func(a, b model.Decision) int { return int(a.Seq - b.Seq) })
	if len(out) > 30 {
		out = out[len(out)-30:]
	}
	return out
}

func findTask(v store.Reader, id string) (model.Task, bool) {
	if t, ok := state.Tasks.Get(v, id); ok {
		return t, true
	}
	var hits []model.Task
	for _, t := range state.Tasks.All(v) {
		if len(id) >= 4 && strings.HasPrefix(t.ID, id) {
			hits = append(hits, t)
		}
	}
	if len(hits) == 1 {
		return hits[0], true
	}
	return model.Task{}, false
}

func findInstance(v store.Reader, id string) (model.Instance, bool) {
	if i, ok := state.Instances.Get(v, id); ok {
		return i, true
	}
	return state.Instances.One(v, "arn", id)
}

func since(now, at time.Time) string { return now.Sub(at).Round(time.Second).String() }

func task(v store.Reader, t model.Task, now time.Time) Answer {
	a := Answer{Subject: t.ARN, Kind: "task", History: history(v, t.ARN, t.ID)}
	a.say("%s (desired %s) since %s", t.LastStatus, t.DesiredStatus, since(now, t.StatusAt))
	switch {
	case t.DesiredStatus == model.TaskStopped:
		a.say("it was told to stop: %s (%s)", first(t.StoppedReason, "no reason given"), first(t.StopCode, "no code"))
		for _, c := range t.Containers {
			if c.ExitCode != nil || c.Reason != "" {
				a.say("container %s: exit code %s %s", c.Name, code(c.ExitCode), c.Reason)
			}
		}
		a.Cure = stoppedCure(t)
	case t.LastStatus == model.TaskProvisioning && t.Instance == "":
		waiting(v, &a, t, now)
	case t.LastStatus == model.TaskProvisioning:
		a.say("it is placed on %s and waits for its network interface", t.Instance)
	case t.LastStatus == model.TaskPending:
		in, _ := state.Instances.One(v, "arn", t.Instance)
		a.say("it is placed on %s (%s) with interface %s; the agent has not reported its containers running", in.ID, in.Type, t.ENI)
		if !in.Connected {
			a.say("the agent of %s is not connected", in.ID)
			a.Cure = "check the ecs-agent endpoint and that its security group admits 443 from the instance's group; berth explain " + in.ID
		}
	case t.LastStatus == model.TaskActivating || t.LastStatus == model.TaskRunning:
		targets(v, &a, t)
	}
	return a
}

func code(c *int64) string {
	if c == nil {
		return "none"
	}
	return fmt.Sprint(*c)
}

func first(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

func stoppedCure(t model.Task) string {
	all := t.StoppedReason
	for _, c := range t.Containers {
		all += " " + c.Reason
	}
	switch {
	case strings.Contains(all, "CannotPullContainer"):
		return "push the image (berth image push REPO:TAG SOURCE) or check the ecr.api, ecr.dkr and s3 endpoints and the execution role"
	case strings.Contains(all, "OutOfMemory"):
		return "raise the memory of the task definition"
	case strings.Contains(all, "ELB health checks"):
		return "look at the target group's health check path and at the task's log (berth logs " + t.ID + ")"
	case strings.Contains(all, "log"):
		return "create the log group, or allow logs:CreateLogStream and logs:PutLogEvents to the execution role"
	default:
		return ""
	}
}

// waiting explains a task that is not placed: first what placement said, then
// how far the machines are that could take it.
func waiting(v store.Reader, a *Answer, t model.Task, now time.Time) {
	a.say("it waits for an instance: %s", first(t.Refusal, "it was not looked at yet"))
	found := false
	for _, in := range state.Instances.By(v, "cluster", t.Cluster) {
		if in.State == "terminated" {
			continue
		}
		found = true
		a.say("%s (%s, %s) is %s/%s for %s: %s", in.ID, in.Type, in.AvailabilityZone, in.State, first(in.Status, "not registered"), since(now, in.WantedAt), progress(in))
		if in.Status == "" && in.State == "running" && now.Sub(in.LaunchedAt) > 2*time.Minute {
			a.Cure = missingEndpoints(v, in)
		}
	}
	for _, cp := range state.CapacityProviders.By(v, "cluster", t.Cluster) {
		if cp.LastFailure != "" {
			a.say("capacity provider %s could not launch: %s", cp.Name, cp.LastFailure)
			if strings.Contains(cp.LastFailure, "iam:PassRole") {
				a.Cure = "name the instance role ecsInstanceRole…, or allow iam:PassRole on it to the infrastructure role"
			}
		}
	}
	if !found && a.Cure == "" && len(state.CapacityProviders.By(v, "cluster", t.Cluster)) == 0 {
		a.Cure = "give the cluster a Managed Instances capacity provider"
	}
}

func progress(in model.Instance) string {
	switch {
	case in.State == "pending" && in.ENI == "":
		return "waiting for its network interface"
	case in.State == "pending":
		return "being launched"
	case in.Status == "":
		return "its agent has not registered"
	case !in.Connected:
		return "registered, but its agent is not connected"
	case in.Status == "DRAINING":
		return "draining, takes no new tasks"
	default:
		return "takes tasks"
	}
}

func targets(v store.Reader, a *Answer, t model.Task) {
	for _, tg := range state.Targets.By(v, "task", t.ARN) {
		a.say("target %s:%d in %s is %s%s", tg.ID, tg.Port, ident(tg.Group), tg.State, why(tg))
	}
	if len(t.TargetGroups()) == 0 {
		a.say("it registers in no target group")
	}
}

func why(t model.Target) string {
	if t.Reason == "" {
		return ""
	}
	return fmt.Sprintf(" (%s: %s)", t.Reason, t.Description)
}

func ident(arn string) string {
	if i := strings.Index(arn, "targetgroup/"); i >= 0 {
		return arn[i:]
	}
	return arn
}

func instance(v store.Reader, in model.Instance, now time.Time) Answer {
	a := Answer{Subject: in.ID, Kind: "instance", History: history(v, in.ID, in.ARN)}
	a.say("%s in %s, %s/%s, agent %s, wanted for %s", in.Type, in.AvailabilityZone, in.State, first(in.Status, "not registered"), connected(in), since(now, in.WantedAt))
	a.say("why this type: %s", first(in.Why, "not recorded"))
	n := 0
	var cpu, mem int64
	for _, t := range state.Tasks.By(v, "instance", in.ARN) {
		if t.LastStatus != model.TaskStopped {
			n++
			cpu += t.CPU
			mem += t.Memory
		}
	}
	a.say("%d tasks: %d of %d CPU units, %d of %d MiB", n, cpu, in.Registered.CPU, mem, in.Registered.Memory)
	if in.Goal != "RUN" {
		a.say("its goal is %s: %s", in.Goal, in.GoalReason)
	} else if !in.IdleAt.IsZero() {
		a.say("idle for %s", since(now, in.IdleAt))
	}
	if in.StateReason != "" {
		a.say("%s", in.StateReason)
	}
	if in.State == "running" && in.Status == "" {
		a.Cure = missingEndpoints(v, in)
	}
	return a
}

func connected(in model.Instance) string {
	if in.Connected {
		return "connected"
	}
	return "not connected"
}

func service(v store.Reader, s model.Service, now time.Time) Answer {
	a := Answer{Subject: s.ARN, Kind: "service", History: history(v, s.ARN, s.Name)}
	by := map[string]int{}
	refusals := map[string]int{}
	for _, t := range state.Tasks.By(v, "service", s.ARN) {
		if t.LastStatus == model.TaskStopped {
			continue
		}
		by[t.LastStatus]++
		if t.Refusal != "" && t.Instance == "" {
			refusals[t.Refusal]++
		}
	}
	var counts []string
	for _, st := range model.TaskStates {
		if by[st] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", by[st], st))
		}
	}
	a.say("%s, desired %d: %s", s.Status, s.DesiredCount, first(strings.Join(counts, ", "), "no tasks"))
	for r, n := range refusals {
		a.say("%d tasks wait: %s", n, r)
	}
	slices.Sort(a.Say[1:])
	if d, ok := state.ServiceDeployments.Get(v, s.CurrentDeployment); ok {
		a.say("deployment %s is %s, stage %s for %s", short(d.ARN), d.Status, first(d.Stage, "none"), since(now, d.StageAt))
		for _, h := range d.Hooks {
			a.say("hook %s at %s: %s %s", short(h.TargetARN), h.Stage, h.Status, h.Reason)
		}
	}
	ds := state.ServiceDeployments.By(v, "service", s.ARN)
	slices.SortFunc(ds, func(x, y model.ServiceDeployment) int { return x.CreatedAt.Compare(y.CreatedAt) })
	if len(ds) > 0 && ds[len(ds)-1].StatusReason != "" {
		a.say("last deployment: %s: %s", ds[len(ds)-1].Status, ds[len(ds)-1].StatusReason)
	}
	for i, e := range s.Events {
		if i == 3 {
			break
		}
		a.say("%s %s", e.At.Format("15:04:05"), e.Message)
	}
	return a
}

func short(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

func group(v store.Reader, g model.TargetGroup) Answer {
	a := Answer{Subject: g.ARN, Kind: "target group"}
	ts := state.Targets.By(v, "group", g.ARN)
	a.say("%d targets", len(ts))
	for _, t := range ts {
		a.say("%s:%d %s%s", t.ID, t.Port, t.State, why(t))
		if t.State == "unhealthy" {
			a.Cure = fmt.Sprintf("the check asks %s on port %s and wants %s within %d s; see the task's log", g.HealthPath, g.HealthPort, g.Matcher, g.HealthTimeout)
		}
		if t.Reason == "Target.NotInUse" {
			a.Cure = "let a listener rule forward to this group; weight 0 is enough"
		}
	}
	return a
}

func stack(v store.Reader, s model.Stack) Answer {
	a := Answer{Subject: s.ID, Kind: "stack", History: history(v, s.ID)}
	a.say("%s %s", s.Status, s.StatusReason)
	for _, r := range state.StackResources.By(v, "stack", s.ID) {
		if strings.Contains(r.Status, "FAILED") || strings.HasSuffix(r.Status, "IN_PROGRESS") {
			a.say("%s (%s) %s %s", r.LogicalID, r.Type, r.Status, r.StatusReason)
			if r.Type == "AWS::ECS::Service" && r.PhysicalID != "" {
				a.Cure = "berth explain " + short(r.PhysicalID)
			}
		}
	}
	return a
}
