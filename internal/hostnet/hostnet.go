package hostnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"berth/internal/fault"
	"berth/internal/kernel"
	"berth/internal/vpc"
)

// Net is this host's network.
type Net struct {
	spaces kernel.Spaces
	log    *slog.Logger

	mu   sync.Mutex
	have map[string]*space       // nil while it is not known
	open map[string]kernel.Space // routers, kept open
	bin  bin

	out     *vpc.Out // the way out of the host; nil is none
	outName string   // of the device and the table on the host's side
	led     bool     // they are there
	// own opens the host's own namespace.
	own func(name string) (kernel.Space, error)
}

// New manages the namespaces of spaces. It looks at nothing until Set.
func New(spaces kernel.Spaces, log *slog.Logger) *Net {
	return &Net{spaces: spaces, log: log, open: map[string]kernel.Space{}, bin: bin{names: map[string]bool{}}, own: ownSpace}
}

// Set makes the host's network equal to h. When it returns without error,
// what h adds works and what it no longer has is cut off; the remains are
// taken away in the background. After an error the next Set looks at the
// kernel again and carries on. Setting the same value twice changes nothing.
func (n *Net) Set(ctx context.Context, h vpc.HostNetwork) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	h.Out = n.out
	want := lower(h)
	n.bin.waitFor(want)
	if n.bin.takeFailed() {
		n.have = nil // what stayed must be found again
	}
	if n.have == nil {
		have, err := n.readKernel(want)
		if err != nil {
			return fmt.Errorf("look at the host's network: %w", err)
		}
		n.have = have
	}
	if err := n.change(ctx, want); err != nil {
		n.have = nil
		return fmt.Errorf("set the host's network: %w", err)
	}
	return nil
}

// Remove takes everything away and waits until it is gone.
func (n *Net) Remove(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.bin.wait()
	names, err := n.spaces.Names()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(n.open)) {
		errs = append(errs, n.open[name].Close())
		delete(n.open, name)
	}
	for _, name := range names {
		errs = append(errs, n.spaces.Delete(name), ctx.Err())
	}
	n.have = nil
	return errors.Join(errs...)
}

// Wait returns when nothing is left to be taken away in the background.
func (n *Net) Wait() { n.bin.wait() }

// Close lets go of what is open and leaves the network as it is.
func (n *Net) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.bin.wait()
	var errs []error
	for name, s := range n.open {
		errs = append(errs, s.Close())
		delete(n.open, name)
	}
	n.have = nil
	return errors.Join(errs...)
}

// readKernel reads what the kernel has, so that a new process adopts it.
func (n *Net) readKernel(want map[string]*space) (map[string]*space, error) {
	names, err := n.spaces.Names()
	if err != nil {
		return nil, err
	}
	have := map[string]*space{}
	for _, name := range names {
		s, err := n.spaces.Open(name)
		if err != nil {
			return nil, err
		}
		p, err := s.Look()
		err = errors.Join(err, s.Close())
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", name, err)
		}
		have[name] = adopt(p, want[name])
	}
	pair(have, want)
	return have, nil
}

// adopt turns a picture into what we know. Sysctls are not read: writing them
// again is as cheap.
func adopt(p kernel.Picture, want *space) *space {
	s := newSpace()
	leaf := want != nil && want.ends[interfaceDev]
	for _, l := range p.Links {
		if leaf && l.Name != interfaceDev {
			continue
		}
		if want != nil && want.ends[l.Name] || want == nil && l.Name == interfaceDev {
			// One that is down is the rest of a making that was cut short: not
			// known here, the pair is made again.
			if !l.Down {
				s.ends[l.Name] = true
			}
		} else {
			s.links[l.Name] = link{}
		}
	}
	for _, a := range p.Addresses {
		s.addrs[a] = !leaf || a.Dev == interfaceDev || want.addrs[a]
	}
	for _, r := range p.Routes {
		s.routes[r] = !leaf || want.routes[r]
	}
	// What agents and tasks have added on the inside is theirs.
	maps.DeleteFunc(s.addrs, func(_ kernel.Address, ours bool) bool { return !ours })
	maps.DeleteFunc(s.routes, func(_ kernel.Route, ours bool) bool { return !ours })
	for _, r := range p.Rules {
		s.rules[r] = true
	}
	if want != nil && want.filter != nil && want.filter.Revision() == p.Revision {
		s.filter = want.filter
	}
	return s
}

// pair keeps a link only if both of its ends are there; half a link is
// forgotten so that it is made again.
func pair(have, want map[string]*space) {
	for name, w := range want {
		for d, l := range w.links {
			near, far := have[name], have[l.peer]
			if near == nil || far == nil {
				continue
			}
			if _, ok := near.links[d]; ok && far.ends[l.peerDev] {
				near.links[d] = l
			}
		}
	}
}

