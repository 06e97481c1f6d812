package supply

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/plan/placement"
)

// purchases plans what to buy, and returns the instances on which waiting
// tasks are counted.
func (w *World) purchases(p *Plan) map[string]bool {
	asks, oldest, newest := w.asks()
	needed := map[string]bool{}
	if len(asks) == 0 {
		return needed
	}
	fits := placement.Place(w.Facts.Soon(), asks)
	for _, x := range fits.Placed {
		needed[x.Node] = true
	}
	if len(fits.Refused) == 0 || w.Provider.Status != model.ProviderActive {
		return needed
	}
	if wait := w.wait(oldest, newest); wait > 0 {
		p.again(wait)
		return needed
	}
	w.buy(p, left(asks, fits), fits.Placed)
	return needed
}

// asks are the waiting tasks that have this provider, and when the oldest and
// the newest of them came. A task whose provider is still open waits for
// placement to write it down.
func (w *World) asks() (asks []placement.Ask, oldest, newest time.Time) {
	asks = w.Facts.Asks()
	others := func(a placement.Ask) bool { return a.Record.CapacityProvider != w.Provider.Name }
	if slices.ContainsFunc(asks, others) {
		asks = slices.DeleteFunc(slices.Clone(asks), others)
	}
	for i := range asks {
		at := asks[i].Record.CreatedAt
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
		newest = latest(newest, at)
	}
	return asks, oldest, newest
}

// wait is how long buying has to wait: for company, or after a refusal unless
// the provider has been changed since. A zone without capacity keeps nothing
// from being bought in another.
func (w *World) wait(oldest, newest time.Time) time.Duration {
	company := min(newest.Add(Batch).Sub(w.Now), oldest.Add(BatchMost).Sub(w.Now))
	if w.Provider.LastFailureAt.IsZero() || w.Provider.ChangedAt.After(w.Provider.LastFailureAt) || scarce(w.Provider.FailureCause.Code) {
		return company
	}
	return max(company, w.Provider.LastFailureAt.Add(Backoff).Sub(w.Now))
}

// left are the asks that do not fit on what there is and will be.
func left(asks []placement.Ask, fits placement.Plan) []placement.Ask {
	out := make([]placement.Ask, len(fits.Refused))
	for i, r := range fits.Refused {
		out[i] = asks[r.Ask]
	}
	return out
}

// buy splits the tasks over the provider's zones, packs each zone's share, and
// adds what is to be bought.
func (w *World) buy(p *Plan, asks []placement.Ask, placed []placement.Placed) {
	m := w.market()
	if m.offers == 0 {
		for _, a := range asks {
			p.Short = append(p.Short, Shortage{a.Task, m.none(), model.LacksTypes})
		}
		return
	}
	z := w.zoning(placed)
	share := map[string][]placement.Ask{}
	for i := range asks {
		a := &asks[i]
		zone, short := z.next(m, a)
		switch {
		case short.Why != "":
			p.Short = append(p.Short, short)
			continue
		case w.lacking.zone(zone):
			p.again(w.lacking[zone].Sub(w.Now))
			continue
		}
		share[zone] = append(share[zone], *a)
	}
	for _, zone := range z.names {
		for _, b := range m.pack(zone, share[zone]) {
			p.Buy = append(p.Buy, w.purchase(z, zone, b))
		}
	}
}

func (w *World) purchase(z *zoning, zone string, b bin) Purchase {
	subnet := z.subnet(zone)
	tasks := make([]string, len(b.asks))
	for i, a := range b.asks {
		tasks[i] = a.Task
	}
	return Purchase{
		Type: b.offer.Type, Zone: zone, Subnet: subnet, Expected: b.offer.nominal.Free, Tasks: tasks,
		Why: fmt.Sprintf("%s for %s in %s: %s", b.offer.Name, plural(len(tasks), "waiting task"), zone, b.why),
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// zoning deals tasks out to zones: where their group has the fewest, then
// where the provider has the fewest instances.
type zoning struct {
	names     []string
	subnets   map[string][]Subnet
	tasks     map[string]map[string]int // group → zone → tasks
	instances map[string]int            // by zone
	used      map[string]int            // instances by subnet
	lacking   lack
}

func (w *World) zoning(placed []placement.Placed) *zoning {
	z := &zoning{
		subnets: map[string][]Subnet{}, tasks: map[string]map[string]int{}, instances: map[string]int{}, used: map[string]int{},
		lacking: w.lacking,
	}
	for _, s := range w.Subnets {
		if z.subnets[s.Zone] == nil {
			z.names = append(z.names, s.Zone)
		}
		z.subnets[s.Zone] = append(z.subnets[s.Zone], s)
	}
	slices.Sort(z.names)
	for _, i := range w.own() {
		z.instances[i.AvailabilityZone]++
		z.used[i.Subnet]++
	}
	for _, i := range w.Facts.Instances {
		for group, n := range w.load(i).Groups {
			z.add(group, i.AvailabilityZone, n)
		}
	}
	for _, x := range placed {
		z.add(x.Group, x.Zone, 1)
	}
	return z
}

func (z *zoning) add(group, zone string, n int) {
	if z.tasks[group] == nil {
		z.tasks[group] = map[string]int{}
	}
	z.tasks[group][zone] += n
}

// next is the zone for a task, or why there is none. A zone without capacity
// comes after those that may have it, and the one that will be tried again
// first before the others.
func (z *zoning) next(m *market, a *placement.Ask) (zone string, short Shortage) {
	if a.Impossible != "" {
		return "", Shortage{a.Task, a.Impossible, ""}
	}
	var open, can []string
	for _, name := range z.names {
		if a.Subnets == nil || a.Subnets[name] != "" {
			open = append(open, name)
		}
	}
	if len(open) == 0 {
		return "", Shortage{a.Task, fmt.Sprintf(
			"none of the task's subnets is in a zone of capacity provider %s, which has subnets in %s", m.provider, strings.Join(z.names, ", "),
		), model.LacksSubnets}
	}
	for _, name := range open {
		if m.holds(name, a) {
			can = append(can, name)
		}
	}
	if len(can) == 0 {
		return "", m.unfit(open, a)
	}
	zone = slices.MinFunc(can, func(x, y string) int {
		return cmp.Or(
			z.lacking[x].Compare(z.lacking[y]), cmp.Compare(z.tasks[a.Group][x], z.tasks[a.Group][y]), cmp.Compare(z.instances[x], z.instances[y]),
			strings.Compare(x, y),
		)
	})
	if !z.lacking.zone(zone) {
		z.add(a.Group, zone, 1)
	}
	return zone, Shortage{}
}

// subnet takes the provider's subnet of a zone that has the fewest instances.
func (z *zoning) subnet(zone string) string {
	s := slices.MinFunc(z.subnets[zone], func(a, b Subnet) int { return cmp.Compare(z.used[a.ID], z.used[b.ID]) })
	z.used[s.ID]++
	return s.ID
}
