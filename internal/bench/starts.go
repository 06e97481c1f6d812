package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"berth/internal/wire"
)

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
		if err := rest(ctx, time.Second); err != nil {
			return err
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
	t := all[0]
	if code := t.Containers[0].ExitCode; code == nil || *code != 0 {
		return 0, fmt.Errorf("the task did not end with 0: %s", wire.Val(t.StoppedReason))
	}
	return ms(wire.Val(t.ExecutionStoppedAt).Sub(wire.Val(t.CreatedAt))), nil
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
		if out, err := exec.CommandContext(
			ctx, "docker", "run", "--rm", "--network", "none", "-m", "128m", "--cpu-shares", "128", image, "/probe", "exit",
		).CombinedOutput(); err != nil {
			return fmt.Errorf("docker run: %s", out)
		}
		wall = append(wall, ms(time.Since(began)))
	}
	c.b.table.add(work, "docker run --network none", "ms", wall, nil)
	return nil
}
