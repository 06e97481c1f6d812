package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"berth/internal/balancer"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/kernel"
)

// Options say how a Client finds and starts the process.
type Options struct {
	Data string // the server's data folder
	Self string // the program, for starting it as "SELF edge …"
	// Time is the control plane's clock.
	Time func() Moment
	// Real runs at real speed.
	Real clock.Clock
	Log  *slog.Logger
	// Notify is called after a new report; it must not block.
	Notify func()
}

// Client is the server's end of the edge.
type Client struct {
	o         Options
	http      *http.Client
	connected chan struct{} // closed when Connect is over

	mu     sync.Mutex
	wanted *balancer.Config
	digest string
	last   State
	known  bool
	push   chan struct{}
}

// Ensure is New and Connect.
func Ensure(ctx context.Context, o Options) (*Client, error) {
	c := New(o)
	return c, c.Connect(ctx)
}

// New returns a Client that knows of no process yet: Connect must be called,
// and Run then.
func New(o Options) *Client {
	if o.Notify == nil {
		o.Notify = func() {}
	}
	return client(o)
}

// Connect starts the process unless it runs, and connects to it. A start is
// not broken off: who ends the server meanwhile has an edge that can be told
// to stop.
func (c *Client) Connect(ctx context.Context) error {
	defer close(c.connected)
	ctx = context.WithoutCancel(ctx)
	if err := c.ensure(ctx); err != nil {
		return err
	}
	if err := c.renew(ctx); err != nil {
		c.o.Log.Warn("the edge of another version goes on", "error", err)
	}
	return nil
}

func client(o Options) *Client {
	socket := filepath.Join(o.Data, "edge", "edge.sock")
	return &Client{o: o, push: make(chan struct{}, 1), connected: make(chan struct{}), http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}}
}

// Stop ends the process of a data folder, without starting one; a process
// that does not run is success.
func Stop(ctx context.Context, data string) error { return client(Options{Data: data}).Stop(ctx) }

// startWithin is how long a new process may take to answer.
const startWithin = 10 * time.Second

func (c *Client) ensure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	real := clock.Real(ctx) // the server's ends with the server
	err := c.learn(ctx, "")
	if err == nil {
		return nil
	}
	exited, err := c.start()
	if err != nil {
		return err
	}
	for {
		if err = c.learn(ctx, ""); err == nil {
			return nil
		}
		select {
		case <-exited:
			// It may have met the last breath of the one before it, which
			// still held the lock.
			if exited, err = c.start(); err != nil {
				return err
			}
		default:
		}
		if clock.Sleep(ctx, real, 10*time.Millisecond) != nil {
			return fault.Wrap(fault.Unavailable, err, "start the edge")
		}
	}
}

// start runs the process in a session of its own, so that nothing that ends
// the server ends it.
func (c *Client) start() (exited <-chan struct{}, err error) {
	dir := filepath.Join(c.o.Data, "edge")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start the edge: %w", err)
	}
	out, err := os.OpenFile(filepath.Join(dir, "edge.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start the edge: %w", err)
	}
	defer func() { _ = out.Close() }()
	m := c.o.Time()
	cmd := exec.Command(c.o.Self, "edge", "--data", c.o.Data, //nolint:noctx // it outlives every context of ours
		"--now", m.Now.Format(time.RFC3339Nano), "--speed", strconv.FormatFloat(m.Speed, 'g', -1, 64))
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the edge: %w", err)
	}
	end := make(chan struct{})
	go func() {
		_ = cmd.Wait() // reap it if it ends before us
		close(end)
	}()
	return end, nil
}

// Run keeps the newest report and the process in line with what was Set, and
// starts the process again when it has died. It returns when ctx ends.
func (c *Client) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { c.pusher(ctx) })
	defer wg.Wait()
	for ctx.Err() == nil {
		c.mu.Lock()
		seq := c.last.Seq
		c.mu.Unlock()
		err := c.learn(ctx, strconv.FormatUint(seq, 10))
		if err == nil {
			c.o.Notify()
			c.wake()
			continue
		}
		if ctx.Err() != nil {
			break
		}
		c.mu.Lock()
		c.known = false
		c.mu.Unlock()
		c.o.Log.Warn("the edge does not answer", "error", err)
		if err := c.ensure(ctx); err != nil && ctx.Err() == nil {
			c.o.Log.Error("start the edge", "error", err)
			_ = clock.Sleep(ctx, c.o.Real, time.Second)
			continue
		}
		c.wake()
	}
	return ctx.Err()
}

