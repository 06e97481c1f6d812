package control

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"berth/internal/clock"
	"berth/internal/store"
)

// Source is the part of the state that the engine needs.
type Source interface {
	Records(r store.Reader, fn func(store.Change))
	Hook(fn func([]store.Change)) (*store.View, *store.Watch)
}

// Engine runs controllers.
type Engine struct {
	clock  clock.Clock
	log    *slog.Logger
	src    Source
	queues []*queue
	// wakes are the rules of all controllers by the table that they are for,
	// in the controllers' order.
	wakes map[string][]wake
	jobs  jobs
	watch *store.Watch
	// opened is set when everything has been woken: before that nothing is
	// due, and yet the engine is not idle.
	opened atomic.Bool
}

// wake is a rule and the queue that its keys go into.
type wake struct {
	rule store.Rule
	q    *queue
}

// New makes an engine for the controllers, in the order given: the stepper
// runs them in that order.
func New(src Source, c clock.Clock, log *slog.Logger, controllers ...Controller) *Engine {
	e := &Engine{clock: c, log: log, src: src, wakes: map[string][]wake{}}
	e.jobs.e = e
	e.jobs.m, e.jobs.outs = map[string]*job{}, map[string]int{}
	e.Add(controllers...)
	return e
}

// Add adds controllers; it must be called before Open.
func (e *Engine) Add(controllers ...Controller) {
	for _, c := range controllers {
		q := newQueue(e, c)
		e.queues = append(e.queues, q)
		for _, r := range c.Wake() {
			e.wakes[r.Table] = append(e.wakes[r.Table], wake{r, q})
		}
	}
}

// Controllers returns the controllers in order.
func (e *Engine) Controllers() []Controller {
	out := make([]Controller, len(e.queues))
	for i, q := range e.queues {
		out[i] = q.controller
	}
	return out
}

// Jobs returns the engine's jobs.
func (e *Engine) Jobs() Jobs { return &e.jobs }

// Open connects the engine to the state: from now on changes wake controllers, and
// everything that is there already wakes them once.
func (e *Engine) Open() {
	view, w := e.src.Hook(e.changed)
	e.watch = w
	e.src.Records(view, func(c store.Change) { e.changed([]store.Change{c}) })
	for _, q := range e.queues {
		if s, ok := q.controller.(Starter); ok {
			for _, k := range s.Start(view) {
				q.wake(k)
			}
		}
	}
	e.opened.Store(true)
}

func (e *Engine) changed(cs []store.Change) {
	for _, c := range cs {
		for _, w := range e.wakes[c.Table] {
			for _, k := range w.rule.Keys(c) {
				w.q.wake(k)
			}
		}
	}
}

// Run runs every controller until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	defer e.watch.Stop()
	var wg sync.WaitGroup
	for _, q := range e.queues {
		wg.Go(func() { q.run(ctx) })
	}
	wg.Wait()
	e.jobs.wait()
	return ctx.Err()
}

// Begin gives jobs the context that ends them; inline jobs run at once in the
// caller's goroutine, for the simulator.
func (e *Engine) Begin(ctx context.Context, inline bool) {
	e.jobs.ctx, e.jobs.cancel = context.WithCancel(ctx)
	e.jobs.inline = inline
}

// Kick wakes a key of a controller by name, for tests and tools.
func (e *Engine) Kick(controller, key string) {
	for _, q := range e.queues {
		if q.controller.Name() == controller {
			q.wake(key)
		}
	}
}

// Settle runs, in one goroutine, whatever is due now, in a fixed order, until
// nothing is left or the limit of runs is reached. It returns how many ran.
func (e *Engine) Settle(ctx context.Context, limit int) (int, error) {
	n := 0
	for n < limit {
		ran := false
		for _, q := range e.queues {
			for {
				it := q.take(e.clock.Now())
				if it == nil {
					break
				}
				q.once(ctx, it)
				ran = true
				if n++; n >= limit {
					return n, fmt.Errorf("still busy after %d runs, last %s %q", n, q.controller.Name(), it.key)
				}
			}
		}
		if !ran {
			return n, nil
		}
	}
	return n, nil
}

// Idle reports whether the engine is open, no key is due at this moment and no
// job is running.
func (e *Engine) Idle() bool {
	if !e.opened.Load() {
		return false
	}
	now := e.clock.Now()
	for _, q := range e.queues {
		if q.pending(now) {
			return false
		}
	}
	return !e.jobs.busy()
}

// NextDue is when the earliest waiting key falls due.
func (e *Engine) NextDue() (time.Time, bool) {
	var t time.Time
	found := false
	for _, q := range e.queues {
		if at, ok := q.next(); ok && (!found || at.Before(t)) {
			t, found = at, true
		}
	}
	return t, found
}
