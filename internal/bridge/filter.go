package bridge

import (
	"net/netip"
	"slices"
	"strings"

	"berth/internal/kernel"
)

// Hook priorities, as Linux names them.
const (
	destNAT   = -100
	atFilter  = 0
	sourceNAT = 100
)

const (
	tcp = 6
	udp = 17
)

// Filter is the packet filter of an instance with an address, services and
// ends: its ports lead to containers, containers leave from its address, and
// nothing else is let through, also not to a container's own address and port.
func Filter(own netip.Addr, services []Service, ends []End) kernel.Filter {
	ends = slices.Clone(ends)
	slices.SortFunc(ends, func(a, b End) int { return strings.Compare(a.ID, b.ID) })
	var lead, pass []kernel.FilterRule
	for _, e := range ends {
		for _, p := range e.Ports {
			lead = append(lead, kernel.FilterRule{
				kernel.In(kernel.Dest, host(own)), kernel.Protocol(protocol(p)), kernel.Ports(int(p.Host), int(p.Host)),
				kernel.DestNAT(netip.AddrPortFrom(e.Address, uint16(p.Container))),
			})
			pass = append(pass, kernel.FilterRule{
				kernel.Is(kernel.OutDev, Device), kernel.In(kernel.Dest, host(e.Address)), kernel.Protocol(protocol(p)),
				kernel.Ports(int(p.Container), int(p.Container)), kernel.Translated(), kernel.Accept(),
			})
		}
	}
	forward := slices.Concat([]kernel.FilterRule{
		{kernel.State(kernel.StateEstablished | kernel.StateRelated), kernel.Accept()},
		{kernel.State(kernel.StateInvalid), kernel.Drop()},
		{kernel.Is(kernel.InDev, Device), kernel.Accept()},
	}, pass)
	return kernel.Filter{Chains: []kernel.Chain{
		{Name: "arrive", Hook: "prerouting", NAT: true, Priority: destNAT, Rules: slices.Concat(found(services), lead)},
		{Name: "own", Hook: "output", NAT: true, Priority: destNAT, Rules: lead},
		{Name: "forward", Hook: "forward", Priority: atFilter, Drop: true, Rules: forward},
		{Name: "depart", Hook: "postrouting", NAT: true, Priority: sourceNAT, Rules: []kernel.FilterRule{
			{kernel.In(kernel.Source, network), kernel.IsNot(kernel.OutDev, Device), kernel.SourceNAT(own)},
			// A container that asks for another by the instance's port gets its
			// answer the same way.
			{kernel.In(kernel.Source, network), kernel.Is(kernel.OutDev, Device), kernel.Translated(), kernel.SourceNAT(gateway)},
		}},
	}}
}

// found leads containers to the instance's services.
func found(services []Service) []kernel.FilterRule {
	var out []kernel.FilterRule
	for _, s := range services {
		port := int(s.At.Port())
		out = append(out, kernel.FilterRule{
			kernel.Is(kernel.InDev, Device), kernel.In(kernel.Dest, host(s.At.Addr())), kernel.Protocol(tcp), kernel.Ports(port, port),
			kernel.DestNAT(netip.AddrPortFrom(s.At.Addr(), s.Port)),
		})
	}
	return out
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func protocol(p Port) int {
	if p.Protocol == "udp" {
		return udp
	}
	return tcp
}
