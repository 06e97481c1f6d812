// Package edge is the process around balancer: one on each host, that serves
// all load balancers and goes on when the server is killed or replaced. It
// owns the folder DATA/edge: a lock, its control socket, and the last
// configuration, from which it serves at once after its own restart.
//
// Main is the process itself; Client is the server's end: it starts the
// process when it is not there, hands it configurations and the clock, and
// keeps the newest report. The process decides nothing; it is told whole
// configurations. A Client is safe for concurrent use.
package edge

import (
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"berth/internal/balancer"
	"berth/internal/clock"
	"berth/internal/kernel"
	"berth/internal/places"
)

// Moment is the control plane's clock as the edge is told it.
type Moment struct {
	Now   time.Time `json:"now"`
	Speed float64   `json:"speed"`
}

// order is what the control socket's PUT /config takes.
type order struct {
	Config *balancer.Config `json:"config,omitempty"`
	Clock  Moment           `json:"clock"`
}

// State is what the process says of itself.
type State struct {
	Epoch   string          `json:"epoch"` // one a process: counters start again
	PID     int             `json:"pid"`
	Program string          `json:"program"` // its file: another build has another
	Seq     uint64          `json:"seq"`
	Applied string          `json:"applied"` // Digest of the configuration in force
	Report  balancer.Report `json:"report"`
}

// figures are the counters of one process.
type figures struct {
	Epoch    string              `json:"epoch"`
	Counters []balancer.Counters `json:"counters"`
}

// Digest names a configuration by its content.
func Digest(c balancer.Config) string {
	b, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// grace is how long requests may go on when the process is told to stop.
const grace = 10 * time.Second

// Main is the process berth edge. Arguments: --data DIR, --now TIME, --speed N,
// and --inherit N when it takes over from another one.
func Main(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("edge", flag.ContinueOnError)
	data := fs.String("data", "", "the server's data folder")
	now := fs.String("now", "", "the control plane's time")
	speed := fs.Float64("speed", 1, "how fast the control plane's clock runs")
	sockets := fs.Int("inherit", -1, "how many listening sockets another edge hands over")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *data == "" {
		return errors.New("edge: --data is missing")
	}
	real := clock.Real(ctx)
	at := real.Now()
	if *now != "" {
		parsed, err := time.Parse(time.RFC3339Nano, *now)
		if err != nil {
			return fmt.Errorf("edge: --now: %w", err)
		}
		at = parsed
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	p := &process{data: *data, clock: clock.NewRunning(ctx, at, *speed), real: real, log: log, sockets: *sockets}
	return p.run(ctx)
}

// process is one running edge.
type process struct {
	data    string
	clock   *clock.Running
	real    clock.Clock
	log     *slog.Logger
	b       *balancer.Balancer
	epoch   string
	program string
	quit    context.CancelFunc

	control net.Listener
	lock    int  // descriptor of the folder's lock
	sockets int  // inherited; below 0 this process begins afresh
	before  int  // id of the process whose place it takes
	left    bool // another process goes on

	set     sync.Mutex // one configuration at a time
	mu      sync.Mutex
	seq     uint64
	applied string
	changed chan struct{} // closed at the next change
}

func (p *process) run(ctx context.Context) error {
	ctx, p.quit = context.WithCancel(ctx)
	defer p.quit()
	// It was made by who started this. If it is gone, so is the data folder.
	dir := filepath.Join(p.data, "edge")
	var err error
	if p.sockets < 0 {
		unlock, fd, err := lock(filepath.Join(dir, "lock"))
		if err != nil {
			return err
		}
		defer unlock()
		p.lock = fd
	}
	p.epoch = hex.EncodeToString(random(8))
	p.program = program("/proc/self/exe")
	p.changed = make(chan struct{})
	p.b = balancer.New(context.WithoutCancel(ctx), balancer.Deps{
		Open: p.open, Clock: p.clock, Real: p.real, Random: random, Log: p.log,
		Places: places.Of(kernel.Descriptors(), 0),
	})
	if p.sockets < 0 {
		p.control, err = p.listen(ctx, filepath.Join(dir, "edge.sock"))
	} else {
		err = p.inherit(p.sockets)
	}
	if err != nil {
		return err
	}
	p.resume()
	srv := &http.Server{Handler: p.handler(), ReadHeaderTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(p.control) }()
	go p.watch(ctx)
	go p.endWithFolder(ctx, filepath.Join(dir, "lock"))
	p.log.Info("edge serves", "data", p.data, "pid", os.Getpid(), "inherited", max(p.sockets, 0))
	if p.sockets >= 0 {
		if err := announce(); err != nil {
			return err
		}
		defer p.endBefore()
	}
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	p.set.Lock() // a handing over has been answered
	left := p.left
	p.set.Unlock()
	if u, ok := p.control.(*net.UnixListener); ok && left {
		u.SetUnlinkOnClose(false)
	}
	_ = srv.Close()
	if left {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
		_ = p.b.Leave(last)
		cancel()
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if cerr := p.b.Close(end); cerr != nil {
		p.log.Warn("requests were cut", "reason", cerr.Error())
	}
	return err
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = crand.Read(b) // never fails
	return b
}

// lock makes sure that a data folder has one edge.
func lock(path string) (unlock func(), fd int, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, -1, fmt.Errorf("edge: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, -1, fmt.Errorf("edge: another one serves this data folder: %w", err)
	}
	return func() { _ = f.Close() }, int(f.Fd()), nil
}

func (p *process) listen(ctx context.Context, path string) (net.Listener, error) {
	// The lock is ours, so a socket that is there was left by a dead process.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("edge: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	return l, os.Chmod(path, 0o600)
}

// host is the place of the host itself.
type host struct {
	net.ListenConfig
	net.Dialer
}

// Listen makes sockets of plain TCP: those of multipath TCP take no filter.
func (h host) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	h.ListenConfig.SetMultipathTCP(false)
	return h.ListenConfig.Listen(ctx, network, address)
}

func (h host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return h.Dialer.DialContext(ctx, network, address)
}

// open finds the place of a node: the namespace of its interface.
func (p *process) open(node string) (balancer.Net, error) {
	if node == "" {
		return host{}, nil
	}
	path := filepath.Join(p.data, "run", "netns", filepath.Base(node))
	ns, err := kernel.OpenNetns(path)
	if err != nil {
		return nil, err
	}
	return &place{Netns: ns, inode: inode(path)}, nil
}

// place is the namespace of a load balancer's interface.
type place struct {
	*kernel.Netns
	inode uint64
}

// Stale reports whether another namespace is mounted at the path by now: the
// network may be made afresh while we go on.
func (p *place) Stale() bool { return inode(p.Path()) != p.inode }

func inode(path string) uint64 {
	var st syscall.Stat_t
	if syscall.Stat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

func (p *process) stored() string { return filepath.Join(p.data, "edge", "config.json") }

// resume serves the configuration that was last in force.
func (p *process) resume() {
	raw, err := os.ReadFile(p.stored())
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var c balancer.Config
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err == nil {
		err = p.b.Set(c)
	}
	if err != nil {
		p.log.Error("resume the last configuration", "error", err)
		return
	}
	p.applied = Digest(c)
}

func (p *process) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /config", p.put)
	mux.HandleFunc("GET /state", p.state)
	mux.HandleFunc("GET /counters", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, figures{Epoch: p.epoch, Counters: p.b.Counters()})
	})
	mux.HandleFunc("GET /figures", func(w http.ResponseWriter, r *http.Request) {
		reply(w, kernel.Self(r.URL.Query().Has("collect")))
	})
	mux.HandleFunc("POST /replace", p.replace)
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, struct{}{})
		p.quit()
	})
	return mux
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller has gone; nothing is left to do
}

