// Package testport gives tests ports to listen on later. It belongs to tests and
// holds nothing.
package testport

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// The ports are below those that the kernel gives to connections and to who
// listens on port 0 (ip_local_port_range begins at 32768): what it gives may be
// gone a moment after it was let go.
const (
	first = 20_000
	many  = 10_000
)

// next counts what was looked at; each process begins at another place.
var next atomic.Int64

// Free is a port that nothing listens on at any address, by TCP or UDP, and that
// Free gives to no other test, in this process or another, until this one ends.
func Free(tb testing.TB) int {
	tb.Helper()
	for range many {
		port := first + (os.Getpid()*97+int(next.Add(1)))%many
		if release, err := take(tb, port); err == nil {
			tb.Cleanup(release)
			return port
		}
	}
	tb.Fatal("no port is free")
	return 0
}

// take locks a port by a socket that has its name, which ends with its process.
func take(tb testing.TB, port int) (release func(), err error) {
	var c net.ListenConfig
	lock, err := c.Listen(tb.Context(), "unix", fmt.Sprintf("@berth-test-port-%d", port))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	at := net.JoinHostPort("0.0.0.0", strconv.Itoa(port))
	l, err := c.Listen(tb.Context(), "tcp4", at)
	if err != nil {
		return nil, err
	}
	if err := l.Close(); err != nil {
		return nil, err
	}
	p, err := c.ListenPacket(tb.Context(), "udp4", at)
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, p.Close()
}
