package balancer_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/balancer"
)

// unanswered is how long a packet that is dropped is waited for. A connection
// that should be there is waited for as long as it takes.
const unanswered = 150 * time.Millisecond

// from connects from one loopback address to another, as a client of another
// machine would to a published address.
func (r *rig) from(client, to, send string, within time.Duration) string {
	r.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	ctx, cancel := context.WithTimeout(await.Context(r.t), within)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(to, strconv.Itoa(r.port)))
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "no connection"
	case isTimeout(err):
		return "dropped"
	case err != nil: // it was reset at once
		return "nothing"
	}
	defer c.Close()
	_ = c.SetDeadline(await.Deadline(r.t))
	_, _ = io.WriteString(c, send)
	b, _ := io.ReadAll(c)
	return cmp.Or(string(b), "nothing")
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

const question = "GET / HTTP/1.1\r\nHost: web-1.test.elb.localhost\r\nConnection: close\r\n\r\n"

// check asks by ways "CLIENT>ADDRESS HOST" and compares the ends of what is
// answered.
func (r *rig) check(when string, want map[string]string) {
	r.t.Helper()
	for way, says := range want {
		client, rest, _ := strings.Cut(way, ">")
		to, host, _ := strings.Cut(rest, " ")
		within := time.Minute
		if says == "dropped" {
			within = unanswered
		}
		if got := r.from(client, to, strings.Replace(question, "web-1.test.elb.localhost", host, 1), within); !strings.HasSuffix(got, says) {
			r.t.Errorf("%s: %s: %q, want %q", when, way, got, says)
		}
	}
}

// source is a range that may come to a range of ports.
func source(prefix string, from, to int) balancer.Source {
	return balancer.Source{Prefix: netip.MustParsePrefix(prefix), From: from, To: to}
}

// another adds a public load balancer on the same port that says "second".
func (r *rig) another(sources ...balancer.Source) *balancer.LoadBalancer {
	r.cfg.LoadBalancers = append(r.cfg.LoadBalancers, balancer.LoadBalancer{
		ID: "lb2", Name: "app/web/2", Host: "web-2.test.elb.localhost", Nodes: []balancer.Node{{ID: "eni-2", Zone: "a", IP: "127.0.0.4"}},
		Listeners: []balancer.Listener{{ID: "l2", Port: r.port, Rules: []balancer.Rule{{ID: "d", Action: fixed(200, "second")}}}}, Public: true,
		Sources: sources,
	})
	return &r.cfg.LoadBalancers[len(r.cfg.LoadBalancers)-1]
}

// At a published address a public load balancer answers to whom one of its
// sources has, by address and port. The packets of a client that none has are
// dropped; where another load balancer lets it in, its connection is reset, and it
// hears nothing, not even which load balancers there are. At the host's own
// address all answer unless it is guarded.
func TestPublishedAddressesAskWhoComes(t *testing.T) {
	r := newRig(t)
	r.cfg.Published = []string{"127.0.0.3"}
	first := &r.cfg.LoadBalancers[0]
	first.Public, first.Sources = true, []balancer.Source{source("127.0.1.0/24", r.port, r.port), source("127.0.2.0/24", r.port+1, 65535)}
	r.rules(balancer.Rule{ID: "default", Action: fixed(200, "first")})
	r.set()
	const web1, web2 = " web-1.test.elb.localhost", " web-2.test.elb.localhost"
	r.check("one", map[string]string{
		"127.0.1.1>127.0.0.3" + web1: "first", "127.0.2.1>127.0.0.3" + web1: "dropped", "127.0.9.1>127.0.0.3" + web1: "dropped",
		"127.0.0.1>127.0.0.1" + web1: "first",
	})
	r.another(source("127.0.2.0/24", 0, 65535))
	r.set()
	r.check("two", map[string]string{
		"127.0.1.1>127.0.0.3" + web1: "first", "127.0.1.1>127.0.0.3" + web2: "nothing", "127.0.2.1>127.0.0.3" + web2: "second",
		"127.0.2.1>127.0.0.3" + web1: "nothing", "127.0.9.1>127.0.0.3" + web2: "dropped",
		"127.0.1.1>127.0.0.3 other": "http://web-1.test.elb.localhost:" + strconv.Itoa(r.port) + "/\n",
	})
	r.cfg.LoadBalancers[0].Public = false
	r.set()
	r.check("one of two", map[string]string{"127.0.1.1>127.0.0.3" + web1: "dropped", "127.0.2.1>127.0.0.3" + web2: "second"})
	r.cfg.Published = nil
	r.set()
	r.check("none", map[string]string{"127.0.2.1>127.0.0.3" + web2: "no connection", "127.0.2.1>127.0.0.1" + web2: "second"})
}

