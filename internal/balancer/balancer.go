// Package balancer is the data plane of application load balancers: it is
// handed a whole Config, makes itself equal to it, and reports targets'
// health and counts. It owns listening sockets, connections to clients and
// targets, and health checks; HTTP/1.1 itself is balancer/http1. It reads no
// store, knows no tasks, and refuses a configuration that it cannot serve
// whole, keeping the one in force.
//
// A change of configuration is atomic for each request and cuts no request:
// a request that has chosen its target goes on with it, unless the target is
// removed, which is what the end of a deregistration delay means.
//
// Everything here runs in real time, except that health check intervals and
// slow start follow Deps.Clock. All methods are safe for concurrent use. Of
// two locks held together a group's comes before a target's; Balancer.mu
// comes before both.
package balancer

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"berth/internal/clock"
	"berth/internal/places"
)

// Net is a place in a network where sockets can be made.
type Net interface {
	// Listen opens a listening socket there.
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	// DialContext opens a connection from there.
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Deps are what a Balancer needs.
type Deps struct {
	// Open finds the place of a node; "" is the host itself. A result that
	// is an io.Closer is closed when its node has gone; one that has a method
	// Stale() bool is asked now and then whether the place is another one
	// by now, and opened again if so.
	Open func(node string) (Net, error)
	// Clock is the control plane's: health check intervals and slow start.
	Clock clock.Clock
	// Real runs at real speed: timeouts.
	Real clock.Clock
	// Random draws bytes for trace ids and seeds.
	Random func(n int) []byte
	Log    *slog.Logger
	// Places are what clients and connections to targets take: clients for whom
	// there is none are closed and counted as rejected. Nil is no bound.
	Places *places.Places
}

// Balancer serves a Config.
type Balancer struct {
	deps   Deps
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	notify chan struct{}
	date   atomic.Pointer[dateLine]
	random struct {
		sync.Mutex
		*rand.ChaCha8
	}

	mu      sync.Mutex
	world   *world
	targets map[targetKey]*target
	nodes   map[string]*node
	sockets map[socketKey]*socket
	lbStats map[string]*balancerStats
	tgStats map[string]*groupStats
	closed  bool
	// What the process before left, until the first Set.
	sockIn   map[Handed]net.Listener
	healthIn map[targetKey]TargetReport
}

// world is one configuration, compiled.
type world struct {
	balancers []*balancerRuntime
	groups    map[string]*group
}

// balancerRuntime is a load balancer in one configuration.
type balancerRuntime struct {
	cfg       LoadBalancer
	nodes     []*node
	listeners []*listener
	stats     *balancerStats
	next      atomic.Uint64
}

// nodeFor is the node of a zone, or any; nil if there is none.
func (l *balancerRuntime) nodeFor(zone string) *node {
	if l == nil || len(l.nodes) == 0 {
		return nil
	}
	for _, n := range l.nodes {
		if n.cfg.Zone == zone {
			return n
		}
	}
	return l.nodes[0]
}

// anyNode takes the nodes in turn.
func (l *balancerRuntime) anyNode() *node {
	switch n := uint64(len(l.nodes)); n {
	case 0:
		return nil
	case 1:
		return l.nodes[0]
	default:
		return l.nodes[l.next.Add(1)%n]
	}
}

// listener is one listener in one configuration.
type listener struct {
	id    string
	port  int
	lb    *balancerRuntime
	rules []*rule
	tls   *tls.Config
}

// forward is a compiled Forward.
type forward struct {
	choices []choice
	total   uint64
	sticky  time.Duration
}

type choice struct {
	g      *group
	weight uint64
	token  string
}

// node is a place where a load balancer stands; it outlives configurations.
type node struct {
	cfg  Node
	open func(string) (Net, error)
	mu   sync.Mutex
	n    Net
}

func (n *node) net() (Net, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.n == nil {
		opened, err := n.open(n.cfg.ID)
		if err != nil {
			return nil, fmt.Errorf("open network of node %q: %w", n.cfg.ID, err)
		}
		n.n = opened
	}
	return n.n, nil
}

// stale reports whether the place has been replaced since it was opened.
func (n *node) stale() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	s, ok := n.n.(interface{ Stale() bool })
	return ok && s.Stale()
}

