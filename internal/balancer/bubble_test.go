package balancer_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"berth/internal/balancer"
	"berth/internal/clock"
)

// memory is a place without sockets. In a bubble of testing/synctest its
// connections' deadlines are in the bubble's time, which passes only when
// everybody waits: what is late there is late on every machine.
type memory struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
}

func newMemory() *memory { return &memory{listeners: map[string]*memoryListener{}} }

func (m *memory) Listen(_ context.Context, _, address string) (net.Listener, error) {
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &memoryListener{at: at, queue: make(chan net.Conn), closed: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listeners[at.String()] = l
	return l, nil
}

func (m *memory) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	m.mu.Lock()
	l := m.listeners[address]
	m.mu.Unlock()
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9), Port: 40000}
	near, far := net.Pipe()
	select {
	case l.queue <- memoryConn{far, l.at, here}:
		return memoryConn{near, here, l.at}, nil
	case <-l.closed:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type memoryConn struct {
	net.Conn
	local, remote net.Addr
}

func (c memoryConn) LocalAddr() net.Addr  { return c.local }
func (c memoryConn) RemoteAddr() net.Addr { return c.remote }

type memoryListener struct {
	at     net.Addr
	queue  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return l.at }

// idle is the idle timeout of the tests in a bubble.
const idle = time.Minute

// inBubble runs a test against a load balancer in memory, whose only target
// serves with h.
func inBubble(t *testing.T, h http.HandlerFunc, test func(t *testing.T, talk func(send, slowly string) string)) {
	synctest.Test(t, func(t *testing.T) {
		place := newMemory()
		r := newRigIn(t, place)
		const target = "127.0.0.3:80"
		l, err := place.Listen(t.Context(), "tcp", target)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: h}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		t.Cleanup(func() {
			_ = srv.Close()
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		})
		r.group("g", target).Health.Enabled = false
		r.cfg.LoadBalancers[0].IdleTimeout = idle
		r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
		r.set()
		test(t, func(send, slowly string) string {
			c, err := place.DialContext(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(r.port))
			if err != nil {
				t.Fatal(err)
			}
			return slowTalk(t.Context(), c, send, slowly)
		})
	})
}

// slowTalk sends, then one byte each tenth of an idle timeout, and returns all
// that is answered until the other side closes.
func slowTalk(ctx context.Context, c net.Conn, send, slowly string) string {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if _, err := io.WriteString(c, send); err != nil {
			return
		}
		for i := range len(slowly) {
			if clock.Sleep(ctx, clock.Real(ctx), idle/10) != nil {
				return
			}
			if _, err := io.WriteString(c, slowly[i:i+1]); err != nil {
				return
			}
		}
	}()
	all, _ := io.ReadAll(c)
	_ = c.Close()
	<-sent
	return string(all)
}

// A client that is silent for an idle timeout is let go; one that takes longer
// than that for a whole head, or falls silent in the middle of a body, is told
// 408, however busily it sends single bytes. A body takes as long as it takes,
// and the target's time to answer begins with its last byte.
func TestSlowClientsEnd(t *testing.T) {
	for name, c := range map[string]struct{ send, slowly, want string }{
		"silent":                     {"", "", ""},
		"silent after a request":     {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", "200"},
		"silent in a head":           {"GET / HT", "", "408"},
		"byte by byte in a head":     {"GET / HTTP/1.1\r\n", strings.Repeat("A: b\r\n", 50), "408"},
		"silent in a body":           {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhi", "", "408"},
		"silent later in a body":     {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhi", "and so on", "408"},
		"silent in a chunk":          {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", "", "408"},
		"byte by byte, but in time":  {"GET / HTTP/1.1\r\nHost: x\r\n", "\r\n", "200"},
		"a second head byte by byte": {"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET ", strings.Repeat("a", 100), "200"},
		"a body byte by byte": {
			"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 40\r\n\r\n", strings.Repeat("a", 40), "200",
		},
	} {
		t.Run(name, func(t *testing.T) {
			read := func(_ http.ResponseWriter, req *http.Request) { _, _ = io.Copy(io.Discard, req.Body) }
			inBubble(t, read, func(t *testing.T, talk func(send, slowly string) string) {
				began := time.Now()
				got := talk(c.send, c.slowly)
				if took := time.Since(began); strings.HasSuffix(name, "in a head") && took > idle+2*time.Second {
					t.Errorf("its head was waited for %s", took)
				}
				if c.want == "" && got != "" || !strings.HasPrefix(strings.TrimPrefix(got, "HTTP/1.1 "), c.want) {
					t.Errorf("%q", got)
				}
				if strings.HasPrefix(name, "a second") && !strings.Contains(got, "HTTP/1.1 408 ") {
					t.Errorf("%q", got)
				}
			})
		})
	}
}

// A target has one idle timeout for its answer, counted from the last byte that
// it was given.
//
// Proves: D71
func TestASilentTargetIs504(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 20\r\n\r\n"
	body := strings.Repeat("a", 20)
	for name, c := range map[string]struct {
		send, slowly string
		answers      time.Duration // after the body
		want         string
	}{
		"never":                  {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "", time.Hour, "504"},
		"just in time":           {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "", idle * 9 / 10, "200"},
		"too late":               {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "", idle * 5 / 4, "504"},
		"never, to a whole body": {head + body, "", time.Hour, "504"},
		"never, to a slow body":  {head, body, time.Hour, "504"},
		"in time, to that":       {head, body, idle * 9 / 10, "200"},
	} {
		t.Run(name, func(t *testing.T) {
			h := func(_ http.ResponseWriter, req *http.Request) {
				_, _ = io.Copy(io.Discard, req.Body)
				_ = clock.Sleep(req.Context(), clock.Real(req.Context()), c.answers)
			}
			inBubble(t, h, func(t *testing.T, talk func(send, slowly string) string) {
				if got := talk(c.send, c.slowly); !strings.HasPrefix(got, "HTTP/1.1 "+c.want) {
					t.Errorf("%q", got)
				}
			})
		})
	}
}
