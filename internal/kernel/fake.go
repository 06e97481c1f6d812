package kernel

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"berth/internal/fault"
)

// Fake is a kernel in memory: the verbs change a value that String prints.
// It needs no root and moves no packets.
type Fake struct {
	mu     sync.Mutex
	spaces map[string]*fakeSpace
	// verbs counts the changes made, by verb.
	verbs map[string]int
	fail  func(verb, detail string) error
}

// NewFake makes an empty kernel.
func NewFake() *Fake { return &Fake{spaces: map[string]*fakeSpace{}, verbs: map[string]int{}} }

// FailWith asks fn before every change; its error is the verb's.
func (f *Fake) FailWith(fn func(verb, detail string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fn
}

// Verbs returns how often each verb changed something, and starts again at zero.
func (f *Fake) Verbs() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.verbs
	f.verbs = map[string]int{}
	return out
}

type peer struct {
	space *fakeSpace
	dev   string
}

type fakeSpace struct {
	f       *Fake
	name    string
	links   map[string]Link
	peers   map[string]peer
	addrs   map[string]Address
	routes  map[string]Route
	rules   map[string]Rule
	sysctls map[string]string
	filter  *Filter
}

func (f *Fake) do(verb, detail string, fn func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		if err := f.fail(verb, detail); err != nil {
			return err
		}
	}
	f.verbs[verb]++
	fn()
	return nil
}

// Names lists the namespaces.
func (f *Fake) Names() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.spaces)), nil
}

// Create makes or opens a namespace.
func (f *Fake) Create(name string, _ bool) (Space, error) {
	if s, err := f.Open(name); err == nil {
		return s, nil
	}
	s := &fakeSpace{
		f: f, name: name, links: map[string]Link{}, peers: map[string]peer{}, addrs: map[string]Address{}, routes: map[string]Route{},
		rules: map[string]Rule{}, sysctls: map[string]string{},
	}
	return s, f.do("create", name, func() { f.spaces[name] = s })
}

// Open opens a namespace.
func (f *Fake) Open(name string) (Space, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.spaces[name]; s != nil {
		return s, nil
	}
	return nil, fault.New(fault.NotFound, "", "network namespace %s does not exist", name)
}

// Delete removes a namespace with its links and their other ends.
func (f *Fake) Delete(name string) error {
	return f.do("delete", name, func() {
		if s := f.spaces[name]; s != nil {
			for dev := range s.links {
				s.unlink(dev)
			}
		}
		delete(f.spaces, name)
	})
}

func (s *fakeSpace) unlink(dev string) {
	p, ok := s.peers[dev]
	delete(s.links, dev)
	delete(s.peers, dev)
	maps.DeleteFunc(s.addrs, func(_ string, a Address) bool { return a.Dev == dev })
	maps.DeleteFunc(s.routes, func(_ string, r Route) bool { return r.Dev == dev })
	maps.DeleteFunc(s.sysctls, func(k, _ string) bool { return strings.Contains(k, "/"+dev+"/") })
	if ok && p.space.peers[p.dev].space == s {
		delete(p.space.peers, p.dev)
		p.space.unlink(p.dev)
	}
}

func (s *fakeSpace) need(dev string) error {
	if _, ok := s.links[dev]; !ok && dev != "lo" {
		return fault.New(fault.Internal, "", "%s has no device %s", s.name, dev)
	}
	return nil
}

func (s *fakeSpace) change(verb, detail string, fn func() error) error {
	var err error
	if e := s.f.do(verb, s.name+" "+detail, func() { err = fn() }); e != nil {
		return e
	}
	return err
}

// Look reads the space.
func (s *fakeSpace) Look() (Picture, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	p := Picture{
		Links: slices.Collect(maps.Values(s.links)), Addresses: slices.Collect(maps.Values(s.addrs)),
		Routes: slices.Collect(maps.Values(s.routes)), Rules: slices.Collect(maps.Values(s.rules)),
	}
	if s.filter != nil {
		p.Revision = s.filter.Revision()
	}
	p.sort()
	return p, nil
}

// AddLink makes a pair of links.
func (s *fakeSpace) AddLink(l Link, to Space, p Link) error {
	o := to.(*fakeSpace)
	return s.change("add link", l.Name, func() error {
		if _, ok := s.links[l.Name]; ok {
			return nil
		}
		if l.Master != "" {
			if err := s.need(l.Master); err != nil {
				return err
			}
		}
		if len(l.Name) > 15 || len(p.Name) > 15 {
			return fault.New(fault.Internal, "", "device name %s or %s is too long", l.Name, p.Name)
		}
		s.links[l.Name], o.links[p.Name] = l, p
		s.peers[l.Name], o.peers[p.Name] = peer{o, p.Name}, peer{s, l.Name}
		return nil
	})
}

