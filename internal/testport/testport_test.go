package testport_test

import (
	"net"
	"strconv"
	"sync"
	"testing"

	"berth/internal/testport"
)

func TestAPortIsGivenOnce(t *testing.T) {
	var mu sync.Mutex
	given := map[int]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				port := testport.Free(t)
				mu.Lock()
				if given[port] || port < 20_000 || port >= 30_000 {
					t.Errorf("%d is given again, or is none of ours", port)
				}
				given[port] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestAPortIsFreeAtAllAddresses(t *testing.T) {
	port := testport.Free(t)
	for _, ip := range []string{"127.0.0.1", "127.0.0.2", "0.0.0.0"} {
		at := net.JoinHostPort(ip, strconv.Itoa(port))
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", at)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		p, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp4", at)
		if err != nil {
			t.Fatal(err)
		}
		_ = p.Close()
	}
}
