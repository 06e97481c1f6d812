package ec2

import (
	"context"
	"net/netip"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// block reads a CIDR block of a VPC or subnet. Host bits are dropped, as EC2
// does.
func block(s, code string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !p.Addr().Is4() {
		return p, value("Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", s)
	}
	if p.Bits() < 16 || p.Bits() > 28 {
		return p, bad(code, "The CIDR '%s' is invalid.", s)
	}
	return p.Masked(), nil
}

// CreateVpc makes a VPC with its main route table, default security group and
// default network ACL. Errors: InvalidVpc.Range, InvalidParameterValue,
// MissingParameter, NotImplemented.
func (a *API) CreateVpc(ctx context.Context, in *shape.CreateVpcInput) (*shape.CreateVpcOutput, error) {
	if in.CidrBlock == nil {
		return nil, lacking("cidrBlock")
	}
	cidr, err := block(*in.CidrBlock, "InvalidVpc.Range")
	if err != nil {
		return nil, err
	}
	if t := wire.Or(in.InstanceTenancy, "default"); t != "default" {
		return nil, fault.New(fault.NotImplemented, "NotImplemented", "The instance tenancy '%s' is not implemented by Berth.", t)
	}
	tags, err := specified(ctx, in.TagSpecifications, "vpc")
	if err != nil {
		return nil, err
	}
	n := a.newVPC(cidr.String(), tags)
	err = a.update(ctx, in.DryRun, n.put)
	return &shape.CreateVpcOutput{Vpc: wire.Ptr(a.showVPC(n.vpc))}, err
}

// fresh is a new VPC with all that comes with it.
type fresh struct {
	vpc   model.VPC
	table model.RouteTable
	group model.SecurityGroup
}

func (a *API) newVPC(cidr string, tags []model.Tag) fresh {
	id, table, group := a.IDs.EC2("vpc"), a.IDs.EC2("rtb"), a.IDs.EC2("sg")
	return fresh{
		vpc: model.VPC{
			ID: id, CIDR: cidr, DNSSupport: true, Tenancy: "default", MainRouteTable: table, DefaultGroup: group,
			DefaultACL: a.IDs.EC2("acl"), DHCPOptions: a.dhcpOptions(), Tags: tags, CreatedAt: a.Clock.Now(),
		},
		table: model.RouteTable{
			ID: table, VPC: id, Routes: []model.Route{{Destination: cidr, Target: "local", Origin: "CreateRouteTable"}},
			Associations: []model.RouteAssociation{{ID: a.IDs.EC2("rtbassoc"), Main: true}},
		},
		group: model.SecurityGroup{
			ID: group, Name: "default", Description: "default VPC security group", VPC: id,
			Rules: []model.SecurityRule{
				{ID: a.IDs.EC2("sgr"), Protocol: "-1", FromPort: -1, ToPort: -1, Group: group},
				a.allowAllOut(),
			},
		},
	}
}

func (a *API) allowAllOut() model.SecurityRule {
	return model.SecurityRule{ID: a.IDs.EC2("sgr"), Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"}
}

func (f fresh) put(tx *store.Tx) error {
	if err := state.VPCs.Put(tx, f.vpc); err != nil {
		return err
	}
	if err := state.RouteTables.Put(tx, f.table); err != nil {
		return err
	}
	return state.SecurityGroups.Put(tx, f.group)
}

// dhcpOptions is the id of the Region's default set, which all VPCs share.
func (a *API) dhcpOptions() string { return derived("dopt", a.Place.Account, a.Place.Region) }

// CreateDefaultVpc makes the account's default VPC: 172.31.0.0/16 with a
// public subnet in every zone. Errors: DefaultVpcAlreadyExists.
func (a *API) CreateDefaultVpc(ctx context.Context, in *shape.CreateDefaultVpcInput) (*shape.CreateDefaultVpcOutput, error) {
	n := a.newVPC("172.31.0.0/16", nil)
	n.vpc.Default, n.vpc.DNSHostnames = true, true
	gateway := model.InternetGateway{ID: a.IDs.EC2("igw"), VPC: n.vpc.ID}
	n.table.Routes = append(n.table.Routes, model.Route{Destination: "0.0.0.0/0", Target: gateway.ID, Origin: "CreateRoute"})
	subnets := a.defaultSubnets(n.vpc)
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		for _, v := range state.VPCs.All(tx) {
			if v.Default {
				return bad("DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")
			}
		}
		if err := n.put(tx); err != nil {
			return err
		}
		for _, s := range subnets {
			if err := state.Subnets.Put(tx, s); err != nil {
				return err
			}
		}
		return state.InternetGateways.Put(tx, gateway)
	})
	return &shape.CreateDefaultVpcOutput{Vpc: wire.Ptr(a.showVPC(n.vpc))}, err
}

func (a *API) defaultSubnets(v model.VPC) []model.Subnet {
	whole, _ := vpc.ParseCIDR(v.CIDR)
	var out []model.Subnet
	for i, z := range a.zones() {
		out = append(out, model.Subnet{
			ID: a.IDs.EC2("subnet"), VPC: v.ID, CIDR: netip.PrefixFrom(vpc.Offset(whole, uint32(i)<<12), 20).String(),
			AvailabilityZone: z.Name, AvailabilityZoneID: z.ID, MapPublicIPOnLaunch: true, CreatedAt: v.CreatedAt,
		})
	}
	return out
}

