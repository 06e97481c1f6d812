package balancer

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"berth/internal/clock"
	"berth/internal/places"
)

// Health states as AWS words them.
const (
	StateInitial     = "initial"
	StateHealthy     = "healthy"
	StateUnhealthy   = "unhealthy"
	StateUnused      = "unused"
	StateDraining    = "draining"
	StateUnavailable = "unavailable"
)

// targetKey names one registration of one target.
type targetKey struct {
	group, id string
	port      int
	since     int64
}

func keyOf(g string, t Target) targetKey { return targetKey{g, t.ID, t.Port, t.Since.UnixNano()} }

// target is one registered target. It lives from its registration to its
// removal, through any number of configurations.
type target struct {
	key      targetKey
	address  string // ip:port
	token    string // of stickiness cookies
	inflight atomic.Int64
	drains   atomic.Bool           // gets no new requests
	group    atomic.Pointer[group] // of the configuration in force

	mu      sync.Mutex
	cfg     Target
	state   string
	reason  string
	text    string
	passes  int
	fails   int
	healthy time.Time // since when, on the control plane's clock
	timer   *clock.Timer
	epoch   int // of the check in flight; a stop makes it stale
	gone    bool
	idle    map[string][]*upstream // by node
	used    map[*upstream]struct{}
	dials   map[*dialing]struct{}
}

// dialing is one connection on its way to a target.
type dialing struct{ cut context.CancelFunc }

func newTarget(lb string, g string, t Target) *target {
	return &target{
		key: keyOf(g, t), cfg: t, token: token(lb, g, t.ID, strconv.Itoa(t.Port)),
		address: net.JoinHostPort(t.IP, strconv.Itoa(t.Port)),
		state:   StateUnused, reason: "Target.NotInUse", text: textNotInUse,
		idle: map[string][]*upstream{}, used: map[*upstream]struct{}{}, dials: map[*dialing]struct{}{},
	}
}

// upstream is one connection to a target.
type upstream struct {
	net.Conn
	counts *balancerStats
	places *places.Places
	once   sync.Once // of Close
	node   string
	born   time.Time
	idle   time.Time
	until  time.Time // the read deadline in force
	reused bool
	buf    []byte // for response heads and bodies; nil while idle
}

// Close closes the connection. It may be closed twice: by whoever uses it and
// by the end of its target.
func (u *upstream) Close() (err error) {
	u.once.Do(func() {
		u.counts.closed()
		err = u.Conn.Close()
		u.places.Served()
	})
	return err
}

// takeIdle returns an idle connection from the node that is still open, or nil.
func (t *target) takeIdle(node string, now time.Time) *upstream {
	for {
		t.mu.Lock()
		list := t.idle[node]
		if len(list) == 0 {
			t.mu.Unlock()
			return nil
		}
		u := list[len(list)-1]
		t.idle[node] = list[:len(list)-1]
		t.used[u] = struct{}{}
		t.mu.Unlock()
		if now.Sub(u.idle) < idleFor && isIdle(u.Conn) {
			u.reused = true
			return u
		}
		t.drop(u)
	}
}

// idleFor is how long an unused connection to a target is kept, and maxIdle
// how many of a node.
const (
	idleFor = 50 * time.Second
	maxIdle = 512
)

// adopt notes a fresh connection; false means that the target is gone.
func (t *target) adopt(u *upstream) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return false
	}
	t.used[u] = struct{}{}
	return true
}

// putIdle returns a connection that can carry another request.
func (t *target) putIdle(u *upstream, now time.Time) {
	t.mu.Lock()
	delete(t.used, u)
	keep := !t.gone && len(t.idle[u.node]) < maxIdle
	if keep {
		u.idle = now
		t.idle[u.node] = append(t.idle[u.node], u)
	}
	t.mu.Unlock()
	if !keep {
		_ = u.Close()
	}
}

// drop closes a connection.
func (t *target) drop(u *upstream) {
	t.mu.Lock()
	delete(t.used, u)
	t.mu.Unlock()
	_ = u.Close()
}

// closeIdle closes the idle connections of a node.
func (t *target) closeIdle(node string) {
	t.mu.Lock()
	list := t.idle[node]
	delete(t.idle, node)
	t.mu.Unlock()
	for _, u := range list {
		_ = u.Close()
	}
}

// closeAllIdle closes the idle connections of all nodes.
func (t *target) closeAllIdle() {
	t.mu.Lock()
	nodes := slices.Collect(maps.Keys(t.idle))
	t.mu.Unlock()
	for _, node := range nodes {
		t.closeIdle(node)
	}
}

// prune closes connections that have been idle too long.
func (t *target) prune(now time.Time) {
	var old []*upstream
	t.mu.Lock()
	for node, list := range t.idle {
		i := slices.IndexFunc(list, func(u *upstream) bool { return now.Sub(u.idle) < idleFor })
		if i < 0 {
			i = len(list)
		}
		old = append(old, list[:i]...)
		t.idle[node] = slices.Clone(list[i:])
	}
	t.mu.Unlock()
	for _, u := range old {
		_ = u.Close()
	}
}

