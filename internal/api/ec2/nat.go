package ec2

import (
	"context"
	"time"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// CreateNatGateway asks for a NAT gateway; controllers/network makes its
// interface, under the id that is drawn here, and turns it available. Errors:
// InvalidSubnetID.NotFound, InvalidAllocationID.NotFound,
// Resource.AlreadyAssociated, MissingParameter, InvalidParameterCombination.
func (a *API) CreateNatGateway(ctx context.Context, in *shape.CreateNatGatewayInput) (*shape.CreateNatGatewayOutput, error) {
	private := wire.Val(in.ConnectivityType) == "private"
	switch {
	case !private && in.AllocationId == nil:
		return nil, bad(
			"MissingParameter", "The request must include the AllocationId parameter. Add the required parameter and retry the request.",
		)
	case private && in.AllocationId != nil:
		return nil, bad("InvalidParameterCombination", "The AllocationId parameter cannot be used with the private connectivity type.")
	}
	tags, err := specified(ctx, in.TagSpecifications, "natgateway")
	if err != nil {
		return nil, err
	}
	n := model.NATGateway{
		ID: a.id("nat", in.ClientToken), Subnet: wire.Val(in.SubnetId), Allocation: wire.Val(in.AllocationId), ENI: a.IDs.EC2("eni"),
		State: model.NATPending, Tags: tags, CreatedAt: a.Clock.Now(),
	}
	association := a.IDs.EC2("eipassoc")
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		s, err := get(tx, nouns.subnet, state.Subnets, in.SubnetId, "subnetId")
		if err != nil {
			return err
		}
		if old, ok := state.NATGateways.Get(tx, n.ID); ok {
			n = old
			return nil
		}
		n.VPC = s.VPC
		if !private {
			if err := claim(tx, n.Allocation, n.ENI, association); err != nil {
				return err
			}
		}
		return state.NATGateways.Put(tx, n)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateNatGatewayOutput{ClientToken: in.ClientToken, NatGateway: wire.Ptr(a.showNAT(a.DB.View(), n))}, nil
}

// claim ties a free Elastic IP to an interface.
func claim(tx *store.Tx, allocation, eni, association string) error {
	x, ok := state.Addresses.Get(tx, allocation)
	if !ok {
		return nouns.address.gone(allocation)
	}
	if x.AssociationID != "" {
		return fault.New(fault.Conflict, "Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", allocation)
	}
	return state.Addresses.Edit(tx, allocation, func(x *model.Address) error {
		x.ENI, x.AssociationID = eni, association
		return nil
	})
}

func (a *API) showNAT(r store.Reader, n model.NATGateway) shape.NatGateway {
	kind := "public"
	if n.Allocation == "" {
		kind = "private"
	}
	address := shape.NatGatewayAddress{NetworkInterfaceId: &n.ENI, IsPrimary: yes, Status: wire.Ptr("succeeded")}
	if i, ok := state.NetworkInterfaces.One(r, "owner", n.ID); ok {
		address.NetworkInterfaceId, address.PrivateIp = &i.ID, &i.IP
	}
	if x, ok := state.Addresses.Get(r, n.Allocation); ok {
		address.AllocationId, address.PublicIp, address.AssociationId = &x.AllocationID, &x.PublicIP, &x.AssociationID
	}
	var deleted *time.Time
	if !n.DeletedAt.IsZero() {
		deleted = &n.DeletedAt
	}
	return shape.NatGateway{
		DeleteTime:   deleted,
		NatGatewayId: &n.ID, SubnetId: &n.Subnet, VpcId: &n.VPC, State: wire.Ptr(string(n.State)), ConnectivityType: &kind,
		CreateTime: &n.CreatedAt, NatGatewayAddresses: []shape.NatGatewayAddress{address}, Tags: showTags(n.Tags),
		AvailabilityMode: wire.Ptr("zonal"),
	}
}

// DescribeNatGateways lists NAT gateways. Errors: NatGatewayNotFound,
// InvalidParameterValue.
func (a *API) DescribeNatGateways(_ context.Context, in *shape.DescribeNatGatewaysInput) (*shape.DescribeNatGatewaysOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	all, next, err := nouns.nat.list(state.NATGateways.All(view), a.query(in, in.NatGatewayIds, in.Filter))
	return &shape.DescribeNatGatewaysOutput{
		NextToken: next, NatGateways: each(all, func(n model.NATGateway) shape.NatGateway { return a.showNAT(view, n) }),
	}, err
}

// DeleteNatGateway asks for the end of a NAT gateway and frees its address. Errors:
// NatGatewayNotFound.
func (a *API) DeleteNatGateway(ctx context.Context, in *shape.DeleteNatGatewayInput) (*shape.DeleteNatGatewayOutput, error) {
	now := a.Clock.Now()
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		n, err := get(tx, nouns.nat, state.NATGateways, in.NatGatewayId, "natGatewayId")
		if err != nil || n.State == model.NATDeleting || n.State == model.NATDeleted {
			return err
		}
		if _, ok := state.Addresses.Get(tx, n.Allocation); ok {
			if err := state.Addresses.Edit(tx, n.Allocation, free); err != nil {
				return err
			}
		}
		return state.NATGateways.Edit(tx, n.ID, func(n *model.NATGateway) error {
			n.State, n.DeletedAt = model.NATDeleting, now
			return nil
		})
	})
	return &shape.DeleteNatGatewayOutput{NatGatewayId: in.NatGatewayId}, err
}

func free(x *model.Address) error {
	x.ENI, x.AssociationID = "", ""
	return nil
}
