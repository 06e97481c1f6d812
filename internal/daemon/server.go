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
	"time"

	"golang.org/x/sync/errgroup"

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
	"berth/internal/registry"
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
	images    *registry.Store
	code      *function.Store
	kv        *pebble.KV
	disk      *disk.Disk
	log       *slog.Logger
}

// open makes the drivers and assembles the system; nothing runs yet.
func open(ctx context.Context, cfg Config, log *slog.Logger) (*server, error) {
	warn := func(text string) { log.Warn("about the data folder", slog.String("found", text)) }
	d := disk.Open(cfg.Data, warn)
	kv, err := pebble.Open(filepath.Join(cfg.Data, "state"), pebble.Options{
		Disk: d, Recover: cfg.Recover, Warn: warn,
	})
	if err != nil {
		return nil, err
	}
	db, err := state.Open(ctx, kv, false)
	if err != nil {
		return nil, err
	}
	s := &server{cfg: cfg, kv: kv, disk: d, log: log}
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

// drivers makes the drivers. The edge's process and the store of series are
// opened beside the rest, since both mostly wait: for a process to answer, and
// for the disk.
func (s *server) drivers(ctx context.Context, c Core) (Drivers, error) {
	var g errgroup.Group
	g.Go(func() (err error) {
		s.edge, err = edge.Ensure(ctx, edge.Options{
			Data: s.cfg.Data, Self: s.cfg.Self, Real: c.Real, Log: s.log, Notify: s.wake,
			Time: func() edge.Moment { return edge.Moment{Now: s.clock.Now(), Speed: s.clock.Speed()} },
		})
		return err
	})
	g.Go(func() (err error) {
		s.series, err = series.Open(filepath.Join(s.cfg.Data, "series"), s.disk)
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
	spaces, err := kernel.NewLinux(filepath.Join(s.cfg.Data, "run", "netns"))
	if err != nil {
		return Drivers{}, err
	}
	s.net = hostnet.New(spaces, s.log)
	machines, err := local.New(local.Deps{
		Data: s.cfg.Data, Instance: []string{s.cfg.Self, "instance"}, Agent: []string{s.cfg.Self, "agent"},
		Clock: s.clock, Real: c.Real, Overcommit: s.cfg.Overcommit, Log: s.log,
		Forget: func(id string) error { return image.Forget(s.imagesDir(), id) },
	})
	if err != nil {
		return Drivers{}, err
	}
	images, err := registry.Open(registry.Deps{Dir: filepath.Join(s.cfg.Data, "registry"), Clock: c.Clock, Real: c.Real, IDs: c.IDs})
	if err != nil {
		return Drivers{}, err
	}
	tokens, err := registry.OpenTokens(filepath.Join(s.cfg.Data, "registry"), c.IDs)
	if err != nil {
		return Drivers{}, err
	}
	ca, err := endpoint.OpenCA(filepath.Join(s.cfg.Data, "ca"), c.Real)
	if err != nil {
		return Drivers{}, err
	}
	spaceDir := filepath.Join(s.cfg.Data, "run", "netns")
	s.names = resolver.New(spaceDir, s.log)
	s.inner = &inside{}
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
	return Drivers{
		Functions: s.functions, Code: code,
		Machines: machines, Network: s.net, Names: s.names, Endpoints: s.endpoints, Images: images, Tokens: tokens,
		CABundle: ca.Bundle(), HostAddress: "127.0.0.1", Architectures: []string{architecture()},
		Redirect: func(r *http.Request) bool { _, inside := endpoint.From(r.Context()); return inside },
	}, nil
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
	o := &own{cfg: s.cfg, db: s.sys.DB, clock: s.clock, settle: s.settle, changed: s.followClock, session: session, edge: s.edge.Figures}
	s.sys.Front.Handle("/_berth/", o.handler())
	s.sys.Front.Handle("/v2/", s.sys.Registry)
	s.sys.Front.Handle("/ws", s.sys.Gateway.Handler())
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
	// they find there: with a large state their first look takes a while.
	local := front.Listener{Guard: &front.Guard{Hosts: s.cfg.Hosts, Origins: s.cfg.Origins}}
	if err := s.answer(ctx, g, l, s.sys.Front.Handler(local)); err != nil {
		return err
	}
	s.sys.Engine.Open()
	g.Go(func() error { return s.sys.Engine.Run(ctx) })
	g.Go(func() error { return s.sys.Gateway.Run(ctx) })
	g.Go(func() error { return s.edge.Run(ctx) })
	g.Go(func() error { return s.forget(ctx) })
	ready(l.Addr().String())
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, s.functions.Close(end), s.endpoints.Close(), s.names.Close(), s.net.Close(), s.series.Close(), s.kv.Close())
}

// answer writes where this server is and then answers there until ctx ends:
// whoever is answered finds its server.json.
func (s *server) answer(ctx context.Context, g *errgroup.Group, l net.Listener, h http.Handler) error {
	if err := s.announce(l.Addr().String()); err != nil {
		return errors.Join(err, l.Close())
	}
	http1 := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
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
	return nil
}

// announce writes where this server answers, for the command line.
func (s *server) announce(addr string) error {
	b, err := json.MarshalIndent(map[string]any{
		"endpoint": "http://" + addr, "region": s.cfg.Place.Region, "account": s.cfg.Place.Account, "pid": os.Getpid(), "version": Version,
	}, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(s.cfg.Data, "server.json.new")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(s.cfg.Data, "server.json"))
}
