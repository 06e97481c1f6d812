package main

import (
	"context"
	"fmt"
	"slices"
	"time"
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
		if _, err := l.ecs("RegisterTaskDefinition", map[string]any{
			"family": family, "requiresCompatibilities": []string{"MANAGED_INSTANCES"}, "networkMode": "awsvpc", "cpu": "128", "memory": "128",
			"executionRoleArn": l.role("ExecutionRole"),
			"containerDefinitions": []any{map[string]any{
				"name": "probe", "image": "000000000000.dkr.ecr." + region + ".amazonaws.com/probe:latest", "command": []string{command}, "cpu": 128, "memory": 128,
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
	var arns []string
	for len(arns) < n {
		out, err := c.ecs("RunTask", map[string]any{
			"cluster": "hello", "taskDefinition": family, "count": min(10, n-len(arns)),
			"networkConfiguration": map[string]any{"awsvpcConfiguration": map[string]any{"subnets": c.subnets, "securityGroups": []string{c.group}}},
		})
		if err != nil {
			return nil, err
		}
		for _, t := range list(out["tasks"]) {
			arns = append(arns, fmt.Sprint(t["taskArn"]))
		}
		if f := list(out["failures"]); len(f) > 0 {
			return nil, fmt.Errorf("RunTask: %v", f)
		}
	}
	return arns, nil
}

func (c *cluster) describe(arns []string) ([]map[string]any, error) {
	out, err := c.ecs("DescribeTasks", map[string]any{"cluster": "hello", "tasks": arns})
	return list(out["tasks"]), err
}

// reach waits until every task is as far. It asks for the tasks in turn: each
// look at all of a hundred would cost the server more than a task does.
func (c *cluster) reach(ctx context.Context, arns []string, every time.Duration, status ...string) error {
	for _, arn := range arns {
		if err := until(ctx, 3*time.Minute, every, fmt.Sprintf("%s %v", arn, status), func() (bool, error) {
			got, err := c.describe([]string{arn})
			return err == nil && len(got) == 1 && slices.Contains(status, fmt.Sprint(got[0]["lastStatus"])), err
		}); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) stopTasks(ctx context.Context, arns []string) error {
	for _, a := range arns {
		if _, err := c.ecs("StopTask", map[string]any{"cluster": "hello", "task": a}); err != nil {
			return err
		}
	}
	return c.reach(ctx, arns, 100*time.Millisecond, "STOPPED")
}

// list is a list of objects of an answer.
func list(v any) []map[string]any {
	var out []map[string]any
	l, _ := v.([]any)
	for _, x := range l {
		if m, ok := x.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
