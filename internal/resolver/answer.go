package resolver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// ttl of every answer, in seconds: short, since a name's addresses come and go
// with interfaces.
const ttl = 10

// Answer answers one question; turn rotates lists of addresses. A name that
// exists without what is asked for has no error and no records.
func (z *Zone) Answer(q dns.Question, turn uint32) (rrs []dns.RR, rcode int) {
	if q.Qclass != dns.ClassINET {
		return nil, dns.RcodeRefused
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name, "."))
	if host, ok := z.reverse(name); ok {
		if q.Qtype == dns.TypePTR {
			rrs = append(rrs, &dns.PTR{Hdr: header(q, dns.TypePTR), Ptr: host + "."})
		}
		return rrs, dns.RcodeSuccess
	}
	addrs, ok := z.find(name)
	if !ok {
		return nil, dns.RcodeNameError
	}
	if q.Qtype == dns.TypeA || q.Qtype == dns.TypeANY {
		for i := range addrs {
			a := addrs[(i+int(turn%uint32(len(addrs))))%len(addrs)]
			rrs = append(rrs, &dns.A{Hdr: header(q, dns.TypeA), A: a.AsSlice()})
		}
	}
	return rrs, dns.RcodeSuccess
}

func header(q dns.Question, typ uint16) dns.RR_Header {
	return dns.RR_Header{Name: q.Name, Rrtype: typ, Class: dns.ClassINET, Ttl: ttl}
}

// find looks a name up: exact ones, then patterns in their order, then the
// names that are made of an address.
func (z *Zone) find(name string) ([]netip.Addr, bool) {
	if a, ok := z.Names[name]; ok {
		return a, true
	}
	for _, p := range z.Patterns {
		if p.covers(name) {
			return p.Addrs, true
		}
	}
	host, suffix, _ := strings.Cut(name, ".")
	if digits, ok := strings.CutPrefix(host, "ip-"); ok && slices.Contains(z.HostSuffixes, suffix) {
		a, err := netip.ParseAddr(strings.ReplaceAll(digits, "-", "."))
		if err == nil && z.Hosts.Contains(a) {
			return []netip.Addr{a}, true
		}
	}
	return nil, false
}

// HostName is the name that is made of an address: ip-10-0-0-1.SUFFIX.
func HostName(a netip.Addr, suffix string) string {
	return "ip-" + strings.ReplaceAll(a.String(), ".", "-") + "." + suffix
}

// reverse reads 4.3.2.1.in-addr.arpa for an address of the zone's own.
func (z *Zone) reverse(name string) (string, bool) {
	s, ok := strings.CutSuffix(name, ".in-addr.arpa")
	p := strings.Split(s, ".")
	if !ok || len(p) != 4 {
		return "", false
	}
	a, err := netip.ParseAddr(fmt.Sprintf("%s.%s.%s.%s", p[3], p[2], p[1], p[0]))
	if err != nil || len(z.HostSuffixes) == 0 || !z.Hosts.Contains(a) {
		return "", false
	}
	return HostName(a, z.HostSuffixes[0]), true
}

// covers: "*." at the start stands for one label, "*" elsewhere for digits.
func (p Pattern) covers(name string) bool {
	if rest, ok := strings.CutPrefix(p.Pattern, "*."); ok {
		label, tail, found := strings.Cut(name, ".")
		return found && label != "" && tail == rest
	}
	head, tail, ok := strings.Cut(p.Pattern, "*")
	mid, starts := strings.CutPrefix(name, head)
	mid, ends := strings.CutSuffix(mid, tail)
	return ok && starts && ends && mid != "" && strings.Trim(mid, "0123456789") == ""
}
