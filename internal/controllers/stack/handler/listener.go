package handler

// Listeners and their rules.

func listenerTypes() map[string]*Type {
	return map[string]*Type{"AWS::ElasticLoadBalancingV2::Listener": listenerType(),
		"AWS::ElasticLoadBalancingV2::ListenerRule": listenerRuleType()}
}

func listenerType() *Type {
	this := Args{"ListenerArn": self}
	return &Type{
		Service: elb, Tags: elbTags,
		Make: Call{Operation: "CreateListener", Members: names("DefaultActions Port Protocol LoadBalancerArn"), Answer: "Listeners.0"},
		ID:   at("ListenerArn"),
		Lookup: among(
			Call{Operation: "DescribeListeners", Members: names("LoadBalancerArn"), Answer: "Listeners"}, elbTagged("ListenerArn"),
		),
		Changes: []Change{
			{Call: Call{Operation: "ModifyListener", Members: names("DefaultActions Port Protocol"), With: this}},
			elbAttributes("ModifyListenerAttributes", "ListenerArn", "ListenerAttributes"),
		},
		Attributes: map[string]Value{"ListenerArn": self},
		Remove:     Call{Operation: "DeleteListener", With: this},
	}
}

func listenerRuleType() *Type {
	this := Args{"RuleArn": self}
	return &Type{
		Service: elb, Tags: elbTags,
		Make:   Call{Operation: "CreateRule", Members: names("ListenerArn Conditions Priority Actions"), Answer: "Rules.0"},
		ID:     at("RuleArn"),
		Lookup: among(Call{Operation: "DescribeRules", Members: names("ListenerArn"), Answer: "Rules"}, elbTagged("RuleArn")),
		Changes: []Change{
			{Call: Call{Operation: "ModifyRule", Members: names("Conditions Actions"), With: this}},
			{
				Call: Call{Operation: "SetRulePriorities", With: Args{"RulePriorities": func(s *Step) any {
					return []any{map[string]any{"RuleArn": s.id(), "Priority": s.Record.Properties["Priority"]}}
				}}},
				When: names("Priority"),
			},
		},
		Attributes: map[string]Value{"RuleArn": self, "IsDefault": constant("false")},
		Remove:     Call{Operation: "DeleteRule", With: this},
	}
}