func (c *Client) wake() {
	select {
	case c.push <- struct{}{}:
	default:
	}
}

// pusher hands over what was Set until the process has it.
func (c *Client) pusher(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.push:
		}
		c.mu.Lock()
		cfg, due := c.wanted, c.wanted != nil && (!c.known || c.last.Applied != c.digest)
		c.mu.Unlock()
		if !due {
			continue
		}
		if err := c.put(ctx, order{Config: cfg, Clock: c.o.Time()}); err != nil && ctx.Err() == nil {
			c.o.Log.Error("configure the edge", "error", err)
			// Not again at once: the process may be starting, or refuse it.
			if clock.Sleep(ctx, c.o.Real, 200*time.Millisecond) == nil && !fault.Is(err, fault.Invalid) {
				c.wake()
			}
			continue
		}
		c.o.Notify()
	}
}

// Set says what should be served; it does not wait. Equal to what is served,
// it does nothing.
func (c *Client) Set(cfg balancer.Config) {
	digest := Digest(cfg)
	c.mu.Lock()
	same := c.digest == digest && c.wanted != nil
	c.wanted, c.digest = &cfg, digest
	c.mu.Unlock()
	if !same {
		c.wake()
	}
}

// Report returns the newest report, and whether it was made under the
// configuration that was Set last; ok is false while the process does not
// answer.
func (c *Client) Report() (r balancer.Report, current, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.Report, c.wanted != nil && c.last.Applied == c.digest, c.known
}

// State returns the newest state, for status pages.
func (c *Client) State() (s State, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, c.known
}

// Follow tells the process the control plane's time, after it has jumped or
// changed its speed. A process that is being connected to is waited for.
func (c *Client) Follow(ctx context.Context) error {
	select {
	case <-c.connected:
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.put(ctx, order{Clock: c.o.Time()})
}

// Counters asks for all counters, and for the name of the process that counts
// them: with another process they start again.
func (c *Client) Counters(ctx context.Context) (epoch string, all []balancer.Counters, err error) {
	var f figures
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err = c.call(ctx, http.MethodGet, "/counters", nil, &f)
	return f.Epoch, f.Counters, err
}

// Figures asks what the process holds; with collect, after it has collected
// its garbage.
func (c *Client) Figures(ctx context.Context, collect bool) (f kernel.Figures, err error) {
	path := "/figures"
	if collect {
		path += "?collect"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err = c.call(ctx, http.MethodGet, path, nil, &f)
	return f, err
}

// Stop ends the process when its requests are done; a process that does not
// run is success.
func (c *Client) Stop(ctx context.Context) error {
	err := c.call(ctx, http.MethodPost, "/stop", nil, nil)
	var dial *net.OpError
	if errors.As(err, &dial) || errors.Is(err, io.EOF) { // it has gone, perhaps before its answer did
		return nil
	}
	return err
}

func (c *Client) put(ctx context.Context, o order) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var s State
	if err := c.call(ctx, http.MethodPut, "/config", body, &s); err != nil {
		return err
	}
	c.note(s)
	return nil
}

// learn fetches the state, waiting for one newer than after unless that is "".
func (c *Client) learn(ctx context.Context, after string) error {
	limit, path := 2*time.Second, "/state"
	if after != "" {
		limit, path = longPoll+5*time.Second, "/state?after="+after
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var s State
	if err := c.call(ctx, http.MethodGet, path, nil, &s); err != nil {
		return err
	}
	c.note(s)
	return nil
}

func (c *Client) note(s State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Epoch == c.last.Epoch && s.Seq < c.last.Seq {
		return // an older answer came later
	}
	c.last, c.known = s, true
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://edge"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer drain(res.Body)
	switch {
	case res.StatusCode == http.StatusUnprocessableEntity:
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return fault.New(fault.Invalid, "", "the edge refuses the configuration: %s", strings.TrimSpace(string(text)))
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("edge answers %s", res.Status)
	case out == nil:
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}