// remove ends the target: its checks stop and its connections close, which
// cuts what is still in flight, as ALB does when the delay ends.
func (t *target) remove() {
	t.drains.Store(true)
	t.mu.Lock()
	t.gone = true
	t.stopChecks()
	t.cutDials()
	var all []*upstream
	for _, list := range t.idle {
		all = append(all, list...)
	}
	for u := range t.used {
		all = append(all, u)
	}
	t.idle = map[string][]*upstream{}
	t.mu.Unlock()
	for _, u := range all {
		_ = u.Close()
	}
}

func (t *target) report() TargetReport {
	t.mu.Lock()
	defer t.mu.Unlock()
	return TargetReport{
		Group: t.key.group, ID: t.key.id, Port: t.key.port, Since: t.cfg.Since,
		State: t.state, Reason: t.reason, Description: t.text, InFlight: int(t.inflight.Load()),
	}
}

// group is a target group in one configuration.
type group struct {
	cfg     Group
	used    bool // some rule of some listener refers to it
	lb      *balancerRuntime
	targets []*target // registered, draining ones included
	matcher matcher
	stats   *groupStats
	next    atomic.Uint64
	mu      sync.Mutex // orders refreshes
	ready   atomic.Pointer[ready]
}

// ready is what traffic may go to at the moment.
type ready struct {
	targets  []*target
	ramping  bool // some of them are in slow start
	failOpen bool
}

// refresh works out afresh who gets traffic.
func (g *group) refresh() {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all, healthy []*target
	ramping := false
	for _, t := range g.targets {
		t.mu.Lock()
		state, drains, since := t.state, t.cfg.Draining, t.healthy
		t.mu.Unlock()
		if drains {
			continue
		}
		all = append(all, t)
		if state == StateHealthy || state == StateUnavailable {
			healthy = append(healthy, t)
			ramping = ramping || g.cfg.SlowStart > 0 && !since.IsZero()
		}
	}
	least := max(g.cfg.MinHealthy, (g.cfg.MinHealthyPC*len(all)+99)/100)
	if len(healthy) < least {
		g.ready.Store(&ready{targets: all, failOpen: true})
		return
	}
	g.ready.Store(&ready{targets: healthy, ramping: ramping})
}

// pick chooses a target; nil if there is none. The token of a stickiness
// cookie is honoured while its target gets traffic.
func (g *group) pick(sticky string, now func() time.Time, random func() uint64) *target {
	r := g.ready.Load()
	if r == nil || len(r.targets) == 0 {
		return nil
	}
	if sticky != "" {
		for _, t := range r.targets {
			if t.token == sticky {
				return t
			}
		}
	}
	switch {
	case len(r.targets) == 1:
		return r.targets[0]
	case r.ramping:
		return g.ramp(r.targets, now(), random)
	case g.cfg.Algorithm == "least_outstanding_requests":
		return g.leastLoaded(r.targets)
	case g.cfg.Algorithm == "weighted_random":
		return r.targets[random()%uint64(len(r.targets))]
	default:
		return r.targets[g.next.Add(1)%uint64(len(r.targets))]
	}
}

func (g *group) leastLoaded(ts []*target) *target {
	start := g.next.Add(1)
	var best *target
	for i := range ts {
		t := ts[(start+uint64(i))%uint64(len(ts))]
		if best == nil || t.inflight.Load() < best.inflight.Load() {
			best = t
		}
	}
	return best
}

// ramp draws with weights that grow linearly over the slow start.
func (g *group) ramp(ts []*target, now time.Time, random func() uint64) *target {
	const full = 1000
	weights, sum := make([]uint64, len(ts)), uint64(0)
	for i, t := range ts {
		t.mu.Lock()
		since := t.healthy
		t.mu.Unlock()
		weights[i] = full
		if age := now.Sub(since); !since.IsZero() && age < g.cfg.SlowStart {
			weights[i] = max(10, uint64(full*age/g.cfg.SlowStart))
		}
		sum += weights[i]
	}
	n := random() % sum
	for i, w := range weights {
		if n < w {
			return ts[i]
		}
		n -= w
	}
	return ts[0]
}

// drainIfAsked lets the target get no new requests if its configuration says
// so. Requests that still wait for a connection to it go elsewhere.
func (t *target) drainIfAsked() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cfg.Draining && !t.drains.Swap(true) {
		t.cutDials()
	}
}

// cutDials ends connections on their way to a target that gets no new ones:
// nothing was sent, so their requests can go to another. Called with mu held.
func (t *target) cutDials() {
	for d := range t.dials {
		d.cut()
	}
}

// dialed notes that a connection is on its way, until done is called.
func (t *target) dialed(cut context.CancelFunc) (done func()) {
	d := &dialing{cut}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dials[d] = struct{}{}
	if t.drains.Load() {
		cut()
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.dials, d)
		cut()
	}
}

// dial opens a connection to the target from the node. It gives back the place
// that was taken for it when it is closed, or is none.
func (t *target) dial(ctx context.Context, n *node, now time.Time, counts *balancerStats, p *places.Places) (*upstream, error) {
	place, err := n.net()
	if err != nil {
		p.Served()
		return nil, err
	}
	ctx, cut := context.WithCancel(ctx)
	defer t.dialed(cut)()
	c, err := place.DialContext(ctx, "tcp", t.address)
	if err != nil {
		p.Served()
		return nil, err
	}
	counts.opened()
	u := &upstream{Conn: c, counts: counts, places: p, node: n.cfg.ID, born: now}
	if !t.adopt(u) {
		_ = u.Close()
		return nil, net.ErrClosed
	}
	return u, nil
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
