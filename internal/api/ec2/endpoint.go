package ec2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/lang/policy"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

const openPolicy = `{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`

// CreateVpcEndpoint asks for an interface endpoint, whose interfaces
// controllers/network makes, or makes a gateway endpoint with its routes.
// Errors: InvalidServiceName, InvalidVpcID.NotFound, InvalidSubnetID.NotFound,
// InvalidGroup.NotFound, InvalidRouteTableID.NotFound, InvalidParameter,
// DuplicateSubnetsInSameZone, RouteAlreadyExists, InvalidPolicyDocument,
// MissingParameter, NotImplemented.
func (a *API) CreateVpcEndpoint(ctx context.Context, in *shape.CreateVpcEndpointInput) (*shape.CreateVpcEndpointOutput, error) {
	tags, err := specified(ctx, in.TagSpecifications, "vpc-endpoint")
	if err != nil {
		return nil, err
	}
	if t := wire.Or(in.IpAddressType, "ipv4"); t != "ipv4" {
		return nil, fault.New(fault.NotImplemented, "NotImplemented", "The IP address type '%s' is not implemented by Berth.", t)
	}
	if in.ServiceName == nil {
		return nil, lacking("serviceName")
	}
	e := model.VPCEndpoint{
		ID: a.id("vpce", in.ClientToken), Type: wire.Or(in.VpcEndpointType, "Gateway"), ServiceName: *in.ServiceName, Policy: openPolicy,
		Subnets: in.SubnetIds, SecurityGroups: in.SecurityGroupIds, RouteTables: in.RouteTableIds, Tags: tags, State: model.EndpointPending,
		CreatedAt: a.Clock.Now(),
	}
	if err := policed(&e, in.PolicyDocument); err != nil {
		return nil, err
	}
	err = a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		v, err := get(tx, nouns.vpc, state.VPCs, in.VpcId, "vpcId")
		if err != nil {
			return err
		}
		if old, ok := state.VPCEndpoints.Get(tx, e.ID); ok {
			e = old
			return nil
		}
		e.VPC = v.ID
		service, ok := a.service(e.ServiceName)
		if !ok {
			return fault.New(fault.NotFound, "InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", e.ServiceName)
		}
		switch e.Type {
		case "Gateway":
			err = a.gatewayEndpoint(tx, &e, service)
		case "Interface":
			e.PrivateDNS = wire.Or(in.PrivateDnsEnabled, true)
			err = a.interfaceEndpoint(tx, v, &e, service)
		default:
			err = fault.New(fault.NotImplemented, "NotImplemented", "Endpoints of the type %s are not implemented by Berth.", e.Type)
		}
		if err != nil {
			return err
		}
		return state.VPCEndpoints.Put(tx, e)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateVpcEndpointOutput{ClientToken: in.ClientToken, VpcEndpoint: wire.Ptr(a.showEndpoint(a.DB.View(), e))}, nil
}

func policed(e *model.VPCEndpoint, document *string) error {
	if document == nil || *document == "" {
		return nil
	}
	d, err := policy.Check(policy.Resource, *document)
	if err != nil {
		return bad("InvalidPolicyDocument", "The policy document is not valid: %s", fault.MessageOf(err))
	}
	service := e.ServiceName[strings.LastIndexByte(e.ServiceName, '.')+1:]
	if slices.Contains(unguarded, service) && !opens(d) {
		return fault.New(
			fault.NotImplemented, "NotImplemented",
			"Berth does not hold requests to %s against the policy of a VPC endpoint; leave the parameter PolicyDocument out, or allow "+
				"everything in it.",
			e.ServiceName,
		)
	}
	e.Policy = *document
	return nil
}

// unguarded are the ends of the services' names whose requests do not pass by
// IAM with the way they came: layers, the registry, and the agent's sockets.
var unguarded = []string{"s3", "dkr", "ecs-agent", "ecs-telemetry"}

// opens reports whether a policy lets everything through, as the usual one.
func opens(d *policy.Document) bool {
	if len(d.Statements) != 1 {
		return false
	}
	s := d.Statements[0]
	everyone := s.Principal != nil && (s.Principal.Any || slices.Contains(s.Principal.AWS, "*"))
	return !s.Deny && everyone && slices.Contains(s.Actions, "*") && slices.Contains(s.Resources, "*") && len(s.Conditions) == 0
}