// AddBridge makes a bridge.
func (s *fakeSpace) AddBridge(l Link) error {
	return s.change("add bridge", l.Name, func() error { s.links[l.Name] = l; return nil })
}

// DeleteLink removes both ends.
func (s *fakeSpace) DeleteLink(dev string) error {
	return s.change("delete link", dev, func() error { s.unlink(dev); return nil })
}

// AddAddress adds an address.
func (s *fakeSpace) AddAddress(a Address) error {
	return s.change("add address", a.String(), func() error { s.addrs[a.String()] = a; return s.need(a.Dev) })
}

// DeleteAddress removes an address.
func (s *fakeSpace) DeleteAddress(a Address) error {
	return s.change("delete address", a.String(), func() error { delete(s.addrs, a.String()); return nil })
}

func routeKey(r Route) string { return fmt.Sprintf("%d %s", r.Table, r.To) }

// AddRoute adds or replaces a route.
func (s *fakeSpace) AddRoute(r Route) error {
	return s.change("add route", r.String(), func() error {
		if r.Dev != "" {
			if err := s.need(r.Dev); err != nil {
				return err
			}
		}
		s.routes[routeKey(r)] = r
		return nil
	})
}

// DeleteRoute removes a route.
func (s *fakeSpace) DeleteRoute(r Route) error {
	return s.change("delete route", r.String(), func() error {
		if s.routes[routeKey(r)] == r {
			delete(s.routes, routeKey(r))
		}
		return nil
	})
}

// AddRule adds a rule.
func (s *fakeSpace) AddRule(r Rule) error {
	return s.change("add rule", r.String(), func() error { s.rules[r.String()] = r; return nil })
}

// DeleteRule removes a rule.
func (s *fakeSpace) DeleteRule(r Rule) error {
	return s.change("delete rule", r.String(), func() error { delete(s.rules, r.String()); return nil })
}

// SetSysctl remembers a value.
func (s *fakeSpace) SetSysctl(key, value string) error {
	return s.change("sysctl", key, func() error { s.sysctls[key] = value; return nil })
}

// SetFilter replaces the filter; old must be what it was.
func (s *fakeSpace) SetFilter(old *Filter, f Filter) error {
	if old != nil && difference(*old, f).none() {
		return nil
	}
	return s.change("filter", f.Revision(), func() error {
		if old != nil && (s.filter == nil || s.filter.Revision() != old.Revision()) {
			return fault.New(fault.Internal, "", "%s has another filter than was said", s.name)
		}
		s.filter = &f
		return nil
	})
}

// ForgetFlows has nothing to forget.
func (s *fakeSpace) ForgetFlows([]netip.Addr) error { return nil }

// Close does nothing.
func (s *fakeSpace) Close() error { return nil }

// String prints all namespaces.
func (f *Fake) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f.spaces)) {
		f.spaces[name].print(&b)
	}
	return b.String()
}

func (s *fakeSpace) print(b *strings.Builder) {
	fmt.Fprintf(b, "namespace %s\n", s.name)
	for _, dev := range slices.Sorted(maps.Keys(s.links)) {
		fmt.Fprintf(b, "  link %s to %s/%s", s.links[dev], s.peers[dev].space.name, s.peers[dev].dev)
		if a := s.links[dev].Neighbor; a.IsValid() {
			fmt.Fprintf(b, " at %s", a)
		}
		b.WriteByte('\n')
	}
	lines(b, "address", s.addrs)
	lines(b, "route", s.routes)
	lines(b, "rule", s.rules)
	for _, k := range slices.Sorted(maps.Keys(s.sysctls)) {
		fmt.Fprintf(b, "  sysctl %s = %s\n", k, s.sysctls[k])
	}
	if s.filter != nil {
		for line := range strings.Lines(s.filter.String()) {
			b.WriteString("  " + line)
		}
	}
}

func lines[T fmt.Stringer](b *strings.Builder, what string, m map[string]T) {
	out := make([]string, 0, len(m))
	for _, v := range m {
		out = append(out, v.String())
	}
	slices.Sort(out)
	for _, s := range out {
		fmt.Fprintf(b, "  %s %s\n", what, s)
	}
}
