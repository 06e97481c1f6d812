// Package clock gives time as a thing that one is handed. Everything that the
// control plane waits for (bake times, drains, health check intervals,
// lifetimes) waits on a Clock: real, running N times faster, jumping, or
// stepped by a simulator. Calculations hold no clock; they are given a now.
//
// A Clock is safe for concurrent use.
package clock

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Clock tells the time and waits.
type Clock interface {
	// Now is the current time of this clock, in UTC.
	Now() time.Time
	// AfterFunc runs f in its own goroutine (a stepped clock: in the stepping
	// goroutine, in order) once d has passed on this clock.
	AfterFunc(d time.Duration, f func()) *Timer
}

// Timer is one pending call.
type Timer struct {
	c     *Fake
	at    time.Time
	seq   uint64
	index int // in the heap; -1 once it has fired or was stopped
	f     func()
}

// Stop prevents the call; it reports whether it was still pending.
func (t *Timer) Stop() bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	if t.index < 0 {
		return false
	}
	heap.Remove(&t.c.due, t.index)
	return true
}

// After returns a channel that is closed when d has passed.
func After(c Clock, d time.Duration) <-chan struct{} {
	ch := make(chan struct{})
	c.AfterFunc(d, func() { close(ch) })
	return ch
}

// Sleep waits for d on the clock, or until ctx ends, whose error it returns.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	ch := make(chan struct{})
	t := c.AfterFunc(d, func() { close(ch) })
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		t.Stop()
		return ctx.Err()
	}
}

// Fake is a clock whose time is computed: the base of the stepped, the
// scaled and the real clock.
type Fake struct {
	mu   sync.Mutex
	due  timers
	seq  uint64
	now  func() time.Time // under mu
	wake func()           // called under mu when the earliest deadline may have changed; may be nil
}

// Now returns the clock's time.
func (c *Fake) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

// AfterFunc schedules f.
func (c *Fake) AfterFunc(d time.Duration, f func()) *Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	t := &Timer{c: c, at: c.now().Add(max(d, 0)), seq: c.seq, f: f}
	heap.Push(&c.due, t)
	if c.wake != nil {
		c.wake()
	}
	return t
}

// Next returns when the earliest timer falls due.
func (c *Fake) Next() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.due) == 0 {
		return time.Time{}, false
	}
	return c.due[0].at, true
}

// Stepped is a clock that stands still until it is moved.
type Stepped struct {
	Fake
	t time.Time
}

// NewStepped returns a clock that stands at start.
func NewStepped(start time.Time) *Stepped {
	s := &Stepped{t: start.UTC()}
	s.now = func() time.Time { return s.t }
	return s
}

// Advance moves the clock by d. Timers that fall due on the way run in the
// calling goroutine in the order of their times, each seeing its own moment.
func (s *Stepped) Advance(d time.Duration) {
	s.mu.Lock()
	end := s.t.Add(d)
	for len(s.due) > 0 && !s.due[0].at.After(end) {
		t := heap.Pop(&s.due).(*Timer)
		if t.at.After(s.t) {
			s.t = t.at
		}
		s.mu.Unlock()
		t.f()
		s.mu.Lock()
	}
	s.t = end
	s.mu.Unlock()
}

// Running is a clock that runs Speed times as fast as the machine's, from a
// given moment, and may be advanced. Speed 1 from now on is real time.
type Running struct {
	Fake
	base  time.Time // clock time at real
	real  time.Time
	speed float64
	kick  chan struct{}
}

// NewRunning returns a clock that shows start now and runs at speed. Its
// timers fire until ctx ends.
func NewRunning(ctx context.Context, start time.Time, speed float64) *Running {
	r := &Running{base: start.UTC(), real: time.Now(), speed: speed, kick: make(chan struct{}, 1)}
	r.now = r.nowLocked
	r.wake = func() {
		select {
		case r.kick <- struct{}{}:
		default:
		}
	}
	go r.run(ctx)
	return r
}

// Real returns real time; its timers fire until ctx ends.
func Real(ctx context.Context) *Running { return NewRunning(ctx, time.Now(), 1) }

func (r *Running) nowLocked() time.Time {
	return r.base.Add(time.Duration(float64(time.Since(r.real)) * r.speed))
}

// Speed returns how many clock seconds pass in a real one.
func (r *Running) Speed() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.speed
}

// SetSpeed changes the speed from now on.
func (r *Running) SetSpeed(speed float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.base, r.real, r.speed = r.nowLocked(), time.Now(), speed
	r.wake()
}

// Advance jumps forward by d. Whatever falls due in between runs in the order
// of its time, each in its own goroutine, with the clock standing at that
// moment while step runs; step may wait until the system has settled, and may
// be nil.
func (r *Running) Advance(d time.Duration, step func(now time.Time)) {
	r.mu.Lock()
	end := r.nowLocked().Add(d)
	speed := r.speed
	r.speed = 0
	for len(r.due) > 0 && !r.due[0].at.After(end) {
		at := r.due[0].at
		if at.After(r.base) {
			r.base = at
		}
		var due []*Timer
		for len(r.due) > 0 && !r.due[0].at.After(r.base) {
			due = append(due, heap.Pop(&r.due).(*Timer))
		}
		r.mu.Unlock()
		for _, t := range due {
			go t.f()
		}
		if step != nil {
			step(at)
		}
		r.mu.Lock()
	}
	r.base, r.real, r.speed = end, time.Now(), speed
	r.wake()
	r.mu.Unlock()
}

func (r *Running) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		r.mu.Lock()
		now, wait := r.nowLocked(), time.Hour
		var due []*Timer
		for len(r.due) > 0 && !r.due[0].at.After(now) {
			due = append(due, heap.Pop(&r.due).(*Timer))
		}
		if len(r.due) > 0 && r.speed > 0 {
			wait = time.Duration(float64(r.due[0].at.Sub(now))/r.speed) + time.Microsecond
		}
		r.mu.Unlock()
		for _, t := range due {
			go t.f()
		}
		timer.Reset(min(wait, time.Hour))
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
		case <-timer.C:
		}
	}
}

type timers []*Timer

func (h timers) Len() int { return len(h) }

func (h timers) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push adds a timer; it is for container/heap.
func (h *timers) Push(x any) {
	t := x.(*Timer)
	t.index = len(*h)
	*h = append(*h, t)
}

// Pop takes the last; it is for container/heap.
func (h *timers) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}

// Setting is what a running clock is made of; kept somewhere, it lets the
// next process carry on as if this one had never stopped.
type Setting struct {
	Base  time.Time `json:"base"` // the clock's time at Real
	Real  time.Time `json:"real"` // the machine's time
	Speed float64   `json:"speed"`
}

// Resume returns a running clock made of a setting.
func Resume(ctx context.Context, s Setting) *Running {
	r := NewRunning(ctx, s.Base.Add(time.Duration(float64(time.Since(s.Real))*s.Speed)), s.Speed)
	return r
}

// Setting returns what the clock is made of now.
func (r *Running) Setting() Setting {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Setting{Base: r.nowLocked(), Real: time.Now().UTC(), Speed: r.speed}
}

// Start returns a clock that shows the machine's time now and runs at speed.
func Start(ctx context.Context, speed float64) *Running { return NewRunning(ctx, time.Now(), speed) }
