package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"berth/internal/wire"
	"berth/internal/wire/shape/ecs"
	"berth/internal/wire/shape/logs"
)

// api sends signed requests over eight connections: the server verifies the
// signature, evaluates the role's policies and answers. What the controllers do
// about a write is in the account.
func (c *cluster) api(ctx context.Context) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	arns, err := c.run("wait", 1)
	if err != nil {
		return err
	}
	if err := c.reach(ctx, arns, 20*time.Millisecond, "RUNNING"); err != nil {
		return err
	}
	group, stream := wire.Ptr("/bench"), wire.Ptr("s")
	calls := []struct {
		name string
		bar  *bar
		op   *wire.Operation
		n    int // different requests
		in   func(int) any
		raw  [][]byte
	}{
		{"DescribeServices", atMost(200, "≤ 200"), ecs.Meta.Operation("DescribeServices"), 1, func(int) any {
			return &ecs.DescribeServicesInput{Cluster: hello, Services: []string{*hello}}
		}, nil},
		{"DescribeTasks", atMost(200, "≤ 200"), ecs.Meta.Operation("DescribeTasks"), 1, func(int) any {
			return &ecs.DescribeTasksInput{Cluster: hello, Tasks: arns}
		}, nil},
		{"TagResource, durable", atMost(400, "≤ 400"), ecs.Meta.Operation("TagResource"), 1000, func(i int) any {
			arn := "arn:aws:ecs:" + region + ":000000000000:cluster/hello"
			return &ecs.TagResourceInput{ResourceArn: &arn, Tags: []ecs.Tag{{Key: wire.Ptr("bench"), Value: wire.Ptr(fmt.Sprint(i))}}}
		}, nil},
		{"RegisterTaskDefinition, durable", atMost(400, "≤ 400"), ecs.Meta.Operation("RegisterTaskDefinition"), 1, func(int) any {
			return &ecs.RegisterTaskDefinitionInput{
				Family: wire.Ptr("many"), NetworkMode: wire.Ptr("awsvpc"), Cpu: wire.Ptr("128"), Memory: wire.Ptr("128"),
				RequiresCompatibilities: []string{"MANAGED_INSTANCES"},
				ContainerDefinitions: []ecs.ContainerDefinition{
					{Name: wire.Ptr("web"), Image: wire.Ptr("web:latest"), Memory: wire.Ptr(int64(128))},
				},
			}
		}, nil},
		{"PutLogEvents", atMost(400, "≤ 400"), logs.Meta.Operation("PutLogEvents"), 1, func(int) any {
			return &logs.PutLogEventsInput{
				LogGroupName: group, LogStreamName: stream,
				LogEvents: []logs.InputLogEvent{{Timestamp: wire.Ptr(time.Now().UnixMilli()), Message: wire.Ptr(strings.Repeat("m", 200))}},
			}
		}, nil},
	}
	for i := range calls {
		if calls[i].raw, err = c.signed(ctx, key, calls[i].op, calls[i].n, calls[i].in); err != nil {
			return err
		}
	}
	api := logs.Client{Caller: c}
	if _, err := api.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: group}); err != nil {
		return err
	}
	if _, err := api.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}); err != nil {
		return err
	}
	micros := make([][]float64, len(calls))
	rate := make([][]float64, len(calls))
	for range c.b.rounds {
		for i, call := range calls {
			before := usedBy(c.cmd.Process.Pid)
			n, err := ask(ctx, c.b.listen, call.raw, 8, time.Second)
			if err != nil {
				return fmt.Errorf("%s: %w", call.name, err)
			}
			spent := usedBy(c.cmd.Process.Pid) - before
			micros[i] = append(micros[i], float64(spent.Microseconds())/float64(n))
			rate[i] = append(rate[i], float64(n)/spent.Seconds())
		}
	}
	for i, call := range calls {
		c.b.table.add("signed API call, server's CPU", call.name, "CPU µs per call", micros[i], call.bar)
	}
	for i, call := range calls {
		c.b.table.add("the same", call.name, "calls per CPU second", rate[i], nil)
	}
	return nil
}

// memory is what every process of the system holds when all is idle.
func (c *cluster) memory(ctx context.Context) error {
	arns, err := c.run("wait", 4)
	if err != nil {
		return err
	}
	if err := c.reach(ctx, arns, 20*time.Millisecond, "RUNNING"); err != nil {
		return err
	}
	if err := rest(ctx, 2*time.Second); err != nil {
		return err
	}
	held := map[string][2][]float64{}
	for _, g := range c.all() {
		pids, err := g.Procs()
		if err != nil {
			return err
		}
		for _, pid := range pids {
			cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			args := strings.Split(string(cmdline), "\x00")
			if len(args) < 2 || args[0] != c.b.bin {
				continue
			}
			rss, private, err := memory(pid)
			if err != nil {
				continue // it has just ended
			}
			h := held[args[1]]
			held[args[1]] = [2][]float64{append(h[0], rss), append(h[1], private)}
		}
	}
	for _, who := range []string{"server", "edge", "instance", "agent", "shim"} {
		var limit *bar
		if who == "server" {
			limit = atMost(60, "≤ 60")
		}
		c.b.table.add("memory, idle, the example and 4 tasks", "berth "+who, "MiB resident", held[who][0], limit)
		c.b.table.add("memory, idle, the example and 4 tasks", "berth "+who, "MiB private", held[who][1], nil)
	}
	slices.Sort(arns)
	return c.stopTasks(ctx, arns)
}
