package ec2_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// ids are what there is to point at, and one thing that there is not.
func ids[T any](w world, t *store.Table[T]) []string {
	out := []string{"nothing-1"}
	for _, v := range t.All(w.db.View()) {
		out = append(out, t.Key(v))
	}
	return out
}

// steps are calls with drawn arguments; whether one succeeds does not matter.
func steps(w world) map[string]func(*rapid.T) error {
	ctx := w.Context()
	some := func(t *rapid.T, of []string) *string { return p(rapid.SampledFrom(of).Draw(t, "id")) }
	err := func(_ any, e error) error { return e }
	associations := func() []string {
		out := []string{"rtbassoc-1"}
		for _, t := range state.RouteTables.All(w.db.View()) {
			for _, x := range t.Associations {
				out = append(out, x.ID)
			}
		}
		return out
	}
	return map[string]func(*rapid.T) error{
		"CreateVpc": func(*rapid.T) error { return err(w.CreateVpc(ctx, &shape.CreateVpcInput{CidrBlock: p("10.0.0.0/22")})) },
		"DeleteVpc": func(t *rapid.T) error {
			return err(w.DeleteVpc(ctx, &shape.DeleteVpcInput{VpcId: some(t, ids(w, state.VPCs))}))
		},
		"CreateSubnet": func(t *rapid.T) error {
			cidr := fmt.Sprintf("10.0.%d.0/%d", rapid.IntRange(0, 5).Draw(t, "net"), rapid.IntRange(22, 26).Draw(t, "bits"))
			return err(w.CreateSubnet(ctx, &shape.CreateSubnetInput{VpcId: some(t, ids(w, state.VPCs)), CidrBlock: &cidr}))
		},
		"DeleteSubnet": func(t *rapid.T) error {
			return err(w.DeleteSubnet(ctx, &shape.DeleteSubnetInput{SubnetId: some(t, ids(w, state.Subnets))}))
		},
		"CreateInternetGateway": func(*rapid.T) error {
			return err(w.CreateInternetGateway(ctx, &shape.CreateInternetGatewayInput{}))
		},
		"AttachInternetGateway": func(t *rapid.T) error {
			return err(
				w.AttachInternetGateway(ctx, &shape.AttachInternetGatewayInput{
					InternetGatewayId: some(t, ids(w, state.InternetGateways)), VpcId: some(t, ids(w, state.VPCs)),
				}),
			)
		},
		"DetachInternetGateway": func(t *rapid.T) error {
			return err(
				w.DetachInternetGateway(ctx, &shape.DetachInternetGatewayInput{
					InternetGatewayId: some(t, ids(w, state.InternetGateways)), VpcId: some(t, ids(w, state.VPCs)),
				}),
			)
		},
		"CreateRouteTable": func(t *rapid.T) error {
			return err(w.CreateRouteTable(ctx, &shape.CreateRouteTableInput{VpcId: some(t, ids(w, state.VPCs))}))
		},
		"DeleteRouteTable": func(t *rapid.T) error {
			return err(w.DeleteRouteTable(ctx, &shape.DeleteRouteTableInput{RouteTableId: some(t, ids(w, state.RouteTables))}))
		},
		"AssociateRouteTable": func(t *rapid.T) error {
			return err(
				w.AssociateRouteTable(ctx, &shape.AssociateRouteTableInput{
					RouteTableId: some(t, ids(w, state.RouteTables)), SubnetId: some(t, ids(w, state.Subnets)),
				}),
			)
		},
		"DisassociateRouteTable": func(t *rapid.T) error {
			return err(w.DisassociateRouteTable(ctx, &shape.DisassociateRouteTableInput{AssociationId: some(t, associations())}))
		},
		"ReplaceRouteTableAssociation": func(t *rapid.T) error {
			return err(
				w.ReplaceRouteTableAssociation(ctx, &shape.ReplaceRouteTableAssociationInput{
					AssociationId: some(t, associations()), RouteTableId: some(t, ids(w, state.RouteTables)),
				}),
			)
		},
		"CreateRoute": func(t *rapid.T) error {
			return err(
				w.CreateRoute(ctx, &shape.CreateRouteInput{
					RouteTableId: some(t, ids(w, state.RouteTables)), DestinationCidrBlock: p("0.0.0.0/0"),
					GatewayId: some(t, ids(w, state.InternetGateways)),
				}),
			)
		},
		"DeleteRoute": func(t *rapid.T) error {
			return err(
				w.DeleteRoute(ctx, &shape.DeleteRouteInput{RouteTableId: some(t, ids(w, state.RouteTables)), DestinationCidrBlock: p("0.0.0.0/0")}),
			)
		},
		"CreateSecurityGroup": func(t *rapid.T) error {
			name := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name")
			return err(
				w.CreateSecurityGroup(ctx, &shape.CreateSecurityGroupInput{VpcId: some(t, ids(w, state.VPCs)), GroupName: &name, Description: &name}),
			)
		},
		"DeleteSecurityGroup": func(t *rapid.T) error {
			return err(w.DeleteSecurityGroup(ctx, &shape.DeleteSecurityGroupInput{GroupId: some(t, ids(w, state.SecurityGroups))}))
		},
		"AuthorizeSecurityGroupIngress": func(t *rapid.T) error {
			peer := *some(t, ids(w, state.SecurityGroups))
			return err(
				w.AuthorizeSecurityGroupIngress(ctx, &shape.AuthorizeSecurityGroupIngressInput{
					GroupId: some(t, ids(w, state.SecurityGroups)), IpPermissions: []shape.IpPermission{tcp(80, peer)},
				}),
			)
		},
		"CreateVpcEndpoint": func(t *rapid.T) error {
			in := &shape.CreateVpcEndpointInput{VpcId: some(t, ids(w, state.VPCs))}
			if rapid.Bool().Draw(t, "gateway") {
				in.ServiceName, in.RouteTableIds = p("com.amazonaws.ap-northeast-1.s3"), []string{*some(t, ids(w, state.RouteTables))}
			} else {
				in.ServiceName, in.VpcEndpointType, in.PrivateDnsEnabled = p("com.amazonaws.ap-northeast-1.ecs"), p("Interface"), wire.Ptr(false)
				in.SubnetIds, in.SecurityGroupIds = []string{*some(t, ids(w, state.Subnets))}, []string{*some(t, ids(w, state.SecurityGroups))}
			}
			return err(w.CreateVpcEndpoint(ctx, in))
		},
		"DeleteVpcEndpoints": func(t *rapid.T) error {
			return err(w.DeleteVpcEndpoints(ctx, &shape.DeleteVpcEndpointsInput{VpcEndpointIds: []string{*some(t, ids(w, state.VPCEndpoints))}}))
		},
	}
}

