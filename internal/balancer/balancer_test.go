package balancer_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/await"
	"berth/internal/balancer"
	"berth/internal/clock"
	"berth/internal/ident"
	"berth/internal/places"
	"berth/internal/testport"
)

// loopback stands for every place.
type loopback struct {
	net.ListenConfig
	net.Dialer
}

func (l loopback) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l.ListenConfig.SetMultipathTCP(false)
	return l.ListenConfig.Listen(ctx, network, address)
}

func (l loopback) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return l.Dialer.DialContext(ctx, network, address)
}

// rig is a data plane on loopback with a clock that the test moves.
type rig struct {
	*balancer.Balancer
	t    testing.TB
	step *clock.Stepped
	port int
	cfg  balancer.Config
}

func newRig(t testing.TB) *rig {
	t.Helper()
	return newRigIn(t, loopback{})
}

func newRigIn(t testing.TB, place balancer.Net) *rig {
	t.Helper()
	return newRigAt(t, place, clock.Real(t.Context()))
}

func newRigAt(t testing.TB, place balancer.Net, real clock.Clock) *rig {
	return newRigWith(t, place, real, nil)
}

func newRigWith(t testing.TB, place balancer.Net, real clock.Clock, p *places.Places) *rig {
	t.Helper()
	step := clock.NewStepped(time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC))
	b := balancer.New(t.Context(), balancer.Deps{
		Open:   func(string) (balancer.Net, error) { return place, nil },
		Clock:  step,
		Real:   real,
		Random: ident.Seeded(1).Bytes,
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
		Places: p,
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Second)
		defer cancel()
		_ = b.Close(ctx)
	})
	r := &rig{Balancer: b, t: t, step: step, port: testport.Free(t)}
	r.cfg = balancer.Config{
		HostAddress: "127.0.0.1",
		LoadBalancers: []balancer.LoadBalancer{{
			ID: "lb", Name: "app/web/1", Host: "web-1.test.elb.localhost",
			Nodes:       []balancer.Node{{ID: "eni-1", Zone: "a", IP: "127.0.0.2"}},
			IdleTimeout: time.Minute,
			Listeners:   []balancer.Listener{{ID: "l", Port: r.port}},
		}},
	}
	return r
}

// group adds a target group whose targets are already healthy on the first
// step.
func (r *rig) group(id string, addrs ...string) *balancer.Group {
	g := balancer.Group{
		ID: id, Name: "targetgroup/" + id + "/1", Version: "HTTP1", MinHealthy: 1,
		Health: balancer.Health{
			Enabled: true, Path: "/health", Interval: 30 * time.Second, Timeout: 2 * time.Second, Healthy: 5, Unhealthy: 2, Matcher: "200",
		},
	}
	for _, a := range addrs {
		ap := netip.MustParseAddrPort(a)
		g.Targets = append(g.Targets, balancer.Target{ID: ap.Addr().String(), IP: ap.Addr().String(), Port: int(ap.Port()), Zone: "a"})
	}
	r.cfg.Groups = append(r.cfg.Groups, g)
	return &r.cfg.Groups[len(r.cfg.Groups)-1]
}

func (r *rig) rules(rules ...balancer.Rule) {
	r.cfg.LoadBalancers[0].Listeners[0].Rules = rules
}

func to(ws ...balancer.Weight) balancer.Action {
	return balancer.Action{Forward: &balancer.Forward{Groups: ws}}
}

func fixed(status int, body string) balancer.Action {
	return balancer.Action{Fixed: &balancer.Fixed{Status: status, Body: body, ContentType: "text/plain"}}
}

func (r *rig) set() {
	r.t.Helper()
	if err := r.Set(r.cfg); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) url(path string) string { return "http://127.0.0.1:" + strconv.Itoa(r.port) + path }

// until waits on a condition of the report.
func (r *rig) until(what string, ok func(balancer.Report) bool) {
	r.t.Helper()
	await.Value(r.t, what, func() (balancer.Report, bool) {
		rep := r.Report()
		return rep, ok(rep)
	})
}

func (r *rig) untilState(n int, state string) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d targets %s", n, state), func(rep balancer.Report) bool {
		got := 0
		for _, t := range rep.Targets {
			if t.State == state {
				got++
			}
		}
		return got == n
	})
}

