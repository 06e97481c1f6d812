package kernel

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Filter is the packet filter of a namespace: one nftables table of the
// family ip. Chains and sets are found by name.
type Filter struct {
	Chains []Chain
	Sets   []Set
}

// Chain is a list of rules; with a Hook it is where packets come in.
type Chain struct {
	Name     string
	Hook     string // prerouting, input, forward, output, postrouting, or ""
	NAT      bool   // the hook is for address translation
	Priority int32
	Drop     bool // what the hook does with a packet that no rule decides
	Rules    []FilterRule
}

// FilterRule is tested from left to right and acts when all terms hold.
type FilterRule []Term

// Set is a set of keys, or a map if it has a Value.
type Set struct {
	Name     string
	Key      []Field
	Value    Kind // KindNone for a set
	Elements map[string]string
}

// Field is a part of a packet.
type Field string

// The fields that terms can test.
const (
	InDev  Field = "iifname"
	OutDev Field = "oifname"
	Source Field = "ip saddr"
	Dest   Field = "ip daddr"
	Mark   Field = "mark"
)

// Kind is the kind of a map's values.
type Kind string

// The kinds of values. A verdict is written "accept", "drop", "jump CHAIN" or
// "goto CHAIN".
const (
	KindNone    Kind = ""
	KindVerdict Kind = "verdict"
	KindAddress Kind = "ipv4"
	KindMark    Kind = "mark"
)

// Term is one test or action of a rule. Equal text means an equal term.
type Term struct {
	text string
	op   op
	// operands; which of them count depends on op
	field  Field
	fields []Field
	name   string
	prefix netip.Prefix
	not    bool
	lo, hi int
}

type op int

const (
	opCompare op = iota
	opPrefix
	opMember
	opProtocol
	opPorts
	opICMP
	opState
	opVerdict
	opVerdictBy
	opMarkBy
	opSource
	opSourceBy
	opDestBy
	opDest
	opTranslated
	opMasquerade
)

// Is tests a device name or a mark (a decimal number).
func Is(f Field, value string) Term {
	return Term{text: fmt.Sprintf("%s %s", f, value), op: opCompare, field: f, name: value}
}

// IsNot is the opposite of Is.
func IsNot(f Field, value string) Term {
	return Term{text: fmt.Sprintf("%s != %s", f, value), op: opCompare, field: f, name: value, not: true}
}

// In tests an address against a prefix.
func In(f Field, p netip.Prefix) Term {
	return Term{text: fmt.Sprintf("%s %s", f, p), op: opPrefix, field: f, prefix: p}
}

// Member tests the joined fields against a set.
func Member(set string, fields ...Field) Term {
	return Term{text: fmt.Sprintf("%s @%s", join(fields), set), op: opMember, name: set, fields: fields}
}

// NotMember is the opposite of Member.
func NotMember(set string, fields ...Field) Term {
	return Term{text: fmt.Sprintf("%s != @%s", join(fields), set), op: opMember, name: set, fields: fields, not: true}
}

// Protocol tests the IP protocol.
func Protocol(n int) Term {
	return Term{text: fmt.Sprintf("ip protocol %d", n), op: opProtocol, lo: n}
}

// Ports tests the destination port of TCP or UDP, both ends included.
func Ports(lo, hi int) Term {
	if lo == hi {
		return Term{text: fmt.Sprintf("dport %d", lo), op: opPorts, lo: lo, hi: hi}
	}
	return Term{text: fmt.Sprintf("dport %d-%d", lo, hi), op: opPorts, lo: lo, hi: hi}
}

// ICMP tests type and code; a code of -1 is any.
func ICMP(typ, code int) Term {
	if code < 0 {
		return Term{text: fmt.Sprintf("icmp type %d", typ), op: opICMP, lo: typ, hi: -1}
	}
	return Term{text: fmt.Sprintf("icmp type %d code %d", typ, code), op: opICMP, lo: typ, hi: code}
}

// The states of connection tracking, as bits.
const (
	StateInvalid     = 1
	StateEstablished = 2
	StateRelated     = 4
)

// State tests the connection tracking state: any of the bits.
func State(bits int) Term {
	var s []string
	for _, v := range []struct {
		bit  int
		name string
	}{{StateInvalid, "invalid"}, {StateEstablished, "established"}, {StateRelated, "related"}} {
		if bits&v.bit != 0 {
			s = append(s, v.name)
		}
	}
	return Term{text: "ct state " + strings.Join(s, ","), op: opState, lo: bits}
}

// Translated tests whether the packet's flow was given another destination.
func Translated() Term { return Term{text: "ct status dnat", op: opTranslated} }

// Accept lets the packet through this hook.
func Accept() Term { return verdict("accept") }

// Drop drops the packet.
func Drop() Term { return verdict("drop") }

// Jump goes to another chain and comes back if that decides nothing.
func Jump(chain string) Term { return verdict("jump " + chain) }

// Goto goes to another chain and does not come back.
func Goto(chain string) Term { return verdict("goto " + chain) }

func verdict(s string) Term { return Term{text: s, op: opVerdict, name: s} }

// VerdictBy looks the verdict up in a map; no entry, no verdict.
func VerdictBy(f Field, set string) Term {
	return Term{text: fmt.Sprintf("%s vmap @%s", f, set), op: opVerdictBy, field: f, name: set}
}

// MarkBy marks the packet with the map's value for the field.
func MarkBy(f Field, set string) Term {
	return Term{text: fmt.Sprintf("mark set %s map @%s", f, set), op: opMarkBy, field: f, name: set}
}

