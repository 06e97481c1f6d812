//go:build root

package hostnet_test

import (
	"testing"

	"berth/internal/hostnet"
	"berth/internal/kernel"
	"berth/internal/vpc"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestTheRealKernelHasWhatTheFakeHas walks both kernels from network to
// network: every difference must be one that nftables and netlink accept.
func TestTheRealKernelHasWhatTheFakeHas(t *testing.T) {
	h := start(t)
	fake := kernel.NewFake()
	twin := hostnet.New(fake, quiet)
	example := rapid.Custom(func(r *rapid.T) vpc.Snapshot { return draw(r) })
	for i := range 12 {
		s := example.Example(i)
		if i%4 == 3 {
			h.net.Wait()
			h.net = hostnet.New(h.spaces, quiet)
		}
		set(t, h.net, s)
		set(t, twin, s)
		if d := cmp.Diff(pictures(t, fake), pictures(t, h.spaces)); d != "" {
			t.Fatalf("step %d (- fake, + real):\n%s", i, d)
		}
	}
}

func pictures(t *testing.T, spaces kernel.Spaces) map[string]string {
	t.Helper()
	names, err := spaces.Names()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range names {
		s, err := spaces.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Look()
		if err != nil {
			t.Fatal(err)
		}
		out[name] = p.String()
		_ = s.Close()
	}
	return out
}
