package stack

import "context"

// Listeners and their rules.

func listenerKinds() map[string]kind {
	return map[string]kind{
		"AWS::ElasticLoadBalancingV2::Listener": {
			create: createListener, update: updateListener, remove: remover(elb, "DeleteListener", "ListenerArn"), find: findListener,
		},
		"AWS::ElasticLoadBalancingV2::ListenerRule": {
			create: createListenerRule, update: updateListenerRule, remove: remover(elb, "DeleteRule", "RuleArn"), find: findListenerRule,
		},
	}
}

var listenerMembers = []string{"AlpnPolicy", "Certificates", "DefaultActions", "MutualAuthentication", "Port", "Protocol", "SslPolicy"}

func createListener(ctx context.Context, a *act) error {
	err := a.once(ctx, findListener, func() error {
		in := pick(a.props, append(listenerMembers, "LoadBalancerArn")...)
		in["Tags"] = pairs(a.tags)
		out, err := a.call(ctx, elb, "CreateListener", in)
		a.made(digs(out, "Listeners", 0, "ListenerArn"), nil)
		return err
	})
	if err != nil {
		return err
	}
	a.rec.Attributes["ListenerArn"] = a.id()
	return a.attributes(ctx, "ModifyListenerAttributes", "ListenerArn", "ListenerAttributes", nil)
}

func findListener(ctx context.Context, a *act) (bool, error) {
	return findELB(ctx, a, "DescribeListeners", pick(a.props, "LoadBalancerArn"), "Listeners", "ListenerArn")
}

func updateListener(ctx context.Context, a *act) error {
	if a.changed(listenerMembers...) {
		in := pick(a.props, listenerMembers...)
		in["ListenerArn"] = a.id()
		if err := a.do(ctx, elb, "ModifyListener", in); err != nil {
			return err
		}
	}
	if err := a.attributes(ctx, "ModifyListenerAttributes", "ListenerArn", "ListenerAttributes", a.old["ListenerAttributes"]); err != nil {
		return err
	}
	return retagELB(ctx, a)
}

func createListenerRule(ctx context.Context, a *act) error {
	err := a.once(ctx, findListenerRule, func() error {
		in := pick(a.props, "ListenerArn", "Conditions", "Priority", "Actions")
		in["Tags"] = pairs(a.tags)
		out, err := a.call(ctx, elb, "CreateRule", in)
		a.made(digs(out, "Rules", 0, "RuleArn"), nil)
		return err
	})
	a.made(a.id(), map[string]any{"RuleArn": a.id(), "IsDefault": "false"})
	return err
}

func findListenerRule(ctx context.Context, a *act) (bool, error) {
	return findELB(ctx, a, "DescribeRules", pick(a.props, "ListenerArn"), "Rules", "RuleArn")
}

func updateListenerRule(ctx context.Context, a *act) error {
	if a.changed("Conditions", "Actions") {
		in := pick(a.props, "Conditions", "Actions")
		in["RuleArn"] = a.id()
		if err := a.do(ctx, elb, "ModifyRule", in); err != nil {
			return err
		}
	}
	if a.changed("Priority") {
		in := map[string]any{"RulePriorities": []any{map[string]any{"RuleArn": a.id(), "Priority": a.props["Priority"]}}}
		if err := a.do(ctx, elb, "SetRulePriorities", in); err != nil {
			return err
		}
	}
	return retagELB(ctx, a)
}
