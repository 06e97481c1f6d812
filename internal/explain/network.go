package explain

import (
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

// agentServices are what an instance's agent calls to join and to work;
// taskServices are what a task's start needs besides.
var (
	agentServices = []string{"ecs", "ecs-agent", "ecs-telemetry"}
	taskServices  = []string{"ecr.api", "ecr.dkr", "s3", "logs"}
)

func networks(v store.Reader, zone string) vpc.Snapshot {
	return vpc.Snapshot{
		Region: strings.TrimRight(zone, "abcdefghijklmnopqrstuvwxyz"), VPCs: state.VPCs.All(v), Subnets: state.Subnets.All(v),
		RouteTables: state.RouteTables.All(v), Gateways: state.InternetGateways.All(v), NATs: state.NATGateways.All(v),
		Groups: state.SecurityGroups.All(v), Endpoints: state.VPCEndpoints.All(v), Addresses: state.Addresses.All(v),
		Interfaces: state.NetworkInterfaces.All(v),
	}
}

func place(c vpc.Call) string {
	if c.Endpoint == "" {
		return "the public address, since no endpoint of the VPC has the name"
	}
	return c.Endpoint
}

func stop(p vpc.Path) string {
	if len(p.Steps) == 0 {
		return "nothing is known"
	}
	return p.Steps[len(p.Steps)-1].Text
}

// stopCode is what stops a path, for programs.
func stopCode(p vpc.Path) vpc.Code {
	if len(p.Steps) == 0 {
		return ""
	}
	return p.Steps[len(p.Steps)-1].Code
}

// findPlace says what is reached from an interface or a subnet.
func findPlace(v store.Reader, id string) (Answer, bool) {
	if n, ok := state.NetworkInterfaces.Get(v, id); ok {
		a := Answer{Subject: id, Kind: "network interface", History: history(v, id)}
		a.say("%s of %s, %s in %s, groups %s", n.Kind, n.Owner, n.IP, first(n.Subnet, "the Internet"), strings.Join(n.SecurityGroups, ", "))
		a.say("it is %s", n.State)
		snapshot := networks(v, region(v, n))
		calls(&a, snapshot, id)
		a.say("%s", vpc.WayOut(snapshot, id))
		return a, true
	}
	s, ok := state.Subnets.Get(v, id)
	if !ok {
		return Answer{}, false
	}
	a := Answer{Subject: id, Kind: "subnet", History: history(v, id)}
	snapshot := networks(v, s.AvailabilityZone)
	a.say("%s of %s in %s, route table %s", s.CIDR, s.VPC, s.AvailabilityZone, vpc.RouteTableOf(snapshot, s))
	with, guest, ok := vpc.Guest(snapshot, id)
	if !ok {
		a.say("it has no free address")
		return a, true
	}
	a.say("what something in it with the VPC's default group would reach:")
	calls(&a, with, guest)
	a.say("%s", vpc.WayOut(with, guest))
	return a, true
}

// region is the zone that tells an interface's Region; a function outside a
// VPC has none, and takes any subnet's.
func region(v store.Reader, n model.NetworkInterface) string {
	if n.AvailabilityZone != "" {
		return n.AvailabilityZone
	}
	for _, s := range state.Subnets.All(v) {
		return s.AvailabilityZone
	}
	return ""
}

func calls(a *Answer, s vpc.Snapshot, from string) {
	for _, c := range vpc.Calls(s, from, append(append([]string{}, agentServices...), taskServices...)...) {
		if c.Path.Open {
			a.say("reaches %s at %s (%s)", c.Service, c.Address, place(c))
			continue
		}
		a.say("does not reach %s at %s (%s): %s", c.Service, c.Address, place(c), stop(c.Path))
	}
}