// service finds an endpoint service by its full name.
func (a *API) service(name string) (vpc.Service, bool) {
	if !strings.HasPrefix(name, "com.amazonaws."+a.Place.Region+".") {
		return vpc.Service{}, false
	}
	return vpc.ServiceNamed(a.Place.Region, name)
}

func (a *API) gatewayEndpoint(tx *store.Tx, e *model.VPCEndpoint, s vpc.Service) error {
	switch {
	case !s.Gateway:
		return bad("InvalidParameter", "The Vpc Endpoint Service '%s' does not support Gateway endpoints.", e.ServiceName)
	case len(e.Subnets)+len(e.SecurityGroups) > 0:
		return bad("InvalidParameter", "Subnets and security groups are not supported for Gateway endpoints.")
	}
	e.State = model.EndpointAvailable
	for _, id := range e.RouteTables {
		if err := a.throughEndpoint(tx, *e, id); err != nil {
			return err
		}
	}
	return nil
}

// throughEndpoint adds the endpoint's route to a table.
func (a *API) throughEndpoint(tx *store.Tx, e model.VPCEndpoint, table string) error {
	t, ok := state.RouteTables.Get(tx, table)
	if !ok {
		return nouns.table.gone(table)
	}
	if t.VPC != e.VPC {
		return bad("InvalidParameter", "Route table %s does not belong to VPC %s", table, e.VPC)
	}
	list := a.prefixList(e.ServiceName)
	if slices.ContainsFunc(t.Routes, func(x model.Route) bool { return x.Destination == list }) {
		return fault.New(
			fault.Conflict, "RouteAlreadyExists", "route table %s already has a route with destination-prefix-list-id %s", table, list,
		)
	}
	return state.RouteTables.Edit(tx, table, func(t *model.RouteTable) error {
		t.Routes = append(t.Routes, model.Route{Destination: list, Target: e.ID, Origin: "CreateRoute"})
		return nil
	})
}

func pastEndpoint(tx *store.Tx, e model.VPCEndpoint, table string) error {
	if _, ok := state.RouteTables.Get(tx, table); !ok {
		return nil
	}
	return state.RouteTables.Edit(tx, table, func(t *model.RouteTable) error {
		t.Routes = slices.DeleteFunc(t.Routes, func(x model.Route) bool { return x.Target == e.ID })
		return nil
	})
}

func (a *API) interfaceEndpoint(tx *store.Tx, v model.VPC, e *model.VPCEndpoint, s vpc.Service) error {
	if len(e.RouteTables) > 0 {
		return bad("InvalidParameter", "Route tables are not supported for Interface endpoints.")
	}
	if len(e.SecurityGroups) == 0 {
		e.SecurityGroups = []string{v.DefaultGroup}
	}
	if err := seated(tx, *e); err != nil {
		return err
	}
	return a.privateNames(tx, v, *e, s)
}

// seated holds an endpoint's subnets and groups against its VPC.
func seated(r store.Reader, e model.VPCEndpoint) error {
	zones := map[string]bool{}
	for _, id := range e.Subnets {
		s, ok := state.Subnets.Get(r, id)
		switch {
		case !ok:
			return nouns.subnet.gone(id)
		case s.VPC != e.VPC:
			return bad("InvalidParameter", "The subnet %s does not belong to VPC %s", id, e.VPC)
		case zones[s.AvailabilityZone]:
			return bad("DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone of %s", id)
		}
		zones[s.AvailabilityZone] = true
	}
	for _, id := range e.SecurityGroups {
		g, ok := state.SecurityGroups.Get(r, id)
		switch {
		case !ok:
			return nouns.group.gone(id)
		case g.VPC != e.VPC:
			return bad("InvalidParameter", "The security group %s does not belong to VPC %s", id, e.VPC)
		}
	}
	return nil
}

// privateNames checks that the service's names are free in the VPC.
func (a *API) privateNames(r store.Reader, v model.VPC, e model.VPCEndpoint, s vpc.Service) error {
	if !e.PrivateDNS {
		return nil
	}
	if !v.DNSSupport || !v.DNSHostnames {
		return bad(
			"InvalidParameter", "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for %s", v.ID,
		)
	}
	for _, o := range state.VPCEndpoints.By(r, "vpc", v.ID) {
		if o.ID != e.ID && o.ServiceName == e.ServiceName && o.PrivateDNS && o.State != model.EndpointDeleting {
			return bad(
				"InvalidParameter", "private-dns-enabled cannot be set because there is already a conflicting DNS domain for %s in the VPC %s",
				s.Private[0], v.ID,
			)
		}
	}
	return nil
}

