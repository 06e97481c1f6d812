package network

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

// world is what is decided on: the records, and which interfaces the host has.
type world struct {
	store.Reader
	has func(eni string) bool
}

// request is an interface that an owner should have in a subnet.
type request struct {
	id                  string // or "" to draw one
	owner, kind, subnet string
	groups              []string
	public              bool   // wants a public address of the pool
	elastic             string // or has this one
	description         string
}

// refusal is a request that cannot be granted.
type refusal struct{ owner, reason string }

// grant is a request with its address.
type grant struct {
	request
	vpc, zone string
	ip        netip.Addr
	publicIP  string
}

// move is a task's next state.
type move struct {
	task     string
	from, to model.TaskStatus
}

// plan is what to write.
type plan struct {
	grants   []grant
	refusals []refusal
	drops    []string            // interfaces
	regroups map[string][]string // interface to groups
	elastics map[string]string   // interface to public address
	ready    []string            // interfaces that the host has
	attach   map[string]string   // instance to interface
	moves    []move
	// endpoints and nats by id: their next state, or gone.
	endpoints, nats map[string]string
}

const gone = "gone"

func (p plan) writes() bool {
	return len(p.grants)+len(p.drops)+len(p.regroups)+len(p.elastics)+len(p.ready)+len(p.attach)+len(p.moves)+len(p.endpoints)+len(p.nats) > 0
}

// decide compares the interfaces that owners should have with those that they
// have. It is about these owners only; they are in order.
func decide(w world, owners []string, l *leases) plan {
	p, missing := compare(w, owners)
	for _, id := range p.drops {
		n, _ := state.NetworkInterfaces.Get(w, id)
		l.free(n)
	}
	for _, x := range inOrder(missing) {
		g, err := l.grant(w, x)
		if err != "" {
			p.refusals = append(p.refusals, refusal{x.owner, err})
			continue
		}
		p.grants = append(p.grants, g)
	}
	l.undo()
	return p
}

// compare is what to write about owners, but for the interfaces that are
// missing.
func compare(w world, owners []string) (plan, map[seat]request) {
	p := plan{
		regroups: map[string][]string{}, elastics: map[string]string{}, attach: map[string]string{}, endpoints: map[string]string{},
		nats: map[string]string{},
	}
	missing := map[seat]request{}
	for _, owner := range owners {
		requests, taken := w.requests(owner), map[seat]int{}
		for n := range state.NetworkInterfaces.Each(w, "owner", owner) {
			at := seat{n.Owner, n.Subnet, 0}
			at.n, taken[at] = taken[at], taken[at]+1
			want, ok := requests[at]
			if !ok {
				p.drops = append(p.drops, n.ID)
				continue
			}
			delete(requests, at)
			p.keep(w, *n, want)
		}
		maps.Copy(missing, requests)
		p.task(w, owner)
		p.others(w, owner)
	}
	slices.Sort(p.drops)
	slices.Sort(p.ready)
	slices.SortStableFunc(p.moves, func(a, b move) int { return cmp.Compare(a.from.Rank(), b.from.Rank()) })
	return p, missing
}

// unsettled reports whether there is something to do about an owner, or will
// be when the host has its interfaces.
func (w world) unsettled(owner string) bool {
	p, missing := compare(w, []string{owner})
	if p.writes() || len(missing) > 0 {
		return true
	}
	for n := range state.NetworkInterfaces.Each(w, "owner", owner) {
		if n.State == model.InterfacePending {
			return true
		}
	}
	return false
}

// seat is the nth interface of an owner in a subnet. Only functions have more
// than one.
type seat struct {
	owner, subnet string
	n             int
}

// keep brings an interface that stays up to date.
func (p *plan) keep(w world, n model.NetworkInterface, want request) {
	if !slices.Equal(n.SecurityGroups, want.groups) {
		p.regroups[n.ID] = want.groups
	}
	if want.elastic != "" && n.PublicIP != want.elastic {
		p.elastics[n.ID] = want.elastic
	}
	if n.State == model.InterfacePending && w.has(n.ID) {
		p.ready = append(p.ready, n.ID)
	}
}

