package resolve

import (
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"berth/internal/endpoint"
	"berth/internal/model"
	"berth/internal/resolver"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

// internet is the namespace that stands for the Internet.
const internet = "internet"

// Ports of the services.
const (
	https = 443
	http  = 80
)

// Compile says what is answered and where. It is pure.
func Compile(r store.Reader, region string) Served {
	b := builder{r: r, region: region, services: vpc.Internet(region)}
	if !anyWorks(state.NetworkInterfaces.Every(r)) {
		return Served{} // the namespaces may not be there yet
	}
	var out Served
	balancers := b.balancers()
	for _, v := range state.VPCs.All(r) {
		if z, ok := b.vpc(v, balancers); ok {
			out.Names.Zones = append(out.Names.Zones, z)
		}
	}
	out.Names.Zones = append(out.Names.Zones, b.internet(balancers))
	out.Endpoints = b.endpoints()
	return out
}

type builder struct {
	r        store.Reader
	region   string
	services []vpc.Service
}

// book collects names; a later entry replaces an earlier one of that name.
type book struct {
	exact    map[string][]netip.Addr
	patterns map[string][]netip.Addr
}

func (b book) put(name string, addrs []netip.Addr) {
	switch {
	case len(addrs) == 0:
	case strings.Contains(name, "*"):
		b.patterns[name] = addrs
	default:
		b.exact[strings.ToLower(name)] = addrs
	}
}

func (b book) zone(namespace string, listen ...netip.Addr) resolver.Zone {
	z := resolver.Zone{Namespace: namespace, Listen: listen, Names: b.exact}
	for _, p := range slices.Sorted(maps.Keys(b.patterns)) {
		z.Patterns = append(z.Patterns, resolver.Pattern{Pattern: p, Addrs: b.patterns[p]})
	}
	return z
}

// public starts a book with what everybody is told: the services' public
// addresses, and the load balancers.
func (b builder) public(balancers map[string][]netip.Addr) book {
	k := book{map[string][]netip.Addr{}, map[string][]netip.Addr{}}
	for _, s := range b.services {
		for _, n := range s.Public {
			k.put(n, []netip.Addr{s.Address})
		}
	}
	for n, addrs := range balancers {
		k.put(n, addrs)
	}
	return k
}

// balancers are the load balancers' names: public addresses of those that
// face the Internet, private ones of the others, as on AWS.
func (b builder) balancers() map[string][]netip.Addr {
	out := map[string][]netip.Addr{}
	for _, lb := range state.LoadBalancers.All(b.r) {
		var addrs []netip.Addr
		for _, n := range b.working(lb.ARN) {
			s := n.IP
			if lb.Scheme == "internet-facing" {
				s = n.PublicIP
			}
			if a, err := netip.ParseAddr(s); err == nil {
				addrs = append(addrs, a)
			}
		}
		out[lb.DNSName] = addrs
	}
	return out
}

// working are an owner's interfaces that the host has.
func (b builder) working(owner string) []model.NetworkInterface {
	return slices.DeleteFunc(state.NetworkInterfaces.By(b.r, "owner", owner), func(n model.NetworkInterface) bool {
		return n.State == model.InterfacePending
	})
}

// anyWorks reports whether the host has one of the interfaces: mostly the first
// that is asked.
func anyWorks(all iter.Seq[*model.NetworkInterface]) bool {
	for n := range all {
		if n.State != model.InterfacePending {
			return true
		}
	}
	return false
}

// vpc is what a VPC is told, if somebody is there to ask.
func (b builder) vpc(v model.VPC, balancers map[string][]netip.Addr) (resolver.Zone, bool) {
	cidr, err := vpc.ParseCIDR(v.CIDR)
	if err != nil || !v.DNSSupport || !anyWorks(state.NetworkInterfaces.Each(b.r, "vpc", v.ID)) {
		return resolver.Zone{}, false
	}
	k := b.public(balancers)
	for _, e := range state.VPCEndpoints.By(b.r, "vpc", v.ID) {
		if e.Type == "Interface" && e.State != model.EndpointDeleting {
			b.endpoint(k, v, e)
		}
	}
	z := k.zone(v.ID, vpc.ResolverOf(cidr), vpc.Resolver)
	z.Hosts, z.HostSuffixes = cidr, vpc.HostSuffixes(b.region)
	b.discovery(&z)
	return z, true
}

// endpoint adds an endpoint's own names and, with private DNS, the service's.
func (b builder) endpoint(k book, v model.VPC, e model.VPCEndpoint) {
	var all []netip.Addr
	name := strings.TrimPrefix(e.ServiceName, "com.amazonaws."+b.region+".")
	for _, n := range b.working(e.ID) {
		if a, err := netip.ParseAddr(n.IP); err == nil {
			all = append(all, a)
			k.put(vpc.EndpointName(e.ID, name, b.region, n.AvailabilityZone), []netip.Addr{a})
		}
	}
	k.put(vpc.EndpointName(e.ID, name, b.region, ""), all)
	s, ok := vpc.ServiceNamed(b.region, name)
	if !ok || !e.PrivateDNS || !v.DNSHostnames {
		return
	}
	for _, n := range s.Private {
		k.put(n, all)
	}
}

func (b builder) internet(balancers map[string][]netip.Addr) resolver.Zone {
	return b.public(balancers).zone(internet, vpc.Resolver)
}

// endpoints are the services' public addresses and the endpoints' interfaces.
func (b builder) endpoints() []endpoint.Listener {
	var out []endpoint.Listener
	for _, s := range b.services {
		sources := b.gateways(s)
		for _, port := range []uint16{http, https} {
			out = append(out, endpoint.Listener{
				Namespace: internet, Address: netip.AddrPortFrom(s.Address, port), TLS: port == https,
				Via: endpoint.Via{Service: s.Name}, Sources: sources,
			})
		}
	}
	for _, e := range state.VPCEndpoints.All(b.r) {
		if e.Type != "Interface" || e.State == model.EndpointDeleting {
			continue
		}
		via := endpoint.Via{Service: strings.TrimPrefix(e.ServiceName, "com.amazonaws."+b.region+"."), Endpoint: e.ID, VPC: e.VPC}
		for _, n := range b.working(e.ID) {
			if a, err := netip.ParseAddr(n.IP); err == nil {
				out = append(out, endpoint.Listener{Namespace: n.ID, Address: netip.AddrPortFrom(a, https), TLS: true, Via: via})
			}
		}
	}
	return out
}

// gateways tell which VPC's endpoint a client of a gateway service came through.
func (b builder) gateways(s vpc.Service) map[netip.Addr]endpoint.Via {
	if !s.Gateway {
		return nil
	}
	transit := vpc.Transit(state.VPCs.All(b.r))
	var out map[netip.Addr]endpoint.Via
	for _, e := range state.VPCEndpoints.All(b.r) {
		if e.Type == "Gateway" && strings.HasSuffix(e.ServiceName, "."+s.Name) {
			if out == nil {
				out = map[netip.Addr]endpoint.Via{}
			}
			out[transit[e.VPC]] = endpoint.Via{Service: s.Name, Endpoint: e.ID, VPC: e.VPC}
		}
	}
	return out
}
