package hostnet_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/internal/fault"
	"berth/internal/hostnet"
	"berth/internal/hostnet/hostnettest"
	"berth/internal/kernel"
	"berth/internal/model"
	"berth/internal/vpc"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var quiet = slog.New(slog.DiscardHandler)

func set(t testing.TB, n *hostnet.Net, s vpc.Snapshot) {
	t.Helper()
	if err := n.Set(t.Context(), vpc.Compile(s)); err != nil {
		t.Fatal(err)
	}
	n.Wait()
}

// fresh is the kernel that one Set makes out of nothing.
func fresh(t testing.TB, s vpc.Snapshot) string {
	t.Helper()
	f := kernel.NewFake()
	set(t, hostnet.New(f, quiet), s)
	return f.String()
}

func TestTheKernelReadsAsText(t *testing.T) {
	golden := filepath.Join("testdata", "world.txt")
	got := fresh(t, hostnettest.World())
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("UPDATE=1 rewrites %s\n%s", golden, d)
	}
}

func TestTheSecondSetChangesNothing(t *testing.T) {
	f := kernel.NewFake()
	n := hostnet.New(f, quiet)
	set(t, n, hostnettest.World())
	f.Verbs()
	set(t, n, hostnettest.World())
	if v := f.Verbs(); len(v) > 0 {
		t.Errorf("changed %v", v)
	}
}

func TestANewProcessAdoptsWithoutAChange(t *testing.T) {
	f := kernel.NewFake()
	set(t, hostnet.New(f, quiet), hostnettest.World())
	before := f.String()
	f.Verbs()
	set(t, hostnet.New(f, quiet), hostnettest.World())
	v := f.Verbs()
	delete(v, "sysctl") // written again rather than read
	if len(v) > 0 {
		t.Errorf("changed %v", v)
	}
	if d := cmp.Diff(before, f.String()); d != "" {
		t.Error(d)
	}
}

func TestWhatAnAgentAddedInsideSurvivesARestart(t *testing.T) {
	f := kernel.NewFake()
	set(t, hostnet.New(f, quiet), hostnettest.World())
	s, err := f.Open("eni-a-i1")
	if err != nil {
		t.Fatal(err)
	}
	own := kernel.Address{Dev: "lo", Prefix: netip.MustParsePrefix("169.254.170.2/32")}
	if err := s.AddAddress(own); err != nil {
		t.Fatal(err)
	}
	set(t, hostnet.New(f, quiet), hostnettest.World())
	p, err := s.Look()
	if err != nil || !slices.Contains(p.Addresses, own) {
		t.Errorf("%v\n%s", err, p)
	}
}

func TestOneMoreTaskCostsOneLinkAndOneTransaction(t *testing.T) {
	f := kernel.NewFake()
	n := hostnet.New(f, quiet)
	s := hostnettest.World()
	set(t, n, s)
	f.Verbs()
	s.Interfaces = append(s.Interfaces, hostnettest.ENI("eni-a-new", vpc.KindTask, "a", "prv", "10.0.1.20", "", "web"))
	set(t, n, s)
	v := f.Verbs()
	delete(v, "sysctl")
	want := map[string]int{"create": 1, "add link": 1, "add address": 2, "add route": 2, "filter": 1}
	if d := cmp.Diff(want, v); d != "" {
		t.Error(d)
	}
}

// Law: from any network to any other, also across a restart, and with failures
// on the way, the kernel ends up as if it had been made at once.
func TestAnyWayLeadsToTheSameKernel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := kernel.NewFake()
		n := hostnet.New(f, quiet)
		for range rapid.IntRange(1, 5).Draw(r, "steps") {
			if rapid.Bool().Draw(r, "restart") {
				n.Wait()
				n = hostnet.New(f, quiet)
			}
			s := draw(r)
			if rapid.Bool().Draw(r, "fails") {
				left := rapid.IntRange(0, 40).Draw(r, "after")
				f.FailWith(func(verb, detail string) error {
					if left--; left < 0 {
						return fault.New(fault.Unavailable, "", "%s %s", verb, detail)
					}
					return nil
				})
				_ = n.Set(t.Context(), vpc.Compile(s)) // the next one repairs it
				n.Wait()
				f.FailWith(nil)
			}
			set(t, n, s)
			if d := cmp.Diff(fresh(t, s), f.String()); d != "" {
				r.Fatal(d)
			}
		}
	})
}

// draw is the world with some of it missing.
func draw(r *rapid.T) vpc.Snapshot {
	s := hostnettest.World()
	keep := func(name string) bool { return rapid.IntRange(0, 3).Draw(r, name) > 0 }
	s.Interfaces = slices.DeleteFunc(s.Interfaces, func(n model.NetworkInterface) bool { return !keep(n.ID) })
	for i := range s.RouteTables {
		if !keep(s.RouteTables[i].ID) {
			s.RouteTables[i].Routes = s.RouteTables[i].Routes[:1]
		}
	}
	for i := range s.Groups {
		if !keep(s.Groups[i].ID) {
			s.Groups[i].Rules = nil
		}
	}
	if !keep("vpc-b") {
		s.VPCs = s.VPCs[:1]
		s.Interfaces = slices.DeleteFunc(s.Interfaces, func(n model.NetworkInterface) bool { return n.VPC == "vpc-b" })
	}
	return s
}

func TestRemoveLeavesNothing(t *testing.T) {
	f := kernel.NewFake()
	set(t, hostnet.New(f, quiet), hostnettest.World())
	if err := hostnet.New(f, quiet).Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := f.String(); s != "" {
		t.Errorf("left:\n%s", s)
	}
}

func TestRealIDsGiveShortDeviceNames(t *testing.T) {
	s := hostnettest.World()
	for i := range s.Interfaces {
		s.Interfaces[i].ID = fmt.Sprintf("eni-0%016x", i)
	}
	text := fresh(t, s) // the fake refuses long names
	seen := map[string]int{}
	for line := range strings.Lines(text) {
		if p := strings.Fields(line); p[0] == "link" && p[1] != "eth0" && p[1] != "igw" {
			seen[p[1]]++
		}
	}
	for name, n := range maps.All(seen) {
		if n > 1 {
			t.Errorf("%d links are called %s", n, name)
		}
	}
}

func BenchmarkSetAThousandInterfacesAndOneMore(b *testing.B) {
	s := hostnettest.World()
	for i := range 250 {
		for j := range 4 {
			id := fmt.Sprintf("eni-x-%d-%d", i, j)
			n := hostnettest.ENI(id, vpc.KindTask, "a", "prv", "", "", "web")
			n.Subnet, n.IP = "subnet-a-big", fmt.Sprintf("10.0.%d.%d", 16+j, i+4)
			s.Interfaces = append(s.Interfaces, n)
		}
	}
	s.Subnets = append(s.Subnets, model.Subnet{ID: "subnet-a-big", VPC: "vpc-a", CIDR: "10.0.16.0/20"})
	n := hostnet.New(kernel.NewFake(), quiet)
	set(b, n, s)
	for b.Loop() {
		set(b, n, s)
	}
}