// requests are all interfaces that an owner should have, by seat.
func (w world) requests(owner string) map[seat]request {
	out := map[seat]request{}
	for _, of := range []func(string) []request{w.ofTask, w.ofInstance, w.ofBalancer, w.ofEndpoint, w.ofNAT, w.ofFunction} {
		for _, x := range of(owner) {
			if len(x.groups) == 0 && x.kind != vpc.KindNAT {
				x.groups = w.defaultGroup(x.subnet)
			}
			at := seat{x.owner, x.subnet, 0}
			for _, ok := out[at]; ok; _, ok = out[at] {
				at.n++
			}
			out[at] = x
		}
	}
	return out
}

func (w world) ofTask(arn string) []request {
	t := state.Tasks.Ref(w, arn)
	if t == nil || !w.ownsInterface(t) {
		return nil
	}
	return []request{{
		owner: arn, kind: vpc.KindTask, subnet: t.Subnet, groups: t.Network.SecurityGroups, public: t.Network.AssignPublicIP, description: arn,
	}}
}

func (w world) ofInstance(id string) []request {
	i := state.Instances.Ref(w, id)
	if i == nil || i.State == model.InstanceTerminated {
		return nil
	}
	if i.Kind == model.KindSlice {
		return []request{{owner: id, kind: vpc.KindSlice, description: "Interface of Fargate"}}
	}
	public := w.subnet(i.Subnet).MapPublicIPOnLaunch
	if i.Launch != nil && i.Launch.PublicIP != nil {
		public = *i.Launch.PublicIP
	}
	return []request{{
		owner: id, kind: vpc.KindInstance, subnet: i.Subnet, groups: i.SecurityGroups, public: public,
		description: "Primary network interface",
	}}
}

func (w world) ofBalancer(arn string) []request {
	lb, _ := state.LoadBalancers.Get(w, arn)
	var out []request
	for _, s := range distinct(lb.Subnets) {
		out = append(out, request{
			owner: arn, kind: vpc.KindLoadBalancer, subnet: s, groups: lb.SecurityGroups, public: lb.Scheme == "internet-facing",
			description: "ELB " + elbName(arn),
		})
	}
	return out
}

func (w world) ofEndpoint(id string) []request {
	e, ok := state.VPCEndpoints.Get(w, id)
	if !ok || e.Type != "Interface" || e.State == model.EndpointDeleting {
		return nil
	}
	var out []request
	for _, s := range distinct(e.Subnets) {
		out = append(out, request{
			owner: id, kind: vpc.KindEndpoint, subnet: s, groups: e.SecurityGroups, description: "VPC Endpoint Interface " + id,
		})
	}
	return out
}

func (w world) ofNAT(id string) []request {
	n, ok := state.NATGateways.Get(w, id)
	if !ok || n.State != model.NATPending && n.State != model.NATAvailable {
		return nil
	}
	a, _ := state.Addresses.Get(w, n.Allocation)
	return []request{{
		id: n.ENI, owner: id, kind: vpc.KindNAT, subnet: n.Subnet, elastic: a.PublicIP, description: "Interface for NAT Gateway " + id,
	}}
}

func (w world) ofFunction(arn string) []request {
	f, ok := state.Functions.One(w, "arn", arn)
	if !ok {
		return nil
	}
	x := request{owner: arn, kind: vpc.KindFunction, groups: f.SecurityGroups, description: "AWS Lambda VPC ENI-" + f.Name}
	if len(f.Subnets) > 0 {
		x.subnet = f.Subnets[0]
	}
	return slices.Repeat([]request{x}, max(1, int(f.Interfaces)))
}

// distinct leaves out what was there before: an owner has one interface in a
// subnet.
func distinct(in []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(in)))
}

// elbName is what AWS writes into the description: app/NAME/ID.
func elbName(arn string) string {
	_, s, _ := strings.Cut(arn, ":loadbalancer/")
	return s
}

func (w world) subnet(id string) model.Subnet {
	s, _ := state.Subnets.Get(w, id)
	return s
}

