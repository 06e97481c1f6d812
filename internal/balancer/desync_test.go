package balancer_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/balancer"
)

// talk sends bytes, keeps the connection open and returns all that comes back
// until the load balancer closes it.
func (r *rig) talk(send string) string {
	r.t.Helper()
	c := r.client(send)
	defer c.Close()
	all, _ := io.ReadAll(c)
	return string(all)
}

// What others could read in two ways is answered as ALB's desync mitigation
// does in its mode defensive: what is severe with 400, what is ambiguous by
// the target, after which both connections close.
func TestDesyncMitigationIsDefensive(t *testing.T) {
	r := newRig(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		if u := req.Header.Get("Upgrade"); u != "" || req.Header.Get("Http2-Settings") != "" {
			t.Errorf("the target is asked for an upgrade to %q", u)
		}
		_, _ = io.WriteString(w, req.Method+" "+req.URL.Path+" "+strings.Join(req.Header["Content-Length"], ",")+" "+string(body)+"|")
	}))
	gone := make(chan string, 100)
	srv.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			gone <- c.RemoteAddr().String()
		}
	}
	srv.Start()
	defer srv.Close()
	r.group("g", srv.Listener.Addr().String()).Health.Enabled = false
	r.cfg.LoadBalancers[0].IdleTimeout = 10 * time.Second // a wait would be seen: talk gives up, or 408
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	const host = "Host: x\r\n"
	for name, c := range map[string]struct {
		send, status, body string
		ambiguous          bool
	}{
		"equal lengths": {
			"POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "200", "POST /a 2 hi|", true,
		},
		"a length and chunks": {
			"POST /a HTTP/1.1\r\n" + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "200", "POST /a  hi|",
			true,
		},
		"GET with a body": {"GET /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nhi", "200", "GET /a 2 hi|", true},
		"GET with chunks": {
			"GET /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "200", "GET /a  hi|", true,
		},
		"GET with length 0": {"GET /a HTTP/1.1\r\n" + host + "Content-Length: 0\r\nConnection: close\r\n\r\n", "200", "GET /a 0 |", false},
		"h2c": {
			"GET /a HTTP/1.1\r\n" + host + "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n\r\n",
			"200", "GET /a  |", false,
		},
		"an encoding that others may read": {
			"POST /a HTTP/1.1\r\n" + host + "Transfer_Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi", "200", "POST /a 2 hi|", true,
		},
		"a length that others may read": {
			"POST /a HTTP/1.1\r\n" + host + "Content.Length: 5\r\nContent-Length: 2\r\n\r\nhi", "200", "POST /a 2 hi|", true,
		},
		"extensions of chunks": {
			"POST /a HTTP/1.1\r\n" + host + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b;c=\"d\"\r\nhi\r\n0;e\r\n\r\n", "200",
			"POST /a  hi|", false,
		},
		"a trailer": {
			"POST /a HTTP/1.1\r\n" + host + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
				"2\r\nhi\r\n0\r\nHost: y\r\nContent-Length: 5\r\n\r\n",
			"200", "POST /a  hi|", false,
		},
		"an absolute target":  {"GET http://x/a HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n", "200", "GET /a  |", false},
		"no host":             {"GET /a HTTP/1.1\r\n\r\n", "400", "", false},
		"a target of no form": {"GET a HTTP/1.1\r\n" + host + "\r\n", "400", "", false},
		"a folded value":      {"GET /a HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n", "400", "", false},
		"a size with a sign":  {"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n+2\r\nhi\r\n0\r\n\r\n", "400", "", false},
		"a bare line end in chunks": {
			"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n", "400", "", false,
		},
		"different lengths":    {"POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi", "400", "", false},
		"a list of lengths":    {"POST /a HTTP/1.1\r\n" + host + "Content-Length: 2, 2\r\n\r\nhi", "400", "", false},
		"a length with a sign": {"POST /a HTTP/1.1\r\n" + host + "Content-Length: +2\r\n\r\nhi", "400", "", false},
		"chunked twice": {
			"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", "", false,
		},
		"an unknown encoding":      {"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501", "", false},
		"a user in Host":           {"GET /a HTTP/1.1\r\nHost: admin@x\r\n\r\n", "400", "", false},
		"a path in Host":           {"GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n", "400", "", false},
		"a space in Host":          {"GET /a HTTP/1.1\r\nHost: x y\r\n\r\n", "400", "", false},
		"two hosts":                {"GET /a HTTP/1.1\r\n" + host + host + "\r\n", "400", "", false},
		"a user in the target":     {"GET http://admin@x/a HTTP/1.1\r\n" + host + "\r\n", "400", "", false},
		"line feeds only":          {"GET /a HTTP/1.1\nHost: x\n\n", "400", "", false},
		"one line feed":            {"GET /a HTTP/1.1\r\nHost: x\n", "400", "", false},
		"a line feed in a value":   {"GET /a HTTP/1.1\r\nHost: x\r\nA: b\n c: d\r\n\r\n", "400", "", false},
		"a carriage return inside": {"GET /a HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", "400", "", false},
		"a null character":         {"GET /a HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n", "400", "", false},
		"a space before the colon": {"POST /a HTTP/1.1\r\n" + host + "Content-Length : 2\r\n\r\nhi", "400", "", false},
		"a folded line":            {"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "501", "", false},
		"a malformed method":       {"G(T /a HTTP/1.1\r\n" + host + "\r\n", "400", "", false},
		"a malformed version":      {"GET /a HTTP/1.x\r\n" + host + "\r\n", "400", "", false},
		"chunks of HTTP/1.0":       {"POST /a HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", "", false},
	} {
		for len(gone) > 0 {
			<-gone
		}
		got := r.talk(c.send)
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.HasPrefix(head, "HTTP/1.1 "+c.status) || !strings.HasSuffix(head, "Connection: close") || c.body != "" && body != c.body {
			t.Errorf("%s: %q", name, got)
		}
		if c.ambiguous {
			select {
			case <-gone:
			case <-await.Context(t).Done():
				t.Errorf("%s: the target's connection stays open", name)
			}
		}
	}
}

