package stack

import (
	"context"
	"fmt"
	"slices"

	"berth/internal/fault"
	"berth/internal/lang/template"
)

// Security groups and their rules.

func groupKinds() map[string]kind {
	return map[string]kind{
		"AWS::EC2::SecurityGroup": {
			name: "GroupName", create: createGroup, update: updateGroup, remove: remover(ec2, "DeleteSecurityGroup", "GroupId"), find: finder("security-group"),
		},
		"AWS::EC2::SecurityGroupIngress": {create: createRule(ingress), update: updateRule(ingress), remove: removeRule(ingress)},
		"AWS::EC2::SecurityGroupEgress":  {create: createRule(egress), update: updateRule(egress), remove: removeRule(egress)},
	}
}

// direction is one of a group's two sets of rules.
type direction struct {
	property, current                   string
	authorize, revoke, describe         string
	peer, prefixes                      string // property names
	out                                 bool
	updateDescriptions, descriptionsArg string
}

var (
	ingress = direction{
		"SecurityGroupIngress", "IpPermissions", "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "DescribeSecurityGroupRules",
		"SourceSecurityGroupId", "SourcePrefixListId", false, "UpdateSecurityGroupRuleDescriptionsIngress", "IpPermissions",
	}
	egress = direction{
		"SecurityGroupEgress", "IpPermissionsEgress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress", "DescribeSecurityGroupRules",
		"DestinationSecurityGroupId", "DestinationPrefixListId", true, "UpdateSecurityGroupRuleDescriptionsEgress", "IpPermissions",
	}
)

// permission is one rule as EC2 takes it, and a key to compare rules by.
func (d direction) permission(rule map[string]any) (p map[string]any, key string) {
	proto, _ := template.Flat(rule["IpProtocol"])
	p = map[string]any{"IpProtocol": proto}
	ports := ""
	if proto != "-1" && proto != "all" {
		for _, k := range []string{"FromPort", "ToPort"} {
			if v, ok := rule[k]; ok {
				p[k] = v
				s, _ := template.Flat(v)
				ports += ":" + s
			}
		}
	}
	put := func(kind, member string, v any, into map[string]any) {
		s, _ := template.Flat(v)
		into[member] = v
		if text, ok := rule["Description"].(string); ok {
			into["Description"] = text
		}
		p[kind] = []any{into}
		key = proto + ports + "|" + s
	}
	switch {
	case rule["CidrIp"] != nil:
		put("IpRanges", "CidrIp", rule["CidrIp"], map[string]any{})
	case rule["CidrIpv6"] != nil:
		put("Ipv6Ranges", "CidrIpv6", rule["CidrIpv6"], map[string]any{})
	case rule[d.peer] != nil:
		into := map[string]any{}
		if owner, ok := rule["SourceSecurityGroupOwnerId"]; ok && !d.out {
			into["UserId"] = owner
		}
		put("UserIdGroupPairs", "GroupId", rule[d.peer], into)
	case rule[d.prefixes] != nil:
		put("PrefixListIds", "PrefixListId", rule[d.prefixes], map[string]any{})
	}
	return p, key
}

// keysOf flattens the rules that a group has.
func keysOf(permissions any) []string {
	var out []string
	for _, p := range list(permissions) {
		m, _ := p.(map[string]any)
		proto := digs(m, "IpProtocol")
		ports := ""
		if proto != "-1" {
			for _, k := range []string{"FromPort", "ToPort"} {
				if v, ok := m[k]; ok {
					s, _ := template.Flat(v)
					ports += ":" + s
				}
			}
		}
		for kind, member := range map[string]string{"IpRanges": "CidrIp", "Ipv6Ranges": "CidrIpv6", "UserIdGroupPairs": "GroupId", "PrefixListIds": "PrefixListId"} {
			for _, it := range list(m[kind]) {
				out = append(out, proto+ports+"|"+digs(it, member))
			}
		}
	}
	return out
}

func createGroup(ctx context.Context, a *act) error {
	err := a.once(ctx, finder("security-group"), func() error {
		in := map[string]any{
			"GroupName": a.physical("GroupName", 255), "Description": a.props["GroupDescription"], "VpcId": a.props["VpcId"],
			"TagSpecifications": specs("security-group", a.tags),
		}
		out, err := a.call(ctx, ec2, "CreateSecurityGroup", in)
		a.made(digs(out, "GroupId"), nil)
		return err
	})
	if err != nil {
		return err
	}
	// A group is born with one egress rule; a template that lists egress
	// rules means exactly those.
	born := map[string]any{}
	if len(list(a.props["SecurityGroupEgress"])) > 0 {
		born["SecurityGroupEgress"] = []any{map[string]any{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}}
	}
	if err := syncRules(ctx, a, born); err != nil {
		return err
	}
	a.made(a.id(), map[string]any{"GroupId": a.id(), "Id": a.id(), "GroupName": a.physical("GroupName", 255), "GroupDescription": a.props["GroupDescription"]})
	if v, ok := a.props["VpcId"]; ok {
		a.rec.Attributes["VpcId"] = v
	}
	return nil
}

