package supply

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/plan/placement"
)

// market is what can be bought and how it would carry tasks.
type market struct {
	terms    terms
	provider string
	offers   int
	zones    map[string][]*offer // the cheapest first
	held     map[string]bool
	lacking  lack
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

// Markets remember what the catalog has for each provider, which is costly to
// work out and changes only with what the provider or the host says. They
// belong to one goroutine at a time.
type Markets struct{ known map[string]*market }

// terms are all that a market is made of.
type terms struct {
	region, option          string
	requirements            *model.InstanceRequirements
	subnets                 []Subnet
	architectures           []string
	mostVCPU, mostMemoryMiB int64
}

// mostForms bounds for how many forms of tasks a market remembers who holds them.
const mostForms = 1000

// market is what can be bought now.
func (w *World) market() *market {
	t := terms{w.Region, w.Provider.CapacityOption, w.Provider.Requirements, w.Subnets, w.Architectures, w.MostVCPU, w.MostMemoryMiB}
	if w.Markets == nil {
		w.Markets = &Markets{}
	}
	if w.Markets.known == nil {
		w.Markets.known = map[string]*market{}
	}
	m := w.Markets.known[w.Provider.Name]
	if m == nil || len(m.held) > mostForms || !reflect.DeepEqual(m.terms, t) {
		m = w.open()
		m.terms = t
		w.Markets.known[w.Provider.Name] = m
	}
	m.lacking = w.lacking
	return m
}

// open works a market out.
func (w *World) open() *market {
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
	return "No instance types satisfy the instance requirements specified in the Managed Instances capacity provider " + m.provider +
		", of those that the host can run"
}

// unfit says why no type that the zones sell can take a task.
func (m *market) unfit(zones []string, a *placement.Ask) Shortage {
	causes := map[string]bool{}
	for _, zone := range zones {
		for _, o := range m.zones[zone] {
			causes[placement.Fits(&o.nominal, a)] = true
		}
	}
	only := func(cause string) bool { return causes[cause] && len(causes) == 1 }
	switch {
	case only(placement.CauseArchitecture):
		why := fmt.Sprintf("No instance type of capacity provider %s has the task's CPU architecture %s", m.provider, a.Architecture)
		return Shortage{a.Task, why, model.LacksArchitecture}
	case !causes[placement.CauseCPU] && !causes[placement.CauseMemory] && causes[placement.CauseMember]:
		why := fmt.Sprintf("No instance type of capacity provider %s satisfies the task's placement constraints", m.provider)
		return Shortage{a.Task, why, model.LacksConstraints}
	}
	return Shortage{a.Task, fmt.Sprintf(
		"No instance type of capacity provider %s can hold the task: it needs %d CPU units and %d MiB", m.provider, a.Need.CPU, a.Need.Memory,
	), model.LacksSize}
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

// thrift is how much more than the best a hobbled type may cost for the share
// of it that the tasks use. It judges kinds of machine, not sizes: a small
// machine that carries one task for want of interfaces or of sustained CPU is
// dear for what it does, however low its price (docs/facts/managed-instances.md MI108,
// "Observed choice").
const thrift = 1.15

// pool are the types to pack into, the cheapest first: those that carry some of
// the tasks, without the hobbled ones that are dear for what they do, and
// without those than which a clearly cheaper one is no smaller. It is empty if
// a task has no type.
func pool(offers []*offer, asks []placement.Ask, sustained bool) []*offer {
	shapes := distinct(asks)
	carry := map[*offer][]bool{}
	mark := map[*offer]bool{}
	for i := range shapes {
		var some []*offer
		for _, o := range offers {
			if o.carries(&shapes[i], sustained) {
				some = append(some, o)
				if carry[o] == nil {
					carry[o] = make([]bool, len(shapes))
				}
				carry[o][i] = true
			}
		}
		if len(some) == 0 {
			return nil
		}
		fit(mark, some, shapes[i].Need, sustained)
	}
	var out []*offer
	for _, o := range offers {
		if mark[o] && !slices.ContainsFunc(out, func(p *offer) bool { return p.beats(o, sustained) && covers(carry[p], carry[o]) }) {
			out = append(out, o)
		}
	}
	return out
}

// fit marks the types that are worth their cost for a shape.
func fit(mark map[*offer]bool, types []*offer, need model.Resources, sustained bool) {
	best := math.Inf(1)
	for _, o := range types {
		best = min(best, o.share(need, sustained))
	}
	for _, o := range types {
		if !o.hobbled(need) || o.share(need, sustained) <= best*thrift {
			mark[o] = true
		}
	}
}

// hobbled reports whether a type carries less than its size says: its CPU is
// not sustained, or its interfaces run out first.
func (o *offer) hobbled(need model.Resources) bool {
	have := o.nominal.Free
	return o.sustained.Free.CPU < have.CPU ||
		part(need.ENIs, have.ENIs) > max(part(need.CPU, have.CPU), part(need.Memory, have.Memory))
}

// beats reports whether a type costs clearly less than another and is no
// smaller.
func (o *offer) beats(p *offer, sustained bool) bool {
	a, b := o.node(sustained).Free, p.node(sustained).Free
	return o.cost*near < p.cost && a.CPU >= b.CPU && a.Memory >= b.Memory && a.ENIs >= b.ENIs
}

func covers(a, b []bool) bool {
	for i := range b {
		if b[i] && !a[i] {
			return false
		}
	}
	return true
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
