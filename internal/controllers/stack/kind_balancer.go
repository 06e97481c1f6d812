package stack

import (
	"context"
	"strings"

	"berth/internal/fault"
)

// Load balancers.

func balancerKinds() map[string]kind {
	return map[string]kind{
		"AWS::ElasticLoadBalancingV2::LoadBalancer": {
			name: "Name", create: createBalancer, update: updateBalancer, settle: settleBalancer,
			remove: removeBalancer, find: findBalancer,
		},
	}
}

func createBalancer(ctx context.Context, a *act) error {
	err := a.once(ctx, findBalancer, func() error {
		in := pick(a.props, "Subnets", "SubnetMappings", "SecurityGroups", "Scheme", "Type", "IpAddressType")
		in["Name"], in["Tags"] = a.physical("Name", 32), pairs(a.tags)
		out, err := a.call(ctx, elb, "CreateLoadBalancer", in)
		a.made(digs(out, "LoadBalancers", 0, "LoadBalancerArn"), nil)
		return err
	})
	if err != nil {
		return err
	}
	return balancerAttributes(ctx, a, nil)
}

// balancerAttributes sets the attributes that changed; one that is no longer
// given keeps its value, as with CloudFormation.
func balancerAttributes(ctx context.Context, a *act, old any) error {
	return a.attributes(ctx, "ModifyLoadBalancerAttributes", "LoadBalancerArn", "LoadBalancerAttributes", old)
}

func (a *act) attributes(ctx context.Context, operation, member, property string, old any) error {
	want := list(a.props[property])
	if len(want) == 0 || text(want) == text(old) {
		return nil
	}
	return a.do(ctx, elb, operation, map[string]any{member: a.id(), "Attributes": want})
}

func findBalancer(ctx context.Context, a *act) (bool, error) {
	return findELB(ctx, a, "DescribeLoadBalancers", map[string]any{"Names": []any{a.physical("Name", 32)}}, "LoadBalancers", "LoadBalancerArn")
}

// findELB looks for the one of some resources that carries our tags.
func findELB(ctx context.Context, a *act, operation string, in map[string]any, plural, arn string) (bool, error) {
	out, err := a.call(ctx, elb, operation, in)
	if absent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, it := range list(out[plural]) {
		id := digs(it, arn)
		tags, err := a.call(ctx, elb, "DescribeTags", map[string]any{"ResourceArns": []any{id}})
		if err != nil {
			return false, err
		}
		if a.mine(dig(tags, "TagDescriptions", 0, "Tags")) && !a.known(id) {
			a.made(id, nil)
			return true, nil
		}
	}
	return false, nil
}

func settleBalancer(ctx context.Context, a *act) (bool, error) {
	out, err := a.call(ctx, elb, "DescribeLoadBalancers", map[string]any{"LoadBalancerArns": []any{a.id()}})
	if err != nil {
		return false, err
	}
	lb, _ := dig(out, "LoadBalancers", 0).(map[string]any)
	_, full, _ := strings.Cut(a.id(), ":loadbalancer/")
	a.made(a.id(), map[string]any{
		"LoadBalancerArn": a.id(), "LoadBalancerFullName": full, "LoadBalancerName": lb["LoadBalancerName"], "Name": lb["LoadBalancerName"],
		"DNSName": lb["DNSName"], "CanonicalHostedZoneID": lb["CanonicalHostedZoneId"], "Scheme": lb["Scheme"], "Type": lb["Type"],
		"SecurityGroups": list(lb["SecurityGroups"]), "IpAddressType": lb["IpAddressType"],
	})
	switch digs(lb, "State", "Code") {
	case "active", "active_impaired":
		return true, nil
	case "failed":
		return false, notStabilized("LoadBalancer '%s' failed to stabilize: %s", a.id(), digs(lb, "State", "Reason"))
	default:
		return false, nil
	}
}

func updateBalancer(ctx context.Context, a *act) error {
	if a.changed("Subnets", "SubnetMappings") {
		in := pick(a.props, "Subnets", "SubnetMappings")
		in["LoadBalancerArn"] = a.id()
		if err := a.do(ctx, elb, "SetSubnets", in); err != nil {
			return err
		}
	}
	if a.changed("SecurityGroups") {
		groups := list(a.props["SecurityGroups"])
		if len(groups) == 0 {
			return fault.New(fault.Invalid, "InvalidRequest", "A load balancer cannot lose all its security groups")
		}
		if err := a.do(ctx, elb, "SetSecurityGroups", map[string]any{"LoadBalancerArn": a.id(), "SecurityGroups": groups}); err != nil {
			return err
		}
	}
	if a.changed("IpAddressType") {
		kind := a.str("IpAddressType")
		if kind == "" {
			kind = "ipv4"
		}
		if err := a.do(ctx, elb, "SetIpAddressType", map[string]any{"LoadBalancerArn": a.id(), "IpAddressType": kind}); err != nil {
			return err
		}
	}
	if err := balancerAttributes(ctx, a, a.old["LoadBalancerAttributes"]); err != nil {
		return err
	}
	return retagELB(ctx, a)
}

func retagELB(ctx context.Context, a *act) error {
	if gone := a.dropped(); len(gone) > 0 {
		if err := a.do(ctx, elb, "RemoveTags", map[string]any{"ResourceArns": []any{a.id()}, "TagKeys": gone}); err != nil {
			return err
		}
	}
	if sameTags(a.rec.Tags, a.tags) {
		return nil
	}
	return a.do(ctx, elb, "AddTags", map[string]any{"ResourceArns": []any{a.id()}, "Tags": pairs(a.tags)})
}

func removeBalancer(ctx context.Context, a *act) (bool, error) {
	if err := a.do(ctx, elb, "DeleteLoadBalancer", map[string]any{"LoadBalancerArn": a.id()}); err != nil {
		return false, err
	}
	return a.absentNow(ctx, func(ctx context.Context, a *act) (map[string]any, error) {
		out, err := a.call(ctx, elb, "DescribeLoadBalancers", map[string]any{"LoadBalancerArns": []any{a.id()}})
		lb, _ := dig(out, "LoadBalancers", 0).(map[string]any)
		return lb, err
	})
}
