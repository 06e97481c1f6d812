package vpc_test

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"berth/internal/model"
	"berth/internal/vpc"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const region = "ap-northeast-1"

func small() vpc.Snapshot {
	return vpc.Snapshot{
		Region:   region,
		VPCs:     []model.VPC{{ID: "vpc-1", CIDR: "10.0.0.0/16", DNSSupport: true, MainRouteTable: "rtb-main"}},
		Gateways: []model.InternetGateway{{ID: "igw-1", VPC: "vpc-1"}},
		Subnets:  []model.Subnet{{ID: "subnet-1", VPC: "vpc-1", CIDR: "10.0.0.0/24"}, {ID: "subnet-2", VPC: "vpc-1", CIDR: "10.0.1.0/24"}},
		RouteTables: []model.RouteTable{
			{ID: "rtb-main", VPC: "vpc-1", Routes: []model.Route{{Destination: "10.0.0.0/16", Target: "local"}}},
			{ID: "rtb-pub", VPC: "vpc-1", Associations: []model.RouteAssociation{{Subnet: "subnet-1"}}, Routes: []model.Route{
				{Destination: "0.0.0.0/0", Target: "igw-1"}, {Destination: "192.0.2.0/24", Target: "nat-gone"},
				{Destination: vpc.PrefixList(region, "s3"), Target: "vpce-1"},
			}},
		},
		Endpoints: []model.VPCEndpoint{
			{ID: "vpce-1", VPC: "vpc-1", Type: "Gateway", ServiceName: "com.amazonaws." + region + ".s3", RouteTables: []string{"rtb-pub"}},
		},
		Groups: []model.SecurityGroup{{ID: "sg-1", VPC: "vpc-1", Rules: []model.SecurityRule{
			{ID: "sgr-1", Protocol: "tcp", FromPort: 80, ToPort: 81, CIDR: "0.0.0.0/0"},
			{ID: "sgr-2", Protocol: "-1", FromPort: -1, ToPort: -1, Group: "sg-1"},
			{ID: "sgr-3", Egress: true, Protocol: "tcp", FromPort: 443, ToPort: 443, PrefixList: vpc.PrefixList(region, "s3")},
			{ID: "sgr-4", Protocol: "icmp", FromPort: 8, ToPort: -1, CIDR: "10.0.0.0/8"},
			{ID: "sgr-5", Protocol: "tcp", FromPort: 1, ToPort: 1, CIDR6: "::/0"},
		}}},
		Interfaces: []model.NetworkInterface{
			{
				ID: "eni-2", Kind: vpc.KindTask, VPC: "vpc-1", Subnet: "subnet-2", IP: "10.0.1.4", MAC: "0a:00:00:00:00:02",
				SecurityGroups: []string{"sg-1"},
			},
			{
				ID: "eni-1", Kind: vpc.KindLoadBalancer, VPC: "vpc-1", Subnet: "subnet-1", IP: "10.0.0.4", MAC: "0a:00:00:00:00:01",
				PublicIP: "198.18.0.1", SecurityGroups: []string{"sg-1"},
			},
			{ID: "eni-3", Kind: vpc.KindFunction, IP: "100.64.0.1", MAC: "0a:00:00:00:00:03"},
		},
	}
}

