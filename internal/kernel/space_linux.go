package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"berth/internal/fault"

	"github.com/google/nftables"
	mdnetlink "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Linux keeps namespaces as mounts in a folder of this host.
type Linux struct {
	dir   string
	users int
}

// NewLinux uses the folder dir (made if absent), which becomes a shared mount
// so that instances see what is mounted there later. users is user 0 of
// containers on this host; 0 gives them no user namespaces.
func NewLinux(dir string, users int) (*Linux, error) {
	if err := EnsureShared(dir); err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(dir)
	return &Linux{real, users}, err
}

// Path is where the namespace of a name is mounted.
func (l *Linux) Path(name string) string { return filepath.Join(l.dir, name) }

// Names lists the namespaces; files that are none are cleared away.
func (l *Linux) Names() ([]string, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, fmt.Errorf("list network namespaces: %w", err)
	}
	var out []string
	for _, e := range entries {
		n, err := OpenNetns(l.Path(e.Name()))
		if fault.Is(err, fault.NotFound) && e.Type().IsRegular() {
			_ = os.Remove(l.Path(e.Name()))
			continue
		}
		if err != nil {
			return nil, err
		}
		_ = n.Close()
		out = append(out, e.Name())
	}
	return out, nil
}

// Create makes or opens a namespace.
func (l *Linux) Create(name string, containers bool) (Space, error) {
	users := 0
	if containers {
		users = l.users
	}
	n, err := createNetns(l.Path(name), users)
	if err != nil {
		return nil, err
	}
	return &linuxSpace{ns: n, index: map[string]int{}}, nil
}

// Open opens a namespace.
func (l *Linux) Open(name string) (Space, error) {
	n, err := OpenNetns(l.Path(name))
	if err != nil {
		return nil, err
	}
	return &linuxSpace{ns: n, index: map[string]int{}}, nil
}

// Delete removes a namespace.
func (l *Linux) Delete(name string) error { return DeleteNetns(l.Path(name)) }

// Release takes away what NewLinux mounted; namespaces that are left go too.
func (l *Linux) Release() error { return UnmountBelow(l.dir) }

// OwnSpace is the network namespace of this process.
func OwnSpace() (Space, error) {
	n, err := OpenNetns("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	return &linuxSpace{ns: n, index: map[string]int{}}, nil
}

// linuxSpace keeps its sockets to the kernel open until Close.
type linuxSpace struct {
	ns    *Netns
	table string // of the filter; "" is tableName

	// life is held for writing by Close, and for reading by DeleteLink, which is
	// called in the background: a socket must not be closed under it. It is
	// taken before mu.
	life sync.RWMutex

	mu    sync.Mutex
	nl    *netlink.Handle
	nf    *nftables.Conn
	index map[string]int // of devices that were looked up, by name
}

// netlink is the routing socket, made in the namespace at first use.
func (s *linuxSpace) netlink() (*netlink.Handle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nl != nil {
		return s.nl, nil
	}
	var h *netlink.Handle
	var err error
	if e := s.ns.quick(func() { h, err = netlink.NewHandle(unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER) }); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	s.nl = h
	return h, nil
}

// transactionBuffer holds the largest filter transaction and its answers.
const transactionBuffer = 16 << 20

func (s *linuxSpace) nftables() (*nftables.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nf != nil {
		return s.nf, nil
	}
	var c *nftables.Conn
	var err error
	if e := s.ns.quick(func() {
		c, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *mdnetlink.Conn) error {
			return errors.Join(c.SetWriteBuffer(transactionBuffer), c.SetReadBuffer(transactionBuffer))
		}))
	}); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	s.nf = c
	return c, nil
}

// Close lets go of the namespace.
func (s *linuxSpace) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nl != nil {
		s.nl.Close()
		s.nl = nil
	}
	var err error
	if s.nf != nil {
		err = s.nf.CloseLasting()
		s.nf = nil
	}
	return errors.Join(err, s.ns.Close())
}

