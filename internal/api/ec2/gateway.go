package ec2

import (
	"context"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// CreateInternetGateway makes a gateway that is not attached. Errors:
// InvalidParameterValue.
func (a *API) CreateInternetGateway(ctx context.Context, in *shape.CreateInternetGatewayInput) (*shape.CreateInternetGatewayOutput, error) {
	tags, err := specified(ctx, in.TagSpecifications, "internet-gateway")
	if err != nil {
		return nil, err
	}
	g := model.InternetGateway{ID: a.IDs.EC2("igw"), Tags: tags}
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error { return state.InternetGateways.Put(tx, g) })
	return &shape.CreateInternetGatewayOutput{InternetGateway: wire.Ptr(a.showGateway(g))}, err
}

func (a *API) showGateway(g model.InternetGateway) shape.InternetGateway {
	out := shape.InternetGateway{
		InternetGatewayId: &g.ID, OwnerId: &a.Place.Account, Tags: showTags(g.Tags), Attachments: []shape.InternetGatewayAttachment{},
	}
	if g.VPC != "" {
		out.Attachments = append(out.Attachments, shape.InternetGatewayAttachment{VpcId: &g.VPC, State: wire.Ptr("available")})
	}
	return out
}

// DescribeInternetGateways lists internet gateways. Errors:
// InvalidInternetGatewayID.NotFound, InvalidParameterValue.
func (a *API) DescribeInternetGateways(
	_ context.Context, in *shape.DescribeInternetGatewaysInput,
) (*shape.DescribeInternetGatewaysOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	all, next, err := nouns.gateway.list(state.InternetGateways.All(view), a.query(in, in.InternetGatewayIds, in.Filters))
	return &shape.DescribeInternetGatewaysOutput{NextToken: next, InternetGateways: each(all, a.showGateway)}, err
}

// AttachInternetGateway joins a gateway and a VPC. Errors:
// InvalidInternetGatewayID.NotFound, InvalidVpcID.NotFound,
// Resource.AlreadyAssociated, InvalidParameterValue.
func (a *API) AttachInternetGateway(ctx context.Context, in *shape.AttachInternetGatewayInput) (*shape.AttachInternetGatewayOutput, error) {
	return nil, a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		g, err := get(tx, nouns.gateway, state.InternetGateways, in.InternetGatewayId, "internetGatewayId")
		if err != nil {
			return err
		}
		v, err := get(tx, nouns.vpc, state.VPCs, in.VpcId, "vpcId")
		if err != nil {
			return err
		}
		if g.VPC != "" {
			return fault.New(fault.Conflict, "Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.ID, g.VPC)
		}
		if len(state.InternetGateways.By(tx, "vpc", v.ID)) > 0 {
			return value("Network %s already has an internet gateway attached", v.ID)
		}
		return state.InternetGateways.Edit(tx, g.ID, func(g *model.InternetGateway) error { g.VPC = v.ID; return nil })
	})
}

// DetachInternetGateway parts them. Errors: InvalidInternetGatewayID.NotFound,
// InvalidVpcID.NotFound, Gateway.NotAttached, DependencyViolation while public
// addresses are mapped in the VPC.
func (a *API) DetachInternetGateway(ctx context.Context, in *shape.DetachInternetGatewayInput) (*shape.DetachInternetGatewayOutput, error) {
	return nil, a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		g, err := get(tx, nouns.gateway, state.InternetGateways, in.InternetGatewayId, "internetGatewayId")
		if err != nil {
			return err
		}
		v, err := get(tx, nouns.vpc, state.VPCs, in.VpcId, "vpcId")
		if err != nil {
			return err
		}
		if g.VPC != v.ID {
			return bad("Gateway.NotAttached", "resource %s is not attached to network %s", g.ID, v.ID)
		}
		if mapped(tx, v.ID) {
			return fault.New(
				fault.Conflict, "DependencyViolation",
				"Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", v.ID,
			)
		}
		return state.InternetGateways.Edit(tx, g.ID, func(g *model.InternetGateway) error { g.VPC = ""; return nil })
	})
}

// mapped reports whether an interface of a VPC has a public address.
func mapped(r store.Reader, vpc string) bool {
	elastic := map[string]bool{}
	for _, x := range state.Addresses.All(r) {
		elastic[x.ENI] = true
	}
	for _, n := range state.NetworkInterfaces.By(r, "vpc", vpc) {
		if n.PublicIP != "" || elastic[n.ID] {
			return true
		}
	}
	return false
}

// DeleteInternetGateway deletes a detached gateway. Errors:
// InvalidInternetGatewayID.NotFound, DependencyViolation.
func (a *API) DeleteInternetGateway(ctx context.Context, in *shape.DeleteInternetGatewayInput) (*shape.DeleteInternetGatewayOutput, error) {
	return nil, a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		g, err := get(tx, nouns.gateway, state.InternetGateways, in.InternetGatewayId, "internetGatewayId")
		if err != nil {
			return err
		}
		if g.VPC != "" {
			return depended("internetGateway", g.ID)
		}
		return state.InternetGateways.Delete(tx, g.ID)
	})
}
