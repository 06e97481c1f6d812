package traffic

import (
	"slices"

	"berth/internal/balancer"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// config keeps what the data plane should serve in parts, so that a change of
// a target costs its group and not all that there is. What did not change is
// shared with the configuration before; nobody writes into one.
type config struct {
	now       balancer.Config
	balancers *store.Derived[served]
	listeners *store.Derived[balancer.Listener]
	groups    *store.Derived[balancer.Group]
}

// served is a load balancer without its listeners, and which it has.
type served struct {
	balancer.LoadBalancer
	listeners []string
}

func newConfig(db *store.DB, hostAddress string, published []string) *config {
	return &config{
		now:       balancer.Config{HostAddress: hostAddress, Guarded: true, Published: published},
		balancers: balancersOf(db),
		listeners: store.NewDerived(db, listenerRules(), func(r store.Reader, arn string) (balancer.Listener, bool) {
			l, ok := state.Listeners.Get(r, arn)
			return compileListener(r, l), ok
		}),
		groups: groupsOf(db),
	}
}

func balancersOf(db *store.DB) *store.Derived[served] {
	const means = "the load balancer"
	rules := store.Rules{
		store.OnAny(state.LoadBalancers, means, func(lb *model.LoadBalancer) string { return lb.ARN }),
		store.OnAny(state.Listeners, means, func(l *model.Listener) string { return l.LoadBalancer }),
		store.OnAny(state.NetworkInterfaces, means, func(n *model.NetworkInterface) string {
			if n.Kind != "loadbalancer" {
				return ""
			}
			return n.Owner
		}),
	}
	d := store.NewDerived(db, rules, servedOf)
	d.Through = balancersOfGroup
	return d
}

// balancersOfGroup are the load balancers that a changed security group lets
// clients into.
func balancersOfGroup(r store.Reader, c store.Change) []string {
	old, n := state.SecurityGroups.Of(c)
	var out []string
	for _, g := range []*model.SecurityGroup{old, n} {
		if g == nil {
			continue
		}
		for lb := range state.LoadBalancers.Every(r) {
			if slices.Contains(lb.SecurityGroups, g.ID) {
				out = append(out, lb.ARN)
			}
		}
	}
	return out
}

func servedOf(r store.Reader, arn string) (served, bool) {
	lb, ok := state.LoadBalancers.Get(r, arn)
	if !ok {
		return served{}, false
	}
	out := served{LoadBalancer: compileBalancer(r, lb)}
	for l := range state.Listeners.Each(r, "loadbalancer", arn) {
		out.listeners = append(out.listeners, l.ARN)
	}
	return out, true
}

// listenerRules: what forwards to a group depends on whether there is one.
func listenerRules() store.Rules {
	const means = "the listener"
	return store.Rules{
		store.OnAny(state.Listeners, means, func(l *model.Listener) string { return l.ARN }),
		store.OnAny(state.ListenerRules, means, func(x *model.ListenerRule) string { return x.Listener }),
		store.On(state.TargetGroups, means, func(old, n *model.TargetGroup) []string {
			if old != nil && n != nil {
				return nil
			}
			return []string{store.Everything}
		}),
	}
}

func groupsOf(db *store.DB) *store.Derived[balancer.Group] {
	const means = "the target group"
	rules := store.Rules{
		store.OnAny(state.TargetGroups, means, func(g *model.TargetGroup) string { return g.ARN }),
		store.OnPart(state.Targets, means, registration, func(x registered) []string { return []string{x.group} }),
	}
	d := store.NewDerived(db, rules, func(r store.Reader, arn string) (balancer.Group, bool) {
		g, ok := state.TargetGroups.Get(r, arn)
		return compileGroup(r, g), ok
	})
	d.Through = groupsOfInstance
	return d
}

// registered is what the data plane is told of a target; its health comes from
// there.
type registered struct {
	group, id, zone string
	port            int64
	since           int64
	draining        bool
}

func registration(t *model.Target) registered {
	return registered{t.Group, t.ID, t.Zone, t.Port, t.RegisteredAt.UnixNano(), !t.DrainingAt.IsZero()}
}

// groupsOfInstance are the groups of instances, when the address of one
// becomes known or goes.
func groupsOfInstance(r store.Reader, c store.Change) []string {
	if old, n := state.Instances.Of(c); addressOf(old) == addressOf(n) {
		return nil
	}
	var out []string
	for g := range state.TargetGroups.Every(r) {
		if g.TargetType == "instance" {
			out = append(out, g.ARN)
		}
	}
	return out
}

// to brings the configuration to a view; it reports whether it may be another.
func (c *config) to(v *store.View) bool {
	balancers := len(c.balancers.To(v))+len(c.listeners.To(v)) > 0
	if balancers {
		c.now.LoadBalancers = c.combine()
	}
	groups := len(c.groups.To(v)) > 0
	if groups {
		c.now.Groups = values(c.groups)
	}
	return balancers || groups
}

func (c *config) combine() []balancer.LoadBalancer {
	var out []balancer.LoadBalancer
	for _, lb := range c.balancers.Parts() {
		x := lb.LoadBalancer
		for _, arn := range lb.listeners {
			if l, ok := c.listeners.Part(arn); ok {
				x.Listeners = append(x.Listeners, l)
			}
		}
		out = append(out, x)
	}
	return out
}

func values[P any](d *store.Derived[P]) []P {
	out := slices.Grow([]P(nil), d.Len())
	for _, p := range d.Parts() {
		out = append(out, p)
	}
	return out
}
