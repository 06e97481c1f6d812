package ec2

import (
	"context"
	"slices"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// AuthorizeSecurityGroupIngress adds rules for what may come in. Errors:
// InvalidGroup.NotFound, InvalidPermission.Duplicate, InvalidParameterValue,
// RulesPerSecurityGroupLimitExceeded, MissingParameter.
func (a *API) AuthorizeSecurityGroupIngress(
	ctx context.Context, in *shape.AuthorizeSecurityGroupIngressInput,
) (*shape.AuthorizeSecurityGroupIngressOutput, error) {
	rules, err := a.authorize(ctx, in.DryRun, in.GroupId, in.GroupName, in.TagSpecifications, given{
		permissions: in.IpPermissions, protocol: in.IpProtocol, from: in.FromPort, to: in.ToPort, cidr: in.CidrIp,
		sourceName: in.SourceSecurityGroupName, sourceOwner: in.SourceSecurityGroupOwnerId,
	})
	return &shape.AuthorizeSecurityGroupIngressOutput{Return: yes, SecurityGroupRules: rules}, err
}

// AuthorizeSecurityGroupEgress adds rules for what may go out. Errors: as
// AuthorizeSecurityGroupIngress.
func (a *API) AuthorizeSecurityGroupEgress(
	ctx context.Context, in *shape.AuthorizeSecurityGroupEgressInput,
) (*shape.AuthorizeSecurityGroupEgressOutput, error) {
	rules, err := a.authorize(ctx, in.DryRun, in.GroupId, nil, in.TagSpecifications, given{
		permissions: in.IpPermissions, protocol: in.IpProtocol, from: in.FromPort, to: in.ToPort, cidr: in.CidrIp,
		sourceName: in.SourceSecurityGroupName, sourceOwner: in.SourceSecurityGroupOwnerId, egress: true,
	})
	return &shape.AuthorizeSecurityGroupEgressOutput{Return: yes, SecurityGroupRules: rules}, err
}

// maxRules is EC2's quota of rules in one direction of a group.
const maxRules = 60

func (a *API) authorize(
	ctx context.Context, dry *bool, id, name *string, specs []shape.TagSpecification, v given,
) ([]shape.SecurityGroupRule, error) {
	tags, err := specified(ctx, specs, "security-group-rule")
	if err != nil {
		return nil, err
	}
	fresh := make([]string, maxRules+1)
	for i := range fresh {
		fresh[i] = a.IDs.EC2("sgr")
	}
	var out []shape.SecurityGroupRule
	err = a.update(ctx, dry, func(tx *store.Tx) error {
		g, err := group(tx, id, name)
		if err != nil {
			return err
		}
		rules, err := a.rules(tx, g, v)
		if err != nil {
			return err
		}
		have := len(slices.DeleteFunc(slices.Clone(g.Rules), func(x model.SecurityRule) bool { return x.Egress != v.egress }))
		if have+len(rules) > maxRules {
			return bad("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
		}
		for i := range rules {
			x := &rules[i]
			x.ID, x.Tags = fresh[i], tags
			if slices.ContainsFunc(append(slices.Clone(g.Rules), rules[:i]...), func(o model.SecurityRule) bool { return equal(o, *x) }) {
				return fault.New(fault.Conflict, "InvalidPermission.Duplicate", "the specified rule %q already exists", worded(*x))
			}
			out = append(out, a.showRule(g, *x))
		}
		return state.SecurityGroups.Edit(tx, g.ID, func(g *model.SecurityGroup) error {
			g.Rules = append(g.Rules, rules...)
			return nil
		})
	})
	return out, err
}

// RevokeSecurityGroupIngress removes rules, by their ids or by what they say.
// Errors: InvalidGroup.NotFound, InvalidPermission.NotFound,
// InvalidSecurityGroupRuleId.NotFound, InvalidParameterValue, MissingParameter.
func (a *API) RevokeSecurityGroupIngress(
	ctx context.Context, in *shape.RevokeSecurityGroupIngressInput,
) (*shape.RevokeSecurityGroupIngressOutput, error) {
	gone, err := a.revoke(ctx, in.DryRun, in.GroupId, in.GroupName, in.SecurityGroupRuleIds, given{
		permissions: in.IpPermissions, protocol: in.IpProtocol, from: in.FromPort, to: in.ToPort, cidr: in.CidrIp,
		sourceName: in.SourceSecurityGroupName, sourceOwner: in.SourceSecurityGroupOwnerId,
	})
	return &shape.RevokeSecurityGroupIngressOutput{Return: yes, RevokedSecurityGroupRules: gone}, err
}

// RevokeSecurityGroupEgress removes rules for what may go out. Errors: as
// RevokeSecurityGroupIngress.
func (a *API) RevokeSecurityGroupEgress(
	ctx context.Context, in *shape.RevokeSecurityGroupEgressInput,
) (*shape.RevokeSecurityGroupEgressOutput, error) {
	gone, err := a.revoke(ctx, in.DryRun, in.GroupId, nil, in.SecurityGroupRuleIds, given{
		permissions: in.IpPermissions, protocol: in.IpProtocol, from: in.FromPort, to: in.ToPort, cidr: in.CidrIp,
		sourceName: in.SourceSecurityGroupName, sourceOwner: in.SourceSecurityGroupOwnerId, egress: true,
	})
	return &shape.RevokeSecurityGroupEgressOutput{Return: yes, RevokedSecurityGroupRules: gone}, err
}

func (a *API) revoke(ctx context.Context, dry *bool, id, name *string, ids []string, v given) ([]shape.RevokedSecurityGroupRule, error) {
	var out []shape.RevokedSecurityGroupRule
	err := a.update(ctx, dry, func(tx *store.Tx) error {
		g, err := group(tx, id, name)
		if err != nil {
			return err
		}
		doomed, err := a.named(tx, g, ids, v)
		if err != nil {
			return err
		}
		for _, x := range doomed {
			out = append(out, revoked(g, x))
		}
		return state.SecurityGroups.Edit(tx, g.ID, func(g *model.SecurityGroup) error {
			g.Rules = slices.DeleteFunc(g.Rules, func(x model.SecurityRule) bool {
				return slices.ContainsFunc(doomed, func(d model.SecurityRule) bool { return d.ID == x.ID })
			})
			return nil
		})
	})
	return out, err
}

// named finds the rules that a call means.
func (a *API) named(r store.Reader, g model.SecurityGroup, ids []string, v given) ([]model.SecurityRule, error) {
	var out []model.SecurityRule
	for _, id := range ids {
		i := slices.IndexFunc(g.Rules, func(x model.SecurityRule) bool { return x.ID == id && x.Egress == v.egress })
		if i < 0 {
			return nil, noRule(id)
		}
		out = append(out, g.Rules[i])
	}
	if len(ids) > 0 {
		return out, nil
	}
	rules, err := a.rules(r, g, v)
	if err != nil {
		return nil, err
	}
	for _, x := range rules {
		i := slices.IndexFunc(g.Rules, func(o model.SecurityRule) bool { return equal(o, x) })
		if i < 0 {
			return nil, fault.New(fault.NotFound, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
		out = append(out, g.Rules[i])
	}
	return out, nil
}

func noRule(id string) error {
	return lost("InvalidSecurityGroupRuleId.NotFound", "security group rule ID", id)
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func revoked(g model.SecurityGroup, x model.SecurityRule) shape.RevokedSecurityGroupRule {
	return shape.RevokedSecurityGroupRule{
		SecurityGroupRuleId: &x.ID, GroupId: &g.ID, IsEgress: &x.Egress, IpProtocol: &x.Protocol, FromPort: &x.FromPort, ToPort: &x.ToPort,
		CidrIpv4: text(x.CIDR), CidrIpv6: text(x.CIDR6), PrefixListId: text(x.PrefixList), ReferencedGroupId: text(x.Group),
		Description: text(x.Description),
	}
}

func (a *API) showRule(g model.SecurityGroup, x model.SecurityRule) shape.SecurityGroupRule {
	out := shape.SecurityGroupRule{
		SecurityGroupRuleId: &x.ID, GroupId: &g.ID, GroupOwnerId: &a.Place.Account, IsEgress: &x.Egress, IpProtocol: &x.Protocol,
		FromPort: &x.FromPort, ToPort: &x.ToPort, CidrIpv4: text(x.CIDR), CidrIpv6: text(x.CIDR6), PrefixListId: text(x.PrefixList),
		Description: text(x.Description), Tags: showTags(x.Tags), SecurityGroupRuleArn: wire.Ptr(a.arn("security-group-rule/" + x.ID)),
	}
	if x.Group != "" {
		out.ReferencedGroupInfo = &shape.ReferencedSecurityGroup{GroupId: &x.Group, UserId: &a.Place.Account, VpcId: &g.VPC}
	}
	return out
}

// ruleRow is a rule with its group.
type ruleRow struct {
	group model.SecurityGroup
	rule  model.SecurityRule
}

var ruleNoun = noun[ruleRow]{
	id: func(r ruleRow) string { return r.rule.ID }, absent: "InvalidSecurityGroupRuleId.NotFound", called: "security group rule ID",
	tags: func(r ruleRow) []model.Tag { return r.rule.Tags },
	filters: map[string]func(ruleRow) []string{
		"group-id":               one(func(r ruleRow) string { return r.group.ID }),
		"security-group-rule-id": one(func(r ruleRow) string { return r.rule.ID }),
	},
}

func ruleRows(r store.Reader) []ruleRow {
	var out []ruleRow
	for _, g := range state.SecurityGroups.All(r) {
		for _, x := range g.Rules {
			out = append(out, ruleRow{g, x})
		}
	}
	return out
}

// DescribeSecurityGroupRules lists rules. Errors:
// InvalidSecurityGroupRuleId.NotFound, InvalidParameterValue.
func (a *API) DescribeSecurityGroupRules(
	_ context.Context, in *shape.DescribeSecurityGroupRulesInput,
) (*shape.DescribeSecurityGroupRulesOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	all, next, err := ruleNoun.list(ruleRows(view), a.query(in, in.SecurityGroupRuleIds, in.Filters))
	return &shape.DescribeSecurityGroupRulesOutput{
		NextToken: next, SecurityGroupRules: each(all, func(r ruleRow) shape.SecurityGroupRule { return a.showRule(r.group, r.rule) }),
	}, err
}

// ModifySecurityGroupRules replaces rules under their ids. Errors:
// InvalidGroup.NotFound, InvalidSecurityGroupRuleId.NotFound,
// InvalidParameterValue, InvalidPermission.Duplicate, MissingParameter.
func (a *API) ModifySecurityGroupRules(
	ctx context.Context, in *shape.ModifySecurityGroupRulesInput,
) (*shape.ModifySecurityGroupRulesOutput, error) {
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		g, err := group(tx, in.GroupId, nil)
		if err != nil {
			return err
		}
		for _, u := range in.SecurityGroupRules {
			if err := a.replace(tx, &g, u); err != nil {
				return err
			}
		}
		return state.SecurityGroups.Put(tx, g)
	})
	return &shape.ModifySecurityGroupRulesOutput{Return: yes}, err
}

// replace changes one rule of a group in a copy of its own.
func (a *API) replace(r store.Reader, g *model.SecurityGroup, u shape.SecurityGroupRuleUpdate) error {
	i := slices.IndexFunc(g.Rules, func(x model.SecurityRule) bool { return x.ID == wire.Val(u.SecurityGroupRuleId) })
	if i < 0 {
		return noRule(wire.Val(u.SecurityGroupRuleId))
	}
	if u.SecurityGroupRule == nil {
		return lacking("SecurityGroupRule")
	}
	q := u.SecurityGroupRule
	p := shape.IpPermission{IpProtocol: q.IpProtocol, FromPort: q.FromPort, ToPort: q.ToPort}
	switch {
	case q.CidrIpv4 != nil:
		p.IpRanges = []shape.IpRange{{CidrIp: q.CidrIpv4, Description: q.Description}}
	case q.CidrIpv6 != nil:
		p.Ipv6Ranges = []shape.Ipv6Range{{CidrIpv6: q.CidrIpv6, Description: q.Description}}
	case q.PrefixListId != nil:
		p.PrefixListIds = []shape.PrefixListId{{PrefixListId: q.PrefixListId, Description: q.Description}}
	case q.ReferencedGroupId != nil:
		p.UserIdGroupPairs = []shape.UserIdGroupPair{{GroupId: q.ReferencedGroupId, Description: q.Description}}
	}
	rules, err := a.permission(r, *g, p, g.Rules[i].Egress)
	if err != nil {
		return err
	}
	x := rules[0]
	x.ID, x.Tags = g.Rules[i].ID, g.Rules[i].Tags
	if slices.ContainsFunc(g.Rules, func(o model.SecurityRule) bool { return o.ID != x.ID && equal(o, x) }) {
		return fault.New(fault.Conflict, "InvalidPermission.Duplicate", "the specified rule %q already exists", worded(x))
	}
	g.Rules = slices.Clone(g.Rules)
	g.Rules[i] = x
	return nil
}

// UpdateSecurityGroupRuleDescriptionsIngress changes descriptions. Errors: as
// RevokeSecurityGroupIngress.
func (a *API) UpdateSecurityGroupRuleDescriptionsIngress(
	ctx context.Context, in *shape.UpdateSecurityGroupRuleDescriptionsIngressInput,
) (*shape.UpdateSecurityGroupRuleDescriptionsIngressOutput, error) {
	err := a.redescribe(ctx, in.DryRun, in.GroupId, in.GroupName, in.SecurityGroupRuleDescriptions, given{permissions: in.IpPermissions})
	return &shape.UpdateSecurityGroupRuleDescriptionsIngressOutput{Return: yes}, err
}

// UpdateSecurityGroupRuleDescriptionsEgress changes descriptions. Errors: as
// RevokeSecurityGroupIngress.
func (a *API) UpdateSecurityGroupRuleDescriptionsEgress(
	ctx context.Context, in *shape.UpdateSecurityGroupRuleDescriptionsEgressInput,
) (*shape.UpdateSecurityGroupRuleDescriptionsEgressOutput, error) {
	err := a.redescribe(ctx, in.DryRun, in.GroupId, in.GroupName, in.SecurityGroupRuleDescriptions, given{
		permissions: in.IpPermissions, egress: true,
	})
	return &shape.UpdateSecurityGroupRuleDescriptionsEgressOutput{Return: yes}, err
}

func (a *API) redescribe(ctx context.Context, dry *bool, id, name *string, byID []shape.SecurityGroupRuleDescription, v given) error {
	return a.update(ctx, dry, func(tx *store.Tx) error {
		g, err := group(tx, id, name)
		if err != nil {
			return err
		}
		words := map[string]string{}
		for _, d := range byID {
			if _, err := a.named(tx, g, []string{wire.Val(d.SecurityGroupRuleId)}, v); err != nil {
				return err
			}
			words[wire.Val(d.SecurityGroupRuleId)] = wire.Val(d.Description)
		}
		if len(byID) == 0 {
			rules, err := a.rules(tx, g, v)
			if err != nil {
				return err
			}
			found, err := a.named(tx, g, nil, v)
			if err != nil {
				return err
			}
			for i, x := range found {
				words[x.ID] = rules[i].Description
			}
		}
		return state.SecurityGroups.Edit(tx, g.ID, func(g *model.SecurityGroup) error {
			for i := range g.Rules {
				if d, ok := words[g.Rules[i].ID]; ok {
					g.Rules[i].Description = d
				}
			}
			return nil
		})
	})
}

// ruleTagging finds tags of rules, which are parts of their groups.
var ruleTagging = tagged{
	prefix: "sgr", kind: "security-group-rule", absent: ruleNoun.absent, called: ruleNoun.called,
	tags: func(r store.Reader, id string) ([]model.Tag, bool) {
		for _, x := range ruleRows(r) {
			if x.rule.ID == id {
				return x.rule.Tags, true
			}
		}
		return nil, false
	},
	edit: func(tx *store.Tx, id string, f func([]model.Tag) []model.Tag) error {
		for _, x := range ruleRows(tx) {
			if x.rule.ID != id {
				continue
			}
			return state.SecurityGroups.Edit(tx, x.group.ID, func(g *model.SecurityGroup) error {
				i := slices.IndexFunc(g.Rules, func(o model.SecurityRule) bool { return o.ID == id })
				g.Rules[i].Tags = f(g.Rules[i].Tags)
				return nil
			})
		}
		return noRule(id)
	},
	all: func(r store.Reader) map[string][]model.Tag {
		out := map[string][]model.Tag{}
		for _, x := range ruleRows(r) {
			out[x.rule.ID] = x.rule.Tags
		}
		return out
	},
}
