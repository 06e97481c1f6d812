package vpc_test

import (
	"net"
	"net/netip"
	"testing"

	"berth/internal/vpc"

	"pgregory.net/rapid"
)

func TestSubnetsKeepFiveAddresses(t *testing.T) {
	s := netip.MustParsePrefix("10.0.0.0/28")
	for _, c := range []struct {
		addr string
		want bool
	}{
		{"10.0.0.0", true}, {"10.0.0.1", true}, {"10.0.0.2", true}, {"10.0.0.3", true}, {"10.0.0.4", false}, {"10.0.0.14", false},
		{"10.0.0.15", true}, {"10.0.0.16", true},
	} {
		if got := vpc.Reserved(s, netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("Reserved(%s) = %v", c.addr, got)
		}
	}
	if n := vpc.Usable(s); n != 11 {
		t.Errorf("Usable = %d", n)
	}
}

// Law: whatever comes and goes, no address has two owners, none is reserved,
// the lowest free one is given, and a subnet gives all that it has.
func TestLeasesNeverHaveTwoOwners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := netip.PrefixFrom(netip.MustParseAddr("10.1.2.0"), rapid.IntRange(26, 28).Draw(t, "bits")).Masked()
		taken := map[netip.Addr]bool{}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "give back") && len(taken) > 0 {
				n := rapid.Uint32Range(4, vpc.Size(s)-2).Draw(t, "which")
				delete(taken, vpc.Offset(s, n))
				continue
			}
			a, ok := vpc.Lease(s, taken)
			if !ok {
				if int64(len(taken)) != vpc.Usable(s) {
					t.Fatalf("full with %d of %d", len(taken), vpc.Usable(s))
				}
				continue
			}
			if taken[a] || vpc.Reserved(s, a) {
				t.Fatalf("%s is taken or reserved", a)
			}
			for b := vpc.Offset(s, 4); b.Less(a); b = b.Next() {
				if !taken[b] {
					t.Fatalf("%s was given while %s is free", a, b)
				}
			}
			taken[a] = true
		}
	})
}

func TestCIDRBlocksAreNetworks(t *testing.T) {
	for s, ok := range map[string]bool{
		"10.0.0.0/16": true, "0.0.0.0/0": true, "10.0.0.1/16": false, "10.0.0.0": false, "fd00::/8": false, "": false,
	} {
		if _, err := vpc.ParseCIDR(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestMACsAreUnicastLocalAndStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := "eni-" + rapid.StringMatching(`0[0-9a-f]{16}`).Draw(t, "id")
		s := vpc.MAC(id)
		m, err := net.ParseMAC(s)
		if again := vpc.MAC(id); err != nil || m[0]&1 != 0 || m[0]&2 == 0 || again != s {
			t.Fatalf("%s %v", m, err)
		}
	})
}

func FuzzParseCIDR(f *testing.F) {
	f.Add("10.0.0.0/8")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := vpc.ParseCIDR(s); err == nil && (p != p.Masked() || !p.Addr().Is4()) {
			t.Errorf("%q became %s", s, p)
		}
	})
}
