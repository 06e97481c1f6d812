// Package machinetest is the conformance suite of machine drivers: what
// controllers/instance relies on. Every driver's tests call Run; it owns no
// machine after it has returned. Not for concurrent use.
package machinetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/fault"
	"berth/internal/machine"
)

// Bench is a driver with what the suite needs around it.
type Bench struct {
	Driver machine.Driver
	// Spec returns a machine that the driver can launch; equal n, equal
	// machine.
	Spec func(n int) machine.Spec
	// Kill ends a machine as a failing host would.
	Kill func(id string)
	// Again returns a new driver on the same machines, as after a restart of
	// the server; nil if machines do not outlive the driver.
	Again func() machine.Driver
	// Wait lets time pass for the driver, a moment at a time; nil if it passes
	// by itself.
	Wait func()
}

// Run runs the suite.
func Run(t *testing.T, bench func(t *testing.T) Bench) {
	for name, test := range map[string]func(*testing.T, Bench){
		"LaunchIsOneMachine":      launchTwice,
		"CredentialsAreReplaced":  credentials,
		"DeathIsNoticed":          death,
		"AbsentMachines":          absent,
		"ImpossibleSpecs":         impossible,
		"MachinesOutliveDrivers":  again,
		"TerminateLeavesNobody":   terminate,
		"ConcurrentLaunchesOfOne": concurrent,
	} {
		t.Run(name, func(t *testing.T) { test(t, bench(t)) })
	}
}

func launch(t *testing.T, b Bench, n int) machine.Machine {
	t.Helper()
	m, err := b.Driver.Launch(t.Context(), b.Spec(n))
	if err != nil {
		t.Fatalf("launch: %v", err)
	}
	t.Cleanup(func() { _ = b.Driver.Terminate(context.Background(), m.ID) }) // t.Context has ended
	return m
}

func reach(t *testing.T, b Bench, d machine.Driver, id string, want machine.State) machine.Machine {
	t.Helper()
	return await.Value(t, fmt.Sprintf("machine %s is %s", id, want), func() (machine.Machine, bool) {
		if b.Wait != nil {
			b.Wait()
		}
		m, err := d.Get(t.Context(), id)
		if err != nil {
			t.Fatalf("get: %v", err)
		}
		return m, m.State == want
	})
}

func ids(t *testing.T, d machine.Driver) []string {
	t.Helper()
	all, err := d.List(t.Context())
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	var out []string
	for _, m := range all {
		out = append(out, m.ID)
	}
	return out
}

func launchTwice(t *testing.T, b Bench) {
	m := launch(t, b, 1)
	if m.ID != b.Spec(1).ID || m.LaunchedAt.IsZero() {
		t.Errorf("launched %+v", m)
	}
	first := reach(t, b, b.Driver, m.ID, machine.Running)
	second := launch(t, b, 1)
	if second.PID != first.PID || !second.LaunchedAt.Equal(first.LaunchedAt) {
		t.Errorf("launching again made %+v of %+v", second, first)
	}
	launch(t, b, 2)
	if got, want := ids(t, b.Driver), []string{b.Spec(1).ID, b.Spec(2).ID}; !slices.Equal(got, want) {
		t.Errorf("list is %v, want %v", got, want)
	}
}

func concurrent(t *testing.T, b Bench) {
	got := make(chan machine.Machine, 4)
	for range cap(got) {
		go func() {
			m, err := b.Driver.Launch(t.Context(), b.Spec(1))
			if err != nil {
				t.Errorf("launch: %v", err)
			}
			got <- m
		}()
	}
	first := <-got
	for range cap(got) - 1 {
		if m := <-got; m.PID != first.PID {
			t.Errorf("two machines of one id: %+v, %+v", first, m)
		}
	}
	_ = b.Driver.Terminate(t.Context(), b.Spec(1).ID)
}

func credentials(t *testing.T, b Bench) {
	m := launch(t, b, 1)
	for _, key := range []string{"ASIAONE", "ASIATWO"} {
		if err := b.Driver.SetCredentials(t.Context(), m.ID, machine.Credentials{
			AccessKeyID: key, Secret: "s", Token: "t", Expires: time.Unix(4e9, 0),
		}); err != nil {
			t.Errorf("set credentials: %v", err)
		}
	}
}

func death(t *testing.T, b Bench) {
	m := launch(t, b, 1)
	reach(t, b, b.Driver, m.ID, machine.Running)
	b.Kill(m.ID)
	dead := reach(t, b, b.Driver, m.ID, machine.Terminated)
	if dead.Reason == "" {
		t.Error("no reason for the end of the machine")
	}
	if !slices.Contains(ids(t, b.Driver), m.ID) {
		t.Error("a machine that ended by itself is not listed")
	}
	if m, err := b.Driver.Launch(t.Context(), b.Spec(1)); err != nil || m.State != machine.Terminated {
		t.Errorf("a dead machine rose again: %+v, %v", m, err)
	}
	if err := b.Driver.Terminate(t.Context(), m.ID); err != nil {
		t.Errorf("terminate the dead: %v", err)
	}
	if len(ids(t, b.Driver)) != 0 {
		t.Error("a terminated machine is listed")
	}
}

func absent(t *testing.T, b Bench) {
	id := b.Spec(9).ID
	if _, err := b.Driver.Get(t.Context(), id); !fault.Is(err, fault.NotFound) {
		t.Errorf("get: %v", err)
	}
	if err := b.Driver.SetCredentials(t.Context(), id, machine.Credentials{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("set credentials: %v", err)
	}
	if _, err := b.Driver.Console(t.Context(), id); !fault.Is(err, fault.NotFound) {
		t.Errorf("console: %v", err)
	}
	if err := b.Driver.Terminate(t.Context(), id); err != nil {
		t.Errorf("terminate: %v", err)
	}
}

func impossible(t *testing.T, b Bench) {
	for what, change := range map[string]func(*machine.Spec){
		"no id":        func(s *machine.Spec) { s.ID = "" },
		"no processor": func(s *machine.Spec) { s.VCPU = 0 },
		"no memory":    func(s *machine.Spec) { s.MemoryMiB = 0 },
		"no interface": func(s *machine.Spec) { s.Interface = "" },
	} {
		s := b.Spec(1)
		change(&s)
		if _, err := b.Driver.Launch(t.Context(), s); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := len(ids(t, b.Driver)); n != 0 {
		t.Errorf("%d machines after refused launches", n)
	}
}

func again(t *testing.T, b Bench) {
	if b.Again == nil {
		t.Skip("machines of this driver end with it")
	}
	m := launch(t, b, 1)
	other := b.Again()
	found := reach(t, b, other, m.ID, machine.Running)
	if found.PID != m.PID {
		t.Errorf("found %+v, launched %+v", found, m)
	}
	if got, err := other.Launch(t.Context(), b.Spec(1)); err != nil || got.PID != m.PID {
		t.Errorf("launched again: %+v, %v", got, err)
	}
	if err := other.Terminate(t.Context(), m.ID); err != nil {
		t.Errorf("terminate: %v", err)
	}
}

func terminate(t *testing.T, b Bench) {
	m := launch(t, b, 1)
	for range 2 {
		if err := b.Driver.Terminate(t.Context(), m.ID); err != nil {
			t.Fatalf("terminate: %v", err)
		}
	}
	if _, err := b.Driver.Get(t.Context(), m.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("get after terminate: %v", err)
	}
}
