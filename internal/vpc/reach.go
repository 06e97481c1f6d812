package vpc

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Step is one thing that a packet meets on its way.
type Step struct {
	Subject string // id of what decides: sg-…, rtb-…, eni-…, igw-…
	Passes  bool
	Text    string
	Code    Code   // of what stops a packet, where a cure depends on it
	Hop     string // of a route that is taken: the gateway or interface that it leads to
}

// Code says what stops a packet.
type Code string

// What stops packets.
const (
	NoIngress Code = "no ingress rule"
	NoEgress  Code = "no egress rule"
	NoDNS     Code = "no DNS support"
	NoRoute   Code = "no route"
	NoPublic  Code = "no public address"
	Blackhole Code = "blackhole"
)

// Path is what becomes of a packet, step by step; the last step of a closed
// path is what stops it.
type Path struct {
	Open  bool
	Steps []Step
}

// String prints a path, one step a line.
func (p Path) String() string {
	var b strings.Builder
	for _, s := range p.Steps {
		mark := "+"
		if !s.Passes {
			mark = "-"
		}
		fmt.Fprintf(&b, "%s %s\n", mark, s.Text)
	}
	return b.String()
}

func (p *Path) pass(subject, format string, args ...any) {
	p.Steps = append(p.Steps, Step{Subject: subject, Passes: true, Text: fmt.Sprintf(format, args...)})
}

func (p *Path) stop(subject, format string, args ...any) { p.stopFor("", subject, format, args...) }

// stopFor stops a path for a reason that programs may ask for.
func (p *Path) stopFor(code Code, subject, format string, args ...any) {
	p.Steps = append(p.Steps, Step{Subject: subject, Text: fmt.Sprintf(format, args...), Code: code})
}

// arrive ends an open path.
func (p *Path) arrive(subject, format string, args ...any) {
	p.pass(subject, format, args...)
	p.Open = true
}

// Flow is a new connection: its protocol and destination port.
type Flow struct {
	Protocol int // 6 tcp, 17 udp, 1 icmp
	Port     int
}

// Reach says whether an interface can open a flow to an address, and which
// rule or route decides. It is what hostnet makes true in the kernel; the two
// are held against each other in tests.
func (h HostNetwork) Reach(from string, to netip.Addr, f Flow) Path {
	var p Path
	src, ok := h.find(func(i Interface) bool { return i.ID == from })
	switch {
	case !ok:
		p.stop(from, "there is no interface %s", from)
	case src.Address.Addr() == to:
		p.arrive(src.ID, "%s is the interface's own address", to)
	case src.VPC == "":
		h.outside(&p, src.Address.Addr(), to, f)
	default:
		h.leave(&p, h.router(src.VPC), src, to, f)
	}
	return p
}

func (h HostNetwork) find(is func(Interface) bool) (Interface, bool) {
	i := slices.IndexFunc(h.Interfaces, is)
	if i < 0 {
		return Interface{}, false
	}
	return h.Interfaces[i], true
}

func (h HostNetwork) router(id string) Router {
	for _, r := range h.Routers {
		if r.ID == id {
			return r
		}
	}
	return Router{}
}

// leave follows a flow from an interface into its VPC.
func (h HostNetwork) leave(p *Path, r Router, src Interface, to netip.Addr, f Flow) {
	if to == Resolver || to == ResolverOf(r.CIDR) {
		if r.DNS && f.Port == 53 && (f.Protocol == 6 || f.Protocol == 17) {
			p.arrive(r.ID, "the VPC's resolver is not subject to security groups")
		} else {
			p.stop(r.ID, "the VPC's resolver answers DNS only, and only with DNS support on")
		}
		return
	}
	if src.Kind != KindNAT && !h.groups(p, r, src.Groups, true, to, f) {
		return
	}
	if r.CIDR.Contains(to) {
		p.pass(r.ID, "%s is local to VPC %s", to, r.ID)
		h.enter(p, r, src.Address.Addr(), to, f)
		return
	}
	hop, ok := r.hop(src.Table, to)
	if !ok || netip.MustParsePrefix("169.254.0.0/16").Contains(to) {
		p.stopFor(NoRoute, src.Table, "route table %s has no route to %s", src.Table, to)
		return
	}
	h.follow(p, r, src, hop, to, f)
}

func (r Router) hop(table string, to netip.Addr) (Hop, bool) {
	for _, t := range r.Tables {
		if t.ID != table {
			continue
		}
		for _, h := range t.Hops { // longest first
			if h.To.Contains(to) {
				return h, true
			}
		}
	}
	return Hop{}, false
}

