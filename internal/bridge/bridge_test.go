package bridge_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/bridge"
	"berth/internal/fault"
	"berth/internal/kernel"
)

var instance = netip.MustParsePrefix("10.0.0.5/24")

// services as an instance has them, on ports of the test's own.
var services = []bridge.Service{
	{At: netip.MustParseAddrPort("169.254.170.2:80"), Port: 51679}, {At: netip.MustParseAddrPort("169.254.169.254:80"), Port: 51677},
}

// machine is an instance with an interface, linked to a neighbour.
func machine(t *testing.T, spaces kernel.Spaces, containers kernel.Spaces, dir string) (*bridge.Net, kernel.Space) {
	t.Helper()
	own, err := spaces.Create("machine", false)
	if err != nil {
		t.Fatal(err)
	}
	near, err := spaces.Create("neighbour", false)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		own.AddLink(kernel.Link{Name: "eth0"}, near, kernel.Link{Name: "n0"}),
		own.AddAddress(kernel.Address{Dev: "eth0", Prefix: instance}),
		near.AddAddress(kernel.Address{Dev: "n0", Prefix: netip.MustParsePrefix("10.0.0.9/24")}), near.Close(),
	)
	if err != nil {
		t.Fatal(err)
	}
	busy := func(port int64, _ string) bool { return port == bridge.FirstPort+1 }
	return bridge.New(bridge.Deps{Dir: dir, Spaces: containers, Own: own, Services: services, Busy: busy}), own
}

func attach(t *testing.T, n *bridge.Net, id string, ports ...bridge.Port) bridge.End {
	t.Helper()
	e, err := n.Attach(id, ports)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func said(e bridge.End) string {
	s := e.Address.String()
	for _, p := range e.Ports {
		s += fmt.Sprintf(" %d>%d/%s", p.Host, p.Container, p.Protocol)
	}
	return s
}

// suite is what holds on every kernel.
func suite(t *testing.T, n *bridge.Net, own kernel.Space, containers kernel.Spaces) {
	web := bridge.Port{Container: 80, Protocol: "tcp"}
	got := []string{
		said(attach(t, n, "a", web)), said(attach(t, n, "b", web, bridge.Port{Container: 53, Protocol: "udp"})),
		said(attach(t, n, "a")), // again
		said(attach(t, n, "c", bridge.Port{Container: 80, Host: 8080, Protocol: "tcp"})),
	}
	want := []string{"172.17.0.2 32768>80/tcp", "172.17.0.3 32770>80/tcp 32768>53/udp", "172.17.0.2 32768>80/tcp", "172.17.0.4 8080>80/tcp"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	_, err := n.Attach("d", []bridge.Port{{Container: 81, Host: 8080, Protocol: "tcp"}})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "Bind for 0.0.0.0:8080 failed: port is already allocated") {
		t.Errorf("a port that is taken: %v", err)
	}
	if err := n.Alone("lonely"); err != nil {
		t.Error(err)
	}
	names, err := containers.Names()
	if d := cmp.Diff([]string{"a", "b", "c", "lonely"}, inside(names)); d != "" || err != nil {
		t.Error(d, err)
	}
	p, err := own.Look()
	links := slices.DeleteFunc(p.Links, func(l kernel.Link) bool { return !strings.HasPrefix(l.Name, "veth") })
	if err != nil || len(links) != 3 || p.Revision == "" {
		t.Errorf("%s%v", p, err)
	}
	for _, id := range []string{"a", "b", "c", "lonely", "a", "never"} {
		if err := n.Detach(id); err != nil {
			t.Error(err)
		}
	}
	if names, _ := containers.Names(); len(inside(names)) > 0 {
		t.Errorf("left: %v", names)
	}
	if e := attach(t, n, "e", web); said(e) != "172.17.0.2 32768>80/tcp" {
		t.Errorf("what was given back is not used again: %s", said(e))
	}
	if err := n.Detach("e"); err != nil {
		t.Error(err)
	}
}

// inside leaves out what the test made.
func inside(names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return n == "machine" || n == "neighbour" })
}

// Proves: E119, E120
func TestTheTwin(t *testing.T) {
	k := kernel.NewFake()
	n, own := machine(t, k, k, "/netns")
	suite(t, n, own, k)
	if n.Path("a") != "/netns/a" {
		t.Error(n.Path("a"))
	}
}

// Proves: E120
func TestTheFilterOfAnInstance(t *testing.T) {
	f := bridge.Filter(instance.Addr(), services[:1], []bridge.End{{
		ID: "a", Address: netip.MustParseAddr("172.17.0.2"), Ports: []bridge.Port{{Container: 80, Host: 32768, Protocol: "tcp"}},
	}})
	want := `chain arrive (nat prerouting -100, else accept)
  iifname docker0 ip daddr 169.254.170.2/32 ip protocol 6 dport 80 dnat to 169.254.170.2:51679
  ip daddr 10.0.0.5/32 ip protocol 6 dport 32768 dnat to 172.17.0.2:80
chain depart (nat postrouting 100, else accept)
  ip saddr 172.17.0.0/16 oifname != docker0 snat to 10.0.0.5
  ip saddr 172.17.0.0/16 oifname docker0 ct status dnat snat to 172.17.0.1
chain forward (filter forward 0, else drop)
  ct state established,related accept
  ct state invalid drop
  iifname docker0 accept
  oifname docker0 ip daddr 172.17.0.2/32 ip protocol 6 dport 80 ct status dnat accept
chain own (nat output -100, else accept)
  ip daddr 10.0.0.5/32 ip protocol 6 dport 32768 dnat to 172.17.0.2:80
`
	if d := cmp.Diff(want, f.String()); d != "" {
		t.Error(d)
	}
}

// Who starts again tells of what runs: it keeps its place, and what is made
// beside it leaves its ports as they are.
func TestKeptEndsKeepTheirPlace(t *testing.T) {
	k := kernel.NewFake()
	n, own := machine(t, k, k, "")
	old := attach(t, n, "a", bridge.Port{Container: 80, Protocol: "tcp"})
	again := bridge.New(bridge.Deps{Spaces: k, Own: own, Busy: func(int64, string) bool { return false }})
	again.Keep(old)
	if e := attach(t, again, "b", bridge.Port{Container: 80, Protocol: "tcp"}); said(e) != "172.17.0.3 32769>80/tcp" {
		t.Error(said(e))
	}
	if e := attach(t, again, "a"); said(e) != said(old) {
		t.Error(said(e))
	}
}

// What cannot be made is taken away whole.
func TestAFailureLeavesNothing(t *testing.T) {
	k := kernel.NewFake()
	n, _ := machine(t, k, k, "")
	k.FailWith(func(verb, _ string) error {
		if verb == "filter" {
			return errors.New("no")
		}
		return nil
	})
	if _, err := n.Attach("a", nil); err == nil {
		t.Fatal("no error")
	}
	k.FailWith(nil)
	if names, _ := k.Names(); len(inside(names)) > 0 {
		t.Errorf("left: %v", names)
	}
	if e := attach(t, n, "b"); said(e) != "172.17.0.2" {
		t.Error(said(e))
	}
}
