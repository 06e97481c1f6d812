// Package runc is the container driver that calls an OCI runtime (runc, or
// another with the same command line).
//
// Every container has a folder with its specification, its bundle, its log
// and its status; the containers of a folder have one small parent (see
// ShimMain) that owns their output and their exit statuses. So a container,
// its log and its exit code outlive the process that started it: a new Driver
// on the same folder finds them all. The root file system is an overlay
// mounted in a mount namespace of its own: it is gone when the container is,
// and the caller's mount table never grows. The package gives no container what
// reaches the host (docs/adr/0010-what-privileged-reaches.md); limits and names
// are the caller's.
//
// A Driver is safe for concurrent use; two Drivers may share a folder.
package runc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/container"
	"berth/internal/fault"
	"berth/internal/kernel/cgroup"
)

// Deps are what a Driver is made of.
type Deps struct {
	Dir string // folder of this driver; absolute
	// Memory is a folder for what ends with the machine anyway, best a file
	// system in memory; "" is a part of Dir. What containers write, and their
	// logs, are in Dir.
	Memory string
	// Places are files (paths from the root of a container) that most
	// containers have mounted: empty ones lie below every image.
	Places []string
	// Users is user 0, and group 0, of containers on this host. Those whose network
	// belongs to a user namespace are in that; 0 puts none into any.
	Users       int
	RuntimePath string // the OCI runtime; "" looks for runc in PATH
	Self        string // this program, which is run again as "Self shim …"
	Log         *slog.Logger
}

// Driver runs containers with an OCI runtime.
type Driver struct {
	Deps
	mu    sync.Mutex // guards locks
	locks map[string]*sync.Mutex

	linking sync.Mutex // guards link
	link    *link      // to the containers' parent; nil before it was needed

	groups func() (*cgroup.Host, error)
}

var _ container.Driver = (*Driver)(nil)

// goodID is [a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}.
func goodID(id string) bool {
	if id == "" || len(id) > 128 || strings.ContainsRune("_.-", rune(id[0])) {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}

// New opens the folder. It fails with fault.Invalid when there is no runtime.
func New(d Deps) (*Driver, error) {
	if d.RuntimePath == "" {
		p, err := exec.LookPath("runc")
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "find an OCI runtime: install runc, or name one")
		}
		d.RuntimePath = p
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(d.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", d.Dir, err)
	}
	d.Dir = dir
	for _, p := range []string{d.containers(), d.runtimeRoot(), d.disks(), d.layers(), d.rootfs()} {
		if err := os.MkdirAll(p, 0o711); err != nil {
			return nil, fmt.Errorf("make folder of containers: %w", err)
		}
	}
	if err := d.makeBase(); err != nil {
		return nil, fmt.Errorf("make base of containers: %w", err)
	}
	return &Driver{Deps: d, locks: map[string]*sync.Mutex{}, groups: sync.OnceValues(cgroup.Detect)}, nil
}

func (d Deps) containers() string  { return filepath.Join(cmp.Or(d.Memory, d.Dir), "c") }
func (d Deps) runtimeRoot() string { return filepath.Join(cmp.Or(d.Memory, d.Dir), "r") }

// disks holds what containers write: DIR/d/ID.
func (d Deps) disks() string { return filepath.Join(d.Dir, "d") }

func (d Deps) layers() string { return filepath.Join(d.Dir, "l") }
func (d Deps) base() string   { return filepath.Join(d.Dir, "base") }

// rootfs is where every container's root is mounted, each in its own namespace.
func (d Deps) rootfs() string { return filepath.Join(d.Dir, "rootfs") }

