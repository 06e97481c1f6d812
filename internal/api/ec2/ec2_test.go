package ec2_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/api/ec2"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

var p = wire.Ptr[string]

type world struct {
	*testing.T
	*ec2.API
	db *state.DB
}

func newWorld(t *testing.T) world {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	return world{t, ec2.New(ec2.Deps{
		DB: db, Clock: clock.NewStepped(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), IDs: ident.Seeded(1),
		Place: ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"},
	}), db}
}

func (w world) vpc(cidr string) string {
	w.Helper()
	out := must(w.API.CreateVpc(w.Context(), &shape.CreateVpcInput{CidrBlock: &cidr}))(w.T)
	return *out.Vpc.VpcId
}

func (w world) subnet(vpc, cidr, zone string) string {
	w.Helper()
	out := must(w.CreateSubnet(w.Context(), &shape.CreateSubnetInput{VpcId: &vpc, CidrBlock: &cidr, AvailabilityZone: &zone}))(w.T)
	return *out.Subnet.SubnetId
}

func (w world) group(vpc, name string) string {
	w.Helper()
	out := must(
		w.CreateSecurityGroup(w.Context(), &shape.CreateSecurityGroupInput{VpcId: &vpc, GroupName: &name, Description: p("for " + name)}),
	)(w.T)
	return *out.GroupId
}

