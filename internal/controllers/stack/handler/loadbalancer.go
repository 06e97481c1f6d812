package handler

import (
	"strings"

	"berth/internal/fault"
)

// Load balancers.

func loadBalancerTypes() map[string]*Type {
	attributes := paths("LoadBalancerName Name=LoadBalancerName DNSName CanonicalHostedZoneID=CanonicalHostedZoneId Scheme Type IpAddressType")
	attributes["LoadBalancerArn"], attributes["LoadBalancerFullName"] = self, afterIn(":loadbalancer/", "")
	attributes["SecurityGroups"] = listAt("SecurityGroups")
	return map[string]*Type{
		"AWS::ElasticLoadBalancingV2::LoadBalancer": {
			Service: elb, Name: Name{Property: "Name", Limit: 32}, Tags: elbTags, Lingers: true,
			Make: Call{
				Operation: "CreateLoadBalancer", Members: names("Subnets SubnetMappings SecurityGroups Scheme Type IpAddressType"),
				With: Args{"Name": named}, Answer: "LoadBalancers.0",
			},
			ID: at("LoadBalancerArn"),
			Lookup: among(Call{Operation: "DescribeLoadBalancers", With: Args{"Names": listOf(named)}, Answer: "LoadBalancers"},
				elbTagged("LoadBalancerArn")),
			Changes:    loadBalancerChanges(),
			Read:       Call{Operation: "DescribeLoadBalancers", With: Args{"LoadBalancerArns": listOf(self)}, Answer: "LoadBalancers.0"},
			Attributes: attributes,
			Status: []Status{{
				Path: "State.Code", Ready: names("active active_impaired"), Failed: names("failed"), Reason: "State.Reason",
				Text: "LoadBalancer '{id}' failed to stabilize: {why}",
			}},
			Remove: Call{Operation: "DeleteLoadBalancer", With: Args{"LoadBalancerArn": self}},
		},
	}
}

func loadBalancerChanges() []Change {
	this := Args{"LoadBalancerArn": self}
	return []Change{
		{Call: Call{Operation: "SetSubnets", Members: names("Subnets SubnetMappings"), With: this}},
		{Call: Call{Operation: "SetSecurityGroups", Members: names("SecurityGroups"), With: this, Prepare: someGroups}},
		{Call: Call{Operation: "SetIpAddressType", Members: names("IpAddressType"), With: this}, Usual: map[string]any{"IpAddressType": "ipv4"}},
		elbAttributes("ModifyLoadBalancerAttributes", "LoadBalancerArn", "LoadBalancerAttributes"),
	}
}

func someGroups(_ *Step, in map[string]any) error {
	if len(list(in["SecurityGroups"])) == 0 {
		return fault.New(fault.Invalid, "InvalidRequest", "A load balancer cannot lose all its security groups")
	}
	return nil
}

var elbTags = Tagging{
	Member: "Tags", Form: pairs, Add: "AddTags", Remove: "RemoveTags", Of: Args{"ResourceArns": listOf(self)}, Keys: "TagKeys",
}

// elbAttributes sets attributes; one that is given no more keeps its value, as
// with CloudFormation.
func elbAttributes(operation, member, property string) Change {
	return Change{
		Call: Call{Operation: operation, Members: []string{property}, As: map[string]string{property: "Attributes"}, With: Args{member: self}},
		Kept: true,
	}
}

// elbTagged asks for the tags of an object with an ARN.
func elbTagged(arn string) Owned {
	return taggedBy(Call{Operation: "DescribeTags", With: Args{"ResourceArns": listOf(at(arn))}, Answer: "TagDescriptions.0.Tags"})
}

// afterIn is what comes after a mark in the physical id, with something before
// it.
func afterIn(mark, before string) Value {
	return func(s *Step) any {
		_, rest, _ := strings.Cut(s.id(), mark)
		return before + rest
	}
}
