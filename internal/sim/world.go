// Package sim is the whole system on virtual time: the same daemon with a
// stepped clock, a memory store and simulated drivers, told what to do by
// scripts. A world made of one seed goes the same way every time. It is not
// needed in production and is used by one goroutine.
package sim

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"berth/internal/clock"
	"berth/internal/controllers/fargate"
	"berth/internal/daemon"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// World is one simulated installation.
type World struct {
	Clock   *clock.Stepped
	DB      *state.DB
	sys     *daemon.System
	drivers *drivers
	root    ident.Principal
	start   time.Time
	bad     *troubles
}

// Options say what world it is.
type Options struct {
	Seed   uint64
	Region string // default ap-northeast-1
	Dir    string // for the registry's files
	Log    *slog.Logger
	KV     store.KV // default a store.Memory
	// Lax leaves out the checks of who writes which field, which cost and
	// which no server makes.
	Lax bool
}

// Start is the moment at which every world begins.
var Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// New makes a world.
func New(ctx context.Context, o Options) (*World, error) {
	if o.Region == "" {
		o.Region = "ap-northeast-1"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.KV == nil {
		o.KV = store.NewMemory()
	}
	db, err := state.Open(ctx, o.KV, !o.Lax)
	if err != nil {
		return nil, err
	}
	place := ident.Place{Partition: "aws", Region: o.Region, Account: "123456789012"}
	w := &World{Clock: clock.NewStepped(Start), DB: db, root: ident.Root(place), start: Start, bad: &troubles{next: o.Log.Handler()}}
	o.Log = slog.New(w.bad)
	core := daemon.Core{DB: db, Clock: w.Clock, Real: w.Clock, IDs: ident.Seeded(o.Seed), Place: place, Log: o.Log}
	if w.drivers, err = newDrivers(o, w.Clock, core.IDs, w.root); err != nil {
		return nil, err
	}
	if w.sys, err = daemon.Assemble(ctx, core, w.drivers.daemon()); err != nil {
		return nil, err
	}
	w.sys.Engine.Begin(ctx, true)
	w.sys.Engine.Open()
	return w, w.Settle(ctx)
}

// Invoke calls an operation as the account's root.
func (w *World) Invoke(ctx context.Context, service, operation string, in map[string]any) (map[string]any, error) {
	return w.sys.Front.Invoke(ctx, w.root, service, operation, in)
}

// InvokeAs calls an operation as somebody else.
func (w *World) InvokeAs(ctx context.Context, p ident.Principal, service, operation string, in map[string]any) (map[string]any, error) {
	return w.sys.Front.Invoke(ctx, p, service, operation, in)
}

// maxRuns bounds one settling: more is a loop that never rests.
const maxRuns = 1_000_000

// Settle runs all controllers until nobody has work due now.
func (w *World) Settle(ctx context.Context) error {
	_, err := w.sys.Engine.Settle(ctx, maxRuns)
	return err
}

// Advance lets d pass: whatever falls due on the way runs at its moment.
func (w *World) Advance(ctx context.Context, d time.Duration) error {
	end := w.Clock.Now().Add(d)
	if err := w.Settle(ctx); err != nil {
		return err
	}
	for {
		next := end
		for _, due := range []func() (time.Time, bool){w.sys.Engine.NextDue, w.Clock.Next} {
			if at, ok := due(); ok && at.Before(next) {
				next = at
			}
		}
		w.Clock.Advance(max(next.Sub(w.Clock.Now()), 0))
		if err := w.Settle(ctx); err != nil {
			return err
		}
		if !w.Clock.Now().Before(end) {
			return nil
		}
	}
}

// Tick lets d pass at once: what fell due in it runs together at its end, as in
// a server that has been busy for so long.
func (w *World) Tick(ctx context.Context, d time.Duration) error {
	w.Clock.Advance(d)
	return w.Settle(ctx)
}

// Interrupt takes the slice of a task of Fargate Spot away after its notice.
func (w *World) Interrupt(ctx context.Context, task string) error {
	err := fargate.Controller{DB: w.DB}.Interrupt(ctx, w.Clock.Now(), task)
	if err != nil {
		return err
	}
	return w.Settle(ctx)
}

// Kill ends what is named: an instance by its number in order of launch, or
// all instances of a zone.
func (w *World) Kill(ctx context.Context, name string) error {
	n := 0
	for _, in := range w.instances(w.DB.View()) {
		if in.ID == name || name == fmt.Sprint(in.n) || in.AvailabilityZone == name && in.State == model.InstanceRunning {
			w.drivers.machines.Kill(in.ID, "the host failed")
			n++
		}
	}
	if n == 0 {
		return fmt.Errorf("no instance %s", name)
	}
	return w.Settle(ctx)
}

// Fail makes something go wrong from now on: `fail machines WHAT CODE`
// refuses launches in a zone or of a type, `fail machines WHAT` lets them succeed
// again; `fail function NAME` refuses its environments; the others are fate's.
func (w *World) Fail(ctx context.Context, what, whom string, how ...string) error {
	id, err := w.named(what, whom)
	if err != nil {
		return err
	}
	if err := w.drivers.fail(what, append([]string{id}, how...)...); err != nil {
		return err
	}
	w.drivers.fate.stir()
	return w.Settle(ctx)
}

// named turns the number of a task or instance into its ARN or id.
func (w *World) named(what, whom string) (string, error) {
	n, err := strconv.Atoi(whom)
	if err != nil {
		return whom, nil //nolint:nilerr // it is a name already
	}
	if what == "agent" || what == "host" {
		return w.Find("instance-id", n)
	}
	return w.Find("task", n)
}

// Find returns the identity of the n-th of a kind in order of creation.
func (w *World) Find(kind string, n int) (string, error) {
	var all []string
	view := w.DB.View()
	switch kind {
	case "task":
		all = w.drivers.fate.children("task")
	case "instance-id":
		all = w.drivers.fate.children("instance")
	case "instance":
		for _, id := range w.drivers.fate.children("instance") {
			i, _ := state.Instances.Get(view, id)
			all = append(all, i.ARN)
		}
	case "deployment":
		for _, d := range deployed(view) {
			all = append(all, d.ARN)
		}
	case "revision":
		for _, r := range revised(view) {
			all = append(all, r.ARN)
		}
	case "hook":
		for _, d := range deployed(view) {
			for _, h := range d.Hooks {
				all = append(all, h.ID)
			}
		}
	default:
		return "", fmt.Errorf("no kind %q", kind)
	}
	if n < 1 || n > len(all) {
		return "", fmt.Errorf("%s %d of %d", kind, n, len(all))
	}
	return all[n-1], nil
}

// Say lines up what a function answers when it is called: each answer once,
// the last from then on.
func (w *World) Say(function string, answers ...string) {
	w.drivers.fate.mu.Lock()
	defer w.drivers.fate.mu.Unlock()
	w.drivers.fate.said[function] = answers
}

// Load asks CPU units of a service from now on.
func (w *World) Load(ctx context.Context, service string, units float64) error {
	w.drivers.fate.mu.Lock()
	w.drivers.fate.loads[service] = units
	w.drivers.fate.mu.Unlock()
	w.sys.Engine.Kick(w.drivers.fate.Name(), loadKey)
	return w.Settle(ctx)
}

// Troubles are the faults of controllers that nobody scripted: panics, and writes
// that the state refused.
func (w *World) Troubles() []string { return w.bad.all }

// troubles is a log handler that keeps what no healthy system logs.
type troubles struct {
	next slog.Handler
	all  []string
}

// Enabled implements slog.Handler.
func (t *troubles) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (t *troubles) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "reconcile failed" {
		text := ""
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "error" || a.Key == "key" {
				text += a.Value.String() + ": "
			}
			return true
		})
		t.all = append(t.all, text)
	}
	if t.next.Enabled(ctx, r.Level) {
		return t.next.Handle(ctx, r)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (t *troubles) WithAttrs([]slog.Attr) slog.Handler { return t }

// WithGroup implements slog.Handler.
func (t *troubles) WithGroup(string) slog.Handler { return t }

// Read is os.ReadFile, for the tests that tell scripts.
func Read(file string) (*Script, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return ParseScript(file, b), nil
}
