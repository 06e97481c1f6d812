package vpc

import (
	"net/netip"
	"slices"
	"strings"

	"berth/internal/model"
)

// Call is a service as an interface would call it: where the name leads
// there, and what becomes of a connection on 443.
type Call struct {
	Service  string
	Host     string
	Endpoint string // vpce-… if private DNS leads to one, else ""
	Address  netip.Addr
	Path     Path
}

// Calls says for each service whether an interface reaches it by its name.
// Services that are not known are left out.
func Calls(s Snapshot, from string, services ...string) []Call {
	h := Compile(s)
	src, _ := h.find(func(i Interface) bool { return i.ID == from })
	var out []Call
	for _, name := range services {
		service, ok := ServiceNamed(s.Region, name)
		if !ok {
			continue
		}
		c := Call{Service: service.Name, Host: service.Private[0], Address: service.Address}
		if e, a, ok := s.takenOver(src.VPC, service); ok {
			c.Endpoint, c.Address = e, a
		}
		if r := h.router(src.VPC); src.VPC != "" && !r.DNS {
			c.Path.stopFor(NoDNS, src.VPC, "VPC %s has DNS support off, so %s means nothing there", src.VPC, c.Host)
		} else {
			c.Path = h.Reach(from, c.Address, Flow{Protocol: 6, Port: 443})
		}
		out = append(out, c)
	}
	return out
}

// takenOver finds the endpoint whose private DNS has a service's names in a
// VPC, and an address of it.
func (s Snapshot) takenOver(vpc string, service Service) (string, netip.Addr, bool) {
	named := slices.ContainsFunc(s.VPCs, func(v model.VPC) bool { return v.ID == vpc && v.DNSSupport && v.DNSHostnames })
	for _, e := range s.Endpoints {
		if !named || e.VPC != vpc || e.Type != "Interface" || !e.PrivateDNS || e.State == model.EndpointDeleting ||
			!strings.HasSuffix(e.ServiceName, "."+s.Region+"."+service.Name) {
			continue
		}
		for _, n := range s.Interfaces {
			if a, err := netip.ParseAddr(n.IP); err == nil && n.Owner == e.ID {
				return e.ID, a, true
			}
		}
	}
	return "", netip.Addr{}, false
}

// Guest adds to a snapshot an interface that does not exist, in a subnet and
// with the VPC's default group, to ask what it would reach. ok is false if
// the subnet is unknown or full.
func Guest(s Snapshot, subnet string) (with Snapshot, id string, ok bool) {
	const guest = "eni-guest"
	for _, n := range s.Subnets {
		if n.ID != subnet {
			continue
		}
		p, err := ParseCIDR(n.CIDR)
		if err != nil {
			return s, "", false
		}
		taken := map[netip.Addr]bool{}
		for _, i := range s.Interfaces {
			if a, err := netip.ParseAddr(i.IP); err == nil && i.Subnet == subnet {
				taken[a] = true
			}
		}
		a, free := Lease(p, taken)
		i := model.NetworkInterface{ID: guest, Kind: KindTask, VPC: n.VPC, Subnet: subnet, IP: a.String(), MAC: MAC(guest)}
		for _, v := range s.VPCs {
			if v.ID == n.VPC {
				i.SecurityGroups = []string{v.DefaultGroup}
			}
		}
		s.Interfaces = append(slices.Clone(s.Interfaces), i)
		return s, guest, free
	}
	return s, "", false
}
