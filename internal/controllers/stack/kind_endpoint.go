package stack

import (
	"context"
	"time"
)

// VPC endpoints.

func endpointKinds() map[string]kind {
	return map[string]kind{
		"AWS::EC2::VPCEndpoint": {create: createEndpoint, update: updateEndpoint, settle: settleEndpoint, remove: removeEndpoint, find: finder("vpc-endpoint")},
	}
}

func createEndpoint(ctx context.Context, a *act) error {
	return a.once(ctx, finder("vpc-endpoint"), func() error {
		in := pick(a.props, "VpcId", "ServiceName", "VpcEndpointType", "SubnetIds", "SecurityGroupIds", "RouteTableIds", "PrivateDnsEnabled")
		in["PolicyDocument"] = document(a.props["PolicyDocument"])
		in["ClientToken"], in["TagSpecifications"] = a.rec.Token, specs("vpc-endpoint", a.tags)
		out, err := a.call(ctx, ec2, "CreateVpcEndpoint", in)
		a.made(digs(out, "VpcEndpoint", "VpcEndpointId"), nil)
		return err
	})
}

func describeEndpoint(ctx context.Context, a *act) (map[string]any, error) {
	out, err := a.call(ctx, ec2, "DescribeVpcEndpoints", map[string]any{"VpcEndpointIds": []any{a.id()}})
	e, _ := dig(out, "VpcEndpoints", 0).(map[string]any)
	return e, err
}

// settleEndpoint waits for the interfaces, and learns what Fn::GetAtt tells.
func settleEndpoint(ctx context.Context, a *act) (bool, error) {
	e, err := describeEndpoint(ctx, a)
	if err != nil {
		return false, err
	}
	state := digs(e, "State")
	if state == "failed" || state == "rejected" {
		return false, notStabilized("VPC endpoint %s is in state %s: %s", a.id(), state, digs(e, "LastError", "Message"))
	}
	names := []any{}
	for _, d := range list(e["DnsEntries"]) {
		names = append(names, digs(d, "HostedZoneId")+":"+digs(d, "DnsName"))
	}
	faces := []any{}
	faces = append(faces, list(e["NetworkInterfaceIds"])...)
	created := ""
	if t, ok := e["CreationTimestamp"].(time.Time); ok {
		created = t.UTC().Format(time.RFC3339)
	}
	a.made(a.id(), map[string]any{"Id": a.id(), "DnsEntries": names, "NetworkInterfaceIds": faces, "CreationTimestamp": created})
	return state == "available", nil
}

func updateEndpoint(ctx context.Context, a *act) error {
	in := map[string]any{"VpcEndpointId": a.id()}
	for property, member := range map[string]string{"SubnetIds": "Subnet", "SecurityGroupIds": "SecurityGroup", "RouteTableIds": "RouteTable"} {
		was, want := strs(a.old[property]), strs(a.props[property])
		if add := less(want, was); len(add) > 0 {
			in["Add"+member+"Ids"] = add
		}
		if drop := less(was, want); len(drop) > 0 {
			in["Remove"+member+"Ids"] = drop
		}
	}
	if a.changed("PolicyDocument") {
		if d := document(a.props["PolicyDocument"]); d != nil {
			in["PolicyDocument"] = d
		} else {
			in["ResetPolicy"] = true
		}
	}
	if a.changed("PrivateDnsEnabled") {
		on, _ := a.props["PrivateDnsEnabled"].(bool)
		in["PrivateDnsEnabled"] = on
	}
	if len(in) > 1 {
		if err := a.do(ctx, ec2, "ModifyVpcEndpoint", in); err != nil {
			return err
		}
	}
	return retag(ctx, a)
}

func removeEndpoint(ctx context.Context, a *act) (bool, error) {
	e, err := describeEndpoint(ctx, a)
	if err != nil {
		return false, err
	}
	switch digs(e, "State") {
	case "", "deleted":
		return true, nil
	case "deleting":
		return false, nil
	}
	out, err := a.call(ctx, ec2, "DeleteVpcEndpoints", map[string]any{"VpcEndpointIds": []any{a.id()}})
	if err != nil {
		return false, err
	}
	if why := digs(out, "Unsuccessful", 0, "Error", "Message"); why != "" {
		return false, general("%s", why)
	}
	return a.absentNow(ctx, describeEndpoint)
}

// absentNow looks whether a describe call finds the resource no more.
func (a *act) absentNow(ctx context.Context, describe func(context.Context, *act) (map[string]any, error)) (bool, error) {
	m, err := describe(ctx, a)
	if absent(err) {
		return true, nil
	}
	return err == nil && len(m) == 0, err
}
