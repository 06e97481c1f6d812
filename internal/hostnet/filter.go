package hostnet

import (
	"cmp"
	"slices"
	"strings"

	"berth/internal/kernel"
	"berth/internal/vpc"
)

// Hook priorities: after connection tracking (-200), before routing.
const (
	beforeRouting = -150
	destNAT       = -100
	atFilter      = 0
	sourceNAT     = 100
)

// routerFilter is a VPC's filter: no forged sources; packets marked with the
// route table of their subnet; out through the security groups of the sender,
// in through those of the receiver; and the internet gateway's translation.
func routerFilter(h vpc.HostNetwork, r vpc.Router) *kernel.Filter {
	b := newBuilder(r)
	for _, i := range h.Interfaces {
		if i.VPC == r.ID {
			b.iface(i)
		}
	}
	for _, t := range r.Tables {
		for _, hop := range t.Hops {
			if hop.Via == vpc.ViaEndpoint {
				b.endpoints.put(kernel.Key(mark(t.Mark), hop.To.Addr().String()), "")
			}
		}
	}
	if r.DNS {
		b.resolvers.put(vpc.Resolver.String(), "")
		b.resolvers.put(vpc.ResolverOf(r.CIDR).String(), "")
	}
	for _, g := range r.Groups {
		b.group(g)
	}
	return b.filter()
}

type elements map[string]string

func (e elements) put(k, v string) { e[k] = v }

// builder collects what the interfaces of a VPC put into its filter.
type builder struct {
	r         vpc.Router
	marks     map[string]string // table id to mark
	sources   elements          // device . address: what may come from where
	trusted   elements          // devices that may send from any address
	tables    elements          // device to route table mark
	out, in   elements          // address to chain
	public    elements          // private to public address
	private   elements          // public to private address
	gated     elements          // private addresses that have a public one
	nats      elements          // devices of NAT gateways
	endpoints elements          // mark . service address
	resolvers elements
	members   map[string]elements
	named     map[string]bool // groups that rules name
	chains    map[string]kernel.Chain
}

func newBuilder(r vpc.Router) *builder {
	b := &builder{
		r: r, marks: map[string]string{}, sources: elements{}, trusted: elements{"lo": "", gatewayDev: ""}, tables: elements{}, out: elements{},
		in:     elements{},
		public: elements{}, private: elements{}, gated: elements{}, nats: elements{}, endpoints: elements{}, resolvers: elements{},
		members: map[string]elements{}, named: map[string]bool{}, chains: map[string]kernel.Chain{},
	}
	for _, t := range r.Tables {
		b.marks[t.ID] = mark(t.Mark)
	}
	for _, g := range r.Groups {
		for _, p := range slices.Concat(g.In, g.Out) {
			if p.Group != "" {
				b.named[p.Group] = true
			}
		}
	}
	return b
}

func (b *builder) iface(i vpc.Interface) {
	name, ip := dev("e", i.ID), i.Address.Addr().String()
	if m, ok := b.marks[i.Table]; ok {
		b.tables.put(name, m)
	}
	if i.Public.IsValid() && b.r.Internet {
		b.public.put(ip, i.Public.String())
		b.private.put(i.Public.String(), ip)
		b.gated.put(ip, "")
	}
	if i.Kind == vpc.KindNAT {
		b.nats.put(name, "")
		b.trusted.put(name, "")
		b.out.put(ip, "goto ingress")
		b.in.put(ip, "drop")
		return
	}
	b.sources.put(kernel.Key(name, ip), "")
	combo := strings.Join(i.Groups, "+")
	b.combine("out", combo, i.Groups)
	b.combine("in", combo, i.Groups)
	b.out.put(ip, "goto "+chainName("out", combo))
	b.in.put(ip, "goto "+chainName("in", combo))
	for _, g := range i.Groups {
		if b.named[g] {
			if b.members[g] == nil {
				b.members[g] = elements{}
			}
			b.members[g].put(ip, "")
		}
	}
}

func chainName(way, groups string) string { return way + "_" + cmp.Or(groups, "none") }

func setName(group string) string { return "members_" + group }

// combine makes the chain of a combination of groups, which all interfaces
// with the same groups share.
func (b *builder) combine(way, combo string, groups []string) {
	name := chainName(way, combo)
	if _, ok := b.chains[name]; ok {
		return
	}
	c := kernel.Chain{Name: name}
	for _, g := range groups {
		if slices.ContainsFunc(b.r.Groups, func(x vpc.Group) bool { return x.ID == g }) {
			c.Rules = append(c.Rules, kernel.FilterRule{kernel.Jump(groupChain(way, g))})
		}
	}
	c.Rules = append(c.Rules, kernel.FilterRule{kernel.Drop()})
	b.chains[name] = c
}

