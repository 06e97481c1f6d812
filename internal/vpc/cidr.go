// Package vpc does the arithmetic of virtual private clouds: subnets and
// address leases, MAC addresses, the public names and addresses of services,
// the evaluation of routes and security groups, and the compilation of the
// records of model into HostNetwork, the whole network that a host should
// have, as a value that prints as text.
//
// Everything is a pure function of its arguments: no kernel, no clock, no
// chance, no lookups; so it may be called by anybody, from any goroutine.
package vpc

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Fixed addresses, as on AWS.
var (
	// Resolver answers DNS in every VPC and in the Internet, beside base+2.
	Resolver = netip.MustParseAddr("169.254.169.253")
	// Metadata is the instance metadata service, on each instance's lo.
	Metadata = netip.MustParseAddr("169.254.169.254")
	// TaskMetadata is the task metadata and credentials service, on each task's lo.
	TaskMetadata = netip.MustParseAddr("169.254.170.2")
)

// Ranges of the namespace that stands for the Internet. None is routed on the
// real one (RFC 2544, 5737, 6598), so a leak would go nowhere.
var (
	// PublicPool holds the public addresses that interfaces get by themselves.
	PublicPool = netip.MustParsePrefix("198.18.0.0/16")
	// ElasticPool holds the Elastic IPs that are allocated.
	ElasticPool = netip.MustParsePrefix("198.51.100.0/24")
	// ServicePool holds the addresses of the services' public names.
	ServicePool = netip.MustParsePrefix("203.0.113.0/24")
	// FunctionPool holds the addresses of functions outside a VPC.
	FunctionPool = netip.MustParsePrefix("100.64.0.0/16")
	// TransitPool holds one address for each VPC: what its traffic through a
	// gateway endpoint comes from.
	TransitPool = netip.MustParsePrefix("100.80.0.0/12")
)

// reserved is how many addresses at the start of a subnet AWS keeps: network,
// router, resolver, future use. The last one (broadcast) is kept as well.
const reserved = 4

// Offset is the n-th address of a prefix.
func Offset(p netip.Prefix, n uint32) netip.Addr {
	a := p.Masked().Addr().As4()
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])+n)
	return netip.AddrFrom4(a)
}

// Size is the number of addresses of an IPv4 prefix; /0 counts one less than
// it has.
func Size(p netip.Prefix) uint32 {
	if p.Bits() == 0 {
		return ^uint32(0)
	}
	return 1 << (32 - p.Bits())
}

// Gateway is a subnet's router: its first address after the network's.
func Gateway(subnet netip.Prefix) netip.Addr { return Offset(subnet, 1) }

// ResolverOf is a VPC's resolver: base plus two.
func ResolverOf(cidr netip.Prefix) netip.Addr { return Offset(cidr, 2) }

// Reserved reports whether AWS keeps an address of a subnet for itself.
func Reserved(subnet netip.Prefix, a netip.Addr) bool {
	if !subnet.Contains(a) {
		return true
	}
	n := distance(subnet, a)
	return n < reserved || n == Size(subnet)-1
}

// Usable is how many addresses of a subnet can be leased at all.
func Usable(subnet netip.Prefix) int64 { return max(0, int64(Size(subnet))-reserved-1) }

// Lease picks the lowest address of a subnet that is neither reserved nor
// taken; ok is false if the subnet is full.
func Lease(subnet netip.Prefix, taken map[netip.Addr]bool) (a netip.Addr, ok bool) {
	return lowest(subnet, reserved, taken)
}

// LeaseFrom is Lease for somebody who knows that all addresses below from are
// taken; the zero address is below all.
func LeaseFrom(subnet netip.Prefix, from netip.Addr, taken map[netip.Addr]bool) (a netip.Addr, ok bool) {
	n := uint32(reserved)
	if subnet.Contains(from) {
		n = max(n, distance(subnet, from))
	}
	return lowest(subnet, n, taken)
}

func distance(p netip.Prefix, a netip.Addr) uint32 {
	b, base := a.As4(), p.Masked().Addr().As4()
	return binary.BigEndian.Uint32(b[:]) - binary.BigEndian.Uint32(base[:])
}

// LeasePublic picks the lowest free address of one of the pools above.
func LeasePublic(pool netip.Prefix, taken map[netip.Addr]bool) (a netip.Addr, ok bool) {
	return lowest(pool, 1, taken)
}

// LeasePublicFrom is LeasePublic for somebody who knows that all addresses
// below from are taken; the zero address is below all.
func LeasePublicFrom(pool netip.Prefix, from netip.Addr, taken map[netip.Addr]bool) (a netip.Addr, ok bool) {
	n := uint32(1)
	if pool.Contains(from) {
		n = max(n, distance(pool, from))
	}
	return lowest(pool, n, taken)
}

func lowest(p netip.Prefix, from uint32, taken map[netip.Addr]bool) (netip.Addr, bool) {
	last := Size(p) - 1
	a := Offset(p, from)
	for n := from; n < last; n++ {
		if !taken[a] {
			return a, true
		}
		a = a.Next()
	}
	return netip.Addr{}, false
}

// ParseCIDR reads an IPv4 CIDR block without host bits.
func ParseCIDR(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("CIDR block %q: %w", s, err)
	}
	if !p.Addr().Is4() || p != p.Masked() {
		return p, fmt.Errorf("CIDR block %q is not an IPv4 network", s)
	}
	return p, nil
}

// Within reports whether inner lies wholly in outer.
func Within(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// MAC derives an interface's hardware address from its id: locally
// administered, unicast, and the same on every host.
func MAC(id string) string {
	h := sha256.Sum256([]byte(id))
	return fmt.Sprintf("0a:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4])
}

// number derives a stable 32-bit number from an id.
func number(id string) uint32 {
	h := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint32(h[:4])
}
