package agent

import (
	"context"
	"time"

	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/model"
)

// The defaults of a health check (docs/facts/deployments.md D115).
const (
	checkInterval = 30 * time.Second
	checkTimeout  = 5 * time.Second
	checkRetries  = 3
)

// check runs the container's health check until it has ended.
func (r *run) check(ctx context.Context, ended <-chan struct{}) {
	h := r.config.Healthcheck
	if h == nil || len(h.Test) == 0 || h.Test[0] == "NONE" {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	interval, timeout, retries := or(
		time.Duration(h.Interval), checkInterval,
	), or(time.Duration(h.Timeout), checkTimeout), or(h.Retries, checkRetries)
	grace := r.task.look(r.def.Name).Started.Add(time.Duration(h.StartPeriod))
	if r.task.look(r.def.Name).Health == "" {
		r.setHealth("UNKNOWN")
	}
	for failures := int64(0); ; {
		if clock.Sleep(ctx, r.task.agent.Clock, interval) != nil {
			return
		}
		ok := r.checkOnce(ctx, h.Test, timeout)
		switch {
		case ctx.Err() != nil:
			return
		case ok:
			failures = 0
			r.setHealth("HEALTHY")
		case r.task.agent.Clock.Now().Before(grace) && !isClosed(r.healthy):
			// failures do not count while the container may still start
		default:
			if failures++; failures >= retries {
				r.setHealth("UNHEALTHY")
			}
		}
	}
}

func or[T time.Duration | int64](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// checkOnce runs the check's command; its exit code 0 is health.
func (r *run) checkOnce(ctx context.Context, test []string, timeout time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	args := test
	switch test[0] {
	case "CMD":
		args = test[1:]
	case "CMD-SHELL":
		args = append([]string{"/bin/sh", "-c"}, test[1:]...)
	}
	code, err := r.task.agent.Driver.Exec(ctx, r.id, container.ExecSpec{Args: args, User: r.config.User, Cwd: r.config.WorkingDir})
	return err == nil && code == 0
}

// setHealth notes the container's health, and has it sent if it changed.
func (r *run) setHealth(status string) {
	if r.task.look(r.def.Name).Health == status {
		return
	}
	r.task.container(r.def.Name, func(c *containerRecord) { c.Health, c.HealthAt = status, r.task.agent.Clock.Now() })
	if status == string(model.Healthy) && !isClosed(r.healthy) {
		close(r.healthy)
	}
	select {
	case r.task.agent.health <- struct{}{}:
	default:
	}
}