func (p *process) put(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.followClock(o.Clock)
	if o.Config != nil {
		if err := p.apply(*o.Config); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
	}
	reply(w, p.now())
}

// followClock brings the clock in line with the control plane's. It never runs
// backwards: checks that fell due stay done.
func (p *process) followClock(m Moment) {
	if m.Now.IsZero() {
		return
	}
	if m.Speed != p.clock.Speed() {
		p.clock.SetSpeed(m.Speed)
	}
	// What lies between is the way of the message, at any speed that matters.
	if ahead := m.Now.Sub(p.clock.Now()); ahead > time.Duration(float64(200*time.Millisecond)*max(m.Speed, 1)) {
		p.clock.Advance(ahead, nil)
	}
}

func (p *process) apply(c balancer.Config) error {
	p.set.Lock()
	defer p.set.Unlock()
	if err := p.b.Set(c); err != nil {
		return err
	}
	if err := writeWhole(p.stored(), c); err != nil {
		p.log.Error("keep the configuration", "error", err)
	}
	p.mu.Lock()
	p.applied = Digest(c)
	p.mu.Unlock()
	p.nextSeq()
	return nil
}

// writeWhole writes something so that it is there whole or not at all.
func writeWhole(path string, what any) error {
	raw, err := json.Marshal(what)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".config-*")
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// endWithFolder ends the process when its folder is taken away: nobody could find it
// any more to stop it, and it would hold its ports for ever.
func (p *process) endWithFolder(ctx context.Context, path string) {
	for clock.Sleep(ctx, p.real, 2*time.Second) == nil {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			p.log.Warn("the data folder is gone")
			p.quit()
			return
		}
	}
}

// watch turns changes of the report into new numbers of the state.
func (p *process) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.b.Changed():
			p.nextSeq()
		}
	}
}

func (p *process) nextSeq() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *process) now() State {
	p.mu.Lock()
	s := State{Epoch: p.epoch, PID: os.Getpid(), Program: p.program, Seq: p.seq, Applied: p.applied}
	p.mu.Unlock()
	s.Report = p.b.Report()
	return s
}

// longPoll is how long a state request may wait for something new.
const longPoll = 20 * time.Second

// state answers at once, or with ?after=SEQ when there is something newer.
func (p *process) state(w http.ResponseWriter, r *http.Request) {
	if after := r.URL.Query().Get("after"); after != "" {
		n, err := strconv.ParseUint(after, 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), longPoll)
		defer cancel()
		p.wait(ctx, n)
	}
	reply(w, p.now())
}

func (p *process) wait(ctx context.Context, after uint64) {
	for {
		p.mu.Lock()
		seq, changed := p.seq, p.changed
		p.mu.Unlock()
		if seq != after {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// drain reads what is left of an answer so that its connection can be used
// again.
func drain(r io.ReadCloser) {
	_, _ = io.Copy(io.Discard, r)
	_ = r.Close()
}
