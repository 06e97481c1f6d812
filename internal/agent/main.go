package agent

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"berth/internal/acs"
	"berth/internal/bridge"
	"berth/internal/clock"
	"berth/internal/container/image"
	"berth/internal/container/runc"
	"berth/internal/disk"
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
	c.Self = self
	deps := runc.Deps{
		Dir: filepath.Join(c.Dir, "runc"), RuntimePath: runtime, Self: self, Places: []string{bundlePath}, Users: c.Users, Log: log,
	}
	if c.Memory != "" {
		deps.Memory = filepath.Join(c.Memory, "runc")
	}
	driver, err := runc.New(deps)
	if err != nil {
		return err
	}
	own := image.Deps{Dir: c.ImagesDir, Owner: owner(c), Clock: real, Spare: disk.Spare(c.ImagesDir), Log: log}
	if c.Volume {
		own.Charge = filepath.Join(c.Dir, "layers")
	}
	images, err := image.Open(own)
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
	d := Deps{
		Config: c, Driver: driver, Images: images, Network: namespaces{},
		Bridge: &lateBridge{config: c}, Groups: groups{host}, Clock: real, IDs: ident.Crypto(),
		Transport: transport, Log: log,
		Collect: func(ctx context.Context) error { _, err := image.Collect(ctx, c.ImagesDir, real); return err },
	}
	if c.StorageGiB > 0 {
		d.TaskTransport = func(path string) (http.RoundTripper, error) { return taskTransport(c, path) }
	}
	a, err := New(d)
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
	fs.BoolVar(&c.Volume, "volume", false, "the agent's own folder is on the machine's data volume")
	fs.StringVar(&c.Netns, "netns", "", "folder of network namespaces")
	fs.StringVar(&c.Cgroup, "cgroup", "", "the machine's control group")
	fs.StringVar(&c.Cluster, "cluster", "default", "the cluster to join")
	fs.StringVar(&c.Region, "region", "", "the machine's Region")
	fs.StringVar(&c.Nameserver, "nameserver", "", "the network's resolver")
	fs.StringVar(&c.CAFile, "ca", "", "PEM file of the endpoints' authority")
	fs.StringVar(&c.Metadata, "metadata", "http://169.254.169.254", "base URL of instance metadata")
	fs.BoolVar(&c.Own, "own", false, "the machine is an instance of the user's own")
	fs.StringVar(&c.Report, "report", "", "the file in which the start of such an instance is told")
	fs.StringVar(&c.Console, "console", "", "the file of the output of its user data")
	fs.StringVar(&runtime, "runtime", "", "the OCI runtime")
	fs.IntVar(&c.Users, "users", 0, "user 0 of containers on this host")
	fs.Int64Var(&c.CPUs, "cpus", 0, "the machine's CPUs")
	fs.Int64Var(&c.MemoryMiB, "memory", 0, "the machine's memory in MiB")
	fs.Int64Var(&c.ReserveMiB, "reserve", 0, "memory in MiB that is held back")
	fs.Int64Var(&c.StorageGiB, "task-storage", 0, "ephemeral storage in GiB of the one task of a machine of Fargate")
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
	d := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return transportOver(c, d.DialContext)
}

const dialTimeout = 10 * time.Second

// transportOver is a transport over a network that dials addresses.
func transportOver(c Config, dial dialFunc) (http.RoundTripper, error) {
	trusted, err := newTrust(c.CAFile)
	if err != nil {
		return nil, err
	}
	d := named(c, dial)
	// A handshake costs more than a call: tasks that begin at once wait for
	// each other's connections, and a new one resumes an earlier session.
	return &http.Transport{
		DialContext: d, DialTLSContext: trusted.dialer(d),
		MaxConnsPerHost: connsPerHost, MaxIdleConnsPerHost: connsPerHost, IdleConnTimeout: 90 * time.Second, ResponseHeaderTimeout: callTimeout,
	}, nil
}

// named dials names by the network's resolver, each address in its turn.
func named(c Config, dial dialFunc) dialFunc {
	if c.Nameserver == "" {
		return dial
	}
	names := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, net.JoinHostPort(c.Nameserver, "53"))
	}}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		found, err := names.LookupNetIP(ctx, "ip4", host)
		if err != nil {
			return nil, err
		}
		for _, ip := range found {
			var conn net.Conn
			if conn, err = dial(ctx, network, net.JoinHostPort(ip.String(), port)); err == nil {
				return conn, nil
			}
		}
		return nil, err
	}
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

// lateBridge is Bridge on this machine, made when the first container wants it:
// most machines have none.
type lateBridge struct {
	config Config
	once   sync.Once
	net    *bridge.Net
	err    error
}

// imdsPort is where the machine's first process really serves instance
// metadata.
const imdsPort = 51677

func (l *lateBridge) get() (*bridge.Net, error) {
	l.once.Do(func() {
		dir := l.Path("")
		var own kernel.Space
		if own, l.err = kernel.OwnSpace(); l.err != nil {
			return
		}
		spaces, err := kernel.NewLinux(dir, l.config.Users)
		if err != nil {
			l.err = err
			return
		}
		at := func(address string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(address), 80) }
		l.net = bridge.New(bridge.Deps{Dir: dir, Spaces: spaces, Own: own, Busy: busy, Services: []bridge.Service{
			{At: at(acs.MetadataAddress), Port: metadataPort}, {At: at("169.254.169.254"), Port: imdsPort},
		}})
	})
	return l.net, l.err
}

// busy reports whether somebody on this machine listens on a port.
func busy(port int64, protocol string) bool {
	at := net.JoinHostPort("", strconv.FormatInt(port, 10))
	if protocol == "udp" {
		c, err := net.ListenPacket("udp4", at) //nolint:noctx // closed at once
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}
	l, err := net.Listen("tcp4", at) //nolint:noctx // closed at once
	if err == nil {
		_ = l.Close()
	}
	return err != nil
}

// Path implements Bridge.
func (l *lateBridge) Path(id string) string {
	return filepath.Join(cmp.Or(l.config.Memory, l.config.Dir), "netns", id)
}

// Keep implements Bridge.
func (l *lateBridge) Keep(ends ...bridge.End) {
	if n, err := l.get(); err == nil {
		n.Keep(ends...)
	}
}

// Attach implements Bridge.
func (l *lateBridge) Attach(id string, ports []bridge.Port) (bridge.End, error) {
	n, err := l.get()
	if err != nil {
		return bridge.End{}, err
	}
	return n.Attach(id, ports)
}

// Alone implements Bridge.
func (l *lateBridge) Alone(id string) error {
	n, err := l.get()
	if err != nil {
		return err
	}
	return n.Alone(id)
}

// Detach implements Bridge.
func (l *lateBridge) Detach(id string) error {
	n, err := l.get()
	if err != nil {
		return err
	}
	return n.Detach(id)
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
