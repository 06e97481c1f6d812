package balancer

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Legacy is what a data plane leaves to the process that goes on in its
// place.
type Legacy struct {
	Sockets []Handed       `json:"sockets"`
	Targets []TargetReport `json:"targets"`
}

// Handed is a listening socket on its way to another process.
type Handed struct {
	Node    string `json:"node,omitempty"`
	Address string `json:"address"`
	Port    int    `json:"port"` // of the listener
	// Other says that the socket listens on another port of the host, because
	// the listener's own is taken.
	Other bool `json:"other,omitempty"`
}

// HandOver says what another process needs to go on, with a descriptor of
// each listening socket, in order; the caller closes them. Nothing changes
// here until Leave.
func (b *Balancer) HandOver() (Legacy, []int, error) {
	l := Legacy{Targets: b.Report().Targets}
	b.mu.Lock()
	defer b.mu.Unlock()
	var fds []int
	for key, s := range b.sockets {
		s.mu.Lock()
		open, other := s.open, s.other
		s.mu.Unlock()
		for i, x := range []net.Listener{open, other} {
			if x == nil {
				continue
			}
			fd, err := Duplicate(x)
			if err != nil {
				for _, fd := range fds {
					_ = unix.Close(fd)
				}
				return Legacy{}, nil, fmt.Errorf("hand over %s:%d: %w", key.address, key.port, err)
			}
			fds = append(fds, fd)
			l.Sockets = append(l.Sockets, Handed{Node: key.node, Address: key.address, Port: key.port, Other: i == 1})
		}
	}
	return l, fds, nil
}

// Duplicate makes another descriptor of a listener. Unlike its File it leaves
// the socket's mode alone, which all its descriptors share: an Accept that
// blocks in the kernel could not be ended.
func Duplicate(l net.Listener) (int, error) {
	c, ok := l.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("a %T has no descriptor", l)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, ferr := -1, error(nil)
	if err := raw.Control(func(from uintptr) { fd, ferr = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 3) }); err != nil {
		return -1, err
	}
	return fd, ferr
}

// Inherit is called before the first Set with what another data plane handed
// over. Sockets that the first Set does not need are closed.
func (b *Balancer) Inherit(l Legacy, sockets []net.Listener) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, s := range sockets {
		b.sockIn[l.Sockets[i]] = s
	}
	for _, t := range l.Targets {
		b.healthIn[targetKey{t.Group, t.ID, t.Port, t.Since.UnixNano()}] = t
	}
}

// inherited takes an inherited socket, or nil. Called with the balancer's
// lock held.
func (b *Balancer) inherited(key socketKey, other bool) net.Listener {
	h := Handed{Node: key.node, Address: key.address, Port: key.port, Other: other}
	l := b.sockIn[h]
	delete(b.sockIn, h)
	return l
}

// inheritHealth gives a new target the health that it had in the process before.
// Called with the balancer's lock held.
func (b *Balancer) inheritHealth(t *target) {
	was, ok := b.healthIn[t.key]
	if !ok || was.State != StateHealthy && was.State != StateUnhealthy {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == StateInitial {
		t.setState(was.State, was.Reason, was.Description)
	}
}

// forgetLegacy closes what nobody needed. Called with the balancer's lock
// held.
func (b *Balancer) forgetLegacy() {
	for h, l := range b.sockIn {
		_ = l.Close()
		delete(b.sockIn, h)
	}
	clear(b.healthIn)
}

// Leave stops accepting, for another process goes on with the same sockets.
// Whoever is connected is served and told with the next answer to connect
// again. It returns when all have gone, or ctx ends; Close ends the rest.
func (b *Balancer) Leave(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	var all []*socket
	for _, s := range b.sockets {
		all = append(all, s)
		s.leaveTo()
	}
	b.mu.Unlock()
	gone := make(chan struct{})
	go func() {
		for _, s := range all {
			s.loops.Wait() // which may be about to admit one more
			s.done.Wait()
		}
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leaveTo stops accepting without a word to those who are here.
func (s *socket) leaveTo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving.Store(true)
	for _, l := range []net.Listener{s.open, s.other} {
		if l != nil {
			_ = l.Close() // another descriptor keeps the socket
		}
	}
	s.open, s.other = nil, nil
}

// ends reports whether an answer now is the last on its connection.
func (s *socket) ends() bool { return s.closing.Load() || s.leaving.Load() }