// backend is a target that tells what it got.
func backend(t testing.TB, name string) (addr string, srv *httptest.Server) {
	t.Helper()
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		w.Header().Set("X-Backend", name)
		for _, h := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Amzn-Trace-Id", "Connection"} {
			w.Header().Set("Got-"+h, strings.Join(req.Header.Values(h), "|"))
		}
		w.Header().Set("Got-Host", req.Host)
		switch req.URL.Path {
		case "/chunked":
			for range 3 {
				_, _ = io.WriteString(w, "part ")
				w.(http.Flusher).Flush()
			}
		case "/big":
			_, _ = w.Write(make([]byte, 300<<10))
		default:
			_, _ = w.Write(append([]byte(req.Method+" "+req.URL.RequestURI()+" "), body...))
		}
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), srv
}

func get(t testing.TB, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, req)
}

func do(t testing.TB, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     &http.Transport{MaxIdleConnsPerHost: 100},
}

// raw sends bytes and returns all that comes back.
func (r *rig) raw(send string) string {
	r.t.Helper()
	c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port))
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(await.Deadline(r.t))
	_, _ = io.WriteString(c, send)
	_ = c.(*net.TCPConn).CloseWrite()
	all, _ := io.ReadAll(c)
	return string(all)
}

// Proves: D70
func TestForwardsWithTheHeadersOfALB(t *testing.T) {
	r := newRig(t)
	a, _ := backend(t, "a")
	r.group("g", a)
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	r.step.Advance(time.Second)
	r.untilState(1, "healthy")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url("/x?y=1"), strings.NewReader("hello"))
	req.Header.Set("X-Forwarded-For", "203.0.113.9")
	req.Header.Set("Connection", "keep-alive, X-Secret")
	req.Header.Set("X-Secret", "1")
	res, body := do(t, req)
	want := map[string]string{
		"X-Backend": "a", "Got-X-Forwarded-For": "203.0.113.9, 127.0.0.1", "Got-X-Forwarded-Proto": "http",
		"Got-X-Forwarded-Port": strconv.Itoa(r.port), "Got-Host": "127.0.0.1:" + strconv.Itoa(r.port), "Got-Connection": "",
	}
	got := map[string]string{}
	for k := range want {
		got[k] = res.Header.Get(k)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if body != "POST /x?y=1 hello" {
		t.Errorf("body %q", body)
	}
	if id := res.Header.Get("Got-X-Amzn-Trace-Id"); !strings.HasPrefix(id, "Root=1-") || len(id) != len("Root=1-12345678-")+24 {
		t.Errorf("trace id %q", id)
	}
	req, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, r.url("/"), nil)
	req.Header.Set("X-Amzn-Trace-Id", "Root=1-67891233-abcdef012345678912345678;CalledFrom=app")
	res, _ = do(t, req)
	if id := res.Header.Get("Got-X-Amzn-Trace-Id"); !strings.HasPrefix(id, "Self=1-") ||
		!strings.HasSuffix(id, ";Root=1-67891233-abcdef012345678912345678;CalledFrom=app") {
		t.Errorf("trace id %q", id)
	}
}

func TestBodiesOfAllFramingsPass(t *testing.T) {
	r := newRig(t)
	a, _ := backend(t, "a")
	r.group("g", a)
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	if _, body := get(t, r.url("/chunked")); body != "part part part " {
		t.Errorf("chunked: %q", body)
	}
	if _, body := get(t, r.url("/big")); len(body) != 300<<10 {
		t.Errorf("big: %d bytes", len(body))
	}
	big := strings.Repeat("0123456789", 50_000)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url("/up"), strings.NewReader(big))
	if _, body := do(t, req); body != "POST /up "+big {
		t.Errorf("upload with a length: %d bytes back", len(body))
	}
	req, _ = http.NewRequestWithContext(t.Context(), http.MethodPost, r.url("/up"), io.MultiReader(strings.NewReader(big)))
	if _, body := do(t, req); body != "POST /up "+big {
		t.Errorf("chunked upload: %d bytes back", len(body))
	}
	req, _ = http.NewRequestWithContext(t.Context(), http.MethodPost, r.url("/up"), strings.NewReader(big))
	req.Header.Set("Expect", "100-continue")
	if _, body := do(t, req); body != "POST /up "+big {
		t.Errorf("upload that waits for 100: %d bytes back", len(body))
	}
	req, _ = http.NewRequestWithContext(t.Context(), http.MethodHead, r.url("/big"), nil)
	if res, body := do(t, req); body != "" || res.StatusCode != 200 {
		t.Errorf("HEAD: %d, %d bytes", res.StatusCode, len(body))
	}
	got := r.raw("GET /chunked HTTP/1.0\r\n\r\n")
	if !strings.HasSuffix(got, "\r\n\r\npart part part ") || strings.Contains(got, "chunked") {
		t.Errorf("HTTP/1.0: %q", got)
	}
	got = r.raw("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if !strings.Contains(got, "POST /a hi") || !strings.HasSuffix(got, "GET /b ") {
		t.Errorf("two requests in one packet: %q", got)
	}
}

