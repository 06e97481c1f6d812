package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// keepAlive is what Go's own dialer would set.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 9}

// Listen is net.ListenConfig.Listen inside the namespace. The address is a
// literal one. The listener stays in the namespace whoever accepts from it.
func (n *Netns) Listen(ctx context.Context, network, addr string) (net.Listener, error) {
	var l net.Listener
	var err error
	lc := net.ListenConfig{}
	lc.SetMultipathTCP(false)
	if e := n.quick(func() { l, err = lc.Listen(ctx, network, addr) }); e != nil {
		return nil, e
	}
	return l, err
}

// ListenPacket is net.ListenConfig.ListenPacket inside the namespace.
func (n *Netns) ListenPacket(ctx context.Context, network, addr string) (net.PacketConn, error) {
	var c net.PacketConn
	var err error
	if e := n.quick(func() { c, err = (&net.ListenConfig{}).ListenPacket(ctx, network, addr) }); e != nil {
		return nil, e
	}
	return c, err
}

// DialContext connects from inside the namespace. network is tcp or udp (with
// 4 or 6 or neither); addr is a literal IP address and port, since names mean
// something else in every network. Only the making of the socket happens in
// the namespace; waiting goes through Go's poller.
func (n *Netns) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("address %q: %w", addr, err)}
	}
	c, err := n.dial(ctx, network, to)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: netAddr(network, to), Err: err}
	}
	return c, nil
}

func (n *Netns) dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, ended(err)
	}
	typ, err := socketType(network)
	if err != nil {
		return nil, err
	}
	fd, err := n.socket(to.Addr(), typ)
	if err != nil {
		return nil, err
	}
	err = unix.Connect(fd, sockaddr(to))
	f := os.NewFile(uintptr(fd), "socket")
	defer func() { _ = f.Close() }() // FileConn makes a descriptor of its own
	if errors.Is(err, unix.EINPROGRESS) {
		err = awaitConnect(ctx, f)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ended(ctx.Err())
		}
		return nil, os.NewSyscallError("connect", err)
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetNoDelay(true)
		_ = t.SetKeepAliveConfig(keepAlive)
	}
	return c, nil
}

// ended words the end of a context as Go's own dialer does: what nobody answers
// in time is an "i/o timeout".
func ended(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	return err
}

func (n *Netns) socket(to netip.Addr, typ int) (int, error) {
	family := unix.AF_INET
	if !to.Unmap().Is4() {
		family = unix.AF_INET6
	}
	var fd int
	var err error
	if e := n.quick(func() { fd, err = unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0) }); e != nil {
		return 0, e
	}
	return fd, os.NewSyscallError("socket", err)
}

// awaitConnect waits for a connect under way. A writable socket is not yet a
// connected one: the error and the peer must both be asked.
func awaitConnect(ctx context.Context, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	var out error
	err = raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil || code != 0 {
			out = err
			if code != 0 {
				out = unix.Errno(code)
			}
			return true
		}
		_, err = unix.Getpeername(int(fd))
		return err == nil
	})
	return errors.Join(out, err)
}

func socketType(network string) (int, error) {
	switch strings.TrimRight(network, "46") {
	case "tcp":
		return unix.SOCK_STREAM, nil
	case "udp":
		return unix.SOCK_DGRAM, nil
	default:
		return 0, net.UnknownNetworkError(network)
	}
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if ip := a.Addr().Unmap(); ip.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func netAddr(network string, a netip.AddrPort) net.Addr {
	if strings.HasPrefix(network, "udp") {
		return net.UDPAddrFromAddrPort(a)
	}
	return net.TCPAddrFromAddrPort(a)
}
