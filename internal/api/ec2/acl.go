package ec2

import (
	"context"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// Every VPC has one network ACL, the default one, which lets everything
// through; others are not built.

var aclNoun = noun[model.VPC]{
	id: func(v model.VPC) string { return v.DefaultACL }, absent: "InvalidNetworkAclID.NotFound", called: "networkAcl ID",
	tags: func(model.VPC) []model.Tag { return nil },
	filters: map[string]func(model.VPC) []string{
		"network-acl-id":             one(func(v model.VPC) string { return v.DefaultACL }),
		"association.network-acl-id": one(func(v model.VPC) string { return v.DefaultACL }),
		"vpc-id":                     one(func(v model.VPC) string { return v.ID }),
		"default":                    fixed[model.VPC]("true"),
		"entry.rule-action":          func(model.VPC) []string { return []string{"allow", "deny"} },
		"entry.cidr":                 fixed[model.VPC]("0.0.0.0/0"),
		"entry.egress":               func(model.VPC) []string { return []string{"true", "false"} },
		"entry.rule-number":          func(model.VPC) []string { return []string{"100", "32767"} },
	},
}

// DescribeNetworkAcls lists the default network ACLs. Errors:
// InvalidNetworkAclID.NotFound, InvalidParameterValue.
func (a *API) DescribeNetworkAcls(_ context.Context, in *shape.DescribeNetworkAclsInput) (*shape.DescribeNetworkAclsOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	n := aclNoun
	n.filters = with(n.filters, "association.subnet-id", func(v model.VPC) []string {
		return each(state.Subnets.By(view, "vpc", v.ID), func(s model.Subnet) string { return s.ID })
	})
	n.filters = with(n.filters, "association.association-id", func(v model.VPC) []string {
		return each(state.Subnets.By(view, "vpc", v.ID), func(s model.Subnet) string { return derived("aclassoc", s.ID) })
	})
	all, next, err := n.list(state.VPCs.All(view), a.query(in, in.NetworkAclIds, in.Filters))
	return &shape.DescribeNetworkAclsOutput{
		NextToken: next, NetworkAcls: each(all, func(v model.VPC) shape.NetworkAcl { return a.showACL(view, v) }),
	}, err
}

func (a *API) showACL(r store.Reader, v model.VPC) shape.NetworkAcl {
	out := shape.NetworkAcl{
		NetworkAclId: &v.DefaultACL, VpcId: &v.ID, IsDefault: yes, OwnerId: &a.Place.Account, Tags: []shape.Tag{},
		Associations: []shape.NetworkAclAssociation{},
	}
	for _, egress := range []bool{true, false} {
		for _, x := range []struct {
			number int64
			action string
		}{{100, "allow"}, {32767, "deny"}} {
			out.Entries = append(out.Entries, shape.NetworkAclEntry{
				CidrBlock: wire.Ptr("0.0.0.0/0"), Egress: &egress, Protocol: wire.Ptr("-1"), RuleAction: &x.action, RuleNumber: &x.number,
			})
		}
	}
	for _, s := range state.Subnets.By(r, "vpc", v.ID) {
		out.Associations = append(out.Associations, shape.NetworkAclAssociation{
			NetworkAclAssociationId: wire.Ptr(derived("aclassoc", s.ID)), NetworkAclId: &v.DefaultACL, SubnetId: &s.ID,
		})
	}
	return out
}

// DescribeDhcpOptions lists the Region's default set. Errors:
// InvalidDhcpOptionID.NotFound, InvalidParameterValue.
func (a *API) DescribeDhcpOptions(_ context.Context, in *shape.DescribeDhcpOptionsInput) (*shape.DescribeDhcpOptionsOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	domain := strings.TrimPrefix(a.internal(), ".")
	n := noun[string]{
		id: func(s string) string { return s }, absent: "InvalidDhcpOptionID.NotFound", called: "dhcpOption ID",
		tags: func(string) []model.Tag { return nil },
		filters: map[string]func(string) []string{
			"dhcp-options-id": one(func(s string) string { return s }),
			"key":             func(string) []string { return []string{"domain-name", "domain-name-servers"} },
			"value":           func(string) []string { return []string{domain, "AmazonProvidedDNS"} },
		},
	}
	all, next, err := n.list([]string{a.dhcpOptions()}, a.query(in, in.DhcpOptionsIds, in.Filters))
	return &shape.DescribeDhcpOptionsOutput{NextToken: next, DhcpOptions: each(all, func(id string) shape.DhcpOptions {
		return shape.DhcpOptions{DhcpOptionsId: &id, OwnerId: &a.Place.Account, Tags: []shape.Tag{},
			DhcpConfigurations: []shape.DhcpConfiguration{
				{Key: wire.Ptr("domain-name"), Values: []shape.AttributeValue{{Value: &domain}}},
				{Key: wire.Ptr("domain-name-servers"), Values: []shape.AttributeValue{{Value: wire.Ptr("AmazonProvidedDNS")}}},
			}}
	})}, err
}
