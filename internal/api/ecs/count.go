package ecs

import (
	"strconv"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// counts are the figures of a cluster.
type counts struct{ instances, running, pending, services, draining int64 }

func count(r store.Reader, cluster string) (n counts) {
	for _, i := range state.Instances.By(r, "cluster", cluster) {
		if i.Status != "" && i.Status != model.ContainerInstanceInactive && i.State != model.InstanceTerminated {
			n.instances++
		}
	}
	for _, t := range state.Tasks.By(r, "cluster", cluster) {
		switch {
		case isRunning(t):
			n.running++
		case isPending(t):
			n.pending++
		}
	}
	for _, s := range state.Services.By(r, "cluster", cluster) {
		switch s.Status {
		case model.ServiceActive:
			n.services++
		case model.ServiceDraining:
			n.draining++
		default: // an inactive service counts nowhere
		}
	}
	return n
}

func isRunning(t model.Task) bool { return t.LastStatus == model.TaskRunning }

func isPending(t model.Task) bool {
	return t.LastStatus.Before(model.TaskRunning) && t.DesiredStatus == model.TaskRunning
}

// statistics splits the figures by launch type; all that Berth runs is on
// managed instances.
func (n counts) statistics() []shape.KeyValuePair {
	var out []shape.KeyValuePair
	add := func(name string, v int64) {
		out = append(out, shape.KeyValuePair{Name: &name, Value: wire.Ptr(strconv.FormatInt(v, 10))})
	}
	for _, kind := range []struct {
		name  string
		value counts
	}{{"EC2", counts{}}, {"Fargate", counts{}}, {"ManagedInstances", n}} {
		add("running"+kind.name+"TasksCount", kind.value.running)
		add("pending"+kind.name+"TasksCount", kind.value.pending)
		add("active"+kind.name+"ServiceCount", kind.value.services)
		add("draining"+kind.name+"ServiceCount", kind.value.draining)
	}
	return out
}

// tally counts running and pending tasks of those that fit.
func tally(tasks []model.Task, fits func(model.Task) bool) (running, pending int64) {
	for _, t := range tasks {
		switch {
		case !fits(t):
		case isRunning(t):
			running++
		case isPending(t):
			pending++
		}
	}
	return running, pending
}
