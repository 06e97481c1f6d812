package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// CreateRouteTable makes a route table with its local route. Errors:
// InvalidVpcID.NotFound.
func (a *API) CreateRouteTable(ctx context.Context, in *shape.CreateRouteTableInput) (*shape.CreateRouteTableOutput, error) {
	tags, err := specified(ctx, in.TagSpecifications, "route-table")
	if err != nil {
		return nil, err
	}
	t := model.RouteTable{ID: a.id("rtb", in.ClientToken), VPC: wire.Val(in.VpcId), Tags: tags}
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		v, err := get(tx, nouns.vpc, state.VPCs, in.VpcId, "vpcId")
		if err != nil {
			return err
		}
		if old, ok := state.RouteTables.Get(tx, t.ID); ok {
			t = old
			return nil
		}
		t.Routes = []model.Route{{Destination: v.CIDR, Target: "local", Origin: "CreateRouteTable"}}
		return state.RouteTables.Put(tx, t)
	})
	return &shape.CreateRouteTableOutput{ClientToken: in.ClientToken, RouteTable: wire.Ptr(a.showTable(a.DB.View(), t))}, err
}

func (a *API) showTable(r store.Reader, t model.RouteTable) shape.RouteTable {
	out := shape.RouteTable{
		RouteTableId: &t.ID, VpcId: &t.VPC, OwnerId: &a.Place.Account, Tags: showTags(t.Tags),
		PropagatingVgws: []shape.PropagatingVgw{}, Associations: []shape.RouteTableAssociation{},
	}
	for _, x := range t.Associations {
		s := shape.RouteTableAssociation{
			RouteTableAssociationId: &x.ID, RouteTableId: &t.ID, Main: &x.Main, AssociationState: associated,
		}
		if x.Subnet != "" {
			s.SubnetId = &x.Subnet
		}
		out.Associations = append(out.Associations, s)
	}
	out.Routes = each(t.Routes, func(x model.Route) shape.Route { return showRoute(r, t, x) })
	return out
}

var associated = &shape.RouteTableAssociationState{State: wire.Ptr("associated")}

// showRoute shows a route as active, or as a blackhole when its target is no
// longer there.
func showRoute(r store.Reader, t model.RouteTable, x model.Route) shape.Route {
	out := shape.Route{Origin: &x.Origin, State: wire.Ptr("active")}
	if strings.HasPrefix(x.Destination, "pl-") {
		out.DestinationPrefixListId = &x.Destination
	} else {
		out.DestinationCidrBlock = &x.Destination
	}
	there := true
	switch prefix, _, _ := strings.Cut(x.Target, "-"); prefix {
	case "nat":
		n, ok := state.NATGateways.Get(r, x.Target)
		out.NatGatewayId, there = &x.Target, ok && n.State != model.NATDeleted
	case "eni":
		_, there = state.NetworkInterfaces.Get(r, x.Target)
		out.NetworkInterfaceId = &x.Target
	case "igw":
		g, ok := state.InternetGateways.Get(r, x.Target)
		out.GatewayId, there = &x.Target, ok && g.VPC == t.VPC
	default:
		out.GatewayId = &x.Target
	}
	if !there {
		out.State = wire.Ptr("blackhole")
	}
	return out
}

// DescribeRouteTables lists route tables. Errors: InvalidRouteTableID.NotFound,
// InvalidParameterValue.
func (a *API) DescribeRouteTables(_ context.Context, in *shape.DescribeRouteTablesInput) (*shape.DescribeRouteTablesOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	all, next, err := nouns.table.list(state.RouteTables.All(view), a.query(in, in.RouteTableIds, in.Filters))
	return &shape.DescribeRouteTablesOutput{
		NextToken: next, RouteTables: each(all, func(t model.RouteTable) shape.RouteTable { return a.showTable(view, t) }),
	}, err
}

// DeleteRouteTable deletes a table that no subnet uses. Errors:
// InvalidRouteTableID.NotFound, DependencyViolation.
func (a *API) DeleteRouteTable(ctx context.Context, in *shape.DeleteRouteTableInput) (*shape.DeleteRouteTableOutput, error) {
	return nil, a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		t, err := get(tx, nouns.table, state.RouteTables, in.RouteTableId, "routeTableId")
		if err != nil {
			return err
		}
		if len(t.Associations) > 0 {
			return depended("routeTable", t.ID)
		}
		for _, e := range state.VPCEndpoints.By(tx, "vpc", t.VPC) {
			if err := state.VPCEndpoints.Edit(tx, e.ID, func(e *model.VPCEndpoint) error {
				e.RouteTables = slices.DeleteFunc(e.RouteTables, func(id string) bool { return id == t.ID })
				return nil
			}); err != nil {
				return err
			}
		}
		return state.RouteTables.Delete(tx, t.ID)
	})
}

