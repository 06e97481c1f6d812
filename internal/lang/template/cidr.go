package template

import (
	"encoding/binary"
	"math/big"
	"net/netip"
	"strconv"
)

const cidrText = "every Fn::Cidr object requires two or three parameters: an IP address block, a count of 1 to 256 and, optionally, the " +
	"number of subnet bits"

func (b *Bound) cidr(arg *Node, look Lookup) (any, error) {
	if arg.Kind != List || len(arg.Items) < 2 || len(arg.Items) > 3 {
		return nil, broken("%s", cidrText)
	}
	var parts []any
	for _, it := range arg.Items {
		v, err := b.eval(it, look)
		if err != nil {
			return nil, err
		}
		parts = append(parts, v)
	}
	if u, ok := UnknownIn(parts); ok {
		return u, nil
	}
	texts := make([]string, len(parts))
	for i := range parts {
		texts[i], _ = Flat(parts[i])
	}
	prefix, err := netip.ParsePrefix(texts[0])
	if err != nil {
		return nil, broken("%s", cidrText)
	}
	count, err := strconv.Atoi(texts[1])
	if err != nil || count < 1 || count > 256 {
		return nil, broken("%s", cidrText)
	}
	bits := 8
	if len(texts) == 3 {
		if bits, err = strconv.Atoi(texts[2]); err != nil {
			return nil, broken("%s", cidrText)
		}
	}
	return blocks(prefix.Masked(), count, bits)
}

// blocks cuts count blocks with the given number of host bits from a prefix.
func blocks(p netip.Prefix, count, hostBits int) (any, error) {
	width := p.Addr().BitLen()
	size := width - hostBits
	if hostBits < 1 || size < p.Bits() || size > width {
		return nil, broken("Fn::Cidr: blocks of %d bits do not fit into %s", hostBits, p)
	}
	if spare := size - p.Bits(); spare < 9 && count > 1<<spare {
		return nil, broken("Fn::Cidr: %d blocks of %d bits do not fit into %s", count, hostBits, p)
	}
	out := make([]any, count)
	for i := range out {
		out[i] = netip.PrefixFrom(offset(p.Addr(), i, hostBits), size).String()
	}
	return out, nil
}

func offset(a netip.Addr, i, shift int) netip.Addr {
	if a.Is4() {
		v := a.As4()
		binary.BigEndian.PutUint32(v[:], binary.BigEndian.Uint32(v[:])+uint32(i)<<shift)
		return netip.AddrFrom4(v)
	}
	v := a.As16()
	n := new(big.Int).SetBytes(v[:])
	n.Add(n, new(big.Int).Lsh(big.NewInt(int64(i)), uint(shift)))
	n.FillBytes(v[:])
	return netip.AddrFrom16(v)
}