// iface puts an interface where controllers/network would.
func (w world) iface(n model.NetworkInterface) {
	w.Helper()
	if err := w.db.Update(w.Context(), "controllers/network", func(tx *store.Tx) error {
		return state.NetworkInterfaces.Put(tx, n)
	}); err != nil {
		w.Fatal(err)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fails checks an error's code and text.
func fails[T any](t *testing.T, code, text string) func(T, error) {
	return func(_ T, err error) {
		t.Helper()
		if err == nil || fault.CodeOf(err) != code || !strings.Contains(fault.MessageOf(err), text) {
			t.Errorf("got %v (%s), want %s: %s", err, fault.CodeOf(err), code, text)
		}
	}
}

func TestFieldsFitTheModel(t *testing.T) {
	if _, err := front.Compatibility([]front.Service{{Meta: shape.Meta, Fields: ec2.Fields}}); err != nil {
		t.Error(err)
	}
}

func TestAVPCComesWithItsParts(t *testing.T) {
	w := newWorld(t)
	id := w.vpc("192.168.0.0/16")
	view := w.db.View()
	v, _ := state.VPCs.Get(view, id)
	table, _ := state.RouteTables.Get(view, v.MainRouteTable)
	group, _ := state.SecurityGroups.Get(view, v.DefaultGroup)
	if !v.DNSSupport || v.DNSHostnames || len(table.Routes) != 1 || !table.Associations[0].Main || group.Name != "default" ||
		len(group.Rules) != 2 {
		t.Errorf("%+v\n%+v\n%+v", v, table, group)
	}
	if _, err := w.ModifyVpcAttribute(t.Context(), &shape.ModifyVpcAttributeInput{
		VpcId: &id, EnableDnsHostnames: &shape.AttributeBooleanValue{Value: wire.Ptr(true)},
	}); err != nil {
		t.Error(err)
	}
	out := must(w.DescribeVpcAttribute(t.Context(), &shape.DescribeVpcAttributeInput{VpcId: &id, Attribute: p("enableDnsHostnames")}))(t)
	if !*out.EnableDnsHostnames.Value {
		t.Error("the attribute did not change")
	}
	acls := must(w.DescribeNetworkAcls(t.Context(), &shape.DescribeNetworkAclsInput{}))(t)
	if len(acls.NetworkAcls) != 1 || len(acls.NetworkAcls[0].Entries) != 4 {
		t.Errorf("%+v", acls)
	}
	if _, err := w.DeleteVpc(t.Context(), &shape.DeleteVpcInput{VpcId: &id}); err != nil {
		t.Error(err)
	}
	if n := state.RouteTables.Len(w.db.View()) + state.SecurityGroups.Len(w.db.View()) + state.VPCs.Len(w.db.View()); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestErrorsAreAWSs(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	v := w.vpc("10.0.0.0/16")
	other := w.vpc("10.1.0.0/16")
	s := w.subnet(v, "10.0.0.0/24", "ap-northeast-1a")
	g := w.group(v, "web")
	igw := *must(w.CreateInternetGateway(ctx, &shape.CreateInternetGatewayInput{}))(t).InternetGateway.InternetGatewayId
	rtb := *must(w.CreateRouteTable(ctx, &shape.CreateRouteTableInput{VpcId: &v}))(t).RouteTable.RouteTableId
	sub := func(cidr, zone string) (*shape.CreateSubnetOutput, error) {
		return w.CreateSubnet(ctx, &shape.CreateSubnetInput{VpcId: &v, CidrBlock: &cidr, AvailabilityZone: &zone})
	}
	route := func(in shape.CreateRouteInput) (*shape.CreateRouteOutput, error) {
		in.RouteTableId = &rtb
		return w.CreateRoute(ctx, &in)
	}
	fails[*shape.CreateVpcOutput](t, "InvalidVpc.Range", "The CIDR '10.0.0.0/8' is invalid.")(
		w.CreateVpc(ctx, &shape.CreateVpcInput{CidrBlock: p("10.0.0.0/8")}),
	)
	fails[*shape.CreateVpcOutput](t, "InvalidParameterValue", "not a valid CIDR block")(
		w.CreateVpc(ctx, &shape.CreateVpcInput{CidrBlock: p("x")}),
	)
	fails[*shape.CreateSubnetOutput](
		t, "InvalidSubnet.Conflict", "The CIDR '10.0.0.128/25' conflicts with another subnet",
	)(sub("10.0.0.128/25", "ap-northeast-1a"))
	fails[*shape.CreateSubnetOutput](t, "InvalidSubnet.Range", "The CIDR '10.9.0.0/24' is invalid.")(sub("10.9.0.0/24", "ap-northeast-1a"))
	fails[*shape.CreateSubnetOutput](
		t, "InvalidParameterValue", "availability zones: ap-northeast-1a, ap-northeast-1c, ap-northeast-1d.",
	)(sub("10.0.1.0/24", "ap-northeast-1b"))
	fails[*shape.CreateSubnetOutput](t, "InvalidVpcID.NotFound", "The vpc ID 'vpc-0000dead' does not exist")(
		w.CreateSubnet(ctx, &shape.CreateSubnetInput{VpcId: p("vpc-0000dead"), CidrBlock: p("10.0.1.0/24")}),
	)
	fails[*shape.DeleteVpcOutput](
		t, "DependencyViolation", "The vpc '"+v+"' has dependencies and cannot be deleted.",
	)(w.DeleteVpc(ctx, &shape.DeleteVpcInput{VpcId: &v}))
	fails[*shape.DetachInternetGatewayOutput](t, "Gateway.NotAttached", "resource "+igw+" is not attached to network "+v)(
		w.DetachInternetGateway(ctx, &shape.DetachInternetGatewayInput{InternetGatewayId: &igw, VpcId: &v}),
	)
	fails[*shape.CreateRouteOutput](
		t, "InvalidParameterValue", "route table "+rtb+" and network gateway "+igw+" belong to different networks",
	)(route(shape.CreateRouteInput{DestinationCidrBlock: p("0.0.0.0/0"), GatewayId: &igw}))
	fails[*shape.CreateRouteOutput](t, "InvalidGatewayID.NotFound", "The gateway ID 'igw-1' does not exist")(
		route(shape.CreateRouteInput{DestinationCidrBlock: p("0.0.0.0/0"), GatewayId: p("igw-1")}),
	)
	must(w.AttachInternetGateway(ctx, &shape.AttachInternetGatewayInput{InternetGatewayId: &igw, VpcId: &v}))(t)
	fails[*shape.AttachInternetGatewayOutput](t, "Resource.AlreadyAssociated", "resource "+igw+" is already attached to network "+v)(
		w.AttachInternetGateway(ctx, &shape.AttachInternetGatewayInput{InternetGatewayId: &igw, VpcId: &other}),
	)
	fails[*shape.DeleteInternetGatewayOutput](t, "DependencyViolation", "The internetGateway '"+igw+"' has dependencies")(
		w.DeleteInternetGateway(ctx, &shape.DeleteInternetGatewayInput{InternetGatewayId: &igw}),
	)
	must(route(shape.CreateRouteInput{DestinationCidrBlock: p("0.0.0.0/0"), GatewayId: &igw}))(t)
	fails[*shape.CreateRouteOutput](t, "RouteAlreadyExists", "The route identified by 10.0.0.0/16 already exists.")(
		route(shape.CreateRouteInput{DestinationCidrBlock: p("10.0.0.0/16"), GatewayId: &igw}),
	)
	must(w.AssociateRouteTable(ctx, &shape.AssociateRouteTableInput{RouteTableId: &rtb, SubnetId: &s}))(t)
	fails[*shape.AssociateRouteTableOutput](t, "Resource.AlreadyAssociated", "conflicts with an existing association")(
		w.AssociateRouteTable(ctx, &shape.AssociateRouteTableInput{RouteTableId: &rtb, SubnetId: &s}),
	)
	fails[*shape.DeleteRouteTableOutput](t, "DependencyViolation", "The routeTable '"+rtb+"' has dependencies")(
		w.DeleteRouteTable(ctx, &shape.DeleteRouteTableInput{RouteTableId: &rtb}),
	)
	fails[*shape.CreateSecurityGroupOutput](t, "InvalidGroup.Duplicate", "The security group 'web' already exists for VPC '"+v+"'")(
		w.CreateSecurityGroup(ctx, &shape.CreateSecurityGroupInput{VpcId: &v, GroupName: p("web"), Description: p("d")}),
	)
	fails[*shape.CreateSecurityGroupOutput](t, "VPCIdNotSpecified", "No default VPC for this user")(
		w.CreateSecurityGroup(ctx, &shape.CreateSecurityGroupInput{GroupName: p("web"), Description: p("d")}),
	)
	fails[*shape.DescribeSubnetsOutput](t, "InvalidSubnetID.NotFound", "The subnet ID 'subnet-0000dead' does not exist")(
		w.DescribeSubnets(ctx, &shape.DescribeSubnetsInput{SubnetIds: []string{"subnet-0000dead"}}),
	)
	fails[*shape.DescribeSubnetsOutput](t, "InvalidParameterValue", "The filter 'colour' is invalid")(
		w.DescribeSubnets(ctx, &shape.DescribeSubnetsInput{Filters: []shape.Filter{{Name: p("colour"), Values: []string{"red"}}}}),
	)
	w.iface(model.NetworkInterface{
		ID: "eni-1", Kind: "task", VPC: v, Subnet: s, IP: "10.0.0.4", SecurityGroups: []string{g}, State: model.InterfaceAvailable,
		PublicIP: "198.18.0.1",
	})
	fails[*shape.DeleteSubnetOutput](
		t, "DependencyViolation", "The subnet '"+s+"' has dependencies",
	)(w.DeleteSubnet(ctx, &shape.DeleteSubnetInput{SubnetId: &s}))
	fails[*shape.DeleteSecurityGroupOutput](t, "DependencyViolation", "resource "+g+" has a dependent object")(
		w.DeleteSecurityGroup(ctx, &shape.DeleteSecurityGroupInput{GroupId: &g}),
	)
	fails[*shape.DetachInternetGatewayOutput](t, "DependencyViolation", "has some mapped public address(es)")(
		w.DetachInternetGateway(ctx, &shape.DetachInternetGatewayInput{InternetGatewayId: &igw, VpcId: &v}),
	)
}

func TestDryRunWritesNothing(t *testing.T) {
	w := newWorld(t)
	fails[*shape.CreateVpcOutput](t, "DryRunOperation", "Request would have succeeded")(
		w.CreateVpc(t.Context(), &shape.CreateVpcInput{CidrBlock: p("10.0.0.0/16"), DryRun: wire.Ptr(true)}),
	)
	if n := state.VPCs.Len(w.db.View()); n != 0 {
		t.Errorf("%d VPCs", n)
	}
}

func tcp(port int64, peers ...string) shape.IpPermission {
	out := shape.IpPermission{IpProtocol: p("tcp"), FromPort: &port, ToPort: &port}
	for _, s := range peers {
		if strings.HasPrefix(s, "sg-") {
			out.UserIdGroupPairs = append(out.UserIdGroupPairs, shape.UserIdGroupPair{GroupId: &s})
		} else {
			out.IpRanges = append(out.IpRanges, shape.IpRange{CidrIp: &s})
		}
	}
	return out
}

func TestSecurityGroupRules(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	v := w.vpc("10.0.0.0/16")
	alb, ecs := w.group(v, "alb"), w.group(v, "ecs")
	in := func(g string, ps ...shape.IpPermission) (*shape.AuthorizeSecurityGroupIngressOutput, error) {
		return w.AuthorizeSecurityGroupIngress(ctx, &shape.AuthorizeSecurityGroupIngressInput{GroupId: &g, IpPermissions: ps})
	}
	must(in(alb, tcp(80, "0.0.0.0/0"), tcp(8080, "0.0.0.0/0")))(t)
	rules := must(in(ecs, tcp(80, alb)))(t).SecurityGroupRules
	fails[*shape.AuthorizeSecurityGroupIngressOutput](
		t, "InvalidPermission.Duplicate", `the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists`,
	)(in(alb, tcp(80, "0.0.0.0/0")))
	fails[*shape.AuthorizeSecurityGroupIngressOutput](
		t, "InvalidGroup.NotFound", "The security group 'sg-0000dead' does not exist",
	)(in(alb, tcp(80, "sg-0000dead")))
	fails[*shape.AuthorizeSecurityGroupIngressOutput](t, "InvalidParameterValue", "CIDR block x is malformed")(in(alb, tcp(80, "x")))
	fails[*shape.AuthorizeSecurityGroupIngressOutput](t, "InvalidParameterValue", "Must specify both from and to ports")(
		in(alb, shape.IpPermission{IpProtocol: p("6"), IpRanges: []shape.IpRange{{CidrIp: p("0.0.0.0/0")}}}),
	)
	fails[*shape.AuthorizeSecurityGroupEgressOutput](
		t, "InvalidPermission.Duplicate", `the specified rule "peer: 0.0.0.0/0, ALL, ALLOW" already exists`,
	)(
		w.AuthorizeSecurityGroupEgress(ctx, &shape.AuthorizeSecurityGroupEgressInput{
			GroupId: &alb,
			IpPermissions: []shape.IpPermission{
				{IpProtocol: p("-1"), FromPort: wire.Ptr(int64(-1)), ToPort: wire.Ptr(int64(-1)), IpRanges: []shape.IpRange{{CidrIp: p("0.0.0.0/0")}}},
			},
		}))
	fails[*shape.DeleteSecurityGroupOutput](t, "DependencyViolation", "dependent object")(
		w.DeleteSecurityGroup(ctx, &shape.DeleteSecurityGroupInput{GroupId: &alb}),
	)

	foreign := tcp(81, alb)
	foreign.UserIdGroupPairs[0].UserId = p("111111111111")
	fails[*shape.AuthorizeSecurityGroupIngressOutput](
		t, "InvalidGroup.NotFound", "The security group '111111111111/"+alb+"' does not exist",
	)(in(ecs, foreign))
	got := must(w.DescribeSecurityGroups(ctx, &shape.DescribeSecurityGroupsInput{GroupIds: []string{alb}}))(t).SecurityGroups[0]
	if len(got.IpPermissions) != 2 || *got.IpPermissions[1].FromPort != 8080 || len(got.IpPermissionsEgress) != 1 ||
		got.IpPermissionsEgress[0].FromPort != nil {
		t.Errorf("%+v", got)
	}
	listed := must(
		w.DescribeSecurityGroupRules(ctx, &shape.DescribeSecurityGroupRulesInput{
			Filters: []shape.Filter{{Name: p("group-id"), Values: []string{ecs}}},
		}),
	)(t)
	if len(listed.SecurityGroupRules) != 2 {
		t.Errorf("%d rules", len(listed.SecurityGroupRules))
	}
	must(
		w.RevokeSecurityGroupIngress(ctx, &shape.RevokeSecurityGroupIngressInput{
			GroupId: &ecs, SecurityGroupRuleIds: []string{*rules[0].SecurityGroupRuleId},
		}),
	)(t)
	fails[*shape.RevokeSecurityGroupIngressOutput](
		t, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.",
	)(
		w.RevokeSecurityGroupIngress(ctx, &shape.RevokeSecurityGroupIngressInput{
			GroupId: &ecs, IpPermissions: []shape.IpPermission{tcp(80, alb)},
		}))
	must(
		w.RevokeSecurityGroupEgress(ctx, &shape.RevokeSecurityGroupEgressInput{
			GroupId: &alb, IpPermissions: []shape.IpPermission{{IpProtocol: p("-1"), IpRanges: []shape.IpRange{{CidrIp: p("0.0.0.0/0")}}}},
		}),
	)(t)
	must(w.DeleteSecurityGroup(ctx, &shape.DeleteSecurityGroupInput{GroupId: &alb}))(t)
}

func TestEndpoints(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	v := w.vpc("10.0.0.0/16")
	a, c := w.subnet(v, "10.0.0.0/24", "ap-northeast-1a"), w.subnet(v, "10.0.1.0/24", "ap-northeast-1c")
	again := w.subnet(v, "10.0.2.0/24", "ap-northeast-1c")
	rtb := *must(w.CreateRouteTable(ctx, &shape.CreateRouteTableInput{VpcId: &v}))(t).RouteTable.RouteTableId
	make := func(service string, edit func(*shape.CreateVpcEndpointInput)) (*shape.CreateVpcEndpointOutput, error) {
		in := &shape.CreateVpcEndpointInput{
			VpcId: &v, ServiceName: p("com.amazonaws.ap-northeast-1." + service), VpcEndpointType: p("Interface"), SubnetIds: []string{a, c},
			PrivateDnsEnabled: wire.Ptr(true),
		}
		if edit != nil {
			edit(in)
		}
		return w.CreateVpcEndpoint(ctx, in)
	}
	gateway := func(in *shape.CreateVpcEndpointInput) {
		in.VpcEndpointType, in.SubnetIds, in.PrivateDnsEnabled, in.RouteTableIds = p("Gateway"), nil, nil, []string{rtb}
	}
	fails[*shape.CreateVpcEndpointOutput](
		t, "InvalidServiceName", "The Vpc Endpoint Service 'com.amazonaws.ap-northeast-1.nothing' does not exist",
	)(make("nothing", nil))
	fails[*shape.CreateVpcEndpointOutput](
		t, "InvalidParameter", "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for "+v,
	)(make("ecs", nil))
	must(
		w.ModifyVpcAttribute(ctx, &shape.ModifyVpcAttributeInput{
			VpcId: &v, EnableDnsHostnames: &shape.AttributeBooleanValue{Value: wire.Ptr(true)},
		}),
	)(t)
	fails[*shape.CreateVpcEndpointOutput](t, "DuplicateSubnetsInSameZone", "availability zone of "+again)(
		make("ecs", func(in *shape.CreateVpcEndpointInput) { in.SubnetIds = []string{c, again} }),
	)
	document := func(text string) func(*shape.CreateVpcEndpointInput) {
		return func(in *shape.CreateVpcEndpointInput) { in.PolicyDocument = &text }
	}
	fails[*shape.CreateVpcEndpointOutput](
		t, "InvalidPolicyDocument", "The policy document is not valid: Syntax errors in policy.",
	)(make("ecs", document("{")))
	fails[*shape.CreateVpcEndpointOutput](
		t, "NotImplemented", "Berth does not hold requests to com.amazonaws.ap-northeast-1.ecr.dkr against the policy",
	)(
		make("ecr.dkr", document(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"ecr:BatchGetImage","Resource":"*"}}`)))
	must(make("ecr.dkr", document(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`)))(t)
	e := must(make("ecs", nil))(t).VpcEndpoint
	if *e.State != "pending" || len(e.Groups) != 1 || len(e.DnsEntries) != 4 ||
		*e.DnsEntries[3].DnsName != "ecs.ap-northeast-1.amazonaws.com" {
		t.Errorf("%+v", e)
	}
	fails[*shape.CreateVpcEndpointOutput](
		t, "InvalidParameter",
		"private-dns-enabled cannot be set because there is already a conflicting DNS domain for ecs.ap-northeast-1.amazonaws.com in the VPC "+v,
	)(make("ecs", nil))
	must(make("ecs", func(in *shape.CreateVpcEndpointInput) { in.PrivateDnsEnabled = wire.Ptr(false) }))(t)
	s3 := must(make("s3", gateway))(t).VpcEndpoint
	fails[*shape.CreateVpcEndpointOutput](
		t, "RouteAlreadyExists", "route table "+rtb+" already has a route with destination-prefix-list-id pl-",
	)(make("s3", gateway))
	table, _ := state.RouteTables.Get(w.db.View(), rtb)
	if *s3.State != "available" || len(table.Routes) != 2 || table.Routes[1].Target != *s3.VpcEndpointId {
		t.Errorf("%+v", table)
	}
	out := must(
		w.DeleteVpcEndpoints(ctx, &shape.DeleteVpcEndpointsInput{VpcEndpointIds: []string{*s3.VpcEndpointId, *e.VpcEndpointId, "vpce-1"}}),
	)(t)
	table, _ = state.RouteTables.Get(w.db.View(), rtb)
	left, _ := state.VPCEndpoints.Get(w.db.View(), *e.VpcEndpointId)
	if len(out.Unsuccessful) != 1 || len(table.Routes) != 1 || left.State != model.EndpointDeleting {
		t.Errorf("%+v %+v %+v", out, table, left)
	}
}

func TestFiltersAndPages(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	v := w.vpc("10.0.0.0/16")
	for i := range 7 {
		id := w.subnet(v, fmt.Sprintf("10.0.%d.0/24", i), "ap-northeast-1a")
		must(
			w.CreateTags(ctx, &shape.CreateTagsInput{
				Resources: []string{id}, Tags: []shape.Tag{{Key: p("Name"), Value: p(fmt.Sprintf("net-%d", i))}},
			}),
		)(t)
	}
	count := func(name string, values ...string) int {
		return len(must(w.DescribeSubnets(ctx, &shape.DescribeSubnetsInput{Filters: []shape.Filter{{Name: &name, Values: values}}}))(t).Subnets)
	}
	for _, tt := range []struct {
		name   string
		values []string
		want   int
	}{
		{"tag:Name", []string{"net-1", "net-2"}, 2}, {"tag:Name", []string{"net-*"}, 7}, {"tag:Name", []string{"net-?"}, 7},
		{"tag:Name", []string{"net"}, 0},
		{"tag:Name", []string{strings.Repeat("*n", 40) + "*"}, 0}, {"tag:Name", []string{`n\et-1`}, 1}, {"tag:Name", []string{`\*`}, 0},
		{"tag:Name", []string{"*-*1*"}, 1},
		{"tag-key", []string{"Name"}, 7}, {"tag-key", []string{"name"}, 0}, {"vpc-id", []string{v}, 7},
		{"cidr-block", []string{"10.0.3.0/24"}, 1},
		{"owner-id", []string{"000000000000"}, 7}, {"owner-id", []string{"1"}, 0}, {"default-for-az", []string{"false"}, 7},
		{"availability-zone-id", []string{"apne1-az4"}, 7},
	} {
		if got := count(tt.name, tt.values...); got != tt.want {
			t.Errorf("%s=%v: %d, want %d", tt.name, tt.values, got, tt.want)
		}
	}
	var seen []string
	var next *string
	for {
		out := must(w.DescribeSubnets(ctx, &shape.DescribeSubnetsInput{MaxResults: wire.Ptr(int64(3)), NextToken: next}))(t)
		for _, s := range out.Subnets {
			seen = append(seen, *s.SubnetId)
		}
		if next = out.NextToken; next == nil {
			break
		}
	}
	if len(seen) != 7 || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != 7 {
		t.Errorf("%v", seen)
	}
	tags := must(
		w.DescribeTags(ctx, &shape.DescribeTagsInput{Filters: []shape.Filter{{Name: p("resource-type"), Values: []string{"subnet"}}}}),
	)(t)
	if len(tags.Tags) != 7 {
		t.Errorf("%d tags", len(tags.Tags))
	}
	fails[*shape.CreateTagsOutput](t, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")(
		w.CreateTags(ctx, &shape.CreateTagsInput{Resources: []string{v}, Tags: []shape.Tag{{Key: p("aws:x")}}}),
	)
	asCFN := wire.WithCall(ctx, wire.Call{Principal: ident.Principal{Service: "cloudformation.amazonaws.com"}})
	must(
		w.CreateTags(asCFN, &shape.CreateTagsInput{
			Resources: []string{v}, Tags: []shape.Tag{{Key: p("aws:cloudformation:stack-name"), Value: p("s")}},
		}),
	)(t)
	must(w.DeleteTags(ctx, &shape.DeleteTagsInput{Resources: []string{seen[0]}, Tags: []shape.Tag{{Key: p("Name")}}}))(t)
	if got := count("tag-key", "Name"); got != 6 {
		t.Errorf("%d", got)
	}
}

// A service that has endpoints of both types is listed twice under one name;
// no size of page loses one.
func TestPagesOfWhatSharesAnID(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	kinds := func(size int64) (out []string) {
		in := &shape.DescribeVpcEndpointServicesInput{MaxResults: &size}
		for {
			page := must(w.DescribeVpcEndpointServices(ctx, in))(t)
			for _, s := range page.ServiceDetails {
				out = append(out, *s.ServiceName+" "+*s.ServiceType[0].ServiceType)
			}
			if in.NextToken = page.NextToken; in.NextToken == nil {
				return out
			}
		}
	}
	whole := kinds(1000)
	for size := int64(1); size < int64(len(whole)); size++ {
		if got := kinds(size); !slices.Equal(got, whole) {
			t.Errorf("in pages of %d: %d of %d", size, len(got), len(whole))
		}
	}
}

// The interface of a function without a VPC is none of the account's.
func TestInterfacesOutsideVPCsAreNotShown(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	err := w.db.Update(ctx, "controllers/network", func(tx *store.Tx) error {
		return state.NetworkInterfaces.Put(tx, model.NetworkInterface{
			ID: "eni-0000000f", Kind: "function", IP: "100.64.0.1", State: model.InterfaceAvailable,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := must(w.DescribeNetworkInterfaces(ctx, &shape.DescribeNetworkInterfacesInput{}))(t).NetworkInterfaces; len(got) != 0 {
		t.Errorf("%+v", got)
	}
	fails[*shape.DescribeNetworkInterfacesOutput](t, "InvalidNetworkInterfaceID.NotFound", "does not exist")(
		w.DescribeNetworkInterfaces(ctx, &shape.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"eni-0000000f"}}),
	)
}

// Proves: MI60, MI61, MI75
func TestManagedInstancesAreHiddenAndCannotBeEnded(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	v := w.vpc("10.0.0.0/16")
	s := w.subnet(v, "10.0.0.0/24", "ap-northeast-1a")
	id := "i-0123456789abcdef0"
	as := func(writer string, fn func(*store.Tx) error) {
		if err := w.db.Update(ctx, writer, fn); err != nil {
			t.Fatal(err)
		}
	}
	as("controllers/capacity", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: id, Type: "c6a.large", Subnet: s, AvailabilityZone: "ap-northeast-1a", Goal: model.GoalRun, State: model.InstancePending,
			Tags: []model.Tag{{Key: "aws:ec2:managed-launch", Value: "ecs-managed-instances"}},
		})
	})
	list := func(in shape.DescribeInstancesInput) int {
		return len(must(w.DescribeInstances(ctx, &in))(t).Reservations)
	}
	byID := must(w.DescribeInstances(ctx, &shape.DescribeInstancesInput{InstanceIds: []string{id}}))(t)
	i := byID.Reservations[0].Instances[0]
	if *i.ImageId != "ami-0098fbf35ac176022" {
		t.Errorf("the instance says another image of itself than %s", *i.ImageId)
	}
	if *i.Operator.Principal != "ecs.amazonaws.com" || *i.VpcId != v || *i.InstanceType != "c6a.large" || *i.State.Name != "pending" ||
		*i.Architecture != "x86_64" {
		t.Errorf("%+v", i)
	}
	if n := list(shape.DescribeInstancesInput{}); n != 0 {
		t.Errorf("%d instances are listed", n)
	}
	if n := list(shape.DescribeInstancesInput{
		IncludeManagedResources: wire.Ptr(true), Filters: []shape.Filter{{Name: p("vpc-id"), Values: []string{v}}},
	}); n != 1 {
		t.Errorf("%d instances are listed", n)
	}
	must(w.ModifyManagedResourceVisibility(ctx, &shape.ModifyManagedResourceVisibilityInput{DefaultVisibility: p("visible")}))(t)
	if n := list(shape.DescribeInstancesInput{}); n != 1 {
		t.Errorf("%d instances are listed", n)
	}
	fails[*shape.TerminateInstancesOutput](t, "OperationNotPermitted", "managed by")(
		w.TerminateInstances(ctx, &shape.TerminateInstancesInput{InstanceIds: []string{id}}),
	)
	fails[*shape.StopInstancesOutput](t, "OperationNotPermitted", "managed by")(
		w.StopInstances(ctx, &shape.StopInstancesInput{InstanceIds: []string{id}}),
	)
	fails[*shape.TerminateInstancesOutput](t, "InvalidInstanceID.NotFound", "does not exist")(
		w.TerminateInstances(ctx, &shape.TerminateInstancesInput{InstanceIds: []string{"i-0000dead"}}),
	)
}