// AssociateRouteTable makes a subnet use a table. Errors:
// InvalidRouteTableID.NotFound, InvalidSubnetID.NotFound,
// Resource.AlreadyAssociated, InvalidParameterValue.
func (a *API) AssociateRouteTable(ctx context.Context, in *shape.AssociateRouteTableInput) (*shape.AssociateRouteTableOutput, error) {
	id := a.IDs.EC2("rtbassoc")
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		t, err := get(tx, nouns.table, state.RouteTables, in.RouteTableId, "routeTableId")
		if err != nil {
			return err
		}
		s, err := get(tx, nouns.subnet, state.Subnets, in.SubnetId, "subnetId")
		if err != nil {
			return err
		}
		if s.VPC != t.VPC {
			return value("Route table %s and subnet %s belong to different networks", t.ID, s.ID)
		}
		for _, o := range state.RouteTables.By(tx, "vpc", t.VPC) {
			if slices.ContainsFunc(o.Associations, func(x model.RouteAssociation) bool { return x.Subnet == s.ID }) {
				return fault.New(
					fault.Conflict, "Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association",
					t.ID,
				)
			}
		}
		return state.RouteTables.Edit(tx, t.ID, func(t *model.RouteTable) error {
			t.Associations = append(t.Associations, model.RouteAssociation{ID: id, Subnet: s.ID})
			return nil
		})
	})
	return &shape.AssociateRouteTableOutput{AssociationId: &id, AssociationState: associated}, err
}

func noAssociation(id *string) error {
	return fault.New(fault.NotFound, "InvalidAssociationID.NotFound", "The association ID '%s' does not exist", wire.Val(id))
}

// holder finds the table and the association of an id.
func holder(r store.Reader, id *string) (model.RouteTable, model.RouteAssociation, error) {
	for _, t := range state.RouteTables.All(r) {
		for _, x := range t.Associations {
			if id != nil && x.ID == *id {
				return t, x, nil
			}
		}
	}
	return model.RouteTable{}, model.RouteAssociation{}, noAssociation(id)
}

// DisassociateRouteTable gives a subnet back to the main table. Errors:
// InvalidAssociationID.NotFound, InvalidParameterValue for the main table.
func (a *API) DisassociateRouteTable(
	ctx context.Context, in *shape.DisassociateRouteTableInput,
) (*shape.DisassociateRouteTableOutput, error) {
	return nil, a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		t, x, err := holder(tx, in.AssociationId)
		if err != nil {
			return err
		}
		if x.Main {
			return value("cannot disassociate the main route table association %s", x.ID)
		}
		return dissociate(tx, t.ID, x.ID)
	})
}

func dissociate(tx *store.Tx, table, id string) error {
	return state.RouteTables.Edit(tx, table, func(t *model.RouteTable) error {
		t.Associations = slices.DeleteFunc(t.Associations, func(x model.RouteAssociation) bool { return x.ID == id })
		return nil
	})
}

// ReplaceRouteTableAssociation moves a subnet, or the role of main table, to
// another table. Errors: InvalidAssociationID.NotFound,
// InvalidRouteTableID.NotFound, InvalidParameterValue.
func (a *API) ReplaceRouteTableAssociation(
	ctx context.Context, in *shape.ReplaceRouteTableAssociationInput,
) (*shape.ReplaceRouteTableAssociationOutput, error) {
	id := a.IDs.EC2("rtbassoc")
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		from, x, err := holder(tx, in.AssociationId)
		if err != nil {
			return err
		}
		to, err := get(tx, nouns.table, state.RouteTables, in.RouteTableId, "routeTableId")
		if err != nil {
			return err
		}
		if from.VPC != to.VPC {
			return value("Route table %s and association %s belong to different networks", to.ID, x.ID)
		}
		if err := dissociate(tx, from.ID, x.ID); err != nil {
			return err
		}
		if x.Main {
			if err := state.VPCs.Edit(tx, to.VPC, func(v *model.VPC) error { v.MainRouteTable = to.ID; return nil }); err != nil {
				return err
			}
		}
		return state.RouteTables.Edit(tx, to.ID, func(t *model.RouteTable) error {
			t.Associations = append(t.Associations, model.RouteAssociation{ID: id, Subnet: x.Subnet, Main: x.Main})
			return nil
		})
	})
	return &shape.ReplaceRouteTableAssociationOutput{NewAssociationId: &id, AssociationState: associated}, err
}

// destination reads a route's destination in its canonical form.
func destination(cidr *string) (string, error) {
	if cidr == nil {
		return "", bad("MissingParameter", "Either destinationCidrBlock, destinationIpv6CidrBlock or destinationPrefixListId must be specified")
	}
	p, err := netip.ParsePrefix(*cidr)
	if err != nil || !p.Addr().Is4() {
		return "", value("Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.", *cidr)
	}
	return p.Masked().String(), nil
}

