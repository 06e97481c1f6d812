//go:build root

package hostnet_test

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/internal/fault"
	"berth/internal/hostnet"
	"berth/internal/hostnet/hostnettest"
	"berth/internal/kernel"
	"berth/internal/model"
	"berth/internal/vpc"
)

// The stage: a namespace that plays the host, one that plays what is beyond it,
// on the Internet and in the office.
const (
	beyondAddress = "8.8.8.8"
	hostAddress   = "8.8.8.2"
	officeAddress = "192.168.7.9"
	data          = "/a/data/folder"
)

var defaultRoute = kernel.Route{
	Table: kernel.MainTable, To: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr(beyondAddress), Dev: "wan",
}

// stage is a namespace that plays the host; its default route leads to another.
type stage struct {
	*realHost
	host, beyond *kernel.Netns
}

func newStage(t *testing.T) *stage {
	t.Helper()
	h := start(t)
	spaces, err := kernel.NewLinux(filepath.Join(t.TempDir(), "stage"), 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{realHost: h}
	var open []kernel.Space
	for _, name := range []string{"host", "beyond"} {
		x, err := spaces.Create(name, false)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, x)
		n, err := kernel.OpenNetns(spaces.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		if s.host == nil {
			s.host = n
		} else {
			s.beyond = n
		}
	}
	t.Cleanup(func() {
		for i, n := range []*kernel.Netns{s.host, s.beyond} {
			_ = n.Close()
			_ = open[i].Close()
			_ = spaces.Delete(filepath.Base(n.Path()))
		}
		_ = spaces.Release()
	})
	link := kernel.Link{Name: "wan"}
	for _, err := range []error{
		open[0].AddLink(link, open[1], link),
		open[0].AddAddress(kernel.Address{Dev: "wan", Prefix: netip.MustParsePrefix(hostAddress + "/24")}),
		open[0].AddAddress(kernel.Address{Dev: "wan", Prefix: netip.MustParsePrefix("192.168.7.2/24")}),
		open[1].AddAddress(kernel.Address{Dev: "wan", Prefix: netip.MustParsePrefix(beyondAddress + "/24")}),
		open[1].AddAddress(kernel.Address{Dev: "wan", Prefix: netip.MustParsePrefix(officeAddress + "/24")}),
		// Who beyond knows the way in is not let in.
		open[1].AddRoute(kernel.Route{Table: kernel.MainTable, To: vpc.PublicPool, Via: netip.MustParseAddr(hostAddress), Dev: "wan"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// on runs something as a process of the host that is played would.
func (s *stage) on(fn func() error) {
	s.t.Helper()
	if err := s.host.Do(fn); err != nil {
		s.t.Fatal(err)
	}
}

// own does something with the namespace that plays the host.
func (s *stage) own(name string, fn func(o *kernel.Own) error) {
	s.t.Helper()
	s.on(func() error {
		o, err := kernel.OpenOwn(name)
		if err != nil {
			return err
		}
		defer func() { _ = o.Close() }()
		return fn(o)
	})
}

// picture is all that the host which is played has: links, addresses, routes,
// rules, another program's table, and the names of all tables.
func (s *stage) picture() string {
	s.t.Helper()
	var text string
	s.own("other", func(o *kernel.Own) error {
		p, err := o.Look()
		if err != nil {
			return err
		}
		tables, err := o.Tables()
		text = p.String() + strings.Join(tables, "\n")
		return err
	})
	return text
}

// listens accepts connections of all addresses there.
func (s *stage) listens(n *kernel.Netns, port string) {
	s.t.Helper()
	l, err := n.Listen(s.t.Context(), "tcp4", net.JoinHostPort("0.0.0.0", port))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = l.Close() })
}

// reaches tries a connection.
func (s *stage) reaches(why string, from *kernel.Netns, to string, want bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), wait(s.t, want))
	defer cancel()
	c, err := from.DialContext(ctx, "tcp", to)
	if err == nil {
		_ = c.Close()
	}
	if (err == nil) != want {
		s.t.Errorf("%s: to %s: %v", why, to, err)
	}
}

// lead has the network lead out and sets it.
func (s *stage) lead(allow ...netip.Prefix) {
	s.t.Helper()
	s.on(func() error {
		if err := s.net.LeadOut(data, allow); err != nil {
			return err
		}
		return s.net.Set(s.t.Context(), vpc.Compile(hostnettest.World()))
	})
}

// What passes an internet gateway or a NAT gateway gets out of the host, as
// vpc.Reach says, and nothing else does; the office and the host itself are not
// reached, and nobody comes in. Afterwards the host is as it was, to the last rule.
func TestTheWayOutLeadsThroughTheHost(t *testing.T) {
	s := newStage(t)
	s.on(func() error {
		if err := s.net.LeadOut(data, nil); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "no default route") {
			t.Errorf("without a default route: %v", err)
		}
		return nil
	})
	s.own("other", func(o *kernel.Own) error {
		beside := kernel.Filter{Chains: []kernel.Chain{{Name: "forward", Hook: "forward", Rules: []kernel.FilterRule{{kernel.Accept()}}}}}
		if err := o.SetFilter(nil, beside); err != nil {
			return err
		}
		return o.AddRoute(defaultRoute)
	})
	s.on(func() error {
		if err := s.net.LeadOut(data, nil); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "net.ipv4.ip_forward=1") {
			t.Errorf("without forwarding: %v", err)
		}
		return nil
	})
	s.own("other", func(o *kernel.Own) error { return o.SetSysctl("ipv4/ip_forward", "1") })
	before := s.picture()
	s.listens(s.beyond, "80")
	s.listens(s.host, "80")
	s.lead()
	h := vpc.Compile(hostnettest.World())
	h.Out = &vpc.Out{}
	for _, n := range hostnettest.World().Interfaces {
		if slices.Contains([]string{vpc.KindNAT}, n.Kind) {
			continue
		}
		inside := s.open(n.ID)
		for _, to := range []string{beyondAddress, officeAddress, "192.168.7.2"} {
			want := h.Reach(n.ID, netip.MustParseAddr(to), vpc.Flow{Protocol: 6, Port: 80}).Open
			s.reaches(n.ID, inside, to+":80", want)
		}
		s.reaches(n.ID+" to the host", inside, hostAddress+":80", false)
		_ = inside.Close()
	}
	s.comesIn()
	s.lead(netip.MustParsePrefix("192.168.7.0/24"))
	inside := s.open("eni-a-t1")
	s.reaches("what is allowed", inside, officeAddress+":80", true)
	s.reaches("the host, which is allowed", inside, "192.168.7.2:80", true)
	s.reaches("the host's other address", inside, hostAddress+":80", false)
	_ = inside.Close()
	s.on(func() error { return hostnet.ShutOut(data) })
	if after := s.picture(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	s.on(func() error { return hostnet.ShutOut(data) }) // again
}

