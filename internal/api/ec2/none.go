package ec2

import (
	"context"

	"berth/internal/page"
	shape "berth/internal/wire/shape/ec2"
)

// There are no things of these kinds, so their lists are empty; one that is
// asked for by id is not found.

func none(in any, code, called string, ids []string) error {
	if len(ids) == 0 {
		_, err := page.After(pages, in)
		return err
	}
	return lost(code, called, ids[0])
}

// DescribeVpcPeeringConnections lists nothing: peering is not built. Errors:
// InvalidVpcPeeringConnectionID.NotFound, InvalidParameterValue.
func (a *API) DescribeVpcPeeringConnections(
	_ context.Context, in *shape.DescribeVpcPeeringConnectionsInput,
) (*shape.DescribeVpcPeeringConnectionsOutput, error) {
	return &shape.DescribeVpcPeeringConnectionsOutput{}, none(
		in, "InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection ID", in.VpcPeeringConnectionIds,
	)
}

// DescribeEgressOnlyInternetGateways lists nothing: there is no IPv6. Errors:
// InvalidEgressOnlyInternetGatewayId.NotFound, InvalidParameterValue.
func (a *API) DescribeEgressOnlyInternetGateways(
	_ context.Context, in *shape.DescribeEgressOnlyInternetGatewaysInput,
) (*shape.DescribeEgressOnlyInternetGatewaysOutput, error) {
	return &shape.DescribeEgressOnlyInternetGatewaysOutput{}, none(
		in, "InvalidEgressOnlyInternetGatewayId.NotFound", "eigw ID", in.EgressOnlyInternetGatewayIds,
	)
}

// DescribeKeyPairs lists nothing: nobody logs in to a managed instance. Errors:
// InvalidKeyPair.NotFound.
func (a *API) DescribeKeyPairs(_ context.Context, in *shape.DescribeKeyPairsInput) (*shape.DescribeKeyPairsOutput, error) {
	return &shape.DescribeKeyPairsOutput{}, none(in, "InvalidKeyPair.NotFound", "key pair", append(in.KeyNames, in.KeyPairIds...))
}
