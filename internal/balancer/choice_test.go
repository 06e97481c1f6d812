package balancer_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"berth/internal/balancer"
)

func (r *rig) spread(n int) map[string]int {
	r.t.Helper()
	got := map[string]int{}
	for range n {
		res, _ := get(r.t, r.url("/"))
		got[res.Header.Get("X-Backend")]++
	}
	return got
}

func TestRoundRobinIsEven(t *testing.T) {
	r := newRig(t)
	a, _ := backend(t, "a")
	b, _ := backend(t, "b")
	r.group("g", a, b)
	r.rules(balancer.Rule{ID: "d", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	r.step.Advance(time.Second)
	r.untilState(2, "healthy")
	if got := r.spread(20); got["a"] != 10 || got["b"] != 10 {
		t.Errorf("%v", got)
	}
}

func TestAnUnhealthyTargetGetsNothing(t *testing.T) {
	r := newRig(t)
	a, _ := backend(t, "a")
	dead, srv := backend(t, "dead")
	r.group("g", a, dead)
	r.rules(balancer.Rule{ID: "d", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	r.step.Advance(time.Second)
	r.untilState(2, "healthy")
	srv.Close()
	for range 2 {
		r.step.Advance(30 * time.Second)
		r.settleChecks()
	}
	r.untilState(1, "unhealthy")
	if got := r.spread(10); got["a"] != 10 {
		t.Errorf("%v", got)
	}
}

func TestLeastOutstandingRequestsPassesTheBusyOne(t *testing.T) {
	r := newRig(t)
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/slow" {
			<-release
		}
		w.Header().Set("X-Backend", "slow")
	}))
	defer slow.Close()
	b, _ := backend(t, "b")
	g := r.group("g", slow.Listener.Addr().String())
	g.Algorithm = "least_outstanding_requests"
	r.rules(balancer.Rule{ID: "d", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	done := make(chan struct{})
	go func() { defer close(done); get(t, r.url("/slow")) }()
	r.until("one in flight", func(rep balancer.Report) bool { return rep.Targets[0].InFlight == 1 })
	more := r.group("x", b)
	r.cfg.Groups[0].Targets = append(r.cfg.Groups[0].Targets, more.Targets...)
	r.cfg.Groups = r.cfg.Groups[:1]
	r.set()
	if got := r.spread(10); got["b"] != 10 {
		t.Errorf("%v", got)
	}
	close(release)
	<-done
}

func TestSlowStartBeginsWithLittle(t *testing.T) {
	r := newRig(t)
	a, _ := backend(t, "a")
	b, _ := backend(t, "b")
	g := r.group("g", a)
	g.SlowStart = 100 * time.Second
	r.rules(balancer.Rule{ID: "d", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	r.step.Advance(time.Second)
	r.untilState(1, "healthy")
	for range 7 {
		r.step.Advance(30 * time.Second)
		r.settleChecks()
	}
	more := r.group("x", b)
	r.cfg.Groups[0].Targets = append(r.cfg.Groups[0].Targets, more.Targets...)
	r.cfg.Groups = r.cfg.Groups[:1]
	r.set()
	r.step.Advance(time.Second)
	r.untilState(2, "healthy")
	r.step.Advance(10 * time.Second)
	if got := r.spread(200); got["b"] > 50 || got["b"] == 0 {
		t.Errorf("after a tenth of the time: %v", got)
	}
	r.step.Advance(100 * time.Second)
	if got := r.spread(200); got["b"] < 60 {
		t.Errorf("after the time: %v", got)
	}
}

func TestApplicationCookieStickiness(t *testing.T) {
	r := newRig(t)
	login := func(name string) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("X-Backend", name)
			if req.URL.Path == "/login" {
				http.SetCookie(w, &http.Cookie{Name: "SESSION", Value: "1"})
			}
			_, _ = io.WriteString(w, name)
		}))
		t.Cleanup(srv.Close)
		return srv.Listener.Addr().String()
	}
	g := r.group("g", login("a"), login("b"))
	g.Cookie, g.CookieName, g.CookieFor = "app_cookie", "SESSION", time.Hour
	r.rules(balancer.Rule{ID: "d", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	r.set()
	r.step.Advance(time.Second)
	r.untilState(2, "healthy")
	if res, _ := get(t, r.url("/")); len(res.Cookies()) != 0 {
		t.Errorf("a cookie before the application's: %v", res.Cookies())
	}
	res, first := get(t, r.url("/login"))
	for range 10 {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url("/"), nil)
		for _, c := range res.Cookies() {
			req.AddCookie(c)
		}
		if _, body := do(t, req); body != first {
			t.Fatal("the cookie did not hold")
		}
	}
}