func (a *API) showVPC(v model.VPC) shape.Vpc {
	return shape.Vpc{
		VpcId: &v.ID, CidrBlock: &v.CIDR, State: wire.Ptr("available"), IsDefault: &v.Default, InstanceTenancy: &v.Tenancy,
		OwnerId: &a.Place.Account, DhcpOptionsId: &v.DHCPOptions, Tags: showTags(v.Tags),
		CidrBlockAssociationSet: []shape.VpcCidrBlockAssociation{{
			AssociationId: wire.Ptr(derived("vpc-cidr-assoc", v.ID)), CidrBlock: &v.CIDR,
			CidrBlockState: &shape.VpcCidrBlockState{State: wire.Ptr("associated")},
		}},
	}
}

// DescribeVpcs lists VPCs. Errors: InvalidVpcID.NotFound,
// InvalidParameterValue.
func (a *API) DescribeVpcs(_ context.Context, in *shape.DescribeVpcsInput) (*shape.DescribeVpcsOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	n := nouns.vpc
	all, next, err := n.list(state.VPCs.All(view), a.query(in, in.VpcIds, in.Filters))
	return &shape.DescribeVpcsOutput{NextToken: next, Vpcs: each(all, a.showVPC)}, err
}

// DeleteVpc deletes an empty VPC with its main route table and default group.
// Errors: InvalidVpcID.NotFound, DependencyViolation.
func (a *API) DeleteVpc(ctx context.Context, in *shape.DeleteVpcInput) (*shape.DeleteVpcOutput, error) {
	return nil, a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		v, err := get(tx, nouns.vpc, state.VPCs, in.VpcId, "vpcId")
		if err != nil {
			return err
		}
		if occupied(tx, v) {
			return depended("vpc", v.ID)
		}
		if err := state.RouteTables.Delete(tx, v.MainRouteTable); err != nil {
			return err
		}
		if err := state.SecurityGroups.Delete(tx, v.DefaultGroup); err != nil {
			return err
		}
		return state.VPCs.Delete(tx, v.ID)
	})
}

// occupied reports whether anything of the user's is left in a VPC. What a
// gateway endpoint or its default parts are goes with it.
func occupied(r store.Reader, v model.VPC) bool {
	for _, t := range state.RouteTables.By(r, "vpc", v.ID) {
		if t.ID != v.MainRouteTable {
			return true
		}
	}
	for _, g := range state.SecurityGroups.By(r, "vpc", v.ID) {
		if g.ID != v.DefaultGroup {
			return true
		}
	}
	for _, n := range state.NATGateways.By(r, "vpc", v.ID) {
		if n.State != model.NATDeleted {
			return true
		}
	}
	return len(state.Subnets.By(r, "vpc", v.ID))+len(state.InternetGateways.By(r, "vpc", v.ID))+
		len(state.VPCEndpoints.By(r, "vpc", v.ID))+len(state.NetworkInterfaces.By(r, "vpc", v.ID)) > 0
}

// get finds the record that a required id names.
func get[T any](r store.Reader, n noun[T], t *store.Table[T], id *string, parameter string) (T, error) {
	var zero T
	if id == nil {
		return zero, lacking(parameter)
	}
	v, ok := t.Get(r, *id)
	if !ok {
		return zero, n.gone(*id)
	}
	return v, nil
}

// DescribeVpcAttribute shows one attribute. Errors: InvalidVpcID.NotFound,
// InvalidParameterValue, MissingParameter.
func (a *API) DescribeVpcAttribute(_ context.Context, in *shape.DescribeVpcAttributeInput) (*shape.DescribeVpcAttributeOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	v, err := get(view, nouns.vpc, state.VPCs, in.VpcId, "vpcId")
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeVpcAttributeOutput{VpcId: &v.ID}
	switch wire.Val(in.Attribute) {
	case "enableDnsSupport":
		out.EnableDnsSupport = &shape.AttributeBooleanValue{Value: &v.DNSSupport}
	case "enableDnsHostnames":
		out.EnableDnsHostnames = &shape.AttributeBooleanValue{Value: &v.DNSHostnames}
	case "enableNetworkAddressUsageMetrics":
		out.EnableNetworkAddressUsageMetrics = &shape.AttributeBooleanValue{Value: wire.Ptr(false)}
	case "":
		return nil, lacking("attribute")
	default:
		return nil, value("Value (%s) for parameter attribute is invalid. Unknown attribute.", *in.Attribute)
	}
	return out, nil
}

// ModifyVpcAttribute changes one attribute. Errors: InvalidVpcID.NotFound,
// InvalidParameterCombination.
func (a *API) ModifyVpcAttribute(ctx context.Context, in *shape.ModifyVpcAttributeInput) (*shape.ModifyVpcAttributeOutput, error) {
	if in.EnableDnsSupport != nil && in.EnableDnsHostnames != nil {
		return nil, bad("InvalidParameterCombination", "Fields for multiple attribute types specified: enableDnsHostnames, enableDnsSupport")
	}
	if in.EnableDnsSupport == nil && in.EnableDnsHostnames == nil {
		return nil, bad("InvalidParameterCombination", "No attributes specified.")
	}
	return nil, a.update(ctx, nil, func(tx *store.Tx) error {
		v, err := get(tx, nouns.vpc, state.VPCs, in.VpcId, "vpcId")
		if err != nil {
			return err
		}
		return state.VPCs.Edit(tx, v.ID, func(v *model.VPC) error {
			if in.EnableDnsSupport != nil {
				v.DNSSupport = wire.Val(in.EnableDnsSupport.Value)
			}
			if in.EnableDnsHostnames != nil {
				v.DNSHostnames = wire.Val(in.EnableDnsHostnames.Value)
			}
			return nil
		})
	})
}
