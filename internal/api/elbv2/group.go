package elbv2

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

// CreateTargetGroup makes a target group of type ip or instance that speaks
// HTTP/1.1. Errors: DuplicateTargetGroupName, TooManyTargetGroups,
// ValidationError, DuplicateTagKeys, TooManyTags, NotImplemented.
func (a *API) CreateTargetGroup(ctx context.Context, in *shape.CreateTargetGroupInput) (*shape.CreateTargetGroupOutput, error) {
	g, err := a.newGroup(in)
	if err != nil {
		return nil, err
	}
	var out shape.TargetGroup
	err = a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.VPCs.Get(tx, g.VPC); !ok {
			return invalid("The VPC ID '%s' is not found", g.VPC)
		}
		if old, ok := state.TargetGroups.One(tx, "name", g.Name); ok {
			if !sameGroup(old, g) {
				return fault.New(
					fault.Conflict, "DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", g.Name,
				)
			}
			out = showGroup(tx, old)
			return nil
		}
		if state.TargetGroups.Len(tx) >= 3000 {
			return fault.New(fault.Invalid, "TooManyTargetGroups", "The maximum number of target groups has been reached")
		}
		out = showGroup(tx, g)
		return state.TargetGroups.Put(tx, g)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateTargetGroupOutput{TargetGroups: []shape.TargetGroup{out}}, nil
}

func sameGroup(a, b model.TargetGroup) bool {
	a.ARN, a.CreatedAt, a.Attributes, a.Tags = b.ARN, b.CreatedAt, nil, nil
	b.Attributes, b.Tags = nil, nil
	return a.Name == b.Name && a.Protocol == b.Protocol && a.Port == b.Port && a.VPC == b.VPC && a.TargetType == b.TargetType &&
		a.HealthPath == b.HealthPath && a.HealthPort == b.HealthPort && a.HealthProtocol == b.HealthProtocol &&
		a.HealthInterval == b.HealthInterval &&
		a.HealthTimeout == b.HealthTimeout && a.HealthyThreshold == b.HealthyThreshold && a.UnhealthyThreshold == b.UnhealthyThreshold &&
		a.Matcher == b.Matcher && a.HealthEnabled == b.HealthEnabled && a.ProtocolVersion == b.ProtocolVersion
}

func (a *API) newGroup(in *shape.CreateTargetGroupInput) (model.TargetGroup, error) {
	var g model.TargetGroup
	name, kind := wire.Val(in.Name), wire.Or(in.TargetType, "instance")
	if err := checkName("Target group", name); err != nil {
		return g, err
	}
	if kind != "ip" && kind != "instance" {
		return g, unbuilt("A target group of type '%s'", kind)
	}
	if err := groupProtocol(in); err != nil {
		return g, err
	}
	switch {
	case in.Port == nil:
		return g, invalid("A port must be specified")
	case wire.Val(in.VpcId) == "":
		return g, invalid("A VPC ID must be specified for target groups with target type '%s'", kind)
	}
	tags, err := readTags(in.Tags)
	if err != nil {
		return g, err
	}
	g = model.TargetGroup{
		ARN: a.arn("targetgroup/" + name + "/" + a.IDs.Hex(16)), Name: name, Protocol: "HTTP", ProtocolVersion: "HTTP1", Port: *in.Port,
		VPC: wire.Val(in.VpcId), TargetType: kind, IPAddressType: "ipv4", HealthEnabled: wire.Or(in.HealthCheckEnabled, true),
		HealthPath: "/", HealthPort: "traffic-port", HealthProtocol: "HTTP", HealthInterval: 30, HealthTimeout: 5,
		HealthyThreshold: 5, UnhealthyThreshold: 2, Matcher: "200", Attributes: defaults(groupAttributes), Tags: tags, CreatedAt: a.Clock.Now(),
	}
	return g, setHealth(&g, health{
		in.HealthCheckProtocol, in.HealthCheckPort, in.HealthCheckPath, nil, in.HealthCheckIntervalSeconds, in.HealthCheckTimeoutSeconds,
		in.HealthyThresholdCount, in.UnhealthyThresholdCount, in.Matcher, true,
	})
}

func groupProtocol(in *shape.CreateTargetGroupInput) error {
	switch p := wire.Val(in.Protocol); p {
	case "":
		return invalid("A protocol must be specified")
	case "HTTP":
	default:
		return unbuilt("A target group with protocol '%s'", p)
	}
	if v := wire.Or(in.ProtocolVersion, "HTTP1"); v != "HTTP1" {
		return unbuilt("A target group with protocol version '%s'", v)
	}
	if t := wire.Or(in.IpAddressType, "ipv4"); t != "ipv4" {
		return unbuilt("The IP address type '%s'", t)
	}
	return nil
}