func (n *node) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c, ok := n.n.(io.Closer); ok {
		_ = c.Close()
	}
	n.n = nil
}

// New makes a data plane that serves nothing yet. It works until Close.
func New(ctx context.Context, d Deps) *Balancer {
	b := &Balancer{
		deps: d, notify: make(chan struct{}, 1), world: &world{},
		targets: map[targetKey]*target{}, nodes: map[string]*node{}, sockets: map[socketKey]*socket{},
		lbStats: map[string]*balancerStats{}, tgStats: map[string]*groupStats{},
		sockIn: map[Handed]net.Listener{}, healthIn: map[targetKey]TargetReport{},
	}
	b.ctx, b.cancel = context.WithCancel(ctx)
	b.random.ChaCha8 = rand.NewChaCha8([32]byte(d.Random(32)))
	b.tidyLater()
	return b
}

// Changed is signaled after a report may have changed.
func (b *Balancer) Changed() <-chan struct{} { return b.notify }

func (b *Balancer) changed() {
	select {
	case b.notify <- struct{}{}:
	default:
	}
}

// Set makes the data plane equal to the configuration. An error means that
// nothing has changed; sockets that cannot be opened are no error but show in
// the report, and are tried again.
func (b *Balancer) Set(c Config) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return net.ErrClosed
	}
	w, err := b.compile(c)
	if err != nil {
		return err
	}
	gone := b.adoptTargets(w)
	wanted := bindings(c, w)
	for key, bind := range wanted {
		b.openSocket(key, bind)
	}
	b.world = w
	// Now the rules in force know where else a request can go.
	for _, t := range b.targets {
		t.drainIfAsked()
	}
	for _, t := range gone {
		t.remove()
	}
	for key, s := range b.sockets {
		if wanted[key] == nil {
			delete(b.sockets, key)
			s.close()
		}
	}
	b.dropNodes(w)
	b.forgetLegacy()
	b.changed()
	return nil
}

// compile checks and compiles a configuration without touching anything that
// serves.
func (b *Balancer) compile(c Config) (*world, error) {
	w := &world{groups: map[string]*group{}}
	for _, gc := range c.Groups {
		m, err := parseMatcher(gc.Health.Matcher)
		if err != nil && gc.Health.Enabled {
			return nil, fmt.Errorf("target group %s: %w", gc.ID, err)
		}
		w.groups[gc.ID] = &group{cfg: gc, matcher: m}
	}
	for _, lc := range c.LoadBalancers {
		lb := &balancerRuntime{cfg: lc, stats: b.statsOf(lc.ID)}
		for _, nc := range lc.Nodes {
			lb.nodes = append(lb.nodes, b.nodeOf(nc))
		}
		for _, l := range lc.Listeners {
			for _, r := range l.Rules {
				if err := useGroups(w, lb, r); err != nil {
					return nil, fmt.Errorf("listener %s: %w", l.ID, err)
				}
			}
		}
		for _, l := range lc.Listeners {
			compiled, err := compileListener(w, lb, l)
			if err != nil {
				return nil, fmt.Errorf("listener %s: %w", l.ID, err)
			}
			lb.listeners = append(lb.listeners, compiled)
		}
		w.balancers = append(w.balancers, lb)
	}
	for _, g := range w.groups {
		g.stats = b.groupStatsOf(g)
	}
	return w, nil
}

// useGroups marks the groups of a rule as being in use by the load balancer.
func useGroups(w *world, lb *balancerRuntime, r Rule) error {
	if r.Action.Forward == nil {
		return nil
	}
	for _, wt := range r.Action.Forward.Groups {
		g := w.groups[wt.Group]
		if g == nil {
			return fmt.Errorf("rule %s: no target group %s", r.ID, wt.Group)
		}
		g.used = true
		if g.lb == nil {
			g.lb = lb
		}
	}
	return nil
}

func (b *Balancer) statsOf(id string) *balancerStats {
	if b.lbStats[id] == nil {
		b.lbStats[id] = &balancerStats{}
	}
	return b.lbStats[id]
}

