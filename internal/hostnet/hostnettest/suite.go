// Package hostnettest is the suite that every driver of the host's network
// passes: hostnet on a real kernel, and its simulated twin. It builds a small
// world of two VPCs with the same addresses and asks who reaches whom.
package hostnettest

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"berth/internal/model"
	"berth/internal/vpc"
)

// Driver is what is tested.
type Driver interface {
	Set(ctx context.Context, h vpc.HostNetwork) error
	Remove(ctx context.Context) error
}

// Host is a driver with a way to try it.
type Host struct {
	Driver
	// Dial tries a TCP connection from an interface's namespace to something
	// that listens there. expect is what should come of it: a driver waits
	// longer for what should.
	Dial func(from string, to netip.AddrPort, expect bool) error
	// Restart gives a new driver of the same host, as after a crash.
	Restart func() Driver
}

// Region of the world.
const Region = "ap-northeast-1"

// World is two VPCs with equal CIDRs: web behind a load balancer with private
// endpoints and a NAT gateway, and another that must not be seen.
func World() vpc.Snapshot {
	s := vpc.Snapshot{Region: Region}
	side(&s, "a")
	side(&s, "b")
	s.NATs = []model.NATGateway{{ID: "nat-a", VPC: "vpc-a", Subnet: "subnet-a-pub", State: model.NATAvailable}}
	s.Endpoints = []model.VPCEndpoint{
		{
			ID: "vpce-a-s3", VPC: "vpc-a", Type: "Gateway", ServiceName: "com.amazonaws." + Region + ".s3", RouteTables: []string{"rtb-a-prv"},
			State: model.EndpointAvailable,
		},
	}
	s.Interfaces = append(s.Interfaces,
		ENI("eni-a-alb", vpc.KindLoadBalancer, "a", "pub", "10.0.0.4", "198.18.0.1", "alb"),
		ENI("eni-a-nat", vpc.KindNAT, "a", "pub", "10.0.0.5", "198.18.0.2"),
		ENI("eni-a-pub", vpc.KindTask, "a", "pub", "10.0.0.6", "198.18.0.3", "web"),
		ENI("eni-a-bare", vpc.KindTask, "a", "pub", "10.0.0.7", "", "web"),
		ENI("eni-a-t1", vpc.KindTask, "a", "prv", "10.0.1.4", "", "web"),
		ENI("eni-a-t2", vpc.KindTask, "a", "prv", "10.0.1.5", "", "web"),
		ENI("eni-a-i1", vpc.KindInstance, "a", "prv", "10.0.1.6", "", "node"),
		ENI("eni-a-ep", vpc.KindEndpoint, "a", "prv", "10.0.1.7", "", "endpoint"),
		ENI("eni-a-iso", vpc.KindTask, "a", "iso", "10.0.2.4", "", "web"),
		ENI("eni-a-mute", vpc.KindTask, "a", "prv", "10.0.1.8", "", "mute"),
		ENI("eni-b-t1", vpc.KindTask, "b", "prv", "10.0.1.4", "", "web"),
		ENI("eni-b-alb", vpc.KindLoadBalancer, "b", "pub", "10.0.0.4", "198.18.0.9", "alb"),
		model.NetworkInterface{ID: "eni-f-1", Kind: vpc.KindFunction, Owner: "hook", IP: "100.64.0.1", MAC: vpc.MAC("eni-f-1")},
	)
	return s
}

// ENI is an interface of the world: in subnet-SIDE-SUBNET with groups
// sg-SIDE-GROUP.
func ENI(id, kind, side, subnet, ip, public string, groups ...string) model.NetworkInterface {
	n := model.NetworkInterface{
		ID: id, Kind: kind, VPC: "vpc-" + side, Subnet: "subnet-" + side + "-" + subnet, IP: ip, PublicIP: public, MAC: vpc.MAC(id),
		State: model.InterfaceAvailable,
	}
	if kind == vpc.KindNAT {
		n.Owner = "nat-" + side
	}
	for _, g := range groups {
		n.SecurityGroups = append(n.SecurityGroups, "sg-"+side+"-"+g)
	}
	return n
}

