package ecs

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/internal/lang/constraint"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// DescribeContainerInstances describes up to a hundred instances. Errors:
// ClusterNotFoundException, InvalidParameterException.
func (a *API) DescribeContainerInstances(
	_ context.Context, in *shape.DescribeContainerInstancesInput,
) (*shape.DescribeContainerInstancesOutput, error) {
	if n := len(in.ContainerInstances); n == 0 || n > 100 {
		return nil, invalid("Container instances must have between 1 and 100 items.")
	}
	v := a.view()
	c, err := cluster(v, in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeContainerInstancesOutput{ContainerInstances: []shape.ContainerInstance{}, Failures: []shape.Failure{}}
	for _, n := range in.ContainerInstances {
		i, ok := instance(v, c, n)
		if !ok {
			out.Failures = append(out.Failures, missing(a.whole("container-instance", c.Name, n)))
			continue
		}
		out.ContainerInstances = append(out.ContainerInstances, showInstance(v, i, in.Include))
	}
	return out, nil
}

// ListContainerInstances lists instances, all but INACTIVE ones unless a
// status is asked. Errors: ClusterNotFoundException,
// InvalidParameterException.
func (a *API) ListContainerInstances(
	_ context.Context, in *shape.ListContainerInstancesInput,
) (*shape.ListContainerInstancesOutput, error) {
	v := a.view()
	c, err := cluster(v, in.Cluster)
	if err != nil {
		return nil, err
	}
	var filter constraint.Expr
	if f := wire.Val(in.Filter); f != "" {
		if filter, err = constraint.Parse(f); err != nil {
			return nil, invalid("Invalid filter expression %q: %s", f, err)
		}
	}
	arns := []string{}
	for _, i := range state.Instances.By(v, "cluster", c.Name) {
		shown := i.Status != "" && i.Status != model.ContainerInstanceInactive
		if in.Status != nil {
			shown = i.Status == model.ContainerInstanceStatus(*in.Status)
		}
		if shown && filter.Match(subjects(v, i)) {
			arns = append(arns, i.ARN)
		}
	}
	slices.Sort(arns)
	arns, next, err := page.Cut(pages(100, 100), in, arns, page.Self)
	if err != nil {
		return nil, err
	}
	return &shape.ListContainerInstancesOutput{ContainerInstanceArns: arns, NextToken: next}, nil
}

// subjects are what an expression can ask about an instance.
func subjects(r store.Reader, i model.Instance) constraint.Lookup {
	return func(subject string) []string {
		name, attribute := strings.CutPrefix(subject, "attribute:")
		switch {
		case attribute:
			var out []string
			for _, a := range i.Attributes {
				if a.Name == name {
					out = append(out, a.Value)
				}
			}
			return out
		case subject == "agentConnected":
			return []string{map[bool]string{true: "true", false: "false"}[i.Connected]}
		case subject == "agentVersion":
			return []string{i.AgentVersion}
		case subject == "ec2InstanceId":
			return []string{i.ID}
		case subject == "registeredAt":
			return []string{i.RegisteredAt.Format("2006-01-02T15:04:05Z07:00")}
		case subject == "runningTasksCount":
			n, _ := tally(state.Tasks.By(r, "instance", i.ARN), func(model.Task) bool { return true })
			return []string{wire.Or(number(n), "0")}
		case subject == "task:group":
			var out []string
			for _, t := range state.Tasks.By(r, "instance", i.ARN) {
				if t.DesiredStatus == model.TaskRunning {
					out = append(out, t.Group)
				}
			}
			return out
		default:
			return nil
		}
	}
}

// UpdateContainerInstancesState empties instances (DRAINING) or gives them
// back (ACTIVE). Errors: ClusterNotFoundException, InvalidParameterException.
func (a *API) UpdateContainerInstancesState(
	ctx context.Context, in *shape.UpdateContainerInstancesStateInput,
) (*shape.UpdateContainerInstancesStateOutput, error) {
	status := model.ContainerInstanceStatus(wire.Val(in.Status))
	goal := map[model.ContainerInstanceStatus]model.Goal{
		model.ContainerInstanceDraining: model.GoalDrain, model.ContainerInstanceActive: model.GoalRun,
	}[status]
	if goal == "" {
		return nil, invalid("Container instance status should be one of [ACTIVE,DRAINING].")
	}
	if n := len(in.ContainerInstances); n == 0 || n > 10 {
		return nil, invalid("Container instances must have between 1 and 10 items.")
	}
	out := &shape.UpdateContainerInstancesStateOutput{ContainerInstances: []shape.ContainerInstance{}, Failures: []shape.Failure{}}
	now := a.Clock.Now()
	err := a.update(ctx, func(tx *store.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		for _, n := range in.ContainerInstances {
			i, ok := instance(tx, c, n)
			if !ok {
				out.Failures = append(out.Failures, missing(a.whole("container-instance", c.Name, n)))
				continue
			}
			if i.Status != model.ContainerInstanceActive && i.Status != model.ContainerInstanceDraining || i.Goal == model.GoalTerminate {
				out.Failures = append(out.Failures, shape.Failure{Arn: wire.Ptr(i.ARN), Reason: wire.Ptr("INACTIVE")})
				continue
			}
			if i.Status != status {
				i = model.Clone(i)
				i.Status, i.Goal, i.GoalReason, i.GoalAt = status, goal, "asked by UpdateContainerInstancesState", now
				i.Version++
				if err := state.Instances.Put(tx, i); err != nil {
					return err
				}
			}
			out.ContainerInstances = append(out.ContainerInstances, showInstance(tx, i, nil))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DeregisterContainerInstance ends an instance and the machine under it; with
// force also when tasks run on it. An instance of the user's own goes on
// without its tasks. Errors: ClusterNotFoundException,
// InvalidParameterException.
func (a *API) DeregisterContainerInstance(
	ctx context.Context, in *shape.DeregisterContainerInstanceInput,
) (*shape.DeregisterContainerInstanceOutput, error) {
	var out shape.ContainerInstance
	now := a.Clock.Now()
	err := a.update(ctx, func(tx *store.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		i, ok := instance(tx, c, wire.Val(in.ContainerInstance))
		if !ok || i.Status == model.ContainerInstanceInactive {
			return invalid("Referenced container instance %s not found.", wire.Val(in.ContainerInstance))
		}
		busy := slices.ContainsFunc(state.Tasks.By(tx, "instance", i.ARN), func(t model.Task) bool { return t.LastStatus != model.TaskStopped })
		if busy && !wire.Val(in.Force) {
			return invalid("Found running tasks on the instance.")
		}
		i = model.Clone(i)
		i.Version++
		if i.Kind == model.KindEC2 {
			i.Status = model.ContainerInstanceInactive
			err = orphan(tx, i, now)
		} else {
			i.Goal, i.GoalReason, i.GoalAt, i.Status = model.GoalTerminate, "asked by DeregisterContainerInstance", now,
				model.ContainerInstanceDeregistering
		}
		out = showInstance(tx, i, nil)
		return errors.Join(err, state.Instances.Put(tx, i))
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeregisterContainerInstanceOutput{ContainerInstance: &out}, nil
}

// orphan stops the tasks of an instance that is no container instance any more.
func orphan(tx *store.Tx, i model.Instance, now time.Time) error {
	for _, t := range state.Tasks.By(tx, "instance", i.ARN) {
		if t.DesiredStatus == model.TaskStopped {
			continue
		}
		if err := state.Tasks.Edit(tx, t.ARN, func(t *model.Task) error {
			t.DesiredStatus, t.StoppingAt = model.TaskStopped, now
			t.StopCode, t.StoppedReason = "TerminationNotice", "Container instance deregistration forced by user"
			t.Version++
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// showInstance shapes an instance as DescribeContainerInstances does.
func showInstance(r store.Reader, i model.Instance, include []string) shape.ContainerInstance {
	tasks := state.Tasks.By(r, "instance", i.ARN)
	running, pending := tally(tasks, func(model.Task) bool { return true })
	out := shape.ContainerInstance{
		ContainerInstanceArn: &i.ARN, Ec2InstanceId: &i.ID, CapacityProviderName: text(i.CapacityProvider), Version: &i.Version,
		VersionInfo: &shape.VersionInfo{AgentVersion: text(i.AgentVersion), DockerVersion: text(i.RuntimeVersion)},
		Status:      wire.Ptr(string(i.Status)), StatusReason: text(i.StatusReason), AgentConnected: &i.Connected, RunningTasksCount: &running,
		PendingTasksCount: &pending, RegisteredAt: at(i.RegisteredAt), Attributes: []shape.Attribute{}, Attachments: []shape.Attachment{},
		Tags: []shape.Tag{}, RegisteredResources: resources(r, i.Registered, nil), RemainingResources: resources(r, i.Registered, holding(tasks)),
	}
	for _, at := range i.Attributes {
		out.Attributes = append(out.Attributes, shape.Attribute{Name: wire.Ptr(at.Name), Value: text(at.Value)})
	}
	if slices.Contains(include, "TAGS") {
		out.Tags = append(out.Tags, showTags(i.Tags)...)
	}
	if slices.Contains(include, "CONTAINER_INSTANCE_HEALTH") {
		overall := "INITIALIZING"
		if i.Connected {
			overall = "OK"
		}
		out.HealthStatus = &shape.ContainerInstanceHealthStatus{OverallStatus: &overall, Details: []shape.InstanceHealthCheckResult{}}
	}
	return out
}

// holding are the tasks that hold resources of their instance.
func holding(tasks []model.Task) []model.Task {
	return slices.DeleteFunc(slices.Clone(tasks), func(t model.Task) bool { return t.LastStatus == model.TaskStopped })
}

// hostPorts are the ports that a task takes of its instance: those that its
// definition names, and those that its containers were given.
func hostPorts(r store.Reader, t model.Task) []string {
	d, _ := state.TaskDefinitions.Get(r, t.TaskDefinition)
	if d.NetworkMode != model.NetworkHost && d.NetworkMode != model.NetworkBridge {
		return nil
	}
	var out []string
	take := func(port int64, protocol string) {
		n := strconv.FormatInt(port, 10)
		if protocol == "udp" {
			n += "/udp"
		}
		if port != 0 && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	for _, c := range d.Containers {
		for _, p := range c.PortMappings {
			take(p.HostPort, p.Protocol)
		}
	}
	for _, c := range t.Containers {
		for _, b := range c.Bindings {
			take(b.HostPort, b.Protocol)
		}
	}
	return out
}

// resources are what an instance registered, less what tasks hold.
func resources(r store.Reader, have model.Resources, tasks []model.Task) []shape.Resource {
	cpu, memory, ports := have.CPU, have.Memory, slices.Clone(have.Ports)
	for _, t := range tasks {
		cpu -= t.CPU
		memory -= t.Memory
		ports = append(ports, hostPorts(r, t)...)
	}
	tcp, udp := []string{}, []string{}
	for _, p := range ports {
		if n, ok := strings.CutSuffix(p, "/udp"); ok {
			udp = append(udp, n)
		} else {
			tcp = append(tcp, p)
		}
	}
	whole := func(name string, n int64) shape.Resource {
		return shape.Resource{Name: &name, Type: wire.Ptr("INTEGER"), DoubleValue: wire.Ptr(0.0), LongValue: wire.Ptr[int64](0), IntegerValue: &n}
	}
	set := func(name string, v []string) shape.Resource {
		return shape.Resource{
			Name: &name, Type: wire.Ptr("STRINGSET"), DoubleValue: wire.Ptr(0.0), LongValue: wire.Ptr[int64](0), IntegerValue: wire.Ptr[int64](0),
			StringSetValue: v,
		}
	}
	return []shape.Resource{whole("CPU", cpu), whole("MEMORY", memory), set("PORTS", tcp), set("PORTS_UDP", udp)}
}
