package kernel

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// AddLoopback gives the namespace's loopback another address, for services
// that a machine or a task finds at a fixed one. An address that is there is
// success.
func (n *Netns) AddLoopback(addr netip.Addr) error {
	return n.Do(func() error { return AddLoopback(addr) })
}

// AddLoopback is Netns.AddLoopback in the caller's own network namespace.
func AddLoopback(addr netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	whole := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}}
	if err := netlink.AddrReplace(lo, whole); err != nil {
		return fmt.Errorf("add %s to loopback: %w", addr, err)
	}
	return nil
}
