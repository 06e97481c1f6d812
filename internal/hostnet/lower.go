package hostnet

import (
	"net/netip"
	"strconv"
	"strings"

	"berth/internal/kernel"
	"berth/internal/vpc"
)

// Internet is the name of the namespace that stands for the Internet.
const Internet = "internet"

// The two ends of every link between a VPC and the Internet. They are the
// same everywhere, since they are used on their link only.
var (
	outerEnd = netip.MustParseAddr("169.254.255.1")
	innerEnd = netip.MustParseAddr("169.254.255.2")
)

var (
	linkLocal  = netip.MustParsePrefix("169.254.0.0/16")
	everywhere = netip.MustParsePrefix("0.0.0.0/0")
)

// gatewayDev is a VPC's link to the Internet.
const gatewayDev = "igw"

// uplinkDev is the Internet's link to the host's own namespace.
const uplinkDev = "host"

// interfaceDev is the device in every interface's namespace.
const interfaceDev = "eth0"

// The priorities of rules: what is in the VPC first, then the route table of
// the subnet that the packet came from.
const (
	ruleLocal = 100
	ruleTable = 200
)

// space is what one namespace should contain, or contains.
type space struct {
	links   map[string]link // made from this side
	ends    map[string]bool // made from the other side
	addrs   map[kernel.Address]bool
	routes  map[kernel.Route]bool
	rules   map[kernel.Rule]bool
	sysctls map[string]string
	filter  *kernel.Filter
	// containers live in it.
	containers bool
}

// delay is the sysctl that would let a device wait before it answers for
// others; it exists only per device.
func delay(dev string) string { return "ipv4/neigh/" + dev + "/proxy_delay" }

// link is a veth pair from the side of the router.
type link struct {
	peer    string // space
	peerDev string
	mac     string
	peerMAC string
	// there is the address at the far end, here the one at this end that the
	// far end talks to.
	here, there netip.Addr
}

func newSpace() *space {
	return &space{
		map[string]link{}, map[string]bool{}, map[kernel.Address]bool{}, map[kernel.Route]bool{}, map[kernel.Rule]bool{}, map[string]string{},
		nil, false,
	}
}

func (s *space) address(dev string, p netip.Prefix) {
	s.addrs[kernel.Address{Dev: dev, Prefix: p}] = true
}

func (s *space) route(r kernel.Route) {
	if r.Table == 0 {
		r.Table = kernel.MainTable
	}
	s.routes[r] = true
}

