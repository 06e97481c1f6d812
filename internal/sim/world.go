// Package sim is the whole house on virtual time: the same daemon with a
// stepped clock, a memory store and simulated hands, told what to do by
// scripts. A world made of one seed goes the same way every time. It is not
// needed in production and is used by one goroutine.
package sim

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"berth/internal/clock"
	"berth/internal/daemon"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// World is one simulated installation.
type World struct {
	Clock *clock.Stepped
	DB    *state.DB
	house *daemon.House
	hands *hands
	root  ident.Principal
	start time.Time
}

// Options say what world it is.
type Options struct {
	Seed   uint64
	Region string // default ap-northeast-1
	Dir    string // for the registry's files
	Log    *slog.Logger
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
	db, err := state.Open(ctx, store.NewMemory(), true)
	if err != nil {
		return nil, err
	}
	place := ident.Place{Partition: "aws", Region: o.Region, Account: "123456789012"}
	w := &World{Clock: clock.NewStepped(Start), DB: db, root: ident.Root(place), start: Start}
	core := daemon.Core{DB: db, Clock: w.Clock, Real: w.Clock, IDs: ident.Seeded(o.Seed), Place: place, Log: o.Log}
	if w.hands, err = newHands(o, w.Clock, core.IDs); err != nil {
		return nil, err
	}
	if w.house, err = daemon.Assemble(ctx, core, w.hands.daemon()); err != nil {
		return nil, err
	}
	w.house.Engine.Begin(ctx, true)
	w.house.Engine.Open()
	return w, w.Settle(ctx)
}

// Invoke calls an operation as the account's root.
func (w *World) Invoke(ctx context.Context, service, operation string, in map[string]any) (map[string]any, error) {
	return w.house.Front.Invoke(ctx, w.root, service, operation, in)
}

// maxRuns bounds one settling: more is a loop that never rests.
const maxRuns = 20_000

// Settle runs all loops until nobody has work due now.
func (w *World) Settle(ctx context.Context) error {
	_, err := w.house.Engine.Settle(ctx, maxRuns)
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
		for _, due := range []func() (time.Time, bool){w.house.Engine.NextDue, w.Clock.Next} {
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

// Kill ends what is named: an instance by id or by its number in order of
// launch.
func (w *World) Kill(ctx context.Context, name string) error {
	for i, in := range launched(w.DB.View()) {
		if in.ID == name || name == fmt.Sprint(i+1) {
			w.hands.machines.Kill(in.ID, "the host failed")
			return w.Settle(ctx)
		}
	}
	return fmt.Errorf("no instance %s", name)
}

// Fail makes something go wrong from now on: `fail machines ZONE CODE` refuses
// launches there, `fail machines ZONE` lets them succeed again.
func (w *World) Fail(what string, args ...string) error { return w.hands.fail(what, args...) }

func launched(v store.Reader) []model.Instance {
	all := state.Instances.All(v)
	slices.SortStableFunc(all, func(a, b model.Instance) int {
		if c := a.WantedAt.Compare(b.WantedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// Table renders one of the tables for people: tasks, instances,
// capacityproviders, services, deployments, targets, stacks, events NAME,
// time.
func (w *World) Table(name string, args ...string) (string, error) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	v := w.DB.View()
	switch name {
	case "time":
		fmt.Fprintln(t, w.Clock.Now().Sub(w.start))
	case "tasks":
		w.tasks(t, v)
	case "instances":
		for i, in := range launched(v) {
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", i+1, in.Type, in.AvailabilityZone, in.State, dash(in.Status), in.Goal)
		}
	case "capacityproviders":
		for _, c := range state.CapacityProviders.All(v) {
			fmt.Fprintf(t, "%s\t%s\t%s\n", c.Name, c.Status, c.UpdateStatus)
		}
	case "services":
		for _, s := range state.Services.All(v) {
			fmt.Fprintf(t, "%s\t%s\t%d\n", s.Name, s.Status, s.DesiredCount)
		}
	case "deployments":
		ds := state.ServiceDeployments.All(v)
		sort.SliceStable(ds, func(i, j int) bool { return ds[i].CreatedAt.Before(ds[j].CreatedAt) })
		for i, d := range ds {
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", i+1, d.Status, dash(d.Stage), dash(d.StatusReason))
		}
	case "targets":
		for _, x := range state.Targets.All(v) {
			fmt.Fprintf(t, "%s\t%s:%d\t%s\t%s\n", groupName(x.Group), x.ID, x.Port, x.State, dash(x.Reason))
		}
	case "rules":
		for _, r := range state.ListenerRules.All(v) {
			if r.Default {
				continue
			}
			l, _ := state.Listeners.Get(v, r.Listener)
			for _, a := range r.Actions {
				for _, x := range a.Targets {
					fmt.Fprintf(t, "%d\t%s\t%d\n", l.Port, groupName(x.TargetGroupARN), x.Weight)
				}
			}
		}
	case "stacks":
		for _, s := range state.Stacks.All(v) {
			fmt.Fprintf(t, "%s\t%s\t%s\n", s.Name, s.Status, dash(s.StatusReason))
		}
	case "stackevents":
		for _, e := range state.StackEvents.All(v) {
			fmt.Fprintf(t, "%s\t%s\t%s\n", e.LogicalID, e.Status, dash(e.Reason))
		}
	case "events":
		for _, s := range state.Services.All(v) {
			if len(args) > 0 && s.Name != args[0] {
				continue
			}
			for _, e := range slices.Backward(s.Events) {
				fmt.Fprintf(t, "%s\t%s\n", e.At.Sub(w.start), e.Message)
			}
		}
	default:
		return "", fmt.Errorf("no table %q", name)
	}
	if err := t.Flush(); err != nil {
		return "", err
	}
	return b.String(), nil
}

func groupName(arn string) string {
	f := strings.Split(arn, "/")
	if len(f) < 2 {
		return arn
	}
	return f[len(f)-2]
}

func (w *World) tasks(t *tabwriter.Writer, v store.Reader) {
	number := map[string]int{}
	for i, in := range launched(v) {
		number[in.ARN] = i + 1
	}
	all := state.Tasks.All(v)
	slices.SortStableFunc(all, func(a, b model.Task) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	n := 0
	for _, x := range all {
		n++
		if x.LastStatus == model.TaskStopped {
			continue
		}
		on := "-"
		if x.Instance != "" {
			on = fmt.Sprint(number[x.Instance])
		}
		fmt.Fprintf(t, "%d\t%s\t%s\tinstance %s\t%s\n", n, x.LastStatus, x.DesiredStatus, on, dash(x.Refusal))
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Read is os.ReadFile, for the tests that tell scripts.
func Read(file string) (*Script, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return ParseScript(file, b), nil
}
