package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"berth/internal/audit"
	"berth/internal/clock"
	"berth/internal/container/image"
	"berth/internal/container/runc"
	"berth/internal/controllers/network"
	"berth/internal/disk"
	"berth/internal/edge"
	"berth/internal/endpoint"
	"berth/internal/front"
	"berth/internal/function"
	"berth/internal/hostnet"
	"berth/internal/ident"
	"berth/internal/kernel"
	"berth/internal/machine/local"
	"berth/internal/model"
	"berth/internal/places"
	"berth/internal/registry"
	"berth/internal/registry/mirror"
	"berth/internal/resolver"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store/pebble"
)

// server is a system with real drivers.
type server struct {
	cfg       Config
	sys       *System
	clock     *clock.Running
	edge      *edge.Client
	net       *hostnet.Net
	functions *function.Runner
	names     *resolver.Resolver
	endpoints *endpoint.Server
	inner     *inside
	series    *series.Store
	machines  *local.Driver
	images    *registry.Store
	mirror    *mirror.Mirror
	code      *function.Store
	kv        *pebble.KV
	disk      *disk.Disk
	places    *places.Places // of clients of the API
	lacks     []string       // what the host cannot keep apart
	ca        *endpoint.CA
	audit     *audit.Log // nil: none is kept
	log       *slog.Logger
	notice    string // what a server of the network has to say when it is ready
	// copying is held while a backup is made, and by who would remove what is
	// in it.
	copying sync.RWMutex
}

// open makes the drivers and assembles the system; nothing runs yet.
func open(ctx context.Context, cfg Config, log *slog.Logger) (*server, error) {
	s := &server{cfg: cfg, log: log, places: newPlaces()}
	s.disk = disk.Open(cfg.Data, s.warn)
	var err error
	s.kv, err = pebble.Open(filepath.Join(cfg.Data, "state"), pebble.Options{Disk: s.disk, Recover: cfg.Recover, Warn: s.warn})
	if err != nil {
		return nil, err
	}
	db, err := state.Open(ctx, s.kv, false)
	if err != nil {
		return nil, err
	}
	if s.clock, err = openClock(ctx, db, cfg.Speed); err != nil {
		return nil, err
	}
	core := Core{DB: db, Clock: s.clock, Real: clock.Real(ctx), IDs: ident.Crypto(), Place: cfg.Place, Log: log}
	drivers, err := s.drivers(ctx, core)
	if err != nil {
		return nil, err
	}
	if s.sys, err = Assemble(ctx, core, drivers); err != nil {
		return nil, err
	}
	s.inner.sys, s.images, s.code = s.sys, drivers.Images, drivers.Code
	session, err := newSession(cfg.Data, core.IDs)
	if err != nil {
		return nil, err
	}
	s.mount(session)
	return s, nil
}

// warn says what was found about the data folder.
func (s *server) warn(text string) { s.log.Warn("about the data folder", slog.String("found", text)) }

// drivers makes the drivers. The store of series is opened beside the rest,
// since that mostly waits for the disk.
func (s *server) drivers(ctx context.Context, c Core) (Drivers, error) {
	s.edge = edge.New(edge.Options{
		Data: s.cfg.Data, Self: s.cfg.Self, Real: c.Real, Log: s.log, Notify: s.wake,
		Time: func() edge.Moment { return edge.Moment{Now: s.clock.Now(), Speed: s.clock.Speed()} },
	})
	var g errgroup.Group
	g.Go(func() (err error) {
		s.series, err = series.Open(filepath.Join(s.cfg.Data, "series"), series.Options{Disk: s.disk, Recover: s.cfg.Recover, Warn: s.warn})
		return err
	})
	h, err := s.otherHands(ctx, c)
	if err := errors.Join(g.Wait(), err); err != nil {
		return Drivers{}, err
	}
	h.Edge, h.Series = s.edge, s.series
	return h, nil
}

