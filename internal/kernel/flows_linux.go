package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	mdnetlink "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// askedFor is for how many addresses at most the kernel is asked to find the
// flows itself. That is three requests each, but reading its table takes 13 ms
// of CPU even if there is nothing in it: it is one for all namespaces.
const askedFor = 10

// ForgetFlows removes connection tracking entries from or to addresses.
func (s *linuxSpace) ForgetFlows(addrs []netip.Addr) error {
	h, err := s.netlink()
	if err != nil || len(addrs) == 0 {
		return err
	}
	if len(addrs) <= askedFor {
		err := s.forgetEach(addrs)
		if err == nil || !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
	}
	of := flowsOf{}
	for _, a := range addrs {
		of[a] = true
	}
	if _, err = h.ConntrackDeleteFilters(netlink.ConntrackTable, unix.AF_INET, of); err != nil {
		return fmt.Errorf("forget flows: %w", err)
	}
	return nil
}

// flowsOf matches flows that have one of the addresses at either end.
type flowsOf map[netip.Addr]bool

// MatchConntrackFlow implements netlink's filter.
func (f flowsOf) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	for _, ip := range []net.IP{flow.Forward.SrcIP, flow.Forward.DstIP, flow.Reverse.SrcIP, flow.Reverse.DstIP} {
		if a, ok := netip.AddrFromSlice(ip); ok && f[a.Unmap()] {
			return true
		}
	}
	return false
}

// Of linux/netfilter/nfnetlink_conntrack.h, where package nl ends.
const (
	ctaFilter      = 25
	filterOrig     = 1 // CTA_FILTER_ORIG_FLAGS
	filterReply    = 2 // CTA_FILTER_REPLY_FLAGS
	filterSource   = 1 << 0
	filterDest     = 1 << 1
	ctaTupleIP     = 1
	ctaIPv4Source  = 1
	ctaIPv4Dest    = 2
	conntrackTable = unix.NFNL_SUBSYS_CTNETLINK << 8
)

// forgetEach has the kernel delete the flows that come from an address, are
// answered from it, or are answered to it; one that was only sent to it was
// led elsewhere. Each request walks the kernel's whole table. Linux 6.7 or
// newer does; an older one takes the request for that of a single flow, lacks
// its ports, and says EINVAL.
func (s *linuxSpace) forgetEach(addrs []netip.Addr) error {
	var c *mdnetlink.Conn
	var err error
	if e := s.ns.quick(func() { c, err = mdnetlink.Dial(unix.NETLINK_NETFILTER, nil) }); e != nil {
		return e
	}
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer func() { _ = c.Close() }()
	for _, a := range addrs {
		if a = a.Unmap(); !a.Is4() {
			continue // the table of IPv4 has none of it
		}
		for _, at := range []struct{ tuple, place, flags, flag uint16 }{
			{nl.CTA_TUPLE_ORIG, ctaIPv4Source, filterOrig, filterSource},
			{nl.CTA_TUPLE_REPLY, ctaIPv4Source, filterReply, filterSource}, {nl.CTA_TUPLE_REPLY, ctaIPv4Dest, filterReply, filterDest},
		} {
			e := mdnetlink.NewAttributeEncoder()
			e.Nested(at.tuple, func(e *mdnetlink.AttributeEncoder) error {
				e.Nested(ctaTupleIP, func(e *mdnetlink.AttributeEncoder) error {
					e.Bytes(at.place, a.AsSlice())
					return nil
				})
				return nil
			})
			e.Nested(ctaFilter, func(e *mdnetlink.AttributeEncoder) error {
				e.Uint32(at.flags, uint32(at.flag))
				return nil
			})
			attributes, err := e.Encode()
			if err != nil {
				return err
			}
			header := binary.BigEndian.AppendUint16([]byte{unix.AF_INET, nl.NFNETLINK_V0}, 0)
			if _, err := c.Execute(mdnetlink.Message{
				Header: mdnetlink.Header{Type: conntrackTable | nl.IPCTNL_MSG_CT_DELETE, Flags: mdnetlink.Request | mdnetlink.Acknowledge},
				Data:   append(header, attributes...),
			}); err != nil && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("forget the flows of %s: %w", a, err)
			}
		}
	}
	return nil
}
