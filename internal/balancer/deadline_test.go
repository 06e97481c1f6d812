package balancer_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/balancer"
	"berth/internal/clock"
)

// timed is a place whose clients' connections tell of each write until when it
// may take.
type timed struct {
	loopback
	wrote func(until time.Time)
}

func (p timed) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l, err := p.loopback.Listen(ctx, network, address)
	return timedListener{l, p}, err
}

type timedListener struct {
	net.Listener
	place timed
}

func (l timedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &timedConn{Conn: c, place: l.place}, err
}

type timedConn struct {
	net.Conn
	place timed
	mu    sync.Mutex
	until time.Time
}

func (c *timedConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.Conn.SetWriteDeadline(t)
}

func (c *timedConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.place.wrote(c.until)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// echoes answers, and echoes after an upgrade.
func echoes(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Upgrade") == "" {
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, rw)
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// A connection may carry all kinds of answers, one after another: each has an
// idle timeout to be taken, whenever the one before was, and a tunnel has no
// such end.
func TestEveryAnswerHasItsTimeToBeTaken(t *testing.T) {
	real := clock.NewStepped(time.Now())
	r := newRigAt(t, timed{wrote: func(until time.Time) {
		if left := until.Sub(real.Now()); !until.IsZero() && left < time.Hour {
			t.Errorf("an answer has %v to be taken", left)
		}
	}}, real)
	r.cfg.LoadBalancers[0].IdleTimeout = time.Hour
	r.group("g", echoes(t)).Health.Enabled = false
	r.rules(
		balancer.Rule{ID: "1", Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{"/fixed"}}}, Action: fixed(200, "")},
		balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})},
	)
	r.set()
	c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port)) //nolint:noctx // a test's own socket
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(await.Deadline(t))
	in := bufio.NewReader(c)
	for _, ask := range []struct {
		path, more string
		want       int
	}{{"/", "", 200}, {"/fixed", "", 200}, {"/", "", 200}, {"/", "Connection: Upgrade\r\nUpgrade: echo\r\n", 101}} {
		_, _ = io.WriteString(c, "GET "+ask.path+" HTTP/1.1\r\nHost: x\r\n"+ask.more+"\r\n")
		if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != ask.want {
			t.Fatal(ask, res, err)
		}
		real.Advance(30 * time.Minute)
	}
	_, _ = io.WriteString(c, "hello\n")
	if line, err := in.ReadString('\n'); line != "hello\n" {
		t.Errorf("the tunnel said %q, %v", line, err)
	}
}
