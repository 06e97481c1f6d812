package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cluster is the example's stack with one task of its service, and the probe's
// task definitions.
type cluster struct {
	*lab
	subnets []string
	group   string // security group of the tasks
}

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

// many runs a hundred tasks at once: on instances that have to be bought,
// and again on those that are there.
func (c *cluster) many(ctx context.Context) error {
	var seconds, cpu []float64
	for i := range 1 + min(3, c.b.rounds) {
		began, before := time.Now(), used(c.all()...)
		arns, err := c.run("wait", 100)
		if err != nil {
			return err
		}
		if err := c.reach(ctx, arns, 50*time.Millisecond, "RUNNING"); err != nil {
			return err
		}
		took, spent := time.Since(began).Seconds(), ms(used(c.all()...)-before)/100
		all, err := c.describe(arns)
		if err != nil {
			return err
		}
		if n := len(addresses(all)); n != 100 {
			return fmt.Errorf("100 tasks have %d addresses", n)
		}
		if i == 0 {
			instances, err := c.ecs("ListContainerInstances", map[string]any{"cluster": "hello"})
			if err != nil {
				return err
			}
			n, _ := instances["containerInstanceArns"].([]any)
			c.b.table.add("100 tasks at once, each with its own address", fmt.Sprintf("berth, with the launch of %d instances", len(n)), "seconds", []float64{took}, atMost(5, "≤ 5"))
			c.b.table.add("100 tasks at once, each with its own address", fmt.Sprintf("berth, with the launch of %d instances", len(n)), "CPU ms per task, whole system", []float64{spent}, nil)
		} else {
			seconds, cpu = append(seconds, took), append(cpu, spent)
		}
		if err := c.stopTasks(ctx, arns); err != nil {
			return err
		}
	}
	rss, private, err := memory(c.cmd.Process.Pid)
	if err != nil {
		return err
	}
	c.b.table.add("memory, right after these tasks", "berth server", "MiB resident", []float64{rss}, nil)
	c.b.table.add("memory, right after these tasks", "berth server", "MiB private", []float64{private}, nil)
	c.b.table.add("100 tasks at once, each with its own address", "berth, on running instances", "seconds", seconds, atMost(5, "≤ 5"))
	c.b.table.add("100 tasks at once, each with its own address", "berth, on running instances", "CPU ms per task, whole system", cpu, nil)
	return nil
}

// addresses are the different private addresses of tasks.
func addresses(all []map[string]any) map[string]bool {
	found := map[string]bool{}
	for _, t := range all {
		for _, c := range list(t["containers"]) {
			for _, n := range list(c["networkInterfaces"]) {
				found[fmt.Sprint(n["privateIpv4Address"])] = true
			}
		}
	}
	delete(found, "<nil>")
	return found
}

// starts compares a task that ends at once with the bare runtime on the same
// bundle: the same layers, process, limits and seccomp profile.
func (c *cluster) starts(ctx context.Context) error {
	arns, err := c.run("wait", 1)
	if err != nil {
		return err
	}
	if err := c.reach(ctx, arns, 20*time.Millisecond, "RUNNING"); err != nil {
		return err
	}
	bare, err := c.bareBundle(arns[0][strings.LastIndexByte(arns[0], '/')+1:])
	if err != nil {
		return err
	}
	const each = 10
	slice, _ := c.slice()
	var whole, instance, wall, theirs, theirWall []float64
	for range c.b.rounds {
		idle := used(c.all()...)
		idleInstance := used(slice)
		if time.Sleep(time.Second); ctx.Err() != nil {
			return ctx.Err()
		}
		idle, idleInstance = used(c.all()...)-idle, used(slice)-idleInstance
		began, before, beforeInstance := time.Now(), used(c.all()...), used(slice)
		var took []float64
		for range each {
			d, err := c.one(ctx)
			if err != nil {
				return err
			}
			took = append(took, d)
		}
		spent := time.Since(began).Seconds()
		whole = append(whole, (ms(used(c.all()...)-before)-ms(idle)*spent)/each)
		instance = append(instance, (ms(used(slice)-beforeInstance)-ms(idleInstance)*spent)/each)
		wall = append(wall, median(took))
		for range each {
			cpu, d, err := bare()
			if err != nil {
				return err
			}
			theirs, theirWall = append(theirs, cpu), append(theirWall, d)
		}
	}
	work, t := "start to end of a task of one container", c.b.table
	floor := median(theirs)
	t.add(work, "runc run, bare", "CPU ms", theirs, nil)
	t.add(work, "berth: agent, shim, runc, container", "CPU ms", instance, atMost(1.3*floor, "≤ 1.3 × bare = %.0f", 1.3*floor))
	t.add(work, "berth: and server, placement, network", "CPU ms", whole, nil)
	t.add(work, "runc run, bare", "ms", theirWall, nil)
	t.add(work, "berth: RunTask to container's end", "ms", wall, nil)
	return c.docker(ctx, work)
}