func (w world) defaultGroup(subnet string) []string {
	v, ok := state.VPCs.Get(w, w.subnet(subnet).VPC)
	if !ok || v.DefaultGroup == "" {
		return nil
	}
	return []string{v.DefaultGroup}
}

// ownsInterface reports whether a task has, or is due, an interface of its own.
func (w world) ownsInterface(t *model.Task) bool {
	if t.LastStatus == model.TaskProvisioning {
		return t.Instance != "" && t.DesiredStatus != model.TaskStopped && w.awsvpc(t)
	}
	return t.ENI != "" && t.LastStatus.Before(model.TaskDeprovisioning)
}

func (w world) awsvpc(t *model.Task) bool {
	d := state.TaskDefinitions.Ref(w, t.TaskDefinition)
	return d == nil || d.Awsvpc()
}

// task moves a task that has what it needs, or has given it back.
func (p *plan) task(w world, arn string) {
	t := state.Tasks.Ref(w, arn)
	if t == nil {
		return
	}
	switch {
	case t.LastStatus == model.TaskDeprovisioning:
		p.moves = append(p.moves, move{arn, t.LastStatus, model.TaskStopped})
	case t.LastStatus != model.TaskProvisioning || t.Instance == "":
	case t.DesiredStatus == model.TaskStopped:
		p.moves = append(p.moves, move{arn, t.LastStatus, model.TaskDeprovisioning})
	case !w.awsvpc(t) || w.available(t.ENI):
		p.moves = append(p.moves, move{arn, t.LastStatus, model.TaskPending})
	}
}

// available reports whether an interface works, or is about to be said to.
func (w world) available(eni string) bool {
	n := state.NetworkInterfaces.Ref(w, eni)
	return n != nil && (n.State != model.InterfacePending || w.has(eni))
}

// others moves an instance, an endpoint or a NAT gateway.
func (p *plan) others(w world, id string) {
	eni, ok := state.NetworkInterfaces.One(w, "owner", id)
	if i := state.Instances.Ref(w, id); i != nil && ok && i.ENI == "" {
		p.attach[id] = eni.ID
	}
	if e := state.VPCEndpoints.Ref(w, id); e != nil {
		switch {
		case e.State == model.EndpointDeleting:
			p.endpoints[id] = gone
		case e.State == model.EndpointPending && w.endpointUp(e):
			p.endpoints[id] = "available"
		}
	}
	if n := state.NATGateways.Ref(w, id); n != nil {
		switch {
		case n.State == model.NATDeleting && !ok:
			p.nats[id] = "deleted"
		case n.State == model.NATPending && ok && w.available(eni.ID):
			p.nats[id] = "available"
		}
	}
}

// endpointUp reports whether all of an endpoint works. A gateway endpoint is
// a route, which every setting of the network contains.
func (w world) endpointUp(e *model.VPCEndpoint) bool {
	if e.Type == "Gateway" {
		return true
	}
	up := 0
	for _, n := range state.NetworkInterfaces.By(w, "owner", e.ID) {
		if w.available(n.ID) {
			up++
		}
	}
	return up >= len(e.Subnets)
}

// inOrder sorts requests: machines before what runs on them, else by name, so
// that the lowest addresses go to what lives longest.
func inOrder(m map[seat]request) []request {
	out := slices.Collect(maps.Values(m))
	slices.SortFunc(out, func(a, b request) int {
		return cmp.Or(cmp.Compare(rank(a.kind), rank(b.kind)), strings.Compare(a.owner, b.owner), strings.Compare(a.subnet, b.subnet))
	})
	return out
}

func rank(kind string) int {
	return slices.Index([]string{
		vpc.KindLoadBalancer, vpc.KindNAT, vpc.KindEndpoint, vpc.KindInstance, vpc.KindSlice, vpc.KindTask, vpc.KindFunction,
	}, kind)
}

// short names an owner in a sentence.
func short(owner string) string {
	if a, ok := ident.ParseARN(owner); ok {
		return a.Resource
	}
	return owner
}
