package stack

import (
	"context"
	"strings"
)

// Target groups.

func targetGroupKinds() map[string]kind {
	return map[string]kind{
		"AWS::ElasticLoadBalancingV2::TargetGroup": {
			name: "Name", create: createTargetGroup, update: updateTargetGroup, remove: remover(elb, "DeleteTargetGroup", "TargetGroupArn"), find: findTargetGroup,
		},
	}
}

var healthMembers = []string{
	"HealthCheckEnabled", "HealthCheckIntervalSeconds", "HealthCheckPath", "HealthCheckPort", "HealthCheckProtocol",
	"HealthCheckTimeoutSeconds", "HealthyThresholdCount", "UnhealthyThresholdCount", "Matcher",
}

func createTargetGroup(ctx context.Context, a *act) error {
	err := a.once(ctx, findTargetGroup, func() error {
		in := pick(a.props, append(healthMembers, "IpAddressType", "Port", "Protocol", "ProtocolVersion", "TargetType", "VpcId")...)
		in["Name"], in["Tags"] = a.physical("Name", 32), pairs(a.tags)
		out, err := a.call(ctx, elb, "CreateTargetGroup", in)
		a.made(digs(out, "TargetGroups", 0, "TargetGroupArn"), nil)
		return err
	})
	if err != nil {
		return err
	}
	_, full, _ := strings.Cut(a.id(), ":targetgroup/")
	a.made(a.id(), map[string]any{
		"TargetGroupArn": a.id(), "TargetGroupFullName": "targetgroup/" + full, "TargetGroupName": a.physical("Name", 32), "LoadBalancerArns": []any{},
	})
	if err := a.attributes(ctx, "ModifyTargetGroupAttributes", "TargetGroupArn", "TargetGroupAttributes", nil); err != nil {
		return err
	}
	return registerTargets(ctx, a, nil)
}

func findTargetGroup(ctx context.Context, a *act) (bool, error) {
	return findELB(ctx, a, "DescribeTargetGroups", map[string]any{"Names": []any{a.physical("Name", 32)}}, "TargetGroups", "TargetGroupArn")
}

// registerTargets registers the targets that the template itself lists.
func registerTargets(ctx context.Context, a *act, old []any) error {
	want := list(a.props["Targets"])
	if drop := lessTrees(old, want); len(drop) > 0 {
		if err := a.do(ctx, elb, "DeregisterTargets", map[string]any{"TargetGroupArn": a.id(), "Targets": drop}); err != nil {
			return err
		}
	}
	if add := lessTrees(want, old); len(add) > 0 {
		return a.do(ctx, elb, "RegisterTargets", map[string]any{"TargetGroupArn": a.id(), "Targets": add})
	}
	return nil
}

// lessTrees lists what is in a and not in b.
func lessTrees(a, b []any) []any {
	has := map[string]bool{}
	for _, it := range b {
		has[text(it)] = true
	}
	out := []any{}
	for _, it := range a {
		if !has[text(it)] {
			out = append(out, it)
		}
	}
	return out
}

func updateTargetGroup(ctx context.Context, a *act) error {
	if a.changed(healthMembers...) {
		in := pick(a.props, healthMembers...)
		in["TargetGroupArn"] = a.id()
		if err := a.do(ctx, elb, "ModifyTargetGroup", in); err != nil {
			return err
		}
	}
	if err := a.attributes(ctx, "ModifyTargetGroupAttributes", "TargetGroupArn", "TargetGroupAttributes", a.old["TargetGroupAttributes"]); err != nil {
		return err
	}
	if err := registerTargets(ctx, a, list(a.old["Targets"])); err != nil {
		return err
	}
	return retagELB(ctx, a)
}