func (s *server) otherHands(ctx context.Context, c Core) (Drivers, error) {
	if s.cfg.Internet == "on" { // before anything is made
		if err := hostnet.CanLeadOut(); err != nil {
			return Drivers{}, fmt.Errorf("--internet on: %w", err)
		}
	}
	users := s.users()
	spaces, err := kernel.NewLinux(filepath.Join(s.cfg.Data, "run", "netns"), users)
	if err != nil {
		return Drivers{}, err
	}
	s.net = hostnet.New(spaces, s.log)
	if err := s.leadOut(); err != nil {
		return Drivers{}, err
	}
	if err := local.CanMakeVolumes(); err != nil {
		s.lack("instances have no limit of disk", err)
	}
	machines, err := local.New(local.Deps{
		Data: s.cfg.Data, Instance: []string{s.cfg.Self, "instance"}, Agent: []string{s.cfg.Self, "agent"},
		Clock: s.clock, Real: c.Real, Users: users, Overcommit: s.cfg.Overcommit, Log: s.log,
		Forget: func(id string) error { return image.Forget(s.imagesDir(), id) },
	})
	if err != nil {
		return Drivers{}, err
	}
	s.machines = machines
	images, err := registry.Open(registry.Deps{
		Dir: filepath.Join(s.cfg.Data, "registry"), Clock: c.Clock, Real: c.Real, IDs: c.IDs, Spare: disk.Spare(s.cfg.Data),
	})
	if err != nil {
		return Drivers{}, err
	}
	tokens, err := registry.OpenTokens(filepath.Join(s.cfg.Data, "registry"), c.IDs)
	if err != nil {
		return Drivers{}, err
	}
	if s.mirror, err = mirror.Open(ctx, mirror.Deps{
		Dir: filepath.Join(s.cfg.Data, "mirror"), Real: c.Real, IDs: c.IDs, Log: s.log, Offline: s.cfg.Internet == "off",
		Bound: s.cfg.ImageCache, Mirrors: s.cfg.RegistryMirrors, Spare: disk.Spare(s.cfg.Data),
	}); err != nil {
		return Drivers{}, err
	}
	ca, err := endpoint.OpenCA(filepath.Join(s.cfg.Data, "ca"), c.Real)
	if err != nil {
		return Drivers{}, err
	}
	if s.ca = ca; s.cfg.Public && s.cfg.Cert == "" {
		if err := ca.Permit(s.cfg.Hosts); err != nil {
			return Drivers{}, err
		}
	}
	spaceDir := filepath.Join(s.cfg.Data, "run", "netns")
	s.names = resolver.New(spaceDir, s.log)
	if s.cfg.Internet == "on" {
		s.names.Outside("/etc/resolv.conf")
	}
	s.inner = &inside{mirror: s.mirror}
	s.endpoints = endpoint.New(spaceDir, ca, s.inner, s.log)
	code, err := function.OpenStore(filepath.Join(s.cfg.Data, "functions"))
	if err != nil {
		return Drivers{}, err
	}
	sandboxes, err := runc.New(runc.Deps{
		Dir: filepath.Join(s.cfg.Data, "functions", "containers"), RuntimePath: s.cfg.Runtime, Self: s.cfg.Self, Log: s.log,
	})
	if err != nil {
		return Drivers{}, fmt.Errorf("%w: install runc (Debian: apt-get install runc) or give another OCI runtime with --runtime", err)
	}
	if s.functions, err = function.New(ctx, function.Deps{
		Dir: filepath.Join(s.cfg.Data, "functions", "sandboxes"), Code: code, Containers: sandboxes,
		Network: legs{network.NewLegs(c.DB, spaceDir)}, Logs: functionRole{s}, Identity: functionRole{s}, Clock: c.Clock, Real: c.Real,
		IDs: c.IDs, Place: c.Place, CgroupParent: local.CgroupRoot(s.cfg.Data) + "/functions", CA: ca.Bundle(), Log: s.log,
	}); err != nil {
		return Drivers{}, err
	}
	var open func(*http.Request) bool
	if s.cfg.Public {
		open = fromSocket
	}
	if s.cfg.Public || s.cfg.Audit {
		if s.audit, err = audit.Open(filepath.Join(s.cfg.Data, "audit")); err != nil {
			return Drivers{}, err
		}
	}
	return Drivers{
		OpenRegistry: open, Upstream: s.mirror,
		Audit:     s.audit,
		Functions: s.functions, Code: code,
		Machines: machines, Network: s.net, Names: s.names, Endpoints: s.endpoints, Images: images, Tokens: tokens,
		CABundle: ca.Bundle(), HostAddress: "127.0.0.1", Published: s.cfg.Publish,
		Architectures: []string{architecture()},
		Redirect:      func(r *http.Request) bool { _, inside := endpoint.From(r.Context()); return inside },
	}, nil
}

// leadOut prepares the way out of this machine, or takes away what a server before
// this one had of it.
func (s *server) leadOut() error {
	if s.cfg.Internet != "on" {
		return hostnet.ShutOut(s.cfg.Data)
	}
	if err := s.net.LeadOut(s.cfg.Data, s.cfg.InternetAllow); err != nil {
		return fmt.Errorf("--internet on: %w", err)
	}
	return nil
}

// lack notes what the host cannot keep apart, for the log and for `berth status`.
func (s *server) lack(what string, why error) {
	s.lacks = append(s.lacks, what+": "+why.Error())
	s.log.Warn("this host cannot keep everything apart", slog.String("lack", what), slog.Any("error", why))
}

func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// wake is the edge's word that it has news.
func (s *server) wake() {
	if s.sys != nil {
		s.sys.WakeTraffic()
	}
}

