//go:build root

package hostnet_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/hostnet"
	"berth/internal/hostnet/hostnettest"
	"berth/internal/kernel"
)

// silence is how long a connection is waited for that should not come about.
const silence = 400 * time.Millisecond

// wait is how long an answer is waited for.
func wait(t *testing.T, expect bool) time.Duration {
	if expect {
		return await.Limit(t)
	}
	return silence
}

type realHost struct {
	t      *testing.T
	spaces *kernel.Linux
	net    *hostnet.Net
}

func start(t *testing.T) *realHost {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: needs root for network namespaces")
	}
	dir := filepath.Join(t.TempDir(), "netns")
	spaces, err := kernel.NewLinux(dir, users(t))
	if err != nil {
		t.Fatal(err)
	}
	h := &realHost{t: t, spaces: spaces, net: hostnet.New(spaces, slog.New(slog.DiscardHandler))}
	t.Cleanup(func() {
		if err := h.net.Remove(context.Background()); err != nil {
			t.Error(err)
		}
		if names, _ := spaces.Names(); len(names) > 0 {
			t.Errorf("left: %v", names)
		}
		if err := spaces.Release(); err != nil {
			t.Error(err)
		}
		if m, _ := kernel.MountsBelow(dir); len(m) > 0 {
			t.Errorf("left mounted: %v", m)
		}
	})
	return h
}

func (h *realHost) open(name string) *kernel.Netns {
	n, err := kernel.OpenNetns(h.spaces.Path(name))
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// serve listens wherever to may be reached, until the connection was tried.
func (h *realHost) serve(to netip.AddrPort) func() {
	h.net.Wait()
	var open []net.Listener
	names, err := h.spaces.Names()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, name := range names {
		n := h.open(name)
		l, err := n.Listen(h.t.Context(), "tcp4", netip.AddrPortFrom(netip.IPv4Unspecified(), to.Port()).String())
		if err != nil {
			h.t.Fatal(err)
		}
		_ = n.Close()
		open = append(open, l)
	}
	return func() {
		for _, l := range open {
			_ = l.Close()
		}
	}
}

func (h *realHost) dial(from string, to netip.AddrPort, expect bool) error {
	defer h.serve(to)()
	n := h.open(from)
	defer n.Close()
	ctx, cancel := context.WithTimeout(h.t.Context(), wait(h.t, expect))
	defer cancel()
	c, err := n.DialContext(ctx, "tcp", to.String())
	if err == nil {
		_ = c.Close()
	}
	return err
}

func TestSuite(t *testing.T) {
	hostnettest.Run(t, func(t *testing.T) hostnettest.Host {
		h := start(t)
		return hostnettest.Host{Driver: h.net, Dial: h.dial, Restart: func() hostnettest.Driver {
			h.net = hostnet.New(h.spaces, slog.New(slog.DiscardHandler))
			return h.net
		}}
	})
}

// users is user 0 of containers where the kernel gives them user namespaces, as
// the server has it.
func users(t *testing.T) int {
	t.Helper()
	const first = 0x7000_0000
	if err := kernel.CheckUsers(first, t.TempDir()); err != nil {
		t.Log("without user namespaces:", err)
		return 0
	}
	return first
}
