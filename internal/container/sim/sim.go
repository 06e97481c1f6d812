// Package sim is the simulated container driver: containers that are records
// in memory, which run as long as their program says and end with its code.
// It passes the suite of containertest and touches nothing outside memory,
// except a log file for each container when it is given a folder.
//
// What it holds outlives a Driver, as a folder would: a World is handed to
// every Driver that should find the same containers. All is safe for
// concurrent use. A simulated stop takes no time.
package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/fault"
)

// Program is what a container's process would do.
type Program struct {
	Fail       string        // a start that fails with this message
	Runs       time.Duration // 0 runs until it is stopped
	ExitCode   int           // when it ends by itself
	OOM        bool          // it ends because its memory was used up
	IgnoreTerm bool          // only SIGKILL ends it
	Output     []string      // lines on stdout, at once
	Exec       func(container.ExecSpec) int
	Stats      container.Stats
}

// World holds the containers.
type World struct {
	mu   sync.Mutex
	byID map[string]*sandbox
}

// NewWorld returns an empty one.
func NewWorld() *World { return &World{byID: map[string]*sandbox{}} }

// Deps are what a Driver is made of.
type Deps struct {
	World *World
	Clock clock.Clock
	Dir   string // folder of the logs; "" writes none
	// Program says what a container does; nil runs everything for ever.
	Program func(container.Spec) Program
}

// Driver runs simulated containers.
type Driver struct{ Deps }

var _ container.Driver = (*Driver)(nil)

type sandbox struct {
	spec    container.Spec
	program Program
	state   container.State
	timer   *clock.Timer
	done    chan struct{}
}

// New returns a driver of the world.
func New(d Deps) *Driver {
	if d.World == nil {
		d.World = NewWorld()
	}
	if d.Program == nil {
		d.Program = func(container.Spec) Program { return Program{} }
	}
	return &Driver{d}
}

func (d *Driver) find(id string) (*sandbox, error) {
	s := d.World.byID[id]
	if s == nil {
		return nil, fault.New(fault.NotFound, "", "no container %s", id)
	}
	return s, nil
}

// Create records the container.
func (d *Driver) Create(_ context.Context, spec container.Spec) error {
	if spec.ID == "" || len(spec.ID) > 128 || strings.ContainsAny(spec.ID, "/ ") || spec.ID[0] == '.' {
		return fault.New(fault.Invalid, "", "container id %q is not valid", spec.ID)
	}
	if len(spec.Args) == 0 {
		return fault.New(fault.Invalid, "", "no command specified")
	}
	d.World.mu.Lock()
	defer d.World.mu.Unlock()
	if d.World.byID[spec.ID] != nil {
		return nil
	}
	s := &sandbox{spec: spec, program: d.Program(spec), done: make(chan struct{})}
	s.state = container.State{ID: spec.ID, Status: container.Created, Labels: spec.Labels}
	if d.Dir != "" {
		s.state.LogPath = filepath.Join(d.Dir, spec.ID+".log")
	}
	d.World.byID[spec.ID] = s
	return nil
}

// Start runs the container's program.
func (d *Driver) Start(_ context.Context, id string) error {
	d.World.mu.Lock()
	defer d.World.mu.Unlock()
	s, err := d.find(id)
	if err != nil {
		return err
	}
	switch {
	case s.state.Status == container.Running:
		return nil
	case s.state.Status == container.Stopped:
		return fault.New(fault.Conflict, "", "container %s has stopped and is not started again", id)
	case s.program.Fail != "":
		return fault.New(fault.Invalid, "", "%s", s.program.Fail)
	}
	s.state.Status, s.state.StartedAt = container.Running, d.Clock.Now()
	if s.program.Runs > 0 {
		code := s.program.ExitCode
		if s.program.OOM {
			code = 137
		}
		s.timer = d.Clock.AfterFunc(s.program.Runs, func() {
			d.World.mu.Lock()
			defer d.World.mu.Unlock()
			d.end(s, code, s.program.OOM)
		})
	}
	return d.print(s)
}

func (d *Driver) print(s *sandbox) error {
	if s.state.LogPath == "" {
		return nil
	}
	var out []byte
	for _, text := range s.program.Output {
		line, err := json.Marshal(map[string]string{"t": s.state.StartedAt.Format(time.RFC3339Nano), "s": "stdout", "m": text})
		if err != nil {
			return fmt.Errorf("encode log line: %w", err)
		}
		out = append(append(out, line...), '\n')
	}
	if err := os.WriteFile(s.state.LogPath, out, 0o600); err != nil {
		return fmt.Errorf("write log of container %s: %w", s.spec.ID, err)
	}
	return nil
}