// health are the settings of a health check that a call may give.
type health struct {
	protocol, port, path        *string
	enabled                     *bool
	interval, timeout, up, down *int64
	matcher                     *shape.Matcher
	isNew                       bool
}

func setHealth(g *model.TargetGroup, h health) error {
	g.HealthProtocol, g.HealthPort = wire.Or(h.protocol, g.HealthProtocol), wire.Or(h.port, g.HealthPort)
	g.HealthPath, g.HealthEnabled = wire.Or(h.path, g.HealthPath), wire.Or(h.enabled, g.HealthEnabled)
	g.HealthInterval, g.HealthTimeout = wire.Or(h.interval, g.HealthInterval), wire.Or(h.timeout, g.HealthTimeout)
	g.HealthyThreshold, g.UnhealthyThreshold = wire.Or(h.up, g.HealthyThreshold), wire.Or(h.down, g.UnhealthyThreshold)
	if h.matcher != nil {
		if h.matcher.GrpcCode != nil {
			return invalid("Health check matcher GRPC code can only be specified for target groups with protocol version 'GRPC'")
		}
		g.Matcher = wire.Or(h.matcher.HttpCode, g.Matcher)
	}
	switch {
	case g.HealthProtocol != "HTTP" && g.HealthProtocol != "HTTPS":
		return invalid("Health check protocol '%s' is not supported for target groups with the protocol HTTP", g.HealthProtocol)
	case !strings.HasPrefix(g.HealthPath, "/"):
		return invalid("Health check path '%s' must begin with a '/' character", g.HealthPath)
	case g.HealthInterval < 5 || g.HealthInterval > 300:
		return invalid("Health check interval '%d' must be between '5' and '300' inclusive", g.HealthInterval)
	case g.HealthTimeout < 2 || g.HealthTimeout > 120:
		return invalid("Health check timeout '%d' must be between '2' and '120' inclusive", g.HealthTimeout)
	case g.HealthTimeout >= g.HealthInterval && h.isNew:
		return invalid("Health check interval must be greater than the timeout.")
	case g.HealthTimeout >= g.HealthInterval:
		return invalid("Health check timeout '%d' must be smaller than the interval '%d'", g.HealthTimeout, g.HealthInterval)
	case g.HealthyThreshold < 2 || g.HealthyThreshold > 10:
		return invalid("Healthy threshold count '%d' must be between '2' and '10' inclusive", g.HealthyThreshold)
	case g.UnhealthyThreshold < 2 || g.UnhealthyThreshold > 10:
		return invalid("Unhealthy threshold count '%d' must be between '2' and '10' inclusive", g.UnhealthyThreshold)
	case g.TargetType != "lambda" && !g.HealthEnabled:
		return invalid("Health check enabled must be true for target groups with target type '%s'", g.TargetType)
	}
	if n, err := strconv.Atoi(g.HealthPort); g.HealthPort != "traffic-port" && (err != nil || n < 1 || n > 65535) {
		return invalid("Health check port '%s' must be either 'traffic-port' or a port between '1' and '65535' inclusive", g.HealthPort)
	}
	return checkMatcher(g.Matcher)
}

func checkMatcher(m string) error {
	for one := range strings.SplitSeq(m, ",") {
		lo, hi, isRange := strings.Cut(strings.TrimSpace(one), "-")
		if !isRange {
			hi = lo
		}
		a, err1 := strconv.Atoi(lo)
		b, err2 := strconv.Atoi(hi)
		if err1 != nil || err2 != nil || a < 200 || b > 499 || a > b {
			return invalid("Health check matcher HTTP code '%s' must be within '200-499' inclusive", m)
		}
	}
	return nil
}

