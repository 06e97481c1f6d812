package control

import (
	"container/heap"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/store"
)

// Source is the part of the state that the engine needs.
type Source interface {
	Records(r store.Reader, fn func(store.Change))
	Hook(fn func([]store.Change)) (*store.View, *store.Watch)
}

// Engine runs loops.
type Engine struct {
	clock clock.Clock
	log   *slog.Logger
	src   Source
	loops []*queue
	jobs  jobs
	watch *store.Watch
	// opened is set when everything has been woken: before that nothing is
	// due, and yet the engine is not idle.
	opened atomic.Bool
}

// New makes an engine for the loops, in the order given: the stepper runs
// them in that order. Tables whose records should wake loops at the start are
// handed to Prime.
func New(src Source, c clock.Clock, log *slog.Logger, loops ...Loop) *Engine {
	e := &Engine{clock: c, log: log, src: src}
	e.jobs.e = e
	e.jobs.m, e.jobs.outs = map[string]*job{}, map[string]int{}
	for i, l := range loops {
		e.loops = append(e.loops, &queue{e: e, order: i, loop: l, log: log.With("loop", l.Name()), keys: map[string]*item{}, ready: make(chan struct{}, 1)})
	}
	return e
}

// Add adds loops; it must be called before Open.
func (e *Engine) Add(loops ...Loop) {
	for _, l := range loops {
		e.loops = append(e.loops, &queue{e: e, order: len(e.loops), loop: l, log: e.log.With("loop", l.Name()), keys: map[string]*item{}, ready: make(chan struct{}, 1)})
	}
}

// Jobs returns the engine's jobs.
func (e *Engine) Jobs() Jobs { return &e.jobs }

// Open connects the engine to the state: from now on changes wake loops, and
// everything that is there already wakes them once.
func (e *Engine) Open() {
	view, w := e.src.Hook(e.changed)
	e.watch = w
	e.src.Records(view, func(c store.Change) { e.changed([]store.Change{c}) })
	for _, q := range e.loops {
		if s, ok := q.loop.(Starter); ok {
			for _, k := range s.Start(view) {
				q.wake(k)
			}
		}
	}
	e.opened.Store(true)
}

func (e *Engine) changed(cs []store.Change) {
	for _, q := range e.loops {
		for _, c := range cs {
			for _, k := range q.loop.Wake(c) {
				q.wake(k)
			}
		}
	}
}

// Run runs every loop until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	defer e.watch.Stop()
	var wg sync.WaitGroup
	for _, q := range e.loops {
		wg.Go(func() { q.run(ctx) })
	}
	wg.Wait()
	e.jobs.wait()
	return ctx.Err()
}

