package agent

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"berth/internal/acs"
	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/fault"
)

// defaultStopTimeout of a container, between the stop signal and the kill.
const defaultStopTimeout = 30 * time.Second

// run is one container of a task at work.
type run struct {
	task   *task
	def    *acs.Container
	id     string
	config acs.Config
	host   acs.HostConfig
	broken error // why it can never start; set before live
	// secrets are variables that were got from elsewhere; set before live.
	secrets map[string]string
	auth    login // of a private registry; set before live

	started chan struct{} // closed at the first start
	healthy chan struct{} // closed when the health check passed first
	done    chan struct{} // closed when it has ended for good, or never starts
}

func newRun(t *task, c *acs.Container) *run {
	h := sha256.Sum256([]byte(c.Name))
	r := &run{
		task: t, def: c, id: fmt.Sprintf("%s-%010d", t.id(), binary.BigEndian.Uint64(h[:8])%1e10),
		started: make(chan struct{}), healthy: make(chan struct{}), done: make(chan struct{}),
	}
	for text, into := range map[string]any{c.Docker.Config: &r.config, c.Docker.HostConfig: &r.host} {
		if text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), into); err != nil {
			r.broken = fault.New(fault.Invalid, "CannotCreateContainerError", "container %s: its configuration cannot be read: %s", c.Name, err)
		}
	}
	return r
}

// ran tells whether the container was ever started.
func (r *run) ran() bool { return !r.task.look(r.def.Name).Started.IsZero() }

// live takes the container from where its record says to its end.
func (r *run) live(ctx context.Context) {
	err := r.walk(ctx)
	if ctx.Err() != nil {
		return // it goes on without us
	}
	r.leave()
	r.task.note(func(t *record) {
		c := t.Containers[r.def.Name]
		c.Status, c.Ended = "STOPPED", r.task.agent.Clock.Now()
		if err == nil {
			return
		}
		c.Reason = reasonOf(err)
		if t.Reason == "" && !t.Halt && r.def.Essential {
			t.Reason = c.Reason
		}
	})
	if err != nil {
		r.task.save() // nobody would find that out anew
	}
	close(r.done)
	if r.def.Essential {
		r.task.end()
	}
}

// walk starts the container, or takes up one that was started before, and
// stays until it has ended for good.
func (r *run) walk(ctx context.Context) error {
	if r.broken != nil {
		return r.broken
	}
	if !r.ran() {
		if err := r.awaitDependencies(ctx); err != nil || r.task.halted() {
			return err
		}
		if err := r.start(ctx); err != nil {
			return err
		}
	}
	close(r.started)
	for {
		st, stopped, err := r.supervise(ctx)
		if err != nil {
			return err
		}
		r.ended(st)
		if stopped || !r.restarts(st) {
			return nil
		}
		r.task.container(r.def.Name, func(c *containerRecord) { c.Restarts++; c.LogAt = 0 })
		if err := r.task.agent.Driver.Remove(ctx, r.id); err != nil {
			return fault.New(fault.Internal, "CannotStartContainerError", "restart: %s", err)
		}
		if err := r.start(ctx); err != nil {
			return err
		}
	}
}

// supervise stays with the running container: its log, its health, its end.
func (r *run) supervise(ctx context.Context) (st container.State, stopped bool, err error) {
	actx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	logged := make(chan struct{})
	go func() { defer close(logged); r.ship(actx, ended) }()
	checked := make(chan struct{})
	go func() { defer close(checked); r.check(actx, ended) }()
	st, stopped, err = r.wait(ctx)
	close(ended)
	<-checked
	if ctx.Err() == nil {
		<-logged // bounded: ship gives up some time after the end
	}
	cancel()
	<-logged
	return st, stopped, err
}

// wait blocks until the container has ended, by itself or because the task
// stops.
func (r *run) wait(ctx context.Context) (container.State, bool, error) {
	d := r.task.agent.Driver
	type end struct {
		st  container.State
		err error
	}
	ended := make(chan end, 1)
	wctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		st, err := d.Wait(wctx, r.id)
		ended <- end{st, err}
	}()
	select {
	case e := <-ended:
		return r.outcome(ctx, e.st, e.err, false)
	case <-ctx.Done():
		return container.State{}, false, ctx.Err()
	case <-r.task.stop:
	}
	r.awaitDependants(ctx)
	grace := defaultStopTimeout
	if r.def.StopTimeout != nil {
		grace = time.Duration(*r.def.StopTimeout) * time.Second
	}
	if err := d.Stop(ctx, r.id, grace); err != nil && ctx.Err() == nil {
		return container.State{}, true, fault.New(fault.Internal, "CannotStopContainerError", "%s", err)
	}
	select {
	case e := <-ended:
		return r.outcome(ctx, e.st, e.err, true)
	case <-ctx.Done():
		return container.State{}, true, ctx.Err()
	}
}

