package vpc

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// Kinds of interfaces.
const (
	KindInstance     = "instance"
	KindTask         = "task"
	KindLoadBalancer = "loadbalancer"
	KindEndpoint     = "endpoint"
	KindNAT          = "nat"
	KindFunction     = "function"
	KindSlice        = "slice" // of a machine of Fargate, outside of VPCs
)

// HostNetwork is the whole network that a host should have. It is complete
// (nothing must be looked up to build it) and sorted, so that equal networks
// are equal values. String prints it.
type HostNetwork struct {
	Routers    []Router    // one for each VPC
	Interfaces []Interface // of all VPCs, and functions outside of them
	Services   []Service   // what answers in the namespace of the Internet
	// Out is the way out of this machine; nil is none.
	Out *Out
	// Problems are records that could not be compiled and were left out.
	Problems []string
}

// Router is a VPC: the namespace that its interfaces hang on.
type Router struct {
	ID   string
	CIDR netip.Prefix
	// Gateways are the router's own addresses, one for each subnet.
	Gateways []netip.Addr
	// Transit is what traffic through gateway endpoints comes from.
	Transit netip.Addr
	// DNS says that the resolver's addresses exist.
	DNS bool
	// Internet says that an internet gateway is attached.
	Internet bool
	Tables   []Table
	Groups   []Group
}

// Table is a route table without its local route, which all have.
type Table struct {
	ID string
	// Mark is the table's number in the kernel, unique in its VPC.
	Mark uint32
	Hops []Hop
}

// Ways out of a VPC.
const (
	ViaInternet  = "internet"  // the internet gateway: only with a public address
	ViaEndpoint  = "endpoint"  // a gateway endpoint
	ViaInterface = "interface" // a NAT gateway or another interface
	ViaNothing   = "blackhole"
)

// Hop is one route.
type Hop struct {
	To     netip.Prefix
	Via    string
	Target string     // igw-…, vpce-…, or the id of the interface
	Next   netip.Addr // address of the interface, for ViaInterface
}

// AnyProtocol is a Permit's Protocol that stands for all.
const AnyProtocol = -1

// Permit is one rule of a security group in numbers. For ICMP, From is the
// type and To the code, -1 for any.
type Permit struct {
	ID       string // the rule's id, for explanations
	Protocol int    // IP protocol number, or AnyProtocol
	From, To int    // ports; both -1 for any
	// Exactly one of Peer and Group says who.
	Peer  netip.Prefix
	Group string
}

// Group is a security group.
type Group struct {
	ID      string
	In, Out []Permit
}

// Interface is one network namespace with a device eth0.
type Interface struct {
	ID   string
	Kind string
	VPC  string // "" for a function outside a VPC
	// Address is eth0's, with the subnet's length.
	Address netip.Prefix
	Gateway netip.Addr
	MAC     string
	Public  netip.Addr // zero if none
	Table   string     // id of the route table
	Groups  []string   // sorted
}

// Equal reports whether two networks are the same.
func (h HostNetwork) Equal(o HostNetwork) bool {
	return slices.EqualFunc(h.Interfaces, o.Interfaces, Interface.Equal) && slices.Equal(h.Problems, o.Problems) &&
		reflect.DeepEqual(h.Routers, o.Routers) && reflect.DeepEqual(h.Services, o.Services) &&
		reflect.DeepEqual(h.Out, o.Out)
}

// Equal reports whether two interfaces are the same.
func (i Interface) Equal(o Interface) bool {
	return i.ID == o.ID && i.Kind == o.Kind && i.VPC == o.VPC && i.Address == o.Address && i.Gateway == o.Gateway && i.MAC == o.MAC &&
		i.Public == o.Public && i.Table == o.Table && slices.Equal(i.Groups, o.Groups)
}

// String prints the network, one thing a line.
func (h HostNetwork) String() string {
	var b strings.Builder
	for _, r := range h.Routers {
		r.print(&b)
	}
	for _, i := range h.Interfaces {
		b.WriteString(i.String() + "\n")
	}
	for _, s := range h.Services {
		fmt.Fprintf(&b, "service %s %s\n", s.Name, s.Address)
	}
	if h.Out != nil {
		fmt.Fprintf(&b, "out by %s allow %v\n", h.Out.Link, h.Out.Allow)
	}
	for _, p := range h.Problems {
		fmt.Fprintf(&b, "problem %s\n", p)
	}
	return b.String()
}

func (r Router) print(b *strings.Builder) {
	fmt.Fprintf(b, "vpc %s %s transit %s", r.ID, r.CIDR, r.Transit)
	flag(b, r.DNS, " dns")
	flag(b, r.Internet, " internet")
	b.WriteByte('\n')
	for _, g := range r.Gateways {
		fmt.Fprintf(b, "  router %s\n", g)
	}
	for _, t := range r.Tables {
		fmt.Fprintf(b, "  table %s mark %d\n", t.ID, t.Mark)
		for _, h := range t.Hops {
			fmt.Fprintf(b, "    %s\n", h)
		}
	}
	for _, g := range r.Groups {
		fmt.Fprintf(b, "  group %s\n", g.ID)
		for _, p := range g.In {
			fmt.Fprintf(b, "    in %s\n", p)
		}
		for _, p := range g.Out {
			fmt.Fprintf(b, "    out %s\n", p)
		}
	}
}

func flag(b *strings.Builder, on bool, s string) {
	if on {
		b.WriteString(s)
	}
}

// String prints a route.
func (h Hop) String() string {
	s := h.To.String() + " " + h.Via
	if h.Target != "" {
		s += " " + h.Target
	}
	if h.Next.IsValid() {
		s += " at " + h.Next.String()
	}
	return s
}

// String prints a rule in words.
func (p Permit) String() string {
	s := protocolName(p.Protocol)
	if p.From >= 0 {
		s += " " + ports(p)
	}
	if p.Group != "" {
		return s + " " + p.Group
	}
	return s + " " + p.Peer.String()
}

func ports(p Permit) string {
	if p.Protocol == 1 || p.From == p.To {
		return fmt.Sprint(p.From)
	}
	return fmt.Sprintf("%d-%d", p.From, p.To)
}

func protocolName(n int) string {
	switch n {
	case AnyProtocol:
		return "all"
	case 1:
		return "icmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	default:
		return fmt.Sprintf("protocol %d", n)
	}
}

// String prints an interface on one line.
func (i Interface) String() string {
	s := fmt.Sprintf("interface %s %s %s %s gateway %s mac %s", i.ID, i.Kind, or(i.VPC, "outside"), i.Address, i.Gateway, i.MAC)
	if i.Public.IsValid() {
		s += " public " + i.Public.String()
	}
	if i.Table != "" {
		s += " table " + i.Table
	}
	if len(i.Groups) > 0 {
		s += " groups " + strings.Join(i.Groups, ",")
	}
	return s
}

func or(s, t string) string {
	if s == "" {
		return t
	}
	return s
}
