//go:build root

package hostnet_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"berth/internal/hostnet/hostnettest"
	"berth/internal/kernel"
	"berth/internal/model"
	"berth/internal/vpc"

	"golang.org/x/sys/unix"
)

// protocols is a world where the tasks' group lets UDP 5000-5001 and pings in.
func protocols() vpc.Snapshot {
	s := hostnettest.World()
	for i := range s.Groups {
		if s.Groups[i].ID == "sg-a-web" {
			s.Groups[i].Rules = []model.SecurityRule{
				{ID: "sgr-all", Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"},
				hostnettest.In("udp", "udp", 5000, 5001, "10.0.1.0/24", ""), hostnettest.In("ping", "icmp", 8, -1, "", "sg-a-node"),
			}
		}
	}
	return s
}

func TestDatagramsObeyTheirRules(t *testing.T) {
	h := start(t)
	set(t, h.net, protocols())
	server, client := h.open("eni-a-t1"), h.open("eni-a-t2")
	defer server.Close()
	defer client.Close()
	for _, c := range []struct {
		port string
		open bool
	}{{"5000", true}, {"5001", true}, {"5002", false}} {
		l, err := server.ListenPacket(t.Context(), "udp4", "10.0.1.4:"+c.port)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		d, err := client.DialContext(t.Context(), "udp4", "10.0.1.4:"+c.port)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := d.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		_ = l.SetReadDeadline(time.Now().Add(wait(t, c.open)))
		_, _, err = l.ReadFrom(make([]byte, 8))
		if (err == nil) != c.open {
			t.Errorf("UDP %s: %v", c.port, err)
		}
	}
}

func TestPingsObeyTheirRules(t *testing.T) {
	h := start(t)
	set(t, h.net, protocols())
	for from, open := range map[string]bool{"eni-a-i1": true, "eni-a-t2": false} {
		n := h.open(from)
		err := n.Do(func() error { return ping(netip.MustParseAddr("10.0.1.4"), wait(t, open)) })
		if (err == nil) != open {
			t.Errorf("ping from %s: %v", from, err)
		}
		_ = n.Close()
	}
}

// ping sends one echo request from the calling thread's namespace.
func ping(to netip.Addr, patience time.Duration) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.Sendto(fd, []byte{8, 0, 0, 0, 0, 1, 0, 1}, 0, &unix.SockaddrInet4{Addr: to.As4()}),
	)
	if err != nil {
		return err
	}
	b := make([]byte, 64)
	_, _, err = unix.Recvfrom(fd, b, 0)
	return err
}

// A task cannot take another address, not even with every capability: what
// leaves its interface from a foreign address goes nowhere.
func TestForgedSourcesGoNowhere(t *testing.T) {
	h := start(t)
	set(t, h.net, hostnettest.World())
	victim := h.open("eni-a-t2")
	defer victim.Close()
	l, err := victim.Listen(t.Context(), "tcp4", "10.0.1.5:80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := h.spaces.Open("eni-a-t1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	alb := netip.MustParsePrefix("10.0.0.4/32") // which may connect to port 80
	if err := s.AddAddress(kernel.Address{Dev: "eth0", Prefix: alb}); err != nil {
		t.Fatal(err)
	}
	forger := h.open("eni-a-t1")
	defer forger.Close()
	err = forger.Do(func() error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: alb.Addr().AsSlice()}, Timeout: silence}
		c, err := d.DialContext(t.Context(), "tcp4", "10.0.1.5:80")
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	if err == nil {
		t.Error("a forged connection came about")
	}
}
