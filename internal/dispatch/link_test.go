package dispatch_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"berth/internal/acs"
	"berth/internal/clock"
)

// pipes is a listener whose connections are in memory, without buffers: what the
// other end does not read is not written. In a bubble of testing/synctest their
// deadlines are in the bubble's time.
type pipes struct {
	queue chan net.Conn
	ended chan struct{} // closed when the server closes its end of the connection
	stop  func()
	done  chan struct{}
}

// watched tells when it is closed.
type watched struct {
	net.Conn
	closed func()
}

func (w watched) Close() error {
	w.closed()
	return w.Conn.Close()
}

func newPipes() *pipes {
	p := &pipes{queue: make(chan net.Conn), ended: make(chan struct{}), done: make(chan struct{})}
	p.stop = sync.OnceFunc(func() { close(p.done) })
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.queue:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.stop(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.queue <- watched{far, sync.OnceFunc(func() { close(p.ended) })}:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// An agent that takes nothing, sends nothing, or sends a frame that never ends,
// loses its connection, whichever of the two it is, and no sooner than it may.
func TestSlowAndHalfOpenAgentsLoseTheirConnections(t *testing.T) {
	t.Parallel()
	reads := func(ctx context.Context, conn *websocket.Conn) {
		for {
			if _, _, err := conn.Read(ctx); err != nil {
				return
			}
		}
	}
	drips := func(ctx context.Context, conn *websocket.Conn) {
		go reads(ctx, conn)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		w, err := conn.Writer(ctx, websocket.MessageText)
		for err == nil {
			if err = clock.Sleep(ctx, clock.Real(ctx), 10*time.Second); err == nil {
				_, err = w.Write(make([]byte, 8<<10))
			}
		}
	}
	// answers is an agent as it should be: it answers each heartbeat, for a while.
	const answered = 10 * time.Minute
	answers := func(ctx context.Context, conn *websocket.Conn) {
		frame, err := acs.Encode(acs.TypeHeartbeatAck, acs.Heartbeat{})
		for began := time.Now(); err == nil; {
			if _, _, err = conn.Read(ctx); err == nil && time.Since(began) < answered {
				err = conn.Write(ctx, websocket.MessageText, frame)
			}
		}
	}
	for name, query := range map[string]string{"acs": acsQuery, "tcs": tcsQuery} {
		for _, c := range []struct {
			name  string
			does  func(context.Context, *websocket.Conn)
			after time.Duration
		}{
			{"takes nothing", func(context.Context, *websocket.Conn) {}, 30 * time.Second},
			{"sends nothing", reads, 90 * time.Second},
			{"sends a frame without end", drips, 90 * time.Second},
			{"answers for ten minutes", answers, answered + 60*time.Second},
		} {
			t.Run(name+" "+c.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { loses(t, query, c.does, c.after) })
			})
		}
	}
}

// loses connects an agent that does something, and holds that the server closes
// its connection after a time.
func loses(t *testing.T, query string, does func(context.Context, *websocket.Conn), after time.Duration) {
	b, p := newGateway(t), newPipes()
	srv := &http.Server{Handler: b.gateway.Handler()}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(p) }()
	client := &http.Transport{DialContext: p.DialContext}
	conn, _, err := websocket.Dial(t.Context(), "http://agents"+query, &websocket.DialOptions{HTTPClient: &http.Client{Transport: client}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); does(t.Context(), conn) }()
	defer func() {
		_ = conn.CloseNow()
		<-done
		client.CloseIdleConnections()
		_ = srv.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	pass := func(d time.Duration) {
		t.Helper()
		if err := clock.Sleep(t.Context(), b.gateway.Real, d); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	pass(after - time.Second)
	select {
	case <-p.ended:
		t.Fatalf("closed before %s", after)
	default:
	}
	pass(2 * time.Second)
	select {
	case <-p.ended:
	default:
		t.Fatalf("open after %s", after+time.Second)
	}
}
