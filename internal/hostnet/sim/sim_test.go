package sim_test

import (
	"net/netip"
	"testing"

	"berth/internal/hostnet/hostnettest"
	"berth/internal/hostnet/sim"
)

func TestSuite(t *testing.T) {
	hostnettest.Run(t, func(*testing.T) hostnettest.Host {
		n := sim.New()
		dial := func(from string, to netip.AddrPort, _ bool) error { return n.Dial(from, to) }
		return hostnettest.Host{Driver: n, Dial: dial, Restart: func() hostnettest.Driver { return n }}
	})
}