func TestTheCompiledNetworkReadsAsText(t *testing.T) {
	h := vpc.Compile(small())
	h.Services = nil
	want := `vpc vpc-1 10.0.0.0/16 transit 100.84.102.46 dns internet
  router 10.0.0.1
  router 10.0.1.1
  table rtb-main mark MAIN
  table rtb-pub mark PUB
    203.0.113.15/32 endpoint vpce-1
    192.0.2.0/24 blackhole nat-gone
    0.0.0.0/0 internet igw-1
  group sg-1
    in all sg-1
    in icmp 8 10.0.0.0/8
    in tcp 80-81 0.0.0.0/0
    out tcp 443 203.0.113.15/32
interface eni-1 loadbalancer vpc-1 10.0.0.4/24 gateway 10.0.0.1 mac 0a:00:00:00:00:01 public 198.18.0.1 table rtb-pub groups sg-1
interface eni-2 task vpc-1 10.0.1.4/24 gateway 10.0.1.1 mac 0a:00:00:00:00:02 table rtb-main groups sg-1
interface eni-3 function outside 100.64.0.1/32 gateway 169.254.255.1 mac 0a:00:00:00:00:03
`
	got := h.String()
	for _, table := range h.Routers[0].Tables {
		got = strings.Replace(got, mark(table.Mark), map[string]string{"rtb-main": "mark MAIN", "rtb-pub": "mark PUB"}[table.ID], 1)
	}
	want = strings.Replace(want, "100.84.102.46", h.Routers[0].Transit.String(), 1)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !vpc.TransitPool.Contains(h.Routers[0].Transit) {
		t.Errorf("transit %s", h.Routers[0].Transit)
	}
}

func mark(n uint32) string {
	s := ""
	for ; n > 0; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return "mark " + s
}

// Law: the order of the records means nothing.
func TestTheOrderOfRecordsMeansNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, r := small(), small()
		r.Interfaces = rapid.Permutation(s.Interfaces).Draw(t, "interfaces")
		r.RouteTables = rapid.Permutation(s.RouteTables).Draw(t, "tables")
		r.Subnets = rapid.Permutation(s.Subnets).Draw(t, "subnets")
		r.Groups = []model.SecurityGroup{s.Groups[0]}
		r.Groups[0].Rules = rapid.Permutation(s.Groups[0].Rules).Draw(t, "rules")
		if !reflect.DeepEqual(vpc.Compile(s), vpc.Compile(r)) {
			t.Fatal("two orders, two networks")
		}
	})
}

// Law: marks and transit addresses are unique, and others coming and going do
// not move them.
func TestMarksStayWhenOthersGo(t *testing.T) {
	s := small()
	before := vpc.Compile(s).Routers[0].Tables
	s.RouteTables = slices.Concat([]model.RouteTable{{ID: "rtb-a", VPC: "vpc-1"}, {ID: "rtb-z", VPC: "vpc-1"}}, s.RouteTables)
	after := map[string]uint32{}
	seen := map[uint32]bool{}
	for _, x := range vpc.Compile(s).Routers[0].Tables {
		after[x.ID] = x.Mark
		if seen[x.Mark] || x.Mark < 4096 {
			t.Errorf("mark %d of %s", x.Mark, x.ID)
		}
		seen[x.Mark] = true
	}
	for _, x := range before {
		if after[x.ID] != x.Mark {
			t.Errorf("%s moved from %d to %d", x.ID, x.Mark, after[x.ID])
		}
	}
}

func TestWhatMakesNoSenseIsLeftOutAndNamed(t *testing.T) {
	s := small()
	s.VPCs = append(s.VPCs, model.VPC{ID: "vpc-bad", CIDR: "x"})
	s.Interfaces = append(
		s.Interfaces, model.NetworkInterface{ID: "eni-out", VPC: "vpc-1", Subnet: "subnet-1", IP: "10.0.9.9"},
		model.NetworkInterface{ID: "eni-res", VPC: "vpc-1", Subnet: "subnet-1", IP: "10.0.0.1"},
	)
	s.RouteTables[0].Routes = append(s.RouteTables[0].Routes, model.Route{Destination: "1.0.0.0/8", Target: "pcx-1"})
	s.Groups[0].Rules = append(s.Groups[0].Rules, model.SecurityRule{ID: "sgr-x", Protocol: "banana"})
	h := vpc.Compile(s)
	text := strings.Join(h.Problems, "\n")
	for _, want := range []string{"vpc-bad", "eni-out", "eni-res", "pcx-1", "banana"} {
		if !strings.Contains(text, want) {
			t.Errorf("no word about %s in:\n%s", want, text)
		}
	}
	if len(h.Interfaces) != 3 || len(h.Routers) != 1 {
		t.Errorf("%s", h)
	}
}

