package kernel

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// tableName is our table in every namespace of ours.
const tableName = "berth"

// revisionPrefix marks the empty chain whose name carries the filter's
// revision, so that a new process can tell what is there without reading it.
const revisionPrefix = "revision_"

// itemsPerMessage keeps a message's list of elements below netlink's 64 KiB.
const itemsPerMessage = 400

// program turns a difference into one nftables transaction.
type program struct {
	conn  *nftables.Conn
	table *nftables.Table
	ids   uint32
	err   error
}

func setFilter(conn *nftables.Conn, table string, old *Filter, f Filter) error {
	p := &program{conn: conn, table: tableOf(table)}
	before := Filter{}
	if old == nil {
		p.conn.AddTable(p.table) // so that there is one to delete
		p.conn.DelTable(p.table)
		p.conn.AddTable(p.table)
	} else {
		before = *old
	}
	d := difference(before, f)
	if old != nil && d.none() {
		return nil
	}
	p.play(d)
	if old != nil {
		p.conn.DelChain(&nftables.Chain{Table: p.table, Name: revisionPrefix + old.Revision()})
	}
	p.conn.AddChain(&nftables.Chain{Table: p.table, Name: revisionPrefix + f.Revision()})
	if p.err != nil {
		_ = p.conn.Flush()
		return p.err
	}
	if err := p.conn.Flush(); err != nil {
		return fmt.Errorf("set packet filter: %w", err)
	}
	return nil
}

func tableOf(name string) *nftables.Table {
	return &nftables.Table{Name: name, Family: nftables.TableFamilyIPv4}
}

// dropTable removes a table with all that is in it; an absent one is success.
func dropTable(conn *nftables.Conn, name string) error {
	conn.AddTable(tableOf(name)) // so that there is one to delete
	conn.DelTable(tableOf(name))
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("remove table %s: %w", name, err)
	}
	return nil
}

func (p *program) play(d changes) {
	for _, s := range d.newSets {
		p.newSet(s)
	}
	for _, c := range d.newChains {
		p.newChain(c)
	}
	for _, c := range d.rewrite {
		if !slices.ContainsFunc(d.newChains, func(n Chain) bool { return n.Name == c.Name }) {
			p.conn.FlushChain(&nftables.Chain{Table: p.table, Name: c.Name})
		}
		p.rules(c)
	}
	for _, s := range d.dropItems {
		p.items(s, p.conn.SetDeleteElements)
	}
	for _, s := range d.addItems {
		p.items(s, p.conn.SetAddElements)
	}
	for _, c := range d.emptyChains {
		p.conn.FlushChain(&nftables.Chain{Table: p.table, Name: c.Name})
	}
	for _, c := range d.emptyChains {
		p.conn.DelChain(&nftables.Chain{Table: p.table, Name: c.Name})
	}
	for _, s := range d.oldSets {
		p.conn.DelSet(p.set(s))
	}
}

func (p *program) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

var fieldTypes = map[Field]nftables.SetDatatype{
	InDev: nftables.TypeIFName, OutDev: nftables.TypeIFName,
	Source: nftables.TypeIPAddr, Dest: nftables.TypeIPAddr, Mark: nftables.TypeMark,
}

var kindTypes = map[Kind]nftables.SetDatatype{
	KindVerdict: nftables.TypeVerdict, KindAddress: nftables.TypeIPAddr, KindMark: nftables.TypeMark,
}

func (p *program) set(s Set) *nftables.Set {
	n := &nftables.Set{Table: p.table, Name: s.Name, KeyType: fieldTypes[s.Key[0]], IsMap: s.Value != KindNone, DataType: kindTypes[s.Value]}
	if s.Key[0] != Source && s.Key[0] != Dest {
		n.KeyByteOrder = binaryutil.NativeEndian // so that nft prints it readably
	}
	if len(s.Key) > 1 {
		types := make([]nftables.SetDatatype, len(s.Key))
		for i, f := range s.Key {
			types[i] = fieldTypes[f]
		}
		n.KeyType, n.Concatenation = nftables.MustConcatSetType(types...), true
	}
	return n
}

func (p *program) newSet(s Set) {
	n := p.set(s)
	p.ids++
	n.ID = p.ids // unique in the transaction; the library's own counter is not safe between connections
	if err := p.conn.AddSet(n, nil); err != nil {
		p.fail("add set %s: %w", s.Name, err)
	}
}