func (h HostNetwork) follow(p *Path, r Router, src Interface, hop Hop, to netip.Addr, f Flow) {
	via := func() {
		p.pass(src.Table, "route table %s sends %s to %s", src.Table, hop.To, hop.Target)
		p.Steps[len(p.Steps)-1].Hop = hop.Target
	}
	switch hop.Via {
	case ViaInternet:
		via()
		if !src.Public.IsValid() {
			p.stopFor(NoPublic, src.ID, "interface %s has no public address, so the internet gateway drops its packets", src.ID)
			return
		}
		h.outside(p, src.Public, to, f)
	case ViaEndpoint:
		via()
		h.outside(p, r.Transit, to, f)
	case ViaInterface:
		via()
		next, ok := h.find(func(i Interface) bool { return i.ID == hop.Target })
		if !ok || next.Kind != KindNAT {
			p.stop(hop.Target, "interface %s takes only packets for its own address (source/destination check)", hop.Target)
			return
		}
		h.leave(p, r, next, to, f)
	default:
		p.stopFor(Blackhole, src.Table, "route table %s: %s goes to %s, which is a blackhole", src.Table, hop.To, hop.Target)
	}
}

// outside follows a flow in the Internet.
func (h HostNetwork) outside(p *Path, from, to netip.Addr, f Flow) {
	for _, s := range h.Services {
		if s.Address == to {
			if f.Protocol == 6 && (f.Port == 443 || f.Port == 80) {
				p.arrive(s.Name, "%s is the public address of %s", to, s.Name)
			} else {
				p.stop(s.Name, "%s answers on TCP 443 and 80", s.Name)
			}
			return
		}
	}
	if to == Resolver && f.Port == 53 {
		p.arrive("internet", "the Internet's resolver")
		return
	}
	dst, ok := h.find(func(i Interface) bool { return i.Public == to && i.VPC != "" })
	r := h.router(dst.VPC)
	switch {
	case ok && r.Internet:
	case h.Out.Leads(to):
		p.arrive("internet", "%s is beyond this machine, by the host's default route", to)
		return
	case h.Out != nil:
		p.stop("internet", "%s is not on the Internet: --internet-allow lets networks of this machine's own be reached", to)
		return
	default:
		p.stop("internet", "nothing in the Internet has the address %s", to)
		return
	}
	p.pass(dst.ID, "%s is the public address of %s", to, dst.ID)
	back, ok := r.hop(dst.Table, from)
	if !ok || back.Via != ViaInternet {
		p.stop(dst.Table, "route table %s sends no answers to %s through the internet gateway", dst.Table, from)
		return
	}
	h.enter(p, r, from, dst.Address.Addr(), f)
}

// enter follows a flow to an interface of a VPC.
func (h HostNetwork) enter(p *Path, r Router, from, to netip.Addr, f Flow) {
	dst, ok := h.find(func(i Interface) bool { return i.VPC == r.ID && i.Address.Addr() == to })
	switch {
	case !ok:
		p.stop(r.ID, "no interface of VPC %s has the address %s", r.ID, to)
	case dst.Kind == KindNAT:
		p.stop(dst.ID, "the NAT gateway takes no connections")
	case h.groups(p, r, dst.Groups, false, from, f):
		p.arrive(dst.ID, "%s is interface %s (%s)", to, dst.ID, dst.Kind)
	}
}

// groups asks the security groups of an interface about a peer.
func (h HostNetwork) groups(p *Path, r Router, groups []string, out bool, peer netip.Addr, f Flow) bool {
	way, to, code := "in from", "ingress", NoIngress
	if out {
		way, to, code = "out to", "egress", NoEgress
	}
	for _, g := range r.Groups {
		if !slices.Contains(groups, g.ID) {
			continue
		}
		permits := g.In
		if out {
			permits = g.Out
		}
		for _, permit := range permits {
			if permit.covers(f) && h.peers(r, permit, peer) {
				p.pass(g.ID, "security group %s lets %s %s %s (%s: %s)", g.ID, flowName(f), way, peer, permit.ID, permit)
				return true
			}
		}
	}
	p.stopFor(
		code, strings.Join(groups, ","), "no %s rule of %s lets %s %s %s", to, or(strings.Join(groups, ", "), "no security group"),
		flowName(f), way, peer,
	)
	return false
}

func flowName(f Flow) string {
	if f.Protocol == 1 {
		return "icmp"
	}
	return fmt.Sprintf("%s %d", protocolName(f.Protocol), f.Port)
}

func (p Permit) covers(f Flow) bool {
	switch {
	case p.Protocol == AnyProtocol:
		return true
	case p.Protocol != f.Protocol:
		return false
	default:
		return p.From < 0 || f.Protocol == 1 && p.From == f.Port || p.From <= f.Port && f.Port <= p.To
	}
}

func (h HostNetwork) peers(r Router, p Permit, peer netip.Addr) bool {
	if p.Group == "" {
		return p.Peer.Contains(peer)
	}
	i, ok := h.find(func(i Interface) bool { return i.VPC == r.ID && i.Address.Addr() == peer })
	return ok && slices.Contains(i.Groups, p.Group)
}