// change plays the difference: first what is new, from the routers outwards,
// then what is gone.
func (n *Net) change(ctx context.Context, want map[string]*space) error {
	routers, leaves := split(want)
	for _, name := range routers {
		if err := n.prepare(name, want[name]); err != nil {
			return err
		}
	}
	if err := n.uplink(); err != nil {
		return err
	}
	var errs []error
	for _, name := range routers {
		if err := n.links(ctx, name, want); err != nil {
			errs = append(errs, err)
		}
	}
	for _, name := range slices.Concat(routers, leaves) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := n.configure(name, want[name]); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, n.drop(want))
	return errors.Join(errs...)
}

// split separates the spaces that have links of their own from the leaves.
func split(want map[string]*space) (routers, leaves []string) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if want[name].ends[interfaceDev] {
			leaves = append(leaves, name)
		} else {
			routers = append(routers, name)
		}
	}
	return routers, leaves
}

// router opens a space and keeps it open.
func (n *Net) router(name string) (kernel.Space, error) {
	if s := n.open[name]; s != nil {
		return s, nil
	}
	s, err := n.spaces.Create(name, false)
	if err == nil {
		n.open[name] = s
	}
	return s, err
}

// known is what we know of a space, starting with nothing.
func (n *Net) known(name string) *space {
	s := n.have[name]
	if s == nil {
		s = newSpace()
		n.have[name] = s
	}
	return s
}

// prepare makes a router's namespace, its settings and its filter, so that
// links come up closed and with the right defaults.
func (n *Net) prepare(name string, want *space) error {
	s, err := n.router(name)
	if err != nil {
		return err
	}
	have := n.known(name)
	before := newSpace()
	maps.Copy(before.sysctls, want.sysctls)
	for d := range want.links {
		delete(before.sysctls, delay(d))
	}
	return errors.Join(sysctls(s, have, before), filter(s, have, want))
}

func sysctls(s kernel.Space, have, want *space) error {
	for _, k := range slices.Sorted(maps.Keys(want.sysctls)) {
		v := want.sysctls[k]
		if have.sysctls[k] == v {
			continue
		}
		if err := s.SetSysctl(k, v); err != nil && (!strings.HasPrefix(k, "ipv6/") || !fault.Is(err, fault.NotFound)) {
			return err // a kernel without IPv6 needs none of it
		}
		have.sysctls[k] = v
	}
	return nil
}

func filter(s kernel.Space, have, want *space) error {
	if want.filter == nil || have.filter == want.filter {
		return nil
	}
	if err := s.SetFilter(have.filter, *want.filter); err != nil {
		have.filter = nil
		return err
	}
	have.filter = want.filter
	return nil
}

// links makes a router's missing links with the namespaces at their far ends.
func (n *Net) links(ctx context.Context, name string, want map[string]*space) error {
	s, have := n.open[name], n.known(name)
	var errs []error
	for _, d := range slices.Sorted(maps.Keys(want[name].links)) {
		l := want[name].links[d]
		if have.links[d] == l {
			continue
		}
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		if err := n.connect(s, have, d, l, want[l.peer]); err != nil {
			errs = append(errs, fmt.Errorf("connect %s to %s: %w", l.peer, name, err))
		}
	}
	return errors.Join(errs...)
}

func (n *Net) connect(s kernel.Space, have *space, d string, l link, far *space) error {
	if _, half := have.links[d]; half {
		if err := s.DeleteLink(d); err != nil {
			return err
		}
		delete(have.links, d)
	}
	peer, err := n.spaces.Create(l.peer, far.containers)
	if err != nil {
		return err
	}
	defer func() { _ = peer.Close() }()
	there := n.known(l.peer)
	if there.ends[l.peerDev] {
		if err := peer.DeleteLink(l.peerDev); err != nil {
			return err
		}
		delete(there.ends, l.peerDev)
	}
	// Whatever hung on the old ends went with them.
	forget(have, d)
	forget(there, l.peerDev)
	leaf := l.peerDev == interfaceDev
	if leaf { // a router was prepared already
		if err := sysctls(peer, there, far); err != nil {
			return err
		}
	}
	near, end := kernel.Link{Name: d, MAC: l.mac, Neighbor: l.there}, kernel.Link{Name: l.peerDev, MAC: l.peerMAC, Neighbor: l.here}
	if err := s.AddLink(near, peer, end); err != nil {
		return err
	}
	have.links[d], there.ends[l.peerDev] = l, true
	if !leaf {
		return nil // its routes need links that are yet to come
	}
	return configureSpace(peer, there, far)
}

func forget(s *space, d string) {
	maps.DeleteFunc(s.addrs, func(a kernel.Address, _ bool) bool { return a.Dev == d })
	maps.DeleteFunc(s.routes, func(r kernel.Route, _ bool) bool { return r.Dev == d })
	delete(s.sysctls, delay(d))
}