// Proves: D66, D67, D71
func TestAnswersOfItsOwn(t *testing.T) {
	r := newRig(t)
	r.group("empty")
	r.group("dead", "127.0.0.1:1")
	r.rules(
		balancer.Rule{
			ID: "1", Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{"/empty"}}},
			Action: to(balancer.Weight{Group: "empty", Weight: 1}),
		},
		balancer.Rule{
			ID: "2", Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{"/dead"}}},
			Action: to(balancer.Weight{Group: "dead", Weight: 1}),
		},
		balancer.Rule{
			ID: "3", Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{"/go/*"}}},
			Action: balancer.Action{
				Redirect: &balancer.Redirect{Status: 301, Protocol: "HTTPS", Host: "#{host}", Port: "443", Path: "/new/#{path}", Query: "#{query}"},
			},
		},
		balancer.Rule{
			ID: "4", Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{"/zero"}}},
			Action: to(balancer.Weight{Group: "dead", Weight: 0}),
		},
		balancer.Rule{ID: "default", Action: balancer.Action{Fixed: &balancer.Fixed{Status: 403}}},
	)
	r.set()
	page := func(s string) string {
		return "<html>\r\n<head><title>" + s + "</title></head>\r\n<body>\r\n<center><h1>" + s + "</h1></center>\r\n</body>\r\n</html>\r\n"
	}
	for path, want := range map[string]struct {
		code int
		body string
	}{
		"/empty": {503, page("503 Service Temporarily Unavailable")},
		"/zero":  {503, page("503 Service Temporarily Unavailable")},
		"/dead":  {502, page("502 Bad Gateway")},
		"/":      {403, ""},
	} {
		res, body := get(t, r.url(path))
		if res.StatusCode != want.code || body != want.body || res.Header.Get("Server") != "awselb/2.0" || res.Header.Get("Date") == "" {
			t.Errorf("%s: %d %q %v", path, res.StatusCode, body, res.Header)
		}
	}
	res, _ := get(t, r.url("/go/a/b?c=d"))
	if res.StatusCode != 301 || res.Header.Get("Location") != "https://127.0.0.1:443/new/go/a/b?c=d" {
		t.Errorf("redirect: %d %q", res.StatusCode, res.Header.Get("Location"))
	}
	for name, c := range map[string]struct{ send, want string }{
		"trace":           {"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method"},
		"no host":         {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request"},
		"bad name":        {"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", "400 Bad Request"},
		"two lengths":     {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400 Bad Request"},
		"bare line feed":  {"GET / HTTP/1.1\nHost: x\r\n\r\n", "400 Bad Request"},
		"encoding":        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501 Not Implemented"},
		"version":         {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505 HTTP Version"},
		"folded":          {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "400 Bad Request"},
		"long target":     {"GET /" + strings.Repeat("a", 17<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "414 Request URI"},
		"many hops":       {"GET /dead HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: " + strings.Repeat("1.1.1.1,", 31) + "2.2.2.2\r\n\r\n", "463 "},
		"nothing at all":  {"", ""},
		"half a request":  {"GET / HT", ""},
		"absolute target": {"GET http://x/go/1 HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n", "301 Moved"},
	} {
		got := r.raw(c.send)
		if c.want == "" && got != "" || !strings.HasPrefix(strings.TrimPrefix(got, "HTTP/1.1 "), c.want) {
			t.Errorf("%s: %.120q", name, got)
		}
	}
}

// Proves: D66, D68
func TestConditions(t *testing.T) {
	r := newRig(t)
	one := func(body string, c ...balancer.Condition) balancer.Rule {
		return balancer.Rule{ID: body, Conditions: c, Action: fixed(200, body)}
	}
	r.rules(
		one("host", balancer.Condition{Field: "host-header", Values: []string{"*.Example.com"}}),
		one("method", balancer.Condition{Field: "http-request-method", Values: []string{"PURGE"}}),
		one("header", balancer.Condition{Field: "http-header", Header: "X-Canary", Values: []string{"YES*"}}),
		one("query", balancer.Condition{Field: "query-string", Query: []balancer.Pair{{Key: "Version", Value: "V1"}, {Value: "*exam?le*"}}}),
		one("both", balancer.Condition{Field: "path-pattern", Values: []string{"/a/*/c", "/z?"}}, balancer.Condition{
			Field: "source-ip", Values: []string{"127.0.0.0/8"},
		}),
		one("elsewhere", balancer.Condition{Field: "source-ip", Values: []string{"10.0.0.0/8"}}),
		one("regex", balancer.Condition{Field: "path-pattern", Regex: []string{"^/r[0-9]+$"}}),
		one("default"),
	)
	r.set()
	for _, c := range []struct{ head, want string }{
		{"GET / HTTP/1.1\r\nHost: API.example.com:80", "host"},
		{"PURGE / HTTP/1.1\r\nHost: x", "method"},
		{"purge / HTTP/1.1\r\nHost: x", "default"},
		{"GET / HTTP/1.1\r\nHost: x\r\nx-canary: yes please", "header"},
		{"GET /?a=b&version=v1 HTTP/1.1\r\nHost: x", "query"},
		{"GET /?any=an%20Example HTTP/1.1\r\nHost: x", "query"},
		{"GET /a/b/b/c?x HTTP/1.1\r\nHost: x", "both"},
		{"GET /zz HTTP/1.1\r\nHost: x", "both"},
		{"GET /Zz HTTP/1.1\r\nHost: x", "default"},
		{"GET /r12 HTTP/1.1\r\nHost: x", "regex"},
		{"GET / HTTP/1.1\r\nHost: x", "default"},
	} {
		got := r.raw(c.head + "\r\nConnection: close\r\n\r\n")
		if !strings.HasSuffix(got, "\r\n\r\n"+c.want) {
			t.Errorf("%s: %q", c.head, got)
		}
	}
}

func TestLoadBalancersThatShareAPortAreToldApartByHost(t *testing.T) {
	r := newRig(t)
	r.rules(balancer.Rule{ID: "d", Action: fixed(200, "one")})
	second := r.cfg.LoadBalancers[0]
	second.ID, second.Host, second.Nodes = "lb2", "api-2.test.elb.localhost", nil
	second.Listeners = []balancer.Listener{{ID: "l2", Port: r.port, Rules: []balancer.Rule{{ID: "d", Action: fixed(200, "two")}}}}
	r.set()
	ask := func(host string) string {
		return r.raw("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
	}
	if got := ask("whatever"); !strings.HasSuffix(got, "one") {
		t.Errorf("one load balancer and an unknown host: %q", got)
	}
	if got := ask("internal-3.test.elb.localhost"); !strings.Contains(got, " 404 ") || !strings.Contains(got, "inside its VPC") {
		t.Errorf("one load balancer, asked under the name of an internal one: %q", got)
	}
	r.cfg.LoadBalancers = append(r.cfg.LoadBalancers, second)
	r.set()
	if got := ask("API-2.test.elb.localhost:" + strconv.Itoa(r.port)); !strings.HasSuffix(got, "two") {
		t.Errorf("second: %q", got)
	}
	if got := ask("web-1.test.elb.localhost"); !strings.HasSuffix(got, "one") {
		t.Errorf("first: %q", got)
	}
	if got := ask("whatever"); !strings.Contains(got, " 404 ") || !strings.Contains(got, "http://api-2.test.elb.localhost:") {
		t.Errorf("unknown: %q", got)
	}
}

// Proves: D67
func TestWeightsAndStickiness(t *testing.T) {
	r := newRig(t)
	a, _ := backend(t, "a")
	b, _ := backend(t, "b")
	r.group("ga", a)
	r.group("gb", b)
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "ga", Weight: 3}, balancer.Weight{Group: "gb", Weight: 1})})
	r.set()
	n := map[string]int{}
	for range 400 {
		res, _ := get(t, r.url("/"))
		n[res.Header.Get("X-Backend")]++
	}
	if n["a"] < 240 || n["a"] > 360 {
		t.Errorf("3 to 1 came out as %v", n)
	}
	r.cfg.LoadBalancers[0].Listeners[0].Rules[0].Action.Forward.Sticky = time.Hour
	r.set()
	res, _ := get(t, r.url("/"))
	first := res.Header.Get("X-Backend")
	var cookie string
	for _, c := range res.Cookies() {
		if c.Name == "AWSALBTG" {
			cookie = c.Value
		}
	}
	for range 20 {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url("/"), nil)
		req.AddCookie(&http.Cookie{Name: "AWSALBTG", Value: cookie})
		if res, _ := do(t, req); res.Header.Get("X-Backend") != first {
			t.Fatal("the cookie did not hold")
		}
	}
}

