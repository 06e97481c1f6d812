package stack

import (
	"context"
	"strings"

	"berth/internal/fault"
)

// Internet gateways, NAT gateways and addresses.

func gatewayKinds() map[string]kind {
	return map[string]kind{
		"AWS::EC2::InternetGateway": {create: createGateway, update: retag, remove: remover(ec2, "DeleteInternetGateway", "InternetGatewayId"), find: finder("internet-gateway")},
		gateway:                     {create: attach, update: reattach, remove: detach},
		"AWS::EC2::EIP":             {create: createAddress, update: retagAddress, remove: removeAddress, find: findAddress},
		"AWS::EC2::NatGateway":      {create: createNAT, update: retag, settle: settleNAT, remove: removeNAT, find: finder("natgateway")},
	}
}

func createGateway(ctx context.Context, a *act) error {
	err := a.once(ctx, finder("internet-gateway"), func() error {
		out, err := a.call(ctx, ec2, "CreateInternetGateway", map[string]any{"TagSpecifications": specs("internet-gateway", a.tags)})
		a.made(digs(out, "InternetGateway", "InternetGatewayId"), nil)
		return err
	})
	a.rec.Attributes["InternetGatewayId"] = a.id()
	return err
}

func attach(ctx context.Context, a *act) error {
	if a.str("InternetGatewayId") == "" {
		return fault.New(fault.Invalid, "ValidationError", "Either InternetGatewayId or VpnGatewayId must be specified")
	}
	err := a.do(ctx, ec2, "AttachInternetGateway", pick(a.props, "InternetGatewayId", "VpcId"))
	if err != nil && a.again && strings.Contains(fault.CodeOf(err), "AlreadyAssociated") {
		err = nil
	}
	if err != nil {
		return err
	}
	a.made("IGW|"+a.str("VpcId"), map[string]any{"AttachmentType": "IGW"})
	return nil
}

func reattach(ctx context.Context, a *act) error {
	old := map[string]any{"InternetGatewayId": a.old["InternetGatewayId"], "VpcId": a.old["VpcId"]}
	if err := a.do(ctx, ec2, "DetachInternetGateway", old); err != nil && !detached(err) {
		return err
	}
	return attach(ctx, a)
}

func detached(err error) bool {
	return absent(err) || strings.Contains(fault.CodeOf(err), "NotAttached")
}

func detach(ctx context.Context, a *act) (bool, error) {
	err := a.do(ctx, ec2, "DetachInternetGateway", pick(a.props, "InternetGatewayId", "VpcId"))
	if err != nil && detached(err) {
		err = nil
	}
	return err == nil, err
}

func createAddress(ctx context.Context, a *act) error {
	return a.once(ctx, findAddress, func() error {
		out, err := a.call(ctx, ec2, "AllocateAddress", map[string]any{"Domain": "vpc", "TagSpecifications": specs("elastic-ip", a.tags)})
		if err != nil {
			return err
		}
		a.made(digs(out, "PublicIp"), map[string]any{"AllocationId": digs(out, "AllocationId"), "PublicIp": digs(out, "PublicIp")})
		return nil
	})
}

func findAddress(ctx context.Context, a *act) (bool, error) {
	out, err := a.call(ctx, ec2, "DescribeAddresses", map[string]any{})
	if err != nil {
		return false, err
	}
	for _, ad := range list(out["Addresses"]) {
		if a.mine(dig(ad, "Tags")) {
			a.made(digs(ad, "PublicIp"), map[string]any{"AllocationId": digs(ad, "AllocationId"), "PublicIp": digs(ad, "PublicIp")})
			return true, nil
		}
	}
	return false, nil
}

func allocation(a *act) string { s, _ := a.rec.Attributes["AllocationId"].(string); return s }

func retagAddress(ctx context.Context, a *act) error { return retagEC2(ctx, a, allocation(a)) }

func removeAddress(ctx context.Context, a *act) (bool, error) {
	err := a.do(ctx, ec2, "ReleaseAddress", map[string]any{"AllocationId": allocation(a)})
	return err == nil, err
}

func createNAT(ctx context.Context, a *act) error {
	err := a.once(ctx, finder("natgateway"), func() error {
		in := pick(a.props, "AllocationId", "ConnectivityType", "SubnetId")
		in["ClientToken"], in["TagSpecifications"] = a.rec.Token, specs("natgateway", a.tags)
		out, err := a.call(ctx, ec2, "CreateNatGateway", in)
		a.made(digs(out, "NatGateway", "NatGatewayId"), nil)
		return err
	})
	a.rec.Attributes["NatGatewayId"] = a.id()
	return err
}

func describeNAT(ctx context.Context, a *act) (state, why string, err error) {
	out, err := a.call(ctx, ec2, "DescribeNatGateways", map[string]any{"NatGatewayIds": []any{a.id()}})
	return digs(out, "NatGateways", 0, "State"), digs(out, "NatGateways", 0, "FailureMessage"), err
}

func settleNAT(ctx context.Context, a *act) (bool, error) {
	state, why, err := describeNAT(ctx, a)
	if state == "failed" {
		return false, notStabilized("NatGateway %s is in state failed and hence failed to stabilize. Detailed failure message: %s", a.id(), why)
	}
	return state == "available", err
}

func removeNAT(ctx context.Context, a *act) (bool, error) {
	state, _, err := describeNAT(ctx, a)
	switch {
	case err != nil:
		return false, err
	case state == "" || state == "deleted":
		return true, nil
	case state == "deleting":
		return false, nil
	}
	return false, a.do(ctx, ec2, "DeleteNatGateway", map[string]any{"NatGatewayId": a.id()})
}
