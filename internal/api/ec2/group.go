package ec2

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

var groupText = regexp.MustCompile(`^[a-zA-Z0-9 ._:/()#,@\[\]+=&;{}!$*-]*$`)

// CreateSecurityGroup makes a group that lets everything out and nothing in.
// Errors: InvalidGroup.Duplicate, InvalidVpcID.NotFound, InvalidParameterValue,
// VPCIdNotSpecified, MissingParameter.
func (a *API) CreateSecurityGroup(ctx context.Context, in *shape.CreateSecurityGroupInput) (*shape.CreateSecurityGroupOutput, error) {
	tags, err := specified(ctx, in.TagSpecifications, "security-group")
	if err != nil {
		return nil, err
	}
	g := model.SecurityGroup{
		ID: a.IDs.EC2("sg"), Name: wire.Val(in.GroupName), Description: wire.Val(in.Description),
		Rules: []model.SecurityRule{a.allowAllOut()}, Tags: tags,
	}
	if err := nameable(in.GroupName, in.Description); err != nil {
		return nil, err
	}
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		v, err := vpcOr(tx, in.VpcId)
		if err != nil {
			return err
		}
		g.VPC = v.ID
		for _, o := range state.SecurityGroups.By(tx, "vpc", v.ID) {
			if o.Name == g.Name {
				return fault.New(fault.Conflict, "InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", g.Name, v.ID)
			}
		}
		return state.SecurityGroups.Put(tx, g)
	})
	return &shape.CreateSecurityGroupOutput{
		GroupId: &g.ID, SecurityGroupArn: wire.Ptr(a.arn("security-group/" + g.ID)), Tags: showTags(tags),
	}, err
}

func nameable(name, description *string) error {
	switch {
	case name == nil:
		return lacking("GroupName")
	case description == nil:
		return lacking("GroupDescription")
	case *name == "default":
		return value("Cannot use reserved security group name: default")
	case *name == "" || len(*name) > 255 || strings.HasPrefix(*name, "sg-") || !groupText.MatchString(*name):
		return value("Value (%s) for parameter GroupName is invalid. Character sets beyond ASCII are not supported.", *name)
	case len(*description) > 255 || !groupText.MatchString(*description):
		return value("Value (%s) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported.", *description)
	}
	return nil
}

// vpcOr finds the VPC that is named, or the default one.
func vpcOr(r store.Reader, id *string) (model.VPC, error) {
	if id != nil {
		return get(r, nouns.vpc, state.VPCs, id, "vpcId")
	}
	for _, v := range state.VPCs.All(r) {
		if v.Default {
			return v, nil
		}
	}
	return model.VPC{}, bad("VPCIdNotSpecified", "No default VPC for this user")
}

func (a *API) showGroup(r store.Reader, g model.SecurityGroup) shape.SecurityGroup {
	return shape.SecurityGroup{
		GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, VpcId: &g.VPC, OwnerId: &a.Place.Account,
		SecurityGroupArn: wire.Ptr(a.arn("security-group/" + g.ID)), Tags: showTags(g.Tags),
		IpPermissions: a.permissions(g, false), IpPermissionsEgress: a.permissions(g, true),
	}
}

// DescribeSecurityGroups lists security groups. Errors: InvalidGroup.NotFound,
// InvalidParameterValue.
func (a *API) DescribeSecurityGroups(
	_ context.Context, in *shape.DescribeSecurityGroupsInput,
) (*shape.DescribeSecurityGroupsOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	all := state.SecurityGroups.All(view)
	for _, name := range in.GroupNames {
		if !slices.ContainsFunc(all, func(g model.SecurityGroup) bool { return g.Name == name }) {
			return nil, nouns.group.unnamed(name)
		}
	}
	if len(in.GroupNames) > 0 {
		all = slices.DeleteFunc(all, func(g model.SecurityGroup) bool { return !slices.Contains(in.GroupNames, g.Name) })
	}
	all, next, err := nouns.group.list(all, a.query(in, in.GroupIds, in.Filters))
	return &shape.DescribeSecurityGroupsOutput{
		NextToken: next, SecurityGroups: each(all, func(g model.SecurityGroup) shape.SecurityGroup { return a.showGroup(view, g) }),
	}, err
}

