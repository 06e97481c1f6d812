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
	if r, ok := z.Records[name]; ok {
		return r.answer(q, turn), dns.RcodeSuccess
	}
	if z.below(name) {
		return nil, dns.RcodeSuccess // an empty name between others
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

// answer has at most so many records of each type asked for, from another one on
// each turn.
func (r Records) answer(q dns.Question, turn uint32) (rrs []dns.RR) {
	h := header(q, dns.TypeA)
	h.Ttl = r.AddrTTL
	if q.Qtype == dns.TypeA || q.Qtype == dns.TypeANY {
		for i := range min(len(r.Addrs), r.Most) {
			rrs = append(rrs, &dns.A{Hdr: h, A: r.Addrs[(i+int(turn%uint32(len(r.Addrs))))%len(r.Addrs)].AsSlice()})
		}
	}
	h.Rrtype, h.Ttl = dns.TypeSRV, r.HostTTL
	if q.Qtype == dns.TypeSRV || q.Qtype == dns.TypeANY {
		for i := range min(len(r.Hosts), r.Most) {
			at := r.Hosts[(i+int(turn%uint32(len(r.Hosts))))%len(r.Hosts)]
			rrs = append(rrs, &dns.SRV{Hdr: h, Priority: 1, Weight: 1, Port: at.Port, Target: at.Name + "."})
		}
	}
	return rrs
}

// private reports whether a name is one of the zone's own domains, or below one.
func (z *Zone) private(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return slices.ContainsFunc(z.Domains, func(d string) bool { return name == d || strings.HasSuffix(name, "."+d) })
}

// below reports whether a name is a private domain, or stands above names that
// have records: it is there, and has nothing.
func (z *Zone) below(name string) bool {
	if !z.private(name) {
		return false
	}
	if slices.Contains(z.Domains, name) {
		return true
	}
	for other := range z.Records {
		if strings.HasSuffix(other, "."+name) {
			return true
		}
	}
	return false
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