func showGroup(r store.Reader, g model.TargetGroup) shape.TargetGroup {
	lbs := balancersOf(r, g.ARN, "")
	if lbs == nil {
		lbs = []string{}
	}
	return shape.TargetGroup{
		TargetGroupArn: wire.Ptr(g.ARN), TargetGroupName: wire.Ptr(g.Name), Protocol: wire.Ptr(g.Protocol), Port: wire.Ptr(g.Port),
		VpcId: wire.Ptr(g.VPC), HealthCheckProtocol: wire.Ptr(g.HealthProtocol), HealthCheckPort: wire.Ptr(g.HealthPort),
		HealthCheckEnabled: wire.Ptr(g.HealthEnabled), HealthCheckIntervalSeconds: wire.Ptr(g.HealthInterval),
		HealthCheckTimeoutSeconds: wire.Ptr(g.HealthTimeout), HealthyThresholdCount: wire.Ptr(g.HealthyThreshold),
		UnhealthyThresholdCount: wire.Ptr(g.UnhealthyThreshold), HealthCheckPath: wire.Ptr(g.HealthPath),
		Matcher: &shape.Matcher{HttpCode: wire.Ptr(g.Matcher)}, LoadBalancerArns: lbs, TargetType: wire.Ptr(g.TargetType),
		ProtocolVersion: wire.Ptr(g.ProtocolVersion), IpAddressType: wire.Ptr(g.IPAddressType),
	}
}

// DescribeTargetGroups lists target groups: all, those named, or those of a
// load balancer. Errors: TargetGroupNotFound, LoadBalancerNotFound,
// ValidationError.
func (a *API) DescribeTargetGroups(_ context.Context, in *shape.DescribeTargetGroupsInput) (*shape.DescribeTargetGroupsOutput, error) {
	v := a.DB.View()
	all, missing := pick(state.TargetGroups.All(v), in.TargetGroupArns, in.Names,
		func(g model.TargetGroup) string { return g.ARN }, func(g model.TargetGroup) string { return g.Name })
	if len(missing) > 0 {
		return nil, cmp.Or[error](groups.check(in.TargetGroupArns...), fault.New(fault.NotFound, "TargetGroupNotFound", noGroups))
	}
	if lb := wire.Val(in.LoadBalancerArn); lb != "" {
		if _, ok := state.LoadBalancers.Get(v, lb); !ok {
			return nil, noLoadBalancer(lb)
		}
		all = slices.DeleteFunc(slices.Clone(all), func(g model.TargetGroup) bool { return !slices.Contains(balancersOf(v, g.ARN, ""), lb) })
	}
	all, next, err := page.Cut(pages, in, all, func(g model.TargetGroup) string { return g.ARN })
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeTargetGroupsOutput{NextMarker: next, TargetGroups: []shape.TargetGroup{}}
	for _, g := range all {
		out.TargetGroups = append(out.TargetGroups, showGroup(v, g))
	}
	return out, nil
}

func (a *API) editGroup(ctx context.Context, arn string, fn func(*model.TargetGroup) error) error {
	return a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.TargetGroups.Get(tx, arn); !ok {
			return noGroup(arn)
		}
		return state.TargetGroups.Edit(tx, arn, fn)
	})
}

// ModifyTargetGroup changes the health check. Errors: TargetGroupNotFound,
// ValidationError.
func (a *API) ModifyTargetGroup(ctx context.Context, in *shape.ModifyTargetGroupInput) (*shape.ModifyTargetGroupOutput, error) {
	var g model.TargetGroup
	err := a.editGroup(ctx, wire.Val(in.TargetGroupArn), func(x *model.TargetGroup) error {
		err := setHealth(x, health{
			in.HealthCheckProtocol, in.HealthCheckPort, in.HealthCheckPath, in.HealthCheckEnabled, in.HealthCheckIntervalSeconds,
			in.HealthCheckTimeoutSeconds,
			in.HealthyThresholdCount, in.UnhealthyThresholdCount, in.Matcher, false,
		})
		g = *x
		return err
	})
	if err != nil {
		return nil, err
	}
	return &shape.ModifyTargetGroupOutput{TargetGroups: []shape.TargetGroup{showGroup(a.DB.View(), g)}}, nil
}

// DeleteTargetGroup removes a target group that no rule refers to; an absent
// one is success. Errors: ResourceInUse, ValidationError.
func (a *API) DeleteTargetGroup(ctx context.Context, in *shape.DeleteTargetGroupInput) (*shape.DeleteTargetGroupOutput, error) {
	arn := wire.Val(in.TargetGroupArn)
	return &shape.DeleteTargetGroupOutput{}, a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.TargetGroups.Get(tx, arn); !ok {
			return groups.check(arn)
		}
		if len(balancersOf(tx, arn, "")) > 0 {
			return fault.New(fault.Conflict, "ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", arn)
		}
		for _, t := range state.Targets.By(tx, "group", arn) {
			if err := state.Targets.Delete(tx, state.TargetKey(t.Group, t.ID, t.Port)); err != nil {
				return err
			}
		}
		return state.TargetGroups.Delete(tx, arn)
	})
}
