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

func task(v store.Reader, t model.Task, now time.Time) Answer {
	a := Answer{Subject: t.ARN, Kind: "task", History: history(v, t.ARN, t.ID)}
	a.say("%s (desired %s) for %s", t.LastStatus, t.DesiredStatus, since(now, t.StatusAt))
	if t.Balancing && t.StartedAt.IsZero() {
		a.say("it is to even its service out over Availability Zones, and stands in for no other task before it is healthy")
	}
	switch {
	case t.DesiredStatus == model.TaskStopped:
		ended(v, &a, t)
	case t.LastStatus == model.TaskProvisioning && t.Instance == "":
		waiting(v, &a, t, now)
	case t.LastStatus == model.TaskProvisioning:
		a.say("it is placed on %s and waits for its network interface", t.Instance)
	case t.LastStatus == model.TaskPending:
		starting(v, &a, t)
	case t.LastStatus == model.TaskActivating || t.LastStatus == model.TaskRunning:
		targets(v, &a, t)
	}
	return a
}

// ended explains a task that stops or has stopped.
func ended(v store.Reader, a *Answer, t model.Task) {
	a.say("it was told to stop: %s (%s)", first(t.StoppedReason, "no reason given"), first(t.StopCode, "no code"))
	for _, c := range t.Containers {
		if reason := strings.TrimSpace(c.Reason); c.ExitCode != nil || reason != "" && reason != t.StoppedReason {
			a.say("container %s: exit code %s %s", c.Name, code(c.ExitCode), reason)
		}
	}
	a.heal(stoppedCure(v, t))
	if t.Instance == "" && t.StopCode == "TaskFailedToStart" {
		a.say("it waited for an instance from %s until %s", t.CreatedAt.UTC().Format(time.TimeOnly), t.StoppingAt.UTC().Format(time.TimeOnly))
		unfilled(v, a, t, t.StoppingAt)
	}
	if t.StopCode == "TaskFailedToStart" {
		sliceless(v, a, t)
	}
	in, ok := state.Instances.One(v, "arn", t.Instance)
	if !ok || t.LastStatus != model.TaskStopping || in.State != model.InstanceRunning {
		return
	}
	if no := unreached(v, in, "ecs", "ecs-agent"); !in.Connected || no != "" {
		a.say("the agent of %s does not hear of it, or is not heard", in.ID)
		a.heal(first(no, agentCure(v, in))+"; aws ecs deregister-container-instance --force ends the machine with all that is on it", "")
	}
}

func code(c *int64) string {
	if c == nil {
		return "none"
	}
	return fmt.Sprint(*c)
}

// starting explains a task whose agent has not reported it running.
func starting(v store.Reader, a *Answer, t model.Task) {
	in, _ := state.Instances.One(v, "arn", t.Instance)
	a.say("it is placed on %s (%s) with interface %s; the agent has not reported its containers running", in.ID, in.Type, t.ENI)
	if !in.Connected {
		a.say("the agent of %s is not connected", in.ID)
		a.heal(agentCure(v, in), "")
		return
	}
	a.heal(reachCure(v, t), "")
}

// waiting explains a task that is not placed: first what placement and supply
// said, then how far the machines are that could take it.
func waiting(v store.Reader, a *Answer, t model.Task, now time.Time) {
	a.say("it waits for an instance: %s", first(t.Refusal, "it was not looked at yet"))
	if d := shortage(v, t); d.Reason != "" && !superseded(v, t, d) {
		a.say("%s", d.Reason)
		a.heal(fitting(v, t, d.Facts), "")
	}
	for _, in := range state.Instances.By(v, "cluster", t.Cluster) {
		if in.State == model.InstanceTerminated {
			continue
		}
		a.say(
			"%s (%s, %s) is %s/%s for %s: %s", in.ID, in.Type, in.AvailabilityZone, in.State, first(string(in.Status), "not registered"),
			since(now, in.WantedAt), progress(in),
		)
		if late(in, now) {
			a.heal(agentCure(v, in), "")
		}
	}
	launches(v, a, t, now)
}

// fitting is what lets a machine be bought for a task for which none may be.
func fitting(v store.Reader, t model.Task, facts map[string]string) string {
	switch facts[model.FactLacks] {
	case model.LacksConstraints:
		return "loosen the task's placementConstraints, or allow the types that they name in the instance requirements of the capacity provider"
	case model.LacksArchitecture:
		if cure := foreign(v, t, facts); cure != "" {
			return cure
		}
		return "change runtimePlatform.cpuArchitecture in the task definition, or allow types of that architecture (cpuManufacturers, " +
			"allowedInstanceTypes) that this host runs"
	case model.LacksSubnets:
		return "give the task subnets in the capacity provider's zones, or the capacity provider subnets in the task's"
	default:
		return "raise vCpuCount and memoryMiB (or allow larger types) in the instance requirements of the capacity provider, or ask for less " +
			"in the task definition"
	}
}

