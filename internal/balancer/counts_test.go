package balancer_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/balancer"
)

// figures are the counters that are not zero: those of the load balancer by
// their names, those of a group with its name before them. Figures of bytes
// and times are left out.
func (r *rig) figures() map[string]uint64 {
	out := map[string]uint64{}
	for _, c := range r.Counters() {
		prefix := ""
		if c.Group != "" {
			prefix = strings.Split(c.Group, "/")[1] + " "
		}
		for name, n := range c.Values {
			if n > 0 && name != "ProcessedBytes" {
				out[prefix+name] = n
			}
		}
	}
	return out
}

func (r *rig) same(want map[string]uint64) {
	r.t.Helper()
	if d := cmp.Diff(want, r.figures()); d != "" {
		r.t.Error(d)
	}
}

// Each figure is what AWS says that it is: RequestCount only counts requests
// that had a target, ELB codes are the load balancer's own, target codes the
// target's, connections are those of clients and those to targets, and rules
// are those that were looked at without the default rule.
func TestFiguresOfOneRequest(t *testing.T) {
	path := func(p, id string, a balancer.Action) balancer.Rule {
		return balancer.Rule{ID: id, Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{p}}}, Action: a}
	}
	type figures = map[string]uint64
	for name, c := range map[string]struct {
		send string
		want figures
	}{
		"a target answers": {
			"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n",
			figures{"RequestCount": 1, "g RequestCount": 1, "g HTTPCode_Target_2XX_Count": 1, "NewConnectionCount": 2, "RuleEvaluations": 1},
		},
		"a target answers with 503": {
			"GET /503 HTTP/1.1\r\nHost: x\r\n\r\n",
			figures{"RequestCount": 1, "g RequestCount": 1, "g HTTPCode_Target_5XX_Count": 1, "NewConnectionCount": 2, "RuleEvaluations": 2},
		},
		"a target closes": {"GET /close HTTP/1.1\r\nHost: x\r\n\r\n", figures{
			"RequestCount": 1, "g RequestCount": 1, "HTTPCode_ELB_5XX_Count": 1, "HTTPCode_ELB_502_Count": 1, "NewConnectionCount": 2,
			"RuleEvaluations": 3,
		}},
		"a target that nobody asked switches protocols": {"GET /101 HTTP/1.1\r\nHost: x\r\n\r\n", figures{
			"RequestCount": 1, "g RequestCount": 1, "HTTPCode_ELB_5XX_Count": 1, "HTTPCode_ELB_502_Count": 1, "NewConnectionCount": 2,
			"RuleEvaluations": 4,
		}},
		"a target ends its lines with line feeds": {"GET /lf HTTP/1.1\r\nHost: x\r\n\r\n", figures{
			"RequestCount": 1, "g RequestCount": 1, "HTTPCode_ELB_5XX_Count": 1, "HTTPCode_ELB_502_Count": 1, "NewConnectionCount": 2,
			"RuleEvaluations": 5,
		}},
		"a target cannot be connected": {"GET /dead HTTP/1.1\r\nHost: x\r\n\r\n", figures{
			"RequestCount": 1, "dead RequestCount": 1, "dead TargetConnectionErrorCount": 1, "dead UnhealthyRoutingRequestCount": 1,
			"HTTPCode_ELB_5XX_Count": 1, "HTTPCode_ELB_502_Count": 1, "NewConnectionCount": 1, "RuleEvaluations": 6,
		}},
		"there is no target": {
			"GET /empty HTTP/1.1\r\nHost: x\r\n\r\n",
			figures{"HTTPCode_ELB_5XX_Count": 1, "HTTPCode_ELB_503_Count": 1, "NewConnectionCount": 1, "RuleEvaluations": 7},
		},
		"a redirect": {
			"GET /go HTTP/1.1\r\nHost: x\r\n\r\n",
			figures{"HTTP_Redirect_Count": 1, "HTTPCode_ELB_3XX_Count": 1, "NewConnectionCount": 1, "RuleEvaluations": 8},
		},
		"the default rule": {
			"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
			figures{"HTTP_Fixed_Response_Count": 1, "HTTPCode_ELB_4XX_Count": 1, "NewConnectionCount": 1, "RuleEvaluations": 8},
		},
		"no host": {"GET /ok HTTP/1.1\r\n\r\n", figures{"HTTPCode_ELB_4XX_Count": 1, "NewConnectionCount": 1}},
		"a malformed head": {
			"GET /ok HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
			figures{"HTTPCode_ELB_4XX_Count": 1, "DesyncMitigationMode_NonCompliant_Request_Count": 1, "NewConnectionCount": 1},
		},
		"an ambiguous head": {"GET /ok HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", figures{
			"RequestCount": 1, "g RequestCount": 1, "g HTTPCode_Target_2XX_Count": 1, "NewConnectionCount": 2, "RuleEvaluations": 1,
			"DesyncMitigationMode_NonCompliant_Request_Count": 1,
		}},
		"nothing": {"", figures{"NewConnectionCount": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.group("g", answers(t))
			r.group("dead", "127.0.0.1:1")
			r.group("empty")
			g := to(balancer.Weight{Group: "g", Weight: 1})
			r.rules(
				path("/ok", "1", g), path("/503", "2", g), path("/close", "3", g), path("/101", "4", g), path("/lf", "5", g),
				path("/dead", "6", to(balancer.Weight{Group: "dead", Weight: 1})), path("/empty", "7", to(balancer.Weight{Group: "empty", Weight: 1})),
				path("/go", "8", balancer.Action{
					Redirect: &balancer.Redirect{Status: 301, Protocol: "HTTPS", Host: "#{host}", Port: "443", Path: "/"},
				}),
				balancer.Rule{ID: "default", Action: fixed(404, "")},
			)
			r.set()
			r.step.Advance(1e9)
			r.until("the target is healthy", func(rep balancer.Report) bool { return state(rep, "g") == "healthy" })
			r.raw(c.send)
			r.same(c.want)
			r.untilActive(0)
		})
	}
}

