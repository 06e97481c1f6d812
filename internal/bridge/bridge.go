// Package bridge is the network of containers in bridge mode: a bridge inside
// of an instance's own network namespace, as Docker's default one, and a
// namespace for each container on it. What leaves does so from the instance's
// address, and ports of the instance lead to ports of containers. The VPC only
// ever sees the instance, and its security groups.
//
// It is told which containers there are, and keeps nothing on disk: whoever
// starts again tells it of those that run (Keep). It knows no tasks. The twin
// of the kernel that it works on is kernel.Fake; both pass one suite. Safe for
// concurrent use.
package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"

	"berth/internal/fault"
	"berth/internal/kernel"
)

// Device is the bridge.
const Device = "docker0"

// The two ends of what the kernel gives to whoever asks for any port.
const (
	FirstPort = 32768
	LastPort  = 60999
)

const (
	inside   = "eth0" // a container's device
	outside  = "eth0" // the instance's
	hardware = "02:42:ac:11:00:01"
)

var (
	network = netip.MustParsePrefix("172.17.0.0/16")
	gateway = netip.MustParseAddr("172.17.0.1")
	anyone  = netip.MustParsePrefix("0.0.0.0/0")
)

// Port is a port of the instance that leads to one of a container.
type Port struct {
	Container int64  `json:"container"`
	Host      int64  `json:"host"` // 0 until one was chosen
	Protocol  string `json:"protocol"`
}

// End is a container's place on the bridge.
type End struct {
	ID      string     `json:"id"` // the container's
	Address netip.Addr `json:"address,omitzero"`
	Ports   []Port     `json:"ports,omitempty"`
}

// Service is what containers find at a fixed address: it really listens on
// another port of that address.
type Service struct {
	At   netip.AddrPort
	Port uint16
}

// Deps are what a Net needs.
type Deps struct {
	// Dir is where the namespaces of Spaces are mounted, by container.
	Dir    string
	Spaces kernel.Spaces
	// Own is the instance's own namespace.
	Own      kernel.Space
	Services []Service
	// Busy reports whether somebody on the instance listens on a port.
	Busy func(port int64, protocol string) bool
}

// Net is the bridge of one instance.
type Net struct {
	Deps

	mu     sync.Mutex
	ends   map[string]End
	filter *kernel.Filter // as it was last set; nil while that is not known
	own    netip.Addr     // the instance's; valid once the bridge is up
}

// New is a bridge on which nobody is yet; nothing is made before somebody is.
func New(d Deps) *Net { return &Net{Deps: d, ends: map[string]End{}} }

// Path is where the namespace of a container is mounted.
func (n *Net) Path(id string) string { return filepath.Join(n.Dir, id) }

// Keep tells of ends that an earlier Net has made.
func (n *Net) Keep(ends ...End) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range ends {
		n.ends[e.ID] = e
	}
}

// Attach gives a container a namespace on the bridge, an address and the ports
// that it wants; a port of 0 becomes one that is free. Doing it again gives
// the same end. Errors: fault.Conflict where a port is taken.
func (n *Net) Attach(id string, ports []Port) (End, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e, ok := n.ends[id]; ok {
		return e, nil
	}
	e, err := n.choose(End{ID: id, Ports: slices.Clone(ports)})
	if err != nil {
		return e, err
	}
	if err := n.up(); err != nil {
		return e, fmt.Errorf("raise %s: %w", Device, err)
	}
	n.ends[id] = e
	if err := errors.Join(n.connect(e), n.rules()); err != nil {
		return e, errors.Join(err, n.detach(id))
	}
	return e, nil
}

// Alone gives a container a namespace without a way out of it.
func (n *Net) Alone(id string) error {
	s, err := n.Spaces.Create(id, true)
	if err != nil {
		return err
	}
	return s.Close()
}

// Detach takes a container's namespace and ports away; none is success.
func (n *Net) Detach(id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.detach(id)
}

func (n *Net) detach(id string) error {
	e, ok := n.ends[id]
	delete(n.ends, id)
	var errs []error
	if ok {
		errs = append(errs, n.Own.DeleteLink(link(id)), n.rules(), n.Own.ForgetFlows([]netip.Addr{e.Address}))
	}
	return errors.Join(append(errs, n.Spaces.Delete(id))...)
}

