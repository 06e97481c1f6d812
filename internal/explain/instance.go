package explain

import (
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

func findInstance(v store.Reader, id string) (model.Instance, bool) {
	if i, ok := state.Instances.Get(v, id); ok {
		return i, true
	}
	if i, ok := state.Instances.One(v, "arn", id); ok {
		return i, true
	}
	for _, i := range state.Instances.All(v) { // the id of a container instance is 32 hexadecimal digits
		if len(id) == 32 && strings.HasSuffix(i.ARN, "/"+id) {
			return i, true
		}
	}
	return model.Instance{}, false
}

func instance(v store.Reader, in model.Instance, now time.Time) Answer {
	a := Answer{Subject: in.ID, Kind: "instance", History: history(v, in.ID, in.ARN)}
	a.say(
		"%s in %s, %s/%s, agent %s, wanted for %s", in.Type, in.AvailabilityZone, in.State, first(string(in.Status), "not registered"),
		connected(in), since(now, in.WantedAt),
	)
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
	a.say("%s: %d of %d CPU units, %d of %d MiB", count(n, "task"), cpu, in.Registered.CPU, mem, in.Registered.Memory)
	if in.Goal != model.GoalRun {
		a.say("its goal is %s: %s", in.Goal, in.GoalReason)
	} else if !in.IdleAt.IsZero() {
		a.say("idle for %s", since(now, in.IdleAt))
	}
	if in.StateReason != "" {
		a.say("%s", in.StateReason)
	}
	switch {
	case late(in, now):
		a.heal(agentCure(v, in), "")
	case in.State == model.InstanceTerminated && in.LaunchedAt.IsZero():
		cp, _ := state.CapacityProviders.Get(v, in.CapacityProvider)
		a.heal(launchCure(v, cp), "")
	}
	return a
}

func connected(in model.Instance) string {
	if in.Connected {
		return "connected"
	}
	return "not connected"
}