// Two load balancers share a port of the host, and each has an address of its
// own there: any name leads to it, so that rules about names can be tried. A client
// of the host is asked as any other is; load balancers that are not public
// are not there at all.
func TestEachLoadBalancerHasAnAddressOfItsOwn(t *testing.T) {
	r := newRig(t)
	r.cfg.Guarded = true
	first := &r.cfg.LoadBalancers[0]
	first.Address, first.Public, first.Sources = "127.0.0.5", true, []balancer.Source{source("127.0.0.1/32", r.port, r.port)}
	r.rules(
		balancer.Rule{
			ID: "name", Conditions: []balancer.Condition{{Field: "host-header", Values: []string{"api.test"}}}, Action: fixed(200, "api"),
		},
		balancer.Rule{ID: "default", Action: fixed(200, "first")},
	)
	r.another(source("0.0.0.0/0", 0, 65535)).Address = "127.0.0.6"
	r.set()
	r.check("both", map[string]string{
		"127.0.0.1>127.0.0.5 any": "first", "127.0.0.1>127.0.0.5 api.test": "api", "127.0.0.1>127.0.0.6 any": "second",
		"127.0.0.1>127.0.0.1 web-1.test.elb.localhost": "first", "127.0.0.1>127.0.0.1 web-2.test.elb.localhost": "second",
		"127.0.9.1>127.0.0.5 any": "dropped", "127.0.9.1>127.0.0.1 web-2.test.elb.localhost": "second",
		"127.0.9.1>127.0.0.1 web-1.test.elb.localhost": "nothing",
	})
	r.cfg.LoadBalancers[1].Sources = nil
	r.cfg.LoadBalancers[0].Sources = nil
	r.set()
	r.check("all revoked", map[string]string{"127.0.0.1>127.0.0.1 web-1.test.elb.localhost": "dropped", "127.0.0.1>127.0.0.6 any": "dropped"})
	r.cfg.LoadBalancers[0].Sources = []balancer.Source{source("0.0.0.0/0", 0, 65535)}
	r.cfg.LoadBalancers[1].Public = false
	r.set()
	r.check("one let in again", map[string]string{
		"127.0.0.1>127.0.0.5 any": "first", "127.0.0.1>127.0.0.1 any": "first",
		"127.0.0.1>127.0.0.5 web-2.test.elb.localhost": "first",
		"127.0.0.1>127.0.0.1 web-2.test.elb.localhost": "http://web-1.test.elb.localhost:" + strconv.Itoa(r.port) + "/\n",
		"127.0.0.1>127.0.0.6 any":                      "no connection",
	})
}

// Who is connected stays connected when the rule goes that let it in.
func TestARevokedRuleCutsNobody(t *testing.T) {
	r := newRig(t)
	r.cfg.Guarded = true
	first := &r.cfg.LoadBalancers[0]
	first.Public, first.Sources = true, []balancer.Source{source("127.0.0.0/8", 0, 65535)}
	r.rules(balancer.Rule{ID: "default", Action: fixed(200, "first")})
	r.set()
	c, err := (&net.Dialer{}).DialContext(await.Context(t), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(await.Deadline(t))
	in := bufio.NewReader(c)
	for _, sources := range [][]balancer.Source{first.Sources, nil} {
		r.cfg.LoadBalancers[0].Sources = sources
		r.set()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%v: %v", sources, err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	r.check("the next one", map[string]string{"127.0.0.1>127.0.0.1 x": "dropped"})
}

// More rules than a socket's filter holds are asked after the connection is
// there.
func TestMoreSourcesThanAFilterHolds(t *testing.T) {
	r := newRig(t)
	r.cfg.Guarded = true
	first := &r.cfg.LoadBalancers[0]
	first.Public = true
	for i := range 600 {
		first.Sources = append(first.Sources, source(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()+"/32", 0, 65535))
	}
	r.rules(balancer.Rule{ID: "default", Action: fixed(200, "first")})
	r.set()
	r.check("many", map[string]string{"127.0.0.1>127.0.0.1 x": "nothing"})
}

// A port of a load balancer's own address that is taken is told of apart, with
// the port that answers there instead.
func TestAnOwnPortThatIsTaken(t *testing.T) {
	r := newRig(t)
	var lc net.ListenConfig
	other, err := lc.Listen(context.Background(), "tcp", "127.0.0.7:"+strconv.Itoa(r.port))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	r.cfg.LoadBalancers[0].Address = "127.0.0.7"
	r.rules(balancer.Rule{ID: "default", Action: fixed(200, "here")})
	r.set()
	rep := r.Report().Listeners
	if len(rep) != 1 || rep[0].Trouble != "" || rep[0].AnswersOn != 0 || !strings.Contains(rep[0].OwnTrouble, "cannot be listened on") {
		t.Fatalf("%+v", rep)
	}
	if r.port+10000 < 1<<16 {
		r.port += 10000
		if rep[0].OwnAnswersOn != r.port {
			t.Errorf("%+v", rep)
		}
		r.check("instead", map[string]string{"127.0.0.1>127.0.0.7 x": "here"})
	}
}

// A published address whose port is taken is told of as such: no other port
// answers there, and the host's own address goes on.
func TestAPublishedPortThatIsTaken(t *testing.T) {
	r := newRig(t)
	var lc net.ListenConfig
	other, err := lc.Listen(context.Background(), "tcp", "127.0.0.3:"+strconv.Itoa(r.port))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	r.cfg.Published, r.cfg.LoadBalancers[0].Public = []string{"127.0.0.3"}, true
	r.rules(balancer.Rule{ID: "default", Action: fixed(200, "here")})
	r.set()
	rep := r.Report().Listeners
	if len(rep) != 1 || rep[0].Trouble != "" || rep[0].AnswersOn != 0 ||
		!strings.Contains(rep[0].Unpublished["127.0.0.3"], "cannot be listened on") {
		t.Errorf("%+v", rep)
	}
	if got := r.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.HasSuffix(got, "here") {
		t.Errorf("%q", got)
	}
}
