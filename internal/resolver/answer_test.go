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
