package kernel

import (
	"fmt"
	"net/netip"
	"strings"
)

// Spaces are network namespaces by name, kept in one folder. Linux and Fake
// implement it.
type Spaces interface {
	// Names lists the namespaces, sorted.
	Names() ([]string, error)
	// Create makes a namespace, or opens the one of that name. lo is up. One in
	// which containers live belongs to their user namespace, if they have any.
	Create(name string, containers bool) (Space, error)
	// Open opens a namespace; fault.NotFound if there is none.
	Open(name string) (Space, error)
	// Delete removes a namespace; an absent one is success. What lives in it
	// lives on until it ends or is closed.
	Delete(name string) error
}

// Space is an open network namespace whose settings can be read and changed.
// Adding what is there and deleting what is not are success.
type Space interface {
	// Look reads links, addresses, routes, rules and the revision of the filter.
	Look() (Picture, error)
	// AddLink makes a veth pair between this space and another, both ends up.
	AddLink(l Link, peer Space, p Link) error
	// AddBridge makes a bridge, and raises it.
	AddBridge(l Link) error
	DeleteLink(dev string) error
	AddAddress(a Address) error
	DeleteAddress(a Address) error
	// AddRoute adds a route, or replaces the one to the same place in the table.
	AddRoute(r Route) error
	DeleteRoute(r Route) error
	AddRule(r Rule) error
	DeleteRule(r Rule) error
	// SetSysctl writes a value below /proc/sys/net, for example ipv4/ip_forward.
	SetSysctl(key, value string) error
	// SetFilter makes the packet filter equal to f in one transaction. old is
	// what it is now; nil if that is not known, which replaces it whole.
	SetFilter(old *Filter, f Filter) error
	// ForgetFlows removes the connection tracking of addresses.
	ForgetFlows(addrs []netip.Addr) error
	Close() error
}

// Link is one end of a veth pair.
type Link struct {
	Name string
	MAC  string // "" for the kernel's choice
	// Neighbor is an address that the other end has, if it should be known for
	// ever: the kernel keeps few neighbours that it had to ask for, 1,024 for
	// all namespaces together. It needs the other end's MAC. Look leaves it out.
	Neighbor netip.Addr
	// Master is the bridge that the link joins; "" is none. Look leaves it out.
	Master string
	// Down is only what Look says of a link that was never brought up, or was
	// taken down since.
	Down bool
}

// Address is an address on a device.
type Address struct {
	Dev    string
	Prefix netip.Prefix
}

// Route is a route. One without a device is a blackhole.
type Route struct {
	Table uint32 // MainTable, or a number of the caller's
	To    netip.Prefix
	Via   netip.Addr // zero: the destination is on the link
	Dev   string
}

// MainTable is the table that addresses and rule-less lookups use.
const MainTable = 254

// Rule sends packets to a route table: those with the mark, or all if it is 0.
type Rule struct {
	Priority int
	Mark     uint32
	Table    uint32
}

// Picture is what a space contains, sorted; loopback's own addresses, routes
// to local addresses and the kernel's default rules are left out.
type Picture struct {
	Links     []Link
	Addresses []Address
	Routes    []Route
	Rules     []Rule
	// Revision is that of the filter, or "" if there is none.
	Revision string
}

// String prints a link.
func (l Link) String() string { return strings.TrimSpace(l.Name + " " + l.MAC) }

// String prints an address.
func (a Address) String() string { return a.Prefix.String() + " dev " + a.Dev }

// String prints a route.
func (r Route) String() string {
	s := r.To.String()
	if r.Via.IsValid() {
		s += " via " + r.Via.String()
	}
	if r.Dev == "" {
		s += " blackhole"
	} else {
		s += " dev " + r.Dev
	}
	if r.Table != MainTable {
		s += fmt.Sprintf(" table %d", r.Table)
	}
	return s
}

// String prints a rule.
func (r Rule) String() string {
	table := fmt.Sprint(r.Table)
	if r.Table == MainTable {
		table = "main"
	}
	if r.Mark == 0 {
		return fmt.Sprintf("%d: all lookup %s", r.Priority, table)
	}
	return fmt.Sprintf("%d: mark %d lookup %s", r.Priority, r.Mark, table)
}

// String prints a picture, one thing a line; links by name only, since the
// kernel chooses most of their hardware addresses.
func (p Picture) String() string {
	var b strings.Builder
	for _, l := range p.Links {
		fmt.Fprintf(&b, "link %s\n", l.Name)
	}
	for _, a := range p.Addresses {
		fmt.Fprintf(&b, "address %s\n", a)
	}
	for _, r := range p.Routes {
		fmt.Fprintf(&b, "route %s\n", r)
	}
	for _, r := range p.Rules {
		fmt.Fprintf(&b, "rule %s\n", r)
	}
	fmt.Fprintf(&b, "filter %s\n", p.Revision)
	return b.String()
}
