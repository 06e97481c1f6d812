package traffic

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"berth/internal/balancer"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Load balancers' own addresses are 127.64.0.1 to 127.127.255.254: all of 127.0.0.0/8
// is the host's on Linux without being set up, and what other programs use of
// it (127.0.0.1, 127.0.0.53, 127.0.1.1) is below.
const (
	firstBlock = 127<<24 | 64<<16
	blocks     = 64 << 8 // of 256 addresses, of which the first and the last are left out
	perBlock   = 254
)

// addressAt is the nth address of the range.
func addressAt(n uint32) string {
	n %= blocks * perBlock
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], firstBlock+n/perBlock<<8+n%perBlock+1)
	return netip.AddrFrom4(b).String()
}

// ownAddress is the address that a load balancer's ARN leads to, or the next that
// nobody has: two servers of one machine seldom meet.
func ownAddress(arn string, taken map[string]bool) string {
	sum := sha256.Sum256([]byte(arn))
	for n := binary.BigEndian.Uint32(sum[:]) % (blocks * perBlock); ; n++ {
		if a := addressAt(n); !taken[a] {
			return a
		}
	}
}

// needsAddress reports whether clients of the host come to a load balancer that
// has no address there.
func needsAddress(lb *model.LoadBalancer) bool {
	return lb.Scheme == "internet-facing" && lb.HostAddress == ""
}

// addresses finds the load balancers that have no address of their own yet,
// where load balancers answer on the host.
func (f *facts) addresses(r store.Reader) {
	if f.plane.config.now.HostAddress == "" {
		return
	}
	for lb := range state.LoadBalancers.Every(r) {
		if needsAddress(lb) {
			f.homeless = append(f.homeless, lb.ARN)
		}
	}
}

// settle gives addresses to those that have none. An address stays with its load
// balancer as long as that lives.
func (f *facts) settle(tx *store.Tx) error {
	if len(f.homeless) == 0 {
		return nil
	}
	taken := map[string]bool{}
	for lb := range state.LoadBalancers.Every(tx) {
		taken[lb.HostAddress] = true
	}
	for _, arn := range f.homeless {
		lb, ok := state.LoadBalancers.Get(tx, arn)
		if !ok || !needsAddress(&lb) {
			continue
		}
		a := ownAddress(arn, taken)
		taken[a] = true
		if err := state.LoadBalancers.Edit(tx, arn, func(lb *model.LoadBalancer) error { lb.HostAddress = a; return nil }); err != nil {
			return err
		}
	}
	return nil
}

// Admits reports whether the security groups of a load balancer let a client on
// the Internet in to a port.
func Admits(r store.Reader, lb model.LoadBalancer, client netip.Addr, port int64) bool {
	x := balancer.LoadBalancer{Sources: sources(r, lb.SecurityGroups)}
	return x.Admits(client, int(port))
}
