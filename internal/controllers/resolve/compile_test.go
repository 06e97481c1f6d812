package resolve_test

import (
	"slices"
	"testing"

	"berth/internal/controllers/resolve"
	"berth/internal/model"
	"berth/internal/resolver"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

const region = "ap-northeast-1"

func world(t *testing.T, change func(v *model.VPC, e *model.VPCEndpoint)) *state.DB {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	v := model.VPC{ID: "vpc-1", CIDR: "10.0.0.0/16", DNSSupport: true, DNSHostnames: true}
	e := model.VPCEndpoint{
		ID: "vpce-1", VPC: "vpc-1", Type: "Interface", ServiceName: "com.amazonaws." + region + ".ecs-agent", PrivateDNS: true,
		State: model.EndpointAvailable,
	}
	if change != nil {
		change(&v, &e)
	}
	err = db.Update(t.Context(), "test", func(tx *store.Tx) error {
		for _, err := range []error{
			state.VPCs.Put(tx, v), state.VPCEndpoints.Put(tx, e),
			state.VPCEndpoints.Put(tx, model.VPCEndpoint{
				ID: "vpce-2", VPC: "vpc-1", Type: "Gateway", ServiceName: "com.amazonaws." + region + ".s3", State: model.EndpointAvailable,
			}),
			state.LoadBalancers.Put(tx, model.LoadBalancer{ARN: "arn:lb", DNSName: "web-1." + region + ".elb.localhost", Scheme: "internet-facing"}),
			state.LoadBalancers.Put(tx, model.LoadBalancer{
				ARN: "arn:int", DNSName: "internal-in-1." + region + ".elb.localhost", Scheme: "internal",
			}),
			state.NetworkInterfaces.Put(tx, model.NetworkInterface{
				ID: "eni-1", Owner: "vpce-1", VPC: "vpc-1", IP: "10.0.1.7", AvailabilityZone: region + "a", State: model.InterfaceAvailable,
			}),
			state.NetworkInterfaces.Put(tx, model.NetworkInterface{
				ID: "eni-2", Owner: "vpce-1", VPC: "vpc-1", IP: "10.0.2.7", AvailabilityZone: region + "c", State: model.InterfacePending,
			}),
			state.NetworkInterfaces.Put(tx, model.NetworkInterface{
				ID: "eni-3", Owner: "arn:lb", VPC: "vpc-1", IP: "10.0.0.4", PublicIP: "198.18.0.1", State: model.InterfaceAvailable,
			}),
			state.NetworkInterfaces.Put(tx, model.NetworkInterface{
				ID: "eni-4", Owner: "arn:int", VPC: "vpc-1", IP: "10.0.0.5", State: model.InterfaceAvailable,
			}),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func zone(t *testing.T, db *state.DB, namespace string) resolver.Zone {
	t.Helper()
	for _, z := range resolve.Compile(db.View(), region).Names.Zones {
		if z.Namespace == namespace {
			return z
		}
	}
	return resolver.Zone{}
}

func told(z resolver.Zone, name string) string {
	if a := z.Names[name]; len(a) > 0 {
		return a[0].String()
	}
	for _, p := range z.Patterns {
		if p.Pattern == name {
			return p.Addrs[0].String()
		}
	}
	return ""
}

// Proves: D73
func TestNamesMeanWhatTheVPCSays(t *testing.T) {
	public, _ := vpc.ServiceNamed(region, "ecs-agent")
	sts, _ := vpc.ServiceNamed(region, "sts")
	ecsA := "ecs-a." + region + ".amazonaws.com"
	inside, outside := zone(t, world(t, nil), "vpc-1"), zone(t, world(t, nil), "internet")
	for _, c := range []struct {
		why  string
		zone resolver.Zone
		name string
		want string
	}{
		{"private DNS takes the name over", inside, ecsA, "10.0.1.7"},
		{"the numbered ones too", inside, "ecs-a-*." + region + ".amazonaws.com", "10.0.1.7"},
		{"other services keep their public address", inside, "sts." + region + ".amazonaws.com", sts.Address.String()},
		{"outside nothing is taken over", outside, ecsA, public.Address.String()},
		{"a public load balancer has its public address everywhere", inside, "web-1." + region + ".elb.localhost", "198.18.0.1"},
		{"outside as well", outside, "web-1." + region + ".elb.localhost", "198.18.0.1"},
		{"an internal one its private address", inside, "internal-in-1." + region + ".elb.localhost", "10.0.0.5"},
		{"an endpoint has its own name", inside, vpc.EndpointName("vpce-1", "ecs-agent", region, ""), "10.0.1.7"},
		{
			"private DNS off", zone(t, world(t, func(_ *model.VPC, e *model.VPCEndpoint) { e.PrivateDNS = false }), "vpc-1"), ecsA,
			public.Address.String(),
		},
		{
			"host names off", zone(t, world(t, func(v *model.VPC, _ *model.VPCEndpoint) { v.DNSHostnames = false }), "vpc-1"), ecsA,
			public.Address.String(),
		},
		{"DNS support off", zone(t, world(t, func(v *model.VPC, _ *model.VPCEndpoint) { v.DNSSupport = false }), "vpc-1"), ecsA, ""},
	} {
		if got := told(c.zone, c.name); got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.why, c.name, got, c.want)
		}
	}
}

func TestOnlyWorkingInterfacesAreServed(t *testing.T) {
	served := resolve.Compile(world(t, nil).View(), region)
	var own []string
	for _, l := range served.Endpoints {
		if l.Via.Endpoint != "" {
			own = append(own, l.Namespace+" "+l.Address.String()+" "+l.Via.Service)
		}
	}
	if !slices.Equal(own, []string{"eni-1 10.0.1.7:443 ecs-agent"}) {
		t.Errorf("%v", own)
	}
	s3, _ := vpc.ServiceNamed(region, "s3")
	transit := vpc.Transit([]model.VPC{{ID: "vpc-1"}})["vpc-1"]
	for _, l := range served.Endpoints {
		if l.Address.Addr() == s3.Address && l.Sources[transit].Endpoint != "vpce-2" {
			t.Errorf("a client of the gateway endpoint is not told: %+v", l.Sources)
		}
	}
}
