package traffic

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"berth/internal/balancer"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Compile works out what the data plane should serve, from nothing. Equal
// states make equal configurations. The controller keeps the same by parts.
func Compile(r store.Reader, hostAddress string, published ...string) balancer.Config {
	c := balancer.Config{HostAddress: hostAddress, Guarded: true, Published: published}
	for _, lb := range state.LoadBalancers.All(r) {
		x := compileBalancer(r, lb)
		for _, l := range state.Listeners.By(r, "loadbalancer", lb.ARN) {
			x.Listeners = append(x.Listeners, compileListener(r, l))
		}
		c.LoadBalancers = append(c.LoadBalancers, x)
	}
	for _, g := range state.TargetGroups.All(r) {
		c.Groups = append(c.Groups, compileGroup(r, g))
	}
	return c
}

// compileBalancer is a load balancer without its listeners. One that is not
// internet-facing is not on the host, whose clients are on the Internet.
func compileBalancer(r store.Reader, lb model.LoadBalancer) balancer.LoadBalancer {
	at := attributes(lb.Attributes)
	out := balancer.LoadBalancer{
		ID: lb.ARN, Name: after(lb.ARN, "loadbalancer/"), Host: lb.DNSName, IdleTimeout: at.seconds("idle_timeout.timeout_seconds", 60),
		KeepAlive: at.seconds("client_keep_alive.seconds", 3600), ForwardedFor: lb.Attributes["routing.http.xff_header_processing.mode"],
		ClientPort: at.yes("routing.http.xff_client_port.enabled"), PreserveHost: at.yes("routing.http.preserve_host_header.enabled"),
		DropInvalidHeaders: at.yes("routing.http.drop_invalid_header_fields.enabled"),
		HTTP2:              at.yes("routing.http2.enabled"), Desync: balancer.Desync(lb.Attributes["routing.http.desync_mitigation_mode"]),
	}
	if lb.Scheme == "internet-facing" {
		out.Address, out.Public, out.Sources = lb.HostAddress, true, sources(r, lb.SecurityGroups)
	}
	for _, n := range Nodes(r, lb) {
		out.Nodes = append(out.Nodes, balancer.Node{ID: n.ID, Zone: n.AvailabilityZone, IP: n.IP})
	}
	return out
}

// sources are whom security groups let in from beyond the VPC.
func sources(r store.Reader, groups []string) []balancer.Source {
	var out []balancer.Source
	for _, id := range groups {
		g, _ := state.SecurityGroups.Get(r, id)
		for _, rule := range g.Rules {
			prefix, err := netip.ParsePrefix(cmp.Or(rule.CIDR, rule.CIDR6))
			from, to, tcp := portsOf(rule)
			if err == nil && tcp && !rule.Egress {
				out = append(out, balancer.Source{Prefix: prefix, From: from, To: to})
			}
		}
	}
	return out
}

// portsOf are the ports of TCP that a rule is about.
func portsOf(rule model.SecurityRule) (from, to int, tcp bool) {
	switch rule.Protocol {
	case "-1":
		return 0, 65535, true
	case "tcp", "6":
		return int(rule.FromPort), int(rule.ToPort), true
	default:
		return 0, 0, false
	}
}

func compileListener(r store.Reader, l model.Listener) balancer.Listener {
	out := balancer.Listener{ID: l.ARN, Port: int(l.Port)}
	for _, rule := range ordered(state.ListenerRules.By(r, "listener", l.ARN)) {
		out.Rules = append(out.Rules, compileRule(r, rule))
	}
	return out
}

// Nodes are a load balancer's interfaces that are programmed, in the subnets
// that it has now.
func Nodes(r store.Reader, lb model.LoadBalancer) []model.NetworkInterface {
	var out []model.NetworkInterface
	for _, n := range state.NetworkInterfaces.By(r, "owner", lb.ARN) {
		if (n.State == model.InterfaceAvailable || n.State == model.InterfaceInUse) && slices.Contains(lb.Subnets, n.Subnet) {
			out = append(out, n)
		}
	}
	return out
}

// ordered sorts rules as they are evaluated: by priority, the default last.
func ordered(rules []model.ListenerRule) []model.ListenerRule {
	slices.SortFunc(rules, func(x, y model.ListenerRule) int {
		switch {
		case x.Default == y.Default:
			return cmp.Or(cmp.Compare(x.Priority, y.Priority), cmp.Compare(x.ARN, y.ARN))
		case x.Default:
			return 1
		default:
			return -1
		}
	})
	return rules
}

