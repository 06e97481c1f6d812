package hostnet_test

import (
	"net/netip"
	"strings"
	"testing"

	"berth/internal/fault"
	"berth/internal/hostnet"
	"berth/internal/hostnet/hostnettest"
	"berth/internal/kernel"
	"berth/internal/vpc"
)

// The host gets one device, one address and one table; the Internet's namespace
// gets the other end, and its default route.
func TestTheWayOutIsOneLinkOnTheHost(t *testing.T) {
	fake := kernel.NewFake()
	host, err := kernel.NewFake().Create("own", false) // no namespace of ours
	if err != nil {
		t.Fatal(err)
	}
	out := vpc.Out{Link: vpc.Link(3), Allow: []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")}}
	n := hostnet.New(fake, quiet)
	n.LeadOutBy(host, "berth1", out)
	for range 2 { // the second changes nothing
		if err := n.Set(t.Context(), vpc.Compile(hostnettest.World())); err != nil {
			t.Fatal(err)
		}
	}
	p, err := host.Look()
	if err != nil {
		t.Fatal(err)
	}
	text := p.String()
	if !strings.Contains(text, "link berth1\naddress 198.19.0.13/30 dev berth1\n") || strings.Contains(text, "route") || p.Revision == "" {
		t.Errorf("the host has\n%s", text)
	}
	inside, err := fake.Open(hostnet.Internet)
	if err != nil {
		t.Fatal(err)
	}
	p, err = inside.Look()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"link host\n", "address 198.19.0.14/30 dev host\n", "route 0.0.0.0/0 via 198.19.0.13 dev host\n"} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("no %q in\n%s", want, p)
		}
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

// A data folder's link is the same at every start, and none that the host has an
// address in.
func TestTheLinkIsOneThatTheHostHasNot(t *testing.T) {
	first := hostnet.FreeLink(nil, "/a")
	second := hostnet.FreeLink([]netip.Prefix{netip.PrefixFrom(first.Addr().Next(), 24)}, "/a")
	if again := hostnet.FreeLink(nil, "/a"); again != first || !vpc.LinkPool.Contains(first.Addr()) || first.Bits() != 30 {
		t.Errorf("%s, then %s", first, again)
	}
	if second.Overlaps(first) || !vpc.LinkPool.Contains(second.Addr()) {
		t.Errorf("%s and %s", first, second)
	}
}

// Who comes from the link is not let in to the host, but to what is allowed.
func TestTheHostIsNotReachedFromTheWayOut(t *testing.T) {
	f := hostnet.HostFilter("berth1", vpc.Out{Link: vpc.Link(0), Allow: []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")}})
	var text strings.Builder
	for _, c := range f.Chains {
		for _, r := range c.Rules {
			text.WriteString(c.Name + ": " + r.String() + "\n")
		}
	}
	for _, want := range []string{
		"input: iifname berth1 ip daddr 192.168.7.0/24 accept\ninput: iifname berth1 drop\n", "forward: oifname berth1 drop\n",
		"beyond: ip daddr 192.168.7.0/24 accept\nbeyond: ip daddr 0.0.0.0/8 drop\n", "beyond: ip daddr 192.168.0.0/16 drop\n",
		"depart: ip saddr 198.19.0.2/32 oifname != berth1 masquerade\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}

// A machine that cannot be a way out says why, and nothing is made there.
func TestAMachineThatIsNoWayOut(t *testing.T) {
	n := hostnet.New(kernel.NewFake(), quiet)
	if err := n.LeadOut("/no/data", nil); err != nil && !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if a, b := hostnet.OwnName("/a"), hostnet.OwnName("/b"); a == b || len(a) != 13 {
		t.Errorf("%s and %s", a, b)
	}
}
