package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/cli"
	"berth/internal/clock"
	"berth/internal/ident"
	"berth/internal/lang/reference"
	"berth/internal/registry/mirror"
)

// Version is what this program calls itself.
const Version = "0.1.0"

// Config is a server's configuration, whole.
type Config struct {
	// Data is the folder of everything that the server keeps; absolute.
	Data string
	// Listen is the address of the API, for example 127.0.0.1:4566.
	Listen string
	Place  ident.Place
	// Speed is how many seconds of the control plane's clock pass in one real
	// second.
	Speed float64
	// Runtime is the OCI runtime; "" looks for runc in PATH.
	Runtime string
	// Overcommit allows instance types with more memory than the host has.
	Overcommit bool
	// Recover goes on without what was lost of a damaged state.
	Recover bool
	// Public says that other machines may call: by TLS and with known keys.
	Public bool
	// Limited lets calls in no faster than AWS does, on loopback too.
	Limited bool
	// Audit keeps a log of calls, on loopback too.
	Audit bool
	// Cert and Key are files of a certificate and its key for an address off
	// loopback; "" is one of the own authority.
	Cert, Key string
	// Hosts and Origins are what browsers may name (front.Guard).
	Hosts, Origins []string
	// Publish are addresses of this machine where load balancers answer beside
	// loopback.
	Publish []string
	// Internet is off, images or on, and InternetAllow are the networks beside
	// the Internet that may be reached when it is on.
	Internet      string
	InternetAllow []netip.Prefix
	// ImageCache bounds the images of other registries, in bytes.
	ImageCache int64
	// RegistryMirrors are URLs by registry.
	RegistryMirrors map[string]string
	// Self is this program.
	Self string
}

// check reads what the command line says and refuses what cannot be.
func check(c cli.ServerConfig) (Config, error) {
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return Config{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return Config{}, err
	}
	cfg := Config{
		Data: data, Listen: c.Listen, Speed: c.Speed, Runtime: c.Runtime, Overcommit: c.Overcommit, Self: self,
		Recover: c.Recover, Hosts: c.Hosts, Origins: c.Origins, Cert: c.Cert, Key: c.Key, Limited: c.Limited, Audit: c.Audit,
		Publish:  c.Publish,
		Internet: cmp.Or(c.Internet, "images"), ImageCache: cmp.Or(int64(c.ImageCache)<<30, mirror.DefaultBound),
		Place: ident.Place{Partition: "aws", Region: c.Region, Account: c.Account},
	}
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return cfg, fmt.Errorf("--listen %s: %w", c.Listen, err)
	case len(c.Account) != 12 || strings.Trim(c.Account, "0123456789") != "":
		return cfg, fmt.Errorf("--account %s: an AWS account has twelve digits", c.Account)
	case !known(c.Region):
		return cfg, fmt.Errorf("--region %s: no such AWS Region", c.Region)
	case !(c.Speed > 0 && c.Speed <= 100_000): // no number is neither
		return cfg, fmt.Errorf("--speed %g: give a number above 0 and up to 100000", c.Speed)
	case c.Runtime != "" && !program(c.Runtime):
		return cfg, fmt.Errorf("--runtime %s: no such program; give an OCI runtime, or nothing for runc", c.Runtime)
	}
	cfg.Public = !loopback(host)
	if err := errors.Join(checkBrowsers(c), checkTLS(cfg), checkInternet(c), checkPublished(c.Publish)); err != nil {
		return cfg, err
	}
	if cfg.InternetAllow, err = allowed(c.InternetAllow); err != nil {
		return cfg, err
	}
	if cfg.RegistryMirrors, err = registryMirrors(c.RegistryMirrors); err != nil {
		return cfg, err
	}
	if os.Geteuid() != 0 {
		return cfg, errors.New("a server makes network namespaces and containers and must run as root\n  try: sudo berth server")
	}
	return cfg, nil
}

