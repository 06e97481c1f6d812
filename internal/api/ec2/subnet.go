package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

func (a *API) zones() []catalog.Zone { return catalog.Zones(a.Place.Region) }

// zone finds the zone that a request names by name or id; the first of the
// Region if it names none.
func (a *API) zone(name, id *string) (catalog.Zone, error) {
	all := a.zones()
	for _, z := range all {
		if name == nil && id == nil || name != nil && z.Name == *name || id != nil && z.ID == *id {
			return z, nil
		}
	}
	names := strings.Join(each(all, func(z catalog.Zone) string { return z.Name }), ", ")
	if id != nil {
		return catalog.Zone{}, value(
			"Value (%s) for parameter availabilityZoneId is invalid. Subnets can currently only be created in the following availability zones: %s.",
			*id, names,
		)
	}
	return catalog.Zone{}, value(
		"Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.",
		wire.Val(name), names,
	)
}

// CreateSubnet makes a subnet. Errors: InvalidVpcID.NotFound,
// InvalidSubnet.Range, InvalidSubnet.Conflict, InvalidParameterValue,
// MissingParameter.
func (a *API) CreateSubnet(ctx context.Context, in *shape.CreateSubnetInput) (*shape.CreateSubnetOutput, error) {
	if in.CidrBlock == nil {
		return nil, lacking("cidrBlock")
	}
	z, err := a.zone(in.AvailabilityZone, in.AvailabilityZoneId)
	if err != nil {
		return nil, err
	}
	tags, err := specified(ctx, in.TagSpecifications, "subnet")
	if err != nil {
		return nil, err
	}
	s := model.Subnet{
		ID: a.IDs.EC2("subnet"), VPC: wire.Val(in.VpcId), AvailabilityZone: z.Name, AvailabilityZoneID: z.ID, Tags: tags,
		CreatedAt: a.Clock.Now(),
	}
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		v, err := get(tx, nouns.vpc, state.VPCs, in.VpcId, "vpcId")
		if err != nil {
			return err
		}
		cidr, err := freeBlock(tx, v, *in.CidrBlock)
		s.CIDR = cidr.String()
		if err != nil {
			return err
		}
		return state.Subnets.Put(tx, s)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateSubnetOutput{Subnet: wire.Ptr(a.showSubnet(a.DB.View(), s))}, nil
}

// freeBlock holds a subnet's block against its VPC and the subnets there.
func freeBlock(r store.Reader, v model.VPC, s string) (netip.Prefix, error) {
	cidr, err := block(s, "InvalidSubnet.Range")
	if err != nil {
		return cidr, err
	}
	whole, err := netip.ParsePrefix(v.CIDR)
	if err != nil {
		return cidr, err
	}
	if !vpc.Within(whole, cidr) {
		return cidr, bad("InvalidSubnet.Range", "The CIDR '%s' is invalid.", s)
	}
	for _, o := range state.Subnets.By(r, "vpc", v.ID) {
		if p, err := netip.ParsePrefix(o.CIDR); err == nil && p.Overlaps(cidr) {
			return cidr, bad("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", s)
		}
	}
	return cidr, nil
}

// CreateDefaultSubnet makes a default subnet in a zone of the default VPC that
// has none. Errors: DefaultVpcDoesNotExist,
// DefaultSubnetAlreadyExistsInAvailabilityZone, InvalidParameterValue.
func (a *API) CreateDefaultSubnet(ctx context.Context, in *shape.CreateDefaultSubnetInput) (*shape.CreateDefaultSubnetOutput, error) {
	z, err := a.zone(in.AvailabilityZone, in.AvailabilityZoneId)
	if err != nil {
		return nil, err
	}
	var out model.Subnet
	fresh := a.IDs.EC2("subnet")
	now := a.Clock.Now()
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		i := slices.IndexFunc(state.VPCs.All(tx), func(v model.VPC) bool { return v.Default })
		if i < 0 {
			return bad("DefaultVpcDoesNotExist", "No default VPC exists for this account in this region.")
		}
		v := state.VPCs.All(tx)[i]
		for _, s := range state.Subnets.By(tx, "vpc", v.ID) {
			if s.AvailabilityZone == z.Name {
				return bad("DefaultSubnetAlreadyExistsInAvailabilityZone", "'%s' already has a default subnet.", z.Name)
			}
		}
		whole, err := netip.ParsePrefix(v.CIDR)
		if err != nil {
			return err
		}
		for n := range uint32(16) {
			cidr := netip.PrefixFrom(vpc.Offset(whole, n<<12), 20)
			if _, err := freeBlock(tx, v, cidr.String()); err == nil {
				out = model.Subnet{
					ID: fresh, VPC: v.ID, CIDR: cidr.String(), AvailabilityZone: z.Name, AvailabilityZoneID: z.ID, MapPublicIPOnLaunch: true,
					CreatedAt: now,
				}
				return state.Subnets.Put(tx, out)
			}
		}
		return bad("InsufficientFreeAddressesInSubnet", "The default VPC has no space for another subnet.")
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateDefaultSubnetOutput{Subnet: wire.Ptr(a.showSubnet(a.DB.View(), out))}, nil
}

