package network

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

// Legs lends functions' interfaces to their environments, one each. It is
// for the function runner, not a part of the controller, and safe for concurrent use.
type Legs struct {
	db  *state.DB
	dir string

	mu      sync.Mutex
	lent    map[string]bool  // by interface
	waiting map[string]int64 // by function
}

// NewLegs lends namespaces of the folder dir.
func NewLegs(db *state.DB, dir string) *Legs {
	return &Legs{db: db, dir: dir, lent: map[string]bool{}, waiting: map[string]int64{}}
}

// Leg is the network of one environment.
type Leg struct {
	Netns      string     // path of the namespace
	Nameserver netip.Addr // resolver that answers there
	Release    func()     // gives it back; may be called again
}

// Acquire lends a free interface of a function, and asks for one more if
// there are too few, waiting until it is there or ctx ends.
func (l *Legs) Acquire(ctx context.Context, function string) (Leg, error) {
	view, changes := l.db.Watch()
	defer changes.Stop()
	f, ok := state.Functions.Get(view, function)
	if !ok {
		return Leg{}, fault.New(fault.NotFound, "ResourceNotFoundException", "Function not found: %s", function)
	}
	if leg, ok := l.take(view, f); ok {
		return leg, nil
	}
	l.wait(f, 1)
	defer l.wait(f, -1)
	if err := l.ask(ctx, f); err != nil {
		return Leg{}, err
	}
	for {
		if leg, ok := l.take(l.db.View(), f); ok {
			return leg, nil
		}
		if _, err := changes.Next(ctx); err != nil {
			return Leg{}, fault.Wrap(fault.Unavailable, err, "wait for a network interface of function %s", function)
		}
	}
}

func (l *Legs) wait(f model.Function, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[f.Name] += n
}

func (l *Legs) take(r store.Reader, f model.Function) (Leg, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range state.NetworkInterfaces.By(r, "owner", f.ARN) {
		if n.State == model.InterfacePending || l.lent[n.ID] {
			continue
		}
		l.lent[n.ID] = true
		return Leg{Netns: filepath.Join(l.dir, n.ID), Nameserver: vpc.Resolver, Release: func() { l.release(n.ID) }}, true
	}
	return Leg{}, false
}

func (l *Legs) release(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.lent, id)
}

// ask asks for as many interfaces as are lent or waited for.
func (l *Legs) ask(ctx context.Context, f model.Function) error {
	l.mu.Lock()
	need := l.waiting[f.Name]
	for _, n := range state.NetworkInterfaces.By(l.db.View(), "owner", f.ARN) {
		if l.lent[n.ID] {
			need++
		}
	}
	l.mu.Unlock()
	if need <= max(1, f.Interfaces) {
		return nil // on its way
	}
	err := l.db.Update(ctx, name, func(tx *store.Tx) error {
		return edit(tx, state.Functions, f.Name, func(f *model.Function) { f.Interfaces = max(f.Interfaces, need) })
	})
	if err != nil {
		return fmt.Errorf("ask for a network interface of function %s: %w", f.Name, err)
	}
	return nil
}