// foreign says what helps a task of an architecture that this host does not run.
func foreign(v store.Reader, t model.Task, facts map[string]string) string {
	def, _ := state.TaskDefinitions.Get(v, t.TaskDefinition)
	wants, runs := def.CPUArchitecture, facts[model.FactRuns]
	if runs == "" || wants == "" || strings.Contains(strings.ToUpper(runs), wants) {
		return ""
	}
	return fmt.Sprintf("the task wants %s and this machine runs %s: set runtimePlatform.cpuArchitecture of the task definition to that, with an "+
		"image of it, or run berth on a machine of the other architecture", wants, runs)
}

// sliceless explains a task of Fargate whose slice this host could not give.
func sliceless(v store.Reader, a *Answer, t model.Task) {
	for _, d := range slices.Backward(history(v, t.ARN)) {
		if d.By != "controllers/instance" || d.Verb != "refused" {
			continue
		}
		a.say("this machine gave it no slice: %s", d.Reason)
		a.prefer(foreign(v, t, d.Facts), "")
		if d.Facts[model.FactHost] != "" {
			a.prefer("this machine is smaller than the task: ask for less in the task definition, or start the server with --overcommit", "")
		}
		return
	}
}

// unfilled explains why a task that is over was never placed.
func unfilled(v store.Reader, a *Answer, t model.Task, now time.Time) {
	if d := shortage(v, t); d.Reason != "" {
		a.say("%s", d.Reason)
		a.heal(fitting(v, t, d.Facts), "")
	}
	launches(v, a, t, now)
}

// launches says what capacity providers could not launch since a task came.
func launches(v store.Reader, a *Answer, t model.Task, now time.Time) {
	providers := state.CapacityProviders.By(v, "cluster", t.Cluster)
	for _, cp := range providers {
		if cp.LastFailure == "" || cp.LastFailureAt.Before(t.CreatedAt) || cp.LastFailureAt.After(now) {
			continue
		}
		a.say("capacity provider %s could not launch %s ago: %s", cp.Name, since(now, cp.LastFailureAt), cp.LastFailure)
		a.prefer(launchCure(v, cp), "")
	}
	if len(providers) == 0 {
		a.heal("give the cluster a Managed Instances capacity provider", "")
	}
}

// shortage is the last decision of supply that no machine may be bought for a
// task.
func shortage(v store.Reader, t model.Task) model.Decision {
	for _, d := range slices.Backward(history(v, t.ARN)) {
		if d.By == "controllers/capacity" && d.Verb == "refused" {
			return d
		}
	}
	return model.Decision{}
}

// superseded says that a machine was bought for a task since a decision that
// none may be. One that was bought for another task says nothing of this one.
func superseded(v store.Reader, t model.Task, d model.Decision) bool {
	return slices.ContainsFunc(state.Instances.By(v, "cluster", t.Cluster), func(i model.Instance) bool {
		return i.WantedAt.After(d.At) && slices.Contains(i.For, t.ARN)
	})
}

// late says that an instance should have its agent by now.
func late(in model.Instance, now time.Time) bool {
	return in.State == model.InstanceRunning && in.Goal == model.GoalRun &&
		(in.Status == "" || in.Status == model.ContainerInstanceActive && !in.Connected) && now.Sub(in.LaunchedAt) > 2*time.Minute
}

func progress(in model.Instance) string {
	switch {
	case in.State == model.InstancePending && in.ENI == "":
		return "waiting for its network interface"
	case in.State == model.InstancePending:
		return "being launched"
	case in.Status == "":
		return "its agent has not registered"
	case !in.Connected:
		return "registered, but its agent is not connected"
	case in.Status == model.ContainerInstanceDraining:
		return "draining, takes no new tasks"
	default:
		return "takes tasks"
	}
}

func targets(v store.Reader, a *Answer, t model.Task) {
	registered := state.Targets.By(v, "task", t.ARN)
	for _, tg := range registered {
		a.say("target %s:%d in %s is %s%s", tg.ID, tg.Port, groupName(tg.Group), tg.State, why(tg))
		if g, ok := state.TargetGroups.Get(v, tg.Group); ok && tg.State == model.TargetUnhealthy {
			a.heal(healthCure(g, t.ARN))
		}
	}
	switch {
	case len(t.TargetGroups()) == 0:
		a.say("it registers in no target group")
	case len(registered) == 0 && t.LastStatus == model.TaskActivating:
		a.say("it is not registered in %s", groupName(t.TargetGroups()[0]))
		a.heal(registerCure(v, t), "")
	}
}

func why(t model.Target) string {
	if t.Reason == "" {
		return ""
	}
	return fmt.Sprintf(" (%s: %s)", t.Reason, t.Description)
}
