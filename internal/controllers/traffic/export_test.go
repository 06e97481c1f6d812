package traffic

import (
	"maps"
	"slices"

	"berth/internal/balancer"
	"berth/internal/store"
)

// Reports takes one report after the other, and returns for each what is known
// then of every target, and which targets were said to have changed.
func Reports(db *store.DB, all ...[]balancer.TargetReport) (known []map[string]balancer.TargetReport, changed [][]string) {
	p := newPlane(db, "", nil)
	for _, r := range all {
		news := p.news(db.View(), r)
		now := map[string]balancer.TargetReport{}
		for k, t := range p.reports {
			now[k.target()] = t
		}
		known, changed = append(known, now), append(changed, slices.Sorted(maps.Keys(news)))
	}
	return known, changed
}

// Compiled is how many parts of the data plane's configuration were compiled.
func (l *Controller) Compiled() int {
	c := l.plane.config
	return c.balancers.Made() + c.listeners.Made() + c.groups.Made()
}

// AddressAt and OwnAddress choose load balancers' addresses of the host.
var (
	AddressAt  = addressAt
	OwnAddress = ownAddress
)
