package ec2

import (
	"berth/internal/model"
)

// nouns say how each kind is listed and filtered.
var nouns = struct {
	vpc      noun[model.VPC]
	subnet   noun[model.Subnet]
	gateway  noun[model.InternetGateway]
	nat      noun[model.NATGateway]
	address  noun[model.Address]
	table    noun[model.RouteTable]
	group    noun[model.SecurityGroup]
	endpoint noun[model.VPCEndpoint]
}{
	vpc: noun[model.VPC]{
		id: func(v model.VPC) string { return v.ID }, absent: "InvalidVpcID.NotFound", called: "vpc ID",
		tags: func(v model.VPC) []model.Tag { return v.Tags },
		filters: map[string]func(model.VPC) []string{
			"vpc-id":                            one(func(v model.VPC) string { return v.ID }),
			"cidr":                              one(func(v model.VPC) string { return v.CIDR }),
			"cidr-block-association.cidr-block": one(func(v model.VPC) string { return v.CIDR }),
			"cidr-block-association.state":      fixed[model.VPC]("associated"),
			"dhcp-options-id":                   one(func(v model.VPC) string { return v.DHCPOptions }),
			"is-default":                        flag(func(v model.VPC) bool { return v.Default }),
			"isDefault":                         flag(func(v model.VPC) bool { return v.Default }),
			"state":                             fixed[model.VPC]("available"),
		},
	},
	subnet: noun[model.Subnet]{
		id: func(s model.Subnet) string { return s.ID }, absent: "InvalidSubnetID.NotFound", called: "subnet ID",
		tags: func(s model.Subnet) []model.Tag { return s.Tags },
		filters: map[string]func(model.Subnet) []string{
			"subnet-id":               one(func(s model.Subnet) string { return s.ID }),
			"vpc-id":                  one(func(s model.Subnet) string { return s.VPC }),
			"cidr":                    one(func(s model.Subnet) string { return s.CIDR }),
			"cidr-block":              one(func(s model.Subnet) string { return s.CIDR }),
			"cidrBlock":               one(func(s model.Subnet) string { return s.CIDR }),
			"availability-zone":       one(func(s model.Subnet) string { return s.AvailabilityZone }),
			"availabilityZone":        one(func(s model.Subnet) string { return s.AvailabilityZone }),
			"availability-zone-id":    one(func(s model.Subnet) string { return s.AvailabilityZoneID }),
			"map-public-ip-on-launch": flag(func(s model.Subnet) bool { return s.MapPublicIPOnLaunch }),
			"state":                   fixed[model.Subnet]("available"),
		},
	},
	gateway: noun[model.InternetGateway]{
		id: func(g model.InternetGateway) string { return g.ID }, absent: "InvalidInternetGatewayID.NotFound", called: "internetGateway ID",
		tags: func(g model.InternetGateway) []model.Tag { return g.Tags },
		filters: map[string]func(model.InternetGateway) []string{
			"internet-gateway-id": one(func(g model.InternetGateway) string { return g.ID }),
			"attachment.vpc-id":   one(func(g model.InternetGateway) string { return g.VPC }),
			"attachment.state": one(func(g model.InternetGateway) string {
				if g.VPC == "" {
					return ""
				}
				return "available"
			}),
		},
	},
	nat: noun[model.NATGateway]{
		id: func(n model.NATGateway) string { return n.ID }, absent: "NatGatewayNotFound", called: "Nat Gateway",
		tags: func(n model.NATGateway) []model.Tag { return n.Tags },
		filters: map[string]func(model.NATGateway) []string{
			"nat-gateway-id": one(func(n model.NATGateway) string { return n.ID }),
			"subnet-id":      one(func(n model.NATGateway) string { return n.Subnet }),
			"vpc-id":         one(func(n model.NATGateway) string { return n.VPC }),
			"state":          one(func(n model.NATGateway) string { return string(n.State) }),
		},
	},
	address: noun[model.Address]{
		id: func(x model.Address) string { return x.AllocationID }, absent: "InvalidAllocationID.NotFound", called: "allocation ID",
		tags: func(x model.Address) []model.Tag { return x.Tags },
		filters: map[string]func(model.Address) []string{
			"allocation-id":        one(func(x model.Address) string { return x.AllocationID }),
			"association-id":       one(func(x model.Address) string { return x.AssociationID }),
			"public-ip":            one(func(x model.Address) string { return x.PublicIP }),
			"network-interface-id": one(func(x model.Address) string { return x.ENI }),
			"domain":               fixed[model.Address]("vpc"),
		},
	},
	table: noun[model.RouteTable]{
		id: func(t model.RouteTable) string { return t.ID }, absent: "InvalidRouteTableID.NotFound", called: "routeTable ID",
		tags: func(t model.RouteTable) []model.Tag { return t.Tags },
		filters: map[string]func(model.RouteTable) []string{
			"route-table-id": one(func(t model.RouteTable) string { return t.ID }),
			"vpc-id":         one(func(t model.RouteTable) string { return t.VPC }),
			"association.main": associations(func(x model.RouteAssociation) string {
				if x.Main {
					return "true"
				}
				return "false"
			}),
			"association.route-table-association-id": associations(func(x model.RouteAssociation) string { return x.ID }),
			"association.subnet-id":                  associations(func(x model.RouteAssociation) string { return x.Subnet }),
			"association.route-table-id":             one(func(t model.RouteTable) string { return t.ID }),
			"route.destination-cidr-block":           routes(func(r model.Route) string { return r.Destination }),
			"route.destination-prefix-list-id":       routes(func(r model.Route) string { return r.Destination }),
			"route.gateway-id":                       routes(func(r model.Route) string { return r.Target }),
			"route.nat-gateway-id":                   routes(func(r model.Route) string { return r.Target }),
			"route.origin":                           routes(func(r model.Route) string { return r.Origin }),
			"route.state":                            fixed[model.RouteTable]("active"),
		},
	},
	group: noun[model.SecurityGroup]{
		id: func(g model.SecurityGroup) string { return g.ID }, absent: "InvalidGroup.NotFound", called: "security group",
		tags: func(g model.SecurityGroup) []model.Tag { return g.Tags },
		filters: map[string]func(model.SecurityGroup) []string{
			"group-id":                            one(func(g model.SecurityGroup) string { return g.ID }),
			"group-name":                          one(func(g model.SecurityGroup) string { return g.Name }),
			"description":                         one(func(g model.SecurityGroup) string { return g.Description }),
			"vpc-id":                              one(func(g model.SecurityGroup) string { return g.VPC }),
			"ip-permission.cidr":                  rules(false, func(r model.SecurityRule) string { return r.CIDR }),
			"ip-permission.from-port":             rules(false, func(r model.SecurityRule) string { return number(r.FromPort) }),
			"ip-permission.to-port":               rules(false, func(r model.SecurityRule) string { return number(r.ToPort) }),
			"ip-permission.protocol":              rules(false, func(r model.SecurityRule) string { return r.Protocol }),
			"ip-permission.group-id":              rules(false, func(r model.SecurityRule) string { return r.Group }),
			"ip-permission.prefix-list-id":        rules(false, func(r model.SecurityRule) string { return r.PrefixList }),
			"egress.ip-permission.cidr":           rules(true, func(r model.SecurityRule) string { return r.CIDR }),
			"egress.ip-permission.from-port":      rules(true, func(r model.SecurityRule) string { return number(r.FromPort) }),
			"egress.ip-permission.to-port":        rules(true, func(r model.SecurityRule) string { return number(r.ToPort) }),
			"egress.ip-permission.protocol":       rules(true, func(r model.SecurityRule) string { return r.Protocol }),
			"egress.ip-permission.group-id":       rules(true, func(r model.SecurityRule) string { return r.Group }),
			"egress.ip-permission.prefix-list-id": rules(true, func(r model.SecurityRule) string { return r.PrefixList }),
		},
	},
	endpoint: noun[model.VPCEndpoint]{
		id: func(e model.VPCEndpoint) string { return e.ID }, absent: "InvalidVpcEndpointId.NotFound", called: "Vpc Endpoint Id",
		tags: func(e model.VPCEndpoint) []model.Tag { return e.Tags },
		filters: map[string]func(model.VPCEndpoint) []string{
			"vpc-endpoint-id":    one(func(e model.VPCEndpoint) string { return e.ID }),
			"vpc-id":             one(func(e model.VPCEndpoint) string { return e.VPC }),
			"service-name":       one(func(e model.VPCEndpoint) string { return e.ServiceName }),
			"vpc-endpoint-type":  one(func(e model.VPCEndpoint) string { return e.Type }),
			"vpc-endpoint-state": one(func(e model.VPCEndpoint) string { return string(e.State) }),
			"ip-address-type":    fixed[model.VPCEndpoint]("ipv4"),
		},
	},
}

func associations(f func(model.RouteAssociation) string) func(model.RouteTable) []string {
	return func(t model.RouteTable) []string { return each(t.Associations, f) }
}

func routes(f func(model.Route) string) func(model.RouteTable) []string {
	return func(t model.RouteTable) []string { return each(t.Routes, f) }
}

func rules(egress bool, f func(model.SecurityRule) string) func(model.SecurityGroup) []string {
	return func(g model.SecurityGroup) []string {
		var out []string
		for _, r := range g.Rules {
			if r.Egress == egress {
				out = append(out, f(r))
			}
		}
		return out
	}
}
