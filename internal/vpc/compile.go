package vpc

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"berth/internal/model"
)

// Snapshot is the part of the state that a network is made of.
type Snapshot struct {
	Region      string
	VPCs        []model.VPC
	Subnets     []model.Subnet
	RouteTables []model.RouteTable
	Gateways    []model.InternetGateway
	NATs        []model.NATGateway
	Groups      []model.SecurityGroup
	Endpoints   []model.VPCEndpoint
	Addresses   []model.Address
	Interfaces  []model.NetworkInterface
}

// internetGateway is the next hop of functions outside a VPC: an address on
// their link that exists in no network.
var internetGateway = netip.MustParseAddr("169.254.255.1")

// Compile makes the host's network of a snapshot. A record that makes no
// sense is left out and named in Problems; the rest stands.
func Compile(s Snapshot) HostNetwork {
	c, transit := newCompiler(s), Transit(s.VPCs)
	var h HostNetwork
	for _, v := range sorted(s.VPCs, func(v model.VPC) string { return v.ID }) {
		if r, ok := c.router(v, transit[v.ID]); ok {
			h.Routers = append(h.Routers, r)
		}
	}
	for _, n := range sorted(s.Interfaces, func(n model.NetworkInterface) string { return n.ID }) {
		if i, ok := c.iface(n); ok {
			h.Interfaces = append(h.Interfaces, i)
		}
	}
	h.Services, h.Problems = Internet(s.Region), c.problems
	return h
}

// CompileRouter makes the router of one VPC as Compile does; ok is false if
// there is none. The snapshot may leave out what is other VPCs', and
// interfaces that no route of this one leads to.
func CompileRouter(s Snapshot, v model.VPC, transit netip.Addr) (r Router, ok bool, problems []string) {
	c := newCompiler(s)
	r, ok = c.router(v, transit)
	return r, ok, c.problems
}

// CompileInterface makes one interface as Compile does; ok is false if there
// is none. The snapshot may leave out all but its subnet, its VPC with the
// route tables, and its address.
func CompileInterface(s Snapshot, n model.NetworkInterface) (i Interface, ok bool, problems []string) {
	c := newCompiler(s)
	i, ok = c.iface(n)
	return i, ok, c.problems
}

// Transit is what each VPC's traffic through gateway endpoints comes from.
func Transit(vpcs []model.VPC) map[string]netip.Addr {
	out := map[string]netip.Addr{}
	for id, n := range spread(ids(vpcs, func(v model.VPC) string { return v.ID }), Size(TransitPool)-2) {
		out[id] = Offset(TransitPool, n+1)
	}
	return out
}

type compiler struct {
	Snapshot
	cidrs      map[string]netip.Prefix // by subnet
	interfaces map[string]model.NetworkInterface
	elastic    map[string]model.Address // by interface
	tables     map[string]string        // by subnet
	problems   []string
}

func newCompiler(s Snapshot) *compiler {
	c := &compiler{
		Snapshot: s, cidrs: map[string]netip.Prefix{},
		interfaces: byID(s.Interfaces, func(n model.NetworkInterface) string { return n.ID }),
		elastic:    byID(s.Addresses, func(a model.Address) string { return a.ENI }), tables: map[string]string{},
	}
	for _, n := range s.Subnets {
		c.tables[n.ID] = RouteTableOf(s, n)
		if p, err := ParseCIDR(n.CIDR); err == nil {
			c.cidrs[n.ID] = p
		}
	}
	return c
}