// configure makes what is in a space right, if anything is not.
func (n *Net) configure(name string, want *space) error {
	have := n.known(name)
	if isConfigured(have, want) {
		return nil
	}
	if s := n.open[name]; s != nil {
		return configureSpace(s, have, want)
	}
	s, err := n.spaces.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(configureSpace(s, have, want), s.Close())
}

func isConfigured(have, want *space) bool {
	same := want.filter == have.filter || want.filter != nil && have.filter != nil && have.filter.Revision() == want.filter.Revision()
	return same && maps.Equal(have.addrs, want.addrs) && maps.Equal(have.routes, want.routes) && maps.Equal(have.rules, want.rules) &&
		maps.Equal(have.sysctls, want.sysctls)
}

// configureSpace makes sysctls, addresses, routes, rules and the filter of a space
// right; addresses before the routes through them.
func configureSpace(s kernel.Space, have, want *space) error {
	if err := errors.Join(sysctls(s, have, want), filter(s, have, want)); err != nil {
		return err
	}
	if err := addMissing(have.addrs, want.addrs, s.AddAddress); err != nil {
		return err
	}
	if err := addMissing(have.routes, want.routes, s.AddRoute); err != nil {
		return err
	}
	if err := addMissing(have.rules, want.rules, s.AddRule); err != nil {
		return err
	}
	if err := removeExtra(have.rules, want.rules, s.DeleteRule); err != nil {
		return err
	}
	replaced(have.routes, want.routes)
	if err := removeExtra(have.routes, want.routes, s.DeleteRoute); err != nil {
		return err
	}
	return removeExtra(have.addrs, want.addrs, s.DeleteAddress)
}

// entry is what a set of addresses, routes or rules holds.
type entry interface {
	comparable
	fmt.Stringer
}

func addMissing[T entry](have, want map[T]bool, add func(T) error) error {
	for _, v := range missing(want, have) {
		if err := add(v); err != nil {
			return err
		}
		have[v] = true
	}
	return nil
}

func removeExtra[T entry](have, want map[T]bool, remove func(T) error) error {
	for _, v := range missing(have, want) {
		if err := remove(v); err != nil {
			return err
		}
		delete(have, v)
	}
	return nil
}

// missing lists what a has and b has not, in the order of their texts.
func missing[T entry](a, b map[T]bool) []T {
	var out []T
	for v := range a {
		if !b[v] {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(x, y T) int { return strings.Compare(x.String(), y.String()) })
	return out
}

// replaced forgets routes whose place in the table was taken by a new one.
func replaced(have, want map[kernel.Route]bool) {
	type place struct {
		table uint32
		to    netip.Prefix
	}
	taken := map[place]bool{}
	for r := range want {
		taken[place{r.Table, r.To}] = true
	}
	maps.DeleteFunc(have, func(r kernel.Route, _ bool) bool { return !want[r] && taken[place{r.Table, r.To}] })
}

// drop cuts off what is not wanted and leaves the rest to the background.
func (n *Net) drop(want map[string]*space) error {
	var errs []error
	gone := map[string][]netip.Addr{} // by router
	for _, name := range slices.Sorted(maps.Keys(want)) {
		have, s := n.have[name], n.open[name]
		if s == nil {
			continue
		}
		for d, l := range have.links {
			if _, ok := want[name].links[d]; !ok {
				if left := n.have[l.peer]; left != nil && want[l.peer] == nil {
					gone[name] = append(gone[name], addressesOf(left)...)
				}
				delete(have.links, d)
				forget(have, d)
				n.bin.add(job{"", func() error { return unlessClosed(s.DeleteLink(d)) }})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.have)) {
		if want[name] == nil {
			n.discard(name)
		}
	}
	n.bin.start(n.log)
	return errors.Join(append(errs, n.forgetFlows(gone))...)
}

// unlessClosed forgives a router that went before its link.
func unlessClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// addressesOf are the addresses of an interface.
func addressesOf(s *space) []netip.Addr {
	var out []netip.Addr
	for a := range s.addrs {
		if a.Dev == interfaceDev {
			out = append(out, a.Prefix.Addr())
		}
	}
	return out
}

// forgetFlows forgets the connections of interfaces that are gone, by the router
// that they hung on, so that the next owner of an address does not inherit
// them. Another VPC may have the same addresses and keeps its connections; an
// address of the Internet is one everywhere.
func (n *Net) forgetFlows(gone map[string][]netip.Addr) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(n.open)) {
		leave := gone[name]
		if name != Internet {
			leave = slices.Concat(leave, gone[Internet])
		}
		if len(leave) > 0 {
			errs = append(errs, n.open[name].ForgetFlows(leave))
		}
	}
	return errors.Join(errs...)
}

func (n *Net) discard(name string) {
	delete(n.have, name)
	if s := n.open[name]; s != nil {
		delete(n.open, name)
		if err := s.Close(); err != nil {
			n.log.Warn("closing a namespace failed", "namespace", name, "error", err)
		}
	}
	n.bin.add(job{name, func() error { return n.spaces.Delete(name) }})
}
