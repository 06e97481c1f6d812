package resolver_test

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"berth/internal/resolver"
)

// FuzzAnswer holds that whatever is asked is answered with what can be sent.
func FuzzAnswer(f *testing.F) {
	for _, name := range []string{
		"ecs.example.", "1.ecr.example.", "ecs-a-1.example.", "ip-10-0-1-7.ec2.internal.", "7.1.0.10.in-addr.arpa.", "..", "",
	} {
		f.Add(name, dns.TypeA)
		f.Add(name, dns.TypePTR)
	}
	here := []netip.Addr{netip.MustParseAddr("10.0.2.10")}
	z := &resolver.Zone{
		Names: map[string][]netip.Addr{"ecs.example": here}, Patterns: []resolver.Pattern{{"*.ecr.example", here}, {"ecs-a-*.example", here}},
		HostSuffixes: []string{"ec2.internal"}, Hosts: netip.MustParsePrefix("10.0.0.0/16"),
	}
	f.Fuzz(func(t *testing.T, name string, kind uint16) {
		q := dns.Question{Name: name, Qtype: kind, Qclass: dns.ClassINET}
		if _, err := (&dns.Msg{Question: []dns.Question{q}}).Pack(); err != nil {
			return // it could not have come
		}
		rrs, _ := z.Answer(q, 1)
		if _, err := (&dns.Msg{Question: []dns.Question{q}, Answer: rrs}).Pack(); err != nil {
			t.Errorf("%q: %v: %v", name, rrs, err)
		}
	})
}