// A target whose answer could be read in two ways is a bad gateway at once.
func TestATargetsMalformedAnswerIs502(t *testing.T) {
	for name, answer := range map[string]string{
		"line feeds only":   "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
		"one line feed":     "HTTP/1.1 200 OK\r\nContent-Length: 2\n",
		"no status":         "HTTP/1.1\r\n\r\n",
		"another version":   "HTTP/2.0 200 OK\r\n\r\n",
		"two lengths":       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
		"an unknown coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"a folded line":     "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n\r\n",
		"a spaced name":     "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi",
		"a null character":  "HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n",
		"chunked twice":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"no length":         "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"no code":           "HTTP/1.1 2x0 OK\r\n\r\n",
		"a tunnel unasked":  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n",
		"a long head":       "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 33<<10) + "\r\n\r\n",
		"no HTTP":           "220 smtp ready\r\n\r\n",
	} {
		r := newRig(t)
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own socket
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			br := bufio.NewReader(c)
			if req, err := http.ReadRequest(br); err != nil || req.Body.Close() != nil {
				return
			}
			_, _ = io.WriteString(c, answer)
			_, _ = br.ReadByte() // and says no more
		}()
		r.group("g", l.Addr().String()).Health.Enabled = false
		r.cfg.LoadBalancers[0].IdleTimeout = 10 * time.Second
		r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
		r.set()
		if got := r.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 502 ") {
			t.Errorf("%s: %q", name, got)
		}
		l.Close()
	}
}

// A head that is refused is answered, however much the client sends after it:
// the connection is not reset before the answer is read.
func TestWhoIsRefusedReadsTheAnswer(t *testing.T) {
	r := newRig(t)
	r.rules(balancer.Rule{ID: "default", Action: fixed(200, "")})
	r.set()
	for name, head := range map[string]string{
		"line feeds only": "GET / HTTP/1.1\nHost: x\n\n", "a version": "GET / HTTP/3.0\r\nHost: x\r\n\r\n",
		"a target": "GET /" + strings.Repeat("a", 20<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"a field":  "GET / HTTP/1.1\r\nHost: x\r\nA b: y\r\n\r\n",
	} {
		c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port)) //nolint:noctx // a test's own socket
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(await.Deadline(t))
		_, err = io.WriteString(c, head+strings.Repeat("more\n", 20<<10))
		got, rerr := io.ReadAll(c)
		if err != nil || rerr != nil || !strings.HasPrefix(string(got), "HTTP/1.1 ") || strings.HasPrefix(string(got), "HTTP/1.1 200") {
			t.Errorf("%s: %q, %v %v", name, got, err, rerr)
		}
		_ = c.Close()
	}
}
