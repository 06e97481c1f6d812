package handler

// Target groups.

func targetGroupTypes() map[string]*Type {
	health := names("HealthCheckEnabled HealthCheckIntervalSeconds HealthCheckPath HealthCheckPort HealthCheckProtocol " +
		"HealthCheckTimeoutSeconds HealthyThresholdCount UnhealthyThresholdCount Matcher")
	this := Args{"TargetGroupArn": self}
	targets := Args{"TargetGroupArn": self, "Targets": item}
	return map[string]*Type{
		"AWS::ElasticLoadBalancingV2::TargetGroup": {
			Service: elb, Name: Name{Property: "Name", Limit: 32}, Tags: elbTags,
			Make: Call{
				Operation: "CreateTargetGroup", Members: append(names("IpAddressType Port Protocol ProtocolVersion TargetType VpcId"), health...),
				With: Args{"Name": named}, Answer: "TargetGroups.0",
			},
			ID: at("TargetGroupArn"),
			Lookup: among(Call{Operation: "DescribeTargetGroups", With: Args{"Names": listOf(named)}, Answer: "TargetGroups"},
				elbTagged("TargetGroupArn")),
			Changes: []Change{
				{Call: Call{Operation: "ModifyTargetGroup", Members: health, With: this}},
				elbAttributes("ModifyTargetGroupAttributes", "TargetGroupArn", "TargetGroupAttributes"),
			},
			// The targets that the template itself lists.
			Sets: []Set{{
				Property: "Targets", Whole: true,
				Add: Call{Operation: "RegisterTargets", With: targets}, Remove: Call{Operation: "DeregisterTargets", With: targets},
			}},
			Attributes: map[string]Value{
				"TargetGroupArn": self, "TargetGroupFullName": afterIn(":targetgroup/", "targetgroup/"), "TargetGroupName": named,
				"LoadBalancerArns": constant([]any{}),
			},
			Remove: Call{Operation: "DeleteTargetGroup", With: this},
		},
	}
}