func groupChain(way, group string) string { return "group_" + way + "_" + group }

// group makes the two chains of a security group. A packet that may leave
// goes on to the receiver's side; one that may come in is accepted.
func (b *builder) group(g vpc.Group) {
	out, in := kernel.Chain{Name: groupChain("out", g.ID)}, kernel.Chain{Name: groupChain("in", g.ID)}
	for _, p := range g.Out {
		out.Rules = append(out.Rules, append(permit(p, kernel.Dest), kernel.Goto("ingress")))
	}
	for _, p := range g.In {
		in.Rules = append(in.Rules, append(permit(p, kernel.Source), kernel.Accept()))
	}
	b.chains[out.Name], b.chains[in.Name] = out, in
}

// permit is a rule's condition; peer is the field where the other side stands.
func permit(p vpc.Permit, peer kernel.Field) kernel.FilterRule {
	var r kernel.FilterRule
	if p.Protocol != vpc.AnyProtocol {
		r = append(r, kernel.Protocol(p.Protocol))
	}
	switch {
	case p.From < 0:
	case p.Protocol == 1:
		r = append(r, kernel.ICMP(p.From, p.To))
	case p.Protocol == 6 || p.Protocol == 17:
		r = append(r, kernel.Ports(p.From, p.To))
	}
	if p.Group != "" {
		return append(r, kernel.Member(setName(p.Group), peer))
	}
	return append(r, kernel.In(peer, p.Peer))
}

func (b *builder) filter() *kernel.Filter {
	f := &kernel.Filter{
		Sets: []kernel.Set{
			{Name: "sources", Key: []kernel.Field{kernel.InDev, kernel.Source}, Elements: b.sources},
			{Name: "trusted", Key: []kernel.Field{kernel.InDev}, Elements: b.trusted},
			{Name: "tables", Key: []kernel.Field{kernel.InDev}, Value: kernel.KindMark, Elements: b.tables},
			{Name: "out", Key: []kernel.Field{kernel.Source}, Value: kernel.KindVerdict, Elements: b.out},
			{Name: "in", Key: []kernel.Field{kernel.Dest}, Value: kernel.KindVerdict, Elements: b.in},
			{Name: "public", Key: []kernel.Field{kernel.Source}, Value: kernel.KindAddress, Elements: b.public},
			{Name: "private", Key: []kernel.Field{kernel.Dest}, Value: kernel.KindAddress, Elements: b.private},
			{Name: "gated", Key: []kernel.Field{kernel.Source}, Elements: b.gated},
			{Name: "nats", Key: []kernel.Field{kernel.OutDev}, Elements: b.nats},
			{Name: "endpoints", Key: []kernel.Field{kernel.Mark, kernel.Dest}, Elements: b.endpoints},
			{Name: "resolvers", Key: []kernel.Field{kernel.Dest}, Elements: b.resolvers},
		},
		Chains: b.base(),
	}
	for g := range b.named {
		f.Sets = append(f.Sets, kernel.Set{Name: setName(g), Key: []kernel.Field{kernel.Source}, Elements: b.members[g]})
	}
	for _, c := range b.chains {
		f.Chains = append(f.Chains, c)
	}
	return f
}

// known lets answers and their errors pass, and drops what fits no flow.
func known() []kernel.FilterRule {
	return []kernel.FilterRule{
		{kernel.State(kernel.StateEstablished | kernel.StateRelated), kernel.Accept()},
		{kernel.State(kernel.StateInvalid), kernel.Drop()},
	}
}

func (b *builder) base() []kernel.Chain {
	igw := func(f kernel.Field) kernel.Term { return kernel.Is(f, gatewayDev) }
	viaEndpoint := kernel.Member("endpoints", kernel.Mark, kernel.Dest)
	return []kernel.Chain{
		{Name: "prerouting", Hook: "prerouting", Priority: beforeRouting, Drop: true, Rules: []kernel.FilterRule{
			{kernel.MarkBy(kernel.InDev, "tables")},
			{igw(kernel.InDev), kernel.In(kernel.Source, b.r.CIDR), kernel.Drop()},
			{kernel.Member("trusted", kernel.InDev), kernel.Accept()},
			{kernel.Member("sources", kernel.InDev, kernel.Source), kernel.Accept()},
		}},
		{Name: "arrive", Hook: "prerouting", NAT: true, Priority: destNAT, Rules: []kernel.FilterRule{
			{igw(kernel.InDev), kernel.DestNATBy("private")},
		}},
		{Name: "input", Hook: "input", Priority: atFilter, Drop: true, Rules: append(known(), dns(
			kernel.FilterRule{kernel.Is(kernel.InDev, "lo"), kernel.Accept()},
			kernel.FilterRule{igw(kernel.InDev), kernel.Drop()})...,
		)},
		{Name: "forward", Hook: "forward", Priority: atFilter, Drop: true, Rules: append(known(),
			kernel.FilterRule{igw(kernel.InDev), kernel.Goto("ingress")},
			kernel.FilterRule{kernel.VerdictBy(kernel.Source, "out")},
		)},
		{Name: "ingress", Rules: []kernel.FilterRule{
			{kernel.VerdictBy(kernel.Dest, "in")},
			{igw(kernel.InDev), kernel.Drop()},
			{igw(kernel.OutDev), viaEndpoint, kernel.Accept()},
			{igw(kernel.OutDev), kernel.Member("gated", kernel.Source), kernel.Accept()},
			{kernel.Member("nats", kernel.OutDev), kernel.Accept()},
			{kernel.Drop()},
		}},
		{Name: "depart", Hook: "postrouting", NAT: true, Priority: sourceNAT, Rules: []kernel.FilterRule{
			{igw(kernel.OutDev), viaEndpoint, kernel.SourceNAT(b.r.Transit)},
			{igw(kernel.OutDev), kernel.SourceNATBy("public")},
		}},
	}
}