// outcome makes sense of what the driver says of an ended container.
func (r *run) outcome(ctx context.Context, st container.State, err error, stopped bool) (container.State, bool, error) {
	if ctx.Err() != nil {
		return st, stopped, ctx.Err()
	}
	if fault.Is(err, fault.NotFound) {
		return st, stopped, fault.New(fault.NotFound, "CannotInspectContainerError", "the container is gone and its exit status is not known")
	}
	if err != nil {
		return st, stopped, fault.New(fault.Internal, "CannotInspectContainerError", "%s", err)
	}
	return st, stopped, nil
}

// ended records how the container's process ended.
func (r *run) ended(st container.State) {
	code := int64(st.ExitCode)
	r.task.note(func(t *record) {
		c := t.Containers[r.def.Name]
		c.Exit, c.Ended = &code, st.FinishedAt
		if st.OOMKilled {
			c.Reason = "OutOfMemoryError: Container killed due to memory usage"
		}
	})
}

// restarts applies the restart policy: a container that ran long enough, and
// whose exit code is not excepted, is started in its place.
func (r *run) restarts(st container.State) bool {
	p := r.def.RestartPolicy
	if p == nil || !p.Enabled || r.task.halted() || slices.Contains(p.IgnoredExitCodes, int64(st.ExitCode)) {
		return false
	}
	period := 300 * time.Second
	if p.RestartAttemptPeriod > 0 {
		period = time.Duration(p.RestartAttemptPeriod) * time.Second
	}
	return st.FinishedAt.Sub(r.task.look(r.def.Name).Started) >= period
}

// awaitDependencies waits for the conditions of dependsOn.
func (r *run) awaitDependencies(ctx context.Context) error {
	for _, d := range r.def.DependsOn {
		o := r.task.runs[d.Container]
		if o == nil {
			return fault.New(
				fault.Invalid, "CannotCreateContainerError", "container %s depends on %s, which the task has not", r.def.Name, d.Container,
			)
		}
		if err := r.awaitOne(ctx, o, d.Condition); err != nil {
			return err
		}
	}
	return r.awaitLinks(ctx)
}

func (r *run) awaitOne(ctx context.Context, o *run, condition string) error {
	reached := map[string]chan struct{}{"START": o.started, "HEALTHY": o.healthy, "COMPLETE": o.done, "SUCCESS": o.done}[condition]
	if reached == nil {
		return fault.New(fault.Invalid, "CannotCreateContainerError", "unknown dependency condition %s", condition)
	}
	var late <-chan struct{}
	if o.def.StartTimeout > 0 && condition != "START" {
		late = clock.After(r.task.agent.Clock, time.Duration(o.def.StartTimeout)*time.Second)
	}
	unresolved := func(why string) error {
		return fault.New(
			fault.Invalid, "", "dependency graph: failed to resolve container ordering dependency [%s] for target [%s] as dependency %s.",
			o.def.Name, r.def.Name, why,
		)
	}
	select {
	case <-reached:
	case <-o.done:
	case <-r.task.stop:
		return nil
	case <-late:
		return fault.New(
			fault.Invalid, "", "dependency graph: container ordering dependency [%s] for target [%s] has timed out.", o.def.Name, r.def.Name,
		)
	case <-ctx.Done():
		return ctx.Err()
	}
	c := r.task.look(o.def.Name)
	switch {
	case condition == "SUCCESS" && (c.Exit == nil || *c.Exit != 0):
		return unresolved("did not exit successfully")
	case condition == "COMPLETE" && c.Exit == nil:
		return unresolved("did not run")
	case condition == "START" && c.Started.IsZero():
		return unresolved("did not start")
	case condition == "HEALTHY" && !isClosed(o.healthy):
		return unresolved("did not become healthy")
	}
	return nil
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// awaitDependants lets those that depend on this container end first.
func (r *run) awaitDependants(ctx context.Context) {
	for _, o := range r.task.runs {
		if !slices.ContainsFunc(o.def.DependsOn, func(d acs.DependsOn) bool { return d.Container == r.def.Name }) {
			continue
		}
		select {
		case <-o.done:
		case <-ctx.Done():
			return
		}
	}
}