func TestNATGatewaysAndAddresses(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	v := w.vpc("10.0.0.0/16")
	s := w.subnet(v, "10.0.0.0/24", "ap-northeast-1a")
	x := must(w.AllocateAddress(ctx, &shape.AllocateAddressInput{Domain: p("vpc")}))(t)
	fails[*shape.CreateNatGatewayOutput](t, "MissingParameter", "AllocationId")(
		w.CreateNatGateway(ctx, &shape.CreateNatGatewayInput{SubnetId: &s}),
	)
	in := &shape.CreateNatGatewayInput{SubnetId: &s, AllocationId: x.AllocationId, ClientToken: p("once")}
	n := must(w.CreateNatGateway(ctx, in))(t).NatGateway
	if again := must(w.CreateNatGateway(ctx, in))(t).NatGateway; *again.NatGatewayId != *n.NatGatewayId {
		t.Error("the client token is not heeded")
	}
	fails[*shape.CreateNatGatewayOutput](t, "Resource.AlreadyAssociated", "is already associated")(
		w.CreateNatGateway(ctx, &shape.CreateNatGatewayInput{SubnetId: &s, AllocationId: x.AllocationId}),
	)
	fails[*shape.ReleaseAddressOutput](t, "InvalidIPAddress.InUse", "is in use")(
		w.ReleaseAddress(ctx, &shape.ReleaseAddressInput{AllocationId: x.AllocationId}),
	)
	must(w.DeleteNatGateway(ctx, &shape.DeleteNatGatewayInput{NatGatewayId: n.NatGatewayId}))(t)
	must(w.ReleaseAddress(ctx, &shape.ReleaseAddressInput{AllocationId: x.AllocationId}))(t)
	if got, _ := state.NATGateways.Get(w.db.View(), *n.NatGatewayId); got.State != model.NATDeleting {
		t.Error(got.State)
	}
}

