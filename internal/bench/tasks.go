package main

import (
	"context"
	"fmt"
	"time"

	"berth/internal/wire"
	"berth/internal/wire/shape/ecs"
)

// tasks is all that needs machines: starts of containers, many at once, the
// API beside them, and the memory of what runs.
func tasks(ctx context.Context, b *bench) error {
	return b.onCluster(ctx, (*cluster).memory, (*cluster).many, (*cluster).starts, (*cluster).api)
}

// manyTasks and taskStarts are the parts of tasks that count CPU.
func manyTasks(ctx context.Context, b *bench) error { return b.onCluster(ctx, (*cluster).many) }

func taskStarts(ctx context.Context, b *bench) error { return b.onCluster(ctx, (*cluster).starts) }

// onCluster measures on one cluster.
func (b *bench) onCluster(ctx context.Context, parts ...func(*cluster, context.Context) error) error {
	l, err := b.server(ctx, "tasks", "60")
	if err != nil {
		return err
	}
	defer func() { _ = l.stop() }()
	c, err := l.cluster()
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := part(c, ctx); err != nil {
			return err
		}
	}
	return nil
}

// burst is what a hundred tasks that were started at once have cost.
type burst struct {
	seconds float64
	cpu     float64   // ms a task, of the whole system
	bare    []float64 // CPU ms of starts of the bare runtime, right after
	own     float64   // cpu less the median of bare
	ours    float64   // ms a task, of processes that are Berth's program
}

// many runs a hundred tasks at once: on instances that have to be bought,
// and again on those that are there.
func (c *cluster) many(ctx context.Context) error {
	const work = "100 tasks at once, each with its own address"
	first, instances, err := c.firstBurst(ctx)
	if err != nil {
		return err
	}
	bare := first.bare
	var seconds, cpu, own, ours []float64
	for range min(3, c.b.rounds) {
		b, err := c.burst(ctx)
		if err != nil {
			return err
		}
		seconds, cpu, own, bare = append(seconds, b.seconds), append(cpu, b.cpu), append(own, b.own), append(bare, b.bare...)
		ours = append(ours, b.ours)
	}
	rss, private, err := memory(c.cmd.Process.Pid)
	if err != nil {
		return err
	}
	t, who := c.b.table, fmt.Sprintf("berth, with the launch of %d instances", instances)
	t.add(work, who, "seconds", []float64{first.seconds}, atMost(5, "≤ 5"))
	t.add(work, who, "CPU ms per task, whole system", []float64{first.cpu}, nil)
	t.add(work, "berth, on running instances", "seconds", seconds, atMost(5, "≤ 5"))
	t.add(work, "berth, on running instances", "CPU ms per task, whole system", cpu, nil)
	t.add(work, "runc run, bare", "CPU ms", bare, nil)
	t.add(work, "berth's own, with the launch", "CPU ms per task more than bare", []float64{first.own}, atMost(60, "≤ 60"))
	t.add(work, "berth's own, on running instances", "CPU ms per task more than bare", own, atMost(60, "≤ 60"))
	t.add(work, "server, edge, instances, agents, shims; with the launch", "CPU ms per task", []float64{first.ours}, nil)
	t.add(work, "the same, on running instances", "CPU ms per task", ours, nil)
	t.add("memory, right after these tasks", "berth server", "MiB resident", []float64{rss}, nil)
	t.add("memory, right after these tasks", "berth server", "MiB private", []float64{private}, nil)
	return nil
}

// firstBurst is burst, and says how many instances there are after it.
func (c *cluster) firstBurst(ctx context.Context) (burst, int, error) {
	b, err := c.burst(ctx)
	if err != nil {
		return b, 0, err
	}
	out, err := c.ecs().ListContainerInstances(ctx, &ecs.ListContainerInstancesInput{Cluster: hello})
	if err != nil {
		return b, 0, err
	}
	return b, len(out.ContainerInstanceArns), nil
}

func (c *cluster) burst(ctx context.Context) (burst, error) {
	return c.burstAs(ctx, &ecs.RunTaskInput{TaskDefinition: wire.Ptr("wait"), NetworkConfiguration: c.network()})
}

func (c *cluster) burstAs(ctx context.Context, in *ecs.RunTaskInput) (burst, error) {
	began, before, oursBefore := time.Now(), used(c.all()...), ours(c.b.bin)
	arns, err := c.runAs(in, 100)
	if err != nil {
		return burst{}, err
	}
	if err := c.reach(ctx, arns, 50*time.Millisecond, "RUNNING"); err != nil {
		return burst{}, err
	}
	b := burst{seconds: time.Since(began).Seconds(), cpu: ms(used(c.all()...)-before) / 100, ours: ms(ours(c.b.bin)-oursBefore) / 100}
	all, err := c.describe(arns)
	if err != nil {
		return b, err
	}
	if n := len(addresses(all)); n != 100 {
		return b, fmt.Errorf("100 tasks have %d addresses", n)
	}
	if b.bare, err = c.bareStarts(arns[0]); err != nil {
		return b, err
	}
	b.own = b.cpu - median(b.bare)
	return b, c.stopTasks(ctx, arns)
}

// addresses are the different private addresses of tasks.
func addresses(all []ecs.Task) map[string]bool {
	found := map[string]bool{}
	for _, t := range all {
		for _, c := range t.Containers {
			for _, n := range c.NetworkInterfaces {
				found[wire.Val(n.PrivateIpv4Address)] = true
			}
		}
	}
	delete(found, "")
	return found
}