func (a *API) showEndpoint(r store.Reader, e model.VPCEndpoint) shape.VpcEndpoint {
	out := shape.VpcEndpoint{
		VpcEndpointId: &e.ID, VpcEndpointType: &e.Type, VpcId: &e.VPC, ServiceName: &e.ServiceName, State: wire.Ptr(string(e.State)),
		PolicyDocument: &e.Policy, RouteTableIds: append([]string{}, e.RouteTables...), SubnetIds: append([]string{}, e.Subnets...),
		Groups: []shape.SecurityGroupIdentifier{}, PrivateDnsEnabled: &e.PrivateDNS, RequesterManaged: wire.Ptr(false),
		NetworkInterfaceIds: []string{}, DnsEntries: []shape.DnsEntry{}, CreationTimestamp: &e.CreatedAt, Tags: showTags(e.Tags),
		OwnerId: &a.Place.Account, ServiceRegion: &a.Place.Region,
	}
	if e.Type != "Interface" {
		return out
	}
	out.IpAddressType, out.DnsOptions = wire.Ptr("ipv4"), &shape.DnsOptions{DnsRecordIpType: wire.Ptr("ipv4")}
	for _, id := range e.SecurityGroups {
		g, _ := state.SecurityGroups.Get(r, id)
		out.Groups = append(out.Groups, shape.SecurityGroupIdentifier{GroupId: &id, GroupName: &g.Name})
	}
	for _, n := range state.NetworkInterfaces.By(r, "owner", e.ID) {
		out.NetworkInterfaceIds = append(out.NetworkInterfaceIds, n.ID)
	}
	out.DnsEntries = a.names(r, e)
	return out
}

// names are an endpoint's DNS names: its own, one for each zone, and the
// service's if it took them over.
func (a *API) names(r store.Reader, e model.VPCEndpoint) []shape.DnsEntry {
	sum := sha256.Sum256([]byte(e.ID))
	service := strings.TrimPrefix(e.ServiceName, "com.amazonaws."+a.Place.Region+".")
	own, rest := e.ID+"-"+hex.EncodeToString(sum[:4]), "."+service+"."+a.Place.Region+".vpce.amazonaws.com"
	zone := wire.Ptr("Z" + strings.ToUpper(hex.EncodeToString(sum[4:10])))
	out := []shape.DnsEntry{{DnsName: wire.Ptr(own + rest), HostedZoneId: zone}}
	for _, id := range e.Subnets {
		s, _ := state.Subnets.Get(r, id)
		out = append(out, shape.DnsEntry{DnsName: wire.Ptr(own + "-" + s.AvailabilityZone + rest), HostedZoneId: zone})
	}
	if s, ok := a.service(e.ServiceName); ok && e.PrivateDNS {
		for _, n := range s.Private {
			out = append(out, shape.DnsEntry{DnsName: &n, HostedZoneId: zone})
		}
	}
	return out
}

// DescribeVpcEndpoints lists endpoints. Errors: InvalidVpcEndpointId.NotFound,
// InvalidParameterValue.
func (a *API) DescribeVpcEndpoints(_ context.Context, in *shape.DescribeVpcEndpointsInput) (*shape.DescribeVpcEndpointsOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	all, next, err := nouns.endpoint.list(state.VPCEndpoints.All(view), a.query(in, in.VpcEndpointIds, in.Filters))
	return &shape.DescribeVpcEndpointsOutput{
		NextToken: next, VpcEndpoints: each(all, func(e model.VPCEndpoint) shape.VpcEndpoint { return a.showEndpoint(view, e) }),
	}, err
}

