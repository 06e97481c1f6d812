package handler

import (
	"context"
	"slices"

	"berth/internal/fault"
	"berth/internal/lang/template"
)

// Security groups and their rules.

func securityGroupTypes() map[string]*Type {
	return map[string]*Type{
		"AWS::EC2::SecurityGroup": securityGroupType(), "AWS::EC2::SecurityGroupIngress": ruleType(ingress),
		"AWS::EC2::SecurityGroupEgress": ruleType(egress),
	}
}

func securityGroupType() *Type {
	return &Type{
		Service: ec2, Name: Name{Property: "GroupName", Limit: 255}, Tags: ec2Tags("security-group", self), Lookup: byEC2Tag("security-group"),
		Make: Call{
			Operation: "CreateSecurityGroup", Members: names("GroupDescription VpcId"), As: map[string]string{"GroupDescription": "Description"},
			With: Args{"GroupName": named},
		},
		ID:      at("GroupId"),
		Changes: []Change{{When: names("SecurityGroupIngress SecurityGroupEgress"), Do: syncRules}},
		Attributes: map[string]Value{"GroupId": self, "Id": self, "GroupName": named, "GroupDescription": property("GroupDescription"),
			"VpcId": property("VpcId")},
		Remove: Call{Operation: "DeleteSecurityGroup", With: Args{"GroupId": self}},
	}
}

// direction is one of a group's two sets of rules.
type direction struct {
	property, current         string
	authorize, revoke, reword string
	peer, prefixes            string // property names
	out                       bool
}

var (
	ingress = direction{
		"SecurityGroupIngress", "IpPermissions", "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress",
		"UpdateSecurityGroupRuleDescriptionsIngress", "SourceSecurityGroupId", "SourcePrefixListId", false,
	}
	egress = direction{
		"SecurityGroupEgress", "IpPermissionsEgress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress",
		"UpdateSecurityGroupRuleDescriptionsEgress", "DestinationSecurityGroupId", "DestinationPrefixListId", true,
	}
)

// permission is one rule as EC2 takes it, and a key to compare rules by.
func (d direction) permission(rule map[string]any) (p map[string]any, key string) {
	proto, _ := template.Flat(rule["IpProtocol"])
	p = map[string]any{"IpProtocol": proto}
	if proto != "-1" && proto != "all" {
		for _, k := range []string{"FromPort", "ToPort"} {
			if v, ok := rule[k]; ok {
				p[k] = v
			}
		}
	}
	key = proto + portsKey(p)
	for _, peer := range d.peers() {
		v, ok := rule[peer.property]
		if !ok || v == nil {
			continue
		}
		into := map[string]any{peer.member: v}
		if text, ok := rule["Description"].(string); ok {
			into["Description"] = text
		}
		if owner, ok := rule["SourceSecurityGroupOwnerId"]; ok && peer.property == "SourceSecurityGroupId" {
			into["UserId"] = owner
		}
		p[peer.list] = []any{into}
		s, _ := template.Flat(v)
		return p, key + "|" + s
	}
	return p, key
}

// peer is one way to say who is at the other end of a rule.
type peer struct{ property, list, member string }

func (d direction) peers() []peer {
	return []peer{
		{"CidrIp", "IpRanges", "CidrIp"}, {"CidrIpv6", "Ipv6Ranges", "CidrIpv6"}, {d.peer, "UserIdGroupPairs", "GroupId"},
		{d.prefixes, "PrefixListIds", "PrefixListId"},
	}
}

// owners are the properties that name another group or list.
func (d direction) owners() []string {
	if d.out {
		return []string{d.peer, d.prefixes}
	}
	return []string{d.peer, d.prefixes, "SourceSecurityGroupOwnerId"}
}

func portsKey(p map[string]any) string {
	key := ""
	for _, k := range []string{"FromPort", "ToPort"} {
		if v, ok := p[k]; ok {
			s, _ := template.Flat(v)
			key += ":" + s
		}
	}
	return key
}