// mount gives the paths that are no AWS API to who serves them.
func (s *server) mount(session string) {
	o := &own{
		cfg: s.cfg, db: s.sys.DB, clock: s.clock, settle: s.settle, changed: s.followClock, session: session, edge: s.edge.Figures,
		report: s.edge.Report, backup: s.backup, examine: s.examine, lacks: s.lacks, mirror: s.mirror, log: s.log,
		boot: s.booted,
	}
	s.sys.Front.HandleAs("/_berth/", "berth:Read", o.handler())
	s.sys.Front.Handle("/v2/", registries{
		host: registry.Host(s.sys.Place), own: s.sys.Registry, others: http.HandlerFunc(s.mirror.Push), open: s.sys.Registry.Open, who: s.whose,
	})
	s.sys.Front.Handle("/ws", s.sys.Gateway.Handler())
}

// booted is what the agent of an instance says of its start; of what has none, and
// of a machine that is gone, nothing.
func (s *server) booted(ctx context.Context, id string) model.Boot {
	m, err := s.machines.Get(ctx, id)
	if err != nil {
		return model.Boot{}
	}
	return m.Boot
}

// followClock tells the processes that wait on the control plane's time that
// it has jumped.
func (s *server) followClock(ctx context.Context) error { return s.edge.Follow(ctx) }

// settleWithin is how long, in real time, one moment of an advancing clock
// waits for the controllers to come to rest: drivers work in real time.
const settleWithin = 2 * time.Second

func (s *server) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	// A key that is due counts as busy until its controller has run it, so that
	// being idle once is enough.
	for !s.sys.Engine.Idle() {
		if clock.Sleep(ctx, s.sys.Real, 100*time.Microsecond) != nil {
			return
		}
	}
}

// run serves until ctx ends.
func (s *server) run(ctx context.Context, l net.Listener, ready func(addr string)) error {
	g, ctx := errgroup.WithContext(ctx)
	s.sys.Engine.Begin(ctx, false)
	// Answers come from the state, and what is written before the controllers look
	// they find there: the edge's process takes a while to come up, and with a large
	// state so does their first look.
	guard := &front.Guard{Hosts: s.cfg.Hosts, Origins: s.cfg.Origins}
	begin := s.answer
	if s.cfg.Public {
		begin = s.answerAll
	}
	h := s.sys.Front.Handler(front.Listener{
		Guard: guard, Strict: s.cfg.Public, Dated: s.cfg.Public, Limited: s.cfg.Public || s.cfg.Limited, Audited: true,
	})
	if err := begin(ctx, g, bounds(ctx, s.places).Listen(l), h); err != nil {
		return err
	}
	if err := s.begin(ctx, g); err != nil {
		g.Go(func() error { return err })
	} else {
		ready(l.Addr().String())
	}
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if s.audit != nil {
		err = errors.Join(err, s.audit.Close())
	}
	return errors.Join(err, s.functions.Close(end), s.endpoints.Close(),
		s.mirror.Close(), s.names.Close(), s.net.Close(), s.series.Close(), s.kv.Close())
}

// begin lets the rest work, the controllers once the edge answers.
func (s *server) begin(ctx context.Context, g *errgroup.Group) error {
	g.Go(func() error { return s.sys.Gateway.Run(ctx) })
	if err := s.edge.Connect(ctx); err != nil {
		return err
	}
	s.sys.Engine.Open()
	g.Go(func() error { return s.sys.Engine.Run(ctx) })
	g.Go(func() error { return s.edge.Run(ctx) })
	g.Go(func() error { return s.forget(ctx) })
	return nil
}

// answer writes where this server is and then answers there until ctx ends:
// whoever is answered finds its server.json.
func (s *server) answer(ctx context.Context, g *errgroup.Group, l net.Listener, h http.Handler) error {
	if err := s.announce(l.Addr().String()); err != nil {
		return errors.Join(err, l.Close())
	}
	s.serve(ctx, g, l, h, s.places)
	return nil
}

// newPlaces are what clients of the API may take: a quarter of what this process
// may have open is for the networks' endpoints.
func newPlaces() *places.Places { return places.Of(kernel.Descriptors(), kernel.Descriptors()/4) }

// bounds are those of clients who share places.
func bounds(ctx context.Context, p *places.Places) front.Bounds {
	return front.Bounds{Places: p, Patience: time.Minute, Real: clock.Real(ctx)}
}

// serve answers on a listener until ctx ends; its requests take places.
func (s *server) serve(ctx context.Context, g *errgroup.Group, l net.Listener, h http.Handler, p *places.Places) {
	http1 := &http.Server{
		Handler: bounds(ctx, p).Handler(h), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: s.cfg.idle(), MaxHeaderBytes: s.cfg.mostHead(),
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	g.Go(func() error {
		if err := http1.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if http1.Shutdown(end) != nil {
			return http1.Close()
		}
		return nil
	})
}

// announce writes where this server answers, for the command line.
func (s *server) announce(addr string) error {
	at := map[string]any{
		"endpoint": s.cfg.url(addr), "region": s.cfg.Place.Region, "account": s.cfg.Place.Account, "pid": os.Getpid(), "version": Version,
	}
	if s.cfg.Public {
		at["socket"] = s.cfg.socket()
	}
	b, err := json.MarshalIndent(at, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(s.cfg.Data, "server.json.new")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(s.cfg.Data, "server.json"))
}
