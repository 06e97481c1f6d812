package soak

import (
	"sync"
	"time"
)

// Outages are the spans in which a request may fail, with what excuses it.
type Outages struct {
	mu   sync.Mutex
	all  []*Outage
	lost []span // when no healthy target stood behind the page
}

// Outage is one such span; it is open until Close.
type Outage struct {
	why       string
	from      time.Time
	until     time.Time // zero: open
	needsNone bool      // excuses only while no healthy target is there
	o         *Outages
}

type span struct{ from, until time.Time }

// Begin opens a span that excuses everything.
func (o *Outages) Begin(why string, from time.Time) *Outage {
	return o.add(why, from, time.Time{}, false)
}

// Lost says that a task was taken away: requests may fail for a while, and
// then as long as no healthy target is there, until the end.
func (o *Outages) Lost(why string, from time.Time, d, end time.Duration) {
	o.add(why, from, from.Add(d), false)
	o.add(why+", no healthy task", from, from.Add(end), true)
}

func (o *Outages) add(why string, from, until time.Time, needsNone bool) *Outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	x := &Outage{why: why, from: from, until: until, needsNone: needsNone, o: o}
	o.all = append(o.all, x)
	return x
}

// Close ends the span.
func (x *Outage) Close(at time.Time) {
	x.o.mu.Lock()
	defer x.o.mu.Unlock()
	x.until = at
}

// Unhealthy notes that no healthy target was there between two looks.
func (o *Outages) Unhealthy(from, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.lost); n > 0 && !o.lost[n-1].until.Before(from) {
		o.lost[n-1].until = until
		return
	}
	o.lost = append(o.lost, span{from, until})
}

// Excuse says why a request may fail that took that time; "" is: it may not.
func (o *Outages) Excuse(began, ended time.Time) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, x := range o.all {
		if ended.Before(x.from) || !x.until.IsZero() && began.After(x.until) {
			continue
		}
		if !x.needsNone || o.none(began, ended) {
			return x.why
		}
	}
	return ""
}

// margin is how late the looks at the targets may be.
const margin = 300 * time.Millisecond

func (o *Outages) none(began, ended time.Time) bool {
	for _, s := range o.lost {
		if !ended.Before(s.from.Add(-margin)) && !began.After(s.until.Add(margin)) {
			return true
		}
	}
	return false
}