// AddLink makes a veth pair. The far end comes up last: a pair whose far end
// is down is one that was not finished.
func (s *linuxSpace) AddLink(l Link, peer Space, p Link) error {
	other, ok := peer.(*linuxSpace)
	if !ok {
		return fault.New(fault.Internal, "", "add link %s: the peer is in another world", l.Name)
	}
	h, err := s.netlink()
	if err != nil {
		return err
	}
	far, err := other.ns.dup()
	if err != nil {
		return err
	}
	defer func() { _ = far.Close() }()
	v := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: l.Name, Flags: net.FlagUp}, PeerName: p.Name, PeerNamespace: netlink.NsFd(far.Fd())}
	if v.HardwareAddr, err = parseMAC(l.MAC); err != nil {
		return err
	}
	if v.PeerHardwareAddr, err = parseMAC(p.MAC); err != nil {
		return err
	}
	if l.Master != "" {
		err := s.onLink(l.Master, func(_ *netlink.Handle, dev netlink.Link) error {
			v.MasterIndex = dev.Attrs().Index
			return nil
		})
		if err != nil {
			return fmt.Errorf("find bridge %s: %w", l.Master, err)
		}
	}
	err = h.LinkAdd(v)
	if errors.Is(err, unix.EEXIST) {
		err = s.raise(l.Name)
	}
	if err != nil {
		return fmt.Errorf("add link %s: %w", l.Name, err)
	}
	for _, step := range []func() error{
		func() error { return s.neighbor(l, v.PeerHardwareAddr) },
		func() error { return other.neighbor(p, v.HardwareAddr) },
		func() error { return other.raise(p.Name) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// AddBridge makes a bridge.
func (s *linuxSpace) AddBridge(l Link) error {
	h, err := s.netlink()
	if err != nil {
		return err
	}
	b := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: l.Name, Flags: net.FlagUp}}
	if b.HardwareAddr, err = parseMAC(l.MAC); err != nil {
		return err
	}
	if err = h.LinkAdd(b); errors.Is(err, unix.EEXIST) {
		err = s.raise(l.Name)
	}
	if err != nil {
		return fmt.Errorf("add bridge %s: %w", l.Name, err)
	}
	return nil
}

func (s *linuxSpace) neighbor(l Link, mac net.HardwareAddr) error {
	if !l.Neighbor.IsValid() {
		return nil
	}
	err := s.onLink(l.Name, func(h *netlink.Handle, dev netlink.Link) error {
		return h.NeighSet(&netlink.Neigh{
			LinkIndex: dev.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT, IP: l.Neighbor.AsSlice(), HardwareAddr: mac,
		})
	})
	if err != nil {
		return fmt.Errorf("add neighbour %s on %s: %w", l.Neighbor, l.Name, err)
	}
	return nil
}

func parseMAC(s string) (net.HardwareAddr, error) {
	if s == "" {
		return nil, nil
	}
	return net.ParseMAC(s)
}

func (s *linuxSpace) raise(dev string) error {
	err := s.onLink(dev, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetUp(l) })
	if err != nil {
		return fmt.Errorf("raise %s: %w", dev, err)
	}
	return nil
}

// DeleteLink removes a link and its other end.
func (s *linuxSpace) DeleteLink(dev string) error {
	s.life.RLock()
	defer s.life.RUnlock()
	err := s.onLink(dev, func(h *netlink.Handle, l netlink.Link) error { return h.LinkDel(l) })
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete link %s: %w", dev, err)
	}
	return nil
}

func absent(err error) bool {
	var none netlink.LinkNotFoundError
	return errors.As(err, &none) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EADDRNOTAVAIL) ||
		errors.Is(err, unix.ENOENT)
}

// onLink does something to a device. The kernel never uses the number of a
// device again in one namespace, so that one which was looked up before is
// either still right or not there any more.
func (s *linuxSpace) onLink(dev string, fn func(*netlink.Handle, netlink.Link) error) error {
	h, err := s.netlink()
	if err != nil {
		return err
	}
	if n := s.known(dev); n != 0 {
		if err := fn(h, &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: dev, Index: n}}); err == nil || !absent(err) {
			return err
		}
	}
	l, err := h.LinkByName(dev)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.index[dev] = l.Attrs().Index
	s.mu.Unlock()
	return fn(h, l)
}

