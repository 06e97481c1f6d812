package hostnet

import (
	"berth/internal/kernel"
	"berth/internal/vpc"
)

// LeadOutBy has a network lead out by a namespace that stands for the host's own.
func (n *Net) LeadOutBy(host kernel.Space, name string, out vpc.Out) {
	n.out, n.outName, n.led = &out, name, false
	n.own = func(string) (kernel.Space, error) { return host, nil }
}

// HostFilter is hostFilter, and FreeLink freeLink.
var (
	HostFilter = hostFilter
	FreeLink   = freeLink
)
