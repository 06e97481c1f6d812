// Package sim simulates machines: they take time to come up, some launches
// are refused and some machines die, all from a seed and on the given clock.
//
// It owns its machines in memory and nothing of the host. Chance is drawn
// from the seed and the machine's id, so that the order of calls changes
// nothing. The simulator and tests use it. A Driver is safe for concurrent
// use.
package sim

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/machine"
)

// Config says how the simulated world behaves; the zero value is a world
// where machines come up at once, and nothing fails.
type Config struct {
	Clock clock.Clock
	Seed  uint64
	// BootMin and BootMax bound the time from launch to running.
	BootMin, BootMax time.Duration
	// Refuse is the share of launches, 0 to 1, that find no capacity.
	Refuse float64
	// LifeMean, if set, is the mean lifetime after which machines die by
	// themselves.
	LifeMean time.Duration
}

// Driver is a machine.Driver without machines.
type Driver struct {
	Config
	mu      sync.Mutex
	all     map[string]*simulated
	refuse  map[string]error // by zone, by type, or "" for all
	attempt map[string]uint64
	watch   func(id string)
}

type simulated struct {
	spec     machine.Spec
	launched time.Time
	up       time.Time
	dies     time.Time // zero: never
	reason   string
	keys     machine.Credentials
}

var _ machine.Driver = (*Driver)(nil)

// New returns a driver of an empty world.
func New(c Config) *Driver {
	return &Driver{Config: c, all: map[string]*simulated{}, refuse: map[string]error{}, attempt: map[string]uint64{}}
}

// chance draws a number in [0,1) for a machine and a purpose.
func (d *Driver) chance(id, purpose string, n uint64) float64 {
	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], d.Seed)
	binary.LittleEndian.PutUint64(b[8:], n)
	_, _ = h.Write(b[:])
	_, _ = h.Write([]byte(id + "\x00" + purpose))
	x := h.Sum64()
	x ^= x >> 33 // fnv's high bits mix badly for short inputs
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

// RefuseIn makes launches in a zone, or of a type ("" is all), fail with err
// until it is called with nil.
func (d *Driver) RefuseIn(what string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		delete(d.refuse, what)
		return
	}
	d.refuse[what] = err
}

// Watch makes the driver call fn, on its clock, whenever a machine dies by
// itself; what real agents' connections tell.
func (d *Driver) Watch(fn func(id string)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch = fn
}

// Kill ends a machine as a failing host would.
func (d *Driver) Kill(id, reason string) {
	d.mu.Lock()
	m, watch := d.all[id], d.watch
	if m != nil {
		m.dies, m.reason = d.Clock.Now(), reason
	}
	d.mu.Unlock()
	if m != nil && watch != nil {
		watch(id)
	}
}

// toll tells the watcher when a machine's time has come. Called with mu held.
func (d *Driver) toll(m *simulated) {
	if watch := d.watch; watch != nil && !m.dies.IsZero() {
		d.Clock.AfterFunc(m.dies.Sub(d.Clock.Now()), func() { watch(m.spec.ID) })
	}
}

// Credentials returns what the machine's metadata service would give out.
func (d *Driver) Credentials(id string) (machine.Credentials, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.all[id]
	if m == nil {
		return machine.Credentials{}, false
	}
	return m.keys, m.keys.AccessKeyID != ""
}

// Launch implements machine.Driver.
func (d *Driver) Launch(_ context.Context, spec machine.Spec) (machine.Machine, error) {
	if !strings.HasPrefix(spec.ID, "i-") || spec.VCPU <= 0 || spec.MemoryMiB <= 0 || spec.Interface == "" {
		return machine.Machine{}, fault.New(
			fault.Invalid, "", "machine %q: %d vCPU, %d MiB, interface %q", spec.ID, spec.VCPU, spec.MemoryMiB, spec.Interface,
		)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if m := d.all[spec.ID]; m != nil {
		return d.look(m), nil
	}
	d.attempt[spec.ID]++
	for _, what := range []string{spec.Zone, spec.Type, ""} {
		if err := d.refuse[what]; err != nil {
			return machine.Machine{}, err
		}
	}
	if d.chance(spec.ID, "refuse", d.attempt[spec.ID]) < d.Refuse {
		return machine.Machine{}, fault.New(
			fault.Capacity, "InsufficientInstanceCapacity",
			"We currently do not have sufficient %s capacity in the Availability Zone you requested (%s).", spec.Type, spec.Zone,
		)
	}
	now := d.Clock.Now()
	boot := d.BootMin + time.Duration(d.chance(spec.ID, "boot", 0)*float64(max(0, d.BootMax-d.BootMin)))
	m := &simulated{spec: spec, launched: now, up: now.Add(boot)}
	if d.LifeMean > 0 {
		m.dies, m.reason = m.up.Add(
			time.Duration(2*d.chance(spec.ID, "life", 0)*float64(d.LifeMean)),
		), "the simulated host failed"
	}
	d.all[spec.ID] = m
	d.toll(m)
	return d.look(m), nil
}

func (d *Driver) look(m *simulated) machine.Machine {
	now := d.Clock.Now()
	out := machine.Machine{ID: m.spec.ID, State: machine.Running, LaunchedAt: m.launched}
	switch {
	case !m.dies.IsZero() && !now.Before(m.dies):
		out.State, out.Reason = machine.Terminated, m.reason
	case now.Before(m.up):
		out.State = machine.Pending
	}
	return out
}

// SetCredentials implements machine.Driver.
func (d *Driver) SetCredentials(_ context.Context, id string, c machine.Credentials) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.all[id]
	if m == nil {
		return missing(id)
	}
	m.keys = c
	return nil
}

func missing(id string) error {
	return fault.New(fault.NotFound, "InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
}

// Get implements machine.Driver.
func (d *Driver) Get(_ context.Context, id string) (machine.Machine, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.all[id]
	if m == nil {
		return machine.Machine{}, missing(id)
	}
	return d.look(m), nil
}

// Console implements machine.Driver: nothing runs in a simulated machine.
func (d *Driver) Console(_ context.Context, id string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all[id] == nil {
		return nil, missing(id)
	}
	return nil, nil
}

// List implements machine.Driver.
func (d *Driver) List(context.Context) ([]machine.Machine, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []machine.Machine
	for _, m := range d.all {
		out = append(out, d.look(m))
	}
	slices.SortFunc(out, func(a, b machine.Machine) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// Terminate implements machine.Driver.
func (d *Driver) Terminate(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.all, id)
	delete(d.attempt, id)
	return nil
}
