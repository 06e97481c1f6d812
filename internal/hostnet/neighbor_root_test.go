//go:build root

package hostnet_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"berth/internal/hostnet/hostnettest"
)

// The kernel keeps 1,024 neighbours that it had to ask for, for all namespaces
// together; ours must not be among them.
func TestRoutersAndInterfacesKnowEachOtherForEver(t *testing.T) {
	h := start(t)
	set(t, h.net, hostnettest.World())
	if err := h.dial("eni-f-1", netip.MustParseAddrPort("198.18.0.1:80"), true); err != nil {
		t.Fatal(err)
	}
	for name, addr := range map[string]string{
		"eni-a-alb": "10.0.0.1", "vpc-a": "10.0.0.4", "internet": "169.254.255.2", "eni-f-1": "169.254.255.1",
	} {
		n := h.open(name)
		err := n.Do(func() error {
			b, err := os.ReadFile("/proc/thread-self/net/arp")
			for line := range strings.Lines(string(b)) {
				// 0x2 is complete, 0x4 permanent.
				if f := strings.Fields(line); f[0] == addr && f[2] != "0x6" {
					t.Errorf("%s knows %s as %s", name, addr, f[2])
				}
			}
			if !strings.Contains(string(b), addr+" ") {
				t.Errorf("%s does not know %s:\n%s", name, addr, b)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		_ = n.Close()
	}
}