func TestTargetStickiness(t *testing.T) {
	r := newRig(t)
	a, _ := backend(t, "a")
	b, _ := backend(t, "b")
	g := r.group("g", a, b)
	g.Cookie, g.CookieFor = "lb_cookie", 24*time.Hour
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	r.step.Advance(time.Second)
	r.untilState(2, "healthy")
	res, _ := get(t, r.url("/"))
	first := res.Header.Get("X-Backend")
	if want := "Expires=Sun, 02 Aug 2026 00:00:01 GMT"; !strings.Contains(res.Header.Get("Set-Cookie"), want) {
		t.Errorf("cookie %q lacks %q", res.Header.Values("Set-Cookie"), want)
	}
	for range 10 {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url("/"), nil)
		for _, c := range res.Cookies() {
			req.AddCookie(c)
		}
		if res, _ := do(t, req); res.Header.Get("X-Backend") != first {
			t.Fatal("the cookie did not hold")
		}
	}
}

// Proves: D63, D64
func TestHealthFollowsAWSStates(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	code := 200
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if req.URL.Path == "/health" && !strings.HasPrefix(req.UserAgent(), "ELB-HealthChecker/") {
			t.Errorf("health check calls itself %q", req.UserAgent())
		}
		w.WriteHeader(code)
	}))
	defer srv.Close()
	r.group("g", srv.Listener.Addr().String())
	r.rules(balancer.Rule{ID: "default", Action: fixed(200, "")})
	r.set()
	one := func(state, reason, text string) {
		t.Helper()
		var got balancer.TargetReport
		r.until(state+" "+reason, func(rep balancer.Report) bool {
			got = rep.Targets[0]
			return got.State == state && got.Reason == reason
		})
		if got.Description != text {
			t.Errorf("%s: description %q", state, got.Description)
		}
	}
	one("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 0})})
	r.set()
	one("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
	r.step.Advance(time.Second)
	one("healthy", "", "")
	say := func(c int) {
		mu.Lock()
		defer mu.Unlock()
		code = c
	}
	say(503)
	r.step.Advance(30 * time.Second)
	r.settleChecks()
	one("healthy", "", "")
	r.step.Advance(30 * time.Second)
	one("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")
	say(200)
	for range 4 {
		r.step.Advance(30 * time.Second)
		r.settleChecks()
		one("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")
	}
	r.step.Advance(30 * time.Second)
	one("healthy", "", "")
	srv.Close()
	for range 2 {
		r.step.Advance(30 * time.Second)
		r.settleChecks()
	}
	one("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
	r.cfg.Groups[0].Targets[0].Draining = true
	r.set()
	one("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
}

// settleChecks waits until every check has been concluded, which shows in a
// new timer.
func (r *rig) settleChecks() {
	r.t.Helper()
	r.until("next check planned", func(balancer.Report) bool {
		at, ok := r.step.Next()
		return ok && at.After(r.step.Now())
	})
}

func TestAllUnhealthyFailsOpen(t *testing.T) {
	r := newRig(t)
	a, _ := backend(t, "a")
	g := r.group("g", a)
	g.Health.Matcher = "418"
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	r.step.Advance(time.Second)
	r.settleChecks()
	r.step.Advance(30 * time.Second)
	r.untilState(1, "unhealthy")
	if res, _ := get(t, r.url("/")); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}

// Proves: D65
func TestDrainingFinishesWhatIsInFlight(t *testing.T) {
	r := newRig(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/slow" {
			close(arrived)
			<-release
		}
		_, _ = io.WriteString(w, "old")
	}))
	defer slow.Close()
	b, _ := backend(t, "new")
	r.group("g", slow.Listener.Addr().String(), b)
	r.cfg.Groups[0].Targets = r.cfg.Groups[0].Targets[:1]
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	got := make(chan string, 1)
	go func() { _, body := get(t, r.url("/slow")); got <- body }()
	<-arrived // one that was not yet sent would be given another target
	old := r.cfg.Groups[0].Targets[0]
	old.Draining = true
	ap := netip.MustParseAddrPort(b)
	r.cfg.Groups[0].Targets = []balancer.Target{old, {ID: "127.0.0.1", IP: "127.0.0.1", Port: int(ap.Port())}}
	r.set()
	for range 10 {
		if res, _ := get(t, r.url("/")); res.Header.Get("X-Backend") != "new" {
			t.Error("a draining target got a new request")
		}
	}
	close(release)
	if body := <-got; body != "old" {
		t.Errorf("request in flight: %q", body)
	}
	r.until("none in flight", func(rep balancer.Report) bool {
		for _, x := range rep.Targets {
			if x.InFlight > 0 {
				return false
			}
		}
		return true
	})
}

