// Package endpoint is where the APIs are reached from inside the networks: it
// listens on the interfaces of VPC endpoints and on the public addresses of
// the services, with certificates of Berth's own authority, and hands every
// request to one handler, together with the way it came (From).
//
// It owns its listeners, which are set whole and opened by difference, and
// the authority (CA) in its folder. It knows no service: what a name or a path
// means is the handler's. All methods are safe for concurrent use.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/kernel"
)

// Listener is one address that answers.
type Listener struct {
	// Namespace is the name of the namespace, a file of the folder given to New.
	Namespace string
	Address   netip.AddrPort
	TLS       bool
	Via       Via
	// Sources tell ways apart by the client's address: traffic through a
	// gateway endpoint has its VPC's.
	Sources map[netip.Addr]Via
}

// Via is the way that a request came.
type Via struct {
	Service  string // the endpoint service, for example ecs-agent
	Endpoint string // vpce-…, or "" from the Internet
	VPC      string // of the endpoint, or ""
}

type viaKey struct{}

// From tells the way that a request came; ok is false if it came otherwise.
func From(ctx context.Context) (v Via, ok bool) {
	v, ok = ctx.Value(viaKey{}).(Via)
	return v, ok
}

// Server answers on the listeners.
type Server struct {
	dir     string
	ca      *CA
	handler http.Handler
	log     *slog.Logger

	bound *bound

	mu   sync.Mutex
	open map[listenerKey]*opened
}

// listenerKey identifies a listener.
type listenerKey struct {
	namespace string
	address   netip.AddrPort
	tls       bool
}

// opened is a listener that is open.
type opened struct {
	srv *http.Server
	mu  sync.Mutex
	l   Listener
}

// New serves handler inside the namespaces of the folder dir.
func New(dir string, ca *CA, handler http.Handler, log *slog.Logger) *Server {
	return &Server{dir: dir, ca: ca, handler: handler, log: log, open: map[listenerKey]*opened{}, bound: newBound(kernel.Descriptors())}
}

// Set makes the listeners equal to ls. One that cannot be opened is an error
// and is tried again at the next Set; the others are in force. The
// connections of one that goes are closed.
func (s *Server) Set(ctx context.Context, ls []Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := map[listenerKey]bool{}
	var errs []error
	for _, l := range ls {
		at := listenerKey{l.Namespace, l.Address, l.TLS}
		want[at] = true
		if d := s.open[at]; d != nil {
			d.update(l)
			continue
		}
		d, err := s.start(ctx, l)
		if err != nil {
			errs = append(errs, fmt.Errorf("listen on %s in %s: %w", l.Address, l.Namespace, err))
			continue
		}
		s.open[at] = d
	}
	s.keep(want)
	return errors.Join(errs...)
}

// keep closes what is not wanted.
func (s *Server) keep(want map[listenerKey]bool) {
	for at, d := range maps.Clone(s.open) {
		if !want[at] {
			_ = d.srv.Close() // it closes what it can
			delete(s.open, at)
		}
	}
}

// Close closes all listeners and their connections.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(nil)
	return nil
}

// Open lists what listens now, for explanations: NAMESPACE ADDRESS SERVICE.
func (s *Server) Open() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for at, d := range s.open {
		out = append(out, strings.Join([]string{at.namespace, at.address.String(), d.l.Via.Service}, " "))
	}
	slices.Sort(out)
	return out
}

// Limits of a connection. There is none on a whole request or answer, since
// agents hold theirs open.
const (
	headerPatience = 30 * time.Second
	idlePatience   = 10 * time.Minute
)

func (s *Server) start(ctx context.Context, l Listener) (*opened, error) {
	ns, err := kernel.OpenNetns(filepath.Join(s.dir, l.Namespace))
	if err != nil {
		return nil, err
	}
	defer func() { _ = ns.Close() }() // the socket stays
	ln, err := ns.Listen(ctx, "tcp4", l.Address.String())
	if err != nil {
		return nil, err
	}
	d := &opened{l: l}
	d.srv = &http.Server{
		Handler: s.handler, ReadHeaderTimeout: headerPatience, IdleTimeout: idlePatience, ConnContext: d.context,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if l.TLS {
		d.srv.TLSConfig = s.ca.TLS()
	}
	go s.serve(d.srv, &bounded{ln, s.bound, func(c net.Conn) string { return d.via(c).VPC }})
	return d, nil
}

func (s *Server) serve(srv *http.Server, ln net.Listener) {
	var err error
	if srv.TLSConfig != nil {
		err = srv.ServeTLS(ln, "", "")
	} else {
		err = srv.Serve(ln)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		s.log.Warn("an endpoint's listener ended", "address", ln.Addr().String(), "error", err)
	}
}

func (d *opened) update(l Listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.l = l
}

// context notes the way on each connection.
func (d *opened) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, viaKey{}, d.via(c))
}

// via is the way that a connection came.
func (d *opened) via(c net.Conn) Via {
	d.mu.Lock()
	defer d.mu.Unlock()
	via := d.l.Via
	if a, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		if v, ok := d.l.Sources[a.Addr().Unmap()]; ok {
			via = v
		}
	}
	return via
}