// keysOf flattens the rules that a group has.
func (d direction) keysOf(permissions any) []string {
	var out []string
	for _, it := range list(permissions) {
		p, _ := it.(map[string]any)
		key := digText(p, "IpProtocol")
		if key != "-1" {
			key += portsKey(p)
		}
		for _, peer := range d.peers() {
			for _, other := range list(p[peer.list]) {
				out = append(out, key+"|"+digText(other, peer.member))
			}
		}
	}
	return out
}

// syncRules adds the rules that are missing and takes away those that the old
// properties had; rules of others stay. A group is born with one egress rule;
// a template that lists egress rules means exactly those.
func syncRules(ctx context.Context, s *Step) error {
	old := s.Record.Prior
	if old == nil && len(list(s.Record.Properties["SecurityGroupEgress"])) > 0 {
		old = map[string]any{"SecurityGroupEgress": []any{map[string]any{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}}}
	}
	out, err := s.API.Call(ctx, ec2, "DescribeSecurityGroups", map[string]any{"GroupIds": []any{s.id()}})
	if err != nil {
		return err
	}
	for _, d := range []direction{ingress, egress} {
		if err := d.sync(ctx, s, old, d.keysOf(dig(out, "SecurityGroups.0."+d.current))); err != nil {
			return err
		}
	}
	return nil
}

func (d direction) sync(ctx context.Context, s *Step, old map[string]any, has []string) error {
	var add, drop []any
	var want []string
	for _, r := range list(s.Record.Properties[d.property]) {
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
		if err := s.do(ctx, ec2, d.authorize, map[string]any{"GroupId": s.id(), "IpPermissions": add}); err != nil {
			return err
		}
	}
	if len(drop) > 0 {
		return s.do(ctx, ec2, d.revoke, map[string]any{"GroupId": s.id(), "IpPermissions": drop})
	}
	return nil
}

// ruleType is a rule that is a resource of its own.
func ruleType(d direction) *Type {
	permissions := func(s *Step, in map[string]any) error {
		p, _ := d.permission(s.Record.Properties)
		in["IpPermissions"] = []any{p}
		return nil
	}
	return &Type{
		Service: ec2,
		Make: Call{
			Operation: d.authorize, Members: names("GroupId"), Prepare: permissions, Answer: "SecurityGroupRules.0",
			Carries: append(names("CidrIp CidrIpv6 Description FromPort IpProtocol ToPort"), d.owners()...),
		},
		ID:     at("SecurityGroupRuleId"),
		Exists: d.find,
		Changes: []Change{{Call: Call{Operation: d.reword, With: Args{"GroupId": property("GroupId")}, Prepare: permissions},
			When: names("Description")}},
		Attributes: map[string]Value{"Id": self},
		Remove:     Call{Operation: d.revoke, With: Args{"GroupId": property("GroupId"), "SecurityGroupRuleIds": listOf(self)}},
	}
}

// find finds the rule that an interrupted step added.
func (d direction) find(ctx context.Context, s *Step, _ error) error {
	_, want := d.permission(s.Record.Properties)
	out, err := s.API.Call(ctx, ec2, "DescribeSecurityGroupRules",
		map[string]any{"Filters": []any{filter("group-id", s.Record.Properties["GroupId"])}})
	if err != nil {
		return err
	}
	for _, r := range list(out["SecurityGroupRules"]) {
		if isOut, _ := dig(r, "IsEgress").(bool); isOut != d.out {
			continue
		}
		if _, key := d.permission(d.asProperties(r)); key == want {
			s.Record.PhysicalID = digText(r, "SecurityGroupRuleId")
			return nil
		}
	}
	return fault.New(fault.NotFound, "", "no rule %s in %s", want, s.text("GroupId"))
}

// asProperties is a rule that EC2 describes as a template would write it.
func (d direction) asProperties(r any) map[string]any {
	out := map[string]any{}
	for from, to := range map[string]string{
		"IpProtocol": "IpProtocol", "FromPort": "FromPort", "ToPort": "ToPort", "CidrIpv4": "CidrIp", "CidrIpv6": "CidrIpv6",
		"PrefixListId": d.prefixes, "ReferencedGroupInfo.GroupId": d.peer,
	} {
		if v := dig(r, from); v != nil {
			out[to] = v
		}
	}
	return out
}
