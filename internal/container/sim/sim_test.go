package sim_test

import (
	"io"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/container/containertest"
	"berth/internal/container/sim"
)

func program(s container.Spec) sim.Program {
	switch s.Args[0] {
	case "exits":
		return sim.Program{Runs: time.Minute, ExitCode: 7, Output: []string{"hello"}}
	case "deaf":
		return sim.Program{Output: []string{"ready"}, IgnoreTerm: true}
	case "missing":
		return sim.Program{Fail: "exec: missing: not found"}
	default:
		return sim.Program{Output: []string{"ready"}, Exec: func(e container.ExecSpec) int {
			_, _ = io.WriteString(e.Stdout, "inside\n")
			return 3
		}}
	}
}

// Proves: MI29, D58
func TestConformance(t *testing.T) {
	c := clock.NewStepped(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	world, dir := sim.NewWorld(), t.TempDir()
	containertest.Run(t, containertest.Subject{
		New: func(*testing.T) container.Driver {
			return sim.New(sim.Deps{World: world, Clock: c, Dir: dir, Program: program})
		},
		Exits: []string{"exits"}, Serves: []string{"serves"}, Deaf: []string{"deaf"},
		Missing: []string{"missing"}, Echo: []string{"echo"},
		Pass: func() { c.Advance(time.Hour) },
	})
}
