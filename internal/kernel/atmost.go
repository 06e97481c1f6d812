package kernel

import (
	"net"
	"sync"
	"sync/atomic"
)

// AtMost bounds how many connections of a listener are open at once: those beyond
// are closed. It is for services that containers reach, whose own process would
// run out of files.
func AtMost(l net.Listener, most int64) net.Listener { return &atMost{Listener: l, most: most} }

type atMost struct {
	net.Listener
	most int64
	open atomic.Int64
}

// Accept implements net.Listener.
func (l *atMost) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.most {
			return &counted{Conn: c, leave: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		_ = c.Close()
	}
}

type counted struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
