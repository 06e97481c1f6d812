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

// world is what is decided on: the records, and what the host has.
type world struct {
	store.Reader
	set map[string]vpc.Interface
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

// decide compares the interfaces that should be with those that are.
func decide(w world) plan {
	p := plan{
		regroups: map[string][]string{}, elastics: map[string]string{}, attach: map[string]string{}, endpoints: map[string]string{},
		nats: map[string]string{},
	}
	requests := w.requests()
	leases := newLeases(w)
	taken := map[seat]int{}
	for _, n := range state.NetworkInterfaces.All(w) {
		at := seat{n.Owner, n.Subnet, 0}
		at.n, taken[at] = taken[at], taken[at]+1
		want, ok := requests[at]
		if !ok {
			p.drops = append(p.drops, n.ID)
			leases.free(n)
			continue
		}
		delete(requests, at)
		p.keep(w, n, want)
	}
	for _, x := range inOrder(requests) {
		g, err := leases.grant(x)
		if err != "" {
			p.refusals = append(p.refusals, refusal{x.owner, err})
			continue
		}
		p.grants = append(p.grants, g)
	}
	p.tasks(w)
	p.others(w)
	return p
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
	if _, there := w.set[n.ID]; there && n.State == model.InterfacePending {
		p.ready = append(p.ready, n.ID)
	}
}

// requests are all interfaces that should be, by seat.
func (w world) requests() map[seat]request {
	out := map[seat]request{}
	put := func(x request, n int) {
		if len(x.groups) == 0 && x.kind != vpc.KindNAT {
			x.groups = w.defaultGroup(x.subnet)
		}
		out[seat{x.owner, x.subnet, n}] = x
	}
	add := func(x request) { put(x, 0) }
	for _, t := range state.Tasks.All(w) {
		if w.ownsInterface(t) {
			add(request{
				owner: t.ARN, kind: vpc.KindTask, subnet: t.Subnet, groups: t.Network.SecurityGroups, public: t.Network.AssignPublicIP,
				description: t.ARN,
			})
		}
	}
	for _, i := range state.Instances.All(w) {
		if i.State != model.InstanceTerminated {
			add(request{
				owner: i.ID, kind: vpc.KindInstance, subnet: i.Subnet, groups: i.SecurityGroups, public: w.subnet(i.Subnet).MapPublicIPOnLaunch,
				description: "Primary network interface",
			})
		}
	}
	for _, lb := range state.LoadBalancers.All(w) {
		for _, s := range lb.Subnets {
			add(request{
				owner: lb.ARN, kind: vpc.KindLoadBalancer, subnet: s, groups: lb.SecurityGroups, public: lb.Scheme == "internet-facing",
				description: "ELB " + elbName(lb.ARN),
			})
		}
	}
	for _, e := range state.VPCEndpoints.All(w) {
		if e.Type != "Interface" || e.State == model.EndpointDeleting {
			continue
		}
		for _, s := range e.Subnets {
			add(request{owner: e.ID, kind: vpc.KindEndpoint, subnet: s, groups: e.SecurityGroups, description: "VPC Endpoint Interface " + e.ID})
		}
	}
	for _, n := range state.NATGateways.All(w) {
		if n.State == model.NATPending || n.State == model.NATAvailable {
			a, _ := state.Addresses.Get(w, n.Allocation)
			add(request{
				id: n.ENI, owner: n.ID, kind: vpc.KindNAT, subnet: n.Subnet, elastic: a.PublicIP, description: "Interface for NAT Gateway " + n.ID,
			})
		}
	}
	for _, f := range state.Functions.All(w) {
		x := request{owner: f.ARN, kind: vpc.KindFunction, groups: f.SecurityGroups, description: "AWS Lambda VPC ENI-" + f.Name}
		if len(f.Subnets) > 0 {
			x.subnet = f.Subnets[0]
		}
		for n := range max(1, int(f.Interfaces)) {
			put(x, n)
		}
	}
	return out
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
func (w world) ownsInterface(t model.Task) bool {
	if t.LastStatus == model.TaskProvisioning {
		return t.Instance != "" && t.DesiredStatus != model.TaskStopped && w.awsvpc(t)
	}
	return t.ENI != "" && t.LastStatus.Before(model.TaskDeprovisioning)
}

func (w world) awsvpc(t model.Task) bool {
	d, _ := state.TaskDefinitions.Get(w, t.TaskDefinition)
	return d.NetworkMode != "host"
}

// tasks moves tasks that have what they need, or have given it back.
func (p *plan) tasks(w world) {
	for _, t := range state.Tasks.By(w, "status", string(model.TaskProvisioning)) {
		switch {
		case t.Instance == "":
		case t.DesiredStatus == model.TaskStopped:
			p.moves = append(p.moves, move{t.ARN, t.LastStatus, model.TaskDeprovisioning})
		case !w.awsvpc(t) || w.available(t.ENI):
			p.moves = append(p.moves, move{t.ARN, t.LastStatus, model.TaskPending})
		}
	}
	for _, t := range state.Tasks.By(w, "status", string(model.TaskDeprovisioning)) {
		p.moves = append(p.moves, move{t.ARN, t.LastStatus, model.TaskStopped})
	}
}

// available reports whether an interface works, or is about to be said to.
func (w world) available(eni string) bool {
	n, ok := state.NetworkInterfaces.Get(w, eni)
	_, there := w.set[eni]
	return ok && (n.State != model.InterfacePending || there)
}

// others moves instances, endpoints and NAT gateways.
func (p *plan) others(w world) {
	for _, i := range state.Instances.All(w) {
		if n, ok := state.NetworkInterfaces.One(w, "owner", i.ID); ok && i.ENI == "" {
			p.attach[i.ID] = n.ID
		}
	}
	for _, e := range state.VPCEndpoints.All(w) {
		switch {
		case e.State == model.EndpointDeleting:
			p.endpoints[e.ID] = gone
		case e.State == model.EndpointPending && w.endpointUp(e):
			p.endpoints[e.ID] = "available"
		}
	}
	for _, n := range state.NATGateways.All(w) {
		eni, ok := state.NetworkInterfaces.One(w, "owner", n.ID)
		switch {
		case n.State == model.NATDeleting && !ok:
			p.nats[n.ID] = "deleted"
		case n.State == model.NATPending && ok && w.available(eni.ID):
			p.nats[n.ID] = "available"
		}
	}
}

// endpointUp reports whether all of an endpoint works. A gateway endpoint is
// a route, which every setting of the network contains.
func (w world) endpointUp(e model.VPCEndpoint) bool {
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
	return slices.Index([]string{vpc.KindLoadBalancer, vpc.KindNAT, vpc.KindEndpoint, vpc.KindInstance, vpc.KindTask, vpc.KindFunction}, kind)
}

// leases gives addresses out, so that none has two owners.
type leases struct {
	w       world
	subnets map[string]map[netip.Addr]bool
	public  map[netip.Addr]bool
	// next is where to look for a subnet's lowest free address.
	next map[string]netip.Addr
}

func newLeases(w world) *leases {
	l := &leases{w: w, subnets: map[string]map[netip.Addr]bool{}, public: map[netip.Addr]bool{}, next: map[string]netip.Addr{}}
	for _, n := range state.NetworkInterfaces.All(w) {
		l.take(n.Subnet, n.IP)
		if a, err := netip.ParseAddr(n.PublicIP); err == nil {
			l.public[a] = true
		}
	}
	for _, a := range state.Addresses.All(w) {
		if ip, err := netip.ParseAddr(a.PublicIP); err == nil {
			l.public[ip] = true
		}
	}
	return l
}

func (l *leases) take(subnet, ip string) {
	if l.subnets[subnet] == nil {
		l.subnets[subnet] = map[netip.Addr]bool{}
	}
	if a, err := netip.ParseAddr(ip); err == nil {
		l.subnets[subnet][a] = true
	}
}

func (l *leases) free(n model.NetworkInterface) {
	if a, err := netip.ParseAddr(n.IP); err == nil {
		delete(l.subnets[n.Subnet], a)
	}
	if a, err := netip.ParseAddr(n.PublicIP); err == nil {
		delete(l.public, a)
	}
}

// grant gives a request its addresses, or says why not.
func (l *leases) grant(x request) (grant, string) {
	g := grant{request: x, publicIP: x.elastic}
	var ok bool
	if x.subnet == "" {
		g.ip, ok = vpc.LeasePublic(vpc.FunctionPool, l.subnets[""])
	} else {
		s := l.w.subnet(x.subnet)
		p, err := vpc.ParseCIDR(s.CIDR)
		if err != nil {
			return g, "subnet " + x.subnet + " does not exist"
		}
		g.vpc, g.zone = s.VPC, s.AvailabilityZone
		g.ip, ok = vpc.LeaseFrom(p, l.next[x.subnet], l.subnets[x.subnet])
		l.next[x.subnet] = g.ip
	}
	if !ok {
		return g, "subnet " + cmp.Or(x.subnet, "of the Internet") + " has no free addresses"
	}
	if x.public {
		a, ok := vpc.LeasePublic(vpc.PublicPool, l.public)
		if !ok {
			return g, "no public address is free"
		}
		l.public[a], g.publicIP = true, a.String()
	}
	l.take(x.subnet, g.ip.String())
	return g, ""
}

// short names an owner in a sentence.
func short(owner string) string {
	if a, ok := ident.ParseARN(owner); ok {
		return a.Resource
	}
	return owner
}
