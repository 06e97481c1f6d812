package runc

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// reaper takes in the children of this process: the runtime's processes, and
// the containers, which fall to us when the runtime has gone. One that nobody
// awaits stays a zombie, and so keeps its number, until no start is under way.
type reaper struct {
	mu       sync.Mutex
	awaited  map[int]chan unix.WaitStatus
	starting int
}

func newReaper() *reaper { return &reaper{awaited: map[int]chan unix.WaitStatus{}} }

func (r *reaper) run() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	for range ended {
		r.reap()
	}
}

// begin and done enclose a start.
func (r *reaper) begin() {
	r.mu.Lock()
	r.starting++
	r.mu.Unlock()
}

func (r *reaper) done() {
	r.mu.Lock()
	r.starting--
	r.mu.Unlock()
	r.reap()
}

// await returns where the end of a child, which may have been, will be told.
func (r *reaper) await(pid int) <-chan unix.WaitStatus {
	ch := make(chan unix.WaitStatus, 1)
	r.mu.Lock()
	r.awaited[pid] = ch
	r.mu.Unlock()
	r.reap()
	return ch
}

func (r *reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for pid := range r.awaited {
		r.take(pid)
	}
	for r.starting == 0 && r.take(-1) {
	}
}

// take reaps a child, if it has ended.
func (r *reaper) take(pid int) bool {
	var ws unix.WaitStatus
	got, err := unix.Wait4(pid, &ws, unix.WNOHANG, nil)
	if err == nil && got == 0 {
		return false
	}
	if err != nil { // it is no child of ours
		got, ws = pid, unseen<<8
	}
	if ch := r.awaited[got]; ch != nil {
		ch <- ws
		delete(r.awaited, got)
	}
	return err == nil
}
