package kernel_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"berth/internal/await"
	"berth/internal/kernel"
)

// Connections beyond the bound are closed, and there is a place again when one
// has left.
func TestConnectionsToAServiceAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bounded := kernel.AtMost(l, 2)
	accepted := make(chan net.Conn, 3)
	go func() {
		defer close(accepted)
		for {
			c, err := bounded.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(await.Deadline(t)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	dial()
	dial()
	first, second := <-accepted, <-accepted
	if _, err := dial().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a third: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	_ = first.Close() // a second time it gives no place back
	dial()
	third := <-accepted
	if _, err := dial().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a third after one left: %v", err)
	}
	for _, c := range []io.Closer{second, third, l} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	<-accepted // the listener has ended
}