func program(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// checkBrowsers refuses hosts and origins that no browser would send.
func checkBrowsers(c cli.ServerConfig) error {
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, ":/* ") || h != strings.ToLower(h) {
			return fmt.Errorf("--allow-host %s: give a name of this machine in lower case, without scheme and port", h)
		}
	}
	for _, o := range c.Origins {
		if u, err := url.Parse(o); err != nil || u.Host == "" || o != u.Scheme+"://"+u.Host {
			return fmt.Errorf("--allow-origin %s: give scheme, name and port as a browser does, for example http://localhost:3000", o)
		}
	}
	return nil
}

// checkPublished refuses what is no address of this machine that others reach.
func checkPublished(published []string) error {
	if len(published) == 0 {
		return nil
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("--publish: the addresses of this machine: %w", err)
	}
	var has []string
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			has = append(has, p.Addr().String())
		}
	}
	for _, p := range published {
		if ip, err := netip.ParseAddr(p); err != nil || !slices.Contains(has, ip.String()) || p != ip.String() {
			return fmt.Errorf("--publish %s: this machine has no such address beside loopback; it has %s", p, strings.Join(has, ", "))
		}
	}
	return nil
}

// checkInternet refuses what the switch cannot say.
func checkInternet(c cli.ServerConfig) error {
	switch {
	case !slices.Contains([]string{"", "off", "images", "on"}, c.Internet):
		return fmt.Errorf("--internet %s: give off, images or on", c.Internet)
	case c.Internet != "on" && len(c.InternetAllow) > 0:
		return errors.New("--internet-allow: it is for --internet on; otherwise the packets of tasks do not leave this machine at all")
	case c.ImageCache < 0 || c.ImageCache > 1<<20:
		return fmt.Errorf("--image-cache %d: give a number of GiB", c.ImageCache)
	default:
		return nil
	}
}

// allowed reads the networks of --internet-allow.
func allowed(said []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range said {
		p, err := netip.ParsePrefix(s)
		if err != nil || !p.Addr().Is4() || p != p.Masked() {
			return nil, fmt.Errorf("--internet-allow %s: give an IPv4 network, for example 192.168.7.0/24, or an address as 192.168.7.9/32", s)
		}
		if p.Overlaps(netip.MustParsePrefix("127.0.0.0/8")) || p.Overlaps(netip.MustParsePrefix("169.254.0.0/16")) {
			return nil, fmt.Errorf("--internet-allow %s: loopback and link-local addresses are on one machine or one link, and lead nowhere from here", s)
		}
		out = append(out, p)
	}
	return out, nil
}

// registryMirrors reads [REGISTRY=]URL.
func registryMirrors(said []string) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range said {
		registry, at, ok := strings.Cut(s, "=")
		if !ok {
			registry, at = reference.DockerHub, s
		}
		u, err := url.Parse(at)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
			return nil, fmt.Errorf("--registry-mirror %s: give [REGISTRY=]URL without a path, for example docker.io=https://mirror.example", s)
		}
		out[registry] = at
	}
	return out, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Serve is the control plane: it runs until ctx ends, and leaves instances,
// tasks and the edge running.
func Serve(ctx context.Context, c cli.ServerConfig, ready func(string)) error {
	began := clock.Real(ctx).Now()
	cfg, err := check(c)
	if err != nil {
		return err
	}
	log := slog.New(logTo(os.Stderr, c.Verbose))
	if err := os.MkdirAll(cfg.Data, 0o711); err != nil {
		return fmt.Errorf("--data %s: %w", cfg.Data, err)
	}
	unlock, err := lock(ctx, cfg.Data)
	if err != nil {
		return err
	}
	defer unlock()
	if err := keepPrivate(cfg.Data); err != nil {
		return fmt.Errorf("--data %s: %w", cfg.Data, err)
	}
	// First of all the address: without it nothing is started.
	var l net.Listener
	if err := patiently(ctx, unix.EADDRINUSE, func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
		return err
	}); err != nil {
		return fmt.Errorf("--listen %s: %w\n  if another program has that address, choose another port", cfg.Listen, err)
	}
	// What is read now stays: to collect while it grows would walk it again and
	// again.
	percent := debug.SetGCPercent(-1)
	s, err := open(ctx, cfg, log)
	debug.SetGCPercent(percent)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return s.run(ctx, l, func(addr string) {
		took := clock.Real(ctx).Now().Sub(began).Round(time.Millisecond)
		ready(
			fmt.Sprintf(
				"ready: %s  region %s  account %s  clock %gx  data %s  (%v)%s", cfg.url(addr), cfg.Place.Region, cfg.Place.Account, cfg.Speed,
				cfg.Data, took, s.notice,
			),
		)
	})
}

