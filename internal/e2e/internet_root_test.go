//go:build root

package e2e_test

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/hostnet"
	"berth/internal/kernel"
)

// TestRootInternetOnLeavesTheMachineAsItWas starts a server with a way out in a
// namespace that plays its machine, and stops it: every link, address, route,
// rule and table of the machine is as it was.
func TestRootInternetOnLeavesTheMachineAsItWas(t *testing.T) {
	x := &team{hello: &hello{berth: start(t)}, url: "https://" + serverAddress + ":4566"}
	x.connect()
	own := func(fn func(o *kernel.Own) error) {
		t.Helper()
		inside, err := kernel.OpenNetns(x.spaces.Path("server"))
		if err != nil {
			t.Fatal(err)
		}
		defer inside.Close()
		if err := inside.Do(func() error {
			o, err := kernel.OpenOwn(hostnet.OwnName(x.data))
			if err != nil {
				return err
			}
			defer func() { _ = o.Close() }()
			return fn(o)
		}); err != nil {
			t.Fatal(err)
		}
	}
	machine := func() (text string) {
		own(func(o *kernel.Own) error {
			p, err := o.Look()
			if err != nil {
				return err
			}
			tables, err := o.Tables()
			text = p.String() + strings.Join(tables, "\n")
			return err
		})
		return text
	}
	out, _ := x.in("server", "server", "--data", filepath.Join(t.TempDir(), "none"), "--internet", "on").CombinedOutput()
	if !strings.Contains(string(out), "--internet on: this machine has no default route") {
		t.Errorf("without a default route:\n%s", out)
	}
	own(func(o *kernel.Own) error {
		err := o.AddRoute(kernel.Route{
			Table: kernel.MainTable, To: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr(clientAddress), Dev: "lan",
		})
		if err != nil {
			return err
		}
		return o.SetSysctl("ipv4/ip_forward", "1")
	})
	before := machine()
	x.begin("--internet", "on")
	x.await("the way out is there", func() bool { return strings.Contains(machine(), hostnet.OwnName(x.data)) })
	out, err := x.in("server", "--data", x.data, "status").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "internet on: tasks' packets") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := x.in("server", "stop", "--data", x.data).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if after := machine(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}
