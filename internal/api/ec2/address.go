package ec2

import (
	"context"
	"net/netip"
	"slices"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// AllocateAddress takes an Elastic IP from the pool. Errors:
// AddressLimitExceeded, InvalidParameterValue.
func (a *API) AllocateAddress(ctx context.Context, in *shape.AllocateAddressInput) (*shape.AllocateAddressOutput, error) {
	tags, err := specified(ctx, in.TagSpecifications, "elastic-ip")
	if err != nil {
		return nil, err
	}
	if d := wire.Or(in.Domain, "vpc"); d != "vpc" {
		return nil, value("Invalid value '%s' for domain. Addresses are allocated for use in a VPC.", d)
	}
	x := model.Address{AllocationID: a.IDs.EC2("eipalloc"), Tags: tags}
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		taken := map[netip.Addr]bool{}
		for _, o := range state.Addresses.All(tx) {
			if ip, err := netip.ParseAddr(o.PublicIP); err == nil {
				taken[ip] = true
			}
		}
		ip, ok := vpc.LeasePublic(vpc.ElasticPool, taken)
		if !ok {
			return bad("AddressLimitExceeded", "The maximum number of addresses has been reached.")
		}
		x.PublicIP = ip.String()
		return state.Addresses.Put(tx, x)
	})
	return &shape.AllocateAddressOutput{
		AllocationId: &x.AllocationID, PublicIp: &x.PublicIP, Domain: wire.Ptr("vpc"), PublicIpv4Pool: wire.Ptr("amazon"),
		NetworkBorderGroup: &a.Place.Region,
	}, err
}

func (a *API) showAddress(r store.Reader, x model.Address) shape.Address {
	out := shape.Address{
		AllocationId: &x.AllocationID, PublicIp: &x.PublicIP, Domain: wire.Ptr("vpc"), PublicIpv4Pool: wire.Ptr("amazon"),
		NetworkBorderGroup: &a.Place.Region, Tags: showTags(x.Tags),
	}
	if x.AssociationID != "" {
		out.AssociationId, out.NetworkInterfaceId, out.NetworkInterfaceOwnerId = &x.AssociationID, &x.ENI, &a.Place.Account
		if n, ok := state.NetworkInterfaces.Get(r, x.ENI); ok {
			out.PrivateIpAddress = &n.IP
		}
	}
	return out
}

// DescribeAddresses lists Elastic IPs. Errors: InvalidAllocationID.NotFound,
// InvalidAddress.NotFound, InvalidParameterValue.
func (a *API) DescribeAddresses(_ context.Context, in *shape.DescribeAddressesInput) (*shape.DescribeAddressesOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	ids := in.AllocationIds
	for _, ip := range in.PublicIps {
		x, ok := byPublic(view, ip)
		if !ok {
			return nil, fault.New(fault.NotFound, "InvalidAddress.NotFound", "Address '%s' not found.", ip)
		}
		ids = append(slices.Clip(ids), x.AllocationID)
	}
	all, _, err := nouns.address.list(state.Addresses.All(view), a.query(in, ids, in.Filters))
	return &shape.DescribeAddressesOutput{Addresses: each(all, func(x model.Address) shape.Address { return a.showAddress(view, x) })}, err
}

func byPublic(r store.Reader, ip string) (model.Address, bool) {
	for _, x := range state.Addresses.All(r) {
		if x.PublicIP == ip {
			return x, true
		}
	}
	return model.Address{}, false
}

// DescribeAddressesAttribute lists the reverse DNS names of addresses, of which
// there are none. Errors: InvalidAllocationID.NotFound, InvalidParameterValue.
func (a *API) DescribeAddressesAttribute(
	_ context.Context, in *shape.DescribeAddressesAttributeInput,
) (*shape.DescribeAddressesAttributeOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	all, next, err := nouns.address.list(state.Addresses.All(view), a.query(in, in.AllocationIds, nil))
	return &shape.DescribeAddressesAttributeOutput{NextToken: next, Addresses: each(all, func(x model.Address) shape.AddressAttribute {
		return shape.AddressAttribute{AllocationId: &x.AllocationID, PublicIp: &x.PublicIP}
	})}, err
}

// ReleaseAddress gives an Elastic IP back. Errors: InvalidIPAddress.InUse,
// InvalidAllocationID.NotFound, MissingParameter.
func (a *API) ReleaseAddress(ctx context.Context, in *shape.ReleaseAddressInput) (*shape.ReleaseAddressOutput, error) {
	return nil, a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		x, err := get(tx, nouns.address, state.Addresses, in.AllocationId, "allocationId")
		if err != nil {
			return err
		}
		if x.AssociationID != "" {
			return fault.New(fault.Conflict, "InvalidIPAddress.InUse", "Address %s is in use.", x.PublicIP)
		}
		return state.Addresses.Delete(tx, x.AllocationID)
	})
}

// AssociateAddress ties an Elastic IP to an interface. Errors:
// InvalidAllocationID.NotFound, InvalidNetworkInterfaceID.NotFound,
// Resource.AlreadyAssociated, MissingParameter.
func (a *API) AssociateAddress(ctx context.Context, in *shape.AssociateAddressInput) (*shape.AssociateAddressOutput, error) {
	id := a.IDs.EC2("eipassoc")
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		x, err := get(tx, nouns.address, state.Addresses, in.AllocationId, "allocationId")
		if err != nil {
			return err
		}
		n, err := get(tx, interfaces, state.NetworkInterfaces, in.NetworkInterfaceId, "networkInterfaceId")
		if err != nil {
			return err
		}
		if x.ENI == n.ID {
			id = x.AssociationID
			return nil
		}
		if x.AssociationID != "" && wire.Val(in.AllowReassociation) {
			if err := state.Addresses.Edit(tx, x.AllocationID, free); err != nil {
				return err
			}
		}
		return claim(tx, x.AllocationID, n.ID, id)
	})
	return &shape.AssociateAddressOutput{AssociationId: &id}, err
}

// DisassociateAddress frees an Elastic IP. Errors:
// InvalidAssociationID.NotFound.
func (a *API) DisassociateAddress(ctx context.Context, in *shape.DisassociateAddressInput) (*shape.DisassociateAddressOutput, error) {
	return nil, a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		for _, x := range state.Addresses.All(tx) {
			if in.AssociationId != nil && x.AssociationID == *in.AssociationId {
				return state.Addresses.Edit(tx, x.AllocationID, free)
			}
		}
		return fault.New(fault.NotFound, "InvalidAssociationID.NotFound", "The association ID '%s' does not exist", wire.Val(in.AssociationId))
	})
}
