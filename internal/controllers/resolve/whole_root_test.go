//go:build root

package resolve_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/controllers/network"
	"berth/internal/controllers/resolve"
	"berth/internal/endpoint"
	"berth/internal/hostnet"
	"berth/internal/ident"
	"berth/internal/kernel"
	"berth/internal/model"
	"berth/internal/resolver"
	"berth/internal/state"
	"berth/internal/store"
)

// TestAnInstanceReachesTheAPIThroughItsEndpoint puts the loops and the drivers
// together: records become interfaces, names and listeners, and a program in
// the instance's namespace finds the API by name, over TLS.
func TestAnInstanceReachesTheAPIThroughItsEndpoint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("skipped: needs root for network namespaces")
	}
	log := slog.New(slog.DiscardHandler)
	dir := filepath.Join(t.TempDir(), "netns")
	spaces, err := kernel.NewLinux(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	host := hostnet.New(spaces, log)
	ca, err := endpoint.OpenCA(t.TempDir(), clock.Real(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	names := resolver.New(dir, log)
	endpoints := endpoint.New(dir, ca, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, _ := endpoint.From(r.Context())
		fmt.Fprintf(w, "%s through %s", v.Service, v.Endpoint)
	}), log)
	t.Cleanup(func() {
		_ = names.Close()
		_ = endpoints.Close()
		if err := host.Remove(context.Background()); err != nil {
			t.Error(err)
		}
		if err := spaces.Release(); err != nil {
			t.Error(err)
		}
	})
	db, engine := fixture(t, log, host, names, endpoints)
	put(t, db)
	if _, err := engine.Settle(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	i, _ := state.Instances.Get(db.View(), "i-1")
	ns, err := kernel.OpenNetns(filepath.Join(dir, i.ENI))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	client := inside(ns, ca)
	for url, want := range map[string]string{
		"https://ecs." + region + ".amazonaws.com/":                     "ecs through vpce-ecs",
		"https://ecs-a-3." + region + ".amazonaws.com/":                 "ecs-agent through vpce-agent",
		"https://000000000000.dkr.ecr." + region + ".amazonaws.com/v2/": "ecr.dkr through vpce-dkr",
		"https://bucket.s3." + region + ".amazonaws.com/":               "s3 through vpce-s3",
	} {
		if got := get(t, client, url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	// Without an endpoint the name is public, and there is no way there.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://sts."+region+".amazonaws.com/", nil)
	if r, err := client.Do(req); err == nil {
		_ = r.Body.Close()
		t.Error("a private subnet reaches a service that it has no endpoint for")
	}
}

func fixture(
	t *testing.T, log *slog.Logger, host network.Driver, names resolve.Names, endpoints resolve.Endpoints,
) (*state.DB, *control.Engine) {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	place := ident.Place{Partition: "aws", Region: region, Account: "000000000000"}
	engine := control.New(db, clock.NewStepped(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), log)
	engine.Add(
		network.New(network.Deps{DB: db, IDs: ident.Seeded(1), Place: place, Jobs: engine.Jobs(), Driver: host, Log: log}),
		resolve.New(resolve.Deps{DB: db, Place: place, Jobs: engine.Jobs(), Names: names, Endpoints: endpoints, Log: log}),
	)
	engine.Begin(t.Context(), true)
	engine.Open()
	return db, engine
}

func put(t *testing.T, db *state.DB) {
	t.Helper()
	err := db.Update(t.Context(), "test", func(tx *store.Tx) error {
		e := func(id, kind, service string) model.VPCEndpoint {
			x := model.VPCEndpoint{
				ID: id, VPC: "vpc-1", Type: kind, ServiceName: "com.amazonaws." + region + "." + service, State: model.EndpointPending,
				PrivateDNS: kind == "Interface",
			}
			if kind == "Gateway" {
				x.RouteTables = []string{"rtb-1"}
			} else {
				x.Subnets = []string{"subnet-1"}
			}
			return x
		}
		for _, err := range []error{
			state.VPCs.Put(tx, model.VPC{
				ID: "vpc-1", CIDR: "192.168.0.0/16", DNSSupport: true, DNSHostnames: true, MainRouteTable: "rtb-1", DefaultGroup: "sg-1",
			}),
			state.RouteTables.Put(tx, model.RouteTable{
				ID: "rtb-1", VPC: "vpc-1", Routes: []model.Route{{Destination: "192.168.0.0/16", Target: "local"}},
			}),
			state.Subnets.Put(tx, model.Subnet{ID: "subnet-1", VPC: "vpc-1", CIDR: "192.168.2.0/24", AvailabilityZone: region + "a"}),
			state.SecurityGroups.Put(tx, model.SecurityGroup{ID: "sg-1", VPC: "vpc-1", Rules: []model.SecurityRule{
				{ID: "sgr-1", Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"},
				{ID: "sgr-2", Protocol: "tcp", FromPort: 443, ToPort: 443, Group: "sg-1"},
			}}),
			state.VPCEndpoints.Put(tx, e("vpce-ecs", "Interface", "ecs")),
			state.VPCEndpoints.Put(tx, e("vpce-agent", "Interface", "ecs-agent")),
			state.VPCEndpoints.Put(tx, e("vpce-dkr", "Interface", "ecr.dkr")),
			state.VPCEndpoints.Put(tx, e("vpce-s3", "Gateway", "s3")),
			state.Instances.Put(tx, model.Instance{ID: "i-1", Subnet: "subnet-1", State: model.InstancePending, Goal: model.GoalRun}),
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
}

// inside is a client in a namespace that asks the VPC's resolver, as a
// program with that line in resolv.conf would.
func inside(ns *kernel.Netns, ca *endpoint.CA) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.Bundle())
	names := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return ns.DialContext(ctx, network, "192.168.0.2:53")
	}}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			ips, err := names.LookupHost(ctx, host)
			if err != nil {
				return nil, err
			}
			return ns.DialContext(ctx, network, net.JoinHostPort(ips[0], port))
		},
	}}
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}