// dns lets questions to the resolvers in, after other rules.
func dns(first ...kernel.FilterRule) []kernel.FilterRule {
	to := kernel.Member("resolvers", kernel.Dest)
	return append(first,
		kernel.FilterRule{to, kernel.Protocol(17), kernel.Ports(53, 53), kernel.Accept()},
		kernel.FilterRule{to, kernel.Protocol(6), kernel.Ports(53, 53), kernel.Accept()},
	)
}

// internetFilter is the filter of the namespace of the Internet: VPCs and
// functions may send from their own public addresses, to services and to
// VPCs; nobody connects to a function.
func internetFilter(h vpc.HostNetwork) *kernel.Filter {
	sources, vpcs, services := elements{}, elements{}, elements{}
	for _, r := range h.Routers {
		vpcs.put(dev("v", r.ID), "")
		sources.put(kernel.Key(dev("v", r.ID), r.Transit.String()), "")
	}
	for _, i := range h.Interfaces {
		switch {
		case i.VPC == "":
			sources.put(kernel.Key(dev("f", i.ID), i.Address.Addr().String()), "")
		case i.Public.IsValid():
			sources.put(kernel.Key(dev("v", i.VPC), i.Public.String()), "")
		}
	}
	for _, s := range h.Services {
		services.put(s.Address.String(), "")
	}
	web := func(port int) kernel.FilterRule {
		return kernel.FilterRule{kernel.Member("services", kernel.Dest), kernel.Protocol(6), kernel.Ports(port, port), kernel.Accept()}
	}
	f := &kernel.Filter{
		Sets: []kernel.Set{
			{Name: "sources", Key: []kernel.Field{kernel.InDev, kernel.Source}, Elements: sources},
			{Name: "vpcs", Key: []kernel.Field{kernel.OutDev}, Elements: vpcs},
			{Name: "services", Key: []kernel.Field{kernel.Dest}, Elements: services},
			{Name: "resolvers", Key: []kernel.Field{kernel.Dest}, Elements: elements{vpc.Resolver.String(): ""}},
		},
		Chains: []kernel.Chain{
			{Name: "prerouting", Hook: "prerouting", Priority: beforeRouting, Drop: true, Rules: []kernel.FilterRule{
				{kernel.Is(kernel.InDev, "lo"), kernel.Accept()},
				{kernel.Member("sources", kernel.InDev, kernel.Source), kernel.Accept()},
			}},
			{Name: "input", Hook: "input", Priority: atFilter, Drop: true, Rules: append(known(), append(dns(
				kernel.FilterRule{kernel.Is(kernel.InDev, "lo"), kernel.Accept()}), web(443), web(80))...,
			)},
			{Name: "forward", Hook: "forward", Priority: atFilter, Drop: true, Rules: append(known(),
				kernel.FilterRule{kernel.Member("vpcs", kernel.OutDev), kernel.Accept()},
			)},
		},
	}
	if h.Out != nil {
		leadOut(f, *h.Out)
	}
	return f
}

// natFilter is the filter inside a NAT gateway: what passes through leaves
// from its own address, and nothing may connect to it.
func natFilter(i vpc.Interface) *kernel.Filter {
	own := i.Address.Addr()
	return &kernel.Filter{Chains: []kernel.Chain{
		{Name: "input", Hook: "input", Priority: atFilter, Drop: true, Rules: known()},
		{Name: "depart", Hook: "postrouting", NAT: true, Priority: sourceNAT, Rules: []kernel.FilterRule{
			{kernel.Is(kernel.OutDev, interfaceDev), kernel.SourceNAT(own)},
		}},
	}}
}
