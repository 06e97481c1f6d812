package supply

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/plan/placement"
)

// near is how close two costs are taken to be the same; then the newer
// generation is bought, as on AWS: c6a.large at $0.0963 before c5a.large at
// $0.0960.
const near = 1.05

// bin is one instance of the packing, with the tasks in it.
type bin struct {
	offer *offer
	node  placement.Node
	asks  []placement.Ask
	need  model.Resources
	why   string
}

func (b *bin) add(a *placement.Ask) {
	b.node.Take(a)
	b.asks = append(b.asks, *a)
	b.need.CPU += a.Need.CPU
	b.need.Memory += a.Need.Memory
	b.need.ENIs += a.Need.ENIs
}

// pack finds the cheapest fleet for a zone's tasks, which come the largest
// first. For every type of the pool it packs First Fit Decreasing into
// instances of that type; for tasks of several shapes it blends types as well.
// It shrinks each instance to the cheapest that still holds its tasks, and
// compares the sums.
func (m *market) pack(zone string, asks []placement.Ask) []bin {
	if len(asks) == 0 {
		return nil
	}
	pool, sustained := m.choice(zone, asks)
	var fleets []fleet
	for _, some := range sorted(asks) {
		for _, lead := range leads(pool, asks, sustained) {
			fleets = append(fleets, pack(lead, pool, some, sustained))
		}
	}
	fleets = append(fleets, blend(pool, asks, sustained)...)
	best := choose(fleets)
	for i := range best.bins {
		best.bins[i].why = reason(best.bins[i], m.offers, len(pool), sustained)
	}
	return best.bins
}

// choice is what there is to pack into. Types that the zone lately did not have
// and CPU that is not sustained are taken when nothing else will do.
func (m *market) choice(zone string, asks []placement.Ask) (types []*offer, sustained bool) {
	for _, offers := range [][]*offer{m.lacking.fresh(zone, m.zones[zone]), m.zones[zone]} {
		for _, sustained := range []bool{true, false} {
			if types := pool(offers, asks, sustained); len(types) > 0 {
				return types, sustained
			}
		}
	}
	return nil, false
}

func reason(b bin, of, among int, sustained bool) string {
	kind := "sustained capacity"
	if !sustained {
		kind = "capacity (no type sustains their CPU)"
	}
	return fmt.Sprintf("the cheapest %s that holds them with their interfaces, at $%.4f an hour with the fee; %d types may be bought and "+
		"%d suit the tasks",
		kind, b.offer.cost, of, among)
}

// leads are the types that fleets are tried with. A large batch is tried with
// those few that would cost least by the share of them that it fills, since
// trying each takes time in proportion to the batch.
func leads(pool []*offer, asks []placement.Ask, sustained bool) []*offer {
	const few, large = 8, 100
	if len(asks) <= large || len(pool) <= few {
		return pool
	}
	total := sum(asks)
	by := slices.Clone(pool)
	slices.SortStableFunc(by, func(a, b *offer) int {
		return cmp.Compare(a.share(total, sustained), b.share(total, sustained))
	})
	return by[:few]
}

// sorted are the orders in which a type is packed: the given one, and for small
// batches by memory, by CPU, and one of each shape in turn.
func sorted(asks []placement.Ask) [][]placement.Ask {
	const small = 30
	if len(asks) > small {
		return [][]placement.Ask{asks}
	}
	memory, cpu := slices.Clone(asks), slices.Clone(asks)
	slices.SortStableFunc(memory, func(a, b placement.Ask) int { return cmp.Compare(b.Need.Memory, a.Need.Memory) })
	slices.SortStableFunc(cpu, func(a, b placement.Ask) int { return cmp.Compare(b.Need.CPU, a.Need.CPU) })
	return [][]placement.Ask{asks, memory, cpu, inTurn(asks)}
}

