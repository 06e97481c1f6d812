package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/kernel"
	"berth/internal/model"
)

// Deps are what a Runner is made of.
type Deps struct {
	Dir        string // for sandboxes; the Runner's own
	Code       *Store
	Containers container.Driver // on a folder that nobody else uses
	Network    Network
	Logs       Logs
	Identity   Identity
	// Clock stamps log lines; Real measures and bounds what processes do.
	Clock, Real clock.Clock
	IDs         *ident.Source
	Place       ident.Place
	// CgroupParent is the group below which sandboxes are limited.
	CgroupParent string
	// CA is the PEM of authorities that functions trust besides the host's.
	CA []byte
	// IdleAfter is how long a warm environment waits for another call; 0 is
	// five minutes.
	IdleAfter time.Duration
	// Listen opens the Runtime API's socket in a network namespace; nil is
	// 127.0.0.1:9001, or another port there, by way of kernel.
	Listen func(ctx context.Context, netns string) (net.Listener, error)
	Log    *slog.Logger
}

const defaultIdle = 5 * time.Minute

// maxConcurrent is an account's limit for all calls at a time.
const maxConcurrent = 1000

// Runner runs functions in sandboxes.
type Runner struct {
	Deps
	base     context.Context // the life of environments, which no call owns
	stop     context.CancelFunc
	skeleton string
	bundle   string // file of all authorities; "" without CA

	mu    sync.Mutex // guards what follows; never held across I/O
	warm  map[string][]*environment
	busy  map[string]int    // calls by function
	using map[string]int    // calls by code
	last  map[string]string // the revision that each function was last said to have; "" is deleted
	dead  bool
	going sync.WaitGroup
}

var _ Driver = (*Runner)(nil)

// New makes a Runner and takes away the sandboxes of an earlier one: their
// Runtime API ended with it.
func New(ctx context.Context, d Deps) (*Runner, error) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.IdleAfter == 0 {
		d.IdleAfter = defaultIdle
	}
	if d.Listen == nil {
		d.Listen = listen
	}
	abs, err := filepath.Abs(d.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", d.Dir, err)
	}
	d.Dir = abs
	r := &Runner{
		Deps: d, skeleton: filepath.Join(abs, "root"), warm: map[string][]*environment{}, busy: map[string]int{}, using: map[string]int{},
		last: map[string]string{},
	}
	r.base, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := r.sweep(ctx); err != nil {
		return nil, err
	}
	if err := skeleton(r.skeleton); err != nil {
		return nil, fmt.Errorf("make root of sandboxes: %w", err)
	}
	if err := r.writeBundle(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Runner) writeBundle() error {
	if len(r.CA) == 0 {
		return nil
	}
	pem := slices.Concat(r.CA, []byte("\n"), kernel.CertificateBundle())
	r.bundle = filepath.Join(r.Dir, "ca.pem")
	if err := os.WriteFile(r.bundle, pem, 0o644); err != nil {
		return fmt.Errorf("write authorities for functions: %w", err)
	}
	return nil
}

