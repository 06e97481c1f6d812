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
	asks := w.asks()
	needed := map[string]bool{}
	if len(asks) == 0 {
		return needed
	}
	soon := w.Facts.Soon()
	then, refused := placement.Try(soon, asks)
	for i := range then {
		if then[i].Took() > 0 {
			needed[then[i].ID] = true
		}
	}
	if len(refused) == 0 || w.Provider.Status != model.ProviderActive {
		return needed
	}
	if wait := w.wait(asks); wait > 0 {
		p.again(wait)
		return needed
	}
	w.buy(p, left(asks, refused), booked(soon, then))
	return needed
}

// asks are the waiting tasks that have this provider. A task whose provider is
// still open waits for placement to write it down.
func (w *World) asks() []placement.Ask {
	asks := w.Facts.Asks()
	others := func(a placement.Ask) bool { return a.Record.CapacityProvider != w.Provider.Name }
	if slices.ContainsFunc(asks, others) {
		asks = slices.DeleteFunc(slices.Clone(asks), others)
	}
	return asks
}

// wait is how long buying has to wait: for company, or after a refusal unless
// the provider has been changed since. A zone without capacity keeps nothing
// from being bought in another.
func (w *World) wait(asks []placement.Ask) time.Duration {
	oldest, newest := ages(asks)
	company := min(newest.Add(Batch).Sub(w.Now), oldest.Add(BatchMost).Sub(w.Now))
	if w.Provider.LastFailureAt.IsZero() || w.Provider.ChangedAt.After(w.Provider.LastFailureAt) || scarce(w.Provider.FailureCause.Code) {
		return company
	}
	return max(company, w.Provider.LastFailureAt.Add(Backoff).Sub(w.Now))
}

// ages are when the oldest and the newest of the asks came.
func ages(asks []placement.Ask) (oldest, newest time.Time) {
	for i := range asks {
		at := asks[i].Record.CreatedAt
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
		newest = latest(newest, at)
	}
	return oldest, newest
}

// booked counts the tasks that nodes would take.
func booked(now, then []placement.Node) zoned {
	out := zoned{}
	for i := range then {
		if then[i].Took() == 0 {
			continue
		}
		for group, n := range then[i].Groups {
			if more := n - now[i].Groups[group]; more > 0 {
				out.add(group, then[i].Zone, more)
			}
		}
	}
	return out
}

// left are the asks that do not fit on what there is and will be.
func left(asks []placement.Ask, refused []int) []placement.Ask {
	out := make([]placement.Ask, len(refused))
	for i, n := range refused {
		out[i] = asks[n]
	}
	return out
}

// buy splits the tasks over the provider's zones, packs each zone's share, and
// adds what is to be bought.
func (w *World) buy(p *Plan, asks []placement.Ask, placed zoned) {
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
	tasks     zoned
	instances map[string]int // by zone
	used      map[string]int // instances by subnet
	lacking   lack
}

// zoned counts tasks by group and zone.
type zoned map[string]map[string]int

func (z zoned) add(group, zone string, n int) {
	if z[group] == nil {
		z[group] = map[string]int{}
	}
	z[group][zone] += n
}

func (w *World) zoning(tasks zoned) *zoning {
	z := &zoning{
		subnets: map[string][]Subnet{}, tasks: tasks, instances: map[string]int{}, used: map[string]int{},
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
			z.tasks.add(group, i.AvailabilityZone, n)
		}
	}
	return z
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
		z.tasks.add(a.Group, zone, 1)
	}
	return zone, Shortage{}
}

// subnet takes the provider's subnet of a zone that has the fewest instances.
func (z *zoning) subnet(zone string) string {
	s := slices.MinFunc(z.subnets[zone], func(a, b Subnet) int { return cmp.Compare(z.used[a.ID], z.used[b.ID]) })
	z.used[s.ID]++
	return s.ID
}
