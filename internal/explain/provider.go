package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// provider explains what a capacity provider has bought, what waits for it,
// and why it cannot buy.
func provider(v store.Reader, cp model.CapacityProvider, now time.Time) Answer {
	a := Answer{Subject: cp.ARN, Kind: "capacity provider", History: history(v, cp.ARN, cp.Name)}
	a.say("%s in cluster %s", strings.TrimSpace(string(cp.Status)+" "+cp.UpdateStatusReason), cp.Cluster)
	var bought time.Time
	kinds := map[string]int{}
	for _, in := range state.Instances.By(v, "cluster", cp.Cluster) {
		if in.CapacityProvider != cp.Name {
			continue
		}
		if in.LaunchedAt.After(bought) {
			bought = in.LaunchedAt
		}
		if in.State == model.InstanceTerminated {
			continue
		}
		kinds[in.Type]++
		if late(in, now) {
			a.say("%s (%s) is %s for %s: %s", in.ID, in.Type, in.State, since(now, in.WantedAt), progress(in))
			a.heal(agentCure(v, in), "")
		}
	}
	var has []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		has = append(has, fmt.Sprintf("%d %s", kinds[k], k))
	}
	a.say("it has %s", first(strings.Join(has, ", "), "no instance"))
	if cp.LastFailure != "" && cp.LastFailureAt.After(bought) {
		a.say("it could not launch %s ago: %s", since(now, cp.LastFailureAt), cp.LastFailure)
		a.prefer(launchCure(v, cp), "")
	}
	var oldest model.Task
	n := 0
	for _, t := range state.Tasks.By(v, "cluster", cp.Cluster) {
		if t.Instance == "" && t.LastStatus == model.TaskProvisioning {
			if n++; oldest.ARN == "" || t.StatusAt.Before(oldest.StatusAt) {
				oldest = t
			}
		}
	}
	if n == 0 {
		return a
	}
	a.say("%s for an instance in its cluster, the longest %s for %s", wait(n), clip(oldest.ID), since(now, oldest.StatusAt))
	of := task(v, oldest, now)
	a.offer(of.Cure, of.Log)
	return a
}

func wait(n int) string {
	if n == 1 {
		return "1 task waits"
	}
	return fmt.Sprintf("%d tasks wait", n)
}

func clip(id string) string { return id[:min(8, len(id))] }

// cluster tells of each service in a line, and of the first that has a cure.
func cluster(v store.Reader, c model.Cluster, now time.Time) Answer {
	a := Answer{Subject: c.ARN, Kind: "cluster", History: history(v, c.ARN, c.Name)}
	live := 0
	for _, in := range state.Instances.By(v, "cluster", c.Name) {
		if in.State != model.InstanceTerminated {
			live++
		}
	}
	a.say("%s, %s", c.Status, count(live, "instance"))
	for _, s := range state.Services.All(v) {
		if s.Cluster != c.Name || s.Status == model.ServiceInactive {
			continue
		}
		a.say("service %s, desired %d: %s", s.Name, s.DesiredCount, crowd(state.Tasks.By(v, "service", s.ARN)))
		of := service(v, s, now)
		a.offer(of.Cure, of.Log)
	}
	return a
}