// makeBase writes the layer below all others: empty places for what every
// container has mounted, so that a start need not make them in each.
func (d Deps) makeBase() error {
	for _, p := range []string{"dev", "proc", "sys", "etc"} {
		if err := os.MkdirAll(filepath.Join(d.base(), p), 0o755); err != nil {
			return err
		}
	}
	for _, p := range append([]string{"etc/hosts", "etc/hostname", "etc/resolv.conf"}, d.Places...) {
		p = filepath.Join(d.base(), p)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(p, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) bundle(id string) (bundle, error) {
	if !goodID(id) {
		return bundle{}, fault.New(fault.Invalid, "", "container id %q is not valid", id)
	}
	return d.bundleOf(id), nil
}

// known is bundle, and fault.NotFound if there is no such container.
func (d *Driver) known(id string) (bundle, error) {
	b, err := d.bundle(id)
	if err != nil {
		return bundle{}, err
	}
	if _, err := os.Stat(b.spec()); err != nil {
		return bundle{}, fault.New(fault.NotFound, "", "no container %s", id)
	}
	return b, nil
}

// lock serialises the changes of one container.
func (d *Driver) lock(id string) func() {
	d.mu.Lock()
	l := d.locks[id]
	if l == nil {
		l = &sync.Mutex{}
		d.locks[id] = l
	}
	d.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// Create writes the bundle. A container of that id that exists is left as it is.
func (d *Driver) Create(_ context.Context, spec container.Spec) error {
	b, err := d.bundle(spec.ID)
	if err != nil {
		return err
	}
	defer d.lock(spec.ID)()
	if _, err := os.Stat(b.spec()); err == nil {
		return nil
	}
	config, err := d.config(b, spec)
	if err != nil {
		return err
	}
	// A folder without spec.json is what a crash in the middle of Create left.
	if err := b.remove(); err != nil {
		return fmt.Errorf("clear folder of container %s: %w", spec.ID, err)
	}
	for _, layer := range spec.Layers {
		if err := d.linkLayer(layer); err != nil {
			return err
		}
	}
	if err := b.make(spec, config); err != nil {
		return errors.Join(fmt.Errorf("create container %s: %w", spec.ID, err), b.remove())
	}
	return nil
}

// Start has the parent run the container and returns when its process has been
// executed, which takes as long as the runtime does: a start is not broken off
// half way. One that runs already is success; one that has stopped is
// fault.Conflict: remove it and create it again.
func (d *Driver) Start(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b, err := d.known(id)
	if err != nil {
		return err
	}
	defer d.lock(id)()
	switch _, is := b.look(); is {
	case container.Running:
		return nil
	case container.Stopped:
		return fault.New(fault.Conflict, "", "container %s has stopped and is not started again", id)
	case container.Created:
	}
	l, err := d.parent()
	if err != nil {
		return err
	}
	if err = l.ask(context.WithoutCancel(ctx), doStart, id); errors.Is(err, errGone) {
		return fault.Wrap(fault.Internal, err, "start container %s: its parent ended without an answer", id)
	}
	return err
}

// Signal sends a signal to the first process; a container that does not run
// is fault.Conflict.
func (d *Driver) Signal(_ context.Context, id, signal string) error {
	b, err := d.known(id)
	if err != nil {
		return err
	}
	sig, err := signalNumber(signal)
	if err != nil {
		return err
	}
	st := b.status()
	if st.Phase != phaseRunning {
		return fault.New(fault.Conflict, "", "container %s is not running", id)
	}
	if err := st.Container.signal(sig); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return fault.New(fault.Conflict, "", "container %s is not running", id)
		}
		return fmt.Errorf("send %s to container %s: %w", signal, id, err)
	}
	return nil
}

// Stop sends the stop signal, waits up to grace of real time, kills, and waits.
func (d *Driver) Stop(ctx context.Context, id string, grace time.Duration) error {
	b, err := d.known(id)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if !b.running() {
		return nil
	}
	spec, err := b.readSpec()
	if err != nil {
		return err
	}
	sig := spec.StopSignal
	if sig == "" {
		sig = "SIGTERM"
	}
	if err := d.Signal(ctx, id, sig); err != nil && !fault.Is(err, fault.Conflict) {
		return err
	}
	if grace > 0 {
		gctx, cancel := context.WithTimeout(ctx, grace)
		_, err = d.Wait(gctx, id)
		cancel()
		if err == nil {
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return d.kill(ctx, id)
}

func (b bundle) running() bool {
	_, is := b.look()
	return is == container.Running
}

func (d *Driver) kill(ctx context.Context, id string) error {
	if err := d.Signal(ctx, id, "SIGKILL"); err != nil && !fault.Is(err, fault.Conflict) {
		return err
	}
	_, err := d.Wait(ctx, id)
	return err
}

// State looks at one container.
func (d *Driver) State(_ context.Context, id string) (container.State, error) {
	b, err := d.known(id)
	if err != nil {
		return container.State{}, err
	}
	return b.state(id), nil
}

// List looks at all containers of the folder, in the order of their ids.
func (d *Driver) List(context.Context) ([]container.State, error) {
	entries, err := os.ReadDir(d.containers())
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var out []container.State
	for _, e := range entries {
		if b, err := d.known(e.Name()); err == nil {
			out = append(out, b.state(e.Name()))
		}
	}
	return out, nil
}

// Remove kills the container if it runs, and takes away its cgroup, its root
// file system, its log and its folder. An absent one is success.
func (d *Driver) Remove(ctx context.Context, id string) error {
	b, err := d.bundle(id)
	if err != nil {
		return err
	}
	defer d.lock(id)()
	st, err := d.settle(ctx, b, id)
	if err != nil {
		return err
	}
	if st.Phase == phaseRunning && b.running() {
		if err := d.kill(ctx, id); err != nil {
			return fmt.Errorf("kill container %s before it is removed: %w", id, err)
		}
	}
	if err := d.forget(ctx, id, b); err != nil {
		return err
	}
	if err := b.remove(); err != nil {
		return fmt.Errorf("remove folder of container %s: %w", id, err)
	}
	d.mu.Lock()
	delete(d.locks, id)
	d.mu.Unlock()
	return nil
}

// settle waits until a start that another Driver began is over.
func (d *Driver) settle(ctx context.Context, b bundle, id string) (status, error) {
	st := b.status()
	if st.Phase != "" {
		return st, nil
	}
	l, err := d.anyParent()
	if err != nil {
		return st, nil //nolint:nilerr // without a parent there is no start
	}
	if err := l.ask(ctx, doSettle, id); err != nil && !errors.Is(err, errGone) {
		return st, err
	}
	return b.status(), nil
}