func TestDefaultVPC(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	if n := len(must(w.DescribeVpcs(ctx, &shape.DescribeVpcsInput{}))(t).Vpcs); n != 0 {
		t.Errorf("%d VPCs at the start", n)
	}
	must(w.CreateDefaultVpc(ctx, &shape.CreateDefaultVpcInput{}))(t)
	fails[*shape.CreateDefaultVpcOutput](t, "DefaultVpcAlreadyExists", "already exists")(
		w.CreateDefaultVpc(ctx, &shape.CreateDefaultVpcInput{}),
	)
	subnets := must(w.DescribeSubnets(ctx, &shape.DescribeSubnetsInput{}))(t).Subnets
	var got []string
	for _, s := range subnets {
		got = append(got, *s.AvailabilityZone+" "+*s.CidrBlock)
	}
	slices.Sort(got)
	if diff := cmp.Diff(
		[]string{"ap-northeast-1a 172.31.0.0/20", "ap-northeast-1c 172.31.16.0/20", "ap-northeast-1d 172.31.32.0/20"}, got,
	); diff != "" {
		t.Error(diff)
	}
	must(w.CreateSecurityGroup(ctx, &shape.CreateSecurityGroupInput{GroupName: p("web"), Description: p("d")}))(t)
}

func TestTypesZonesAndRegions(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	types := must(w.DescribeInstanceTypes(ctx, &shape.DescribeInstanceTypesInput{InstanceTypes: []string{"c6a.large"}}))(t).InstanceTypes
	if len(types) != 1 || *types[0].VCpuInfo.DefaultVCpus != 2 || *types[0].MemoryInfo.SizeInMiB != 4096 {
		t.Errorf("%+v", types)
	}
	fails[*shape.DescribeInstanceTypesOutput](t, "InvalidInstanceType", "[c99.large]")(
		w.DescribeInstanceTypes(ctx, &shape.DescribeInstanceTypesInput{InstanceTypes: []string{"c99.large"}}),
	)
	offered := must(
		w.DescribeInstanceTypeOfferings(ctx, &shape.DescribeInstanceTypeOfferingsInput{
			LocationType: p("availability-zone"), Filters: []shape.Filter{{Name: p("instance-type"), Values: []string{"c5a.large"}}},
		}),
	)(t)
	if len(offered.InstanceTypeOfferings) != 2 {
		t.Errorf("%+v", offered)
	}
	matched := must(w.GetInstanceTypesFromInstanceRequirements(ctx, &shape.GetInstanceTypesFromInstanceRequirementsInput{
		ArchitectureTypes: []string{"x86_64"}, VirtualizationTypes: []string{"hvm"},
		InstanceRequirements: &shape.InstanceRequirementsRequest{
			VCpuCount: &shape.VCpuCountRangeRequest{Min: wire.Ptr(int64(2)), Max: wire.Ptr(int64(2))},
			MemoryMiB: &shape.MemoryMiBRequest{Min: wire.Ptr(int64(4096)), Max: wire.Ptr(int64(4096))},
		},
	}))(t)
	if len(matched.InstanceTypes) == 0 {
		t.Error("nothing matches")
	}
	zones := must(w.DescribeAvailabilityZones(ctx, &shape.DescribeAvailabilityZonesInput{}))(t).AvailabilityZones
	if len(zones) != 3 || *zones[0].ZoneId != "apne1-az4" {
		t.Errorf("%+v", zones)
	}
	regions := must(w.DescribeRegions(ctx, &shape.DescribeRegionsInput{}))(t).Regions
	if !slices.ContainsFunc(regions, func(r shape.Region) bool {
		return *r.RegionName == "us-east-1" && *r.Endpoint == "ec2.us-east-1.amazonaws.com"
	}) {
		t.Errorf("%d regions", len(regions))
	}
	lists := must(w.DescribePrefixLists(ctx, &shape.DescribePrefixListsInput{}))(t)
	if len(lists.PrefixLists) != 2 {
		t.Errorf("%+v", lists)
	}
}

// Nothing that is not there is answered with a success of its own making.
func TestUnbuiltOperationsSaySo(t *testing.T) {
	w := newWorld(t)
	_, err := w.CreateNetworkAcl(context.Background(), &shape.CreateNetworkAclInput{})
	var e *fault.Error
	if !errors.As(err, &e) || e.Class != fault.NotImplemented {
		t.Error(err)
	}
}