func updateGroup(ctx context.Context, a *act) error {
	if err := syncRules(ctx, a, a.old); err != nil {
		return err
	}
	return retag(ctx, a)
}

// syncRules adds the rules that are missing and takes away those that the old
// properties had; rules of others stay.
func syncRules(ctx context.Context, a *act, old map[string]any) error {
	out, err := a.call(ctx, ec2, "DescribeSecurityGroups", map[string]any{"GroupIds": []any{a.id()}})
	if err != nil {
		return err
	}
	for _, d := range []direction{ingress, egress} {
		if err := d.sync(ctx, a, old, keysOf(dig(out, "SecurityGroups", 0, d.current))); err != nil {
			return err
		}
	}
	return nil
}

func (d direction) sync(ctx context.Context, a *act, old map[string]any, has []string) error {
	var add, drop []any
	var want []string
	for _, r := range list(a.props[d.property]) {
		rule, _ := r.(map[string]any)
		p, key := d.permission(rule)
		if !slices.Contains(has, key) && !slices.Contains(want, key) {
			add = append(add, p)
		}
		want = append(want, key)
	}
	for _, r := range list(old[d.property]) {
		rule, _ := r.(map[string]any)
		if p, key := d.permission(rule); slices.Contains(has, key) && !slices.Contains(want, key) {
			drop = append(drop, p)
		}
	}
	if len(add) > 0 {
		if err := a.do(ctx, ec2, d.authorize, map[string]any{"GroupId": a.id(), "IpPermissions": add}); err != nil {
			return err
		}
	}
	if len(drop) > 0 {
		return a.do(ctx, ec2, d.revoke, map[string]any{"GroupId": a.id(), "IpPermissions": drop})
	}
	return nil
}

func createRule(d direction) func(context.Context, *act) error {
	return func(ctx context.Context, a *act) error {
		p, _ := d.permission(a.props)
		out, err := a.call(ctx, ec2, d.authorize, map[string]any{"GroupId": a.props["GroupId"], "IpPermissions": []any{p}})
		id := digs(out, "SecurityGroupRules", 0, "SecurityGroupRuleId")
		if err != nil && a.again && exists(err) {
			id, err = findRule(ctx, a, d)
		}
		if err != nil {
			return err
		}
		if id == "" {
			return fault.New(fault.Internal, "", "the rule of %s has no id", a.str("GroupId"))
		}
		a.made(id, map[string]any{"Id": id})
		return nil
	}
}

// findRule finds the rule that an interrupted step added.
func findRule(ctx context.Context, a *act, d direction) (string, error) {
	_, want := d.permission(a.props)
	out, err := a.call(ctx, ec2, d.describe, map[string]any{"Filters": []any{filter("group-id", a.props["GroupId"])}})
	if err != nil {
		return "", err
	}
	for _, r := range list(out["SecurityGroupRules"]) {
		if isOut, _ := dig(r, "IsEgress").(bool); isOut != d.out {
			continue
		}
		flat := map[string]any{"IpProtocol": dig(r, "IpProtocol"), "FromPort": dig(r, "FromPort"), "ToPort": dig(r, "ToPort")}
		for from, to := range map[string]string{"CidrIpv4": "CidrIp", "CidrIpv6": "CidrIpv6", "PrefixListId": d.prefixes} {
			if v := dig(r, from); v != nil {
				flat[to] = v
			}
		}
		if v := dig(r, "ReferencedGroupInfo", "GroupId"); v != nil {
			flat[d.peer] = v
		}
		if _, key := d.permission(flat); key == want {
			return digs(r, "SecurityGroupRuleId"), nil
		}
	}
	return "", fault.New(fault.NotFound, "", "no rule %s in %s", want, a.str("GroupId"))
}

func updateRule(d direction) func(context.Context, *act) error {
	return func(ctx context.Context, a *act) error {
		p, _ := d.permission(a.props)
		return a.do(ctx, ec2, d.updateDescriptions, map[string]any{"GroupId": a.props["GroupId"], d.descriptionsArg: []any{p}})
	}
}

func removeRule(d direction) func(context.Context, *act) (bool, error) {
	return func(ctx context.Context, a *act) (bool, error) {
		err := a.do(ctx, ec2, d.revoke, map[string]any{"GroupId": a.props["GroupId"], "SecurityGroupRuleIds": []any{a.id()}})
		if err != nil {
			return false, fmt.Errorf("revoke rule %s: %w", a.id(), err)
		}
		return true, nil
	}
}