// logTo writes JSON for machines, and shorter lines on a terminal.
func logTo(f *os.File, verbose bool) slog.Handler {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if verbose {
		o.Level = slog.LevelDebug
	}
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return slog.NewJSONHandler(f, o)
	}
	o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.String(a.Key, a.Value.Time().Format(time.TimeOnly))
		}
		return a
	}
	return slog.NewTextHandler(f, o)
}

// dying is how long a server that was killed may still hold its folder and its
// address.
const dying = time.Second

// patiently tries again while a server before this one may be dying.
func patiently(ctx context.Context, held error, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, dying)
	defer cancel()
	real := clock.Real(ctx)
	for {
		err := try()
		if !errors.Is(err, held) || clock.Sleep(ctx, real, 10*time.Millisecond) != nil {
			return err
		}
	}
}

// lock makes sure that one server at a time has the folder, and that the folder
// is Berth's: what is in it is removed in the end.
func lock(ctx context.Context, data string) (func(), error) {
	files, err := os.ReadDir(data)
	if err != nil {
		return nil, err
	}
	named := func(name string) bool {
		return slices.ContainsFunc(files, func(f os.DirEntry) bool { return f.Name() == name })
	}
	if ours := named("server.lock") || len(files) == 1 && named("server.log"); len(files) > 0 && !ours {
		return nil, fmt.Errorf(
			"--data %s: there are other files in that folder, and `berth stop` would remove them\n  name a folder of its own", data,
		)
	}
	f, err := os.OpenFile(filepath.Join(data, "server.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := patiently(ctx, unix.EWOULDBLOCK, func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		return nil, errors.Join(
			fmt.Errorf(
				"another server has %s%s\n  `berth status --data %s` shows it, `berth stop --data %s` ends it with all that it runs", data, whose(data),
				data, data,
			),
			f.Close(),
		)
	}
	return func() { _ = f.Close() }, nil // the lock goes with the file
}

// folders of the data folder, which hold credentials, users' data, and
// programs of images that run as root.
var folders = []string{"audit", "ca", "edge", "functions", "images", "instances", "mirror", "registry", "run", "series", "state"}

// keepPrivate lets other users of this machine no further than server.json,
// which says where the server answers; also of a folder that an older server
// made.
func keepPrivate(data string) error {
	for _, name := range folders {
		if err := os.Mkdir(filepath.Join(data, name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	entries, err := os.ReadDir(data)
	if err != nil {
		return err
	}
	errs := []error{os.Chmod(data, 0o711)}
	for _, e := range entries {
		path := filepath.Join(data, e.Name())
		switch {
		case e.IsDir():
			errs = append(errs, os.Chmod(path, 0o700))
		case e.Type().IsRegular() && e.Name() != "server.json":
			errs = append(errs, os.Chmod(path, 0o600))
		}
	}
	return errors.Join(errs...)
}

// whose says where the server of a folder answers.
func whose(data string) string {
	b, err := os.ReadFile(filepath.Join(data, "server.json"))
	var s struct {
		Endpoint string
		PID      int
	}
	if err != nil || json.Unmarshal(b, &s) != nil || s.Endpoint == "" {
		return "" // it is on its way
	}
	return fmt.Sprintf(" (pid %d, at %s)", s.PID, s.Endpoint)
}