var hooks = map[string]*nftables.ChainHook{
	"prerouting": nftables.ChainHookPrerouting, "input": nftables.ChainHookInput, "forward": nftables.ChainHookForward,
	"output": nftables.ChainHookOutput, "postrouting": nftables.ChainHookPostrouting,
}

func (p *program) newChain(c Chain) {
	n := &nftables.Chain{Table: p.table, Name: c.Name}
	if c.Hook != "" {
		policy := nftables.ChainPolicyAccept
		if c.Drop {
			policy = nftables.ChainPolicyDrop
		}
		n.Hooknum, n.Priority, n.Policy, n.Type = hooks[c.Hook], nftables.ChainPriorityRef(
			nftables.ChainPriority(c.Priority),
		), &policy, nftables.ChainTypeFilter
		if c.NAT {
			n.Type = nftables.ChainTypeNAT
		}
	}
	p.conn.AddChain(n)
}

func (p *program) rules(c Chain) {
	for _, r := range c.Rules {
		var es []expr.Any
		for _, t := range r {
			e, err := t.exprs()
			if err != nil {
				p.fail("chain %s, rule %q: %w", c.Name, r, err)
			}
			es = append(es, e...)
		}
		p.conn.AddRule(&nftables.Rule{Table: p.table, Chain: &nftables.Chain{Table: p.table, Name: c.Name}, Exprs: es})
	}
}

func (p *program) items(s Set, do func(*nftables.Set, []nftables.SetElement) error) {
	keys := slices.Sorted(maps.Keys(s.Elements))
	for chunk := range slices.Chunk(keys, itemsPerMessage) {
		es := make([]nftables.SetElement, 0, len(chunk))
		for _, k := range chunk {
			e, err := element(s, k, s.Elements[k])
			if err != nil {
				p.fail("set %s: %w", s.Name, err)
				return
			}
			es = append(es, e)
		}
		if err := do(p.set(s), es); err != nil {
			p.fail("set %s: %w", s.Name, err)
		}
	}
}

func element(s Set, key, value string) (nftables.SetElement, error) {
	var e nftables.SetElement
	parts := strings.Split(key, " . ")
	if len(parts) != len(s.Key) {
		return e, fmt.Errorf("key %q does not have %d parts", key, len(s.Key))
	}
	for i, f := range s.Key {
		b, err := f.bytes(parts[i])
		if err != nil {
			return e, err
		}
		e.Key = append(e.Key, b...)
	}
	var err error
	switch s.Value {
	case KindVerdict:
		e.VerdictData, err = parseVerdict(value)
	case KindAddress:
		e.Val, err = Source.bytes(value)
	case KindMark:
		e.Val, err = Mark.bytes(value)
	case KindNone: // a set: the key is all
	}
	return e, err
}

// bytes is a value of the field as it lies in a register.
func (f Field) bytes(s string) ([]byte, error) {
	switch f {
	case InDev, OutDev:
		if len(s) >= unix.IFNAMSIZ {
			return nil, fmt.Errorf("device name %q is too long", s)
		}
		return append([]byte(s), make([]byte, unix.IFNAMSIZ-len(s))...), nil
	case Mark:
		n, err := strconv.ParseUint(s, 10, 32)
		return binary.NativeEndian.AppendUint32(nil, uint32(n)), err
	default:
		a, err := netip.ParseAddr(s)
		if err != nil || !a.Is4() {
			return nil, fmt.Errorf("address %q is not an IPv4 address", s)
		}
		return a.AsSlice(), nil
	}
}

func parseVerdict(s string) (*expr.Verdict, error) {
	what, chain, _ := strings.Cut(s, " ")
	switch what {
	case "accept":
		return &expr.Verdict{Kind: expr.VerdictAccept}, nil
	case "drop":
		return &expr.Verdict{Kind: expr.VerdictDrop}, nil
	case "jump":
		return &expr.Verdict{Kind: expr.VerdictJump, Chain: chain}, nil
	case "goto":
		return &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain}, nil
	}
	return nil, fmt.Errorf("verdict %q is not known", s)
}

// wordRegister is the n-th 32-bit register; words 0 to 3 are register 1.
func wordRegister(n uint32) uint32 {
	if n == 0 {
		return unix.NFT_REG_1
	}
	return unix.NFT_REG32_00 + n
}

