package front_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"berth/internal/await"
	"berth/internal/clock"
	"berth/internal/front"
	"berth/internal/places"
)

// bound serves the API within bounds, and returns its address.
func bound(t *testing.T, b front.Bounds) string {
	t.Helper()
	f, _, _ := newFront(t)
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own socket
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: b.Handler(f.Handler(front.Listener{})), ReadHeaderTimeout: time.Hour}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(b.Listen(l)) })
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	return l.Addr().String()
}

func dial(t *testing.T, addr, send string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr) //nolint:noctx // a test's own socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(await.Deadline(t))
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: AmazonEC2ContainerServiceV20141113.CreateCluster\r\n"
	call = head + "Content-Length: 2\r\n\r\n{}"
)

func status(c net.Conn) (int, error) {
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// A thousand clients that say nothing, and two hundred in the middle of a head
// or a body, hinder nobody.
func TestIdleAndSlowClientsHinderNobody(t *testing.T) {
	addr := bound(t, front.Bounds{Places: places.New(2000), Patience: time.Hour, Real: clock.Real(t.Context())})
	for range 1000 {
		dial(t, addr, "")
	}
	for range 100 {
		dial(t, addr, head)
		dial(t, addr, head+"Content-Length: 100\r\n\r\n{")
	}
	var g errgroup.Group
	for range 8 {
		c := dial(t, addr, "")
		g.Go(func() error {
			in := bufio.NewReader(c)
			for range 25 {
				if _, err := io.WriteString(c, call); err != nil {
					return err
				}
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					return err
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
					return fmt.Errorf("%d %w", res.StatusCode, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// Who comes when there are as many connections as there may be is sent away,
// and has a place when another has left.
func TestConnectionsBeyondTheBoundAreClosed(t *testing.T) {
	addr := bound(t, front.Bounds{Places: places.New(3), Patience: time.Hour, Real: clock.Real(t.Context())})
	first := dial(t, addr, call)
	if code, err := status(first); code != http.StatusOK {
		t.Fatal(code, err)
	}
	if code, err := status(dial(t, addr, call)); code != http.StatusOK {
		t.Fatal(code, err)
	}
	if n, err := dial(t, addr, "").Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("a third connection reads %d bytes, %v", n, err)
	}
	_ = first.Close()
	await.True(t, "a free place", func() bool {
		c, err := net.Dial("tcp", addr) //nolint:noctx // a test's own socket
		if err != nil {
			return false
		}
		defer c.Close()
		_, _ = io.WriteString(c, call)
		code, err := status(c)
		return err == nil && code == http.StatusOK
	})
}

// A request for which there is no place is refused, and served once another has
// ended.
func TestRequestsBeyondThePlacesAreRefused(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	b := front.Bounds{Places: places.New(1), Patience: time.Hour, Real: clock.Real(t.Context())}
	h := b.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(began)
			<-end
		}
	}))
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil)) //nolint:noctx // it goes nowhere
		return w
	}
	if !b.Places.Connect() {
		t.Fatal("no place to connect")
	}
	var wg sync.WaitGroup
	wg.Go(func() { ask("/slow") })
	<-began
	if w := ask("/"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Connection") != "close" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	close(end)
	wg.Wait()
	if w := ask("/"); w.Code != http.StatusOK {
		t.Errorf("%d after the other has ended", w.Code)
	}
}

// A body that does not come in time ends its connection, and so does a client
// that does not take its answer.
func TestSlowBodiesEnd(t *testing.T) {
	addr := bound(t, front.Bounds{Places: places.New(10), Patience: time.Minute, Real: clock.NewStepped(time.Now().Add(-time.Hour))})
	c := dial(t, addr, head+"Content-Length: 100\r\n\r\n{")
	if all, err := io.ReadAll(c); err != nil {
		t.Errorf("%q, %v", all, err)
	}
}
