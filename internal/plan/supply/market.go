package supply

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/plan/placement"
)

// market is what can be bought and how it would carry tasks.
type market struct {
	provider string
	offers   int
	zones    map[string][]*offer // the cheapest first
	held     map[string]bool
}

// offer is a type that a zone sells, what an hour of it costs with the fee,
// and a new instance of it as placement would see it.
type offer struct {
	catalog.Type
	cost float64
	// nominal has all of the type's CPU, sustained a burstable type's
	// baseline only. Their maps are shared and never written.
	nominal, sustained placement.Node
}

func (o *offer) node(sustained bool) placement.Node {
	if sustained {
		return o.sustained
	}
	return o.nominal
}

// carries reports whether a new instance holds the task.
func (o *offer) carries(a *placement.Ask, sustained bool) bool {
	if sustained {
		return placement.Fits(&o.sustained, a) == ""
	}
	return placement.Fits(&o.nominal, a) == ""
}

func cheaper(a, b *offer) int {
	return cmp.Or(cmp.Compare(a.cost, b.cost), strings.Compare(a.Name, b.Name))
}

func (w *World) market() *market {
	types := w.candidates()
	m := &market{provider: w.Provider.Name, offers: len(types), zones: map[string][]*offer{}, held: map[string]bool{}}
	for _, s := range w.Subnets {
		if m.zones[s.Zone] != nil {
			continue
		}
		sold := []*offer{}
		for _, t := range types {
			if catalog.Sells(w.Region, s.Zone, t.Name) {
				sold = append(sold, w.offer(t, s.Zone))
			}
		}
		slices.SortFunc(sold, cheaper)
		m.zones[s.Zone] = sold
	}
	return m
}

func (w *World) offer(t catalog.Type, zone string) *offer {
	n := placement.Node{
		Provider: w.Provider.Name, Zone: zone, Architecture: t.Architecture(), Free: catalog.Registered(t),
		Values: map[string]string{
			"attribute:ecs.availability-zone": zone, "attribute:ecs.instance-type": t.Name,
			"attribute:ecs.cpu-architecture": t.Architecture(),
		},
	}
	o := &offer{Type: t, cost: w.cost(t), nominal: n, sustained: n}
	o.sustained.Free.CPU = t.SustainedCPU()
	return o
}

func (m *market) none() string {
	return "No instance types satisfy the instance requirements specified in the Managed Instances capacity provider " + m.provider + ", of those that the host can run"
}

func (m *market) tooLarge(a *placement.Ask) string {
	return fmt.Sprintf("No instance type of capacity provider %s can hold the task: it needs %d CPU units and %d MiB", m.provider, a.Need.CPU, a.Need.Memory)
}

// holds reports whether some type of a zone can carry a task at all.
func (m *market) holds(zone string, a *placement.Ask) bool {
	key := zone + form(a)
	ok, known := m.held[key]
	if !known {
		ok = slices.ContainsFunc(m.zones[zone], func(o *offer) bool { return o.carries(a, false) })
		m.held[key] = ok
	}
	return ok
}

// form tells apart what asks want of an instance.
func form(a *placement.Ask) string {
	b := strconv.AppendInt(nil, a.Need.CPU, 36)
	b = strconv.AppendInt(append(b, '.'), a.Need.Memory, 36)
	b = strconv.AppendInt(append(b, '.'), a.Need.ENIs, 36)
	b = append(append(b, '.'), a.Architecture...)
	for _, p := range a.Need.Ports {
		b = append(append(b, ' '), p...)
	}
	for _, e := range a.Member {
		b = append(append(b, '|'), e.String()...)
	}
	if a.Distinct || len(a.Member) > 0 {
		b = append(append(b, '!'), a.Group...)
	}
	return string(b)
}

// distinct drops asks that want the same as another.
func distinct(asks []placement.Ask) []placement.Ask {
	seen := map[string]bool{}
	var out []placement.Ask
	for i := range asks {
		if key := form(&asks[i]); !seen[key] {
			seen[key] = true
			out = append(out, asks[i])
		}
	}
	return out
}

// thrift is how much more than the best a type may cost for the share of it
// that the tasks use. It judges kinds of machine, not sizes: a small machine
// that carries one task for want of interfaces or of sustained CPU is dear for
// what it does, however low its price (facts/managed-instances §2, "Observed
// choice").
const thrift = 1.15

// thrifty are the types whose cost for the share that the tasks use is near
// the best, the cheapest first. Types that carry all the tasks say what the
// best is, if there are any.
func (m *market) thrifty(zone string, asks []placement.Ask, sustained bool) []*offer {
	shapes, total := distinct(asks), sum(asks)
	var some, all []*offer
	for _, o := range m.zones[zone] {
		fit := 0
		for i := range shapes {
			if o.carries(&shapes[i], sustained) {
				fit++
			}
		}
		if fit > 0 {
			some = append(some, o)
		}
		if fit == len(shapes) {
			all = append(all, o)
		}
	}
	judges := all
	if len(all) == 0 {
		judges = some
	}
	best := math.Inf(1)
	for _, o := range judges {
		best = min(best, o.share(total, sustained))
	}
	pool := slices.DeleteFunc(some, func(o *offer) bool { return o.share(total, sustained) > best*thrift })
	return m.cover(zone, pool, shapes, sustained)
}

// cover adds the cheapest type for each shape that no thrifty type carries;
// it returns nothing if a shape has none.
func (m *market) cover(zone string, pool []*offer, shapes []placement.Ask, sustained bool) []*offer {
	for i := range shapes {
		fits := func(o *offer) bool { return o.carries(&shapes[i], sustained) }
		if slices.ContainsFunc(pool, fits) {
			continue
		}
		k := slices.IndexFunc(m.zones[zone], fits)
		if k < 0 {
			return nil
		}
		pool = append(pool, m.zones[zone][k])
	}
	slices.SortFunc(pool, cheaper)
	return pool
}

func sum(asks []placement.Ask) (total model.Resources) {
	for i := range asks {
		total.CPU += asks[i].Need.CPU
		total.Memory += asks[i].Need.Memory
		total.ENIs += asks[i].Need.ENIs
	}
	return total
}

// share is what the part of the type costs that the total fills, be it less
// than one instance or more.
func (o *offer) share(total model.Resources, sustained bool) float64 {
	free := o.node(sustained).Free
	return o.cost * max(part(total.CPU, free.CPU), part(total.Memory, free.Memory), part(total.ENIs, free.ENIs))
}

func part(want, have int64) float64 {
	switch {
	case want == 0:
		return 0
	case have <= 0:
		return math.Inf(1)
	}
	return float64(want) / float64(have)
}
