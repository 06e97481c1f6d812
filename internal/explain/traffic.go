package explain

import (
	"fmt"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// findTargets finds the targets with that address, with or without the port.
func findTargets(v store.Reader, id string) (Answer, bool) {
	a := Answer{Subject: id, Kind: "target"}
	for _, t := range state.Targets.All(v) {
		if id != t.ID && id != fmt.Sprintf("%s:%d", t.ID, t.Port) {
			continue
		}
		g, _ := state.TargetGroups.Get(v, t.Group)
		a.say("%s:%d in %s is %s%s", t.ID, t.Port, groupName(t.Group), t.State, why(t))
		if t.Task != "" {
			a.say("it is task %s", short(t.Task))
		}
		a.offer(targetCure(g, t))
	}
	return a, len(a.Say) > 0
}

// targetCure says what lets a target have traffic.
func targetCure(g model.TargetGroup, t model.Target) (cure, log string) {
	switch {
	case t.State == model.TargetUnhealthy:
		return healthCure(g, t.Task)
	case t.Reason == "Target.NotInUse":
		return "no listener rule forwards to this group: let one, weight 0 is enough", ""
	default:
		return "", ""
	}
}

func group(v store.Reader, g model.TargetGroup) Answer {
	a := Answer{Subject: g.ARN, Kind: "target group", History: history(v, g.ARN)}
	ts := state.Targets.By(v, "group", g.ARN)
	a.say("%s", count(len(ts), "target"))
	for _, t := range ts {
		a.say("%s:%d %s%s", t.ID, t.Port, t.State, why(t))
		a.prefer(targetCure(g, t))
	}
	return a
}

// loadBalancer tells where its listeners answer.
func loadBalancer(v store.Reader, b model.LoadBalancer) Answer {
	a := Answer{Subject: b.ARN, Kind: "load balancer", History: history(v, b.ARN)}
	a.say("%s, %s in %s", b.DNSName, b.Scheme, strings.Join(b.Subnets, ", "))
	for _, l := range state.Listeners.All(v) {
		if l.LoadBalancer != b.ARN {
			continue
		}
		a.say("listener %s %d answers%s", l.Protocol, l.Port, trouble(l.Trouble))
	}
	if len(a.Say) == 1 {
		a.heal("it has no listener, so nobody answers: create one", "")
	}
	return a
}

func trouble(s string) string {
	if s == "" {
		return ""
	}
	return ", but " + s
}
