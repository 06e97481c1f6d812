package runc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/clock"
)

// initMode as first argument makes ShimMain the first process of a container.
const initMode = "init"

// readyFD is the parent's end of the socket to the Driver that started it.
const readyFD = 3

// ShimMain is the parent of all containers of one folder: "Self shim DIR
// MEMORY RUNTIME USERS". It mounts their root file systems in mount namespaces of their
// own, has the runtime start them, writes their output as JSON lines, and
// records their ends. It takes over those whose parent was killed, and goes
// when it has no container and no Driver is connected. As "Self shim init
// ARGS…" it is the first process inside a container that asked for one.
func ShimMain(ctx context.Context, args []string) error {
	if len(args) > 1 && args[0] == initMode {
		return runInit(args[1:])
	}
	if len(args) != 4 {
		return errors.New("the parent of containers is started by Berth itself: shim DIR MEMORY RUNTIME USERS")
	}
	users, err := strconv.Atoi(args[3])
	if err != nil {
		return fmt.Errorf("user 0 of containers: %w", err)
	}
	p := &parent{
		Deps: Deps{Dir: args[0], Memory: args[1], RuntimePath: args[2], Users: users}, clock: clock.Real(ctx), reaper: newReaper(),
		children: map[string]*child{}, over: make(chan struct{}),
	}
	return p.run(ctx)
}

// parent is the process at work.
type parent struct {
	Deps
	clock  clock.Clock
	self   process
	null   *os.File
	reaper *reaper

	mu       sync.Mutex
	children map[string]*child // that are being started, or run
	drivers  int               // connections
	listener net.Listener      // nil once the process is about to go
	over     chan struct{}     // closed then
}

// child is one container.
type child struct {
	id      string
	b       bundle
	started chan struct{} // closed when the start has succeeded or failed
	err     error         // of the start, once started is closed
	ended   chan struct{} // closed when its end is on record, or its start has failed
	end     <-chan unix.WaitStatus
	status  status
	user    int // its user 0 on this host, which is 0 but in a user namespace
	log     logFile
	outs    []*os.File     // our ends of its pipes
	logs    sync.WaitGroup // what reads them
}

func (p *parent) newChild(id string) *child {
	b := p.bundleOf(id)
	return &child{id: id, b: b, log: logFile{path: b.log()}, started: make(chan struct{}), ended: make(chan struct{})}
}

func (p *parent) run(ctx context.Context) error {
	// Caught rather than ignored: an ignored signal would be ignored by the
	// containers, too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGPIPE)
	f := os.NewFile(readyFD, "ready")
	first, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return fmt.Errorf("talk to who started this: %w", err)
	}
	err = p.prepare(ctx)
	if err != nil {
		_ = json.NewEncoder(first).Encode(answer{Error: err.Error()})
		return nil //nolint:nilerr // the Driver has been told
	}
	go p.serve(ctx, first)
	go p.accept(ctx)
	<-p.over
	return nil
}

// prepare makes this process the one parent of the folder, and takes over
// what runs in it.
func (p *parent) prepare(ctx context.Context) (err error) {
	// Held for as long as this process lives.
	lock, err := unix.Open(p.lockFile(), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.New("the containers have a parent")
	}
	if p.self, err = see(os.Getpid()); err != nil {
		return fmt.Errorf("look at myself: %w", err)
	}
	if p.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the reaper: %w", err)
	}
	go p.reaper.run()
	if err := p.adopt(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drivers++ // the first one, so that nobody thinks that there is none
	p.listener, err = p.listen()
	return err
}

func (p *parent) accept(ctx context.Context) {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // the process is about to go
		}
		p.mu.Lock()
		going := isClosed(p.over)
		if !going {
			p.drivers++
		}
		p.mu.Unlock()
		if going {
			return // the end of this process tells the Driver
		}
		go p.serve(ctx, conn)
	}
}

// serve answers one Driver until it goes. It is told first that it is heard.
func (p *parent) serve(ctx context.Context, conn net.Conn) {
	defer p.leave(func() { p.drivers-- })
	defer func() { _ = conn.Close() }()
	var mu sync.Mutex
	say := func(a answer) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(conn).Encode(a) // if the Driver has gone, the next read says so
	}
	say(answer{})
	for in := json.NewDecoder(conn); ; {
		var q request
		if in.Decode(&q) != nil {
			return
		}
		go func() { say(p.answer(ctx, q)) }()
	}
}

// leave makes a change after which the process may have no reason to stay.
func (p *parent) leave(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	if p.drivers > 0 || len(p.children) > 0 || isClosed(p.over) {
		return
	}
	_ = p.listener.Close() // and the socket's name with it
	close(p.over)
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (p *parent) answer(ctx context.Context, q request) answer {
	a := answer{N: q.N}
	switch q.Do {
	case doStart:
		if err := p.start(ctx, q.ID); err != nil {
			a.Error = err.Error()
		}
	case doSettle:
		if c := p.child(q.ID); c != nil {
			<-c.started
		}
	case doWait:
		if c := p.child(q.ID); c != nil {
			<-c.ended
		}
	default:
		a.Error = "the parent of the containers does not know " + q.Do
	}
	return a
}

func (p *parent) child(id string) *child {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.children[id]
}

// start runs a container, once.
func (p *parent) start(ctx context.Context, id string) error {
	if !goodID(id) {
		return fmt.Errorf("container id %q is not valid", id)
	}
	p.mu.Lock()
	c := p.children[id]
	if c == nil {
		c = p.newChild(id)
		p.children[id] = c
		go p.raise(ctx, c)
	}
	p.mu.Unlock()
	<-c.started
	return c.err
}

// raise is the life of a container. What is on record as running or stopped
// is not started again, whoever asks.
func (p *parent) raise(ctx context.Context, c *child) {
	if phase := c.b.status().Phase; phase != "" {
		c.err = fmt.Errorf("container %s is %s", c.id, phase)
	} else {
		c.err = p.launch(c)
	}
	if c.err != nil {
		c.closeOutputs()
		p.forget(c)
		close(c.started)
		return
	}
	close(c.started)
	p.finish(ctx, c, <-c.end)
}

// forget takes a child off the list.
func (p *parent) forget(c *child) {
	p.leave(func() {
		delete(p.children, c.id)
		close(c.ended)
	})
}

// drainTime bounds the wait for output after the end, for the case that a
// descriptor was handed out of the container; retryTime is the pause between
// tries to record an end, which fail when the disk is full.
const (
	drainTime = 500 * time.Millisecond
	retryTime = time.Second
)

// finish records the end of a container.
func (p *parent) finish(ctx context.Context, c *child, ws unix.WaitStatus) {
	defer p.forget(c)
	now := p.clock.Now()
	drained := make(chan struct{})
	go func() { c.logs.Wait(); close(drained) }()
	select {
	case <-drained:
	case <-clock.After(p.clock, drainTime):
	}
	c.closeOutputs()
	for c.b.end(c.status, ws, now) != nil {
		if _, err := os.Stat(c.b.dir); err != nil || clock.Sleep(ctx, p.clock, retryTime) != nil {
			return // it was removed
		}
	}
}
