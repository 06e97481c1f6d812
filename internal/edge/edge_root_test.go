//go:build root

package edge_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/balancer"
	"berth/internal/kernel"
)

// TestTheEdgeListensAndDialsInsideItsInterfaces: clients and targets in a
// namespace of their own, which the host cannot reach at all.
func TestTheEdgeListensAndDialsInsideItsInterfaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	data := t.TempDir()
	path := filepath.Join(data, "run", "netns", "eni-1")
	addr := netip.MustParseAddr("10.77.0.10")
	fresh := func() *kernel.Netns {
		t.Helper()
		ns, err := kernel.CreateNetns(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := ns.AddLoopback(addr); err != nil {
			t.Fatal(err)
		}
		l, err := ns.Listen(t.Context(), "tcp", "10.77.0.10:9000")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{
			Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") }),
			ReadHeaderTimeout: time.Minute,
		}
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(func() { _ = srv.Close(); _ = ns.Close() })
		return ns
	}
	ns := fresh()
	t.Cleanup(func() { _ = kernel.DeleteNetns(path) })
	c, _ := server(t, data)
	c.Set(balancer.Config{
		LoadBalancers: []balancer.LoadBalancer{{
			ID: "lb", Name: "app/web/1", Host: "web.elb.localhost", Nodes: []balancer.Node{{ID: "eni-1", Zone: "a", IP: "10.77.0.10"}},
			Listeners: []balancer.Listener{
				{
					ID: "l", Port: 80,
					Rules: []balancer.Rule{
						{ID: "d", Action: balancer.Action{Forward: &balancer.Forward{Groups: []balancer.Weight{{Group: "g", Weight: 1}}}}},
					},
				},
			},
		}},
		Groups: []balancer.Group{{
			ID: "g", Name: "targetgroup/g/1", Version: "HTTP1", MinHealthy: 1,
			Health: balancer.Health{
				Enabled: true, Path: "/", Interval: 5 * time.Second, Timeout: 2 * time.Second, Healthy: 2, Unhealthy: 2, Matcher: "200",
			},
			Targets: []balancer.Target{{ID: "10.77.0.10", IP: "10.77.0.10", Port: 9000, Zone: "a"}},
		}},
	})
	ask := func(ns *kernel.Netns) string {
		client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(
			ctx context.Context, network, address string,
		) (net.Conn, error) {
			return ns.DialContext(ctx, network, address)
		}}}
		res, err := client.Get("http://10.77.0.10:80/")
		if err != nil {
			return err.Error()
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b)
	}
	await.True(t, "an answer from inside", func() bool { return ask(ns) == "inside" })
	await.True(t, "a healthy target", func() bool {
		r, _, ok := c.Report()
		return ok && len(r.Targets) == 1 && r.Targets[0].State == "healthy"
	})
	if err := kernel.DeleteNetns(path); err != nil {
		t.Fatal(err)
	}
	again := fresh()
	await.True(t, "an answer from the namespace that replaced it", func() bool { return ask(again) == "inside" })
}
