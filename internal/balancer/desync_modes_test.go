package balancer_test

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/internal/balancer"
	"berth/internal/balancer/http1"
)

// takesAll is a target that reads whatever a load balancer may send, and says
// with which of its connections it was read. It returns its address.
func takesAll(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go takeAll(c, "connection "+strconv.Itoa(n))
		}
	}()
	return l.Addr().String()
}

// takeAll answers each request of a connection with a text.
func takeAll(c net.Conn, text string) {
	defer c.Close()
	var all []byte
	for buf := make([]byte, 4<<10); ; {
		size := 0
		if n, err := http1.HeadEnd(all, 0); err == nil && n > 0 {
			var h http1.Head
			var chunks http1.Chunks
			switch _ = h.ParseRequest(all[:n]); {
			case h.Framing == http1.Chunked:
				if m, done, _ := chunks.Scan(all[n:], nil); done {
					size = n + m
				}
			case len(all) >= n+int(max(0, h.Length)):
				size = n + int(max(0, h.Length))
			}
		}
		if size > 0 {
			all = all[size:]
			if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: "+strconv.Itoa(len(text))+"\r\n\r\n"+text); err != nil {
				return
			}
			continue
		}
		n, err := c.Read(buf)
		if all = append(all, buf[:n]...); err != nil {
			return
		}
	}
}

// classified are requests by the reason for which AWS's table puts them into
// their class.
var classified = []struct {
	reason string
	class  http1.Class
	send   string
}{
	{"Compliant", http1.Compliant, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"Compliant, with a body", http1.Compliant, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"},
	{"Compliant, a field of no value", http1.Compliant, "GET /a HTTP/1.1\r\nHost: x\r\nA:\r\nB: \tc\td \r\n\r\n"},
	{"GetHeadZeroContentLength", http1.Acceptable, "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"},
	{"NonCompliantHeader", http1.Acceptable, "GET /a HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n"},
	{"NonCompliantHeader, not ASCII", http1.Acceptable, "GET /a HTTP/1.1\r\nHost: x\r\nA: \xc3\xa4\r\n\r\n"},
	{"NonCompliantVersion", http1.Acceptable, "GET /a HTTP/1.2\r\nHost: x\r\n\r\n"},
	{"SpaceInUri", http1.Acceptable, "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"AmbiguousUri", http1.Ambiguous, "GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n"},
	{
		"BothTeClPresent", http1.Ambiguous,
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
	},
	{"DuplicateContentLength", http1.Ambiguous, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi"},
	{"EmptyHeader", http1.Ambiguous, "GET /a HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n"},
	{"EmptyHeader, a line of spaces", http1.Ambiguous, "GET /a HTTP/1.1\r\nHost: x\r\n \t \r\n\r\n"},
	{"SuspiciousHeader", http1.Ambiguous, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer_Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi"},
	{"UndefinedContentLengthSemantics", http1.Ambiguous, "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"},
	{
		"UndefinedTransferEncodingSemantics", http1.Ambiguous,
		"GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
	},
	{"BadHeader", http1.Severe, "GET /a HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n"},
	{"BadHeader, a carriage return", http1.Severe, "GET /a HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n"},
	{"BadUri", http1.Severe, "GET /a\x00 HTTP/1.1\r\nHost: x\r\n\r\n"},
	{"BadUri, a carriage return", http1.Severe, "GET /a\rb HTTP/1.1\r\nHost: x\r\n\r\n"},
	{
		"MultipleTransferEncodingChunked", http1.Severe,
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
	},
}

// verdicts are AWS's table of what each mode does with each class: allowed,
// closes (allowed, and client and target connections close), or blocked. Of
// what is severe and allowed it says nothing of connections; ours close.
var verdicts = map[balancer.Desync][]string{
	balancer.Monitor:   {"allowed", "allowed", "allowed", "closes"},
	balancer.Defensive: {"allowed", "allowed", "closes", "blocked"},
	balancer.Strictest: {"allowed", "blocked", "blocked", "blocked"},
	"":                 {"allowed", "allowed", "closes", "blocked"},
}

// What AWS says is docs/facts/deployments.md D127.
func TestDesyncMitigationByMode(t *testing.T) {
	target := takesAll(t)
	for mode, verdict := range verdicts {
		r := newRig(t)
		r.group("g", target).Health.Enabled = false
		r.cfg.LoadBalancers[0].IdleTimeout = 10 * time.Second
		r.cfg.LoadBalancers[0].Desync = mode
		r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
		r.set()
		ended := map[string]bool{}
		for _, c := range classified {
			got := r.talk(c.send + "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			was, by := seen(got)
			if was != verdict[c.class] || ended[by] {
				t.Errorf("%q: %s is %s, by %s: %q", mode, c.reason, was, by, got)
			}
			ended[by] = by != "" && was == "closes"
		}
		r.untilActive(0)
	}
}

var connection = regexp.MustCompile(`connection \d+`)

// seen is what became of a request before another, and the target's connection
// that carried it.
func seen(got string) (verdict, by string) {
	answered := connection.FindAllString(got, -1)
	switch {
	case strings.HasPrefix(got, "HTTP/1.1 400 ") && len(answered) == 0:
		return "blocked", ""
	case len(answered) == 1 && strings.Contains(got, "Connection: close"):
		return "closes", answered[0]
	case len(answered) == 2 && answered[0] == answered[1]:
		return "allowed", answered[0]
	default:
		return "something else", ""
	}
}

// A head or a body whose end nobody could tell is refused in every mode: there
// is nothing that could be sent on.
func TestWhatHasNoEndIsRefusedInEveryMode(t *testing.T) {
	for _, mode := range []balancer.Desync{balancer.Monitor, balancer.Defensive, balancer.Strictest} {
		r := newRig(t)
		r.group("g", takesAll(t)).Health.Enabled = false
		r.cfg.LoadBalancers[0].Desync = mode
		r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
		r.set()
		for reason, c := range map[string]struct {
			status int
			send   string
		}{
			"BadContentLength":      {400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n"},
			"MultipleContentLength": {400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi"},
			"BadTransferEncoding":   {501, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"},
			"BadMethod":             {400, "G(T /a HTTP/1.1\r\nHost: x\r\n\r\n"},
			"BadVersion":            {400, "GET /a HTTP/1.x\r\nHost: x\r\n\r\n"},
			"a bare line feed":      {400, "GET /a HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"},
		} {
			if got := r.talk(c.send); !strings.HasPrefix(got, "HTTP/1.1 "+strconv.Itoa(c.status)+" "+http.StatusText(c.status)) {
				t.Errorf("%s: %s: %q", mode, reason, got)
			}
		}
	}
}

// What a client put into a path does not get into a field of the answer.
func TestARedirectIsEscaped(t *testing.T) {
	r := newRig(t)
	r.cfg.LoadBalancers[0].Desync = balancer.Monitor
	r.rules(balancer.Rule{ID: "default", Action: balancer.Action{
		Redirect: &balancer.Redirect{Status: 301, Protocol: "HTTPS", Host: "#{host}", Port: "443", Path: "/#{path}", Query: "#{query}"},
	}})
	r.set()
	got := r.talk("GET /a b\rc?\x01\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n")
	if want := "\r\nLocation: https://x:443/a%20b%0Dc?%01\xc3\xa4\r\n"; !strings.Contains(got, want) {
		t.Errorf("%q", got)
	}
}