// Proves: D65
func TestTheEndOfTheDelayCutsWith502(t *testing.T) {
	r := newRig(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/slow" {
			close(arrived)
		}
		<-release
	}))
	defer slow.Close()
	defer close(release)
	r.group("g", slow.Listener.Addr().String())
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	got := make(chan int, 1)
	go func() { res, _ := get(t, r.url("/slow")); got <- res.StatusCode }()
	<-arrived
	r.cfg.Groups[0].Targets = nil
	r.set()
	if code := <-got; code != 502 {
		t.Errorf("status %d", code)
	}
}

// TestSwapsLoseNoRequest shifts all traffic to and fro between two groups,
// drains and removes targets, while clients keep asking.
//
// Proves: D15
func TestSwapsLoseNoRequest(t *testing.T) {
	r := newRig(t)
	a, _ := backend(t, "a")
	b, _ := backend(t, "b")
	r.group("ga", a)
	r.group("gb", b)
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "ga", Weight: 1}, balancer.Weight{Group: "gb", Weight: 0})})
	r.set()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts := map[string]int{}
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				res, _ := get(t, r.url("/"))
				mu.Lock()
				counts[strconv.Itoa(res.StatusCode)+res.Header.Get("X-Backend")]++
				mu.Unlock()
			}
		})
	}
	total := func() int {
		mu.Lock()
		defer mu.Unlock()
		return counts["200a"] + counts["200b"]
	}
	targets := [][]balancer.Target{r.cfg.Groups[0].Targets, r.cfg.Groups[1].Targets}
	for i := range 60 {
		live, idle := i%2, 1-i%2
		set := func(edit func(c *balancer.Config)) {
			c := r.cfg
			c.Groups = append([]balancer.Group(nil), r.cfg.Groups...)
			edit(&c)
			if err := r.Set(c); err != nil {
				t.Error(err)
			}
		}
		weights := []balancer.Weight{{Group: "ga", Weight: 1 - live}, {Group: "gb", Weight: live}}
		rule := balancer.Rule{ID: "default", Action: to(weights...)}
		with := func(ts []balancer.Target) func(c *balancer.Config) {
			return func(c *balancer.Config) {
				c.LoadBalancers[0].Listeners[0].Rules = []balancer.Rule{rule}
				c.Groups[live].Targets, c.Groups[idle].Targets = targets[live], ts
			}
		}
		set(with(targets[idle]))
		was := total()
		r.until("some requests", func(balancer.Report) bool { return total() > was+5 })
		drained := append([]balancer.Target(nil), targets[idle]...)
		drained[0].Draining = true
		set(with(drained))
		r.until("idle", func(rep balancer.Report) bool {
			for _, x := range rep.Targets {
				if x.State == "draining" && x.InFlight > 0 {
					return false
				}
			}
			return true
		})
		set(with(nil))
		targets[idle][0].Since = time.Unix(int64(i), 0)
	}
	stop()
	wg.Wait()
	for k := range counts {
		if !strings.HasPrefix(k, "200") {
			t.Errorf("lost requests: %v", counts)
		}
	}
	if counts["200a"] == 0 || counts["200b"] == 0 {
		t.Errorf("traffic did not move: %v", counts)
	}
}

