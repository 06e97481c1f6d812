package placement

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// world is the picture that a plan is worked out on: copies of the nodes, and
// for who has to search, pools of them, one for each provider and zone, each
// with a tree that finds the first node with enough of everything.
type world struct {
	given []Node // as they came
	nodes []Node
	zones []string           // sorted; all below that goes by zone is in this order
	pools map[string][]*pool // by provider, "" has all, and zone; nil until somebody searches
	seats []seats            // by node, as pools
	count map[string][]int   // tasks by group and zone; nil until it is asked for
	// even counts tasks by the fields that strategies spread over.
	even  map[string]tally
	meant map[string]*Node // by task: what was bought for it
	forms map[form]*form
	// full are the forms of asks that fit nowhere, nor will while the plan is
	// made.
	full map[*form]bool
	near []byZone // the zones of the ask that is being placed
}

// seats are a node's places, in the pool of all and in that of its provider.
type seats struct{ all, provider seat }

type seat struct {
	pool *pool
	at   int
}

type pool struct {
	nodes []*Node
	tree  []most // heap-shaped: the children of i are 2i and 2i+1
	leafs int
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
		!a.Distinct && !a.EC2 && a.Host == "" && len(a.Member) == 0 && len(a.Need.Ports) == 0 && a.Impossible == ""
}

// most is the greatest free amount of each kind below a place of the tree.
type most struct{ cpu, memory, enis int64 }

func (m most) holds(o most) bool { return m.cpu >= o.cpu && m.memory >= o.memory && m.enis >= o.enis }

func free(n *Node) most { return most{n.Free.CPU, n.Free.Memory, n.Free.ENIs} }

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
	w := &world{given: nodes, nodes: slices.Clone(nodes), even: map[string]tally{}, forms: map[form]*form{}, full: map[*form]bool{}}
	var bought []*Node
	tasks := 0
	for i := range w.nodes {
		n := &w.nodes[i]
		n.own, n.took, n.index = false, 0, i
		if n.Blocked == "" && len(n.For) > 0 && free(n).holds(least) {
			bought, tasks = append(bought, n), tasks+len(n.For)
		}
	}
	w.meant = make(map[string]*Node, tasks)
	slices.SortFunc(bought, w.fuller)
	for _, n := range bought {
		for _, t := range n.For {
			w.meant[t] = n
		}
	}
	for i := range nodes {
		if z, found := slices.BinarySearch(w.zones, nodes[i].Zone); !found {
			w.zones = slices.Insert(w.zones, z, nodes[i].Zone)
		}
	}
	return w
}

// fuller orders nodes by what was free of them at the beginning.
func (w *world) fuller(a, b *Node) int {
	x, y := &w.given[a.index].Free, &w.given[b.index].Free
	return cmp.Or(cmp.Compare(x.Memory, y.Memory), cmp.Compare(x.CPU, y.CPU), strings.Compare(a.ID, b.ID))
}

// zone is the place of a node's zone among the zones.
func (w *world) zone(n *Node) int {
	z, _ := slices.BinarySearch(w.zones, n.Zone)
	return z
}

// spread is how many tasks of a group each zone has.
func (w *world) spread(group string) []int {
	if w.count == nil {
		w.count = map[string][]int{}
		for i := range w.nodes {
			z := w.zone(&w.nodes[i])
			for g, c := range w.nodes[i].Groups {
				w.of(g)[z] += c
			}
		}
	}
	return w.of(group)
}

func (w *world) of(group string) []int {
	c := w.count[group]
	if c == nil {
		c = make([]int, len(w.zones))
		w.count[group] = c
	}
	return c
}

// arrange makes the pools of what is left of the nodes, in each the one first
// that was the fullest at the beginning, so that taking the first that fits packs
// tightly.
func (w *world) arrange() {
	w.pools, w.seats = map[string][]*pool{}, make([]seats, len(w.nodes))
	order := make([]*Node, 0, len(w.nodes))
	for i := range w.nodes {
		if w.nodes[i].Blocked == "" {
			order = append(order, &w.nodes[i])
		}
	}
	slices.SortFunc(order, w.fuller)
	for _, n := range order {
		w.seats[n.index].all = w.pool("", n).add(n)
		if n.Provider != "" {
			w.seats[n.index].provider = w.pool(n.Provider, n).add(n)
		}
	}
	for _, pools := range w.pools {
		for _, p := range pools {
			p.build()
		}
	}
}

