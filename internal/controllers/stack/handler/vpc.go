package handler

import (
	"context"

	"berth/internal/fault"
)

// VPCs, subnets, route tables, routes.

func vpcTypes() map[string]*Type {
	return map[string]*Type{
		"AWS::EC2::VPC": vpcType(), "AWS::EC2::Subnet": subnetType(), "AWS::EC2::RouteTable": routeTableType(), "AWS::EC2::Route": routeType(),
		"AWS::EC2::SubnetRouteTableAssociation": associationType(),
	}
}

// ec2Tags is how all that EC2 makes is tagged.
func ec2Tags(spec string, id Value) Tagging {
	return Tagging{
		Spec: spec, Member: "Tags", Form: pairs, Add: "CreateTags", Remove: "DeleteTags", Of: Args{"Resources": listOf(id)},
		Keys: "Tags", KeyPairs: true,
	}
}

// ec2Attribute changes one attribute of a resource; one that is given no more
// goes back to EC2's default.
func ec2Attribute(operation, member, property string, usual any) Change {
	return Change{
		Call: Call{
			Operation: operation, Members: []string{property}, With: Args{member: self},
			Prepare: func(_ *Step, in map[string]any) error {
				in[property] = map[string]any{"Value": in[property]}
				return nil
			},
		},
		Usual: map[string]any{property: usual},
	}
}

// byEC2Tag looks an EC2 resource up by CloudFormation's own tags.
func byEC2Tag(kind string) Finder {
	return func(ctx context.Context, s *Step) (string, any, error) {
		in := map[string]any{"Filters": []any{filter("resource-type", kind), filter("key", StackIDTag), filter("value", s.StackID)}}
		out, err := s.API.Call(ctx, ec2, "DescribeTags", in)
		if err != nil {
			return "", nil, err
		}
		for _, t := range list(out["Tags"]) {
			id := digText(t, "ResourceId")
			own, err := s.API.Call(ctx, ec2, "DescribeTags", map[string]any{"Filters": []any{filter("resource-id", id)}})
			if err != nil {
				return "", nil, err
			}
			if !s.mine(own["Tags"]) || s.Taken(id) {
				continue
			}
			// What is deleted keeps its tags for a while.
			if lives, err := s.kind.lives(ctx, s, id); err != nil || lives {
				return id, nil, err
			}
		}
		return "", nil, nil
	}
}

func vpcType() *Type {
	return &Type{
		Service: ec2, Tags: ec2Tags("vpc", self), Lookup: byEC2Tag("vpc"),
		Make: Call{Operation: "CreateVpc", Members: names("CidrBlock InstanceTenancy"), Answer: "Vpc"},
		ID:   at("VpcId"),
		Changes: []Change{
			ec2Attribute("ModifyVpcAttribute", "VpcId", "EnableDnsSupport", true),
			ec2Attribute("ModifyVpcAttribute", "VpcId", "EnableDnsHostnames", false),
		},
		Refuse: map[string]func(*Step) error{
			"InstanceTenancy": refusing(fault.NotImplemented, "NotImplemented", "Changing InstanceTenancy of a VPC is not built in Berth"),
		},
		Read: Call{Operation: "DescribeVpcs", With: Args{"VpcIds": listOf(self)}, Answer: "Vpcs.0"},
		Attributes: map[string]Value{
			"VpcId": self, "CidrBlock": property("CidrBlock"), "CidrBlockAssociations": listAt("CidrBlockAssociationSet.*.AssociationId"),
			"Ipv6CidrBlocks": constant([]any{}),
		},
		Also: []Look{
			{
				Call: Call{
					Operation: "DescribeSecurityGroups", With: Args{"Filters": filters("vpc-id", Value(self), "group-name", "default")},
					Answer: "SecurityGroups.0",
				},
				Attributes: paths("DefaultSecurityGroup=GroupId"),
			},
			{
				Call: Call{
					Operation: "DescribeNetworkAcls", With: Args{"Filters": filters("vpc-id", Value(self), "default", "true")}, Answer: "NetworkAcls.0",
				},
				Attributes: paths("DefaultNetworkAcl=NetworkAclId"),
			},
		},
		Remove: Call{Operation: "DeleteVpc", With: Args{"VpcId": self}},
	}
}