// comesIn tries a public load balancer from beyond the host.
func (s *stage) comesIn() {
	s.t.Helper()
	alb := s.open("eni-a-alb")
	defer alb.Close()
	l, err := alb.Listen(s.t.Context(), "tcp4", "0.0.0.0:80")
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	function := s.open("eni-f-1")
	defer function.Close()
	s.reaches("a load balancer from the Internet that is played inside", function, "198.18.0.1:80", true)
	s.reaches("a load balancer from beyond the host", s.beyond, "198.18.0.1:80", false)
}

// A server that starts again with the way out adopts the network and makes the
// link anew; one that starts without it takes the rest away.
func TestTheWayOutAfterARestart(t *testing.T) {
	s := newStage(t)
	s.own("other", func(o *kernel.Own) error {
		if err := o.AddRoute(defaultRoute); err != nil {
			return err
		}
		return o.SetSysctl("ipv4/ip_forward", "1")
	})
	before := s.picture()
	s.listens(s.beyond, "80")
	s.lead()
	for range 2 {
		s.net = hostnet.New(s.spaces, quiet)
		s.lead()
		inside := s.open("eni-a-t1")
		s.reaches("after a restart", inside, beyondAddress+":80", true)
		_ = inside.Close()
	}
	s.net = hostnet.New(s.spaces, quiet)
	s.on(func() error {
		if err := hostnet.ShutOut(data); err != nil {
			return err
		}
		world := hostnettest.World()
		world.Interfaces = slices.DeleteFunc(world.Interfaces, func(n model.NetworkInterface) bool { return n.ID == "eni-b-t1" })
		return s.net.Set(t.Context(), vpc.Compile(world))
	})
	inside := s.open("eni-a-t1")
	defer inside.Close()
	s.reaches("without the way out", inside, beyondAddress+":80", false)
	if after := s.picture(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}
