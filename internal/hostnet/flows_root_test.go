//go:build root

package hostnet_test

import (
	"net"
	"slices"
	"testing"

	"berth/internal/await"
	"berth/internal/hostnet/hostnettest"
	"berth/internal/model"
)

// An interface that goes takes the connections of its own VPC along, not those
// of an interface with the same address in another.
func TestConnectionsOutliveTheSameAddressElsewhere(t *testing.T) {
	h := start(t)
	world := hostnettest.World()
	set(t, h.net, world)
	server, client := h.open("eni-a-t1"), h.open("eni-a-alb")
	defer server.Close()
	defer client.Close()
	l, err := server.Listen(t.Context(), "tcp4", "10.0.1.4:80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := client.DialContext(t.Context(), "tcp4", "10.0.1.4:80")
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	world.Interfaces = slices.DeleteFunc(world.Interfaces, func(n model.NetworkInterface) bool { return n.ID == "eni-b-t1" })
	set(t, h.net, world)
	// The server speaks first: only an established connection lets it out to
	// the load balancer, whose group admits nothing on this port.
	said(t, far, near)
}

func said(t *testing.T, from, to net.Conn) {
	t.Helper()
	if _, err := from.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_ = to.SetReadDeadline(await.Deadline(t))
	if _, err := to.Read(make([]byte, 1)); err != nil {
		t.Errorf("the connection was forgotten: %v", err)
	}
}
