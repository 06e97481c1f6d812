package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
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
	const ecs, logs = "AmazonEC2ContainerServiceV20141113.", "Logs_20140328."
	calls := []struct {
		name string
		bar  *bar
		raw  [][]byte
	}{
		{"DescribeServices", atMost(200, "≤ 200"), c.signed(key, "ecs", ecs+"DescribeServices", 1, func(int) any {
			return map[string]any{"cluster": "hello", "services": []string{"hello"}}
		})},
		{"DescribeTasks", atMost(200, "≤ 200"), c.signed(key, "ecs", ecs+"DescribeTasks", 1, func(int) any {
			return map[string]any{"cluster": "hello", "tasks": arns}
		})},
		{"TagResource, durable", atMost(400, "≤ 400"), c.signed(key, "ecs", ecs+"TagResource", 1000, func(i int) any {
			return map[string]any{"resourceArn": "arn:aws:ecs:" + region + ":000000000000:cluster/hello", "tags": []any{map[string]any{"key": "bench", "value": fmt.Sprint(i)}}}
		})},
		{"RegisterTaskDefinition, durable", atMost(400, "≤ 400"), c.signed(key, "ecs", ecs+"RegisterTaskDefinition", 1, func(int) any {
			return map[string]any{
				"family": "many", "networkMode": "awsvpc", "cpu": "128", "memory": "128", "requiresCompatibilities": []string{"MANAGED_INSTANCES"},
				"containerDefinitions": []any{map[string]any{"name": "web", "image": "web:latest", "memory": 128}},
			}
		})},
		{"PutLogEvents", atMost(400, "≤ 400"), c.signed(key, "logs", logs+"PutLogEvents", 1, func(int) any {
			return map[string]any{
				"logGroupName": "/bench", "logStreamName": "s", "logEvents": []any{map[string]any{"timestamp": time.Now().UnixMilli(), "message": strings.Repeat("m", 200)}},
			}
		})},
	}
	for _, made := range []struct {
		op string
		in map[string]any
	}{{"CreateLogGroup", map[string]any{"logGroupName": "/bench"}}, {"CreateLogStream", map[string]any{"logGroupName": "/bench", "logStreamName": "s"}}} {
		if _, err := c.call(jsonRequest(c.b.listen, logs+made.op, made.in)); err != nil {
			return err
		}
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
	time.Sleep(2 * time.Second)
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
