// Package sim is hostnet without a kernel: it keeps the network that it was
// told and answers from it what would reach what. It is for tests, for the
// simulator and for hosts without root; it makes nothing else up. Safe for
// concurrent use.
package sim

import (
	"context"
	"net/netip"
	"sync"

	"berth/internal/fault"
	"berth/internal/vpc"
)

// Net is a simulated host network.
type Net struct {
	mu   sync.Mutex
	now  vpc.HostNetwork
	sets int
	fail error
}

// New makes an empty network.
func New() *Net { return &Net{} }

// Set remembers the network.
func (n *Net) Set(ctx context.Context, h vpc.HostNetwork) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.fail != nil {
		return n.fail
	}
	n.now = h
	n.sets++
	return nil
}

// Remove forgets it.
func (n *Net) Remove(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now = vpc.HostNetwork{}
	return nil
}

// Network is what was set last.
func (n *Net) Network() vpc.HostNetwork {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now
}

// Sets is how often Set succeeded.
func (n *Net) Sets() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sets
}

// Fail makes Set return err from now on; nil ends that.
func (n *Net) Fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = err
}

// Dial reports whether a TCP connection from an interface would be let
// through, as fault.Unavailable with the path if not.
func (n *Net) Dial(from string, to netip.AddrPort) error {
	p := n.Network().Reach(from, to.Addr(), vpc.Flow{Protocol: 6, Port: int(to.Port())})
	if !p.Open {
		return fault.New(fault.Unavailable, "", "%s", p)
	}
	return nil
}
