package handler

// VPC endpoints.

func endpointTypes() map[string]*Type {
	attributes := paths("CreationTimestamp")
	attributes["Id"], attributes["NetworkInterfaceIds"], attributes["DnsEntries"] = self, listAt("NetworkInterfaceIds"), dnsEntries
	return map[string]*Type{
		"AWS::EC2::VPCEndpoint": {
			Service: ec2, Tags: ec2Tags("vpc-endpoint", self), Lookup: byEC2Tag("vpc-endpoint"), Lingers: true,
			Make: Call{
				Operation: "CreateVpcEndpoint", With: Args{"ClientToken": token}, Answer: "VpcEndpoint",
				Members: names("VpcId ServiceName VpcEndpointType SubnetIds SecurityGroupIds RouteTableIds PrivateDnsEnabled PolicyDocument"),
			},
			ID:         at("VpcEndpointId"),
			Convert:    map[string]func(*Step, any) (any, error){"PolicyDocument": document},
			Changes:    []Change{endpointChange()},
			Read:       Call{Operation: "DescribeVpcEndpoints", With: Args{"VpcEndpointIds": listOf(self)}, Answer: "VpcEndpoints.0"},
			Attributes: attributes,
			Status: []Status{{
				Path: "State", Ready: names("available"), Failed: names("failed rejected"), Absent: names("deleted"), Ending: names("deleting"),
				Reason: "LastError.Message", Text: "VPC endpoint {id} is in state {state}: {why}",
			}},
			Remove:  Call{Operation: "DeleteVpcEndpoints", With: Args{"VpcEndpointIds": listOf(self)}},
			Refused: "Unsuccessful.0.Error",
		},
	}
}

func endpointChange() Change {
	return Change{
		Call: Call{
			Operation: "ModifyVpcEndpoint", Members: names("PolicyDocument PrivateDnsEnabled"), With: Args{"VpcEndpointId": self},
			Prepare: func(s *Step, in map[string]any) error {
				if s.changed("PolicyDocument") && in["PolicyDocument"] == nil {
					in["ResetPolicy"] = true
				}
				return nil
			},
		},
		Part: true, Usual: map[string]any{"PrivateDnsEnabled": false},
		Differ: map[string]Differ{
			"SubnetIds": {"AddSubnetIds", "RemoveSubnetIds"}, "SecurityGroupIds": {"AddSecurityGroupIds", "RemoveSecurityGroupIds"},
			"RouteTableIds": {"AddRouteTableIds", "RemoveRouteTableIds"},
		},
	}
}

// dnsEntries are the endpoint's names, each with its zone before it.
func dnsEntries(s *Step) any {
	out := []any{}
	for _, d := range list(dig(s.object, "DnsEntries")) {
		out = append(out, digText(d, "HostedZoneId")+":"+digText(d, "DnsName"))
	}
	return out
}