func compileRule(r store.Reader, rule model.ListenerRule) balancer.Rule {
	out := balancer.Rule{ID: rule.ARN}
	for _, c := range rule.Conditions {
		x := balancer.Condition{Field: c.Field, Header: c.HeaderName, Values: c.Values, Regex: c.Regex}
		for _, q := range c.Query {
			x.Query = append(x.Query, balancer.Pair{Key: q.Name, Value: q.Value})
		}
		out.Conditions = append(out.Conditions, x)
	}
	if n := len(rule.Actions); n > 0 {
		out.Action = compileAction(r, rule.Actions[n-1])
	}
	return out
}

func compileAction(r store.Reader, x model.Action) balancer.Action {
	status, _ := strconv.Atoi(trimHTTP(x.StatusCode))
	switch x.Type {
	case "forward":
		f := &balancer.Forward{}
		if x.StickyEnabled {
			f.Sticky = time.Duration(x.StickySeconds) * time.Second
		}
		for _, t := range x.Targets {
			// A group that is gone has no targets: its share answers 503
			// like an empty group, and never stops the rest from serving.
			if _, ok := state.TargetGroups.Get(r, t.TargetGroupARN); ok {
				f.Groups = append(f.Groups, balancer.Weight{Group: t.TargetGroupARN, Weight: int(t.Weight)})
			}
		}
		return balancer.Action{Forward: f}
	case "redirect":
		return balancer.Action{
			Redirect: &balancer.Redirect{Status: status, Protocol: x.Protocol, Host: x.Host, Port: x.Port, Path: x.Path, Query: x.Query},
		}
	default:
		return balancer.Action{Fixed: &balancer.Fixed{Status: status, ContentType: x.ContentType, Body: x.Body}}
	}
}

// trimHTTP turns HTTP_301 into 301.
func trimHTTP(s string) string { return s[max(0, len(s)-3):] }

func compileGroup(r store.Reader, g model.TargetGroup) balancer.Group {
	at := attributes(g.Attributes)
	port, _ := strconv.Atoi(g.HealthPort) // "traffic-port" is 0
	out := balancer.Group{
		ID: g.ARN, Name: "targetgroup/" + after(g.ARN, "targetgroup/"), Version: g.ProtocolVersion,
		Algorithm: g.Attributes["load_balancing.algorithm.type"], SlowStart: at.seconds("slow_start.duration_seconds", 0),
		MinHealthy:   at.number("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", 1),
		MinHealthyPC: at.number("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", 0),
		Health: balancer.Health{
			Enabled: g.HealthEnabled, Path: g.HealthPath, Port: port, TLS: g.HealthProtocol == "HTTPS",
			Interval: time.Duration(g.HealthInterval) * time.Second, Timeout: time.Duration(g.HealthTimeout) * time.Second,
			Healthy: int(g.HealthyThreshold), Unhealthy: int(g.UnhealthyThreshold), Matcher: g.Matcher,
		},
	}
	if at.yes("stickiness.enabled") {
		out.Cookie, out.CookieName = g.Attributes["stickiness.type"], g.Attributes["stickiness.app_cookie.cookie_name"]
		out.CookieFor = at.seconds("stickiness."+out.Cookie+".duration_seconds", 86400)
	}
	for _, t := range state.Targets.By(r, "group", g.ARN) {
		ip := t.ID
		if g.TargetType == "instance" {
			i, _ := state.Instances.Get(r, t.ID)
			if ip = i.PrivateIP; ip == "" {
				continue
			}
		}
		out.Targets = append(out.Targets, balancer.Target{
			ID: t.ID, IP: ip, Port: int(t.Port), Zone: t.Zone, Since: t.RegisteredAt, Draining: !t.DrainingAt.IsZero(),
		})
	}
	return out
}

// after is the part of an ARN's resource that follows a prefix.
func after(arn, prefix string) string {
	a, _ := ident.ParseARN(arn)
	return a.Resource[min(len(prefix), len(a.Resource)):]
}

// attributes reads values of load balancers and target groups.
type attributes map[string]string

func (a attributes) yes(key string) bool { return a[key] == "true" }

func (a attributes) number(key string, other int) int {
	if n, err := strconv.Atoi(a[key]); err == nil {
		return n
	}
	return other
}

func (a attributes) seconds(key string, other int) time.Duration {
	return time.Duration(a.number(key, other)) * time.Second
}
