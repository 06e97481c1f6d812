package balancer

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// mostSteps is how long a socket's filter may be: the kernel takes 4096 steps,
// and an unprivileged socket's memory holds about half of them.
const mostSteps = 2048

// guard has the kernel drop the first packet of those whom no listener lets
// in, as a security group does: they see no answer at all. Nothing but the sockets
// themselves is touched. Called after the binding has changed.
func (s *socket) guard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range []net.Listener{s.open, s.other} {
		if l != nil {
			s.binding.Load().guard(s.key, l)
		}
	}
}

// guard puts the binding's filter on a listening socket. Where there can be none
// (an IPv6 address, too many rules, a socket of multipath TCP) those who may not
// come are reset after they have connected.
func (b *binding) guard(key socketKey, l net.Listener) {
	c, ok := l.(syscall.Conn)
	address, err := netip.ParseAddr(key.address)
	if key.node != "" || !ok || err != nil || !address.Is4() {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { setFilter(int(fd), b.filter()) })
}

// setFilter gives a socket a filter, or takes it away where it is empty.
func setFilter(fd int, steps []unix.SockFilter) {
	if len(steps) == 0 || len(steps) > mostSteps {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		return
	}
	p := unix.SockFprog{Len: uint16(len(steps)), Filter: &steps[0]}
	_ = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &p)
}

// ipSource is where a filter finds a packet's IPv4 source: 12 bytes into the
// network header, which is at SKF_NET_OFF (-0x100000, linux/filter.h).
const ipSource = 1<<32 - 0x100000 + 12

// filter is a program of classic BPF that keeps the packets of those who are let
// in and no others; empty keeps all.
func (b *binding) filter() []unix.SockFilter {
	if !b.guarded {
		return nil
	}
	var out []unix.SockFilter
	for _, p := range b.sources() {
		if p.Bits() == 0 {
			return nil
		}
		out = append(out, admitting(p)...)
	}
	return append(out, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K})
}

// sources are the IPv4 ranges that any of the listeners lets in.
func (b *binding) sources() []netip.Prefix {
	var out []netip.Prefix
	for _, l := range b.list {
		for _, s := range l.lb.cfg.Sources {
			if s.Prefix.Addr().Is4() && s.From <= l.port && l.port <= s.To {
				out = append(out, s.Prefix.Masked())
			}
		}
	}
	return out
}

// admitting ends a program for packets of one range, and goes on for others.
func admitting(p netip.Prefix) []unix.SockFilter {
	from := p.Addr().As4()
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: ipSource},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: ^uint32(0) << (32 - p.Bits())},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: binary.BigEndian.Uint32(from[:]), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: ^uint32(0)},
	}
}