// listen takes Lambda's own port, or another if a second environment shares
// the function's network.
func listen(ctx context.Context, netns string) (net.Listener, error) {
	ns, err := kernel.OpenNetns(netns)
	if err != nil {
		return nil, err
	}
	defer func() { _ = ns.Close() }()
	ln, err := ns.Listen(ctx, "tcp", apiAddress)
	if errors.Is(err, syscall.EADDRINUSE) {
		return ns.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	return ln, err
}

func (r *Runner) sweep(ctx context.Context) error {
	old, err := r.Containers.List(ctx)
	if err != nil {
		return fmt.Errorf("find old sandboxes: %w", err)
	}
	for _, c := range old {
		if err := r.Containers.Remove(ctx, c.ID); err != nil {
			return fmt.Errorf("remove old sandbox: %w", err)
		}
	}
	for _, d := range []string{"root", "env"} {
		if err := os.RemoveAll(filepath.Join(r.Dir, d)); err != nil {
			return fmt.Errorf("clear folder of sandboxes: %w", err)
		}
	}
	return nil
}

// Ready says whether the function's program is there.
func (r *Runner) Ready(fn model.Function) error {
	if _, err := find(fn); err != nil {
		return err
	}
	f, err := r.Code.Open(fn.CodeSHA256)
	if err != nil {
		return err
	}
	return f.Close()
}

// entry is find, and for a runtime of the user's own a look whether the
// package has it.
func (r *Runner) entry(ctx context.Context, fn model.Function) (entry, error) {
	e, err := find(fn)
	if err != nil || e.args[0] != taskRoot+"/bootstrap" {
		return e, err
	}
	code, err := r.Code.Unpacked(ctx, fn.CodeSHA256)
	if err != nil {
		return e, err
	}
	// Where a link leads is seen in the sandbox, and not from here.
	info, err := os.Lstat(filepath.Join(code, "bootstrap"))
	if err != nil || info.Mode()&fs.ModeSymlink == 0 && info.Mode()&0o111 == 0 {
		return e, fault.New(fault.Invalid, "", "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")
	}
	return e, nil
}

// Invoke calls the function. The call goes on to its end when ctx ends.
func (r *Runner) Invoke(ctx context.Context, fn model.Function, in Invocation) (Result, error) {
	if in.RequestID == "" {
		in.RequestID = r.IDs.UUID()
	}
	if len(in.Payload) == 0 {
		in.Payload = []byte("{}")
	}
	if err := r.admit(fn); err != nil {
		return Result{}, err
	}
	type outcome struct {
		res Result
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		defer r.leave(fn)
		res, err := r.invoke(context.WithoutCancel(ctx), fn, in)
		done <- outcome{res, err}
	}()
	select {
	case o := <-done:
		return o.res, o.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

func (r *Runner) admit(fn model.Function) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead {
		return unavailable(nil, "the function runner is closed")
	}
	all := 0
	for _, n := range r.busy {
		all += n
	}
	if fn.Concurrency != nil && int64(r.busy[fn.Name]) >= *fn.Concurrency || all >= maxConcurrent {
		return throttled()
	}
	r.busy[fn.Name]++
	r.using[fn.CodeSHA256]++
	r.going.Add(1)
	return nil
}

func (r *Runner) leave(fn model.Function) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[fn.Name]--; r.busy[fn.Name] == 0 {
		delete(r.busy, fn.Name)
		if r.last[fn.Name] == "" {
			delete(r.last, fn.Name)
		}
	}
	if r.using[fn.CodeSHA256]--; r.using[fn.CodeSHA256] == 0 {
		delete(r.using, fn.CodeSHA256)
	}
	r.going.Done()
}

func (r *Runner) invoke(ctx context.Context, fn model.Function, in Invocation) (Result, error) {
	e := r.take(fn)
	if e == nil {
		var (
			failed *answer
			err    error
		)
		if e, failed, err = r.start(ctx, fn, in.RequestID); err != nil {
			return Result{}, err
		}
		if failed != nil {
			return Result{RequestID: in.RequestID, Payload: failed.payload, FunctionError: unhandled}, nil
		}
	}
	limit := time.Duration(fn.Timeout) * time.Second
	c := &call{
		id: in.RequestID, arn: fn.ARN, context: in.ClientContext, trace: in.Trace, payload: in.Payload,
		deadline: r.Real.Now().Add(limit).UnixMilli(), done: make(chan answer, 1),
	}
	a, alive := e.run(c, limit)
	res := Result{RequestID: in.RequestID, Payload: a.payload, LogTail: e.logTail()}
	if a.failed {
		res.FunctionError = unhandled
	}
	if alive {
		r.put(e)
	} else {
		e.end()
	}
	return res, nil
}

// take finds a warm environment of this revision; those that are too old go.
func (r *Runner) take(fn model.Function) *environment {
	now := r.Clock.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.warm[fn.Name]) > 0 {
		all := r.warm[fn.Name]
		e := all[len(all)-1]
		r.warm[fn.Name] = all[:len(all)-1]
		e.idle.Stop()
		fresh := e.expires.IsZero() || now.Add(time.Minute).Before(e.expires)
		select {
		case <-e.exited:
			fresh = false
		default:
		}
		if fresh && e.fn.RevisionID == fn.RevisionID {
			return e
		}
		r.retire(e)
	}
	return nil
}

// retire ends an environment in the background. Called with mu held.
func (r *Runner) retire(e *environment) {
	r.going.Add(1)
	go func() {
		defer r.going.Done()
		e.end()
	}()
}

// put keeps an environment warm, unless its revision went during the call, or
// its runtime after it.
func (r *Runner) put(e *environment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, said := r.last[e.fn.Name]
	gone := r.dead || said && last != e.fn.RevisionID
	select {
	case <-e.exited: // before it looked for itself among the warm ones
		gone = true
	default:
	}
	if gone {
		r.retire(e)
		return
	}
	e.idle = r.Real.AfterFunc(r.IdleAfter, func() { r.drop(e) })
	r.warm[e.fn.Name] = append(r.warm[e.fn.Name], e)
}

// drop ends an environment that is still idle.
func (r *Runner) drop(e *environment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.warm[e.fn.Name]
	i := slices.Index(all, e)
	if i < 0 {
		return
	}
	r.warm[e.fn.Name] = slices.Delete(all, i, i+1)
	r.retire(e)
}

// Retire ends environments of other revisions, busy ones after their call.
func (r *Runner) Retire(name, revision string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[name] = revision
	if revision == "" && r.busy[name] == 0 {
		delete(r.last, name)
	}
	var keep []*environment
	for _, e := range r.warm[name] {
		if e.fn.RevisionID == revision {
			keep = append(keep, e)
			continue
		}
		e.idle.Stop()
		r.retire(e)
	}
	r.warm[name] = keep
	if len(keep) == 0 {
		delete(r.warm, name)
	}
}

// Using lists the packages that calls and environments have open.
func (r *Runner) Using() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Collect(maps.Keys(r.using))
	for _, all := range r.warm {
		for _, e := range all {
			out = append(out, e.fn.CodeSHA256)
		}
	}
	return out
}

// Warm is how many idle environments a function has.
func (r *Runner) Warm(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.warm[name])
}

// Close ends all environments; calls under way get a moment to finish.
func (r *Runner) Close(ctx context.Context) error {
	r.mu.Lock()
	r.dead = true
	for name, all := range r.warm {
		for _, e := range all {
			e.idle.Stop()
			r.retire(e)
		}
		delete(r.warm, name)
	}
	r.mu.Unlock()
	done := make(chan struct{})
	go func() { r.going.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	r.stop()
	if ctx.Err() != nil {
		return r.sweep(context.WithoutCancel(ctx))
	}
	return nil
}

// kindOf reads the error type of an error payload.
func kindOf(payload []byte) string {
	var p struct{ ErrorType string }
	if json.Unmarshal(payload, &p) != nil || strings.TrimSpace(p.ErrorType) == "" {
		return "Runtime.Unknown"
	}
	return p.ErrorType
}
