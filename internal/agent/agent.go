// Package agent is what runs on a managed instance: it signs the machine in
// over the machine's own interface, takes tasks over the ECS agent protocol,
// makes containers, networks, logs and credentials equal to them, and reports
// what it sees.
//
// It owns the containers of its machine, their folders and control groups,
// and the record of every task in its own folder, from which a restarted
// agent takes up running containers and unsent reports. It sees no state of
// the control plane, chooses nothing, and refuses a task that names something
// it does not have. cmd runs Main in the machine. The table of tasks has one
// mutex, each task another; the first is never taken while holding the second.
package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"berth/internal/acs"
	"berth/internal/bridge"
	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/container/image"
	"berth/internal/ident"
	"berth/internal/kernel/cgroup"
	"berth/internal/model"
)

// Version is what the agent says it is: the stock agent whose protocol it
// speaks.
const Version = "1.105.1"

// Images brings images to the machine.
type Images interface {
	Get(ref string) (image.Image, error)
	Pull(ctx context.Context, ref string, o image.PullOptions) (image.Image, error)
	List() ([]image.Image, error)
	Remove(ref string) error
}

// Network reaches into the namespaces of tasks.
type Network interface {
	// Listen listens on an address that it gives to the loopback of the
	// namespace mounted at path; "" is the machine's own.
	Listen(ctx context.Context, path, address string) (net.Listener, error)
}

// Bridge is the network of containers in bridge mode, and the lonely namespaces
// of those that have no network.
type Bridge interface {
	Keep(ends ...bridge.End)
	Attach(id string, ports []bridge.Port) (bridge.End, error)
	Alone(id string) error
	Detach(id string) error
	Path(id string) string
}

// Groups makes and removes control groups.
type Groups interface {
	Create(name string, l cgroup.Limits) error
	Remove(name string) error
}

// Config is what an agent is told of its machine.
type Config struct {
	Dir        string // its own folder
	Memory     string // a folder for what ends with the machine, best in memory; "" is Dir
	ImagesDir  string
	Volume     bool   // whether Dir is on the machine's data volume, against which images count
	Netns      string // folder of network namespaces, by interface id
	Cgroup     string // the machine's control group; "" makes none
	Cluster    string
	Region     string
	Nameserver string
	CAFile     string // PEM of the authority that signs the endpoints
	Metadata   string // base URL of instance metadata
	CPUs       int64
	MemoryMiB  int64
	ReserveMiB int64
	Users      int // user 0 of containers on this host; 0 gives them no user namespaces
	// Own says that the machine is an instance of the user's own. Its user data are
	// run first; Report is the file in which its start is told, Console that of
	// their output, and Self this program.
	Own                   bool
	Report, Console, Self string
	// StorageGiB is the ephemeral storage of a task of Fargate; 0 elsewhere.
	StorageGiB int64
}

// volumes is the folder of tasks' own volumes, by task.
func (c Config) volumes() string { return filepath.Join(c.Dir, "volumes") }

// hostRoot is the root of the file system that tasks take the machine's to be.
func (c Config) hostRoot() string { return filepath.Join(c.Dir, "host") }

// Deps are what an Agent needs.
type Deps struct {
	Config
	Driver  container.Driver
	Images  Images
	Network Network
	Bridge  Bridge
	Groups  Groups
	Clock   clock.Clock
	IDs     *ident.Source
	// Transport reaches endpoints and registries through the machine's own
	// interface.
	Transport http.RoundTripper
	// TaskTransport, if set, is the same through the interface of a task, whose
	// namespace is mounted at path.
	TaskTransport func(path string) (http.RoundTripper, error)
	// Collect removes layers that no image has any more; may be nil.
	Collect func(context.Context) error
	Log     *slog.Logger
}

// Agent is one machine's agent.
type Agent struct {
	Deps
	api      *api
	instance string    // container instance ARN, once registered
	zone     string    // of the machine, once registered
	began    time.Time // of this run, for what must not be cleaned at once

	mu      sync.Mutex
	tasks   map[string]*task // by ARN
	used    map[string]time.Time
	tokens  map[token]login
	seen    int64         // highest seqNum or timeline
	health  chan struct{} // poked when a container's health changed
	first   bool          // no connection was made yet
	context context.Context
	group   *errgroup.Group

	pulls singleflight.Group // of one image, with one login

	settings settings   // of an instance of the user's own
	report   model.Boot // its start; guarded by mu
	console  []byte     // the output of its user data, as it was copied

	hostOnce   sync.Mutex
	hostServed bool // metadata for tasks of the machine's own namespace
}

