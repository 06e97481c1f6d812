package network

import (
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

// host keeps the network that the host should have in parts, so that an
// interface more costs itself and not all that there are.
type host struct {
	region  string
	now     *vpc.HostNetwork // another one whenever something is different
	routers *store.Derived[compiled[vpc.Router]]
	ifaces  *store.Derived[compiled[vpc.Interface]]
}

// compiled is what one record makes of the network; a record that makes no sense
// makes problems only.
type compiled[T any] struct {
	value    T
	ok       bool
	problems []string
}

func newHost(db *store.DB, region string) *host {
	h := &host{region: region, now: &vpc.HostNetwork{Services: vpc.Internet(region)}}
	h.routers = store.NewDerived(db, routerRules(), h.router)
	h.routers.Through = routersOf
	h.ifaces = store.NewDerived(db, ifaceRules(), h.iface)
	return h
}

func routerRules() store.Rules {
	const means = "the VPC"
	return store.Rules{
		store.On(state.VPCs, means, func(old, n *model.VPC) []string {
			switch { // they share the addresses of the transit
			case old == nil:
				return []string{n.ID, store.Everything}
			case n == nil:
				return []string{old.ID, store.Everything}
			}
			return []string{n.ID}
		}),
		store.OnAny(state.Subnets, means, func(n *model.Subnet) string { return n.VPC }),
		store.OnAny(state.RouteTables, means, func(t *model.RouteTable) string { return t.VPC }),
		store.OnAny(state.InternetGateways, means, func(g *model.InternetGateway) string { return g.VPC }),
		store.OnAny(state.SecurityGroups, means, func(g *model.SecurityGroup) string { return g.VPC }),
		store.OnAny(state.VPCEndpoints, means, func(e *model.VPCEndpoint) string { return e.VPC }),
	}
}

// routersOf are the VPCs with routes that lead, or led, to an interface which
// has changed.
func routersOf(r store.Reader, c store.Change) []string {
	old, n := state.NetworkInterfaces.Of(c)
	var out []string
	for _, x := range []*model.NetworkInterface{old, n} {
		if x != nil && leadsTo(r, x) {
			out = append(out, x.VPC)
		}
	}
	return out
}

func leadsTo(r store.Reader, n *model.NetworkInterface) bool {
	for t := range state.RouteTables.Each(r, "vpc", n.VPC) {
		for _, route := range t.Routes {
			if route.Target == n.ID || route.Target == n.Owner {
				return true
			}
		}
	}
	return false
}

func (h *host) router(r store.Reader, id string) (compiled[vpc.Router], bool) {
	v, ok := state.VPCs.Get(r, id)
	if !ok {
		return compiled[vpc.Router]{}, false
	}
	s := vpc.Snapshot{
		Region: h.region, VPCs: []model.VPC{v}, Subnets: state.Subnets.By(r, "vpc", id), RouteTables: state.RouteTables.By(r, "vpc", id),
		Gateways: state.InternetGateways.By(r, "vpc", id), Groups: state.SecurityGroups.By(r, "vpc", id),
		Endpoints: state.VPCEndpoints.By(r, "vpc", id),
	}
	for _, t := range s.RouteTables {
		for _, route := range t.Routes {
			if n, ok := state.NetworkInterfaces.Get(r, route.Target); ok {
				s.Interfaces = append(s.Interfaces, n)
			}
			s.Interfaces = append(s.Interfaces, state.NetworkInterfaces.By(r, "owner", route.Target)...)
		}
	}
	var p compiled[vpc.Router]
	p.value, p.ok, p.problems = vpc.CompileRouter(s, v, vpc.Transit(state.VPCs.All(r))[id])
	return p, true
}

// ifacePart is what the network contains of an interface.
type ifacePart struct {
	id, kind, vpc, subnet, ip, mac, public, groups string
}

func ifaceRules() store.Rules {
	const means = "the interface"
	return store.Rules{
		store.OnPart(state.NetworkInterfaces, means, func(n *model.NetworkInterface) ifacePart {
			return ifacePart{n.ID, n.Kind, n.VPC, n.Subnet, n.IP, n.MAC, n.PublicIP, strings.Join(n.SecurityGroups, " ")}
		}, func(p ifacePart) []string { return []string{p.id} }),
		store.OnPart(state.Addresses, means, func(a *model.Address) [2]string {
			return [2]string{a.ENI, a.PublicIP}
		}, func(p [2]string) []string { return store.Key(p[0]) }),
		all(state.Subnets), all(state.RouteTables), all(state.VPCs),
	}
}

// all makes every part again when a record of a table changes: they are few,
// and change rarely.
func all[T any](t *store.Table[T]) store.Rule {
	return store.OnAny(t, "all", func(*T) string { return store.Everything })
}

func (h *host) iface(r store.Reader, id string) (compiled[vpc.Interface], bool) {
	n, ok := state.NetworkInterfaces.Get(r, id)
	if !ok {
		return compiled[vpc.Interface]{}, false
	}
	s := vpc.Snapshot{Region: h.region}
	if v, ok := state.VPCs.Get(r, n.VPC); ok {
		s.VPCs, s.RouteTables = []model.VPC{v}, state.RouteTables.By(r, "vpc", v.ID)
	}
	if x, ok := state.Subnets.Get(r, n.Subnet); ok {
		s.Subnets = []model.Subnet{x}
	}
	for a := range state.Addresses.Every(r) {
		if a.ENI == id {
			s.Addresses = append(s.Addresses, *a)
		}
	}
	var p compiled[vpc.Interface]
	p.value, p.ok, p.problems = vpc.CompileInterface(s, n)
	return p, true
}

// to brings the network to a view. What did not change is the same value.
func (h *host) to(v *store.View) *vpc.HostNetwork {
	routers, ifaces := len(h.routers.To(v)) > 0, len(h.ifaces.To(v)) > 0
	if !routers && !ifaces {
		return h.now
	}
	n := *h.now
	if routers {
		n.Routers = values(h.routers)
	}
	if ifaces {
		n.Interfaces = values(h.ifaces)
	}
	n.Problems = slices.Concat(problems(h.routers), problems(h.ifaces))
	h.now = &n
	return h.now
}

// values are those of all parts that have one, in order of keys.
func values[T any](d *store.Derived[compiled[T]]) []T {
	out := slices.Grow([]T(nil), d.Len())
	for _, p := range d.Parts() {
		if p.ok {
			out = append(out, p.value)
		}
	}
	return out
}

func problems[T any](d *store.Derived[compiled[T]]) (out []string) {
	for _, p := range d.Parts() {
		out = append(out, p.problems...)
	}
	return out
}
