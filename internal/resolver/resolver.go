// Package resolver is the DNS data plane: it answers questions at the
// resolver addresses of each VPC and of the Internet from a Config that is
// set whole. What a name means is decided elsewhere (controllers/resolve);
// what it does not know does not exist, unless questions about the outside are
// passed to the host's own resolver.
//
// It owns its listeners, which it opens inside the namespaces by difference.
// All methods are safe for concurrent use.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"berth/internal/kernel"

	"github.com/miekg/dns"
)

// Config is everything that is answered.
type Config struct {
	Zones []Zone
}

// Zone is what one namespace is told.
type Zone struct {
	// Namespace is the name of the namespace, a file of the folder given to New.
	Namespace string
	// Listen are the addresses that answer on port 53, by UDP and TCP.
	Listen []netip.Addr
	// Names are exact names, lower case, without the final dot.
	Names map[string][]netip.Addr
	// Patterns are tried in order when no name fits.
	Patterns []Pattern
	// Domains are private domains: a name below one that is not among Records is
	// none of the outside's. Records have the names in them, in the same form.
	Domains []string
	Records map[string]Records
	// HostSuffixes make ip-1-2-3-4.SUFFIX a name of each address in Hosts; the
	// first is what a question by address is answered with.
	HostSuffixes []string
	Hosts        netip.Prefix
}

// Pattern is a name with an asterisk: "*." at the start for one label, "*"
// elsewhere for digits.
type Pattern struct {
	Pattern string
	Addrs   []netip.Addr
}

// Records are what a name of a private domain has.
type Records struct {
	Addrs   []netip.Addr
	AddrTTL uint32
	Hosts   []Host
	HostTTL uint32
	// Most bounds what one answer has of each.
	Most int
}

// Host is where a service is: the value of an SRV record.
type Host struct {
	Name string
	Port uint16
}

// Resolver answers DNS questions.
type Resolver struct {
	dir     string
	log     *slog.Logger
	outside outside

	mu    sync.Mutex
	zones map[string]*served
}

// served is a zone with its listeners.
type served struct {
	zone    atomic.Pointer[Zone]
	turn    atomic.Uint32
	servers map[netip.Addr][]*dns.Server
	outside outside
}

// New answers inside the namespaces of the folder dir.
func New(dir string, log *slog.Logger) *Resolver {
	return &Resolver{dir: dir, log: log, zones: map[string]*served{}}
}

// Outside passes questions about other names to the resolvers that a file says,
// which has the form of resolv.conf and is read at each question. It is called before
// Set.
func (r *Resolver) Outside(file string) { r.outside = outside{file, "53"} }

// Set makes the answers equal to c. A zone whose listeners cannot be opened
// is an error, and is tried again at the next Set; the others are in force.
func (r *Resolver) Set(ctx context.Context, c Config) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	want := map[string]bool{}
	var errs []error
	for _, z := range c.Zones {
		want[z.Namespace] = true
		s := r.zones[z.Namespace]
		if s == nil {
			s = &served{servers: map[netip.Addr][]*dns.Server{}, outside: r.outside}
			r.zones[z.Namespace] = s
		}
		s.zone.Store(&z)
		if err := r.listen(ctx, s, z); err != nil {
			errs = append(errs, fmt.Errorf("resolver of %s: %w", z.Namespace, err))
		}
	}
	r.keep(want)
	return errors.Join(errs...)
}

// keep ends the zones that are not wanted.
func (r *Resolver) keep(want map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(r.zones)) {
		if !want[name] {
			r.zones[name].close(nil)
			delete(r.zones, name)
		}
	}
}

// Close stops answering.
func (r *Resolver) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(nil)
	return nil
}

// listen opens what is missing and closes what is not wanted.
func (r *Resolver) listen(ctx context.Context, s *served, z Zone) error {
	s.close(z.Listen)
	missing := slices.DeleteFunc(slices.Clone(z.Listen), func(a netip.Addr) bool { return s.servers[a] != nil })
	if len(missing) == 0 {
		return nil
	}
	ns, err := kernel.OpenNetns(filepath.Join(r.dir, z.Namespace))
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }() // the sockets stay
	for _, a := range missing {
		if err := r.open(ctx, ns, s, a); err != nil {
			return err
		}
	}
	return nil
}

func (r *Resolver) open(ctx context.Context, ns *kernel.Netns, s *served, a netip.Addr) error {
	at := net.JoinHostPort(a.String(), "53")
	packets, err := ns.ListenPacket(ctx, "udp4", at)
	if err != nil {
		return err
	}
	streams, err := ns.Listen(ctx, "tcp4", at)
	if err != nil {
		return errors.Join(err, packets.Close())
	}
	handler := dns.HandlerFunc(s.serve)
	for _, srv := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: streams, Handler: handler}} {
		started := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(started) }
		go func() {
			if err := srv.ActivateAndServe(); err != nil {
				r.log.Warn("a resolver's listener ended", "address", at, "error", err)
			}
		}()
		<-started // a server that was not started cannot be shut down
		s.servers[a] = append(s.servers[a], srv)
	}
	return nil
}

// close ends the listeners that are not kept.
func (s *served) close(keep []netip.Addr) {
	for a, servers := range s.servers {
		if slices.Contains(keep, a) {
			continue
		}
		for _, srv := range servers {
			_ = srv.Shutdown() // it was started, and ends either way
		}
		delete(s.servers, a)
	}
}

// answer answers the question of m.
func (s *served) answer(m *dns.Msg) {
	m.Answer, m.Rcode = s.zone.Load().Answer(m.Question[0], s.turn.Add(1))
	if m.Rcode == dns.RcodeNameError && s.outside.file != "" && isOutside(m.Question[0]) && !s.zone.Load().private(m.Question[0].Name) {
		s.outside.pass(m)
	}
}

// serve answers one message.
func (s *served) serve(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true // as a stub expects of its resolver
	if q.Opcode != dns.OpcodeQuery || len(q.Question) != 1 {
		m.Rcode = dns.RcodeNotImplemented
	} else {
		s.answer(m)
	}
	size := dns.MaxMsgSize
	if _, ok := w.RemoteAddr().(*net.UDPAddr); ok {
		size = dns.MinMsgSize
		if o := q.IsEdns0(); o != nil {
			size = int(max(o.UDPSize(), dns.MinMsgSize))
			m.SetEdns0(o.UDPSize(), false)
		}
	}
	m.Truncate(size)
	_ = w.WriteMsg(m) // who asked may be gone
}
