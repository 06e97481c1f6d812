// Package containertest is the suite that every container driver passes. It
// is given a driver and programs that behave in known ways, and checks the
// contract of container.Driver, including what a second driver on the same
// folder sees. Tests of one driver call Run; nothing else imports it.
package containertest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/container"
	"berth/internal/fault"
)

// Subject is a driver under test.
type Subject struct {
	// New returns a driver; each call a new one on the same folder.
	New func(t *testing.T) container.Driver
	// Base is completed with an ID and Args.
	Base container.Spec
	// Exits ends with code 7 after printing "hello"; Serves prints "ready" and
	// runs until SIGTERM; Deaf prints "ready" and ignores SIGTERM; Missing cannot be started.
	Exits, Serves, Deaf, Missing []string
	// Echo, run by Exec in Serves, prints "inside" and ends with code 3.
	Echo []string
	// Pass lets what is due happen (a simulated clock steps).
	Pass func()
}

const patience = 20 * time.Second

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for _, c := range []struct {
		name string
		f    func(*testing.T, Subject)
	}{
		{"ExitCodeAndOutputAreKept", exitCode},
		{"TheSecondDriverFindsWhatRuns", adoption},
		{"WaitWorksForContainersOfAnEarlierDriver", waitAdopted},
		{"StopSendsTheSignal", stop},
		{"StopKillsTheDeaf", stopDeaf},
		{"EverythingMayBeCalledTwice", twice},
		{"AbsentIsSuccessForStopAndRemoveOnly", absent},
		{"WaitEndsWithItsContext", waitContext},
		{"AStartThatFailsSaysWhy", missing},
		{"BadIDsAreRefused", badIDs},
		{"ExecReturnsTheExitCode", execCode},
		{"RemoveKills", removeKills},
	} {
		t.Run(c.name, func(t *testing.T) { c.f(t, s) })
	}
}

func (s Subject) make(t *testing.T, d container.Driver, id string, args []string, start bool) {
	t.Helper()
	spec := s.Base
	spec.ID, spec.Args, spec.Labels = id, args, map[string]string{"who": id}
	if err := d.Create(t.Context(), spec); err != nil {
		t.Fatalf("create: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Remove(context.WithoutCancel(t.Context()), id); err != nil {
			t.Errorf("remove in the end: %v", err)
		}
	})
	if !start {
		return
	}
	if err := d.Start(t.Context(), id); err != nil {
		t.Fatalf("start: %v", err)
	}
}

func (s Subject) wait(t *testing.T, d container.Driver, id string) container.State {
	t.Helper()
	if s.Pass != nil {
		s.Pass()
	}
	st, err := d.Wait(await.Context(t), id)
	if err != nil {
		t.Fatalf("wait: %v", err)
	}
	return st
}

func status(t *testing.T, d container.Driver, id string) container.State {
	t.Helper()
	st, err := d.State(t.Context(), id)
	if err != nil {
		t.Fatalf("state: %v", err)
	}
	return st
}

// ready waits until the program can take a signal: the kernel drops one that
// the first process of a container has no handler for yet.
func ready(t *testing.T, d container.Driver, id string) {
	t.Helper()
	path := status(t, d, id).LogPath
	await.Value(t, "container "+id+" is ready", func() (string, bool) {
		log, _ := os.ReadFile(path)
		return string(log), strings.Contains(string(log), `"m":"ready"`)
	})
}

func exitCode(t *testing.T, s Subject) {
	d := s.New(t)
	s.make(t, d, "exits", s.Exits, false)
	if st := status(t, d, "exits"); st.Status != container.Created || st.Labels["who"] != "exits" {
		t.Errorf("before start: %+v", st)
	}
	if err := d.Start(t.Context(), "exits"); err != nil {
		t.Fatal(err)
	}
	st := s.wait(t, d, "exits")
	if st.Status != container.Stopped || st.ExitCode != 7 || st.OOMKilled || st.PID != 0 {
		t.Errorf("after the end: %+v", st)
	}
	if st.StartedAt.IsZero() || st.FinishedAt.Before(st.StartedAt) {
		t.Errorf("times: started %v, finished %v", st.StartedAt, st.FinishedAt)
	}
	log, err := os.ReadFile(st.LogPath)
	if err != nil || !strings.Contains(string(log), `"s":"stdout"`) || !strings.Contains(string(log), `"m":"hello"`) {
		t.Errorf("log: %s, %v", log, err)
	}
}

func adoption(t *testing.T, s Subject) {
	first := s.New(t)
	s.make(t, first, "adopt-a", s.Serves, true)
	s.make(t, first, "adopt-b", s.Serves, false)
	list, err := s.New(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]container.Status{}
	for _, st := range list {
		got[st.ID] = st.Status
		if st.Labels["who"] != st.ID {
			t.Errorf("labels of %s: %v", st.ID, st.Labels)
		}
	}
	if got["adopt-a"] != container.Running || got["adopt-b"] != container.Created {
		t.Errorf("list: %v", got)
	}
}

