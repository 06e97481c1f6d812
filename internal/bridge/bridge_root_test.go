//go:build root

package bridge_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/bridge"
	"berth/internal/kernel"
)

// silence is how long a connection is waited for that should not come about.
const silence = 400 * time.Millisecond

// linux is an instance and a neighbour of it in namespaces of this host.
func linux(t *testing.T) (n *bridge.Net, own kernel.Space, machines, containers *kernel.Linux) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: needs root for network namespaces")
	}
	dir := t.TempDir()
	var spaces [2]*kernel.Linux
	for i, name := range []string{"machines", "containers"} {
		var err error
		if spaces[i], err = kernel.NewLinux(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := spaces[i].Release(); err != nil {
				t.Error(err)
			}
		})
	}
	n, own = machine(t, spaces[0], spaces[1], filepath.Join(dir, "containers"))
	t.Cleanup(func() { _ = own.Close() })
	return n, own, spaces[0], spaces[1]
}

func TestLinux(t *testing.T) {
	n, own, _, containers := linux(t)
	suite(t, n, own, containers)
}

// space is a namespace in which a test listens and dials.
type space struct {
	t *testing.T
	*kernel.Netns
}

func open(t *testing.T, path string) space {
	t.Helper()
	n, err := kernel.OpenNetns(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return space{t, n}
}

// greet answers everyone with a name and who they seem to be.
func (s space) greet(address, name string) {
	s.t.Helper()
	l, err := s.Listen(s.t.Context(), "tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	s.t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(name + " to " + netip.MustParseAddrPort(c.RemoteAddr().String()).Addr().String() + "\n"))
			_ = c.Close()
		}
	}()
}

// ask dials and reads the greeting, "" if nobody answers.
func (s space) ask(address string, wait time.Duration) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), wait)
	defer cancel()
	c, err := s.DialContext(ctx, "tcp", address)
	if err != nil {
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(wait))
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line)
}

// Proves: E119, E120, E124
func TestPacketsOfContainersInBridgeMode(t *testing.T) {
	n, own, machines, _ := linux(t)
	near := open(t, machines.Path("neighbour"))
	host := open(t, machines.Path("machine"))
	for _, s := range services {
		if err := host.ServeAt(s.At, s.Port); err != nil {
			t.Fatal(err)
		}
		host.greet(netip.AddrPortFrom(s.At.Addr(), s.Port).String(), "service")
	}
	web := attach(t, n, "web", bridge.Port{Container: 80, Protocol: "tcp"})
	other := attach(t, n, "other")
	a, b := open(t, n.Path("web")), open(t, n.Path("other"))
	a.greet("0.0.0.0:80", "web")
	a.greet("0.0.0.0:81", "unpublished")
	near.greet("10.0.0.9:80", "neighbour")
	// What an attacker would find: a route to the bridge, and listeners of the
	// instance and of this machine on loopback.
	beside, err := machines.Open("neighbour")
	if err == nil {
		err = errors.Join(beside.AddRoute(kernel.Route{
			Table: kernel.MainTable, To: netip.MustParsePrefix("172.17.0.0/16"), Via: instance.Addr(), Dev: "n0",
		}), beside.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	ours, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	onLoopback := strconv.Itoa(ours.Addr().(*net.TCPAddr).Port)
	host.greet("127.0.0.1:"+onLoopback, "instance's loopback")
	port := instance.Addr().String() + ":" + strconv.FormatInt(web.Ports[0].Host, 10)
	long := await.Limit(t)
	for _, c := range []struct {
		what    string
		from    space
		address string
		wait    time.Duration
		want    string
	}{
		{"from outside", near, port, long, "web to 10.0.0.9"},
		{"from the instance", host, port, long, "web to 10.0.0.5"},
		{"from another container, by the instance's port", b, port, long, "web to 172.17.0.1"},
		{"from another container", b, web.Address.String() + ":80", long, "web to " + other.Address.String()},
		{"to the outside", b, "10.0.0.9:80", long, "neighbour to 10.0.0.5"},
		{"to the task's metadata", b, "169.254.170.2:80", long, "service to " + other.Address.String()},
		{"to the instance's metadata", a, "169.254.169.254:80", long, "service to " + web.Address.String()},
		{"a port that is not published", near, instance.Addr().String() + ":81", silence, ""},
	} {
		if got := c.from.ask(c.address, c.wait); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	for _, c := range []struct {
		what    string
		from    space
		address string
	}{
		{"a container's own address and port, by a route through the instance", near, web.Address.String() + ":80"},
		{"a port of it that is not published", near, web.Address.String() + ":81"},
		{"a container's address on another instance", b, "172.17.0.9:80"},
		{"its own loopback, where the host and the instance listen", b, "127.0.0.1:" + onLoopback},
		{"the instance's loopback, by its address on the bridge", b, "172.17.0.1:" + onLoopback},
		{"the instance's loopback, by its address in the VPC", b, instance.Addr().String() + ":" + onLoopback},
	} {
		if got := c.from.ask(c.address, silence); got != "" {
			t.Errorf("%s: %q", c.what, got)
		}
	}
	if err := n.Detach("web"); err != nil {
		t.Fatal(err)
	}
	if got := near.ask(port, silence); got != "" {
		t.Errorf("after its end: %q", got)
	}
	if err := n.Detach("other"); err != nil {
		t.Fatal(err)
	}
	if p, err := own.Look(); err != nil || len(p.Links) != 2 {
		t.Errorf("left: %s%v", p, err)
	}
}
