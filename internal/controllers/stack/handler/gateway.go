package handler

import (
	"context"

	"berth/internal/fault"
)

// Internet gateways, NAT gateways and addresses.

func gatewayTypes() map[string]*Type {
	return map[string]*Type{
		"AWS::EC2::InternetGateway": {
			Service: ec2, Tags: ec2Tags("internet-gateway", self), Lookup: byEC2Tag("internet-gateway"),
			Make:       Call{Operation: "CreateInternetGateway", Answer: "InternetGateway"},
			ID:         at("InternetGatewayId"),
			Attributes: map[string]Value{"InternetGatewayId": self},
			Remove:     Call{Operation: "DeleteInternetGateway", With: Args{"InternetGatewayId": self}},
		},
		"AWS::EC2::VPCGatewayAttachment": attachmentType(),
		"AWS::EC2::EIP":                  addressType(),
		"AWS::EC2::NatGateway":           natGatewayType(),
	}
}

func attachmentType() *Type {
	return &Type{
		Service: ec2,
		Make: Call{
			Operation: "AttachInternetGateway", Members: names("InternetGatewayId VpcId"),
			Prepare: func(s *Step, _ map[string]any) error {
				if s.text("InternetGatewayId") == "" {
					return fault.New(fault.Invalid, "ValidationError", "Either InternetGatewayId or VpnGatewayId must be specified")
				}
				return nil
			},
		},
		ID:         joined(constant("IGW"), property("VpcId")),
		Exists:     attachedHere,
		Changes:    []Change{{Call: Call{Members: names("InternetGatewayId")}, Do: reattach}},
		Attributes: map[string]Value{"AttachmentType": constant("IGW")},
		Remove: Call{
			Operation: "DetachInternetGateway", Members: names("InternetGatewayId VpcId"),
			Forgive: names("Gateway.NotAttached InvalidInternetGatewayID.NotFound"),
		},
	}
}

// reattach gives a VPC another gateway: the old one has to go first.
func reattach(ctx context.Context, s *Step) error {
	old := Call{
		Operation: "DetachInternetGateway", Forgive: names("Gateway.NotAttached InvalidInternetGatewayID.NotFound"),
		With: Args{"InternetGatewayId": constant(s.Record.Prior["InternetGatewayId"]), "VpcId": property("VpcId")},
	}
	if _, err := s.kind.call(ctx, s, old, map[string]any{}); err != nil {
		return err
	}
	attach := s.kind.Make
	attach.With = Args{"InternetGatewayId": property("InternetGatewayId"), "VpcId": property("VpcId")}
	_, err := s.kind.call(ctx, s, attach, map[string]any{})
	if exists(err) {
		return attachedHere(ctx, s, err)
	}
	return err
}

// attachedHere forgives an error if it is our VPC that the gateway is attached
// to: an earlier step did that, or one that failed did not undo it.
func attachedHere(ctx context.Context, s *Step, why error) error {
	out, err := s.API.Call(ctx, ec2, "DescribeInternetGateways", map[string]any{"InternetGatewayIds": []any{s.text("InternetGatewayId")}})
	if err == nil && digText(out, "InternetGateways.0.Attachments.0.VpcId") != s.text("VpcId") {
		return why
	}
	return err
}

func addressType() *Type {
	return &Type{
		Service: ec2, Tags: ec2Tags("elastic-ip", attribute("AllocationId")),
		Make:       Call{Operation: "AllocateAddress", With: Args{"Domain": constant("vpc")}, Carries: names("Domain")},
		ID:         at("PublicIp"),
		Lookup:     among(Call{Operation: "DescribeAddresses", Answer: "Addresses"}, tagged("Tags")),
		Unsent:     map[string]string{"Domain": "every address is a VPC's"},
		Attributes: paths("AllocationId PublicIp"),
		Remove:     Call{Operation: "ReleaseAddress", With: Args{"AllocationId": attribute("AllocationId")}},
	}
}

func natGatewayType() *Type {
	return &Type{
		Service: ec2, Tags: ec2Tags("natgateway", self), Lookup: byEC2Tag("natgateway"), Lingers: true,
		Make: Call{
			Operation: "CreateNatGateway", Members: names("AllocationId ConnectivityType SubnetId"), With: Args{"ClientToken": token},
			Answer: "NatGateway",
		},
		ID:         at("NatGatewayId"),
		Read:       Call{Operation: "DescribeNatGateways", With: Args{"NatGatewayIds": listOf(self)}, Answer: "NatGateways.0"},
		Attributes: map[string]Value{"NatGatewayId": self, "EniId": at("NatGatewayAddresses.0.NetworkInterfaceId")},
		Status: []Status{{
			Path: "State", Ready: names("available"), Failed: names("failed"), Absent: names("deleted"), Ending: names("deleting"),
			Reason: "FailureMessage",
			Text:   "NatGateway {id} is in state failed and hence failed to stabilize. Detailed failure message: {why}",
		}},
		Remove: Call{Operation: "DeleteNatGateway", With: Args{"NatGatewayId": self}},
	}
}
