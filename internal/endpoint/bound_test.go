package endpoint

import (
	"net"
	"testing"

	"berth/internal/await"
)

// Connections of a VPC beyond its share, and beyond what all may have, are closed
// at once; another has a place when one has left, however often it is closed.
func TestConnectionsOfAVPCAreBounded(t *testing.T) {
	b := &bound{all: 3, each: 2, of: map[string]int{}}
	come := func(vpc string) (client, server net.Conn) {
		b.mu.Lock()
		full := b.open >= b.all || b.of[vpc] >= b.each
		b.mu.Unlock()
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		taken := make(chan net.Conn, 1)
		go func() {
			defer close(taken)
			if c, err := (&bounded{l, b, func(net.Conn) string { return vpc }}).Accept(); err == nil {
				taken <- c
			}
		}()
		client, err = (&net.Dialer{}).DialContext(await.Context(t), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		_ = client.SetDeadline(await.Deadline(t))
		if full {
			if n, err := client.Read(make([]byte, 1)); n > 0 || err == nil {
				t.Errorf("%s: a connection beyond the bound reads %d bytes, %v", vpc, n, err)
			}
			_ = l.Close()
			<-taken
			return client, nil
		}
		server = <-taken
		_ = l.Close()
		t.Cleanup(func() { _ = server.Close() })
		return client, server
	}
	_, first := come("vpc-1")
	come("vpc-1")
	come("vpc-1") // its third
	come("vpc-2")
	come("vpc-2") // the fourth of all
	for range 2 {
		_ = first.Close()
	}
	if b.open != 2 || b.of["vpc-1"] != 1 {
		t.Errorf("%d are open, %v", b.open, b.of)
	}
	if _, again := come("vpc-2"); again == nil {
		t.Error("there is no place after one has left")
	}
	if b := newBound(0); !b.take("vpc-1") || b.take("vpc-1") || !b.take("vpc-2") || b.take("vpc-3") {
		t.Errorf("%d in all, %d of each", b.all, b.each)
	}
}