// load reads a field into the register that starts at a word and returns how
// many words it fills.
func (f Field) load(word uint32) (expr.Any, uint32) {
	reg := wordRegister(word)
	switch f {
	case InDev:
		return &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: reg}, 4
	case OutDev:
		return &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg}, 4
	case Mark:
		return &expr.Meta{Key: expr.MetaKeyMARK, Register: reg}, 1
	case Source:
		return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}, 1
	default:
		return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}, 1
	}
}

func (t Term) exprs() ([]expr.Any, error) {
	equal := expr.CmpOpEq
	if t.not {
		equal = expr.CmpOpNeq
	}
	switch t.op {
	case opCompare:
		b, err := t.field.bytes(t.name)
		load, _ := t.field.load(0)
		return []expr.Any{load, &expr.Cmp{Op: equal, Register: 1, Data: b}}, err
	case opPrefix:
		return inPrefix(t.field, t.prefix), nil
	case opMember:
		var es []expr.Any
		var word uint32
		for _, f := range t.fields {
			load, words := f.load(word)
			es, word = append(es, load), word+words
		}
		return append(es, &expr.Lookup{SourceRegister: 1, SetName: t.name, Invert: t.not}), nil
	case opProtocol:
		return []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(t.lo)}},
		}, nil
	case opPorts:
		return inPorts(t.lo, t.hi), nil
	case opICMP:
		es := transportByte(0, t.lo)
		if t.hi >= 0 {
			es = append(es, transportByte(1, t.hi)...)
		}
		return es, nil
	case opState:
		return inBits(expr.CtKeySTATE, uint32(t.lo)), nil
	case opTranslated:
		return inBits(expr.CtKeySTATUS, destTranslated), nil
	case opVerdict:
		v, err := parseVerdict(t.name)
		return []expr.Any{v}, err
	default:
		return t.actions()
	}
}

// actions are the terms that change the packet or its way.
func (t Term) actions() ([]expr.Any, error) {
	if t.op == opMasquerade {
		return []expr.Any{&expr.Masq{}}, nil
	}
	if t.op == opSource {
		return []expr.Any{&expr.Immediate{Register: 1, Data: t.prefix.Addr().AsSlice()}, nat(expr.NATTypeSourceNAT)}, nil
	}
	if t.op == opDest {
		to := &expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2, Specified: true}
		return []expr.Any{
			&expr.Immediate{Register: 1, Data: t.prefix.Addr().AsSlice()},
			&expr.Immediate{Register: 2, Data: binary.BigEndian.AppendUint16(nil, uint16(t.lo))}, to,
		}, nil
	}
	load, _ := t.field.load(0)
	found := &expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: t.name}
	switch t.op {
	case opVerdictBy:
		found.DestRegister = unix.NFT_REG_VERDICT
		return []expr.Any{load, found}, nil
	case opMarkBy:
		return []expr.Any{load, found, &expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1}}, nil
	case opSourceBy:
		return []expr.Any{load, found, nat(expr.NATTypeSourceNAT)}, nil
	case opDestBy:
		return []expr.Any{load, found, nat(expr.NATTypeDestNAT)}, nil
	default:
		return nil, fmt.Errorf("term %q is not known", t.text)
	}
}

func nat(t expr.NATType) expr.Any {
	return &expr.NAT{Type: t, Family: unix.NFPROTO_IPV4, RegAddrMin: 1}
}

func inPrefix(f Field, p netip.Prefix) []expr.Any {
	if p.Bits() == 0 {
		return nil
	}
	load, _ := f.load(0)
	es := []expr.Any{load}
	if p.Bits() < 32 {
		mask := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-p.Bits()))
		es = append(es, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)})
	}
	return append(es, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()})
}

func inPorts(lo, hi int) []expr.Any {
	load := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}
	from, to := binary.BigEndian.AppendUint16(nil, uint16(lo)), binary.BigEndian.AppendUint16(nil, uint16(hi))
	if lo == hi {
		return []expr.Any{load, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: from}}
	}
	return []expr.Any{load, &expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: from}, &expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: to}}
}

func transportByte(offset uint32, value int) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(value)}},
	}
}

// destTranslated is IPS_DST_NAT of the kernel's connection tracking.
const destTranslated = 1 << 5

func inBits(of expr.CtKey, bits uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: of, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binary.NativeEndian.AppendUint32(nil, bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}
