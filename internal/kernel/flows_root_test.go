//go:build root

package kernel_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"berth/internal/kernel"
)

// Flows are forgotten by either end, before and after translation, one by one
// (the kernel is asked) and many at once (its table is read).
func TestFlowsAreForgottenByAddress(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("namespaces are made by root only")
	}
	l, err := kernel.NewLinux(filepath.Join(t.TempDir(), "netns"), 0)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Create("a", false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		if err := l.Delete("a"); err != nil {
			t.Error(err)
		}
		if err := kernel.UnmountBelow(l.Path("")); err != nil {
			t.Error(err)
		}
	})
	ns, err := kernel.OpenNetns(l.Path("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	var h *netlink.Handle
	if err := ns.Do(func() error { h, err = netlink.NewHandle(unix.NETLINK_NETFILTER); return err }); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	left := func() []string {
		t.Helper()
		flows, err := h.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, f := range flows {
			out = append(out, fmt.Sprint(f.Forward.SrcIP, f.Forward.DstIP, f.Reverse.SrcIP, f.Reverse.DstIP))
		}
		slices.Sort(out)
		return out
	}
	tuple := func(from, to string, sport, dport uint16) netlink.IPTuple {
		return netlink.IPTuple{
			SrcIP: netip.MustParseAddr(from).AsSlice(), DstIP: netip.MustParseAddr(to).AsSlice(), SrcPort: sport, DstPort: dport,
			Protocol: unix.IPPROTO_UDP,
		}
	}
	for name, forget := range map[string][]string{
		"one": {"10.0.0.1"}, "many": {"10.0.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4", "10.9.0.5", "10.9.0.6", "10.9.0.7", "10.9.0.8", "10.9.0.9"},
	} {
		t.Run(name, func(t *testing.T) {
			for i, f := range [][4]string{
				{"10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.1"}, // from it
				{"10.0.0.3", "10.0.0.1", "10.0.0.1", "10.0.0.3"}, // to it
				{"10.0.0.3", "10.0.0.4", "10.0.0.1", "10.0.0.3"}, // to it, by another name
				{"10.0.0.3", "10.0.0.4", "10.0.0.4", "10.0.0.1"}, // from another, in its name
				{"10.0.0.3", "10.0.0.2", "10.0.0.2", "10.0.0.3"}, // none of its business
			} {
				port := uint16(1000 + i)
				if err := h.ConntrackCreate(netlink.ConntrackTable, unix.AF_INET, &netlink.ConntrackFlow{
					FamilyType: unix.AF_INET, Forward: tuple(f[0], f[1], port, 53), Reverse: tuple(f[2], f[3], 53, port), TimeOut: 100,
				}); err != nil {
					t.Fatal(err)
				}
			}
			if n := len(left()); n != 5 {
				t.Fatalf("%d flows were made", n)
			}
			var addrs []netip.Addr
			for _, a := range forget {
				addrs = append(addrs, netip.MustParseAddr(a))
			}
			if err := s.ForgetFlows(addrs); err != nil {
				t.Fatal(err)
			}
			if got := left(); !slices.Equal(got, []string{"10.0.0.3 10.0.0.2 10.0.0.2 10.0.0.3"}) {
				t.Errorf("left: %q", got)
			}
			if err := s.ForgetFlows([]netip.Addr{netip.MustParseAddr("10.0.0.3")}); err != nil || len(left()) != 0 {
				t.Errorf("left: %q, %v", left(), err)
			}
		})
	}
}