// GetSecurityGroupsForVpc lists a VPC's groups. Errors: InvalidVpcID.NotFound,
// InvalidParameterValue.
func (a *API) GetSecurityGroupsForVpc(
	_ context.Context, in *shape.GetSecurityGroupsForVpcInput,
) (*shape.GetSecurityGroupsForVpcOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	v, err := get(view, nouns.vpc, state.VPCs, in.VpcId, "vpcId")
	if err != nil {
		return nil, err
	}
	n := nouns.group
	n.filters = with(n.filters, "primary-vpc-id", one(func(g model.SecurityGroup) string { return g.VPC }))
	all, next, err := n.list(state.SecurityGroups.By(view, "vpc", v.ID), a.query(in, nil, in.Filters))
	return &shape.GetSecurityGroupsForVpcOutput{NextToken: next, SecurityGroupForVpcs: each(all, func(
		g model.SecurityGroup,
	) shape.SecurityGroupForVpc {
		return shape.SecurityGroupForVpc{
			GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, OwnerId: &a.Place.Account, PrimaryVpcId: &g.VPC, Tags: showTags(g.Tags),
		}
	})}, err
}

// group finds the group of a call, by id or by name in the default VPC.
func group(r store.Reader, id, name *string) (model.SecurityGroup, error) {
	if id == nil && name != nil {
		v, err := vpcOr(r, nil)
		if err != nil {
			return model.SecurityGroup{}, err
		}
		for _, g := range state.SecurityGroups.By(r, "vpc", v.ID) {
			if g.Name == *name {
				return g, nil
			}
		}
		return model.SecurityGroup{}, nouns.group.unnamed(*name)
	}
	return get(r, nouns.group, state.SecurityGroups, id, "groupId")
}

// DeleteSecurityGroup deletes a group that nothing uses. Errors:
// InvalidGroup.NotFound, DependencyViolation, CannotDelete.
func (a *API) DeleteSecurityGroup(ctx context.Context, in *shape.DeleteSecurityGroupInput) (*shape.DeleteSecurityGroupOutput, error) {
	id := in.GroupId
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		g, err := group(tx, in.GroupId, in.GroupName)
		if err != nil {
			return err
		}
		id = &g.ID
		if g.Name == "default" {
			return bad("CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", g.ID)
		}
		if used(tx, g) {
			return fault.New(fault.Conflict, "DependencyViolation", "resource %s has a dependent object", g.ID)
		}
		return state.SecurityGroups.Delete(tx, g.ID)
	})
	return &shape.DeleteSecurityGroupOutput{Return: yes, GroupId: id}, err
}

// used reports whether an interface, an endpoint or a rule of another group
// depends on a group.
func used(r store.Reader, g model.SecurityGroup) bool {
	for _, n := range state.NetworkInterfaces.By(r, "vpc", g.VPC) {
		if slices.Contains(n.SecurityGroups, g.ID) {
			return true
		}
	}
	for _, e := range state.VPCEndpoints.By(r, "vpc", g.VPC) {
		if slices.Contains(e.SecurityGroups, g.ID) && e.State != model.EndpointDeleting {
			return true
		}
	}
	for _, o := range state.SecurityGroups.By(r, "vpc", g.VPC) {
		if o.ID != g.ID && slices.ContainsFunc(o.Rules, func(x model.SecurityRule) bool { return x.Group == g.ID }) {
			return true
		}
	}
	return false
}

// DescribeSecurityGroupReferences lists groups of peered VPCs that refer to
// these; there is no peering. Errors: InvalidGroup.NotFound.
func (a *API) DescribeSecurityGroupReferences(
	_ context.Context, in *shape.DescribeSecurityGroupReferencesInput,
) (*shape.DescribeSecurityGroupReferencesOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	return &shape.DescribeSecurityGroupReferencesOutput{}, nouns.group.present(state.SecurityGroups.All(view), in.GroupId)
}

// DescribeStaleSecurityGroups lists rules that refer to groups of former peers;
// there is no peering. Errors: InvalidVpcID.NotFound, InvalidParameterValue.
func (a *API) DescribeStaleSecurityGroups(
	_ context.Context, in *shape.DescribeStaleSecurityGroupsInput,
) (*shape.DescribeStaleSecurityGroupsOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	if _, err := get(view, nouns.vpc, state.VPCs, in.VpcId, "vpcId"); err != nil {
		return nil, err
	}
	_, err = page.After(pages, in)
	return &shape.DescribeStaleSecurityGroupsOutput{}, err
}