func (b *Balancer) groupStatsOf(g *group) *groupStats {
	id := g.cfg.ID
	if b.tgStats[id] == nil {
		b.tgStats[id] = &groupStats{}
	}
	return b.tgStats[id]
}

func (b *Balancer) nodeOf(c Node) *node {
	if n := b.nodes[c.ID]; n != nil {
		return n // an interface keeps its zone and its address
	}
	n := &node{cfg: c, open: b.deps.Open}
	b.nodes[c.ID] = n
	return n
}

func (b *Balancer) dropNodes(w *world) {
	used := map[*node]bool{b.nodes[""]: true}
	for _, l := range w.balancers {
		for _, n := range l.nodes {
			used[n] = true
		}
	}
	for id, n := range b.nodes {
		if !used[n] {
			delete(b.nodes, id)
			n.close()
		}
	}
}

// adoptTargets carries targets over from the configuration in force, makes
// new ones and returns those that are gone.
func (b *Balancer) adoptTargets(w *world) (gone []*target) {
	seen := map[targetKey]bool{}
	for _, g := range w.groups {
		lb := ""
		if g.lb != nil {
			lb = g.lb.cfg.ID
		}
		for _, tc := range g.cfg.Targets {
			k := keyOf(g.cfg.ID, tc)
			if seen[k] {
				continue
			}
			seen[k] = true
			t := b.targets[k]
			if t == nil {
				t = newTarget(lb, g.cfg.ID, tc)
				b.targets[k] = t
			}
			g.targets = append(g.targets, t)
			b.applyConfig(t, g, tc)
			b.inheritHealth(t)
		}
		g.refresh()
	}
	for k, t := range b.targets {
		if !seen[k] {
			delete(b.targets, k)
			gone = append(gone, t)
		}
	}
	return gone
}

// bindings says which sockets a configuration needs and what each leads to.
func bindings(c Config, w *world) map[socketKey]*binding {
	out := map[socketKey]*binding{}
	add := func(k socketKey, l *listener, at where, guarded bool) {
		if out[k] == nil {
			out[k] = &binding{hosts: map[string]*listener{}, at: at, guarded: guarded}
		}
		out[k].add(l)
	}
	for _, lb := range w.balancers {
		for _, l := range lb.listeners {
			for _, n := range lb.nodes {
				add(socketKey{node: n.cfg.ID, address: n.cfg.IP, port: l.port}, l, inside, false)
			}
			if lb.cfg.Public || !c.Guarded {
				onHost(c, lb, func(address string, at where) {
					add(socketKey{address: address, port: l.port}, l, at, c.Guarded || at == published)
				})
			}
		}
	}
	return out
}

// onHost calls add with the host's addresses where a load balancer answers.
func onHost(c Config, lb *balancerRuntime, add func(address string, at where)) {
	if c.HostAddress != "" {
		add(c.HostAddress, shared)
	}
	if lb.cfg.Address != "" {
		add(lb.cfg.Address, own)
	}
	if lb.cfg.Public {
		for _, address := range c.Published {
			add(address, published)
		}
	}
}

func compileListener(w *world, lb *balancerRuntime, lc Listener) (*listener, error) {
	l := &listener{id: lc.ID, port: lc.Port, lb: lb}
	for _, rc := range lc.Rules {
		r := &rule{id: rc.ID, fixed: rc.Action.Fixed, redirect: rc.Action.Redirect}
		for _, cc := range rc.Conditions {
			t, err := compileCondition(cc)
			if err != nil {
				return nil, err
			}
			r.tests = append(r.tests, t)
		}
		if f := rc.Action.Forward; f != nil {
			r.forward = &forward{sticky: f.Sticky}
			for _, wt := range f.Groups {
				n := uint64(max(wt.Weight, 0))
				r.forward.total += n
				r.forward.choices = append(r.forward.choices, choice{w.groups[wt.Group], n, token(lb.cfg.ID, wt.Group)})
			}
		}
		l.rules = append(l.rules, r)
	}
	if len(lc.Certificates) == 0 {
		return l, nil
	}
	l.tls = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	for _, c := range lc.Certificates {
		pair, err := tls.X509KeyPair([]byte(c.Chain), []byte(c.Key))
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		l.tls.Certificates = append(l.tls.Certificates, pair)
	}
	return l, nil
}