// New returns an agent; its folder is read, nothing runs yet.
func New(d Deps) (*Agent, error) {
	d.Memory = cmp.Or(d.Memory, d.Dir)
	for _, dir := range []string{filepath.Join(d.Memory, "tasks"), d.volumes(), d.hostRoot()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, err
		}
	}
	a := &Agent{
		Deps: d, tasks: map[string]*task{}, used: map[string]time.Time{}, tokens: map[token]login{}, health: make(chan struct{}, 1), first: true,
		began: d.Clock.Now(),
	}
	a.api = newAPI(d)
	if err := errors.Join(a.writeBundle(), a.load()); err != nil {
		return a, err
	}
	a.keepEnds()
	return a, nil
}

// Run takes up what ran before, signs in and works until ctx ends. Containers
// go on when it returns.
func (a *Agent) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	a.group, a.context = g, ctx // tasks arrive later and live as long as Run
	if err := a.boot(ctx); err != nil {
		return errors.Join(err, g.Wait())
	}
	a.mu.Lock()
	for _, t := range a.tasks {
		a.begin(t)
	}
	a.mu.Unlock()
	if err := a.register(ctx); err != nil {
		return errors.Join(err, g.Wait())
	}
	g.Go(func() error { return a.work(ctx) })
	g.Go(func() error { return a.telemetry(ctx) })
	g.Go(func() error { return a.tidy(ctx) })
	return g.Wait()
}

// begin runs a task beside the others. Called with mu held.
func (a *Agent) begin(t *task) {
	a.group.Go(func() error {
		t.run(a.context)
		return nil
	})
}

// accept works one task of a payload in: a new one begins, a known one may be
// told to stop.
func (a *Agent) accept(w acs.Task) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.tasks[w.ARN]; t != nil {
		t.update(w)
		return
	}
	t := newTask(a, record{Task: w, Containers: map[string]*containerRecord{}, Secret: a.IDs.UUID()})
	t.save()
	a.tasks[w.ARN] = t
	a.begin(t)
}

// drop forgets a task that has ended and was reported.
func (a *Agent) drop(t *task) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tasks, t.arn())
}

// all lists the tasks, in no order.
func (a *Agent) all() []*task {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]*task, 0, len(a.tasks))
	for _, t := range a.tasks {
		out = append(out, t)
	}
	return out
}

// renew replaces the keys of a task's role.
func (a *Agent) renew(arn, kind string, keys acs.RoleCredentials) {
	a.mu.Lock()
	t := a.tasks[arn]
	a.mu.Unlock()
	if t != nil {
		t.setKeys(kind, keys)
	}
}

// Images that no task has used for this long are removed, as ECS does on
// Managed Instances.
const (
	imageLife = 15 * time.Minute
	tidyEvery = time.Minute
)

// tidy removes unused images until ctx ends.
func (a *Agent) tidy(ctx context.Context) error {
	for {
		if err := clock.Sleep(ctx, a.Clock, tidyEvery); err != nil {
			return err
		}
		if err := a.tidyImages(ctx); err != nil {
			a.Log.Warn("images not tidied", "error", err)
		}
	}
}

func (a *Agent) tidyImages(ctx context.Context) error {
	images, err := a.Images.List()
	if err != nil || len(images) == 0 {
		return err
	}
	now := a.Clock.Now()
	for _, t := range a.all() {
		for _, c := range t.images() {
			a.touch(c, now)
		}
	}
	removed := 0
	for _, i := range images {
		if now.Sub(a.lastUse(i)) < imageLife {
			continue
		}
		if err := a.Images.Remove(i.Ref); err != nil {
			return err
		}
		removed++
	}
	if removed == 0 || a.Collect == nil {
		return nil
	}
	return a.Collect(ctx)
}

func (a *Agent) touch(ref string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used[ref] = at
}

// lastUse of an image; one of an earlier run counts from this run's start.
func (a *Agent) lastUse(i image.Image) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := i.PulledAt
	for _, at := range []time.Time{a.used[i.Ref], a.began} {
		if at.After(last) {
			last = at
		}
	}
	return last
}