// ModifyVpcEndpoint changes where an endpoint stands and what it lets through.
// Errors: InvalidVpcEndpointId.NotFound, InvalidSubnetID.NotFound,
// InvalidGroup.NotFound, InvalidRouteTableID.NotFound, InvalidParameter,
// DuplicateSubnetsInSameZone, RouteAlreadyExists, InvalidPolicyDocument,
// NotImplemented.
func (a *API) ModifyVpcEndpoint(ctx context.Context, in *shape.ModifyVpcEndpointInput) (*shape.ModifyVpcEndpointOutput, error) {
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		e, err := get(tx, nouns.endpoint, state.VPCEndpoints, in.VpcEndpointId, "vpcEndpointId")
		if err != nil {
			return err
		}
		if e.Type == "Gateway" && len(in.AddSubnetIds)+len(in.RemoveSubnetIds)+len(in.AddSecurityGroupIds)+len(in.RemoveSecurityGroupIds) > 0 ||
			e.Type == "Interface" && len(in.AddRouteTableIds)+len(in.RemoveRouteTableIds) > 0 {
			return bad("InvalidParameter", "The parameters do not apply to endpoints of the type %s.", e.Type)
		}
		if wire.Val(in.ResetPolicy) {
			e.Policy = openPolicy
		}
		if err := policed(&e, in.PolicyDocument); err != nil {
			return err
		}
		if err := a.reroute(tx, &e, in.AddRouteTableIds, in.RemoveRouteTableIds); err != nil {
			return err
		}
		e.Subnets = changed(e.Subnets, in.AddSubnetIds, in.RemoveSubnetIds)
		e.SecurityGroups = changed(e.SecurityGroups, in.AddSecurityGroupIds, in.RemoveSecurityGroupIds)
		if e.Type == "Interface" {
			e.PrivateDNS = wire.Or(in.PrivateDnsEnabled, e.PrivateDNS)
			if err := seated(tx, e); err != nil {
				return err
			}
			v, _ := state.VPCs.Get(tx, e.VPC)
			s, _ := a.service(e.ServiceName)
			if err := a.privateNames(tx, v, e, s); err != nil {
				return err
			}
		}
		return state.VPCEndpoints.Put(tx, e)
	})
	return &shape.ModifyVpcEndpointOutput{Return: yes}, err
}

func (a *API) reroute(tx *store.Tx, e *model.VPCEndpoint, add, remove []string) error {
	for _, id := range remove {
		if err := pastEndpoint(tx, *e, id); err != nil {
			return err
		}
	}
	for _, id := range add {
		if !slices.Contains(e.RouteTables, id) {
			if err := a.throughEndpoint(tx, *e, id); err != nil {
				return err
			}
		}
	}
	e.RouteTables = changed(e.RouteTables, add, remove)
	return nil
}

// changed adds and removes ids in a copy.
func changed(list, add, remove []string) []string {
	out := slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(remove, s) })
	for _, s := range add {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// DeleteVpcEndpoints deletes gateway endpoints and asks for the end of
// interface endpoints: controllers/network takes their interfaces and then the
// records. Endpoints that are not there are reported as unsuccessful. Errors:
// MissingParameter.
func (a *API) DeleteVpcEndpoints(ctx context.Context, in *shape.DeleteVpcEndpointsInput) (*shape.DeleteVpcEndpointsOutput, error) {
	if len(in.VpcEndpointIds) == 0 {
		return nil, lacking("VpcEndpointId")
	}
	out := &shape.DeleteVpcEndpointsOutput{Unsuccessful: []shape.UnsuccessfulItem{}}
	err := a.update(ctx, in.DryRun, func(tx *store.Tx) error {
		for _, id := range in.VpcEndpointIds {
			e, ok := state.VPCEndpoints.Get(tx, id)
			if !ok {
				gone := nouns.endpoint.gone(id)
				out.Unsuccessful = append(out.Unsuccessful, shape.UnsuccessfulItem{ResourceId: &id, Error: &shape.UnsuccessfulItemError{
					Code: wire.Ptr(fault.CodeOf(gone)), Message: wire.Ptr(fault.MessageOf(gone)),
				}})
				continue
			}
			if err := remove(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func remove(tx *store.Tx, e model.VPCEndpoint) error {
	if e.Type == "Interface" {
		return state.VPCEndpoints.Edit(tx, e.ID, func(e *model.VPCEndpoint) error { e.State = model.EndpointDeleting; return nil })
	}
	for _, t := range state.RouteTables.By(tx, "vpc", e.VPC) {
		if err := pastEndpoint(tx, e, t.ID); err != nil {
			return err
		}
	}
	return state.VPCEndpoints.Delete(tx, e.ID)
}
