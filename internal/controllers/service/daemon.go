package service

import (
	"fmt"
	"slices"

	"berth/internal/model"
	"berth/internal/plan/placement"
	"berth/internal/state"
	"berth/internal/store"
)

// host is all that daemons see of a container instance.
type host struct{ cluster, arn, attributes string }

// hostOf is zero for who hosts no daemons.
func hostOf(i *model.Instance) host {
	if !hosting(i) {
		return host{}
	}
	return host{i.Cluster, i.ARN, fmt.Sprint(i.Attributes)}
}

// hosting reports whether daemons have a task on an instance, if their
// constraints let them.
func hosting(i *model.Instance) bool {
	return i.Kind == model.KindEC2 && i.Status == model.ContainerInstanceActive && !emptying(i) && !i.State.Ending()
}

// hosts are the instances of a daemon, in order; of another service none.
func hosts(r store.Reader, s model.Service) []string {
	if s.SchedulingStrategy != model.SchedulingDaemon {
		return nil
	}
	constraints := s.Constraints
	if d := state.TaskDefinitions.Ref(r, s.TaskDefinition); d != nil {
		constraints = slices.Concat(d.PlacementConstraints, constraints)
	}
	var out []string
	for i := range state.Instances.Each(r, "cluster", s.Cluster) {
		if hosting(i) && placement.Matches(i, constraints) {
			out = append(out, i.ARN)
		}
	}
	slices.Sort(out)
	return out
}

func hostsOf(h host) []string { return store.Key(alias("cluster", h.cluster)) }
