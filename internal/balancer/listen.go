package balancer

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// socketKey names a listening socket.
type socketKey struct {
	node    string // "" is the host
	address string
	port    int
}

// where is what kind of address a socket listens at.
type where int

const (
	inside    where = iota // in a network of Berth's, as a node
	shared                 // the host's, for all load balancers
	own                    // the host's, for one load balancer
	published              // the host's, where other machines come
)

// binding is what one socket leads to in one configuration.
type binding struct {
	hosts     map[string]*listener
	list      []*listener
	at        where
	guarded   bool // the load balancer says who may come
	anyTLS    bool
	allTLS    bool
	tlsConfig *tls.Config
}

func (b *binding) add(l *listener) {
	b.allTLS = l.tls != nil && (b.allTLS || len(b.list) == 0)
	b.anyTLS = b.anyTLS || l.tls != nil
	b.list = append(b.list, l)
	b.hosts[strings.ToLower(l.lb.cfg.Host)] = l
	b.tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: b.forClient}
}

func (b *binding) forClient(h *tls.ClientHelloInfo) (*tls.Config, error) {
	l := b.find(strings.ToLower(h.ServerName))
	if l == nil || l.tls == nil {
		return nil, fmt.Errorf("no HTTPS listener for %q", h.ServerName)
	}
	return l.tls, nil
}

// find chooses the listener for a lower-case host: the one with that name, or
// the only one there is. But where all load balancers would answer, none does
// under the name of another, an internal one's say: what answers would not be
// who was asked.
func (b *binding) find(host string) *listener {
	if l, named := b.hosts[host]; named || len(b.list) > 1 {
		return l
	}
	l := b.list[0]
	_, ours, _ := strings.Cut(l.lb.cfg.Host, ".")
	_, theirs, _ := strings.Cut(host, ".")
	if (b.at == shared || b.at == published) && strings.EqualFold(ours, theirs) {
		return nil
	}
	return l
}

// admits reports whether a client may come to any of the listeners.
func (b *binding) admits(client netip.Addr) bool {
	return !b.guarded || slices.ContainsFunc(b.list, func(l *listener) bool { return l.lb.cfg.Admits(client, l.port) })
}

// mustAsk reports whether a request has to be asked whose it is: where several
// share a port that shows only now. Who is connected to the only one stays, as a
// connection does that a security group once let in.
func (b *binding) mustAsk() bool { return b.guarded && len(b.list) > 1 }

// socket is one listening socket and the clients that came through it.
type socket struct {
	node    *node
	key     socketKey
	binding atomic.Pointer[binding]
	closing atomic.Bool
	leaving atomic.Bool // another process accepts now
	done    sync.WaitGroup
	loops   sync.WaitGroup // that accept

	mu      sync.Mutex
	open    net.Listener // nil while it could not be opened
	other   net.Listener // on another port of the host meanwhile
	trouble string
	clients map[net.Conn]*client
}

// client is what is known of a client's connection.
type client struct {
	busy   atomic.Bool              // a request is under way
	awaits atomic.Pointer[upstream] // whose answer has not begun
}

// cutGone ends requests whose clients closed their connection before a target
// has begun to answer: the target hears of it, as the end of its connection.
func (s *socket) cutGone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, cl := range s.clients {
		if cl.awaits.Load() == nil || !isGone(c) {
			continue
		}
		if u := cl.awaits.Swap(nil); u != nil {
			_ = u.Close()
		}
	}
}

// openSocket is called with the balancer's lock held.
func (b *Balancer) openSocket(key socketKey, bind *binding) {
	s := b.sockets[key]
	if s == nil {
		s = &socket{key: key, node: b.nodeOf(Node{ID: key.node, IP: key.address}), clients: map[net.Conn]*client{}}
		if key.node != "" {
			s.node = b.nodes[key.node]
		}
		b.sockets[key] = s
	}
	s.binding.Store(bind)
	s.retry(b, key)
	s.guard()
}

// retry opens the socket if it is not open; it reports whether anything has
// changed.
func (s *socket) retry(b *Balancer, key socketKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil || s.ends() {
		return false
	}
	l, err := b.inherited(key, false), error(nil)
	if l == nil {
		l, err = s.listen(b.ctx, key.port)
	}
	if err == nil {
		s.open, s.trouble = l, ""
		s.binding.Load().guard(s.key, l)
		s.accept(b, l)
		if s.other != nil {
			_ = s.other.Close()
			s.other = nil
		}
		return true
	}
	was := s.trouble
	if s.key.node == "" && s.other == nil && s.binding.Load().at != published {
		s.other = s.alternative(b)
	}
	s.trouble = troubleText(key, err, s.other)
	return was != s.trouble
}

func (s *socket) listen(ctx context.Context, port int) (net.Listener, error) {
	place, err := s.node.net()
	if err != nil {
		return nil, err
	}
	return place.Listen(ctx, "tcp", net.JoinHostPort(s.key.address, strconv.Itoa(port)))
}