func (s *space) forwards() {
	for k, v := range map[string]string{
		"ipv4/ip_forward":                  "1",
		"ipv4/conf/all/rp_filter":          "0", // the filter checks sources, by interface
		"ipv4/conf/default/rp_filter":      "0",
		"ipv4/conf/all/send_redirects":     "0",
		"ipv4/conf/default/send_redirects": "0",
		"ipv4/conf/default/proxy_arp":      "1",
		"ipv6/conf/default/disable_ipv6":   "1",
	} {
		s.sysctls[k] = v
	}
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// dev names the router's end of something's link: a letter and what is
// particular about the id, within the kernel's 15 bytes.
func dev(letter, id string) string {
	_, rest, _ := strings.Cut(id, "-")
	if len(rest) > 14 {
		rest = rest[len(rest)-14:]
	}
	return letter + rest
}

// lower says what each namespace must contain for a network.
func lower(h vpc.HostNetwork) map[string]*space {
	l := lowering{h, map[string]*space{Internet: newSpace()}}
	l.internet()
	for _, r := range h.Routers {
		l.router(r)
	}
	for _, i := range h.Interfaces {
		l.iface(i)
	}
	for _, r := range h.Routers {
		l.spaces[r.ID].filter = routerFilter(h, r)
	}
	l.spaces[Internet].filter = internetFilter(h)
	return l.spaces
}

type lowering struct {
	vpc.HostNetwork
	spaces map[string]*space
}

func (l lowering) internet() {
	s := l.spaces[Internet]
	s.forwards()
	s.address("lo", host(outerEnd))
	s.address("lo", host(vpc.Resolver))
	for _, service := range l.Services {
		s.address("lo", host(service.Address))
	}
	if l.Out != nil { // the link is made from the host's side
		s.ends[uplinkDev] = true
		s.address(uplinkDev, netip.PrefixFrom(l.Out.Inside(), l.Out.Link.Bits()))
		s.route(kernel.Route{To: everywhere, Via: l.Out.Host(), Dev: uplinkDev})
	}
}

func (l lowering) router(r vpc.Router) {
	s, out := newSpace(), l.spaces[Internet]
	l.spaces[r.ID] = s
	s.forwards()
	for _, g := range r.Gateways {
		s.address("lo", host(g))
	}
	if r.DNS {
		s.address("lo", host(vpc.Resolver))
		s.address("lo", host(vpc.ResolverOf(r.CIDR)))
	}
	s.route(kernel.Route{To: r.CIDR})    // nobody has the address: dropped, not sent to a gateway
	s.route(kernel.Route{To: linkLocal}) // metadata is the interface's own affair
	s.rules[kernel.Rule{Priority: ruleLocal, Table: kernel.MainTable}] = true
	outside := dev("v", r.ID)
	out.links[outside] = link{
		peer: r.ID, peerDev: gatewayDev, mac: vpc.MAC("outside " + r.ID), peerMAC: vpc.MAC("inside " + r.ID), here: outerEnd, there: innerEnd,
	}
	s.ends[gatewayDev] = true
	s.address(gatewayDev, host(innerEnd))
	out.address(outside, host(outerEnd)) // what it asks for neighbours from: another might be local over there
	out.route(kernel.Route{To: host(r.Transit), Via: innerEnd, Dev: outside})
	for _, t := range r.Tables {
		l.table(s, t)
	}
}

func (l lowering) table(s *space, t vpc.Table) {
	s.rules[kernel.Rule{Priority: ruleTable, Mark: t.Mark, Table: t.Mark}] = true
	whole := false
	for _, h := range t.Hops {
		r := kernel.Route{Table: t.Mark, To: h.To}
		switch h.Via {
		case vpc.ViaInternet, vpc.ViaEndpoint:
			r.Via, r.Dev = outerEnd, gatewayDev
		case vpc.ViaInterface:
			r.Via, r.Dev = h.Next, dev("e", h.Target)
		}
		s.route(r)
		whole = whole || h.To == everywhere
	}
	if !whole {
		s.route(kernel.Route{Table: t.Mark, To: everywhere}) // silence, as on AWS, not an error
	}
}

func (l lowering) iface(i vpc.Interface) {
	s := newSpace()
	l.spaces[i.ID] = s
	s.ends[interfaceDev] = true
	s.address(interfaceDev, i.Address)
	s.route(kernel.Route{To: everywhere, Via: i.Gateway, Dev: interfaceDev})
	s.sysctls["ipv6/conf/default/disable_ipv6"] = "1"
	switch i.Kind {
	case vpc.KindInstance, vpc.KindSlice:
		s.containers = true
		s.address("lo", host(vpc.Metadata))
	case vpc.KindTask:
		s.containers = true
		s.address("lo", host(vpc.TaskMetadata))
	case vpc.KindNAT:
		s.forwards()
		s.filter = natFilter(i)
	}
	if i.Kind != vpc.KindNAT {
		s.sysctls["ipv4/ip_unprivileged_port_start"] = "0"
		s.sysctls["ipv4/ping_group_range"] = "0\t2147483647"
	}
	router, name := l.spaces[i.VPC], dev("e", i.ID)
	if i.VPC == "" {
		router, name = l.spaces[Internet], dev("f", i.ID)
	}
	router.sysctls[delay(name)] = "0"
	router.links[name] = link{
		peer: i.ID, peerDev: interfaceDev, mac: vpc.MAC("router of " + i.ID), peerMAC: i.MAC, here: i.Gateway, there: i.Address.Addr(),
	}
	router.route(kernel.Route{To: host(i.Address.Addr()), Dev: name})
	if i.Public.IsValid() && l.gateway(i.VPC) {
		l.spaces[Internet].route(kernel.Route{To: host(i.Public), Via: innerEnd, Dev: dev("v", i.VPC)})
	}
}

// gateway reports whether a VPC has an internet gateway.
func (l lowering) gateway(id string) bool {
	for _, r := range l.Routers {
		if r.ID == id {
			return r.Internet
		}
	}
	return false
}

func mark(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