// SourceNAT gives the packet another source address.
func SourceNAT(a netip.Addr) Term {
	return Term{text: "snat to " + a.String(), op: opSource, prefix: netip.PrefixFrom(a, a.BitLen())}
}

// Masquerade gives the packet the address of the device that it leaves by.
func Masquerade() Term { return Term{text: "masquerade", op: opMasquerade} }

// SourceNATBy looks the new source up in a map by the old one.
func SourceNATBy(set string) Term {
	return Term{text: "snat to ip saddr map @" + set, op: opSourceBy, field: Source, name: set}
}

// DestNATBy looks the new destination up in a map by the old one.
func DestNATBy(set string) Term {
	return Term{text: "dnat to ip daddr map @" + set, op: opDestBy, field: Dest, name: set}
}

// DestNAT gives a packet of TCP or UDP another destination.
func DestNAT(a netip.AddrPort) Term {
	return Term{text: "dnat to " + a.String(), op: opDest, prefix: netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), lo: int(a.Port())}
}

func join(fields []Field) string {
	s := make([]string, len(fields))
	for i, f := range fields {
		s[i] = string(f)
	}
	return strings.Join(s, " . ")
}

// Key joins the parts of a set's key.
func Key(parts ...string) string { return strings.Join(parts, " . ") }

// String prints the rule.
func (r FilterRule) String() string {
	s := make([]string, len(r))
	for i, t := range r {
		s[i] = t.text
	}
	return strings.Join(s, " ")
}

// String prints the filter, much as nft does.
func (f Filter) String() string {
	var b strings.Builder
	for _, s := range sortedBy(f.Sets, func(s Set) string { return s.Name }) {
		s.print(&b)
	}
	for _, c := range sortedBy(f.Chains, func(c Chain) string { return c.Name }) {
		c.print(&b)
	}
	return b.String()
}

func (s Set) print(b *strings.Builder) {
	kind := "set"
	if s.Value != KindNone {
		kind = "map"
	}
	fmt.Fprintf(b, "%s %s\n", kind, s.Name)
	for _, k := range slices.Sorted(maps.Keys(s.Elements)) {
		if s.Value == KindNone {
			fmt.Fprintf(b, "  %s\n", k)
		} else {
			fmt.Fprintf(b, "  %s : %s\n", k, s.Elements[k])
		}
	}
}

func (c Chain) print(b *strings.Builder) {
	fmt.Fprintf(b, "chain %s", c.Name)
	if c.Hook != "" {
		policy, kind := "accept", "filter"
		if c.Drop {
			policy = "drop"
		}
		if c.NAT {
			kind = "nat"
		}
		fmt.Fprintf(b, " (%s %s %d, else %s)", kind, c.Hook, c.Priority, policy)
	}
	b.WriteByte('\n')
	for _, r := range c.Rules {
		fmt.Fprintf(b, "  %s\n", r)
	}
}

// Revision names the filter's content.
func (f Filter) Revision() string {
	h := sha256.Sum256([]byte(f.String()))
	return hex.EncodeToString(h[:10])
}

func sortedBy[T any](in []T, key func(T) string) []T {
	out := slices.Clone(in)
	slices.SortFunc(out, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	return out
}

// changes is the difference between two filters, in the order in which it
// must be made within one transaction.
type changes struct {
	newSets     []Set // without elements
	newChains   []Chain
	rewrite     []Chain // flush, then add the rules
	dropItems   []Set   // elements to delete
	addItems    []Set   // elements to add
	emptyChains []Chain // about to be deleted
	oldSets     []Set
}

func difference(old, want Filter) changes {
	var d changes
	had := map[string]Set{}
	for _, s := range old.Sets {
		had[s.Name] = s
	}
	for _, s := range sortedBy(want.Sets, func(s Set) string { return s.Name }) {
		was, ok := had[s.Name]
		delete(had, s.Name)
		if !ok {
			d.newSets = append(d.newSets, s)
		}
		gone, come := s, s
		gone.Elements, come.Elements = map[string]string{}, map[string]string{}
		for k, v := range was.Elements {
			if now, ok := s.Elements[k]; !ok || now != v {
				gone.Elements[k] = v
			}
		}
		for k, v := range s.Elements {
			if before, ok := was.Elements[k]; !ok || before != v {
				come.Elements[k] = v
			}
		}
		if len(gone.Elements) > 0 {
			d.dropItems = append(d.dropItems, gone)
		}
		if len(come.Elements) > 0 {
			d.addItems = append(d.addItems, come)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(had)) {
		d.oldSets = append(d.oldSets, had[name])
	}
	d.chains(old, want)
	return d
}

func (d *changes) chains(old, want Filter) {
	had := map[string]Chain{}
	for _, c := range old.Chains {
		had[c.Name] = c
	}
	for _, c := range sortedBy(want.Chains, func(c Chain) string { return c.Name }) {
		was, ok := had[c.Name]
		delete(had, c.Name)
		if !ok {
			d.newChains = append(d.newChains, c)
		}
		if !slices.EqualFunc(was.Rules, c.Rules, func(a, b FilterRule) bool { return a.String() == b.String() }) {
			d.rewrite = append(d.rewrite, c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(had)) {
		d.emptyChains = append(d.emptyChains, had[name])
	}
}

func (d changes) none() bool {
	return len(d.newSets)+len(d.newChains)+len(d.rewrite)+len(d.dropItems)+len(d.addItems)+len(d.emptyChains)+len(d.oldSets) == 0
}