func side(s *vpc.Snapshot, v string) {
	id := func(kind, name string) string { return kind + "-" + v + "-" + name }
	s.VPCs = append(s.VPCs, model.VPC{ID: "vpc-" + v, CIDR: "10.0.0.0/16", DNSSupport: true, MainRouteTable: id("rtb", "main")})
	s.Gateways = append(s.Gateways, model.InternetGateway{ID: "igw-" + v, VPC: "vpc-" + v})
	table := func(name string, routes ...model.Route) {
		t := model.RouteTable{
			ID: id("rtb", name), VPC: "vpc-" + v, Routes: append([]model.Route{{Destination: "10.0.0.0/16", Target: "local"}}, routes...),
		}
		if name != "main" {
			t.Associations = []model.RouteAssociation{{ID: id("rtbassoc", name), Subnet: id("subnet", name)}}
		}
		s.RouteTables = append(s.RouteTables, t)
	}
	table("main")
	table("pub", model.Route{Destination: "0.0.0.0/0", Target: "igw-" + v})
	if v == "a" {
		table("prv", model.Route{Destination: "0.0.0.0/0", Target: "nat-" + v})
	} else {
		table("prv")
	}
	for i, name := range []string{"pub", "prv", "iso"} {
		s.Subnets = append(s.Subnets, model.Subnet{ID: id("subnet", name), VPC: "vpc-" + v, CIDR: fmt.Sprintf("10.0.%d.0/24", i)})
	}
	all := model.SecurityRule{ID: id("sgr", "all"), Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"}
	group := func(name string, rules ...model.SecurityRule) {
		s.Groups = append(s.Groups, model.SecurityGroup{ID: id("sg", name), VPC: "vpc-" + v, Rules: rules})
	}
	group("alb", all, In("http", "tcp", 80, 80, "0.0.0.0/0", ""))
	group("web", all, In("alb", "tcp", 80, 80, "", id("sg", "alb")), In("self", "tcp", 9000, 9010, "", id("sg", "web")))
	group("node", all)
	group("endpoint", all, In("https", "tcp", 443, 443, "", id("sg", "web")))
	group("mute", In("any", "-1", -1, -1, "0.0.0.0/0", ""))
}

// In is an inbound rule.
func In(id, protocol string, from, to int64, cidr, group string) model.SecurityRule {
	return model.SecurityRule{ID: "sgr-" + id, Protocol: protocol, FromPort: from, ToPort: to, CIDR: cidr, Group: group}
}

// S3 and STS are the public addresses of two services.
var (
	S3  = address("s3")
	STS = address("sts")
)

func address(name string) string {
	s, _ := vpc.ServiceNamed(Region, name)
	return s.Address.String()
}

// Cases are the truth about World: who reaches what, and why.
var Cases = []struct {
	Why  string
	From string
	To   string
	Port uint16
	Open bool
}{
	{"the group of the load balancer is let in on 80", "eni-a-alb", "10.0.1.4", 80, true},
	{"and on no other port", "eni-a-alb", "10.0.1.4", 9000, false},
	{"an instance is in no group that is let in", "eni-a-i1", "10.0.1.4", 80, false},
	{"groups hold within a subnet", "eni-a-t1", "10.0.1.5", 80, false},
	{"a group may let its own members in", "eni-a-t1", "10.0.1.5", 9003, true},
	{"a range of ports ends where it ends", "eni-a-t1", "10.0.1.5", 9011, false},
	{"an endpoint lets the tasks' group in", "eni-a-t1", "10.0.1.7", 443, true},
	{"and nobody else", "eni-a-i1", "10.0.1.7", 443, false},
	{"without an egress rule nothing leaves", "eni-a-mute", "10.0.0.4", 80, false},
	{"but answers do", "eni-a-t1", "10.0.1.8", 80, true},
	{"an address that nobody has", "eni-a-t1", "10.0.1.99", 80, false},
	{"a private subnet gets out through NAT", "eni-a-t1", STS, 443, true},
	{"a public address gets out through the gateway", "eni-a-pub", STS, 443, true},
	{"without one it does not", "eni-a-bare", STS, 443, false},
	{"a subnet without a route does not", "eni-a-iso", STS, 443, false},
	{"a gateway endpoint leads to its service", "eni-a-i1", S3, 443, true},
	{"but only from its route tables", "eni-a-iso", S3, 443, false},
	{"the other VPC has no NAT", "eni-b-t1", STS, 443, false},
	{"a function reaches a public load balancer", "eni-f-1", "198.18.0.1", 80, true},
	{"on its ports", "eni-f-1", "198.18.0.1", 8080, false},
	{"a function reaches the services", "eni-f-1", STS, 443, true},
	{"no private address is in the Internet", "eni-f-1", "10.0.0.4", 80, false},
	{"VPCs meet in the Internet", "eni-a-pub", "198.18.0.9", 80, true},
	{"public addresses work from inside", "eni-a-pub", "198.18.0.1", 80, true},
	{"a NAT gateway takes no connections", "eni-a-t1", "10.0.0.5", 80, false},
	{"nor from outside", "eni-f-1", "198.18.0.2", 80, false},
	{"nobody connects to a function", "eni-a-pub", "100.64.0.1", 80, false},
	{"equal addresses in two VPCs are two machines", "eni-b-alb", "10.0.1.4", 80, true},
}

// Run runs the suite.
func Run(t *testing.T, start func(t *testing.T) Host) {
	t.Run("everybody reaches what the rules say", func(t *testing.T) { reach(t, start(t)) })
	t.Run("a change of rules takes effect", func(t *testing.T) { rules(t, start(t)) })
	t.Run("an address moves to another owner", func(t *testing.T) { moves(t, start(t)) })
	t.Run("a restart adopts what is there", func(t *testing.T) { restart(t, start(t)) })
}

func set(t *testing.T, d Driver, s vpc.Snapshot) {
	t.Helper()
	h := vpc.Compile(s)
	if len(h.Problems) > 0 {
		t.Fatalf("problems: %v", h.Problems)
	}
	if err := d.Set(t.Context(), h); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, h Host, why, from, to string, port uint16, open bool) {
	t.Helper()
	err := h.Dial(from, netip.AddrPortFrom(netip.MustParseAddr(to), port), open)
	if open && err != nil {
		t.Errorf("%s: %s does not reach %s:%d: %v", why, from, to, port, err)
	}
	if !open && err == nil {
		t.Errorf("%s: %s reaches %s:%d", why, from, to, port)
	}
}

func reach(t *testing.T, h Host) {
	set(t, h, World())
	set(t, h, World())
	for _, c := range Cases {
		expect(t, h, c.Why, c.From, c.To, c.Port, c.Open)
	}
}

func rules(t *testing.T, h Host) {
	s := World()
	set(t, h, s)
	expect(t, h, "before", "eni-a-i1", "10.0.1.4", 80, false)
	for i := range s.Groups {
		if s.Groups[i].ID == "sg-a-web" {
			s.Groups[i].Rules = append(s.Groups[i].Rules, In("node", "tcp", 80, 80, "10.0.1.0/24", ""))
		}
	}
	set(t, h, s)
	expect(t, h, "a rule was added", "eni-a-i1", "10.0.1.4", 80, true)
	set(t, h, World())
	expect(t, h, "and taken away", "eni-a-i1", "10.0.1.4", 80, false)
	s = World()
	for i := range s.RouteTables {
		if s.RouteTables[i].ID == "rtb-a-pub" {
			s.RouteTables[i].Routes = s.RouteTables[i].Routes[:1]
		}
	}
	set(t, h, s)
	expect(t, h, "the default route is gone", "eni-a-pub", STS, 443, false)
	expect(t, h, "and with it the NAT's", "eni-a-t1", STS, 443, false)
	expect(t, h, "and answers to the Internet", "eni-f-1", "198.18.0.1", 80, false)
}

func moves(t *testing.T, h Host) {
	s := World()
	set(t, h, s)
	for i := range s.Interfaces {
		if s.Interfaces[i].ID == "eni-a-t1" {
			s.Interfaces[i] = ENI("eni-a-t9", vpc.KindTask, "a", "prv", "10.0.1.4", "", "node")
		}
	}
	set(t, h, s)
	expect(t, h, "the new owner has other groups", "eni-a-alb", "10.0.1.4", 80, false)
	expect(t, h, "the new owner works", "eni-a-t9", STS, 443, true)
}

func restart(t *testing.T, h Host) {
	s := World()
	set(t, h, s)
	s.Interfaces = append(s.Interfaces[:4:4], s.Interfaces[5:]...) // eni-a-t1 goes
	s.Interfaces = append(s.Interfaces, ENI("eni-a-t9", vpc.KindTask, "a", "prv", "10.0.1.9", "", "web"))
	h.Driver = h.Restart()
	set(t, h, s)
	expect(t, h, "gone while nobody looked", "eni-a-alb", "10.0.1.4", 80, false)
	expect(t, h, "come while nobody looked", "eni-a-alb", "10.0.1.9", 80, true)
	expect(t, h, "what stayed works", "eni-a-alb", "10.0.1.5", 80, true)
}