func TestWebSocketStyleUpgrade(t *testing.T) {
	r := newRig(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Upgrade") != "echo" || req.Header.Get("Connection") != "Upgrade" {
			t.Errorf("upgrade headers: %v", req.Header)
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.Copy(c, rw)
	}))
	defer srv.Close()
	r.group("g", srv.Listener.Addr().String())
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(await.Deadline(r.t))
	_, _ = io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n")
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	for _, s := range []string{"hello", "world"} {
		_, _ = io.WriteString(c, s)
		got := make([]byte, len(s))
		if _, err := io.ReadFull(br, got); err != nil || string(got) != s {
			t.Fatalf("echo %q: %q, %v", s, got, err)
		}
	}
}

func TestATakenPortIsToldAndAnotherAnswers(t *testing.T) {
	r := newRig(t)
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(r.port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r.rules(balancer.Rule{ID: "default", Action: fixed(200, "here")})
	r.set()
	trouble := r.Report().Listeners[0].Trouble
	_, after, ok := strings.Cut(trouble, "port ")
	if !ok {
		t.Skipf("no alternative free: %q", trouble)
	}
	port, _, _ := strings.Cut(after, " ")
	if _, body := get(t, "http://127.0.0.1:"+port+"/"); body != "here" {
		t.Errorf("alternative: %q", body)
	}
	l.Close()
	r.until("the port is free again", func(rep balancer.Report) bool { return rep.Listeners[0].Trouble == "" })
	if _, body := get(t, r.url("/")); body != "here" {
		t.Errorf("own port: %q", body)
	}
}

func TestABadConfigurationChangesNothing(t *testing.T) {
	r := newRig(t)
	r.rules(balancer.Rule{ID: "default", Action: fixed(200, "here")})
	r.set()
	bad := r.cfg
	bad.LoadBalancers = append([]balancer.LoadBalancer(nil), r.cfg.LoadBalancers...)
	bad.LoadBalancers[0].Listeners = []balancer.Listener{
		{ID: "l", Port: r.port, Rules: []balancer.Rule{{ID: "x", Action: to(balancer.Weight{Group: "none", Weight: 1})}}},
	}
	if err := r.Set(bad); err == nil {
		t.Error("a rule to no group was accepted")
	}
	if _, body := get(t, r.url("/")); body != "here" {
		t.Errorf("after a refused configuration: %q", body)
	}
}

// Proves: D71
func TestCountersAddUp(t *testing.T) {
	r := newRig(t)
	a, _ := backend(t, "a")
	r.group("g", a)
	r.rules(
		balancer.Rule{ID: "1", Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{"/no"}}}, Action: fixed(404, "")},
		balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})},
	)
	r.set()
	for range 3 {
		get(t, r.url("/"))
	}
	get(t, r.url("/no"))
	cs := r.Counters()
	if got := cs[0].Values["RequestCount"]; got != 3 { // only what had a target counts
		t.Errorf("requests %d", got)
	}
	if got := cs[0].Values["HTTP_Fixed_Response_Count"]; got != 1 {
		t.Errorf("fixed %d", got)
	}
	if got := cs[1].Values["HTTPCode_Target_2XX_Count"]; got != 3 {
		t.Errorf("target 2xx %d", got)
	}
	var n uint64
	for _, c := range cs[1].Times {
		n += c
	}
	if n != 3 {
		t.Errorf("%d response times", n)
	}
}
