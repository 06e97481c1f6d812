//go:build root

package resolver_test

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"berth/internal/kernel"
	"berth/internal/resolver"

	"github.com/miekg/dns"
)

func ask(t *testing.T, n *kernel.Netns, network, at, name string) *dns.Msg {
	t.Helper()
	c, err := n.DialContext(t.Context(), network, at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, _, err := new(dns.Client).ExchangeWithConn(new(dns.Msg).SetQuestion(name, dns.TypeA), &dns.Conn{Conn: c})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEachNamespaceIsToldItsOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("skipped: needs root for network namespaces")
	}
	dir := t.TempDir()
	r := resolver.New(dir, slog.New(slog.DiscardHandler))
	lo := netip.MustParseAddr("127.0.0.53")
	var zones []resolver.Zone
	var spaces []*kernel.Netns
	for _, name := range []string{"a", "b"} {
		path := filepath.Join(dir, name)
		n, err := kernel.CreateNetns(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close(); _ = kernel.DeleteNetns(path) })
		spaces = append(spaces, n)
		addr := netip.MustParseAddr(map[string]string{"a": "10.0.0.1", "b": "10.0.0.2"}[name])
		zones = append(zones, resolver.Zone{Namespace: name, Listen: []netip.Addr{lo}, Names: map[string][]netip.Addr{"x.test": {addr}}})
	}
	if err := r.Set(t.Context(), resolver.Config{Zones: zones}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"10.0.0.1", "10.0.0.2"} {
		for _, network := range []string{"udp", "tcp"} {
			m := ask(t, spaces[i], network, "127.0.0.53:53", "x.test.")
			if len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != want {
				t.Errorf("%s in %d: %v", network, i, m)
			}
		}
	}
	zones[0].Names = map[string][]netip.Addr{"y.test": zones[0].Names["x.test"]}
	if err := r.Set(t.Context(), resolver.Config{Zones: zones[:1]}); err != nil {
		t.Fatal(err)
	}
	if m := ask(t, spaces[0], "udp", "127.0.0.53:53", "x.test."); m.Rcode != dns.RcodeNameError {
		t.Errorf("a name that went is answered: %v", m)
	}
	if c, err := spaces[1].DialContext(t.Context(), "tcp", "127.0.0.53:53"); err == nil {
		_ = c.Close()
		t.Error("the zone that went still listens")
	}
	if err := r.Set(t.Context(), resolver.Config{Zones: []resolver.Zone{{Namespace: "none", Listen: []netip.Addr{lo}}}}); err == nil {
		t.Error("a namespace that is not there is no error")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
