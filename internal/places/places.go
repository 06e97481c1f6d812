// Package places shares out what a process may have open among those who connect
// to it: who is connected holds one place, and who is served one more, for the
// connection or the file that this takes.
//
// All methods are safe for concurrent use. A nil *Places has no bound.
package places

import "sync"

// Places are what there is to share out.
type Places struct {
	all, connected int

	mu    sync.Mutex
	taken int // of all
	here  int // who is connected
}

// reserve is the part of a process's files that is not shared out: listening
// sockets, health checks, its own connections and files.
const reserve = 10

// Of is what a process shares out that may have so many files open, and keeps
// some for others.
func Of(files, others int) *Places { return New(files - files/reserve - others) }

// New shares out a number of places. An eighth of them is for those who are
// served, so that many who only wait do not keep the others from it.
func New(all int) *Places {
	all = max(all, 2)
	return &Places{all: all, connected: all - max(all/8, 1)}
}

// Connect takes a place for who has connected; false: there is none.
func (p *Places) Connect() bool {
	if p == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.here >= p.connected || p.taken >= p.all {
		return false
	}
	p.here++
	p.taken++
	return true
}

// Leave returns what Connect took.
func (p *Places) Leave() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.here--
	p.taken--
}

// Serve takes a place for what serving somebody opens; false: there is none.
func (p *Places) Serve() bool {
	if p == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.all {
		return false
	}
	p.taken++
	return true
}

// Served returns what Serve took.
func (p *Places) Served() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
}
