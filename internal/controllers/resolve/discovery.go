package resolve

import (
	"net/netip"
	"strconv"
	"strings"

	"berth/internal/cloudmap"
	"berth/internal/model"
	"berth/internal/resolver"
	"berth/internal/state"
)

// most is how many instances Route 53 answers with at once (Cloud Map API
// reference, DnsConfig).
const most = 8

// discovery adds the private namespaces of a VPC: the names of their services, and
// of instances that SRV records lead to.
func (b builder) discovery(z *resolver.Zone) {
	for _, n := range state.Namespaces.By(b.r, "vpc", z.Namespace) {
		z.Domains = append(z.Domains, n.Name)
		for _, s := range state.DiscoveryServices.By(b.r, "namespace", n.ID) {
			if len(s.Records) == 0 {
				continue
			}
			if z.Records == nil {
				z.Records = map[string]resolver.Records{}
			}
			b.records(z.Records, strings.ToLower(cloudmap.Name(n, s)), s)
		}
	}
}

func (b builder) records(out map[string]resolver.Records, name string, s model.DiscoveryService) {
	all := resolver.Records{Most: most}
	if s.Weighted {
		all.Most = 1
	}
	for _, r := range s.Records {
		if r.Type == model.RecordA {
			all.AddrTTL = uint32(r.TTL)
		} else {
			all.HostTTL = uint32(r.TTL)
		}
	}
	for _, i := range cloudmap.Serving(cloudmap.Instances(b.r, s)) {
		a, err := netip.ParseAddr(i.Attributes[cloudmap.IPv4])
		if err != nil {
			continue // registered before the service had records
		}
		if cloudmap.Has(s, model.RecordA) {
			all.Addrs = append(all.Addrs, a)
		}
		port, err := strconv.ParseUint(i.Attributes[cloudmap.Port], 10, 16)
		if err == nil && cloudmap.Has(s, model.RecordSRV) {
			host := strings.ToLower(i.ID) + "." + name
			all.Hosts = append(all.Hosts, resolver.Host{Name: host, Port: uint16(port)})
			out[host] = resolver.Records{Addrs: []netip.Addr{a}, AddrTTL: all.HostTTL, Most: 1}
		}
	}
	out[name] = all
}