// end is called with the world's lock held.
func (d *Driver) end(s *sandbox, code int, oom bool) {
	if s.state.Status != container.Running {
		return
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.state.Status, s.state.ExitCode, s.state.OOMKilled = container.Stopped, code, oom
	s.state.FinishedAt = d.Clock.Now()
	close(s.done)
}

// Kill ends a running container with an exit code, as a crash would.
func (d *Driver) Kill(id string, code int, oom bool) {
	d.World.mu.Lock()
	defer d.World.mu.Unlock()
	if s, err := d.find(id); err == nil {
		d.end(s, code, oom)
	}
}

// Signal ends the container as its program takes the signal.
func (d *Driver) Signal(_ context.Context, id, signal string) error {
	d.World.mu.Lock()
	defer d.World.mu.Unlock()
	s, err := d.find(id)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(strings.ToUpper(signal), "SIG")
	code, known := map[string]int{"KILL": 137, "TERM": 143, "INT": 130, "QUIT": 131, "HUP": 129, "USR1": 0, "USR2": 0}[name]
	if !known {
		return fault.New(fault.Invalid, "", "%q is not a signal", signal)
	}
	if s.state.Status != container.Running {
		return fault.New(fault.Conflict, "", "container %s is not running", id)
	}
	if name == "KILL" || code != 0 && !s.program.IgnoreTerm {
		d.end(s, code, false)
	}
	return nil
}

// Wait blocks until the container has stopped.
func (d *Driver) Wait(ctx context.Context, id string) (container.State, error) {
	d.World.mu.Lock()
	s, err := d.find(id)
	created := err == nil && s.state.Status == container.Created
	d.World.mu.Unlock()
	if err != nil {
		return container.State{}, err
	}
	if created {
		return container.State{}, fault.New(fault.Conflict, "", "container %s was not started", id)
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		return container.State{}, ctx.Err()
	}
	d.World.mu.Lock()
	defer d.World.mu.Unlock()
	return s.state, nil
}

// Stop ends the container at once: by its stop signal, or killed if its
// program does not heed that.
func (d *Driver) Stop(ctx context.Context, id string, _ time.Duration) error {
	d.World.mu.Lock()
	s, err := d.find(id)
	running := err == nil && s.state.Status == container.Running
	d.World.mu.Unlock()
	if !running {
		return nil
	}
	for _, sig := range []string{cmp.Or(s.spec.StopSignal, "SIGTERM"), "SIGKILL"} {
		if err := d.Signal(ctx, id, sig); err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil
}

// State looks at one container.
func (d *Driver) State(_ context.Context, id string) (container.State, error) {
	d.World.mu.Lock()
	defer d.World.mu.Unlock()
	s, err := d.find(id)
	if err != nil {
		return container.State{}, err
	}
	return s.state, nil
}

// List looks at all containers, in the order of their ids.
func (d *Driver) List(context.Context) ([]container.State, error) {
	d.World.mu.Lock()
	defer d.World.mu.Unlock()
	var out []container.State
	for _, s := range d.World.byID {
		out = append(out, s.state)
	}
	slices.SortFunc(out, func(a, b container.State) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// Stats gives the program's figures.
func (d *Driver) Stats(_ context.Context, id string) (container.Stats, error) {
	d.World.mu.Lock()
	defer d.World.mu.Unlock()
	s, err := d.find(id)
	if err != nil {
		return container.Stats{}, err
	}
	if s.state.Status != container.Running {
		return container.Stats{}, fault.New(fault.Conflict, "", "container %s is not running", id)
	}
	out := s.program.Stats
	out.PID, out.MemoryLimit = s.state.PID, uint64(s.spec.MemoryBytes)
	out.Pids = max(out.Pids, 1)
	return out, nil
}

// Exec asks the program; without an answer a command succeeds.
func (d *Driver) Exec(_ context.Context, id string, e container.ExecSpec) (int, error) {
	d.World.mu.Lock()
	defer d.World.mu.Unlock()
	s, err := d.find(id)
	if err != nil {
		return 0, err
	}
	if len(e.Args) == 0 {
		return 0, fault.New(fault.Invalid, "", "no command specified")
	}
	if s.state.Status != container.Running {
		return 0, fault.New(fault.Conflict, "", "container %s is not running", id)
	}
	if s.program.Exec == nil {
		return 0, nil
	}
	return s.program.Exec(e), nil
}

// Remove forgets the container.
func (d *Driver) Remove(_ context.Context, id string) error {
	d.World.mu.Lock()
	defer d.World.mu.Unlock()
	s, err := d.find(id)
	if err != nil {
		return nil
	}
	d.end(s, 137, false)
	delete(d.World.byID, id)
	if s.state.LogPath != "" {
		_ = os.Remove(s.state.LogPath)
	}
	return nil
}
