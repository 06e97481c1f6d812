package control

import (
	"container/heap"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"berth/internal/fault"
)

// item is one key of one controller: when it is due, how often it failed since it
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

// queue has the keys of one controller that are due, and when.
type queue struct {
	e          *Engine
	controller Controller
	log        *slog.Logger

	mu      sync.Mutex
	keys    map[string]*item
	due     items
	seq     uint64
	running int // items that run now
	ready   chan struct{}
}

func newQueue(e *Engine, c Controller) *queue {
	return &queue{e: e, controller: c, log: e.log.With("controller", c.Name()), keys: map[string]*item{}, ready: make(chan struct{}, 1)}
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
	q.running++
	return it
}

func (q *queue) pending(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running > 0 || len(q.due) > 0 && !q.due[0].at.After(now)
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
	q.running--
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
	if it.fails == 0 || q.e.jobs.out(q.controller.Name(), it.key) {
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
	return q.controller.Reconcile(ctx, r)
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
