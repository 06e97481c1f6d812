package kernel

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// loopbackIndex is the number of the first device of every namespace, lo.
const loopbackIndex = 1

// AddLoopback gives the namespace's loopback another address, for services
// that a machine or a task finds at a fixed one. An address that is there is
// success.
func (n *Netns) AddLoopback(addr netip.Addr) error {
	return n.Do(func() error { return AddLoopback(addr) })
}

// AddLoopback is Netns.AddLoopback in the caller's own network namespace.
func AddLoopback(addr netip.Addr) error {
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	lo := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "lo", Index: loopbackIndex}}
	whole := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}}
	if err := h.AddrReplace(lo, whole); err != nil {
		return fmt.Errorf("add %s to loopback: %w", addr, err)
	}
	return nil
}