// known is the number of a device as it was looked up; 0 if it was not.
func (s *linuxSpace) known(dev string) int {
	if dev == "lo" {
		return loopbackIndex
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index[dev]
}

// AddAddress adds an address.
func (s *linuxSpace) AddAddress(a Address) error {
	err := s.onLink(a.Dev, func(h *netlink.Handle, l netlink.Link) error { return h.AddrReplace(l, addr(a)) })
	if err != nil {
		return fmt.Errorf("add address %s: %w", a, err)
	}
	return nil
}

// DeleteAddress removes an address.
func (s *linuxSpace) DeleteAddress(a Address) error {
	err := s.onLink(a.Dev, func(h *netlink.Handle, l netlink.Link) error { return h.AddrDel(l, addr(a)) })
	if err != nil && !absent(err) {
		return fmt.Errorf("delete address %s: %w", a, err)
	}
	return nil
}

func addr(a Address) *netlink.Addr { return &netlink.Addr{IPNet: ipNet(a.Prefix)} }

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// AddRoute adds or replaces a route.
func (s *linuxSpace) AddRoute(r Route) error {
	if err := s.onRoute(r, (*netlink.Handle).RouteReplace); err != nil {
		return fmt.Errorf("add route %s: %w", r, err)
	}
	return nil
}

// DeleteRoute removes a route.
func (s *linuxSpace) DeleteRoute(r Route) error {
	if err := s.onRoute(r, (*netlink.Handle).RouteDel); err != nil && !absent(err) {
		return fmt.Errorf("delete route %s: %w", r, err)
	}
	return nil
}

func (s *linuxSpace) onRoute(r Route, do func(*netlink.Handle, *netlink.Route) error) error {
	n := &netlink.Route{Dst: ipNet(r.To), Table: int(r.Table)}
	if r.Dev == "" {
		h, err := s.netlink()
		if err != nil {
			return err
		}
		n.Type = unix.RTN_BLACKHOLE
		return do(h, n)
	}
	n.Scope = netlink.SCOPE_LINK
	if r.Via.IsValid() {
		n.Gw, n.Scope = r.Via.AsSlice(), netlink.SCOPE_UNIVERSE
		n.SetFlag(netlink.FLAG_ONLINK)
	}
	return s.onLink(r.Dev, func(h *netlink.Handle, l netlink.Link) error {
		n.LinkIndex = l.Attrs().Index
		return do(h, n)
	})
}

// AddRule adds a rule.
func (s *linuxSpace) AddRule(r Rule) error {
	h, err := s.netlink()
	if err != nil {
		return err
	}
	if err := h.RuleAdd(rule(r)); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add rule %s: %w", r, err)
	}
	return nil
}

// DeleteRule removes a rule.
func (s *linuxSpace) DeleteRule(r Rule) error {
	h, err := s.netlink()
	if err != nil {
		return err
	}
	if err := h.RuleDel(rule(r)); err != nil && !absent(err) {
		return fmt.Errorf("delete rule %s: %w", r, err)
	}
	return nil
}

func rule(r Rule) *netlink.Rule {
	n := netlink.NewRule()
	n.Family, n.Priority, n.Table = unix.AF_INET, r.Priority, int(r.Table)
	if r.Mark != 0 {
		all := ^uint32(0)
		n.Mark, n.Mask = r.Mark, &all
	}
	return n
}

// SetSysctl writes below /proc/sys/net of the namespace. A key that this
// kernel does not have is fault.NotFound.
func (s *linuxSpace) SetSysctl(key, value string) error {
	path := filepath.Join("/proc/sys/net", filepath.Clean("/"+key))
	var err error
	if e := s.ns.quick(func() {
		var now []byte
		if now, err = os.ReadFile(path); err == nil && strings.TrimSpace(string(now)) == value {
			return // reading is cheap; some writes walk every device
		}
		err = os.WriteFile(path, []byte(value), 0)
	}); e != nil {
		return e
	}
	if errors.Is(err, os.ErrNotExist) {
		return fault.Wrap(fault.NotFound, err, "set sysctl %s", key)
	}
	if err != nil {
		return fmt.Errorf("set sysctl %s: %w", key, err)
	}
	return nil
}

// SetFilter changes the packet filter.
func (s *linuxSpace) SetFilter(old *Filter, f Filter) error {
	c, err := s.nftables()
	if err != nil {
		return err
	}
	return setFilter(c, s.tableName(), old, f)
}
