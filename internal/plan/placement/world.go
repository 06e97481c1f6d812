package placement

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// world is the picture that a plan is worked out on: copies of the nodes in
// pools, one for each provider and zone, each with a tree that finds the first
// node with enough of everything.
type world struct {
	nodes  []Node
	pools  map[string]*pool
	zones  map[string][]string       // by provider, sorted; "" has all
	spread map[string]map[string]int // group → zone → tasks
	meant  map[string]*Node          // by task: what was bought for it
	forms  map[form]*form
	// full are the forms of asks that fit nowhere, nor will while the plan is
	// made.
	full map[*form]bool
}

type pool struct {
	nodes []*Node
	tree  []most // heap-shaped: the children of i are 2i and 2i+1
	leafs int
	at    map[*Node]int
	// past is where the search for asks of a kind may begin: nodes only fill
	// while a plan is made, so that what did not fit does not fit later.
	past map[kind]int
}

// kind tells plain asks apart: those whose chances only depend on free capacity.
type kind struct {
	cpu, memory, enis int64
	architecture      string
}

func plainKind(a *Ask) (kind, bool) {
	return kind{a.Need.CPU, a.Need.Memory, a.Need.ENIs, a.Architecture},
		!a.Distinct && len(a.Member) == 0 && len(a.Need.Ports) == 0 && a.Impossible == ""
}

// most is the greatest free amount of each kind below a place of the tree.
type most struct{ cpu, memory, enis int64 }

// least is the smallest amount of each kind that any of the asks needs.
func least(asks []Ask) most {
	m := most{math.MaxInt64, math.MaxInt64, math.MaxInt64}
	for i := range asks {
		need := &asks[i].Need
		m = most{min(m.cpu, need.CPU), min(m.memory, need.Memory), min(m.enis, need.ENIs)}
	}
	return m
}

// newWorld copies nodes. What was bought for tasks is only of interest on
// nodes that have the least free that any of the asks needs.
func newWorld(nodes []Node, least most) *world {
	w := &world{
		nodes: slices.Clone(nodes), pools: map[string]*pool{}, zones: map[string][]string{}, spread: map[string]map[string]int{},
		meant: map[string]*Node{}, forms: map[form]*form{}, full: map[*form]bool{},
	}
	// The fullest first, so that taking the first that fits packs tightly.
	slices.SortFunc(w.nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(a.Free.Memory, b.Free.Memory), cmp.Compare(a.Free.CPU, b.Free.CPU), strings.Compare(a.ID, b.ID))
	})
	for i := range w.nodes {
		n := &w.nodes[i]
		for g, c := range n.Groups {
			w.count(g, n.Zone, c)
		}
		if n.Blocked != "" {
			continue
		}
		if n.Free.CPU >= least.cpu && n.Free.Memory >= least.memory && n.Free.ENIs >= least.enis {
			for _, t := range n.For {
				w.meant[t] = n
			}
		}
		w.pool("", n.Zone).add(n)
		if n.Provider != "" {
			w.pool(n.Provider, n.Zone).add(n)
		}
	}
	for _, p := range w.pools {
		p.build()
	}
	for _, zs := range w.zones {
		slices.Sort(zs)
	}
	return w
}

func (w *world) count(group, zone string, n int) {
	if w.spread[group] == nil {
		w.spread[group] = map[string]int{}
	}
	w.spread[group][zone] += n
}

func (w *world) pool(provider, zone string) *pool {
	key := provider + "\x00" + zone
	p := w.pools[key]
	if p == nil {
		p = &pool{at: map[*Node]int{}, past: map[kind]int{}}
		w.pools[key] = p
		w.zones[provider] = append(w.zones[provider], zone)
	}
	return p
}

func (p *pool) add(n *Node) {
	p.at[n] = len(p.nodes)
	p.nodes = append(p.nodes, n)
}

func (p *pool) build() {
	for p.leafs = 1; p.leafs < len(p.nodes); p.leafs *= 2 {
	}
	p.tree = make([]most, 2*p.leafs)
	for i := range p.tree {
		p.tree[i] = most{-1, -1, -1}
	}
	for i, n := range p.nodes {
		p.tree[p.leafs+i] = most{n.Free.CPU, n.Free.Memory, n.Free.ENIs}
	}
	for i := p.leafs - 1; i > 0; i-- {
		p.tree[i] = greater(p.tree[2*i], p.tree[2*i+1])
	}
}

