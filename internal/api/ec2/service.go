package ec2

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/vpc"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// offering is one endpoint service in one of its types.
type offering struct {
	vpc.Service
	kind string // Interface, Gateway
}

func (a *API) offerings() []offering {
	var out []offering
	for _, s := range vpc.Services(a.Place.Region) {
		out = append(out, offering{s, "Interface"})
		if s.Gateway {
			out = append(out, offering{s, "Gateway"})
		}
	}
	return out
}

func (a *API) serviceName(s vpc.Service) string {
	return "com.amazonaws." + a.Place.Region + "." + s.Name
}

// DescribeVpcEndpointServices lists the services that endpoints lead to.
// Errors: InvalidServiceName, InvalidParameterValue.
func (a *API) DescribeVpcEndpointServices(
	_ context.Context, in *shape.DescribeVpcEndpointServicesInput,
) (*shape.DescribeVpcEndpointServicesOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	n := noun[offering]{
		id: func(o offering) string { return a.serviceName(o.Service) }, absent: "InvalidServiceName", called: "Vpc Endpoint Service",
		key: func(o offering) string {
			return page.Key(a.serviceName(o.Service), strconv.FormatBool(o.kind == "Gateway")) // interfaces come first
		},
		filters: map[string]func(offering) []string{
			"service-name":               one(func(o offering) string { return a.serviceName(o.Service) }),
			"service-type":               one(func(o offering) string { return o.kind }),
			"owner":                      fixed[offering]("amazon"),
			"service-region":             fixed[offering](a.Place.Region),
			"supported-ip-address-types": fixed[offering]("ipv4"),
		},
	}
	all, next, err := n.list(a.offerings(), a.query(in, in.ServiceNames, in.Filters))
	out := &shape.DescribeVpcEndpointServicesOutput{NextToken: next}
	for _, o := range all {
		name := a.serviceName(o.Service)
		if k := len(out.ServiceNames); k == 0 || out.ServiceNames[k-1] != name {
			out.ServiceNames = append(out.ServiceNames, name)
		}
		out.ServiceDetails = append(out.ServiceDetails, a.showService(o))
	}
	return out, err
}

func (a *API) showService(o offering) shape.ServiceDetail {
	out := shape.ServiceDetail{
		ServiceName: wire.Ptr(a.serviceName(o.Service)), ServiceId: wire.Ptr(derived("vpce-svc", o.Name, o.kind)),
		ServiceType: []shape.ServiceTypeDetail{{ServiceType: &o.kind}}, ServiceRegion: &a.Place.Region, Owner: wire.Ptr("amazon"),
		BaseEndpointDnsNames: []string{o.Name + "." + a.Place.Region + ".vpce.amazonaws.com"}, VpcEndpointPolicySupported: yes,
		AcceptanceRequired: wire.Ptr(false), ManagesVpcEndpoints: wire.Ptr(false), SupportedIpAddressTypes: []string{"ipv4"}, Tags: []shape.Tag{},
	}
	for _, z := range a.zones() {
		out.AvailabilityZones, out.AvailabilityZoneIds = append(out.AvailabilityZones, z.Name), append(out.AvailabilityZoneIds, z.ID)
	}
	if o.kind == "Interface" {
		out.PrivateDnsName, out.PrivateDnsNameVerificationState = &o.Private[0], wire.Ptr("verified")
		out.PrivateDnsNames = each(o.Private, func(n string) shape.PrivateDnsDetails { return shape.PrivateDnsDetails{PrivateDnsName: &n} })
	}
	return out
}

// prefixList is the id of the list of a gateway service's addresses.
func (a *API) prefixList(serviceName string) string {
	return vpc.PrefixList(a.Place.Region, strings.TrimPrefix(serviceName, "com.amazonaws."+a.Place.Region+"."))
}

type prefixes struct{ id, name, cidr string }

func (a *API) prefixLists() []prefixes {
	var out []prefixes
	for _, s := range vpc.Services(a.Place.Region) {
		if s.Gateway {
			out = append(out, prefixes{vpc.PrefixList(a.Place.Region, s.Name), a.serviceName(s), netip.PrefixFrom(s.Address, 32).String()})
		}
	}
	return out
}

var prefixNoun = noun[prefixes]{
	id: func(p prefixes) string { return p.id }, absent: "InvalidPrefixListID.NotFound", called: "prefix list ID",
	tags: func(prefixes) []model.Tag { return nil },
	filters: map[string]func(prefixes) []string{
		"prefix-list-id":   one(func(p prefixes) string { return p.id }),
		"prefix-list-name": one(func(p prefixes) string { return p.name }),
	},
}

// DescribePrefixLists lists the address lists of gateway services. Errors:
// InvalidPrefixListID.NotFound, InvalidParameterValue.
func (a *API) DescribePrefixLists(_ context.Context, in *shape.DescribePrefixListsInput) (*shape.DescribePrefixListsOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	all, next, err := prefixNoun.list(a.prefixLists(), a.query(in, in.PrefixListIds, in.Filters))
	return &shape.DescribePrefixListsOutput{NextToken: next, PrefixLists: each(all, func(p prefixes) shape.PrefixList {
		return shape.PrefixList{PrefixListId: &p.id, PrefixListName: &p.name, Cidrs: []string{p.cidr}}
	})}, err
}

// DescribeManagedPrefixLists lists the same as AWS-managed lists. Errors:
// InvalidPrefixListID.NotFound, InvalidParameterValue.
func (a *API) DescribeManagedPrefixLists(
	_ context.Context, in *shape.DescribeManagedPrefixListsInput,
) (*shape.DescribeManagedPrefixListsOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	n := prefixNoun
	n.filters = with(n.filters, "owner-id", fixed[prefixes]("AWS"))
	all, next, err := n.list(a.prefixLists(), query{in: in, pages: pages, ids: in.PrefixListIds, filters: in.Filters, account: "AWS"})
	return &shape.DescribeManagedPrefixListsOutput{NextToken: next, PrefixLists: each(all, func(p prefixes) shape.ManagedPrefixList {
		return shape.ManagedPrefixList{
			PrefixListId: &p.id, PrefixListName: &p.name, AddressFamily: wire.Ptr("IPv4"), OwnerId: wire.Ptr("AWS"), Tags: []shape.Tag{},
			PrefixListArn: wire.Ptr("arn:" + a.Place.Partition + ":ec2:" + a.Place.Region + ":aws:prefix-list/" + p.id),
		}
	})}, err
}

// GetManagedPrefixListEntries lists the addresses of a list. Errors:
// InvalidPrefixListID.NotFound.
func (a *API) GetManagedPrefixListEntries(
	_ context.Context, in *shape.GetManagedPrefixListEntriesInput,
) (*shape.GetManagedPrefixListEntriesOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	all, _, err := prefixNoun.list(a.prefixLists(), a.query(in, []string{wire.Val(in.PrefixListId)}, nil))
	return &shape.GetManagedPrefixListEntriesOutput{Entries: each(all, func(p prefixes) shape.PrefixListEntry {
		return shape.PrefixListEntry{Cidr: &p.cidr}
	})}, err
}
