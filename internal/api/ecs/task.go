package ecs

import (
	"context"
	"slices"

	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

const maxCount = 10

// RunTask starts standalone tasks. Errors: ClusterNotFoundException,
// InvalidParameterException, ClientException, NotImplemented.
func (a *API) RunTask(ctx context.Context, in *shape.RunTaskInput) (*shape.RunTaskOutput, error) {
	n := wire.Or(in.Count, 1)
	if n < 1 || n > maxCount {
		return nil, invalid("Count must be between 1 and %d.", maxCount)
	}
	base, err := a.base(in)
	if err != nil {
		return nil, err
	}
	draws := a.draw(int(n))
	out := &shape.RunTaskOutput{}
	err = a.update(ctx, func(tx *store.Tx) error {
		ts, failed, err := a.runTasks(tx, in, base, draws)
		out.Tasks, out.Failures = a.showTasks(tx, ts), failed
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// base checks what needs no state, and is what the tasks of a call have in
// common. Errors: InvalidParameterException, NotImplemented.
func (a *API) base(in *shape.RunTaskInput) (model.Task, error) {
	t := model.Task{
		StartedBy: wire.Val(in.StartedBy), Group: wire.Val(in.Group), Constraints: readConstraints(in.PlacementConstraints),
		CreatedAt: a.Clock.Now(), ClientToken: wire.Val(in.ClientToken), DesiredStatus: model.TaskRunning, LastStatus: model.TaskProvisioning,
		StatusAt: a.Clock.Now(), Health: model.HealthUnknown, Version: 1, Placement: readPlacement(in.PlacementStrategy),
	}
	switch {
	case wire.Val(in.TaskDefinition) == "":
		return t, invalid("TaskDefinition cannot be null or empty.")
	case len(wire.Val(in.StartedBy)) > 128:
		return t, invalid("startedBy can have up to 128 characters.")
	case wire.Val(in.EnableExecuteCommand):
		return t, unbuilt("enableExecuteCommand")
	}
	var err error
	if t.Tags, err = readTags(in.Tags); err != nil {
		return t, err
	}
	return t, checkPlaces(t.Constraints, t.Placement)
}

// draw draws the ids of n tasks and of their containers, before the
// transaction that uses them.
func (a *API) draw(n int) [][]string {
	var out [][]string
	for range n {
		ids := []string{a.IDs.Hex(32)}
		for range 10 {
			ids = append(ids, a.IDs.UUID())
		}
		out = append(out, ids)
	}
	return out
}

func (a *API) showTasks(r store.Reader, ts []model.Task) []shape.Task {
	out := []shape.Task{}
	for _, t := range ts {
		out = append(out, a.showTask(r, t, []string{"TAGS"}))
	}
	return out
}

func (a *API) runTasks(tx *store.Tx, in *shape.RunTaskInput, t model.Task, draws [][]string) ([]model.Task, []shape.Failure, error) {
	failed := []shape.Failure{}
	c, err := cluster(tx, in.Cluster)
	if err != nil {
		return nil, failed, err
	}
	if done := repeated(tx, c, t.ClientToken); done != nil {
		return done, failed, nil
	}
	d, err := usable(tx, *in.TaskDefinition)
	if err != nil {
		return nil, failed, err
	}
	if t.Strategy, t.LaunchType, err = compute(tx, c, in.LaunchType, in.CapacityProviderStrategy); err != nil {
		return nil, failed, err
	}
	if err := a.fits(d, t.Strategy, t.LaunchType); err != nil {
		return nil, failed, err
	}
	if t.Network, err = readNetwork(tx, d.NetworkMode, in.NetworkConfiguration); err != nil {
		return nil, failed, err
	}
	w := wants{kindOf(t.Strategy, t.LaunchType), t.Network, t.Constraints, t.Placement}
	if err := suits(w, in.PlatformVersion); err != nil {
		return nil, failed, err
	}
	t.Constraints = slices.Concat(d.PlacementConstraints, t.Constraints)
	if t, err = standalone(t, c, d, in); err != nil {
		return nil, failed, err
	}
	ts := a.copies(t, d, draws)
	if t.LaunchType == model.LaunchEC2 {
		if ts, failed, err = placeable(tx, c, ts); err != nil {
			return nil, failed, err
		}
	}
	return ts, failed, putTasks(tx, ts)
}

// standalone fills in what a task of a call has of its definition.
func standalone(t model.Task, c model.Cluster, d model.TaskDefinition, in *shape.RunTaskInput) (model.Task, error) {
	var err error
	if t.Overrides, err = readOverrides(d, in.Overrides); err != nil {
		return t, err
	}
	t.Cluster, t.TaskDefinition, t.CPU, t.Memory = c.Name, d.ARN, d.CPUUnits(), d.MemoryMiB()
	if t.Group == "" {
		t.Group = "family:" + d.Family
	}
	if wire.Val(in.PropagateTags) == "TASK_DEFINITION" {
		t.Tags = model.SetTags(d.Tags, t.Tags)
	}
	if wire.Val(in.EnableECSManagedTags) {
		t.Tags = model.SetTags(t.Tags, []model.Tag{{Key: "aws:ecs:clusterName", Value: c.Name}})
	}
	return t, nil
}

// copies are tasks like one, each with ids of its own.
func (a *API) copies(t model.Task, d model.TaskDefinition, draws [][]string) []model.Task {
	var out []model.Task
	for _, ids := range draws {
		n := model.Clone(t)
		n.ID, n.ARN = ids[0], a.arn("task/"+t.Cluster+"/"+ids[0])
		n.Containers = a.containers(n, d, ids[1:])
		out = append(out, n)
	}
	return out
}

func putTasks(tx *store.Tx, ts []model.Task) error {
	for _, t := range ts {
		if err := state.Tasks.Put(tx, t); err != nil {
			return err
		}
	}
	return nil
}

// repeated finds the tasks that an earlier call with the same token started.
func repeated(r store.Reader, c model.Cluster, token string) []model.Task {
	if token == "" {
		return nil
	}
	var out []model.Task
	for _, t := range state.Tasks.By(r, "cluster", c.Name) {
		if t.ClientToken == token {
			out = append(out, t)
		}
	}
	return out
}

func (a *API) containers(t model.Task, d model.TaskDefinition, ids []string) []model.TaskContainer {
	var out []model.TaskContainer
	for i, c := range d.Containers {
		k := model.TaskContainer{
			Name: c.Name, ARN: a.arn("container/" + t.Cluster + "/" + t.ID + "/" + ids[i%len(ids)]), Image: c.Image,
			LastStatus: model.ContainerPending, Health: model.HealthUnknown, CPU: c.CPU, Memory: c.Memory,
		}
		for _, o := range t.Overrides {
			if o.Name == c.Name && o.CPU > 0 {
				k.CPU = o.CPU
			}
			if o.Name == c.Name && o.Memory > 0 {
				k.Memory = o.Memory
			}
		}
		out = append(out, k)
	}
	return out
}

func readOverrides(d model.TaskDefinition, in *shape.TaskOverride) ([]model.ContainerOverride, error) {
	if in == nil {
		return nil, nil
	}
	var out []model.ContainerOverride
	for _, o := range in.ContainerOverrides {
		name := wire.Val(o.Name)
		if !slices.ContainsFunc(d.Containers, func(c model.ContainerDefinition) bool { return c.Name == name }) {
			return nil, invalid("Override for container named %s is not a container in the TaskDefinition.", name)
		}
		n := model.ContainerOverride{Name: name, Command: slices.Clone(o.Command), CPU: wire.Val(o.Cpu), Memory: wire.Val(o.Memory)}
		for _, e := range o.Environment {
			n.Environment = append(n.Environment, model.KeyValue{Name: wire.Val(e.Name), Value: wire.Val(e.Value)})
		}
		out = append(out, n)
	}
	return out, nil
}

// StopTask tells a task to stop. Errors: ClusterNotFoundException,
// InvalidParameterException.
func (a *API) StopTask(ctx context.Context, in *shape.StopTaskInput) (*shape.StopTaskOutput, error) {
	if len(wire.Val(in.Reason)) > 1024 {
		return nil, invalid("The reason can have up to 1024 characters.")
	}
	var out shape.Task
	now := a.Clock.Now()
	err := a.update(ctx, func(tx *store.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		t, ok := task(tx, c, wire.Val(in.Task))
		if !ok {
			return invalid("The referenced task was not found.")
		}
		if t.DesiredStatus != model.TaskStopped {
			t = model.Clone(t)
			t.DesiredStatus, t.StopCode, t.StoppedReason, t.StoppingAt = model.TaskStopped, "UserInitiated", wire.Or(
				text(wire.Val(in.Reason)), "Task stopped by user",
			), now
			t.Version++
		}
		out = a.showTask(tx, t, nil)
		return state.Tasks.Put(tx, t)
	})
	if err != nil {
		return nil, err
	}
	return &shape.StopTaskOutput{Task: &out}, nil
}

// DescribeTasks describes up to a hundred tasks; stopped ones for an hour.
// Errors: ClusterNotFoundException, InvalidParameterException.
func (a *API) DescribeTasks(_ context.Context, in *shape.DescribeTasksInput) (*shape.DescribeTasksOutput, error) {
	if n := len(in.Tasks); n == 0 || n > 100 {
		return nil, invalid("Tasks must have between 1 and 100 items.")
	}
	v := a.view()
	c, err := cluster(v, in.Cluster)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeTasksOutput{Tasks: []shape.Task{}, Failures: []shape.Failure{}}
	for _, n := range in.Tasks {
		t, ok := task(v, c, n)
		if !ok {
			out.Failures = append(out.Failures, missing(a.whole("task", c.Name, n)))
			continue
		}
		out.Tasks = append(out.Tasks, a.showTask(v, t, in.Include))
	}
	return out, nil
}

// ListTasks lists tasks by what is asked. Errors: ClusterNotFoundException,
// InvalidParameterException, ServiceNotFoundException.
func (a *API) ListTasks(_ context.Context, in *shape.ListTasksInput) (*shape.ListTasksOutput, error) {
	v := a.view()
	c, err := cluster(v, in.Cluster)
	if err != nil {
		return nil, err
	}
	fits, err := taskFilter(v, c, in)
	if err != nil {
		return nil, err
	}
	var found []model.Task
	for _, t := range state.Tasks.By(v, "cluster", c.Name) {
		if fits(t) {
			found = append(found, t)
		}
	}
	found, next, err := page.Cut(pages(100, 100), in, found, func(t model.Task) string { return t.ARN })
	if err != nil {
		return nil, err
	}
	out := &shape.ListTasksOutput{TaskArns: []string{}, NextToken: next}
	for _, t := range found {
		out.TaskArns = append(out.TaskArns, t.ARN)
	}
	return out, nil
}

func taskFilter(r store.Reader, c model.Cluster, in *shape.ListTasksInput) (func(model.Task) bool, error) {
	host, svc := "", ""
	if n := wire.Val(in.ContainerInstance); n != "" {
		i, ok := instance(r, c, n)
		if !ok {
			return nil, invalid("Container instance %s was not found.", n)
		}
		host = i.ARN
	}
	if wire.Val(in.ServiceName) != "" {
		s, err := service(r, c, in.ServiceName)
		if err != nil {
			return nil, err
		}
		svc = s.ARN
	}
	status := wire.Or(in.DesiredStatus, "RUNNING")
	return func(t model.Task) bool {
		d, _ := state.TaskDefinitions.Get(r, t.TaskDefinition)
		return model.TaskStatus(status) == t.DesiredStatus &&
			(host == "" || t.Instance == host) && (svc == "" || t.Service == svc) &&
			(in.StartedBy == nil || *in.StartedBy == t.StartedBy) && (in.Family == nil || *in.Family == d.Family) &&
			(in.LaunchType == nil || *in.LaunchType == launchType(t))
	}, nil
}