func (a *API) showSubnet(r store.Reader, s model.Subnet) shape.Subnet {
	p, _ := netip.ParsePrefix(s.CIDR)
	free := vpc.Usable(p) - int64(len(state.NetworkInterfaces.By(r, "subnet", s.ID)))
	v, _ := state.VPCs.Get(r, s.VPC)
	return shape.Subnet{
		SubnetId: &s.ID, VpcId: &s.VPC, CidrBlock: &s.CIDR, AvailabilityZone: &s.AvailabilityZone, AvailabilityZoneId: &s.AvailabilityZoneID,
		State: wire.Ptr("available"), MapPublicIpOnLaunch: &s.MapPublicIPOnLaunch, AvailableIpAddressCount: &free, DefaultForAz: &v.Default,
		OwnerId: &a.Place.Account, SubnetArn: wire.Ptr(a.arn("subnet/" + s.ID)), Tags: showTags(s.Tags),
		AssignIpv6AddressOnCreation: wire.Ptr(false), EnableDns64: wire.Ptr(false), Ipv6Native: wire.Ptr(false),
		MapCustomerOwnedIpOnLaunch: wire.Ptr(false),
		PrivateDnsNameOptionsOnLaunch: &shape.PrivateDnsNameOptionsOnLaunch{
			HostnameType: wire.Ptr("ip-name"), EnableResourceNameDnsARecord: wire.Ptr(false), EnableResourceNameDnsAAAARecord: wire.Ptr(false),
		},
	}
}

// DescribeSubnets lists subnets. Errors: InvalidSubnetID.NotFound,
// InvalidParameterValue.
func (a *API) DescribeSubnets(_ context.Context, in *shape.DescribeSubnetsInput) (*shape.DescribeSubnetsOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	n := nouns.subnet
	n.filters = with(n.filters, "default-for-az", flag(func(s model.Subnet) bool { v, _ := state.VPCs.Get(view, s.VPC); return v.Default }))
	n.filters = with(n.filters, "subnet-arn", one(func(s model.Subnet) string { return a.arn("subnet/" + s.ID) }))
	all, next, err := n.list(state.Subnets.All(view), a.query(in, in.SubnetIds, in.Filters))
	return &shape.DescribeSubnetsOutput{
		NextToken: next, Subnets: each(all, func(s model.Subnet) shape.Subnet { return a.showSubnet(view, s) }),
	}, err
}

// DeleteSubnet deletes an empty subnet; its associations with route tables go
// with it. Errors: InvalidSubnetID.NotFound, DependencyViolation.
func (a *API) DeleteSubnet(ctx context.Context, in *shape.DeleteSubnetInput) (*shape.DeleteSubnetOutput, error) {
	return nil, a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		s, err := get(tx, nouns.subnet, state.Subnets, in.SubnetId, "subnetId")
		if err != nil {
			return err
		}
		if inhabited(tx, s) {
			return depended("subnet", s.ID)
		}
		for _, t := range state.RouteTables.By(tx, "vpc", s.VPC) {
			if err := state.RouteTables.Edit(tx, t.ID, func(t *model.RouteTable) error {
				t.Associations = slices.DeleteFunc(t.Associations, func(x model.RouteAssociation) bool { return x.Subnet == s.ID })
				return nil
			}); err != nil {
				return err
			}
		}
		return state.Subnets.Delete(tx, s.ID)
	})
}

// inhabited reports whether an interface is in a subnet, or will be.
func inhabited(r store.Reader, s model.Subnet) bool {
	return len(state.NetworkInterfaces.By(r, "subnet", s.ID)) > 0 ||
		slices.ContainsFunc(state.NATGateways.By(r, "vpc", s.VPC), func(n model.NATGateway) bool {
			return n.Subnet == s.ID && n.State != model.NATDeleted
		}) ||
		slices.ContainsFunc(state.VPCEndpoints.By(r, "vpc", s.VPC), func(e model.VPCEndpoint) bool { return slices.Contains(e.Subnets, s.ID) })
}

// ModifySubnetAttribute changes whether interfaces get public addresses.
// Errors: InvalidSubnetID.NotFound, InvalidParameterCombination.
func (a *API) ModifySubnetAttribute(ctx context.Context, in *shape.ModifySubnetAttributeInput) (*shape.ModifySubnetAttributeOutput, error) {
	if in.MapPublicIpOnLaunch == nil {
		return nil, bad("InvalidParameterCombination", "No attributes specified.")
	}
	return nil, a.update(ctx, nil, func(tx *store.Tx) error {
		s, err := get(tx, nouns.subnet, state.Subnets, in.SubnetId, "subnetId")
		if err != nil {
			return err
		}
		return state.Subnets.Edit(tx, s.ID, func(s *model.Subnet) error {
			s.MapPublicIPOnLaunch = wire.Val(in.MapPublicIpOnLaunch.Value)
			return nil
		})
	})
}