// target checks the one target that a route is given.
func target(r store.Reader, t model.RouteTable, gateway, nat, eni *string) (string, error) {
	var given []string
	for _, p := range []*string{gateway, nat, eni} {
		if p != nil {
			given = append(given, *p)
		}
	}
	switch {
	case len(given) == 0:
		return "", bad(
			"MissingParameter",
			"The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, "+
				"egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId, vpcEndpointId, coreNetworkArn or instanceId",
		)
	case len(given) > 1:
		return "", bad("InvalidParameterCombination", "The request must contain exactly one target")
	case gateway != nil && *gateway == "local":
		return "local", nil
	case gateway != nil:
		g, ok := state.InternetGateways.Get(r, *gateway)
		if !ok {
			return "", fault.New(fault.NotFound, "InvalidGatewayID.NotFound", "The gateway ID '%s' does not exist", *gateway)
		}
		if g.VPC != t.VPC {
			return "", value("route table %s and network gateway %s belong to different networks", t.ID, g.ID)
		}
	case nat != nil:
		n, ok := state.NATGateways.Get(r, *nat)
		if !ok || n.State == model.NATDeleted {
			return "", lost("InvalidNatGatewayID.NotFound", "natGateway ID", *nat)
		}
		if n.VPC != t.VPC {
			return "", value("route table %s and NAT gateway %s belong to different networks", t.ID, n.ID)
		}
	default:
		n, ok := state.NetworkInterfaces.Get(r, *eni)
		if !ok {
			return "", interfaces.gone(*eni)
		}
		if n.VPC != t.VPC {
			return "", value("route table %s and interface %s belong to different networks", t.ID, n.ID)
		}
	}
	return given[0], nil
}

// CreateRoute adds a route. Errors: RouteAlreadyExists,
// InvalidGatewayID.NotFound, InvalidNatGatewayID.NotFound,
// InvalidNetworkInterfaceID.NotFound, InvalidRouteTableID.NotFound,
// InvalidParameterValue, InvalidParameterCombination, MissingParameter.
func (a *API) CreateRoute(ctx context.Context, in *shape.CreateRouteInput) (*shape.CreateRouteOutput, error) {
	to, err := destination(in.DestinationCidrBlock)
	if err != nil {
		return nil, err
	}
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		t, err := get(tx, nouns.table, state.RouteTables, in.RouteTableId, "routeTableId")
		if err != nil {
			return err
		}
		via, err := target(tx, t, in.GatewayId, in.NatGatewayId, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		for _, x := range t.Routes {
			if x.Destination == to && x.Target == via {
				return nil // AWS takes the same route twice
			}
			if x.Destination == to {
				return fault.New(fault.Conflict, "RouteAlreadyExists", "The route identified by %s already exists.", to)
			}
		}
		return state.RouteTables.Edit(tx, t.ID, func(t *model.RouteTable) error {
			t.Routes = append(t.Routes, model.Route{Destination: to, Target: via, Origin: "CreateRoute"})
			return nil
		})
	})
	return &shape.CreateRouteOutput{Return: yes}, err
}

func noRoute(table, to string) error {
	return fault.New(fault.NotFound, "InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", to, table)
}

// ReplaceRoute gives a route another target. Errors: InvalidGatewayID.NotFound,
// InvalidNatGatewayID.NotFound, InvalidNetworkInterfaceID.NotFound,
// InvalidRouteTableID.NotFound, InvalidParameterValue (also if there is no such
// route), InvalidParameterCombination, MissingParameter.
func (a *API) ReplaceRoute(ctx context.Context, in *shape.ReplaceRouteInput) (*shape.ReplaceRouteOutput, error) {
	to, err := destination(in.DestinationCidrBlock)
	if err != nil {
		return nil, err
	}
	return nil, a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		t, err := get(tx, nouns.table, state.RouteTables, in.RouteTableId, "routeTableId")
		if err != nil {
			return err
		}
		via, err := target(tx, t, in.GatewayId, in.NatGatewayId, in.NetworkInterfaceId)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(t.Routes, func(x model.Route) bool { return x.Destination == to })
		if i < 0 {
			return value("There is no route defined for '%s' in the route table. Use CreateRoute instead.", to)
		}
		return state.RouteTables.Edit(tx, t.ID, func(t *model.RouteTable) error {
			t.Routes[i].Target = via
			return nil
		})
	})
}

// DeleteRoute removes a route. Errors: InvalidRouteTableID.NotFound,
// InvalidRoute.NotFound, InvalidParameterValue for the local route,
// MissingParameter.
func (a *API) DeleteRoute(ctx context.Context, in *shape.DeleteRouteInput) (*shape.DeleteRouteOutput, error) {
	to, err := destination(in.DestinationCidrBlock)
	if err != nil {
		return nil, err
	}
	return nil, a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		t, err := get(tx, nouns.table, state.RouteTables, in.RouteTableId, "routeTableId")
		if err != nil {
			return err
		}
		i := slices.IndexFunc(t.Routes, func(x model.Route) bool { return x.Destination == to })
		switch {
		case i < 0:
			return noRoute(t.ID, to)
		case t.Routes[i].Origin == "CreateRouteTable":
			return value("cannot remove local route %s in route table %s", to, t.ID)
		}
		return state.RouteTables.Edit(tx, t.ID, func(t *model.RouteTable) error {
			t.Routes = slices.Delete(t.Routes, i, i+1)
			return nil
		})
	})
}
