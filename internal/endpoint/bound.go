package endpoint

import (
	"net"
	"sync"
)

// bound is how many connections may be open at once: in all, and of one VPC, so
// that those who are in one leave the others some.
type bound struct {
	all, each int

	mu   sync.Mutex
	open int
	of   map[string]int // by VPC
}

func newBound(files int) *bound {
	return &bound{all: max(files/4, 2), each: max(files/8, 1), of: map[string]int{}}
}

// take takes a place; it reports whether there was one.
func (b *bound) take(vpc string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open >= b.all || b.of[vpc] >= b.each {
		return false
	}
	b.open++
	b.of[vpc]++
	return true
}

func (b *bound) give(vpc string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	if b.of[vpc]--; b.of[vpc] == 0 {
		delete(b.of, vpc)
	}
}

// bounded closes the connections of a VPC that there is no place for.
type bounded struct {
	net.Listener
	bound *bound
	vpc   func(net.Conn) string
}

// Accept implements net.Listener.
func (l *bounded) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if vpc := l.vpc(c); l.bound.take(vpc) {
			return &placed{Conn: c, of: l.bound, vpc: vpc}, nil
		}
		_ = c.Close()
	}
}

// placed is a connection that has a place.
type placed struct {
	net.Conn
	of   *bound
	vpc  string
	once sync.Once
}

// Close implements net.Conn.
func (c *placed) Close() error {
	c.once.Do(func() { c.of.give(c.vpc) })
	return c.Conn.Close()
}