// one runs a task that ends at once and says how long that took by the
// control plane's own times, in milliseconds.
func (c *cluster) one(ctx context.Context) (float64, error) {
	arns, err := c.run("exit", 1)
	if err != nil {
		return 0, err
	}
	if err := c.reach(ctx, arns, 50*time.Millisecond, "STOPPED"); err != nil {
		return 0, err
	}
	all, err := c.describe(arns)
	if err != nil {
		return 0, err
	}
	if code := list(all[0]["containers"])[0]["exitCode"]; fmt.Sprint(code) != "0" {
		return 0, fmt.Errorf("the task ended with %v: %v", code, all[0]["stoppedReason"])
	}
	from, _ := all[0]["createdAt"].(float64)
	to, _ := all[0]["executionStoppedAt"].(float64)
	return (to - from) * 1000, nil
}

// bareBundle makes a bundle for the bare runtime from that of a running task
// and returns what runs it once.
func (c *cluster) bareBundle(task string) (func() (cpu, wall float64, err error), error) {
	found, err := c.bundles(task)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("task %s has %d bundles", task, len(found))
	}
	var spec struct{ Layers []string }
	if err := readJSON(filepath.Join(found[0], "spec.json"), &spec); err != nil {
		return nil, err
	}
	config := map[string]any{}
	if err := readJSON(filepath.Join(found[0], "config.json"), &config); err != nil {
		return nil, err
	}
	g, err := group("bare")
	if err != nil {
		return nil, err
	}
	config["root"] = map[string]any{"path": spec.Layers[len(spec.Layers)-1], "readonly": true}
	process, _ := config["process"].(map[string]any)
	process["args"] = []string{"/probe", "exit"}
	linux, _ := config["linux"].(map[string]any)
	linux["cgroupsPath"] = g.Name() + "/c"
	for _, n := range list(linux["namespaces"]) {
		if n["type"] == "network" {
			delete(n, "path")
		}
	}
	config["mounts"] = slices.DeleteFunc(list(config["mounts"]), func(m map[string]any) bool {
		return m["type"] == "bind" || strings.HasPrefix(fmt.Sprint(m["destination"]), "/etc/")
	})
	dir := filepath.Join(c.b.dir, "bare")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600); err != nil {
		return nil, err
	}
	n := 0
	return func() (float64, float64, error) {
		n++
		before := used(g)
		t, err := spawn("bare", "runc", "--root", filepath.Join(dir, "state"), "run", "--bundle", dir, "bare-"+strconv.Itoa(n))
		if err != nil {
			return 0, 0, err
		}
		<-t.end
		wall := ms(time.Since(t.began))
		if !t.cmd.ProcessState.Success() {
			return 0, 0, fmt.Errorf("runc run: %s", bytes.TrimSpace(t.said.Bytes()))
		}
		return ms(used(g) - before), wall, nil
	}, nil
}

// bundles are the folders of a task's containers. They are in the memory of
// its instance, which is seen through one of the instance's processes.
func (c *cluster) bundles(task string) ([]string, error) {
	slice, ok := c.slice()
	if !ok {
		return nil, fmt.Errorf("there is no instance")
	}
	pids, err := slice.Procs()
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		if found, _ := filepath.Glob(fmt.Sprintf("/proc/%d/root%s/instances/*/memory/runc/c/%s-*", pid, c.data, task)); len(found) > 0 {
			return found, nil
		}
	}
	return nil, nil
}

func readJSON(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// docker times `docker run` of the same program where an engine answers. Its
// CPU time belongs to the engine's own processes and is not accounted.
func (c *cluster) docker(ctx context.Context, work string) error {
	if exec.CommandContext(ctx, "docker", "version").Run() != nil {
		fmt.Fprintln(os.Stderr, "bench: no Docker engine answers: left out")
		return nil
	}
	dir := filepath.Join(c.b.dir, "docker")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, "probe"), c.b.probe)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the probe: %s", out)
	}
	const image = "berth-bench-probe"
	if out, err := exec.CommandContext(ctx, "sh", "-c", "tar -C "+dir+" -c probe | docker import - "+image).CombinedOutput(); err != nil {
		return fmt.Errorf("docker import: %s", out)
	}
	defer func() { _ = exec.CommandContext(context.WithoutCancel(ctx), "docker", "rmi", image).Run() }()
	var wall []float64
	for range 2 * c.b.rounds {
		began := time.Now()
		if out, err := exec.CommandContext(ctx, "docker", "run", "--rm", "--network", "none", "-m", "128m", "--cpu-shares", "128", image, "/probe", "exit").CombinedOutput(); err != nil {
			return fmt.Errorf("docker run: %s", out)
		}
		wall = append(wall, ms(time.Since(began)))
	}
	c.b.table.add(work, "docker run --network none", "ms", wall, nil)
	return nil
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