// token names something in a cookie without telling what it is.
func token(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:20])
}

func (b *Balancer) draw() uint64 {
	b.random.Lock()
	defer b.random.Unlock()
	return b.random.Uint64()
}

// drawTrace makes the 24 hexadecimal digits of a trace id.
func (b *Balancer) drawTrace() (out [24]byte) {
	var raw [16]byte
	b.random.Lock()
	binary.LittleEndian.PutUint64(raw[:], b.random.Uint64())
	binary.LittleEndian.PutUint64(raw[8:], b.random.Uint64())
	b.random.Unlock()
	hex.Encode(out[:], raw[:12])
	return out
}

// dateLine is a Date header, made once a second.
type dateLine struct {
	second int64
	text   string
}

func (b *Balancer) dateHeader(now time.Time) string {
	d := b.date.Load()
	if d == nil || d.second != now.Unix() {
		d = &dateLine{now.Unix(), "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"}
		b.date.Store(d)
	}
	return d.text
}

// Report tells every target's health and every listener's trouble.
func (b *Balancer) Report() Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	var r Report
	for _, t := range b.targets {
		r.Targets = append(r.Targets, t.report())
	}
	slices.SortFunc(r.Targets, func(x, y TargetReport) int {
		return strings.Compare(x.Group+x.ID, y.Group+y.ID)
	})
	known := map[string]*ListenerReport{}
	for _, s := range b.sockets {
		s.report(known)
	}
	for _, lb := range b.world.balancers {
		r.LoadBalancers = append(r.LoadBalancers, lb.cfg.ID)
		for _, l := range lb.cfg.Listeners {
			x := ListenerReport{ID: l.ID}
			if k := known[l.ID]; k != nil {
				x = *k
			}
			r.Listeners = append(r.Listeners, x)
		}
	}
	return r
}

// Counters returns all counters, those of load balancers first.
func (b *Balancer) Counters() []Counters {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Counters
	for _, lb := range b.world.balancers {
		out = append(out, lb.stats.counters(lb.cfg.Name))
	}
	for _, g := range b.world.groups {
		if g.lb != nil {
			out = append(out, g.stats.counters(g.lb.cfg.Name, g))
		}
	}
	slices.SortStableFunc(out, func(x, y Counters) int { return strings.Compare(x.Group, y.Group) })
	return out
}

// tidyLater closes old idle connections and tries closed ports again, every
// few seconds.
func (b *Balancer) tidyLater() {
	b.deps.Real.AfterFunc(tidyEvery, func() {
		if b.ctx.Err() != nil {
			return
		}
		b.tidy()
		b.tidyLater()
	})
}

const tidyEvery = 3 * time.Second

func (b *Balancer) tidy() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	now := b.deps.Real.Now()
	for _, t := range b.targets {
		t.prune(now)
	}
	for _, g := range b.world.groups {
		if g.cfg.SlowStart > 0 {
			g.refresh()
		}
	}
	for id, n := range b.nodes {
		if n.stale() {
			b.reopenNode(id, n)
		}
	}
	for key, s := range b.sockets {
		s.cutGone()
		if s.retry(b, key) {
			b.changed()
		}
	}
}

// reopenNode leaves a place that is no more: what was opened there leads
// nowhere.
func (b *Balancer) reopenNode(id string, n *node) {
	n.close()
	for _, s := range b.sockets {
		if s.node == n {
			s.reopen()
		}
	}
	for _, t := range b.targets {
		t.closeIdle(id)
	}
}

// Close stops listening, waits for requests in flight until ctx ends, and
// then cuts what is left.
func (b *Balancer) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	var all []*socket
	for _, s := range b.sockets {
		all = append(all, s)
		s.close()
	}
	b.mu.Unlock()
	var errs []error
	for _, s := range all {
		errs = append(errs, s.wait(ctx))
	}
	b.cancel()
	b.mu.Lock()
	for _, t := range b.targets {
		t.remove()
	}
	for _, n := range b.nodes {
		n.close()
	}
	b.mu.Unlock()
	b.work.Wait()
	return errors.Join(errs...)
}
