package elbv2

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

// attribute is what is known of one attribute: its default, and which values
// are legal and built. No check means that only the default is built.
type attribute struct {
	value string
	check func(v string) bool
}

func oneOf(vs ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(vs, v) }
}

func between(lo, hi int) func(string) bool {
	return func(v string) bool {
		n, err := strconv.Atoi(v)
		return err == nil && n >= lo && n <= hi
	}
}

func either(checks ...func(string) bool) func(string) bool {
	return func(v string) bool {
		return slices.ContainsFunc(checks, func(c func(string) bool) bool { return c(v) })
	}
}

var flag = oneOf("true", "false")

// balancerAttributes are the attributes of an application load balancer with
// the defaults that AWS shows (docs/facts/deployments.md D126).
var balancerAttributes = map[string]attribute{
	"access_logs.s3.enabled":                                   {value: "false"},
	"access_logs.s3.bucket":                                    {value: ""},
	"access_logs.s3.prefix":                                    {value: ""},
	"connection_logs.s3.enabled":                               {value: "false"},
	"connection_logs.s3.bucket":                                {value: ""},
	"connection_logs.s3.prefix":                                {value: ""},
	"health_check_logs.s3.enabled":                             {value: "false"},
	"health_check_logs.s3.bucket":                              {value: ""},
	"health_check_logs.s3.prefix":                              {value: ""},
	"client_keep_alive.seconds":                                {"3600", between(60, 604800)},
	"deletion_protection.enabled":                              {"false", flag},
	"idle_timeout.timeout_seconds":                             {"60", between(1, 4000)},
	"load_balancing.cross_zone.enabled":                        {value: "true"},
	"routing.http.desync_mitigation_mode":                      {"defensive", oneOf("monitor", "defensive", "strictest")},
	"routing.http.drop_invalid_header_fields.enabled":          {"false", flag},
	"routing.http.preserve_host_header.enabled":                {"false", flag},
	"routing.http.x_amzn_tls_version_and_cipher_suite.enabled": {value: "false"},
	"routing.http.xff_client_port.enabled":                     {"false", flag},
	"routing.http.xff_header_processing.mode":                  {"append", oneOf("append", "preserve", "remove")},
	"routing.http2.enabled":                                    {"true", flag},
	"waf.fail_open.enabled":                                    {value: "false"},
	"zonal_shift.config.enabled":                               {value: "false"},
}

// groupAttributes are the attributes of a target group of an application load
// balancer.
var groupAttributes = map[string]attribute{
	"deregistration_delay.timeout_seconds":   {"300", between(0, 3600)},
	"stickiness.enabled":                     {"false", flag},
	"stickiness.type":                        {"lb_cookie", oneOf("lb_cookie", "app_cookie")},
	"stickiness.lb_cookie.duration_seconds":  {"86400", between(1, 604800)},
	"stickiness.app_cookie.duration_seconds": {"86400", between(1, 604800)},
	"stickiness.app_cookie.cookie_name":      {"", cookieName},
	"slow_start.duration_seconds":            {"0", either(oneOf("0"), between(30, 900))},
	"load_balancing.algorithm.type": {
		"round_robin", oneOf("round_robin", "least_outstanding_requests", "weighted_random"),
	},
	"load_balancing.algorithm.anomaly_mitigation": {value: "off"},
	"load_balancing.cross_zone.enabled": {
		"use_load_balancer_configuration", oneOf("use_load_balancer_configuration", "true"),
	},
	"target_group_health.dns_failover.minimum_healthy_targets.count":                 {value: "1"},
	"target_group_health.dns_failover.minimum_healthy_targets.percentage":            {value: "off"},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      {"1", between(1, 1000)},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": {"off", either(oneOf("off"), between(1, 100))},
}

// listenerAttributes are the attributes of an HTTP listener.
var listenerAttributes = map[string]attribute{
	"routing.http.response.server.enabled":                           {value: "true"},
	"routing.http.response.strict_transport_security.header_value":   {value: ""},
	"routing.http.response.access_control_allow_origin.header_value": {value: ""},
	"routing.http.response.content_security_policy.header_value":     {value: ""},
	"routing.http.response.x_content_type_options.header_value":      {value: ""},
	"routing.http.response.x_frame_options.header_value":             {value: ""},
}

func cookieName(v string) bool {
	return !strings.HasPrefix(v, "AWSALB") && !strings.ContainsAny(v, " \t;,=\"")
}

func defaults(all map[string]attribute) map[string]string {
	out := make(map[string]string, len(all))
	for k, a := range all {
		out[k] = a.value
	}
	return out
}

// setAttribute checks one attribute and notes it.
func setAttribute(what string, known map[string]attribute, into map[string]string, key, value string) error {
	a, ok := known[key]
	switch {
	case !ok:
		return invalid("%s attribute key '%s' is not recognized", what, key)
	case a.check == nil && value != a.value:
		return unbuilt("The value '%s' of the %s attribute '%s'", value, strings.ToLower(what), key)
	case a.check != nil && !a.check(value):
		return invalid("%s attribute value '%s' is not valid for key '%s'", what, value, key)
	}
	into[key] = value
	return nil
}

// merged shows a record's attributes with the defaults of those that a later
// version added.
func merged(known map[string]attribute, have map[string]string) map[string]string {
	out := defaults(known)
	maps.Copy(out, have)
	return out
}

// DescribeLoadBalancerAttributes lists all attributes. Errors:
// LoadBalancerNotFound.
func (a *API) DescribeLoadBalancerAttributes(
	_ context.Context, in *shape.DescribeLoadBalancerAttributesInput,
) (*shape.DescribeLoadBalancerAttributesOutput, error) {
	lb, ok := state.LoadBalancers.Get(a.DB.View(), wire.Val(in.LoadBalancerArn))
	if !ok {
		return nil, noLoadBalancer(wire.Val(in.LoadBalancerArn))
	}
	return &shape.DescribeLoadBalancerAttributesOutput{Attributes: showBalancerAttributes(lb)}, nil
}

