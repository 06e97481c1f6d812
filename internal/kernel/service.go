package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// ServeAt is Netns.ServeAt in the caller's own network namespace.
//
// A process that listens on a port of all addresses cannot, while another
// listens on the same port of one of them. So a service that must be found at
// port 80 of a fixed address, beside containers that want port 80, listens on
// another port of that address, and the kernel translates.
func ServeAt(at netip.AddrPort, port uint16) error {
	if err := AddLoopback(at.Addr()); err != nil {
		return err
	}
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	t := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "service-" + at.Addr().String()}
	// Declared, deleted and declared again: whole in one transaction, whether
	// it was there or not.
	c.AddTable(t)
	c.DelTable(t)
	c.AddTable(t)
	chain := c.AddChain(&nftables.Chain{
		Name: "output", Table: t, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest,
	})
	addr := at.Addr().As4()
	c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: addr[:]},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, at.Port())},
		&expr.Immediate{Register: 1, Data: addr[:]},
		&expr.Immediate{Register: 2, Data: binary.BigEndian.AppendUint16(nil, port)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2, Specified: true},
	}})
	if err := c.Flush(); err != nil {
		return fmt.Errorf("lead %s to port %d: %w", at, port, err)
	}
	return nil
}

// ServeAt gives the namespace's loopback an address and leads connections of
// the namespace's own processes to a port of it to another port, where the
// service listens. Done again, it changes nothing.
func (n *Netns) ServeAt(at netip.AddrPort, port uint16) error {
	var err error
	if e := n.quick(func() { err = ServeAt(at, port) }); e != nil {
		return e
	}
	return err
}

// Filters says why this kernel cannot be told what to filter, nil if it can. Who
// is not root cannot tell, and is told of no error.
func Filters() error {
	c, err := nftables.New()
	if err == nil {
		_, err = c.ListTables()
	}
	if errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}