func state(rep balancer.Report, group string) string {
	for _, t := range rep.Targets {
		if t.Group == group {
			return t.State
		}
	}
	return ""
}

// untilActive waits until so many clients' connections are open; those to
// targets stay open for the next request, unless there must be none.
func (r *rig) untilActive(clients int) {
	r.t.Helper()
	r.until("connections", func(balancer.Report) bool {
		n := int(r.Counters()[0].Gauges["ActiveConnectionCount"])
		return n == clients || n == clients+1
	})
}

// answers is a target that answers each path in its own way.
func answers(t testing.TB) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		raw := map[string]string{
			"/close": "", "/101": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
			"/lf": "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		}
		if text, ok := raw[req.URL.Path]; ok {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(c, text)
			_ = c.Close()
			return
		}
		if req.URL.Path == "/503" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// once accepts connections, answers one request on each and closes with the
// second, unread: a target that ends idle connections just when they are used.
func once(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				br := bufio.NewReader(c)
				if req, err := http.ReadRequest(br); err != nil || req.Body.Close() != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				_, _ = br.ReadByte()
			}()
		}
	}()
	return l.Addr().String()
}

func TestARequestThatIsSentTwiceCountsOnce(t *testing.T) {
	r := newRig(t)
	g := r.group("g", once(t))
	g.Health.Enabled = false
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	for range 2 { // the second one is sent on the first one's connection, and again
		if res, _ := get(t, r.url("/")); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
	}
	client.CloseIdleConnections()
	f := r.figures()
	if f["NewConnectionCount"] != 3 {
		t.Errorf("%d connections: the second request was not sent again", f["NewConnectionCount"])
	}
	r.same(map[string]uint64{"RequestCount": 2, "g RequestCount": 2, "g HTTPCode_Target_2XX_Count": 2, "NewConnectionCount": 3})
	r.untilActive(0)
}