func showBalancerAttributes(lb model.LoadBalancer) []shape.LoadBalancerAttribute {
	all := merged(balancerAttributes, lb.Attributes)
	var out []shape.LoadBalancerAttribute
	for _, k := range slices.Sorted(maps.Keys(all)) {
		out = append(out, shape.LoadBalancerAttribute{Key: wire.Ptr(k), Value: wire.Ptr(all[k])})
	}
	return out
}

// ModifyLoadBalancerAttributes changes attributes. Errors:
// LoadBalancerNotFound, ValidationError, NotImplemented.
func (a *API) ModifyLoadBalancerAttributes(
	ctx context.Context, in *shape.ModifyLoadBalancerAttributesInput,
) (*shape.ModifyLoadBalancerAttributesOutput, error) {
	out := &shape.ModifyLoadBalancerAttributesOutput{}
	err := a.edit(ctx, wire.Val(in.LoadBalancerArn), func(_ *store.Tx, l *model.LoadBalancer) error {
		l.Attributes = merged(balancerAttributes, l.Attributes)
		for _, x := range in.Attributes {
			if err := setAttribute("Load balancer", balancerAttributes, l.Attributes, wire.Val(x.Key), wire.Val(x.Value)); err != nil {
				return err
			}
		}
		out.Attributes = showBalancerAttributes(*l)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DescribeTargetGroupAttributes lists all attributes. Errors:
// TargetGroupNotFound.
func (a *API) DescribeTargetGroupAttributes(
	_ context.Context, in *shape.DescribeTargetGroupAttributesInput,
) (*shape.DescribeTargetGroupAttributesOutput, error) {
	g, ok := state.TargetGroups.Get(a.DB.View(), wire.Val(in.TargetGroupArn))
	if !ok {
		return nil, noGroup(wire.Val(in.TargetGroupArn))
	}
	return &shape.DescribeTargetGroupAttributesOutput{Attributes: showGroupAttributes(g)}, nil
}

func showGroupAttributes(g model.TargetGroup) []shape.TargetGroupAttribute {
	all := merged(groupAttributes, g.Attributes)
	var out []shape.TargetGroupAttribute
	for _, k := range slices.Sorted(maps.Keys(all)) {
		out = append(out, shape.TargetGroupAttribute{Key: wire.Ptr(k), Value: wire.Ptr(all[k])})
	}
	return out
}

// ModifyTargetGroupAttributes changes attributes. Errors: TargetGroupNotFound,
// ValidationError, NotImplemented.
func (a *API) ModifyTargetGroupAttributes(
	ctx context.Context, in *shape.ModifyTargetGroupAttributesInput,
) (*shape.ModifyTargetGroupAttributesOutput, error) {
	out := &shape.ModifyTargetGroupAttributesOutput{}
	err := a.editGroup(ctx, wire.Val(in.TargetGroupArn), func(g *model.TargetGroup) error {
		g.Attributes = merged(groupAttributes, g.Attributes)
		for _, x := range in.Attributes {
			if err := setAttribute("Target group", groupAttributes, g.Attributes, wire.Val(x.Key), wire.Val(x.Value)); err != nil {
				return err
			}
		}
		if g.Attributes["stickiness.enabled"] == "true" && g.Attributes["stickiness.type"] == "app_cookie" &&
			g.Attributes["stickiness.app_cookie.cookie_name"] == "" {
			return invalid("Target group attribute 'stickiness.app_cookie.cookie_name' must be specified when the stickiness type is 'app_cookie'")
		}
		if g.Attributes["slow_start.duration_seconds"] != "0" && g.Attributes["load_balancing.algorithm.type"] != "round_robin" {
			return invalid("Slow start mode is only supported with the round_robin load balancing algorithm")
		}
		out.Attributes = showGroupAttributes(*g)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DescribeListenerAttributes lists all attributes, which have their defaults.
// Errors: ListenerNotFound.
func (a *API) DescribeListenerAttributes(
	_ context.Context, in *shape.DescribeListenerAttributesInput,
) (*shape.DescribeListenerAttributesOutput, error) {
	if _, ok := state.Listeners.Get(a.DB.View(), wire.Val(in.ListenerArn)); !ok {
		return nil, noListener(wire.Val(in.ListenerArn))
	}
	return &shape.DescribeListenerAttributesOutput{Attributes: showListenerAttributes()}, nil
}

func showListenerAttributes() []shape.ListenerAttribute {
	var out []shape.ListenerAttribute
	for _, k := range slices.Sorted(maps.Keys(listenerAttributes)) {
		out = append(out, shape.ListenerAttribute{Key: wire.Ptr(k), Value: wire.Ptr(listenerAttributes[k].value)})
	}
	return out
}

// ModifyListenerAttributes accepts the defaults; other values are not built.
// Errors: ListenerNotFound, ValidationError, NotImplemented.
func (a *API) ModifyListenerAttributes(
	_ context.Context, in *shape.ModifyListenerAttributesInput,
) (*shape.ModifyListenerAttributesOutput, error) {
	if _, ok := state.Listeners.Get(a.DB.View(), wire.Val(in.ListenerArn)); !ok {
		return nil, noListener(wire.Val(in.ListenerArn))
	}
	for _, x := range in.Attributes {
		if err := setAttribute("Listener", listenerAttributes, map[string]string{}, wire.Val(x.Key), wire.Val(x.Value)); err != nil {
			return nil, err
		}
	}
	return &shape.ModifyListenerAttributesOutput{Attributes: showListenerAttributes()}, nil
}