func (c *compiler) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *compiler) router(v model.VPC, transit netip.Addr) (Router, bool) {
	cidr, err := ParseCIDR(v.CIDR)
	if err != nil {
		c.problem("vpc %s: %v", v.ID, err)
		return Router{}, false
	}
	r := Router{ID: v.ID, CIDR: cidr, Transit: transit, DNS: v.DNSSupport}
	r.Internet = slices.ContainsFunc(c.Gateways, func(g model.InternetGateway) bool { return g.VPC == v.ID })
	for _, n := range sorted(c.Subnets, func(n model.Subnet) string { return n.ID }) {
		if n.VPC != v.ID {
			continue
		}
		p, err := ParseCIDR(n.CIDR)
		if err != nil || !Within(cidr, p) {
			c.problem("subnet %s: CIDR block %q is not in %s", n.ID, n.CIDR, cidr)
			continue
		}
		r.Gateways = append(r.Gateways, Gateway(p))
	}
	tables := slices.DeleteFunc(sorted(c.RouteTables, func(t model.RouteTable) string { return t.ID }), func(t model.RouteTable) bool {
		return t.VPC != v.ID
	})
	marks := spread(ids(tables, func(t model.RouteTable) string { return t.ID }), 1<<24)
	for _, t := range tables {
		r.Tables = append(r.Tables, Table{ID: t.ID, Mark: firstMark + marks[t.ID], Hops: c.hops(r, t)})
	}
	for _, g := range sorted(c.Groups, func(g model.SecurityGroup) string { return g.ID }) {
		if g.VPC == v.ID {
			r.Groups = append(r.Groups, c.group(g))
		}
	}
	return r, true
}

// firstMark keeps route tables clear of the kernel's own (253 to 255).
const firstMark = 1 << 12

func (c *compiler) hops(r Router, t model.RouteTable) []Hop {
	var out []Hop
	for _, e := range sorted(c.Endpoints, func(e model.VPCEndpoint) string { return e.ID }) {
		if e.Type == "Gateway" && e.VPC == r.ID && slices.Contains(e.RouteTables, t.ID) && e.State != model.EndpointDeleting {
			if s, ok := ServiceNamed(c.Region, e.ServiceName); ok && s.Gateway {
				out = append(out, Hop{To: netip.PrefixFrom(s.Address, 32), Via: ViaEndpoint, Target: e.ID})
			} else {
				c.problem("endpoint %s: %s has no gateway", e.ID, e.ServiceName)
			}
		}
	}
	for _, route := range t.Routes {
		if route.Target == "local" || strings.HasPrefix(route.Target, "vpce-") {
			continue // all have the first; the second comes with the endpoint
		}
		h, err := c.hop(r, route)
		if err != nil {
			c.problem("route table %s: %v", t.ID, err)
			continue
		}
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b Hop) int { return cmp.Or(b.To.Bits()-a.To.Bits(), a.To.Addr().Compare(b.To.Addr())) })
	return out
}

func (c *compiler) hop(r Router, route model.Route) (Hop, error) {
	to, err := ParseCIDR(route.Destination)
	if err != nil {
		return Hop{}, fmt.Errorf("route: %w", err)
	}
	h := Hop{To: to, Via: ViaNothing, Target: route.Target}
	kind, _, _ := strings.Cut(route.Target, "-")
	switch kind {
	case "igw":
		if slices.ContainsFunc(c.Gateways, func(g model.InternetGateway) bool { return g.ID == route.Target && g.VPC == r.ID }) {
			h.Via = ViaInternet
		}
	case "nat":
		for _, n := range c.Interfaces {
			if n.Kind == KindNAT && n.Owner == route.Target && n.VPC == r.ID {
				return c.through(h, n)
			}
		}
	case "eni":
		if n, ok := c.interfaces[route.Target]; ok && n.VPC == r.ID {
			return c.through(h, n)
		}
	default:
		return Hop{}, fmt.Errorf("route to %s: target %q is of no kind that Berth has", to, route.Target)
	}
	return h, nil
}

func (c *compiler) through(h Hop, n model.NetworkInterface) (Hop, error) {
	next, err := netip.ParseAddr(n.IP)
	h.Via, h.Target, h.Next = ViaInterface, n.ID, next
	return h, err
}

func (c *compiler) group(g model.SecurityGroup) Group {
	out := Group{ID: g.ID}
	for _, rule := range g.Rules {
		permits, err := c.permits(rule)
		if err != nil {
			c.problem("security group %s rule %s: %v", g.ID, rule.ID, err)
		}
		if rule.Egress {
			out.Out = append(out.Out, permits...)
		} else {
			out.In = append(out.In, permits...)
		}
	}
	order := func(a, b Permit) int {
		return cmp.Or(strings.Compare(a.String(), b.String()), strings.Compare(a.ID, b.ID))
	}
	slices.SortFunc(out.In, order)
	slices.SortFunc(out.Out, order)
	return out
}