// A request waits for a connection to a target that is gone. Meanwhile the
// target is deregistered, and the request goes to another one, of the same
// group or, when the rules have moved on, of another.
func TestARequestThatIsRoutedTwiceCountsOnce(t *testing.T) {
	const dead = "127.0.0.9:81"
	for name, c := range map[string]struct {
		move func(r *rig, g *balancer.Group, alive balancer.Target)
		want map[string]uint64
	}{
		"within its group": {
			func(_ *rig, g *balancer.Group, alive balancer.Target) {
				g.Targets[0].Draining = true
				g.Targets = append(g.Targets, alive)
			},
			map[string]uint64{
				"RequestCount": 1, "g RequestCount": 1, "g HTTPCode_Target_2XX_Count": 1, "NewConnectionCount": 2, "RuleEvaluations": 1,
			},
		},
		"to another group": {
			func(r *rig, g *balancer.Group, alive balancer.Target) {
				g.Targets[0].Draining = true
				r.cfg.Groups[1].Targets = []balancer.Target{alive}
				r.cfg.LoadBalancers[0].Listeners[0].Rules[0].Action = to(balancer.Weight{Group: "h", Weight: 1})
			},
			map[string]uint64{
				"RequestCount": 1, "h RequestCount": 1, "h HTTPCode_Target_2XX_Count": 1, "NewConnectionCount": 2, "RuleEvaluations": 1,
			},
		},
		"to nobody": {
			func(_ *rig, g *balancer.Group, _ balancer.Target) { g.Targets[0].Draining = true },
			map[string]uint64{"HTTPCode_ELB_5XX_Count": 1, "HTTPCode_ELB_503_Count": 1, "NewConnectionCount": 1, "RuleEvaluations": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRigIn(t, silent{address: dead})
			r.group("g", dead)
			r.group("h")
			for i := range r.cfg.Groups {
				r.cfg.Groups[i].Health.Enabled = false
			}
			rule := balancer.Rule{
				ID: "1", Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{"/"}}},
				Action: to(balancer.Weight{Group: "g", Weight: 1}),
			}
			r.rules(rule, balancer.Rule{ID: "default", Action: fixed(404, "")})
			r.set()
			done := make(chan string, 1)
			go func() { done <- r.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") }()
			r.until("one in flight", func(rep balancer.Report) bool { return len(rep.Targets) == 1 && rep.Targets[0].InFlight == 1 })
			ap := netip.MustParseAddrPort(answers(t))
			c.move(r, &r.cfg.Groups[0], balancer.Target{ID: "127.0.0.1", IP: "127.0.0.1", Port: int(ap.Port())})
			r.set()
			got := <-done
			code, _ := strconv.Atoi(strings.Fields(got + " 0 0")[1])
			if ok := c.want["HTTPCode_ELB_503_Count"] == 0; ok != (code == 200) {
				t.Errorf("answer %q", got)
			}
			r.same(c.want)
			r.until("nothing in flight", func(rep balancer.Report) bool {
				for _, x := range rep.Targets {
					if x.InFlight != 0 {
						return false
					}
				}
				return true
			})
		})
	}
}

func TestConnectionsAreCountedWhileTheyAreOpen(t *testing.T) {
	r := newRig(t)
	r.group("g", answers(t)).Health.Enabled = false
	r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port)) //nolint:noctx // a test's own socket
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	active := func(want float64) func(balancer.Report) bool {
		return func(balancer.Report) bool { return r.Counters()[0].Gauges["ActiveConnectionCount"] == want }
	}
	r.until("a client is connected", active(1))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.Body.Close() != nil {
		t.Fatal(err)
	}
	r.until("a target too", active(2))
	c.Close()
	r.until("the target still is", active(1))
	r.cfg.Groups[0].Targets = nil
	r.set()
	r.until("nobody is", active(0))
	if n := r.figures()["NewConnectionCount"]; n != 2 {
		t.Errorf("%d connections", n)
	}
}
