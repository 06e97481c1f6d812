package agent

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"berth/internal/clock"
	"berth/internal/container/image"
	"berth/internal/container/runc"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/kernel"
	"berth/internal/kernel/cgroup"
)

// Main is the agent's process: it works until ctx ends.
func Main(ctx context.Context, args []string) error {
	c, runtime, err := parse(args)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	real := clock.Real(ctx)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	deps := runc.Deps{Dir: filepath.Join(c.Dir, "runc"), RuntimePath: runtime, Self: self, Places: []string{bundlePath}, Log: log}
	if c.Memory != "" {
		deps.Memory = filepath.Join(c.Memory, "runc")
	}
	driver, err := runc.New(deps)
	if err != nil {
		return err
	}
	images, err := image.Open(image.Deps{Dir: c.ImagesDir, Owner: owner(c), Clock: real, Log: log})
	if err != nil {
		return err
	}
	transport, err := newTransport(c)
	if err != nil {
		return err
	}
	host, err := cgroup.Detect()
	if err != nil {
		return err
	}
	a, err := New(Deps{
		Config: c, Driver: driver, Images: images, Network: namespaces{}, Groups: groups{host}, Clock: real, IDs: ident.Crypto(),
		Transport: transport, Log: log,
		Collect: func(ctx context.Context) error { _, err := image.Collect(ctx, c.ImagesDir, real); return err },
	})
	if err != nil {
		return err
	}
	if err := a.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// parse reads the command line that the machine's first process writes.
func parse(args []string) (c Config, runtime string, err error) {
	fs := flag.NewFlagSet("agent", flag.ContinueOnError)
	fs.StringVar(&c.Dir, "dir", "", "the agent's own folder")
	fs.StringVar(&c.Memory, "memory-dir", "", "a folder for what ends with the machine")
	fs.StringVar(&c.ImagesDir, "images", "", "folder of unpacked images")
	fs.StringVar(&c.Netns, "netns", "", "folder of network namespaces")
	fs.StringVar(&c.Cgroup, "cgroup", "", "the machine's control group")
	fs.StringVar(&c.Cluster, "cluster", "default", "the cluster to join")
	fs.StringVar(&c.Region, "region", "", "the machine's Region")
	fs.StringVar(&c.Nameserver, "nameserver", "", "the network's resolver")
	fs.StringVar(&c.CAFile, "ca", "", "PEM file of the endpoints' authority")
	fs.StringVar(&c.Metadata, "metadata", "http://169.254.169.254", "base URL of instance metadata")
	fs.StringVar(&runtime, "runtime", "", "the OCI runtime")
	fs.Int64Var(&c.CPUs, "cpus", 0, "the machine's CPUs")
	fs.Int64Var(&c.MemoryMiB, "memory", 0, "the machine's memory in MiB")
	fs.Int64Var(&c.ReserveMiB, "reserve", 0, "memory in MiB that is held back")
	if err := fs.Parse(args); err != nil {
		return c, "", err
	}
	for name, v := range map[string]string{"dir": c.Dir, "images": c.ImagesDir, "netns": c.Netns, "region": c.Region} {
		if v == "" {
			return c, "", fault.New(fault.Invalid, "", "the agent needs --%s", name)
		}
	}
	return c, runtime, nil
}

// owner of the images is the machine, whose id its control group ends with.
func owner(c Config) string { return filepath.Base(c.Cgroup) }

// connsPerHost is how many connections there are to one endpoint at most.
const connsPerHost = 4

// newTransport reaches endpoints by the network's resolver, and trusts the
// endpoints' authority beside the host's.
func newTransport(c Config) (http.RoundTripper, error) {
	trusted, err := newTrust(c.CAFile)
	if err != nil {
		return nil, err
	}
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if c.Nameserver != "" {
		d.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var direct net.Dialer
			return direct.DialContext(ctx, network, net.JoinHostPort(c.Nameserver, "53"))
		}}
	}
	// A handshake costs more than a call: tasks that begin at once wait for
	// each other's connections, and a new one resumes an earlier session.
	return &http.Transport{
		DialContext: d.DialContext, DialTLSContext: trusted.dialer(d.DialContext),
		MaxConnsPerHost: connsPerHost, MaxIdleConnsPerHost: connsPerHost, IdleConnTimeout: 90 * time.Second, ResponseHeaderTimeout: callTimeout,
	}, nil
}

// metadataPort is where metadata and credentials are really served: port 80 is
// the containers'. It is one of the ports that ECS reserves.
const metadataPort = 51679

// namespaces is Network on this machine.
type namespaces struct{}

// Listen implements Network.
func (namespaces) Listen(ctx context.Context, path, address string) (net.Listener, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	behind := netip.AddrPortFrom(to.Addr(), metadataPort).String()
	if path == "" {
		if err := kernel.ServeAt(to, metadataPort); err != nil {
			return nil, err
		}
		var c net.ListenConfig
		return c.Listen(ctx, "tcp", behind)
	}
	ns, err := kernel.OpenNetns(path)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	if err := ns.ServeAt(to, metadataPort); err != nil {
		return nil, err
	}
	return ns.Listen(ctx, "tcp", behind)
}

// groups is Groups on this machine.
type groups struct{ *cgroup.Host }

// Create implements Groups.
func (h groups) Create(name string, l cgroup.Limits) error {
	_, err := h.Host.Create(name, l)
	return err
}

// Remove implements Groups.
func (h groups) Remove(name string) error {
	g, err := h.Open(name)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return g.Destroy()
}
