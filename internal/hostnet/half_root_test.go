//go:build root

package hostnet_test

import (
	"log/slog"
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"berth/internal/hostnet"
	"berth/internal/hostnet/hostnettest"
)

// A server may be killed between making a link and bringing it up.
func TestALinkThatWasHalfMadeIsMadeAgain(t *testing.T) {
	h := start(t)
	set(t, h.net, hostnettest.World())
	for _, name := range []string{"eni-a-t1", "eni-a-alb"} {
		n := h.open(name)
		if err := n.Do(func() error { return takeDown("eth0") }); err != nil {
			t.Fatal(err)
		}
		_ = n.Close()
	}
	to := netip.MustParseAddrPort("10.0.1.4:80")
	if err := h.dial("eni-a-alb", to, false); err == nil {
		t.Fatal("an interface that is down answers")
	}
	h.net = hostnet.New(h.spaces, slog.New(slog.DiscardHandler))
	set(t, h.net, hostnettest.World())
	if err := h.dial("eni-a-alb", to, true); err != nil {
		t.Errorf("after another server's start: %v", err)
	}
}

func takeDown(dev string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var request struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], dev)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); e != 0 {
		return e
	}
	return nil
}
