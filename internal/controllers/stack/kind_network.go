package stack

import (
	"context"

	"berth/internal/fault"
	"berth/internal/model"
)

// VPCs, subnets, route tables, routes.

func networkKinds() map[string]kind {
	return map[string]kind{
		"AWS::EC2::VPC":                         {create: createVPC, update: updateVPC, remove: remover(ec2, "DeleteVpc", "VpcId"), find: finder("vpc")},
		"AWS::EC2::Subnet":                      {create: createSubnet, update: updateSubnet, remove: remover(ec2, "DeleteSubnet", "SubnetId"), find: finder("subnet")},
		"AWS::EC2::RouteTable":                  {create: createRouteTable, update: retag, remove: remover(ec2, "DeleteRouteTable", "RouteTableId"), find: finder("route-table")},
		"AWS::EC2::Route":                       {create: createRoute, update: replaceRoute, remove: removeRoute},
		"AWS::EC2::SubnetRouteTableAssociation": {create: associate, update: nothing, remove: remover(ec2, "DisassociateRouteTable", "AssociationId"), find: findAssociation},
	}
}

// nothing is the update of types whose every property replaces.
func nothing(context.Context, *act) error { return nil }

// remover deletes by a call that takes the physical id.
func remover(service, operation, member string) func(context.Context, *act) (bool, error) {
	return func(ctx context.Context, a *act) (bool, error) {
		err := a.do(ctx, service, operation, map[string]any{member: a.id()})
		return err == nil, err
	}
}

// specs are tags as EC2 takes them on creation.
func specs(kind string, tags []model.Tag) []any {
	return []any{map[string]any{"ResourceType": kind, "Tags": pairs(tags)}}
}

// retag makes an EC2 resource's tags those it should have.
func retag(ctx context.Context, a *act) error { return retagEC2(ctx, a, a.id()) }

func retagEC2(ctx context.Context, a *act, id string) error {
	if gone := a.dropped(); len(gone) > 0 {
		var tags []any
		for _, k := range gone {
			tags = append(tags, map[string]any{"Key": k})
		}
		if err := a.do(ctx, ec2, "DeleteTags", map[string]any{"Resources": []any{id}, "Tags": tags}); err != nil {
			return err
		}
	}
	if sameTags(a.rec.Tags, a.tags) {
		return nil
	}
	return a.do(ctx, ec2, "CreateTags", map[string]any{"Resources": []any{id}, "Tags": pairs(a.tags)})
}

// finder looks an EC2 resource up by CloudFormation's own tags.
func finder(kind string) func(context.Context, *act) (bool, error) {
	return func(ctx context.Context, a *act) (bool, error) {
		out, err := a.call(ctx, ec2, "DescribeTags", map[string]any{"Filters": []any{
			filter("resource-type", kind), filter("key", "aws:cloudformation:stack-id"), filter("value", a.stack.ID),
		}})
		if err != nil {
			return false, err
		}
		for _, t := range list(out["Tags"]) {
			id := digs(t, "ResourceId")
			mine, err := a.tagged(ctx, id)
			if err != nil {
				return false, err
			}
			if mine && !a.known(id) {
				a.made(id, nil)
				return true, nil
			}
		}
		return false, nil
	}
}

func (a *act) tagged(ctx context.Context, id string) (bool, error) {
	out, err := a.call(ctx, ec2, "DescribeTags", map[string]any{"Filters": []any{filter("resource-id", id)}})
	return err == nil && a.mine(out["Tags"]), err
}

// known reports whether a physical id is another resource's, or the old one of
// this one.
func (a *act) known(id string) bool {
	for _, rec := range a.recs {
		if rec.Replaced == id || rec.PhysicalID == id && rec.LogicalID != a.rec.LogicalID {
			return true
		}
	}
	return false
}

func filter(name string, values ...any) map[string]any {
	return map[string]any{"Name": name, "Values": values}
}

// once makes something new unless it exists: from an earlier attempt, or
// because it has just been found.
func (a *act) once(ctx context.Context, find func(context.Context, *act) (bool, error), make func() error) error {
	if a.id() != "" {
		return nil
	}
	if a.again && find != nil {
		if found, err := find(ctx, a); err != nil || found {
			return err
		}
	}
	return make()
}

func createVPC(ctx context.Context, a *act) error {
	err := a.once(ctx, finder("vpc"), func() error {
		in := pick(a.props, "CidrBlock", "InstanceTenancy")
		in["TagSpecifications"] = specs("vpc", a.tags)
		out, err := a.call(ctx, ec2, "CreateVpc", in)
		a.made(digs(out, "Vpc", "VpcId"), nil)
		return err
	})
	if err != nil {
		return err
	}
	if err := vpcAttributes(ctx, a, a.props); err != nil {
		return err
	}
	return vpcFacts(ctx, a)
}

func vpcAttributes(ctx context.Context, a *act, props map[string]any) error {
	for _, name := range []string{"EnableDnsSupport", "EnableDnsHostnames"} {
		if v, ok := props[name]; ok {
			if err := a.do(ctx, ec2, "ModifyVpcAttribute", map[string]any{"VpcId": a.id(), name: map[string]any{"Value": v}}); err != nil {
				return err
			}
		}
	}
	return nil
}

