package supply

import (
	"cmp"
	"math"
	"slices"

	"berth/internal/plan/placement"
)

// lot are waiting tasks that want the same of an instance.
type lot struct {
	*placement.Ask
	asks []placement.Ask
	// price is the least that a type costs for the share of it that one of
	// these tasks fills.
	price float64
}

// lots groups asks by form, in the order of their first.
func lots(asks []placement.Ask, pool []*offer, sustained bool) []lot {
	at := map[string]int{}
	var out []lot
	for i := range asks {
		key := form(&asks[i])
		k, ok := at[key]
		if !ok {
			k, at[key] = len(out), len(out)
			out = append(out, lot{Ask: &asks[i], price: price(&asks[i], pool, sustained)})
		}
		out[k].asks = append(out[k].asks, asks[i])
	}
	return out
}

func price(a *placement.Ask, pool []*offer, sustained bool) float64 {
	least := math.Inf(1)
	for _, o := range pool {
		if o.carries(a, sustained) {
			least = min(least, o.share(a.Need, sustained))
		}
	}
	return least
}

// blend packs tasks of several shapes into instances of several types: again
// and again it fills one of each type with what is left, and takes the one
// that costs least for what is in it. Each order of filling gives a fleet.
func blend(pool []*offer, asks []placement.Ask, sustained bool) []fleet {
	all := lots(asks, pool, sustained)
	if len(all) < 2 {
		return nil // one shape is packed as well by one type
	}
	var fleets []fleet
	for _, some := range orders(all) {
		f := fleet{lead: pool[0]}
		for len(some) > 0 {
			f.bins = append(f.bins, next(some, pool, sustained)...)
			some = slices.DeleteFunc(some, func(l lot) bool { return len(l.asks) == 0 })
		}
		f.shrink(pool, sustained)
		fleets = append(fleets, f)
	}
	return fleets
}

// orders are what to fill an instance with first: all orders of a few lots; of
// many, the dearest tasks, those that want the most memory for their CPU, the
// most CPU, and each of the first few before the dearest.
func orders(all []lot) [][]lot {
	const few = 4
	if len(all) <= few {
		return permutations(all)
	}
	var out [][]lot
	for _, order := range []func(a, b lot) int{
		func(a, b lot) int { return cmp.Compare(b.price, a.price) },
		func(a, b lot) int { return cmp.Compare(a.Need.CPU*b.Need.Memory, b.Need.CPU*a.Need.Memory) },
		func(a, b lot) int { return cmp.Compare(b.Need.CPU*a.Need.Memory, a.Need.CPU*b.Need.Memory) },
	} {
		some := slices.Clone(all)
		slices.SortStableFunc(some, order)
		out = append(out, some)
	}
	for k := 1; k <= few; k++ {
		out = append(out, slices.Concat(out[0][k:k+1], out[0][:k], out[0][k+1:]))
	}
	return out
}

func permutations(all []lot) [][]lot {
	if len(all) == 0 {
		return [][]lot{nil}
	}
	var out [][]lot
	for k := range all {
		for _, rest := range permutations(slices.Concat(all[:k], all[k+1:])) {
			out = append(out, append([]lot{all[k]}, rest...))
		}
	}
	return out
}

// next takes the tasks of the best instance out of the lots, and as many more
// of its kind as they fill.
func next(some []lot, pool []*offer, sustained bool) []bin {
	var best *offer
	var counts []int
	low := math.Inf(1)
	for _, o := range pool {
		n, worth := fill(o, some, sustained)
		if worth > 0 && o.cost/worth < low {
			best, counts, low = o, n, o.cost/worth
		}
	}
	copies := math.MaxInt
	for i, n := range counts {
		if n > 0 {
			copies = min(copies, len(some[i].asks)/n)
		}
	}
	bins := make([]bin, copies)
	for k := range bins {
		bins[k] = bin{offer: best, node: best.node(sustained)}
		for i, n := range counts {
			for j := range n {
				bins[k].add(&some[i].asks[j])
			}
			some[i].asks = some[i].asks[n:]
		}
	}
	return bins
}

// fill says how many tasks of each lot a new instance takes, lot by lot, and
// what they are worth.
func fill(o *offer, some []lot, sustained bool) (counts []int, worth float64) {
	node := o.node(sustained)
	counts = make([]int, len(some))
	for i := range some {
		l := &some[i]
		for counts[i] < len(l.asks) && placement.Fits(&node, l.Ask) == "" {
			node.Take(l.Ask)
			counts[i]++
		}
		worth += float64(counts[i]) * l.price
	}
	return counts, worth
}