// permits reads a rule; one about IPv6 permits nothing, since there is none.
func (c *compiler) permits(rule model.SecurityRule) ([]Permit, error) {
	p := Permit{ID: rule.ID, From: int(rule.FromPort), To: int(rule.ToPort), Group: rule.Group}
	var err error
	if p.Protocol, err = ProtocolNumber(rule.Protocol); err != nil {
		return nil, err
	}
	if p.Protocol != 1 && p.Protocol != 6 && p.Protocol != 17 {
		p.From, p.To = -1, -1
	}
	switch {
	case rule.Group != "":
		return []Permit{p}, nil
	case rule.PrefixList != "":
		s, ok := PrefixListService(c.Region, rule.PrefixList)
		if !ok {
			return nil, fmt.Errorf("prefix list %s is not known", rule.PrefixList)
		}
		p.Peer = netip.PrefixFrom(s.Address, 32)
		return []Permit{p}, nil
	case rule.CIDR != "":
		peer, err := netip.ParsePrefix(rule.CIDR)
		p.Peer = peer.Masked()
		return []Permit{p}, err
	}
	return nil, nil
}

// ProtocolNumber reads the protocol of a rule as EC2 writes it.
func ProtocolNumber(s string) (int, error) {
	switch s {
	case "-1", "all":
		return AnyProtocol, nil
	case "tcp":
		return 6, nil
	case "udp":
		return 17, nil
	case "icmp":
		return 1, nil
	case "icmpv6":
		return 58, nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("protocol %q is not known", s)
	}
	return int(n), nil
}

func (c *compiler) iface(n model.NetworkInterface) (Interface, bool) {
	ip, err := netip.ParseAddr(n.IP)
	if err != nil || !ip.Is4() {
		c.problem("interface %s: address %q", n.ID, n.IP)
		return Interface{}, false
	}
	i := Interface{ID: n.ID, Kind: n.Kind, VPC: n.VPC, MAC: n.MAC, Groups: slices.Compact(slices.Sorted(slices.Values(n.SecurityGroups)))}
	if n.VPC == "" {
		i.Address, i.Gateway = netip.PrefixFrom(ip, 32), internetGateway
		return i, true
	}
	p, ok := c.cidrs[n.Subnet]
	if !ok || Reserved(p, ip) {
		c.problem("interface %s: %s is no address of subnet %s", n.ID, n.IP, n.Subnet)
		return Interface{}, false
	}
	i.Address, i.Gateway = netip.PrefixFrom(ip, p.Bits()), Gateway(p)
	i.Table = c.tables[n.Subnet]
	i.Public = c.public(n)
	return i, true
}

// public is the interface's public address: an Elastic IP, or its own.
func (c *compiler) public(n model.NetworkInterface) netip.Addr {
	s := n.PublicIP
	if a, ok := c.elastic[n.ID]; ok {
		s = a.PublicIP
	}
	ip, _ := netip.ParseAddr(s)
	return ip
}

// RouteTableOf is the route table that a subnet uses: its own, or the main one.
func RouteTableOf(s Snapshot, n model.Subnet) string {
	main := ""
	for _, t := range s.RouteTables {
		for _, a := range t.Associations {
			if a.Subnet == n.ID {
				return t.ID
			}
		}
	}
	for _, v := range s.VPCs {
		if v.ID == n.VPC {
			main = v.MainRouteTable
		}
	}
	return main
}

func byID[T any](in []T, id func(T) string) map[string]T {
	m := make(map[string]T, len(in))
	for _, v := range in {
		m[id(v)] = v
	}
	return m
}

func ids[T any](in []T, id func(T) string) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = id(v)
	}
	slices.Sort(out)
	return out
}

func sorted[T any](in []T, id func(T) string) []T {
	out := slices.Clone(in)
	slices.SortFunc(out, func(a, b T) int { return strings.Compare(id(a), id(b)) })
	return out
}

// spread gives each id a number below size that depends on little but the id,
// so that others coming and going do not move it.
func spread(ids []string, size uint32) map[string]uint32 {
	out, used := make(map[string]uint32, len(ids)), make(map[uint32]bool, len(ids))
	for _, id := range ids {
		n := number(id) % size
		for used[n] {
			n = (n + 1) % size
		}
		used[n], out[id] = true, n
	}
	return out
}
