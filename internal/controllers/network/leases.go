package network

import (
	"cmp"
	"net/netip"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

// leases gives addresses out, so that none has two owners. It follows the
// records by their changes; what a plan gives out or takes back holds only
// until undo, for the records say what came of it.
type leases struct {
	db     *store.DB
	rev    int64 // what it follows; -1 at first
	pools  map[string]*pool
	spoken []func()
}

// pool are the addresses of a subnet; "" is that of functions outside a VPC,
// public that of public addresses.
type pool struct {
	taken map[netip.Addr]bool
	from  netip.Addr // all addresses below are taken
}

const public = "public"

func newLeases(db *store.DB) *leases { return &leases{db: db, rev: -1} }

// to follows the records to a view.
func (l *leases) to(v *store.View) {
	known := l.db.Since(l.rev, v, func(c store.Change) {
		old, n := state.NetworkInterfaces.Of(c)
		l.each(old, (*pool).free)
		l.each(n, (*pool).take)
	})
	if !known {
		l.pools = map[string]*pool{}
		for n := range state.NetworkInterfaces.Every(v) {
			l.each(n, (*pool).take)
		}
	}
	l.rev = v.Revision()
}

// each calls fn with every address of an interface. Elastic ones are of no
// pool that is leased from.
func (l *leases) each(n *model.NetworkInterface, fn func(*pool, netip.Addr)) {
	if n == nil {
		return
	}
	if a, err := netip.ParseAddr(n.IP); err == nil {
		fn(l.pool(n.Subnet), a)
	}
	if a, err := netip.ParseAddr(n.PublicIP); err == nil && vpc.PublicPool.Contains(a) {
		fn(l.pool(public), a)
	}
}

func (l *leases) pool(name string) *pool {
	p := l.pools[name]
	if p == nil {
		p = &pool{taken: map[netip.Addr]bool{}}
		l.pools[name] = p
	}
	return p
}

func (p *pool) take(a netip.Addr) { p.taken[a] = true }

func (p *pool) free(a netip.Addr) {
	delete(p.taken, a)
	if p.from.IsValid() && a.Less(p.from) {
		p.from = a
	}
}

// lease takes the lowest free address, until undo.
func (l *leases) lease(p *pool, lowest func(from netip.Addr, taken map[netip.Addr]bool) (netip.Addr, bool)) (netip.Addr, bool) {
	a, ok := lowest(p.from, p.taken)
	if !ok {
		return a, false
	}
	p.take(a)
	p.from = a
	l.spoken = append(l.spoken, func() { p.free(a) })
	return a, true
}

// free gives an interface's addresses back, until undo.
func (l *leases) free(n model.NetworkInterface) {
	l.each(&n, func(p *pool, a netip.Addr) {
		p.free(a)
		l.spoken = append(l.spoken, func() { p.take(a) })
	})
}

// undo makes what is taken what the records say again.
func (l *leases) undo() {
	for len(l.spoken) > 0 {
		last := len(l.spoken) - 1
		l.spoken[last]()
		l.spoken = l.spoken[:last]
	}
}

// grant gives a request its addresses, or says why not.
func (l *leases) grant(r store.Reader, x request) (grant, string) {
	g := grant{request: x, publicIP: x.elastic}
	lowest := func(from netip.Addr, taken map[netip.Addr]bool) (netip.Addr, bool) {
		return vpc.LeasePublicFrom(vpc.FunctionPool, from, taken)
	}
	if x.subnet != "" {
		s, _ := state.Subnets.Get(r, x.subnet)
		p, err := vpc.ParseCIDR(s.CIDR)
		if err != nil {
			return g, "subnet " + x.subnet + " does not exist"
		}
		g.vpc, g.zone = s.VPC, s.AvailabilityZone
		lowest = func(from netip.Addr, taken map[netip.Addr]bool) (netip.Addr, bool) {
			return vpc.LeaseFrom(p, from, taken)
		}
	}
	var ok bool
	if g.ip, ok = l.lease(l.pool(x.subnet), lowest); !ok {
		return g, "subnet " + cmp.Or(x.subnet, "of the Internet") + " has no free addresses"
	}
	if x.public {
		a, ok := l.lease(l.pool(public), func(from netip.Addr, taken map[netip.Addr]bool) (netip.Addr, bool) {
			return vpc.LeasePublicFrom(vpc.PublicPool, from, taken)
		})
		if !ok {
			l.pool(x.subnet).free(g.ip)
			return g, "no public address is free"
		}
		g.publicIP = a.String()
	}
	return g, ""
}
