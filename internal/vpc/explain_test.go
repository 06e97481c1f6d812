package vpc_test

import (
	"testing"

	"berth/internal/model"
	"berth/internal/vpc"
)

// private is a VPC without a way out, with one endpoint.
func private(change func(*vpc.Snapshot)) vpc.Snapshot {
	s := vpc.Snapshot{
		Region: region,
		VPCs: []model.VPC{
			{ID: "vpc-1", CIDR: "10.0.0.0/16", DNSSupport: true, DNSHostnames: true, MainRouteTable: "rtb-1", DefaultGroup: "sg-1"},
		},
		Subnets:     []model.Subnet{{ID: "subnet-1", VPC: "vpc-1", CIDR: "10.0.0.0/24"}},
		RouteTables: []model.RouteTable{{ID: "rtb-1", VPC: "vpc-1"}},
		Groups: []model.SecurityGroup{
			{
				ID: "sg-1", VPC: "vpc-1",
				Rules: []model.SecurityRule{{ID: "sgr-1", Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"}},
			},
			{ID: "sg-2", VPC: "vpc-1", Rules: []model.SecurityRule{{ID: "sgr-2", Protocol: "tcp", FromPort: 443, ToPort: 443, Group: "sg-1"}}},
		},
		Endpoints: []model.VPCEndpoint{
			{
				ID: "vpce-1", VPC: "vpc-1", Type: "Interface", ServiceName: "com.amazonaws." + region + ".ecs", PrivateDNS: true,
				State: model.EndpointAvailable,
			},
		},
		Interfaces: []model.NetworkInterface{
			{ID: "eni-1", Kind: vpc.KindInstance, VPC: "vpc-1", Subnet: "subnet-1", IP: "10.0.0.4", SecurityGroups: []string{"sg-1"}},
			{
				ID: "eni-2", Kind: vpc.KindEndpoint, Owner: "vpce-1", VPC: "vpc-1", Subnet: "subnet-1", IP: "10.0.0.5",
				SecurityGroups: []string{"sg-2"},
			},
		},
	}
	if change != nil {
		change(&s)
	}
	return s
}

func TestCallsSayWhyAServiceIsNotReached(t *testing.T) {
	for _, c := range []struct {
		why     string
		change  func(*vpc.Snapshot)
		service string
		open    bool
		decides string
	}{
		{"an endpoint that lets the group in", nil, "ecs", true, "eni-2"},
		{"no endpoint and no route", nil, "ecs-agent", false, "rtb-1"},
		{"a closed endpoint", func(s *vpc.Snapshot) { s.Groups[1].Rules = nil }, "ecs", false, "sg-2"},
		{"private DNS off", func(s *vpc.Snapshot) { s.Endpoints[0].PrivateDNS = false }, "ecs", false, "rtb-1"},
		{"DNS off", func(s *vpc.Snapshot) { s.VPCs[0].DNSSupport = false }, "ecs", false, "vpc-1"},
		{"no egress", func(s *vpc.Snapshot) { s.Groups[0].Rules = nil }, "ecs", false, "sg-1"},
	} {
		s := private(c.change)
		got := vpc.Calls(s, "eni-1", c.service, "no-such-service")
		if len(got) != 1 {
			t.Fatalf("%s: %d calls", c.why, len(got))
		}
		last := got[0].Path.Steps[len(got[0].Path.Steps)-1]
		if got[0].Path.Open != c.open || last.Subject != c.decides {
			t.Errorf("%s: open %v, decided by %s\n%s", c.why, got[0].Path.Open, last.Subject, got[0].Path)
		}
	}
}

func TestAGuestAsksForASubnet(t *testing.T) {
	s, id, ok := vpc.Guest(private(nil), "subnet-1")
	if !ok {
		t.Fatal("no address for a guest")
	}
	if c := vpc.Calls(s, id, "ecs"); !c[0].Path.Open || c[0].Endpoint != "vpce-1" {
		t.Errorf("%+v", c)
	}
	if _, _, ok := vpc.Guest(private(nil), "subnet-9"); ok {
		t.Error("a guest in a subnet that does not exist")
	}
}