// Laws, whatever is called in whatever order: nothing points at what is not
// there or is of another VPC; subnets do not overlap; a subnet has one table;
// a VPC has one main table, its default group and at most one gateway; a call
// that fails changes nothing.
func TestTheNetworkStaysWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		all := steps(w)
		names := make([]string, 0, len(all))
		for n := range all {
			names = append(names, n)
		}
		slices.Sort(names)
		done := []string{}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			name := rapid.SampledFrom(names).Draw(rt, "step")
			before := w.db.View().Revision()
			if err := all[name](rt); err != nil && w.db.View().Revision() != before {
				rt.Fatalf("%s failed and wrote: %v", name, err)
			}
			done = append(done, name)
			if broken := whole(w.db.View()); broken != "" {
				rt.Fatalf("after %v: %s", done, broken)
			}
		}
	})
}

func whole(r store.Reader) string {
	for _, v := range state.VPCs.All(r) {
		if s := wholeVPC(r, v); s != "" {
			return s
		}
	}
	for _, t := range state.RouteTables.All(r) {
		for _, x := range t.Associations {
			s, ok := state.Subnets.Get(r, x.Subnet)
			if !x.Main && (!ok || s.VPC != t.VPC) {
				return "association " + x.ID + " of nothing"
			}
		}
		for _, x := range t.Routes {
			if e, ok := state.VPCEndpoints.Get(r, x.Target); len(x.Target) > 5 && x.Target[:5] == "vpce-" &&
				(!ok || !slices.Contains(e.RouteTables, t.ID)) {
				return "route to " + x.Target
			}
		}
	}
	for _, g := range state.SecurityGroups.All(r) {
		for _, x := range g.Rules {
			if o, ok := state.SecurityGroups.Get(r, x.Group); x.Group != "" && (!ok || o.VPC != g.VPC) {
				return "rule of " + g.ID + " for " + x.Group
			}
		}
	}
	for _, e := range state.VPCEndpoints.All(r) {
		for _, id := range e.Subnets {
			if s, ok := state.Subnets.Get(r, id); !ok || s.VPC != e.VPC {
				return "endpoint " + e.ID + " in " + id
			}
		}
		for _, id := range e.RouteTables {
			if t, ok := state.RouteTables.Get(r, id); !ok || t.VPC != e.VPC {
				return "endpoint " + e.ID + " for " + id
			}
		}
	}
	return ""
}

func wholeVPC(r store.Reader, v model.VPC) string {
	mains := 0
	seen := map[string]bool{}
	for _, t := range state.RouteTables.By(r, "vpc", v.ID) {
		for _, x := range t.Associations {
			if x.Main {
				mains++
				if t.ID != v.MainRouteTable {
					return v.ID + " does not know its main table"
				}
			} else if seen[x.Subnet] {
				return x.Subnet + " has two tables"
			}
			seen[x.Subnet] = true
		}
	}
	if _, ok := state.SecurityGroups.Get(r, v.DefaultGroup); mains != 1 || !ok {
		return fmt.Sprintf("%s has %d main tables", v.ID, mains)
	}
	if n := len(state.InternetGateways.By(r, "vpc", v.ID)); n > 1 {
		return fmt.Sprintf("%s has %d gateways", v.ID, n)
	}
	var blocks []netip.Prefix
	for _, s := range state.Subnets.By(r, "vpc", v.ID) {
		p, err := netip.ParsePrefix(s.CIDR)
		if err != nil || slices.ContainsFunc(blocks, p.Overlaps) {
			return s.ID + " overlaps"
		}
		blocks = append(blocks, p)
	}
	return ""
}
