package elbv2

import (
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

func badAction(format string, args ...any) error {
	return fault.New(fault.Invalid, "InvalidLoadBalancerAction", format, args...)
}

// readActions reads the actions of a rule. Only the last one can be a final
// action; the ones that may stand before it (authentication) are not built.
func readActions(in []shape.Action) ([]model.Action, error) {
	if len(in) == 0 {
		return nil, invalid("A rule must have at least one action")
	}
	if len(in) > 1 {
		for _, x := range in {
			switch wire.Val(x.Type) {
			case "forward", "redirect", "fixed-response":
			default:
				return nil, unbuilt("The action type '%s'", wire.Val(x.Type))
			}
		}
		return nil, badAction("You can only specify one of the following action types in a rule: 'forward', 'redirect', or 'fixed-response'")
	}
	x, err := readAction(in[0])
	if err != nil {
		return nil, err
	}
	return []model.Action{x}, nil
}

func readAction(in shape.Action) (model.Action, error) {
	out := model.Action{Type: wire.Val(in.Type), Order: wire.Val(in.Order)}
	switch out.Type {
	case "forward":
		return out, readForward(in, &out)
	case "fixed-response":
		c := in.FixedResponseConfig
		if c == nil {
			return out, badAction("A fixed response configuration must be specified for actions of type 'fixed-response'")
		}
		out.StatusCode, out.ContentType, out.Body = wire.Val(c.StatusCode), wire.Val(c.ContentType), wire.Val(c.MessageBody)
		return out, nil
	case "redirect":
		return out, readRedirect(in.RedirectConfig, &out)
	default:
		return out, unbuilt("The action type '%s'", out.Type)
	}
}

func readForward(in shape.Action, out *model.Action) error {
	plain := wire.Val(in.TargetGroupArn)
	f := in.ForwardConfig
	if f != nil {
		for _, t := range f.TargetGroups {
			w := wire.Or(t.Weight, 1)
			if w < 0 || w > 999 {
				return invalid("Target group weight '%d' must be between '0' and '999'", w)
			}
			out.Targets = append(out.Targets, model.WeightedTarget{TargetGroupARN: wire.Val(t.TargetGroupArn), Weight: w})
		}
		if s := f.TargetGroupStickinessConfig; s != nil {
			out.StickySet, out.StickyEnabled, out.StickySeconds = true, wire.Val(s.Enabled), wire.Val(s.DurationSeconds)
			if out.StickyEnabled && (out.StickySeconds < 1 || out.StickySeconds > 604800) {
				return invalid("Target group stickiness duration must be between '1' and '604800' seconds")
			}
		}
	}
	switch {
	case plain == "" && len(out.Targets) == 0:
		return badAction("A target group ARN must be specified for actions of type 'forward'")
	case plain != "" && len(out.Targets) > 0 && (len(out.Targets) != 1 || out.Targets[0].TargetGroupARN != plain):
		return badAction("You cannot specify both a target group ARN and a forward configuration that differ from each other")
	case len(out.Targets) == 0:
		out.Targets = []model.WeightedTarget{{TargetGroupARN: plain, Weight: 1}}
	case len(out.Targets) > 5:
		return fault.New(fault.Invalid, "TooManyUniqueTargetGroupsPerLoadBalancer", "A forward action can have up to '5' target groups")
	}
	seen := map[string]bool{}
	for _, t := range out.Targets {
		if seen[t.TargetGroupARN] {
			return badAction("Target group '%s' is specified more than once in a forward action", t.TargetGroupARN)
		}
		seen[t.TargetGroupARN] = true
	}
	out.Plain = len(out.Targets) == 1
	return nil
}

func readRedirect(c *shape.RedirectActionConfig, out *model.Action) error {
	if c == nil {
		return badAction("A redirect configuration must be specified for actions of type 'redirect'")
	}
	out.Protocol, out.Host = wire.Or(c.Protocol, "#{protocol}"), wire.Or(c.Host, "#{host}")
	out.Port, out.Path, out.Query = wire.Or(c.Port, "#{port}"), wire.Or(c.Path, "/#{path}"), wire.Or(c.Query, "#{query}")
	out.StatusCode = wire.Val(c.StatusCode)
	if out.Protocol == "#{protocol}" && out.Host == "#{host}" && out.Port == "#{port}" && out.Path == "/#{path}" {
		return badAction("The redirect configuration is not valid because it creates a loop.")
	}
	if !strings.HasPrefix(out.Path, "/") {
		return badAction("The redirect path must start with '/'")
	}
	return nil
}

// checkTargets holds a rule's target groups against what is there: they must
// exist, and serve one load balancer only.
func checkTargets(r store.Reader, lb, rule string, actions []model.Action) error {
	for _, x := range actions {
		for _, t := range x.Targets {
			g, ok := state.TargetGroups.Get(r, t.TargetGroupARN)
			if !ok {
				return groups.absent(t.TargetGroupARN, "TargetGroupNotFound", "Target groups '%s' not found", t.TargetGroupARN)
			}
			l, _ := state.LoadBalancers.Get(r, lb)
			if g.VPC != l.VPC {
				return fault.New(
					fault.Invalid, "InvalidConfigurationRequest", "The target group '%s' and the load balancer '%s' are in different VPCs", g.ARN, lb,
				)
			}
			for _, other := range balancersOf(r, g.ARN, rule) {
				if other != lb {
					return fault.New(
						fault.Invalid, "TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: %s",
						g.ARN,
					)
				}
			}
		}
	}
	return nil
}

// balancersOf lists the load balancers whose rules refer to a group, but for
// one rule.
func balancersOf(r store.Reader, group, but string) []string {
	var out []string
	for _, rule := range state.ListenerRules.All(r) {
		if rule.ARN == but || !refersTo(rule, group) {
			continue
		}
		if l, ok := state.Listeners.Get(r, rule.Listener); ok && !slices.Contains(out, l.LoadBalancer) {
			out = append(out, l.LoadBalancer)
		}
	}
	return out
}

func refersTo(r model.ListenerRule, group string) bool {
	return slices.ContainsFunc(r.Actions, func(x model.Action) bool {
		return slices.ContainsFunc(x.Targets, func(t model.WeightedTarget) bool { return t.TargetGroupARN == group })
	})
}

func showActions(in []model.Action) []shape.Action {
	out := make([]shape.Action, 0, len(in))
	for _, x := range in {
		out = append(out, showAction(x))
	}
	return out
}

func showAction(x model.Action) shape.Action {
	out := shape.Action{Type: wire.Ptr(x.Type)}
	if x.Order > 0 {
		out.Order = wire.Ptr(x.Order)
	}
	switch x.Type {
	case "forward":
		// One group shows both ways, as AWS does.
		if len(x.Targets) == 1 {
			out.TargetGroupArn = wire.Ptr(x.Targets[0].TargetGroupARN)
		}
		f := &shape.ForwardActionConfig{TargetGroupStickinessConfig: &shape.TargetGroupStickinessConfig{Enabled: wire.Ptr(x.StickyEnabled)}}
		if x.StickySeconds > 0 {
			f.TargetGroupStickinessConfig.DurationSeconds = wire.Ptr(x.StickySeconds)
		}
		for _, t := range x.Targets {
			f.TargetGroups = append(f.TargetGroups, shape.TargetGroupTuple{TargetGroupArn: wire.Ptr(t.TargetGroupARN), Weight: wire.Ptr(t.Weight)})
		}
		out.ForwardConfig = f
	case "fixed-response":
		c := &shape.FixedResponseActionConfig{StatusCode: wire.Ptr(x.StatusCode)}
		if x.ContentType != "" {
			c.ContentType = wire.Ptr(x.ContentType)
		}
		if x.Body != "" {
			c.MessageBody = wire.Ptr(x.Body)
		}
		out.FixedResponseConfig = c
	case "redirect":
		out.RedirectConfig = &shape.RedirectActionConfig{
			Protocol: wire.Ptr(x.Protocol), Port: wire.Ptr(x.Port), Host: wire.Ptr(x.Host), Path: wire.Ptr(x.Path), Query: wire.Ptr(x.Query),
			StatusCode: wire.Ptr(x.StatusCode),
		}
	}
	return out
}
