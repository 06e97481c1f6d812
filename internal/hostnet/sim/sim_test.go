package sim_test

import (
	"testing"

	"berth/internal/hostnet/hostnettest"
	"berth/internal/hostnet/sim"
)

func TestSuite(t *testing.T) {
	hostnettest.Run(t, func(*testing.T) hostnettest.Host {
		n := sim.New()
		return hostnettest.Host{Driver: n, Dial: n.Dial, Restart: func() hostnettest.Driver { return n }}
	})
}