// Kick wakes a key of a loop by name, for tests and tools.
func (e *Engine) Kick(loop, key string) {
	for _, q := range e.loops {
		if q.loop.Name() == loop {
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
		for _, q := range e.loops {
			for {
				it := q.take(e.clock.Now())
				if it == nil {
					break
				}
				q.once(ctx, it)
				ran = true
				if n++; n >= limit {
					return n, fmt.Errorf("still busy after %d runs, last %s %q", n, q.loop.Name(), it.key)
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
	for _, q := range e.loops {
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
	for _, q := range e.loops {
		if at, ok := q.next(); ok && (!found || at.Before(t)) {
			t, found = at, true
		}
	}
	return t, found
}

// item is one key of one loop: when it is due, how often it failed since it
// last worked, and what was said of that.
type item struct {
	key     string
	at      time.Time
	seq     uint64
	index   int // in the heap, -1 while it runs or is asleep
	fails   int
	said    string
	running bool
	again   bool // woken while it ran
}

type queue struct {
	e     *Engine
	order int
	loop  Loop
	log   *slog.Logger

	mu    sync.Mutex
	keys  map[string]*item
	due   items
	seq   uint64
	ready chan struct{}
}

func (q *queue) wake(key string) { q.schedule(key, q.e.clock.Now(), true) }

func (q *queue) schedule(key string, at time.Time, woken bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := q.keys[key]
	if it == nil {
		it = &item{key: key, index: -1}
		q.keys[key] = it
	}
	switch {
	case it.running:
		it.again = it.again || woken
		return
	case it.index >= 0 && !at.Before(it.at):
		return
	case it.index >= 0:
		it.at = at
		heap.Fix(&q.due, it.index)
	default:
		q.seq++
		it.at, it.seq = at, q.seq
		heap.Push(&q.due, it)
	}
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *queue) take(now time.Time) *item {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.due) == 0 || q.due[0].at.After(now) {
		return nil
	}
	it := heap.Pop(&q.due).(*item)
	it.running, it.again = true, false
	return it
}

func (q *queue) pending(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range q.keys {
		if it.running {
			return true
		}
	}
	return len(q.due) > 0 && !q.due[0].at.After(now)
}

func (q *queue) next() (time.Time, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.due) == 0 {
		return time.Time{}, false
	}
	return q.due[0].at, true
}

// once runs one key and schedules what follows from it.
func (q *queue) once(ctx context.Context, it *item) {
	now := q.e.clock.Now()
	res, err := q.reconcile(ctx, Request{Key: it.key, Now: now})
	q.mu.Lock()
	it.running = false
	again := it.again
	q.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		q.schedule(it.key, now.Add(q.failed(ctx, it, err)), false)
	default:
		q.worked(ctx, it)
		if res.After > 0 {
			q.schedule(it.key, now.Add(res.After), false)
		}
	}
	if again {
		q.schedule(it.key, q.e.clock.Now(), true)
	}
	q.mu.Lock()
	if it.index < 0 && !it.running && it.fails == 0 {
		delete(q.keys, it.key)
	}
	q.mu.Unlock()
}

// The first waits after a failure. After a conflict it is short: whoever was
// faster has to be seen first, and a transaction is seen when it is on disk.
const (
	afterFailure  = 500 * time.Millisecond
	afterConflict = 10 * time.Millisecond
)

// failed counts a failure and says how long to wait. It is logged when it
// begins and when its cause becomes another; the tries in between are steps.
func (q *queue) failed(ctx context.Context, it *item, err error) time.Duration {
	it.fails++
	wait, level := backoff(afterFailure, it.fails), slog.LevelWarn
	switch {
	case fault.Is(err, fault.Conflict):
		wait, level = backoff(afterConflict, it.fails), slog.LevelDebug
	case it.said == err.Error():
		level = slog.LevelDebug
	default:
		it.said = err.Error()
	}
	q.log.Log(ctx, level, "reconcile failed", "key", it.key, "fails", it.fails, "retry_in", wait.String(), "error", err)
	return wait
}

// worked forgets the failures of a key, unless a job of it is out: what was
// tried again is known to work when the job's result has been taken.
func (q *queue) worked(ctx context.Context, it *item) {
	if it.fails == 0 || q.e.jobs.out(q.loop.Name(), it.key) {
		return
	}
	if it.said != "" {
		q.log.InfoContext(ctx, "reconcile works again", "key", it.key, "fails", it.fails)
	}
	it.fails, it.said = 0, ""
}

// backoff doubles from the first wait to half a minute.
func backoff(first time.Duration, fails int) time.Duration {
	return min(first<<min(fails-1, 12), 30*time.Second)
}

func (q *queue) reconcile(ctx context.Context, r Request) (res Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return q.loop.Reconcile(ctx, r)
}

func (q *queue) run(ctx context.Context) {
	for ctx.Err() == nil {
		if it := q.take(q.e.clock.Now()); it != nil {
			q.once(ctx, it)
			continue
		}
		if at, ok := q.next(); ok {
			t := q.e.clock.AfterFunc(at.Sub(q.e.clock.Now()), q.signal)
			select {
			case <-ctx.Done():
			case <-q.ready:
			}
			t.Stop()
			continue
		}
		select {
		case <-ctx.Done():
		case <-q.ready:
		}
	}
}

type items []*item

func (h items) Len() int { return len(h) }

func (h items) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h items) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push adds an item; it is for container/heap.
func (h *items) Push(x any) {
	it := x.(*item)
	it.index = len(*h)
	*h = append(*h, it)
}

// Pop takes the last; it is for container/heap.
func (h *items) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	it.index = -1
	return it
}

// job is one piece of slow work, for a key of a loop.
type job struct {
	key     string
	running bool
	result  any
	err     error
}

type jobs struct {
	e  *Engine
	mu sync.Mutex
	m  map[string]*job
	// outs counts the jobs of a key that run or were not taken.
	outs map[string]int
	wg   sync.WaitGroup
	// ctx is replaced by Run's; until then jobs run with the one given here.
	ctx    context.Context
	cancel context.CancelFunc
	inline bool
}

// Begin gives jobs the context that ends them; inline jobs run at once in the
// caller's goroutine, for the simulator.
func (e *Engine) Begin(ctx context.Context, inline bool) {
	e.jobs.ctx, e.jobs.cancel = context.WithCancel(ctx)
	e.jobs.inline = inline
}

// Start implements Jobs.
func (j *jobs) Start(loop, key, name string, fn func(context.Context) (any, error)) bool {
	j.mu.Lock()
	if j.m[name] != nil {
		j.mu.Unlock()
		return false
	}
	w := &job{key: loop + " " + key, running: true}
	j.m[name] = w
	j.outs[w.key]++
	j.mu.Unlock()
	work := func() {
		res, err := guarded(j.ctx, fn)
		j.mu.Lock()
		w.running, w.result, w.err = false, res, err
		j.mu.Unlock()
		j.e.Kick(loop, key)
	}
	if j.inline {
		work()
	} else {
		j.wg.Go(work)
	}
	return true
}

func guarded(ctx context.Context, fn func(context.Context) (any, error)) (res any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(ctx)
}

// out reports whether a job of a key runs or was not taken.
func (j *jobs) out(loop, key string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.outs[loop+" "+key] > 0
}

// Take implements Jobs.
//
//lint:ignore ST1008 the error is the job's, a part of what it left
func (j *jobs) Take(name string) (any, error, bool, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	w := j.m[name]
	switch {
	case w == nil:
		return nil, nil, false, false
	case w.running:
		return nil, nil, true, false
	}
	delete(j.m, name)
	if j.outs[w.key]--; j.outs[w.key] == 0 {
		delete(j.outs, w.key)
	}
	return w.result, w.err, false, true
}

func (j *jobs) busy() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, w := range j.m {
		if w.running {
			return true
		}
	}
	return false
}

func (j *jobs) wait() {
	if j.cancel != nil {
		j.cancel()
	}
	j.wg.Wait()
}

// Names lists the loops in order.
func (e *Engine) Names() []string {
	var out []string
	for _, q := range e.loops {
		out = append(out, q.loop.Name())
	}
	slices.Sort(out)
	return out
}
