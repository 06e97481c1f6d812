package resolver_test

import (
	"net/netip"
	"strings"
	"testing"

	"berth/internal/resolver"

	"github.com/miekg/dns"
)

func TestAnswers(t *testing.T) {
	addr := netip.MustParseAddr
	z := &resolver.Zone{
		Names: map[string][]netip.Addr{"ecs.ap-northeast-1.amazonaws.com": {addr("10.0.2.10"), addr("10.0.3.10")}},
		Patterns: []resolver.Pattern{
			{"*.dkr.ecr.ap-northeast-1.amazonaws.com", []netip.Addr{addr("10.0.2.11")}},
			{"ecs-a-*.ap-northeast-1.amazonaws.com", []netip.Addr{addr("10.0.2.12")}},
		},
		HostSuffixes: []string{"ap-northeast-1.compute.internal", "ec2.internal"}, Hosts: netip.MustParsePrefix("10.0.0.0/16"),
	}
	for _, c := range []struct {
		name  string
		typ   uint16
		want  string
		rcode int
	}{
		{"ECS.ap-northeast-1.amazonaws.com.", dns.TypeA, "10.0.3.10 10.0.2.10", dns.RcodeSuccess},
		{"ecs.ap-northeast-1.amazonaws.com.", dns.TypeAAAA, "", dns.RcodeSuccess},
		{"000000000000.dkr.ecr.ap-northeast-1.amazonaws.com.", dns.TypeA, "10.0.2.11", dns.RcodeSuccess},
		{"a.b.dkr.ecr.ap-northeast-1.amazonaws.com.", dns.TypeA, "", dns.RcodeNameError},
		{"ecs-a-12.ap-northeast-1.amazonaws.com.", dns.TypeA, "10.0.2.12", dns.RcodeSuccess},
		{"ecs-a-.ap-northeast-1.amazonaws.com.", dns.TypeA, "", dns.RcodeNameError},
		{"ecs-a-x.ap-northeast-1.amazonaws.com.", dns.TypeA, "", dns.RcodeNameError},
		{"ip-10-0-1-7.ap-northeast-1.compute.internal.", dns.TypeA, "10.0.1.7", dns.RcodeSuccess},
		{"ip-10-9-1-7.ap-northeast-1.compute.internal.", dns.TypeA, "", dns.RcodeNameError},
		{"ip-10-0-1-7.ec2.internal.", dns.TypeA, "10.0.1.7", dns.RcodeSuccess},
		{"ip-10-0-1-7.internal.", dns.TypeA, "", dns.RcodeNameError},
		{"7.1.0.10.in-addr.arpa.", dns.TypePTR, "ip-10-0-1-7.ap-northeast-1.compute.internal.", dns.RcodeSuccess},
		{"8.8.8.8.in-addr.arpa.", dns.TypePTR, "", dns.RcodeNameError},
		{"example.com.", dns.TypeA, "", dns.RcodeNameError},
	} {
		rrs, rcode := z.Answer(dns.Question{Name: c.name, Qtype: c.typ, Qclass: dns.ClassINET}, 1)
		var got []string
		for _, rr := range rrs {
			f := strings.Fields(rr.String())
			got = append(got, f[len(f)-1])
		}
		if s := strings.Join(got, " "); s != c.want || rcode != c.rcode {
			t.Errorf("%s %s: %q, %s", c.name, dns.TypeToString[c.typ], s, dns.RcodeToString[rcode])
		}
	}
}

// Proves: CM6
func TestPrivateDomainsAnswerAFewInTurn(t *testing.T) {
	var many []netip.Addr
	for i := range byte(10) {
		many = append(many, netip.AddrFrom4([4]byte{10, 0, 0, i}))
	}
	z := &resolver.Zone{
		Domains: []string{"shop.example"}, Records: map[string]resolver.Records{
			"web.shop.example":   {Addrs: many, AddrTTL: 60, Most: 8},
			"one.shop.example":   {Addrs: many, AddrTTL: 60, Most: 1},
			"a.srv.shop.example": {Addrs: many[:1], AddrTTL: 5, Most: 8},
			"srv.shop.example":   {Hosts: []resolver.Host{{"a.srv.shop.example", 8080}}, HostTTL: 5, Most: 8},
			"none.shop.example":  {Most: 8},
		},
	}
	ask := func(name string, kind uint16, turn uint32) ([]dns.RR, int) {
		return z.Answer(dns.Question{Name: name, Qtype: kind, Qclass: dns.ClassINET}, turn)
	}
	seen := map[string]bool{}
	for turn := range uint32(10) {
		rrs, _ := ask("web.shop.example.", dns.TypeA, turn)
		if len(rrs) != 8 || rrs[0].Header().Ttl != 60 {
			t.Fatalf("%v", rrs)
		}
		seen[rrs[0].(*dns.A).A.String()] = true
	}
	if len(seen) != 10 {
		t.Errorf("%d of 10 came first", len(seen))
	}
	for _, c := range []struct {
		name  string
		kind  uint16
		want  int
		rcode int
	}{
		{"ONE.shop.example.", dns.TypeA, 1, dns.RcodeSuccess}, {"one.shop.example.", dns.TypeSRV, 0, dns.RcodeSuccess},
		{"srv.shop.example.", dns.TypeSRV, 1, dns.RcodeSuccess}, {"srv.shop.example.", dns.TypeA, 0, dns.RcodeSuccess},
		{"a.srv.shop.example.", dns.TypeA, 1, dns.RcodeSuccess}, {"none.shop.example.", dns.TypeA, 0, dns.RcodeSuccess},
		{"shop.example.", dns.TypeA, 0, dns.RcodeSuccess}, {"lost.shop.example.", dns.TypeA, 0, dns.RcodeNameError},
		{"otshop.example.", dns.TypeA, 0, dns.RcodeNameError},
	} {
		if rrs, rcode := ask(c.name, c.kind, 3); len(rrs) != c.want || rcode != c.rcode {
			t.Errorf("%s %d: %v, %d", c.name, c.kind, rrs, rcode)
		}
	}
	rrs, _ := ask("srv.shop.example.", dns.TypeSRV, 0)
	if s := rrs[0].(*dns.SRV); s.Priority != 1 || s.Weight != 1 || s.Port != 8080 || s.Target != "a.srv.shop.example." || s.Hdr.Ttl != 5 {
		t.Errorf("%v", s)
	}
	delete(z.Records, "srv.shop.example")
	if rrs, rcode := ask("srv.shop.example.", dns.TypeA, 0); len(rrs) != 0 || rcode != dns.RcodeSuccess {
		t.Errorf("a name above another: %v, %d", rrs, rcode)
	}
}