func inTurn(asks []placement.Ask) []placement.Ask {
	turn, nth := map[string]int{}, make(map[string]int, len(asks))
	for i := range asks {
		key := form(&asks[i])
		nth[asks[i].Task] = turn[key]
		turn[key]++
	}
	out := slices.Clone(asks)
	slices.SortStableFunc(out, func(a, b placement.Ask) int { return cmp.Compare(nth[a.Task], nth[b.Task]) })
	return out
}

type fleet struct {
	bins []bin
	lead *offer
	cost float64
	// oldest is the oldest generation in it.
	oldest int64
}

// pack puts the tasks into instances of the lead type, or of the cheapest
// that fits where the lead does not.
func pack(lead *offer, pool []*offer, asks []placement.Ask, sustained bool) fleet {
	f := fleet{lead: lead}
	from, last := 0, "" // bins before from have no capacity for tasks of the last form
	for i := range asks {
		a := &asks[i]
		if s := form(a); s != last {
			from, last = 0, s
		}
		for from < len(f.bins) && placement.Fits(&f.bins[from].node, a) != "" {
			from++
		}
		if from == len(f.bins) {
			o := lead
			if !o.carries(a, sustained) {
				o = pool[slices.IndexFunc(pool, func(o *offer) bool { return o.carries(a, sustained) })]
			}
			f.bins = append(f.bins, bin{offer: o, node: o.node(sustained)})
		}
		f.bins[from].add(a)
	}
	f.shrink(pool, sustained)
	return f
}

// shrink exchanges each instance for a clearly cheaper one that holds its
// tasks, if there is one.
func (f *fleet) shrink(pool []*offer, sustained bool) {
	f.merge(pool, sustained)
	for i := range f.bins {
		b := &f.bins[i]
		for _, o := range pool {
			if o.cost*near >= b.offer.cost {
				break
			}
			if holds(o, b, sustained) {
				b.offer = o
				break
			}
		}
		f.cost += b.offer.cost
		if i == 0 || b.offer.Generation < f.oldest {
			f.oldest = b.offer.Generation
		}
	}
}

// merge puts the tasks of two instances on one, where one costs less.
func (f *fleet) merge(pool []*offer, sustained bool) {
	const few = 30
	for i := 0; i < len(f.bins) && len(f.bins) <= few; i++ {
		for k := i + 1; k < len(f.bins); k++ {
			a, b := &f.bins[i], &f.bins[k]
			both := bin{
				asks: slices.Concat(a.asks, b.asks),
				need: model.Resources{CPU: a.need.CPU + b.need.CPU, Memory: a.need.Memory + b.need.Memory, ENIs: a.need.ENIs + b.need.ENIs},
			}
			n := slices.IndexFunc(pool, func(o *offer) bool { return holds(o, &both, sustained) })
			if n < 0 || pool[n].cost >= a.offer.cost+b.offer.cost {
				continue
			}
			both.offer = pool[n]
			f.bins[i], f.bins = both, slices.Delete(f.bins, k, k+1)
			k = i
		}
	}
}

func holds(o *offer, b *bin, sustained bool) bool {
	n := o.node(sustained)
	if n.Free.CPU < b.need.CPU || n.Free.Memory < b.need.Memory || n.Free.ENIs < b.need.ENIs {
		return false
	}
	for i := range b.asks {
		if placement.Fits(&n, &b.asks[i]) != "" {
			return false
		}
		n.Take(&b.asks[i])
	}
	return true
}

// choose takes the cheapest fleet; among those that cost nearly the same, the
// one without old generations, then the fewest instances, then the cost, then
// the name.
func choose(fleets []fleet) fleet {
	low := slices.MinFunc(fleets, func(a, b fleet) int { return cmp.Compare(a.cost, b.cost) }).cost
	return slices.MinFunc(slices.DeleteFunc(fleets, func(f fleet) bool { return f.cost > low*near }), func(a, b fleet) int {
		return cmp.Or(cmp.Compare(b.oldest, a.oldest), cmp.Compare(len(a.bins), len(b.bins)),
			cmp.Compare(a.cost, b.cost), strings.Compare(a.lead.Name, b.lead.Name))
	})
}
