package ec2

import (
	"context"
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

var interfaces = noun[model.NetworkInterface]{
	id: func(n model.NetworkInterface) string { return n.ID }, absent: "InvalidNetworkInterfaceID.NotFound", called: "networkInterface ID",
	tags: func(model.NetworkInterface) []model.Tag { return nil },
	filters: map[string]func(model.NetworkInterface) []string{
		"network-interface-id":         one(func(n model.NetworkInterface) string { return n.ID }),
		"vpc-id":                       one(func(n model.NetworkInterface) string { return n.VPC }),
		"subnet-id":                    one(func(n model.NetworkInterface) string { return n.Subnet }),
		"availability-zone":            one(func(n model.NetworkInterface) string { return n.AvailabilityZone }),
		"private-ip-address":           one(func(n model.NetworkInterface) string { return n.IP }),
		"addresses.private-ip-address": one(func(n model.NetworkInterface) string { return n.IP }),
		"association.public-ip":        one(func(n model.NetworkInterface) string { return n.PublicIP }),
		"mac-address":                  one(func(n model.NetworkInterface) string { return n.MAC }),
		"description":                  one(func(n model.NetworkInterface) string { return n.Description }),
		"group-id":                     func(n model.NetworkInterface) []string { return n.SecurityGroups },
		"status":                       one(status),
		"interface-type":               one(interfaceType),
		"requester-managed":            fixed[model.NetworkInterface]("true"),
		"attachment.instance-id":       one(attachedTo),
		"attachment.status":            fixed[model.NetworkInterface]("attached"),
		"source-dest-check":            flag(func(n model.NetworkInterface) bool { return n.Kind != "nat" }),
	},
}

func status(n model.NetworkInterface) string {
	switch n.State {
	case model.InterfaceAvailable:
		return "in-use"
	case model.InterfaceDeleting:
		return "detaching"
	default:
		return string(n.State)
	}
}

func interfaceType(n model.NetworkInterface) string {
	switch n.Kind {
	case "endpoint":
		return "vpc_endpoint"
	case "nat":
		return "nat_gateway"
	case "task":
		return "branch"
	default:
		return "interface"
	}
}

func attachedTo(n model.NetworkInterface) string {
	if n.Kind == "instance" {
		return n.Owner
	}
	return ""
}

// privateName is the DNS name that EC2 gives an address.
func (a *API) privateName(ip string) *string {
	return wire.Ptr("ip-" + strings.ReplaceAll(ip, ".", "-") + a.internal())
}

func (a *API) internal() string {
	if a.Place.Region == "us-east-1" {
		return ".ec2.internal"
	}
	return "." + a.Place.Region + ".compute.internal"
}

func groupsOf(r store.Reader, ids []string) []shape.GroupIdentifier {
	return each(ids, func(id string) shape.GroupIdentifier {
		g, _ := state.SecurityGroups.Get(r, id)
		return shape.GroupIdentifier{GroupId: &id, GroupName: &g.Name}
	})
}

func (a *API) showInterface(r store.Reader, n model.NetworkInterface) shape.NetworkInterface {
	requester := map[string]string{"loadbalancer": "amazon-elb", "endpoint": "amazon-vpce", "nat": "amazon-nat"}[n.Kind]
	if requester == "" {
		requester = "amazon-ecs"
	}
	s, _ := state.Subnets.Get(r, n.Subnet)
	out := shape.NetworkInterface{
		NetworkInterfaceId: &n.ID, VpcId: &n.VPC, SubnetId: &n.Subnet, AvailabilityZone: &n.AvailabilityZone,
		AvailabilityZoneId: text(s.AvailabilityZoneID), PrivateIpAddress: &n.IP, MacAddress: &n.MAC, Description: &n.Description,
		Status: wire.Ptr(status(n)), InterfaceType: wire.Ptr(interfaceType(n)), Groups: groupsOf(r, n.SecurityGroups), OwnerId: &a.Place.Account,
		RequesterId: &requester, RequesterManaged: yes, SourceDestCheck: wire.Ptr(n.Kind != "nat"), PrivateDnsName: a.privateName(n.IP),
		TagSet: []shape.Tag{}, Association: a.association(r, n),
	}
	out.PrivateIpAddresses = []shape.NetworkInterfacePrivateIpAddress{
		{PrivateIpAddress: &n.IP, Primary: yes, PrivateDnsName: out.PrivateDnsName, Association: out.Association},
	}
	out.Attachment = &shape.NetworkInterfaceAttachment{
		AttachmentId: wire.Ptr(derived("eni-attach", n.ID)), AttachTime: &n.CreatedAt, DeleteOnTermination: wire.Ptr(n.Kind == "instance"),
		DeviceIndex: wire.Ptr(int64(0)), NetworkCardIndex: wire.Ptr(int64(0)), Status: wire.Ptr("attached"), InstanceOwnerId: &requester,
	}
	if n.Kind == "instance" {
		out.Attachment.InstanceId, out.Operator = &n.Owner, operator
	}
	return out
}

// association is the interface's public address, an Elastic IP or its own.
func (a *API) association(r store.Reader, n model.NetworkInterface) *shape.NetworkInterfaceAssociation {
	for _, x := range state.Addresses.All(r) {
		if x.ENI == n.ID {
			return &shape.NetworkInterfaceAssociation{
				PublicIp: &x.PublicIP, AllocationId: &x.AllocationID, AssociationId: &x.AssociationID, IpOwnerId: &a.Place.Account,
			}
		}
	}
	if n.PublicIP == "" {
		return nil
	}
	return &shape.NetworkInterfaceAssociation{PublicIp: &n.PublicIP, IpOwnerId: wire.Ptr("amazon")}
}

// DescribeNetworkInterfaces lists interfaces. Those of managed instances are
// left out unless they are asked for by id or made visible. Errors:
// InvalidNetworkInterfaceID.NotFound, InvalidParameterValue.
func (a *API) DescribeNetworkInterfaces(
	_ context.Context, in *shape.DescribeNetworkInterfacesInput,
) (*shape.DescribeNetworkInterfacesOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	outside := func(n model.NetworkInterface) bool { return n.VPC == "" } // a function's without a VPC is not the account's
	all := slices.DeleteFunc(state.NetworkInterfaces.All(view), outside)
	if len(in.NetworkInterfaceIds) == 0 && !wire.Val(in.IncludeManagedResources) && !visible(view) {
		all = slices.DeleteFunc(all, func(n model.NetworkInterface) bool { return n.Kind == "instance" })
	}
	n := interfaces
	n.filters = with(n.filters, "group-name", func(i model.NetworkInterface) []string {
		return each(groupsOf(view, i.SecurityGroups), func(g shape.GroupIdentifier) string { return wire.Val(g.GroupName) })
	})
	all, next, err := n.list(all, a.query(in, in.NetworkInterfaceIds, in.Filters))
	return &shape.DescribeNetworkInterfacesOutput{NextToken: next, NetworkInterfaces: each(all, func(
		n model.NetworkInterface,
	) shape.NetworkInterface {
		return a.showInterface(view, n)
	})}, err
}

// DescribeNetworkInterfaceAttribute shows one attribute. Errors:
// InvalidNetworkInterfaceID.NotFound, InvalidParameterValue.
func (a *API) DescribeNetworkInterfaceAttribute(
	_ context.Context, in *shape.DescribeNetworkInterfaceAttributeInput,
) (*shape.DescribeNetworkInterfaceAttributeOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	n, err := get(view, interfaces, state.NetworkInterfaces, in.NetworkInterfaceId, "networkInterfaceId")
	if err != nil {
		return nil, err
	}
	s := a.showInterface(view, n)
	out := &shape.DescribeNetworkInterfaceAttributeOutput{NetworkInterfaceId: &n.ID}
	switch wire.Val(in.Attribute) {
	case "description":
		out.Description = &shape.AttributeValue{Value: s.Description}
	case "groupSet":
		out.Groups = s.Groups
	case "sourceDestCheck":
		out.SourceDestCheck = &shape.AttributeBooleanValue{Value: s.SourceDestCheck}
	case "attachment":
		out.Attachment = s.Attachment
	default:
		return nil, value("Value (%s) for parameter attribute is invalid. Unknown attribute.", wire.Val(in.Attribute))
	}
	return out, nil
}