func vpcFacts(ctx context.Context, a *act) error {
	groups, err := a.call(ctx, ec2, "DescribeSecurityGroups", map[string]any{"Filters": []any{filter("vpc-id", a.id()), filter("group-name", "default")}})
	if err != nil {
		return err
	}
	vpcs, err := a.call(ctx, ec2, "DescribeVpcs", map[string]any{"VpcIds": []any{a.id()}})
	if err != nil {
		return err
	}
	associations := []any{}
	for _, c := range list(dig(vpcs, "Vpcs", 0, "CidrBlockAssociationSet")) {
		associations = append(associations, digs(c, "AssociationId"))
	}
	a.made(a.id(), map[string]any{
		"VpcId": a.id(), "CidrBlock": a.props["CidrBlock"], "DefaultSecurityGroup": digs(groups, "SecurityGroups", 0, "GroupId"),
		"CidrBlockAssociations": associations, "Ipv6CidrBlocks": []any{},
	})
	return nil
}

func updateVPC(ctx context.Context, a *act) error {
	props := map[string]any{}
	// What is no longer said goes back to EC2's defaults.
	for name, usual := range map[string]any{"EnableDnsSupport": true, "EnableDnsHostnames": false} {
		if a.changed(name) {
			props[name] = usual
			if v, ok := a.props[name]; ok {
				props[name] = v
			}
		}
	}
	if a.changed("InstanceTenancy") {
		return fault.New(fault.NotImplemented, "NotImplemented", "Changing InstanceTenancy of a VPC is not built in Berth")
	}
	if err := vpcAttributes(ctx, a, props); err != nil {
		return err
	}
	return retag(ctx, a)
}

func createSubnet(ctx context.Context, a *act) error {
	err := a.once(ctx, finder("subnet"), func() error {
		in := pick(a.props, "VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId")
		in["TagSpecifications"] = specs("subnet", a.tags)
		out, err := a.call(ctx, ec2, "CreateSubnet", in)
		a.made(digs(out, "Subnet", "SubnetId"), nil)
		return err
	})
	if err != nil {
		return err
	}
	if v, ok := a.props["MapPublicIpOnLaunch"]; ok {
		if err := mapPublic(ctx, a, v); err != nil {
			return err
		}
	}
	out, err := a.call(ctx, ec2, "DescribeSubnets", map[string]any{"SubnetIds": []any{a.id()}})
	if err != nil {
		return err
	}
	s, _ := dig(out, "Subnets", 0).(map[string]any)
	a.made(a.id(), map[string]any{
		"SubnetId": a.id(), "AvailabilityZone": s["AvailabilityZone"], "AvailabilityZoneId": s["AvailabilityZoneId"],
		"VpcId": s["VpcId"], "CidrBlock": s["CidrBlock"], "Ipv6CidrBlocks": []any{},
	})
	return nil
}

func mapPublic(ctx context.Context, a *act, v any) error {
	return a.do(ctx, ec2, "ModifySubnetAttribute", map[string]any{"SubnetId": a.id(), "MapPublicIpOnLaunch": map[string]any{"Value": v}})
}

func updateSubnet(ctx context.Context, a *act) error {
	if a.changed("MapPublicIpOnLaunch") {
		v, ok := a.props["MapPublicIpOnLaunch"]
		if !ok {
			v = false
		}
		if err := mapPublic(ctx, a, v); err != nil {
			return err
		}
	}
	return retag(ctx, a)
}

func createRouteTable(ctx context.Context, a *act) error {
	err := a.once(ctx, finder("route-table"), func() error {
		out, err := a.call(ctx, ec2, "CreateRouteTable", map[string]any{"VpcId": a.props["VpcId"], "TagSpecifications": specs("route-table", a.tags)})
		a.made(digs(out, "RouteTable", "RouteTableId"), nil)
		return err
	})
	a.rec.Attributes["RouteTableId"] = a.id()
	return err
}

func routeCall(a *act) map[string]any {
	return pick(a.props, "RouteTableId", "DestinationCidrBlock", "GatewayId", "NatGatewayId")
}

func createRoute(ctx context.Context, a *act) error {
	err := a.do(ctx, ec2, "CreateRoute", routeCall(a))
	if err != nil && a.again && exists(err) {
		err = a.do(ctx, ec2, "ReplaceRoute", routeCall(a))
	}
	if err != nil {
		return err
	}
	a.made(a.str("RouteTableId")+"|"+a.str("DestinationCidrBlock"), map[string]any{"CidrBlock": a.str("DestinationCidrBlock")})
	return nil
}

func replaceRoute(ctx context.Context, a *act) error {
	return a.do(ctx, ec2, "ReplaceRoute", routeCall(a))
}

func removeRoute(ctx context.Context, a *act) (bool, error) {
	err := a.do(ctx, ec2, "DeleteRoute", pick(a.props, "RouteTableId", "DestinationCidrBlock"))
	return err == nil, err
}

func associate(ctx context.Context, a *act) error {
	err := a.once(ctx, findAssociation, func() error {
		out, err := a.call(ctx, ec2, "AssociateRouteTable", pick(a.props, "RouteTableId", "SubnetId"))
		a.made(digs(out, "AssociationId"), nil)
		return err
	})
	a.rec.Attributes["Id"] = a.id()
	return err
}

func findAssociation(ctx context.Context, a *act) (bool, error) {
	out, err := a.call(ctx, ec2, "DescribeRouteTables", map[string]any{"RouteTableIds": []any{a.props["RouteTableId"]}})
	if err != nil {
		return false, err
	}
	for _, as := range list(dig(out, "RouteTables", 0, "Associations")) {
		if digs(as, "SubnetId") == a.str("SubnetId") {
			a.made(digs(as, "RouteTableAssociationId"), nil)
			return true, nil
		}
	}
	return false, nil
}
