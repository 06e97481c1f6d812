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
type counts struct {
	instances, running, pending, services, draining int64

	fargate, ec2 *counts // of these, those on Fargate and on EC2
}

func count(r store.Reader, cluster string) (n counts) {
	for _, i := range state.Instances.By(r, "cluster", cluster) {
		if i.Status != "" && i.Status != model.ContainerInstanceInactive && i.State != model.InstanceTerminated {
			n.instances++
		}
	}
	n.fargate, n.ec2 = &counts{}, &counts{}
	for _, t := range state.Tasks.By(r, "cluster", cluster) {
		n.task(t)
		n.of(launchType(t)).task(t)
	}
	for _, s := range state.Services.By(r, "cluster", cluster) {
		n.service(s)
		n.of(kindOf(s.Strategy, s.LaunchType)).service(s)
	}
	return n
}

// of are the figures of a launch type; those of managed instances are the rest.
func (n *counts) of(launch string) *counts {
	switch launch {
	case model.LaunchFargate:
		return n.fargate
	case model.LaunchEC2:
		return n.ec2
	}
	return &counts{}
}

func (n *counts) task(t model.Task) {
	switch {
	case isRunning(t):
		n.running++
	case isPending(t):
		n.pending++
	}
}

func (n *counts) service(s model.Service) {
	switch s.Status {
	case model.ServiceActive:
		n.services++
	case model.ServiceDraining:
		n.draining++
	default: // an inactive service counts nowhere
	}
}

func isRunning(t model.Task) bool { return t.LastStatus == model.TaskRunning }

func isPending(t model.Task) bool {
	return t.LastStatus.Before(model.TaskRunning) && t.DesiredStatus == model.TaskRunning
}

// statistics splits the figures by launch type.
func (n counts) statistics() []shape.KeyValuePair {
	var out []shape.KeyValuePair
	add := func(name string, v int64) {
		out = append(out, shape.KeyValuePair{Name: &name, Value: wire.Ptr(strconv.FormatInt(v, 10))})
	}
	managed := counts{
		running: n.running - n.fargate.running - n.ec2.running, pending: n.pending - n.fargate.pending - n.ec2.pending,
		services: n.services - n.fargate.services - n.ec2.services, draining: n.draining - n.fargate.draining - n.ec2.draining,
	}
	for _, kind := range []struct {
		name  string
		value counts
	}{{"EC2", *n.ec2}, {"Fargate", *n.fargate}, {"ManagedInstances", managed}} {
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
