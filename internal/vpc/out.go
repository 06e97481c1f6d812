package vpc

import (
	"net/netip"
	"slices"
)

// Out is the way out of this machine, behind the namespace of the Internet.
type Out struct {
	// Link is the network of the link to the host's own namespace: the first
	// address is the host's end, the second the Internet's.
	Link netip.Prefix
	// Allow are networks that may be reached though they are Kept.
	Allow []netip.Prefix
}

// Host and Inside are the link's two ends.
func (o Out) Host() netip.Addr { return Offset(o.Link, 1) }

// Inside is the end in the namespace of the Internet.
func (o Out) Inside() netip.Addr { return Offset(o.Link, 2) }

// LinkPool holds the links to hosts, a /30 each: the half of RFC 2544's range
// that PublicPool leaves.
var LinkPool = netip.MustParsePrefix("198.19.0.0/16")

// Link is the nth network of LinkPool.
func Link(n uint32) netip.Prefix { return netip.PrefixFrom(Offset(LinkPool, n%(1<<14)*4), 30) }

// Kept are the networks that are not the Internet (RFC 6890): what is on this
// machine, on its links and in the office's own ranges is not reached unless it is
// allowed.
func Kept() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// Leads reports whether packets to an address leave this machine.
func (o *Out) Leads(to netip.Addr) bool {
	has := func(p netip.Prefix) bool { return p.Contains(to) }
	return o != nil && (slices.ContainsFunc(o.Allow, has) || !slices.ContainsFunc(Kept(), has))
}