func TestReachNamesWhatDecides(t *testing.T) {
	h := vpc.Compile(small())
	for _, c := range []struct {
		from, to string
		port     int
		open     bool
		decides  string
	}{
		{"eni-2", "10.0.0.4", 80, false, "sg-1"},         // no egress but to S3
		{"eni-1", "203.0.113.15", 443, true, "s3"},       // through the gateway endpoint
		{"eni-1", "203.0.113.15", 22, false, "sg-1"},     // not on that port
		{"eni-2", "10.0.0.2", 53, true, "vpc-1"},         // the resolver is for all
		{"eni-2", "169.254.169.253", 80, false, "vpc-1"}, // but only for DNS
		{"eni-3", "198.18.0.1", 81, true, "eni-1"},       // a function, from the Internet
		{"eni-3", "198.18.0.1", 82, false, "sg-1"},       // on open ports
		{"eni-3", "198.18.0.77", 80, false, "internet"},  // nobody is there
		{"eni-none", "10.0.0.4", 80, false, "eni-none"},  // nobody is here
		{"eni-2", "10.0.1.4", 9999, true, "eni-2"},       // oneself
	} {
		p := h.Reach(c.from, netip.MustParseAddr(c.to), vpc.Flow{Protocol: 6, Port: c.port})
		last := p.Steps[len(p.Steps)-1]
		if p.Open != c.open || last.Subject != c.decides || last.Passes != c.open {
			t.Errorf("%s to %s:%d: open %v, decided by %s\n%s", c.from, c.to, c.port, p.Open, last.Subject, p)
		}
	}
}

func TestServicesHaveNamesAndAddresses(t *testing.T) {
	seen := map[netip.Addr]string{}
	for _, s := range vpc.Services(region) {
		if !vpc.ServicePool.Contains(s.Address) || seen[s.Address] != "" {
			t.Errorf("%s: address %s (%s)", s.Name, s.Address, seen[s.Address])
		}
		seen[s.Address] = s.Name
	}
	for host, want := range map[string]string{
		"ecs.ap-northeast-1.amazonaws.com": "ecs", "ecs-a.ap-northeast-1.amazonaws.com": "ecs-agent",
		"ecs-a-12.ap-northeast-1.amazonaws.com": "ecs-agent",
		"ecs-t-1.ap-northeast-1.amazonaws.com":  "ecs-telemetry", "000000000000.dkr.ecr.ap-northeast-1.amazonaws.com": "ecr.dkr",
		"b.s3.ap-northeast-1.amazonaws.com":    "s3",
		"ecs-a-x.ap-northeast-1.amazonaws.com": "", "a.b.dkr.ecr.ap-northeast-1.amazonaws.com": "", "ecs.us-east-1.amazonaws.com": "",
	} {
		got := ""
		for _, s := range vpc.Services(region) {
			if slices.ContainsFunc(s.Public, func(p string) bool { return vpc.Covers(p, host) }) {
				got = s.Name
			}
		}
		if got != want {
			t.Errorf("%s leads to %q, want %q", host, got, want)
		}
	}
	if s, ok := vpc.PrefixListService(region, vpc.PrefixList(region, "dynamodb")); !ok || s.Name != "dynamodb" {
		t.Errorf("prefix list: %+v", s)
	}
}

// Proves: CM7
func TestDiscoveryIsAskedByANameOfItsOwn(t *testing.T) {
	s, ok := vpc.ServiceNamed(region, "data-servicediscovery")
	other, _ := vpc.ServiceNamed(region, "servicediscovery")
	if !ok || s.Private[0] != "data-servicediscovery."+region+".amazonaws.com" || s.Address == other.Address {
		t.Errorf("%+v, beside %+v", s, other)
	}
}
