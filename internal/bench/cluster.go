package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"berth/internal/wire"
	"berth/internal/wire/shape/ecs"
)

// cluster is the example's stack with one task of its service, and the probe's
// task definitions.
type cluster struct {
	*lab
	subnets []string
	group   string // security group of the tasks
}

func (l *lab) cluster() (*cluster, error) {
	if err := l.up("-p", "DesiredCount=1", "--image", "probe:latest="+l.b.probe); err != nil {
		return nil, err
	}
	// From here on nothing is hurried: what the clock makes due is not measured.
	if out, err := l.cli("clock", "speed", "1"); err != nil {
		return nil, fmt.Errorf("berth clock: %w: %s", err, out)
	}
	for family, command := range map[string]string{"exit": "exit", "wait": "wait"} {
		image := "000000000000.dkr.ecr." + region + ".amazonaws.com/probe:latest"
		if _, err := l.ecs().RegisterTaskDefinition(context.Background(), &ecs.RegisterTaskDefinitionInput{
			Family: &family, NetworkMode: wire.Ptr("awsvpc"), Cpu: wire.Ptr("128"), Memory: wire.Ptr("128"),
			RequiresCompatibilities: []string{"MANAGED_INSTANCES"},
			ExecutionRoleArn:        wire.Ptr(l.role("ExecutionRole")),
			ContainerDefinitions: []ecs.ContainerDefinition{{
				Name: wire.Ptr("probe"), Image: &image, Command: []string{command}, Cpu: wire.Ptr(int64(128)), Memory: wire.Ptr(int64(128)),
			}},
		}); err != nil {
			return nil, err
		}
	}
	c := &cluster{lab: l, group: l.resource("TaskGroup")}
	for _, name := range []string{"PrivateA", "PrivateB"} {
		c.subnets = append(c.subnets, l.resource(name))
	}
	return c, nil
}

// resource is the physical id of one of the example's resources.
func (l *lab) resource(logical string) string {
	var got struct {
		ID string `xml:"DescribeStackResourceResult>StackResourceDetail>PhysicalResourceId"`
	}
	_ = l.query(&got, "2010-05-15", "DescribeStackResource", "StackName", "hello", "LogicalResourceId", logical)
	return got.ID
}

func (l *lab) role(logical string) string {
	return "arn:aws:iam::000000000000:role/" + l.resource(logical)
}

// run starts n tasks and returns their ARNs.
func (c *cluster) run(family string, n int) ([]string, error) {
	return c.runAs(&ecs.RunTaskInput{TaskDefinition: &family, NetworkConfiguration: c.network()}, n)
}

func (c *cluster) network() *ecs.NetworkConfiguration {
	return &ecs.NetworkConfiguration{AwsvpcConfiguration: &ecs.AwsVpcConfiguration{Subnets: c.subnets, SecurityGroups: []string{c.group}}}
}

// runAs is run with more said about the tasks.
func (c *cluster) runAs(in *ecs.RunTaskInput, n int) ([]string, error) {
	var arns []string
	for len(arns) < n {
		in.Cluster, in.Count = hello, wire.Ptr(int64(min(10, n-len(arns))))
		out, err := c.ecs().RunTask(context.Background(), in)
		if err != nil {
			return nil, err
		}
		for _, t := range out.Tasks {
			arns = append(arns, *t.TaskArn)
		}
		for _, f := range out.Failures {
			return nil, fmt.Errorf("RunTask: %s: %s", wire.Val(f.Arn), wire.Val(f.Reason))
		}
	}
	return arns, nil
}

func (c *cluster) describe(arns []string) ([]ecs.Task, error) {
	out, err := c.ecs().DescribeTasks(context.Background(), &ecs.DescribeTasksInput{Cluster: hello, Tasks: arns})
	if err != nil {
		return nil, err
	}
	return out.Tasks, nil
}

// hello is the example's cluster.
var hello = wire.Ptr("hello")

// reach waits until every task is as far. It asks for the tasks in turn: each
// look at all of a hundred would cost the server more than a task does.
func (c *cluster) reach(ctx context.Context, arns []string, every time.Duration, status ...string) error {
	for _, arn := range arns {
		if err := until(ctx, 3*time.Minute, every, fmt.Sprintf("%s %v", arn, status), func() (bool, error) {
			got, err := c.describe([]string{arn})
			return err == nil && len(got) == 1 && slices.Contains(status, *got[0].LastStatus), err
		}); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) stopTasks(ctx context.Context, arns []string) error {
	for _, a := range arns {
		if _, err := c.ecs().StopTask(ctx, &ecs.StopTaskInput{Cluster: hello, Task: &a}); err != nil {
			return err
		}
	}
	return c.reach(ctx, arns, 100*time.Millisecond, "STOPPED")
}
