package daemon_test

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/daemon"
	"berth/internal/endpoint"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/resolver"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

var update = flag.Bool("update", false, "write ARCHITECTURE.md's tables again")

// names and endpoints serve nobody.
type names struct{}

func (names) Set(context.Context, resolver.Config) error { return nil }

type endpoints struct{}

func (endpoints) Set(context.Context, []endpoint.Listener) error { return nil }

// TestArchitecturesTablesAreWhatTheCodeSays holds the tables in
// ARCHITECTURE.md against the rules of all controllers of a server and the
// moves of tasks and instances.
func TestArchitecturesTablesAreWhatTheCodeSays(t *testing.T) {
	const file = "../../ARCHITECTURE.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for name, want := range map[string]string{
		"wakes":          control.Wakes(assemble(t).Engine.Controllers()),
		"task moves":     model.TaskMoves.Table(),
		"instance moves": model.InstanceMoves.Table(),
	} {
		begin, end := "<!-- "+name+": written by `make generate` -->\n", "<!-- "+name+" end -->"
		before, rest, ok := strings.Cut(text, begin)
		had, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no lines %q and %q", file, begin, end)
		}
		if had != want && !*update {
			t.Errorf("run make generate: %s says\n%s\nbut the code says\n%s", file, had, want)
		}
		text = before + begin + want + end + after
	}
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// assemble is a server with nothing behind it.
func assemble(t *testing.T) *daemon.System {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	figures, err := series.Memory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := figures.Close(); err != nil {
			t.Error(err)
		}
	})
	c := clock.NewStepped(time.Unix(0, 0))
	sys, err := daemon.Assemble(t.Context(), daemon.Core{DB: db, Clock: c, Real: c, IDs: ident.Seeded(1), Log: slog.New(slog.DiscardHandler)},
		daemon.Drivers{Series: figures, Names: names{}, Endpoints: endpoints{}})
	if err != nil {
		t.Fatal(err)
	}
	return sys
}
