package front_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/internal/front"
)

// TestWebPagesMayNotCall sends what a page in the user's browser can: forms,
// images, scripts, and names of its own that lead here.
func TestWebPagesMayNotCall(t *testing.T) {
	t.Parallel()
	f, _, _ := newFront(t)
	f.Handle("/_berth/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") }))
	h := f.Handler(front.Listener{Guard: &front.Guard{Hosts: []string{"berth.lan"}, Origins: []string{"http://localhost:3000"}}})
	tests := map[string]struct {
		host    string
		headers string
		ok      bool
	}{
		"SDK":                          {"127.0.0.1:4566", "", true},
		"SDK by name":                  {"localhost:4566", "", true},
		"SDK by IPv6":                  {"[::1]:4566", "", true},
		"SDK by another loopback":      {"127.8.0.1:4566", "", true},
		"bucket-like name":             {"a.localhost:4566", "", true},
		"AWS's name":                   {"ecs.us-east-1.amazonaws.com", "", true},
		"a name that the user gave":    {"berth.lan:4566", "", true},
		"no host, HTTP/1.0":            {"", "", true},
		"the address bar":              {"localhost:4566", "Sec-Fetch-Site: none", true},
		"our own page":                 {"localhost:4566", "Sec-Fetch-Site: same-origin, Origin: http://localhost:4566", true},
		"a page that may":              {"localhost:4566", "Sec-Fetch-Site: same-site, Origin: http://localhost:3000", true},
		"DNS rebinding":                {"evil.example:4566", "", false},
		"DNS rebinding, same origin":   {"evil.example:4566", "Sec-Fetch-Site: same-origin, Origin: http://evil.example:4566", false},
		"a name that looks like ours":  {"localhost.evil.example", "", false},
		"an address of the office":     {"192.168.1.4:4566", "", false},
		"AWS's name in front":          {"amazonaws.com.evil.example", "", false},
		"form of a foreign page":       {"localhost:4566", "Sec-Fetch-Site: cross-site, Origin: https://evil.example", false},
		"form of an old browser":       {"localhost:4566", "Origin: https://evil.example", false},
		"image of a foreign page":      {"localhost:4566", "Sec-Fetch-Site: cross-site", false},
		"page of another port":         {"localhost:4566", "Sec-Fetch-Site: same-site, Origin: http://localhost:8080", false},
		"page in a sandboxed frame":    {"localhost:4566", "Origin: null", false},
		"origin that is no address":    {"localhost:4566", "Origin: localhost:4566", false},
		"one that may, by another way": {"localhost:4566", "Origin: http://localhost:3000.evil.example", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{"/", "/_berth/clock", "/v2/"} {
				r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"clusterName":"c"}`))
				r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.CreateCluster")
				r.Host = tt.host
				for pair := range strings.SplitSeq(tt.headers, ", ") {
					k, v, _ := strings.Cut(pair, ": ")
					r.Header.Set(k, v)
				}
				status, got := do(h, r)
				if denied := status == http.StatusBadRequest && strings.Contains(got, "AccessDenied"); denied == tt.ok {
					t.Errorf("%s: %d %s", path, status, got)
				}
			}
		})
	}
}

func TestAPageThatMayCallIsToldSo(t *testing.T) {
	t.Parallel()
	f, _, _ := newFront(t)
	h := f.Handler(front.Listener{Guard: &front.Guard{Origins: []string{"http://localhost:3000"}}})
	ask := httptest.NewRequest(http.MethodOptions, "/", nil)
	ask.Host = "localhost:4566"
	ask.Header.Set("Origin", "http://localhost:3000")
	ask.Header.Set("Access-Control-Request-Method", "POST")
	ask.Header.Set("Access-Control-Request-Headers", "authorization,x-amz-target")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, ask)
	if w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Origin") != "http://localhost:3000" ||
		w.Header().Get("Access-Control-Allow-Headers") != "authorization,x-amz-target" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	ask.Header.Set("Origin", "http://localhost:3001")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, ask)
	if w.Code/100 == 2 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %d %v", w.Code, w.Header())
	}
}
