package balancer_test

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"berth/internal/balancer"
)

// silent is a place where one address answers no SYN, as that of an interface
// that is gone.
type silent struct {
	loopback
	address string
}

func (s silent) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if address != s.address {
		return s.loopback.DialContext(ctx, network, address)
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestARequestThatWaitsForADeregisteredTargetGoesToAnother(t *testing.T) {
	const dead = "127.0.0.9:81"
	for name, leave := range map[string]func(balancer.Target) []balancer.Target{
		"draining": func(old balancer.Target) []balancer.Target { old.Draining = true; return []balancer.Target{old} },
		"removed":  func(balancer.Target) []balancer.Target { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRigIn(t, silent{address: dead})
			b, _ := backend(t, "new")
			r.group("g", dead)
			r.rules(balancer.Rule{ID: "default", Action: to(balancer.Weight{Group: "g", Weight: 1})})
			r.set()
			got := make(chan string, 1)
			go func() { res, _ := get(t, r.url("/")); got <- res.Header.Get("X-Backend") }()
			r.until("one in flight", func(rep balancer.Report) bool { return rep.Targets[0].InFlight == 1 })
			ap := netip.MustParseAddrPort(b)
			r.cfg.Groups[0].Targets = append(leave(r.cfg.Groups[0].Targets[0]), balancer.Target{
				ID: "127.0.0.1", IP: "127.0.0.1", Port: int(ap.Port()),
			})
			r.set()
			if by := <-got; by != "new" {
				t.Errorf("answered by %q", by)
			}
			r.until("nothing in flight", func(rep balancer.Report) bool {
				for _, x := range rep.Targets {
					if x.InFlight != 0 {
						return false
					}
				}
				return true
			})
		})
	}
}
