package front

import (
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/places"
)

// Bounds are what clients of a listener may take.
type Bounds struct {
	// Places are what connections, and requests that are under way, take:
	// connections for which there is none are closed, requests refused. Nil is no
	// bound.
	Places *places.Places
	// Patience is how long a client may take to send each 16 KiB of a body, and
	// to take each part of an answer.
	Patience time.Duration
	Real     clock.Clock
}

// step is what a client has to send of a body within its patience.
const step = 16 << 10

// Listen bounds the connections of a listener, and the time that clients have
// to take what is written to them.
func (b Bounds) Listen(l net.Listener) net.Listener { return &bounded{Listener: l, Bounds: b} }

// Handler bounds how many requests are under way, and the time that clients
// have to send a body.
func (b Bounds) Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !b.Places.Serve() {
			w.Header().Set("Connection", "close")
			http.Error(w, "Too many requests are under way.", http.StatusServiceUnavailable)
			return
		}
		defer b.Places.Served()
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &slowBody{ReadCloser: r.Body, of: http.NewResponseController(w), b: b}
		}
		h.ServeHTTP(w, r)
	})
}

type bounded struct {
	net.Listener
	Bounds
}

// Accept implements net.Listener.
func (l *bounded) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.Places.Connect() {
			return &slowConn{Conn: c, of: l}, nil
		}
		_ = c.Close()
	}
}

type slowConn struct {
	net.Conn
	of   *bounded
	once sync.Once
}

// Write implements net.Conn.
func (c *slowConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(c.of.Real.Now().Add(c.of.Patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *slowConn) Close() error {
	c.once.Do(c.of.Places.Leave)
	return c.Conn.Close()
}

type slowBody struct {
	io.ReadCloser
	of   *http.ResponseController
	b    Bounds
	left int // of the step that the deadline is for
}

// Read implements io.Reader. What follows the body has no deadline of ours.
func (s *slowBody) Read(p []byte) (int, error) {
	if s.left <= 0 {
		s.left = step
		_ = s.of.SetReadDeadline(s.b.Real.Now().Add(s.b.Patience)) // who cannot is no connection
	}
	n, err := s.ReadCloser.Read(p)
	if s.left -= n; err == io.EOF {
		_ = s.of.SetReadDeadline(time.Time{})
	}
	return n, err
}
