package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Look reads the namespace.
func (s *linuxSpace) Look() (Picture, error) {
	h, err := s.netlink()
	if err != nil {
		return Picture{}, err
	}
	var p Picture
	names := map[int]string{}
	links, err := h.LinkList()
	if err != nil {
		return p, fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
		if l.Type() == "veth" || l.Type() == "bridge" {
			p.Links = append(p.Links, Link{Name: l.Attrs().Name, MAC: l.Attrs().HardwareAddr.String(), Down: l.Attrs().Flags&net.FlagUp == 0})
		}
	}
	for _, read := range []func(*netlink.Handle, map[int]string, *Picture) error{readAddresses, readRoutes, readRules} {
		if err := read(h, names, &p); err != nil {
			return p, err
		}
	}
	p.Revision, err = s.revision()
	p.sort()
	return p, err
}

func (p *Picture) sort() {
	slices.SortFunc(p.Links, byText)
	slices.SortFunc(p.Addresses, byText)
	slices.SortFunc(p.Routes, byText)
	slices.SortFunc(p.Rules, byText)
}

func byText[T fmt.Stringer](a, b T) int { return strings.Compare(a.String(), b.String()) }

func readAddresses(h *netlink.Handle, names map[int]string, p *Picture) error {
	list, err := h.AddrList(nil, unix.AF_INET)
	if err != nil {
		return fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range list {
		if pre, ok := prefix(a.IPNet); ok && !pre.Addr().IsLoopback() {
			p.Addresses = append(p.Addresses, Address{names[a.LinkIndex], pre})
		}
	}
	return nil
}

// readRoutes leaves out what the kernel adds by itself with addresses.
func readRoutes(h *netlink.Handle, names map[int]string, p *Picture) error {
	list, err := h.RouteListFiltered(unix.AF_INET, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for _, r := range list {
		if r.Table == unix.RT_TABLE_LOCAL || r.Protocol == unix.RTPROT_KERNEL {
			continue
		}
		to := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if r.Dst != nil {
			to, _ = prefix(r.Dst)
		}
		n := Route{Table: uint32(r.Table), To: to}
		if r.Type != unix.RTN_BLACKHOLE {
			n.Dev = names[r.LinkIndex]
		}
		if via, ok := netip.AddrFromSlice(r.Gw); ok {
			n.Via = via.Unmap()
		}
		p.Routes = append(p.Routes, n)
	}
	return nil
}

func readRules(h *netlink.Handle, _ map[int]string, p *Picture) error {
	list, err := h.RuleList(unix.AF_INET)
	if err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	for _, r := range list {
		if r.Priority > 0 && r.Priority < 32766 {
			p.Rules = append(p.Rules, Rule{r.Priority, r.Mark, uint32(r.Table)})
		}
	}
	return nil
}

func prefix(n *net.IPNet) (netip.Prefix, bool) {
	a, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits), ok && a.Unmap().Is4()
}

// revision finds the marker that SetFilter left.
func (s *linuxSpace) revision() (string, error) {
	c, err := s.nftables()
	if err != nil {
		return "", err
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return "", fmt.Errorf("list chains: %w", err)
	}
	for _, ch := range chains {
		if rev, ok := strings.CutPrefix(ch.Name, revisionPrefix); ok && ch.Table.Name == s.tableName() {
			return rev, nil
		}
	}
	return "", nil
}
