package vpc_test

import (
	"slices"
	"strings"
	"testing"

	"berth/internal/model"
	"berth/internal/vpc"
)

// both is a VPC with a public and a private subnet, and a NAT gateway in the
// public one to which the private one's route table leads.
func both(change func(*vpc.Snapshot)) vpc.Snapshot {
	s := private(nil)
	s.Endpoints = nil
	s.Gateways = []model.InternetGateway{{ID: "igw-1", VPC: "vpc-1"}}
	s.Subnets = append(s.Subnets, model.Subnet{ID: "subnet-2", VPC: "vpc-1", CIDR: "10.0.1.0/24"})
	s.RouteTables = []model.RouteTable{
		{ID: "rtb-1", VPC: "vpc-1", Routes: []model.Route{{Destination: "0.0.0.0/0", Target: "nat-1"}}},
		{
			ID: "rtb-2", VPC: "vpc-1", Associations: []model.RouteAssociation{{ID: "rtbassoc-1", Subnet: "subnet-2"}},
			Routes: []model.Route{{Destination: "0.0.0.0/0", Target: "igw-1"}},
		},
	}
	s.Interfaces = []model.NetworkInterface{
		s.Interfaces[0],
		{ID: "eni-nat", Kind: vpc.KindNAT, Owner: "nat-1", VPC: "vpc-1", Subnet: "subnet-2", IP: "10.0.1.9", PublicIP: "198.51.100.9"},
		{
			ID: "eni-2", Kind: vpc.KindInstance, VPC: "vpc-1", Subnet: "subnet-2", IP: "10.0.1.4", PublicIP: "198.18.0.4",
			SecurityGroups: []string{"sg-1"},
		},
	}
	if change != nil {
		change(&s)
	}
	return s
}

func TestAWayOutSaysWhatItLeadsThroughOrLacks(t *testing.T) {
	for _, c := range []struct {
		why    string
		from   string
		change func(*vpc.Snapshot)
		hops   string
		lacks  string
	}{
		{"a public subnet", "eni-2", nil, "igw-1", ""},
		{"a private one by NAT", "eni-1", nil, "nat-1 igw-1", ""},
		{
			"a private one without", "eni-1", func(s *vpc.Snapshot) { s.RouteTables[0].Routes = nil }, "",
			"route table rtb-1 has no route 0.0.0.0/0: add one to a NAT gateway",
		},
		{
			"nothing at all", "eni-2", func(s *vpc.Snapshot) { s.RouteTables[1].Routes, s.Gateways = nil, nil }, "",
			"route table rtb-2 has no route 0.0.0.0/0: add one to an internet gateway; VPC vpc-1 has no internet gateway either",
		},
		{
			"no public address", "eni-2", func(s *vpc.Snapshot) { s.Interfaces[2].PublicIP = "" }, "igw-1",
			"interface eni-2 has no public address, so the internet gateway drops its packets: let it have a public address",
		},
		{
			"a NAT gateway that is gone", "eni-1", func(s *vpc.Snapshot) { s.Interfaces = slices.Delete(s.Interfaces, 1, 2) }, "",
			"route table rtb-1: 0.0.0.0/0 goes to nat-1, which is a blackhole: replace the route",
		},
		{
			"an internet gateway that was taken away", "eni-2", func(s *vpc.Snapshot) { s.Gateways = nil }, "",
			"route table rtb-2: 0.0.0.0/0 goes to igw-1, which is a blackhole: replace the route",
		},
		{
			"a NAT gateway in a private subnet", "eni-1", func(s *vpc.Snapshot) { s.RouteTables[1].Routes = nil }, "nat-1",
			"nat-1 is in a subnet whose route table rtb-2 has no route to the Internet",
		},
		{"a closed group", "eni-2", func(s *vpc.Snapshot) { s.Groups[0].Rules = nil }, "", "no egress rule of sg-1 lets tcp 443 out"},
		{"no names", "eni-2", func(s *vpc.Snapshot) { s.VPCs[0].DNSSupport = false }, "", "VPC vpc-1 has DNS support off"},
		{"no interface", "eni-9", nil, "", "there is no interface eni-9"},
	} {
		got := vpc.WayOut(both(c.change), c.from)
		if got.Open != (c.lacks == "") || strings.Join(got.Hops, " ") != c.hops || !strings.HasPrefix(got.Lacks, c.lacks) {
			t.Errorf("%s: %s\n%s", c.why, got, got.Path)
		}
	}
	if got := vpc.WayOut(both(nil), "eni-1").String(); got != "it reaches the Internet through nat-1 and igw-1" {
		t.Error(got)
	}
}