func greater(a, b most) most {
	return most{max(a.cpu, b.cpu), max(a.memory, b.memory), max(a.enis, b.enis)}
}

func (p *pool) update(n *Node) {
	i, ok := p.at[n]
	if !ok {
		return
	}
	i += p.leafs
	p.tree[i] = most{n.Free.CPU, n.Free.Memory, n.Free.ENIs}
	for i /= 2; i > 0; i /= 2 {
		p.tree[i] = greater(p.tree[2*i], p.tree[2*i+1])
	}
}

// find finds the first node that fits.
func (p *pool) find(a *Ask) *Node {
	k, plain := plainKind(a)
	if !plain {
		return p.first(1, 0, p.leafs, 0, a)
	}
	n := p.first(1, 0, p.leafs, p.past[k], a)
	if n == nil {
		p.past[k] = p.leafs
	} else {
		p.past[k] = p.at[n]
	}
	return n
}

// first finds the first node that fits below place i, which stands for the
// nodes from low to high, leaving out those before from.
func (p *pool) first(i, low, high, from int, a *Ask) *Node {
	if high <= from {
		return nil
	}
	m := p.tree[i]
	if m.cpu < a.Need.CPU || m.memory < a.Need.Memory || m.enis < a.Need.ENIs {
		return nil
	}
	if i >= p.leafs {
		if n := p.nodes[i-p.leafs]; Fits(n, a) == "" {
			return n
		}
		return nil
	}
	middle := (low + high) / 2
	if n := p.first(2*i, low, middle, from, a); n != nil {
		return n
	}
	return p.first(2*i+1, middle, high, from, a)
}

// search is choose, but remembers what fitted nowhere: nodes only fill. A
// placement expression may ask for the company of a task that came meanwhile.
func (w *world) search(a *Ask) *Node {
	f := w.form(a)
	if w.full[f] {
		return nil
	}
	n := w.choose(a)
	w.full[f] = n == nil && len(a.Member) == 0
	return n
}

func (w *world) choose(a *Ask) *Node {
	for _, z := range w.byZone(a) {
		if a.Subnets != nil && a.Subnets[z] == "" {
			continue
		}
		if n := w.pools[a.Provider+"\x00"+z].find(a); n != nil {
			return n
		}
	}
	return nil
}

func (w *world) take(n *Node, a *Ask) {
	n.Take(a)
	w.count(a.Group, n.Zone, 1)
	w.pools["\x00"+n.Zone].update(n)
	if n.Provider != "" {
		w.pools[n.Provider+"\x00"+n.Zone].update(n)
	}
}

// refuse explains the asks that are left. Asks of one form share one reason.
func (w *world) refuse(asks []Ask, left []int) []Refused {
	out := make([]Refused, len(left))
	known := map[*form]*Reason{}
	for k, i := range left {
		a := &asks[i]
		f := w.form(a)
		r := known[f]
		if r == nil {
			r = w.explain(a)
			known[f] = r
		}
		out[k] = Refused{a.Task, i, r}
	}
	return out
}

// form is all of an ask that decides where it fits.
type form struct {
	impossible, provider, architecture, group, zones, rest string
	cpu, memory, enis                                      int64
	distinct, anywhere                                     bool
}

// form is one for all asks that fit alike.
func (w *world) form(a *Ask) *form {
	if a.form != nil {
		return a.form
	}
	return intern(w.forms, a)
}

// intern makes equal forms one.
func intern(forms map[form]*form, a *Ask) *form {
	f := shape(a)
	if forms[f] == nil {
		forms[f] = &f
	}
	return forms[f]
}

func shape(a *Ask) form {
	f := form{
		impossible: a.Impossible, provider: a.Provider, architecture: a.Architecture,
		cpu: a.Need.CPU, memory: a.Need.Memory, enis: a.Need.ENIs, distinct: a.Distinct, anywhere: a.Subnets == nil,
	}
	if a.Distinct || len(a.Member) > 0 {
		f.group = a.Group // the others may stand beside whomever
	}
	var few [8]string
	zones := few[:0]
	for z := range a.Subnets {
		zones = append(zones, z)
	}
	slices.Sort(zones)
	f.zones = strings.Join(zones, " ")
	if len(a.Need.Ports)+len(a.Member) > 0 {
		f.rest = fmt.Sprint(a.Need.Ports, a.Member)
	}
	return f
}