// choose gives an end the first address and the first ports that nobody has.
func (n *Net) choose(e End) (End, error) {
	addresses, ports := map[netip.Addr]bool{}, map[Port]bool{}
	for _, o := range n.ends {
		addresses[o.Address] = true
		for _, p := range o.Ports {
			ports[Port{Host: p.Host, Protocol: p.Protocol}] = true
		}
	}
	e.Address = gateway.Next()
	for addresses[e.Address] {
		e.Address = e.Address.Next()
	}
	if !network.Contains(e.Address.Next()) {
		return e, fault.New(fault.Unavailable, "", "no available IPv4 addresses on %s", Device)
	}
	for i := range e.Ports {
		p := &e.Ports[i]
		at, ok := n.free(*p, ports)
		if !ok {
			return e, fault.New(fault.Conflict, "", "Bind for 0.0.0.0:%d failed: port is already allocated", p.Host)
		}
		p.Host = at
		ports[Port{Host: at, Protocol: p.Protocol}] = true
	}
	return e, nil
}

// free is the port that is wanted, or for 0 the first that nobody has.
func (n *Net) free(p Port, taken map[Port]bool) (int64, bool) {
	low, high := p.Host, p.Host
	if low == 0 {
		low, high = FirstPort, LastPort
	}
	for at := low; at <= high; at++ {
		if !taken[Port{Host: at, Protocol: p.Protocol}] && !n.Busy(at, p.Protocol) {
			return at, true
		}
	}
	return 0, false
}

// up makes the bridge, once.
func (n *Net) up() error {
	if n.own.IsValid() {
		return nil
	}
	p, err := n.Own.Look()
	if err != nil {
		return err
	}
	own := slices.IndexFunc(p.Addresses, func(a kernel.Address) bool { return a.Dev == outside })
	if own < 0 {
		return fault.New(fault.Unavailable, "", "the instance has no address on %s", outside)
	}
	if err := n.Own.AddBridge(kernel.Link{Name: Device, MAC: hardware}); err != nil {
		return err
	}
	if err := n.Own.AddAddress(kernel.Address{Dev: Device, Prefix: netip.PrefixFrom(gateway, network.Bits())}); err != nil {
		return err
	}
	if err := n.Own.SetSysctl("ipv4/ip_forward", "1"); err != nil {
		return err
	}
	n.own = p.Addresses[own].Prefix.Addr()
	return nil
}

// connect makes an end's namespace and its link to the bridge.
func (n *Net) connect(e End) error {
	s, err := n.Spaces.Create(e.ID, true)
	if err != nil {
		return err
	}
	for k, v := range map[string]string{"ipv4/ip_unprivileged_port_start": "0", "ipv4/ping_group_range": "0\t2147483647"} {
		err = errors.Join(err, s.SetSysctl(k, v))
	}
	for _, step := range []func() error{
		func() error {
			return n.Own.AddLink(kernel.Link{Name: link(e.ID), Master: Device}, s, kernel.Link{Name: inside})
		},
		func() error {
			return s.AddAddress(kernel.Address{Dev: inside, Prefix: netip.PrefixFrom(e.Address, network.Bits())})
		},
		func() error {
			return s.AddRoute(kernel.Route{Table: kernel.MainTable, To: anyone, Via: gateway, Dev: inside})
		},
	} {
		if err == nil {
			err = step()
		}
	}
	return errors.Join(err, s.Close())
}

// link names the instance's end of a container's link.
func link(id string) string {
	h := sha256.Sum256([]byte(id))
	return "veth" + hex.EncodeToString(h[:5])
}

// rules makes the instance's packet filter that of the ends.
func (n *Net) rules() error {
	if !n.own.IsValid() {
		if err := n.up(); err != nil {
			return err
		}
	}
	f := Filter(n.own, n.Services, slices.Collect(maps.Values(n.ends)))
	if err := n.Own.SetFilter(n.filter, f); err != nil {
		n.filter = nil
		return err
	}
	n.filter = &f
	return nil
}
