package hostnet

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"berth/internal/fault"
	"berth/internal/kernel"
	"berth/internal/vpc"
)

// leadOut adds the way out to the filter of the namespace of the Internet: what
// passes the gateways leaves by the link to the host, from the link's own address.
// Where it may not go is decided here and not in the host's firewall, which
// others may flush.
func leadOut(f *kernel.Filter, out vpc.Out) {
	from := func(t ...kernel.Term) kernel.FilterRule {
		return append(kernel.FilterRule{kernel.Is(kernel.InDev, uplinkDev)}, t...)
	}
	for i, c := range f.Chains {
		switch c.Name {
		case "prerouting":
			f.Chains[i].Rules = append(c.Rules, from(kernel.Accept()))
		case "input":
			f.Chains[i].Rules = slices.Insert(c.Rules, len(known()), from(kernel.Drop()))
		case "forward":
			f.Chains[i].Rules = append(
				slices.Insert(c.Rules, len(known()), from(kernel.Drop())),
				kernel.FilterRule{kernel.Is(kernel.OutDev, uplinkDev), kernel.Goto("beyond")},
			)
		}
	}
	f.Chains = append(f.Chains,
		kernel.Chain{Name: "beyond", Rules: beyond(out)},
		kernel.Chain{Name: "depart", Hook: "postrouting", NAT: true, Priority: sourceNAT, Rules: []kernel.FilterRule{
			{kernel.Is(kernel.OutDev, uplinkDev), kernel.SourceNAT(out.Inside())},
		}},
	)
}

// beyond lets packets go to the Internet and to what is allowed beside it.
func beyond(out vpc.Out) []kernel.FilterRule {
	var rules []kernel.FilterRule
	for _, p := range out.Allow {
		rules = append(rules, kernel.FilterRule{kernel.In(kernel.Dest, p), kernel.Accept()})
	}
	for _, p := range vpc.Kept() {
		rules = append(rules, kernel.FilterRule{kernel.In(kernel.Dest, p), kernel.Drop()})
	}
	return append(rules, kernel.FilterRule{kernel.Accept()})
}

// hostFilter is our table in the host's own namespace: what comes from the link is
// forwarded and not for the host itself, unless that is allowed; nobody connects
// into the link; and what leaves has the host's address.
func hostFilter(dev string, out vpc.Out) *kernel.Filter {
	in, to := kernel.Is(kernel.InDev, dev), kernel.Is(kernel.OutDev, dev)
	input := []kernel.FilterRule{{in, kernel.State(kernel.StateEstablished | kernel.StateRelated), kernel.Accept()}}
	for _, p := range out.Allow {
		input = append(input, kernel.FilterRule{in, kernel.In(kernel.Dest, p), kernel.Accept()})
	}
	return &kernel.Filter{Chains: []kernel.Chain{
		{Name: "input", Hook: "input", Priority: atFilter, Rules: append(input, kernel.FilterRule{in, kernel.Drop()})},
		{Name: "forward", Hook: "forward", Priority: atFilter, Rules: []kernel.FilterRule{
			{to, kernel.State(kernel.StateEstablished | kernel.StateRelated), kernel.Accept()}, {to, kernel.Drop()}, {in, kernel.Goto("beyond")},
		}},
		{Name: "beyond", Rules: beyond(out)},
		{Name: "depart", Hook: "postrouting", NAT: true, Priority: sourceNAT, Rules: []kernel.FilterRule{
			{kernel.In(kernel.Source, netip.PrefixFrom(out.Inside(), 32)), kernel.IsNot(kernel.OutDev, dev), kernel.Masquerade()},
		}},
	}}
}

// OwnName is what a data folder's device and nftables table on the host are called.
func OwnName(data string) string {
	sum := sha256.Sum256([]byte(data))
	return "berth" + hex.EncodeToString(sum[:4])
}

// CanLeadOut reports whether the host can be a way out: without a default route, or
// with one that it forwards nothing from, it is fault.Invalid with the cure.
func CanLeadOut() error {
	own, err := kernel.OpenOwn(OwnName(""))
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }()
	switch dev, forwards, err := own.WayOut(); {
	case err != nil:
		return fmt.Errorf("find the default route: %w", err)
	case dev == "":
		return fault.New(fault.Invalid, "", "this machine has no default route")
	case !forwards:
		return fault.New(fault.Invalid, "", "this machine does not forward what comes in by %s: try `sysctl -w net.ipv4.ip_forward=1`", dev)
	default:
		return nil
	}
}

// LeadOut has every Set make the way out too, by a device and an nftables table in
// the host's own namespace that are called by the data folder. Nothing else there
// is touched. Where the host cannot, it is the error of CanLeadOut.
func (n *Net) LeadOut(data string, allow []netip.Prefix) error {
	if err := CanLeadOut(); err != nil {
		return err
	}
	own, err := kernel.OpenOwn(OwnName(data))
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }()
	has, err := own.Networks()
	if err != nil {
		return err
	}
	link := freeLink(has, data)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.out, n.outName, n.led = &vpc.Out{Link: link, Allow: allow}, OwnName(data), false
	return nil
}

// freeLink is the data folder's network of LinkPool, or the next that the host has
// no address in.
func freeLink(has []netip.Prefix, data string) netip.Prefix {
	sum := sha256.Sum256([]byte("link of " + data))
	for n := binary.BigEndian.Uint32(sum[:]); ; n++ {
		link := vpc.Link(n)
		if !slices.ContainsFunc(has, link.Overlaps) {
			return link
		}
	}
}

func ownSpace(name string) (kernel.Space, error) { return kernel.OpenOwn(name) }

// uplink makes the host's side of the way out, once: the link, its address and
// the table.
func (n *Net) uplink() error {
	if n.out == nil || n.led {
		return nil
	}
	own, err := n.own(n.outName)
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }()
	inside := n.known(Internet)
	if err := own.DeleteLink(n.outName); err != nil { // one of another start may lead elsewhere
		return err
	}
	forget(inside, uplinkDev)
	delete(inside.ends, uplinkDev)
	if err := own.SetFilter(nil, *hostFilter(n.outName, *n.out)); err != nil {
		return err
	}
	if err := own.AddLink(kernel.Link{Name: n.outName}, n.open[Internet], kernel.Link{Name: uplinkDev}); err != nil {
		return err
	}
	inside.ends[uplinkDev] = true
	address := kernel.Address{Dev: n.outName, Prefix: netip.PrefixFrom(n.out.Host(), n.out.Link.Bits())}
	if err := own.AddAddress(address); err != nil {
		return err
	}
	n.led = true
	return own.SetSysctl("ipv4/conf/"+n.outName+"/forwarding", "1")
}

// ShutOut takes away what LeadOut has made for a data folder in the host's own
// namespace; what is not there is success.
func ShutOut(data string) error {
	own, err := kernel.OpenOwn(OwnName(data))
	if err != nil {
		return err
	}
	return errors.Join(own.Clear(), own.Close())
}