func subnetType() *Type {
	attributes := paths("AvailabilityZone AvailabilityZoneId VpcId CidrBlock")
	attributes["SubnetId"], attributes["Ipv6CidrBlocks"] = self, constant([]any{})
	return &Type{
		Service: ec2, Tags: ec2Tags("subnet", self), Lookup: byEC2Tag("subnet"),
		Make:       Call{Operation: "CreateSubnet", Members: names("VpcId CidrBlock AvailabilityZone AvailabilityZoneId"), Answer: "Subnet"},
		ID:         at("SubnetId"),
		Changes:    []Change{ec2Attribute("ModifySubnetAttribute", "SubnetId", "MapPublicIpOnLaunch", false)},
		Read:       Call{Operation: "DescribeSubnets", With: Args{"SubnetIds": listOf(self)}, Answer: "Subnets.0"},
		Attributes: attributes,
		Also: []Look{{
			Call: Call{Operation: "DescribeNetworkAcls", With: Args{"Filters": filters("association.subnet-id", Value(self))},
				Answer: "NetworkAcls.0"},
			Attributes: map[string]Value{"NetworkAclAssociationId": aclAssociation},
		}},
		Remove: Call{Operation: "DeleteSubnet", With: Args{"SubnetId": self}},
	}
}

// aclAssociation is what ties the subnet to its network ACL, among all that
// the ACL is tied to.
func aclAssociation(s *Step) any {
	for _, a := range list(dig(s.object, "Associations")) {
		if digText(a, "SubnetId") == s.id() {
			return digText(a, "NetworkAclAssociationId")
		}
	}
	return nil
}

func routeTableType() *Type {
	return &Type{
		Service: ec2, Tags: ec2Tags("route-table", self), Lookup: byEC2Tag("route-table"),
		Make:       Call{Operation: "CreateRouteTable", Members: names("VpcId"), Answer: "RouteTable"},
		ID:         at("RouteTableId"),
		Attributes: map[string]Value{"RouteTableId": self},
		Remove:     Call{Operation: "DeleteRouteTable", With: Args{"RouteTableId": self}},
	}
}

func routeType() *Type {
	route := Args{"RouteTableId": property("RouteTableId"), "DestinationCidrBlock": property("DestinationCidrBlock")}
	replace := Call{Operation: "ReplaceRoute", Members: names("GatewayId NatGatewayId"), With: route}
	return &Type{
		Service: ec2,
		Make:    Call{Operation: "CreateRoute", Members: names("RouteTableId DestinationCidrBlock GatewayId NatGatewayId")},
		ID:      joined(property("RouteTableId"), property("DestinationCidrBlock")),
		Exists: func(ctx context.Context, s *Step, _ error) error {
			return s.kind.change(ctx, s, Change{Call: replace}, false)
		},
		Changes:    []Change{{Call: replace}},
		Attributes: map[string]Value{"CidrBlock": property("DestinationCidrBlock")},
		Remove:     Call{Operation: "DeleteRoute", With: route},
	}
}

func associationType() *Type {
	return &Type{
		Service: ec2,
		Make:    Call{Operation: "AssociateRouteTable", Members: names("RouteTableId SubnetId")},
		ID:      firstAt("AssociationId", "RouteTableAssociationId"),
		Lookup: among(
			Call{Operation: "DescribeRouteTables", With: Args{"RouteTableIds": listOf(property("RouteTableId"))},
				Answer: "RouteTables.0.Associations"},
			matching("SubnetId", property("SubnetId")),
		),
		Attributes: map[string]Value{"Id": self},
		Remove:     Call{Operation: "DisassociateRouteTable", With: Args{"AssociationId": self}},
	}
}
