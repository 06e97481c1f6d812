package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"berth/internal/balancer"
	"berth/internal/clock"
	"berth/internal/edge"
	"berth/internal/kernel/cgroup"
)

// proxy is one of those that are compared: where it answers and what it uses.
type proxy struct {
	name    string
	address string
	group   *cgroup.Group
	over    func()
	micros  []float64
	rate    []float64
}

// edges sends the same requests through Berth's edge and its peers in turn.
// The target and the clients are in this process, outside the account.
func edges(ctx context.Context, b *bench) error {
	backend, stop, err := target(ctx)
	if err != nil {
		return err
	}
	defer stop()
	var all []*proxy
	defer func() {
		for _, p := range all {
			p.over()
		}
	}()
	ours, err := b.edge(ctx, backend)
	if err != nil {
		return err
	}
	all = append(all, ours)
	for _, peer := range []func(*bench, string) (*proxy, error){nginx, haproxy, caddy} {
		p, err := peer(b, backend)
		if err != nil {
			return err
		}
		if p != nil {
			all = append(all, p)
		}
	}
	request := [][]byte{[]byte("GET /index.html HTTP/1.1\r\nHost: bench.elb.localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")}
	for _, p := range all {
		if err := until(ctx, 10*time.Second, 20*time.Millisecond, p.name+" answers", func() (bool, error) {
			n, err := ask(ctx, p.address, request, 1, 100*time.Millisecond)
			return n > 0, err
		}); err != nil {
			return err
		}
	}
	for range b.rounds {
		for _, p := range all {
			before := used(p.group)
			n, err := ask(ctx, p.address, request, 64, 1500*time.Millisecond)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			p.micros = append(p.micros, float64((used(p.group)-before).Microseconds())/float64(n))
			p.rate = append(p.rate, float64(time.Second/time.Microsecond)/p.micros[len(p.micros)-1])
		}
	}
	for i, p := range all {
		var limit *bar
		if i == 0 {
			limit = atMost(75, "≤ 75 with rules, health, metrics")
		}
		b.table.add("edge, 1 KiB, 64 keep-alive connections", p.name, "CPU µs per request", p.micros, limit)
	}
	for _, p := range all {
		b.table.add("the same", p.name, "requests per CPU second", p.rate, nil)
	}
	return nil
}

// edge starts the load balancer's process as a server would, with two rules,
// health checks and metrics.
func (b *bench) edge(ctx context.Context, backend string) (*proxy, error) {
	data := filepath.Join(b.dir, "edge")
	ctx, cancel := context.WithCancel(ctx)
	real := clock.Real(ctx)
	c, err := edge.Ensure(ctx, edge.Options{
		Data: data, Self: b.bin, Real: real, Log: slog.New(slog.DiscardHandler),
		Time: func() edge.Moment { return edge.Moment{Now: real.Now(), Speed: 1} },
	})
	if err != nil {
		cancel()
		return nil, err
	}
	go func() { _ = c.Run(ctx) }()
	g, err := group("edge")
	if err == nil {
		s, _ := c.State()
		err = g.Add(s.PID)
	}
	port := freePort()
	c.Set(edgeConfig(port, backend))
	return &proxy{name: "berth edge", address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), group: g, over: func() {
		cancel()
		end, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer done()
		_ = c.Stop(end)
		_ = g.Kill()
		_ = g.Remove()
	}}, err
}

func edgeConfig(port int, backend string) balancer.Config {
	host, p, _ := net.SplitHostPort(backend)
	targetPort, _ := strconv.Atoi(p)
	return balancer.Config{
		HostAddress: "127.0.0.1",
		LoadBalancers: []balancer.LoadBalancer{{
			ID: "lb", Name: "app/bench/1", Host: "bench.elb.localhost", Nodes: []balancer.Node{{Zone: "a", IP: "127.0.0.2"}},
			IdleTimeout: time.Minute, KeepAlive: time.Hour, ForwardedFor: "append",
			Listeners: []balancer.Listener{{ID: "l", Port: port, Rules: []balancer.Rule{
				{
					ID: "1", Conditions: []balancer.Condition{{Field: "host-header", Values: []string{"*.example.com"}}},
					Action: balancer.Action{Fixed: &balancer.Fixed{Status: 404}},
				},
				{
					ID: "2", Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{"/*"}}},
					Action: balancer.Action{Forward: &balancer.Forward{Groups: []balancer.Weight{{Group: "g", Weight: 1}}}},
				},
				{ID: "d", Action: balancer.Action{Fixed: &balancer.Fixed{Status: 404}}},
			}}},
		}},
		Groups: []balancer.Group{{
			ID: "g", Name: "targetgroup/bench/1", Version: "HTTP1", MinHealthy: 1, Algorithm: "round_robin",
			Health: balancer.Health{
				Enabled: true, Path: "/healthz", Interval: 5 * time.Second, Timeout: 2 * time.Second, Healthy: 2, Unhealthy: 2, Matcher: "200",
			},
			Targets: []balancer.Target{{ID: host, IP: host, Port: targetPort, Zone: "a"}},
		}},
	}
}

func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return 0
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// peer starts a proxy that is in PATH with a configuration of its own; nil
// if it is not there.
func (b *bench) peer(name, file, config string, port int, args ...string) (*proxy, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, nil //nolint:nilerr // a peer that is not installed is left out
	}
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte(config), 0o600); err != nil {
		return nil, err
	}
	t, err := spawn(name, path, args...)
	if err != nil {
		return nil, err
	}
	return &proxy{name: name, address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), group: t.Group, over: t.over}, nil
}

func nginx(b *bench, backend string) (*proxy, error) {
	dir, port := filepath.Join(b.dir, "nginx"), freePort()
	return b.peer("nginx", "nginx.conf", fmt.Sprintf(`worker_processes 2;
daemon off;
user root;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  upstream target { server %[3]s; keepalive 128; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:%[2]d;
    location / {
      proxy_pass http://target;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`, dir, port, backend), port, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
}

func haproxy(b *bench, backend string) (*proxy, error) {
	dir, port := filepath.Join(b.dir, "haproxy"), freePort()
	return b.peer("haproxy", "haproxy.cfg", fmt.Sprintf(`global
  nbthread 2
  maxconn 4096
defaults
  mode http
  option forwardfor
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend in
  bind 127.0.0.1:%d
  http-request set-header X-Forwarded-Proto http
  default_backend out
backend out
  server target %s check inter 5s
`, port, backend), port, "-db", "-f", filepath.Join(dir, "haproxy.cfg"))
}

func caddy(b *bench, backend string) (*proxy, error) {
	dir, port := filepath.Join(b.dir, "caddy"), freePort()
	return b.peer("caddy", "Caddyfile", fmt.Sprintf(`{
	admin off
	auto_https off
	storage file_system %s
}
http://:%d {
	bind 127.0.0.1
	reverse_proxy %s
}
`, dir, port, backend), port, "run", "--adapter", "caddyfile", "--config", filepath.Join(dir, "Caddyfile"))
}