func waitAdopted(t *testing.T, s Subject) {
	first := s.New(t)
	s.make(t, first, "waited", s.Serves, true)
	second := s.New(t)
	done := make(chan container.State, 1)
	go func() {
		st, _ := second.Wait(t.Context(), "waited")
		done <- st
	}()
	if err := first.Signal(t.Context(), "waited", "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	if st := <-done; st.Status != container.Stopped || st.ExitCode != 137 {
		t.Errorf("state: %+v", st)
	}
}

func stop(t *testing.T, s Subject) {
	d := s.New(t)
	s.make(t, d, "stopped", s.Serves, true)
	ready(t, d, "stopped")
	if err := d.Stop(t.Context(), "stopped", patience); err != nil {
		t.Fatal(err)
	}
	if st := status(t, d, "stopped"); st.Status != container.Stopped || st.ExitCode == 137 {
		t.Errorf("state: %+v", st)
	}
}

func stopDeaf(t *testing.T, s Subject) {
	d := s.New(t)
	s.make(t, d, "deaf", s.Deaf, true)
	ready(t, d, "deaf") // before it ignores the signal, it would end by it
	if err := d.Stop(t.Context(), "deaf", 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if st := status(t, d, "deaf"); st.Status != container.Stopped || st.ExitCode != 137 || st.OOMKilled {
		t.Errorf("state: %+v", st)
	}
}

func twice(t *testing.T, s Subject) {
	d := s.New(t)
	spec := s.Base
	spec.ID, spec.Args = "twice", s.Serves
	steps := []struct {
		name string
		f    func() error
	}{
		{"create", func() error { return d.Create(t.Context(), spec) }},
		{"start", func() error {
			err := d.Start(t.Context(), "twice")
			ready(t, d, "twice")
			return err
		}},
		{"stop", func() error { return d.Stop(t.Context(), "twice", patience) }},
	}
	for _, step := range steps {
		for range 2 {
			if err := step.f(); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
		}
	}
	if err := d.Start(t.Context(), "twice"); !fault.Is(err, fault.Conflict) {
		t.Errorf("start of a stopped container: %v", err)
	}
	for range 2 {
		if err := d.Remove(t.Context(), "twice"); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
}

func absent(t *testing.T, s Subject) {
	d := s.New(t)
	ctx := t.Context()
	if err := errors.Join(d.Stop(ctx, "absent", 0), d.Remove(ctx, "absent")); err != nil {
		t.Errorf("stop, remove: %v", err)
	}
	_, werr := d.Wait(ctx, "absent")
	_, serr := d.State(ctx, "absent")
	_, terr := d.Stats(ctx, "absent")
	_, eerr := d.Exec(ctx, "absent", container.ExecSpec{Args: []string{"x"}})
	for _, err := range []error{d.Start(ctx, "absent"), d.Signal(ctx, "absent", "SIGTERM"), werr, serr, terr, eerr} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("absent container: %v", err)
		}
	}
}

func waitContext(t *testing.T, s Subject) {
	d := s.New(t)
	s.make(t, d, "patient", s.Serves, true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Wait(ctx, "patient"); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v", err)
	}
}

func missing(t *testing.T, s Subject) {
	d := s.New(t)
	s.make(t, d, "missing", s.Missing, false)
	err := d.Start(t.Context(), "missing")
	if !fault.Is(err, fault.Invalid) || err.Error() == "" {
		t.Errorf("start: %v", err)
	}
	if st := status(t, d, "missing"); st.Status != container.Created {
		t.Errorf("state: %+v", st)
	}
}

func badIDs(t *testing.T, s Subject) {
	d := s.New(t)
	for _, id := range []string{"", "../x", "a b", "a/b", ".", strings.Repeat("x", 129)} {
		spec := s.Base
		spec.ID, spec.Args = id, s.Serves
		if err := d.Create(t.Context(), spec); !fault.Is(err, fault.Invalid) {
			t.Errorf("create %q: %v", id, err)
		}
	}
	spec := s.Base
	spec.ID, spec.Args = "no-command", nil
	if err := d.Create(t.Context(), spec); !fault.Is(err, fault.Invalid) {
		t.Errorf("create without a command: %v", err)
	}
}

func execCode(t *testing.T, s Subject) {
	d := s.New(t)
	s.make(t, d, "exec", s.Serves, true)
	var out bytes.Buffer
	code, err := d.Exec(t.Context(), "exec", container.ExecSpec{Args: s.Echo, Stdout: &out})
	if err != nil || code != 3 || strings.TrimSpace(out.String()) != "inside" {
		t.Errorf("exec: code %d, output %q, %v", code, out.String(), err)
	}
	now := status(t, d, "exec")
	if st, err := d.Stats(t.Context(), "exec"); err != nil || st.Pids == 0 || st.PID != now.PID {
		t.Errorf("stats: %+v, %v; state: %+v", st, err, now)
	}
}

func removeKills(t *testing.T, s Subject) {
	d := s.New(t)
	s.make(t, d, "removed", s.Serves, true)
	if err := d.Remove(t.Context(), "removed"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.State(t.Context(), "removed"); !fault.Is(err, fault.NotFound) {
		t.Errorf("state: %v", err)
	}
}
