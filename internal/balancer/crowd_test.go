package balancer_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"berth/internal/await"
	"berth/internal/balancer"
	"berth/internal/clock"
	"berth/internal/places"
)

// client is a connection to the rig, on which something was sent.
func (r *rig) client(send string) net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port)) //nolint:noctx // a test's own socket
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(await.Deadline(r.t))
	if _, err := io.WriteString(c, send); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// A thousand clients that say nothing, and two hundred in the middle of a head,
// of a body or of a tunnel, hinder nobody.
func TestIdleAndSlowClientsHinderNobody(t *testing.T) {
	r := newRigAt(t, loopback{}, clock.Real(t.Context()))
	r.group("g", echoes(t)).Health.Enabled = false
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	for range 1000 {
		r.client("")
	}
	for range 50 {
		r.client("GET / HTTP/1.1\r\nHost: x\r\n")
		r.client("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhi")
		r.client("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi")
		r.client("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhalf")
	}
	var g errgroup.Group
	for range 8 {
		c := r.client("")
		g.Go(func() error {
			in := bufio.NewReader(c)
			for range 25 {
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				res, err := http.ReadResponse(in, nil)
				if err != nil || res.StatusCode != http.StatusOK {
					return fmt.Errorf("%v %w", res, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// Who comes when there are as many clients as there may be is sent away and
// counted; the others are served, and there is a place when one has left.
func TestClientsBeyondTheBoundAreRejected(t *testing.T) {
	r := newRigWith(t, loopback{}, clock.Real(t.Context()), places.New(3))
	r.rules(balancer.Rule{ID: "default", Action: fixed(200, "")})
	r.set()
	const ask = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	first, second := r.client(ask), r.client(ask)
	for _, c := range []net.Conn{first, second} {
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res, err)
		}
	}
	if n, err := r.client("").Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("a third client reads %d bytes, %v", n, err)
	}
	_, _ = io.WriteString(second, ask)
	if res, err := http.ReadResponse(bufio.NewReader(second), nil); err != nil || res.StatusCode != http.StatusOK {
		t.Error(res, err)
	}
	_ = first.Close()
	await.True(t, "a free place", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port)) //nolint:noctx // a test's own socket
		if err != nil {
			return false
		}
		defer c.Close()
		_, _ = io.WriteString(c, ask)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		return err == nil && res.StatusCode == http.StatusOK
	})
}

// answerTo sends a request and reads the answer's status.
func (r *rig) answerTo(c net.Conn, path string) int {
	r.t.Helper()
	_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}

// A request for whose connection to a target there is no place is answered 503,
// and the next one is served once another has ended.
func TestRequestsBeyondThePlacesAreRefused(t *testing.T) {
	r := newRigWith(t, loopback{}, clock.Real(t.Context()), places.New(3))
	r.group("g", echoes(t)).Health.Enabled = false
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	tunnel := r.client("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(tunnel), nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res, err)
	}
	second := r.client("")
	if code := r.answerTo(second, "/"); code != http.StatusServiceUnavailable {
		t.Errorf("%d while there is no place", code)
	}
	_ = tunnel.Close()
	await.True(t, "a place for a request", func() bool { return r.answerTo(second, "/") == http.StatusOK })
}

// Connections to targets that nobody uses make place for those that somebody
// needs.
func TestUnusedConnectionsMakePlace(t *testing.T) {
	r := newRigWith(t, loopback{}, clock.Real(t.Context()), places.New(2))
	r.group("a", echoes(t)).Health.Enabled = false
	r.group("b", echoes(t)).Health.Enabled = false
	r.rules(
		balancer.Rule{
			ID: "1", Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{"/a"}}},
			Action: to(balancer.Weight{Group: "a", Weight: 1}),
		},
		balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "b", Weight: 1})},
	)
	r.set()
	c := r.client("")
	for _, path := range []string{"/a", "/b", "/a"} {
		if code := r.answerTo(c, path); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
}

// A request whose client has gone ends at its target too, and the target's place
// is another's. Nobody who is still there is cut.
func TestARequestEndsWithItsClient(t *testing.T) {
	began, ended := make(chan string, 2), make(chan string, 2)
	stay := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		began <- req.URL.Path
		select {
		case <-req.Context().Done():
			ended <- req.URL.Path
		case <-stay:
		}
	}))
	t.Cleanup(srv.Close)
	real := clock.NewStepped(time.Now())
	r := newRigWith(t, loopback{}, real, places.New(5))
	r.cfg.LoadBalancers[0].IdleTimeout = time.Hour // which would end it, too
	r.group("g", srv.Listener.Addr().String()).Health.Enabled = false
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	goes := r.client("GET /goes HTTP/1.1\r\nHost: x\r\n\r\n")
	<-began
	stays := r.client("GET /stays HTTP/1.1\r\nHost: x\r\n\r\n")
	<-began
	_ = goes.Close()
	await.True(t, "the end of a request whose client has gone", func() bool {
		real.Advance(time.Second)
		select {
		case path := <-ended:
			if path != "/goes" {
				t.Errorf("%s ended", path)
			}
			return true
		default:
			return false
		}
	})
	close(stay)
	if res, err := http.ReadResponse(bufio.NewReader(stays), nil); err != nil || res.StatusCode != http.StatusOK {
		t.Error(res, err)
	}
}