// pool is that of a provider in the zone of a node.
func (w *world) pool(provider string, n *Node) *pool {
	pools := w.pools[provider]
	if pools == nil {
		pools = make([]*pool, len(w.zones))
		w.pools[provider] = pools
	}
	z := w.zone(n)
	if pools[z] == nil {
		pools[z] = &pool{past: map[kind]int{}}
	}
	return pools[z]
}

func (p *pool) add(n *Node) seat {
	p.nodes = append(p.nodes, n)
	return seat{p, len(p.nodes) - 1}
}

func (p *pool) build() {
	if p == nil {
		return
	}
	for p.leafs = 1; p.leafs < len(p.nodes); p.leafs *= 2 {
	}
	p.tree = make([]most, 2*p.leafs)
	for i := range p.tree {
		p.tree[i] = most{-1, -1, -1}
	}
	for i, n := range p.nodes {
		p.tree[p.leafs+i] = free(n)
	}
	for i := p.leafs - 1; i > 0; i-- {
		p.tree[i] = greater(p.tree[2*i], p.tree[2*i+1])
	}
}

func greater(a, b most) most {
	return most{max(a.cpu, b.cpu), max(a.memory, b.memory), max(a.enis, b.enis)}
}

// update tells the pool what is left of the node.
func (s seat) update(n *Node) {
	if s.pool == nil {
		return
	}
	tree, i := s.pool.tree, s.pool.leafs+s.at
	tree[i] = free(n)
	for i /= 2; i > 0; i /= 2 {
		tree[i] = greater(tree[2*i], tree[2*i+1])
	}
}

// find finds the first node that fits.
func (p *pool) find(a *Ask) *Node {
	k, plain := plainKind(a)
	if !plain {
		return p.node(p.first(1, 0, p.leafs, 0, a))
	}
	at := p.first(1, 0, p.leafs, p.past[k], a)
	p.past[k] = at
	return p.node(at)
}

// node is the one at a place, nil beyond the last.
func (p *pool) node(at int) *Node {
	if at >= len(p.nodes) {
		return nil
	}
	return p.nodes[at]
}

// first finds the first node that fits below place i, which stands for the
// nodes from low to high, leaving out those before from. It is the number of
// leafs if there is none.
func (p *pool) first(i, low, high, from int, a *Ask) int {
	if high <= from || !p.tree[i].holds(most{a.Need.CPU, a.Need.Memory, a.Need.ENIs}) {
		return p.leafs
	}
	if i >= p.leafs {
		if Fits(p.nodes[low], a) == "" {
			return low
		}
		return p.leafs
	}
	middle := (low + high) / 2
	if at := p.first(2*i, low, middle, from, a); at < p.leafs {
		return at
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

// byZone is a zone's pool with how many tasks of a group the zone has.
type byZone struct {
	tasks, zone int
	pool        *pool
}

// choose takes the zone with the fewest tasks of the group, of equals the
// first by name, that has a node that fits.
func (w *world) choose(a *Ask) *Node {
	if len(a.Strategy) > 0 {
		return w.prefer(a)
	}
	if w.pools == nil {
		w.arrange()
	}
	count := w.spread(a.Group)
	w.near = w.near[:0]
	for z, p := range w.pools[a.Provider] {
		if p != nil && (a.Subnets == nil || a.Subnets[w.zones[z]] != "") {
			w.near = append(w.near, byZone{count[z], z, p})
		}
	}
	slices.SortFunc(w.near, func(x, y byZone) int { return cmp.Or(cmp.Compare(x.tasks, y.tasks), cmp.Compare(x.zone, y.zone)) })
	for _, z := range w.near {
		if n := z.pool.find(a); n != nil {
			return n
		}
	}
	return nil
}

func (w *world) take(n *Node, a *Ask) {
	n.Take(a)
	if w.count != nil {
		w.of(a.Group)[w.zone(n)]++
	}
	for field, t := range w.even {
		t.add(a.Group, n.value(field), 1)
	}
	if w.pools != nil {
		w.seats[n.index].all.update(n)
		w.seats[n.index].provider.update(n)
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
	impossible, provider, host, architecture, group, zones, rest string
	cpu, memory, enis                                            int64
	distinct, anywhere, ec2                                      bool
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
		impossible: a.Impossible, provider: a.Provider, host: a.Host, ec2: a.EC2, architecture: a.Architecture,
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