// alternative finds another port of the host for a listener whose own port is
// taken or may not be bound: 10000 higher, 20000 higher, and so on, so that
// it is the same one after a restart.
func (s *socket) alternative(b *Balancer) net.Listener {
	if l := b.inherited(s.key, true); l != nil {
		s.accept(b, l)
		return l
	}
	for port := s.key.port + 10000; port < 1<<16; port += 10000 {
		if l, err := s.listen(b.ctx, port); err == nil {
			s.accept(b, l)
			return l
		}
	}
	return nil
}

func troubleText(key socketKey, err error, other net.Listener) string {
	where := net.JoinHostPort(key.address, strconv.Itoa(key.port))
	if key.node != "" {
		where += " of " + key.node
	}
	text := fmt.Sprintf("%s cannot be listened on: %s", where, err)
	if other != nil {
		text += fmt.Sprintf("; port %d answers instead", other.Addr().(*net.TCPAddr).Port)
	}
	return text
}

// reopen closes the listening socket so that it is opened again.
func (s *socket) reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		_ = s.open.Close()
		s.open = nil
	}
}

// report adds the socket's trouble to what is known of its listeners.
func (s *socket) report(known map[string]*ListenerReport) {
	s.mu.Lock()
	text, port := s.trouble, 0
	if s.other != nil {
		port = s.other.Addr().(*net.TCPAddr).Port
	}
	s.mu.Unlock()
	if text == "" {
		return
	}
	bind := s.binding.Load()
	for _, l := range bind.list {
		r := known[l.id]
		if r == nil {
			r = &ListenerReport{ID: l.id}
			known[l.id] = r
		}
		r.note(bind.at, s.key.address, text, port)
	}
}

// note adds why an address cannot be listened on, and the port that answers
// instead.
func (r *ListenerReport) note(at where, address, text string, port int) {
	switch at {
	case published:
		if r.Unpublished == nil {
			r.Unpublished = map[string]string{}
		}
		r.Unpublished[address] = text
	case own:
		r.OwnTrouble, r.OwnAnswersOn = text, port
	default:
		lines := append(strings.FieldsFunc(r.Trouble, func(c rune) bool { return c == '\n' }), text)
		slices.Sort(lines)
		r.Trouble = strings.Join(slices.Compact(lines), "\n")
		if r.AnswersOn == 0 || port != 0 && port < r.AnswersOn {
			r.AnswersOn = port
		}
	}
}

func (s *socket) accept(b *Balancer, l net.Listener) {
	s.loops.Add(1)
	b.work.Go(func() {
		defer s.loops.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				if s.ends() || b.ctx.Err() != nil || isClosed(err) {
					return
				}
				b.deps.Log.Warn("accept", "address", l.Addr().String(), "reason", err.Error())
				if pause(b.ctx, b.deps.Real) != nil {
					return
				}
				continue
			}
			s.admit(b, c)
		}
	})
}

func (s *socket) admit(b *Balancer, c net.Conn) {
	if !b.deps.Places.Connect() {
		s.reject(c)
		return
	}
	cl := &client{}
	s.mu.Lock()
	if s.closing.Load() {
		b.deps.Places.Leave()
		s.mu.Unlock()
		_ = c.Close()
		return
	}
	s.clients[c] = cl
	s.done.Add(1)
	s.mu.Unlock()
	b.work.Go(func() {
		defer b.deps.Places.Leave()
		defer s.leave(c)
		b.serve(s, c, cl)
	})
}

// reject closes a connection that there is no place for.
func (s *socket) reject(c net.Conn) {
	_ = c.Close()
	if list := s.binding.Load().list; len(list) == 1 {
		list[0].lb.stats.rejected.Add(1)
	}
}

func (s *socket) leave(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	delete(s.clients, c)
	s.mu.Unlock()
	s.done.Done()
}

// close stops listening and closes connections without a request; the others
// close when their request is answered.
func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Store(true)
	for _, l := range []net.Listener{s.open, s.other} {
		if l != nil {
			_ = l.Close()
		}
	}
	s.open, s.other = nil, nil
	for c, cl := range s.clients {
		if !cl.busy.Load() {
			_ = c.Close()
		}
	}
}

// wait waits for the clients to finish, and cuts them when ctx ends.
func (s *socket) wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		s.done.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.clients {
		_ = c.Close()
	}
	s.mu.Unlock()
	return ctx.Err()
}

// peeked is a connection whose first bytes were looked at.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// secure makes a TLS connection of c where its listener asks for it.
func (b *binding) secure(ctx context.Context, c net.Conn) (net.Conn, error) {
	if !b.anyTLS {
		return c, nil
	}
	if !b.allTLS {
		// HTTP and HTTPS listeners of two load balancers share this port of
		// the host: a TLS record of type handshake begins with 22.
		p := peeked{c, bufio.NewReaderSize(c, 4096)}
		first, err := p.r.Peek(1)
		if err != nil {
			return nil, err
		}
		if first[0] != 22 {
			return p, nil
		}
		c = p
	}
	t := tls.Server(c, b.tlsConfig)
	return t, t.HandshakeContext(ctx)
}
