// Package constraint reads the cluster query language of placement
// expressions, for example
//
//	attribute:ecs.instance-type =~ c6.* and not (task:group == service:web)
//
// and evaluates them. It owns the grammar and nothing else: what a subject's
// value is comes from the caller, and it looks nothing up. Placement and the
// API's validation call it. An Expr never changes and may be shared.
package constraint

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Lookup gives the values of a subject such as attribute:ecs.instance-type,
// agentConnected or task:group; none if the instance has no such thing.
type Lookup func(subject string) []string

// Expr is a parsed expression.
type Expr struct{ root node }

// Match reports whether an instance satisfies the expression. The zero Expr
// is satisfied by everything.
func (e Expr) Match(look Lookup) bool { return e.root == nil || e.root.match(look) }

// String writes the expression in one canonical form, which parses to an
// equal expression.
func (e Expr) String() string {
	if e.root == nil {
		return ""
	}
	return e.root.String()
}

// Subjects lists the subjects that the expression asks about, sorted.
func (e Expr) Subjects() []string {
	var out []string
	if e.root != nil {
		e.root.subjects(func(s string) { out = append(out, s) })
	}
	slices.Sort(out)
	return slices.Compact(out)
}

type node interface {
	match(Lookup) bool
	subjects(func(string))
	String() string
}

type both struct{ a, b node }
type either struct{ a, b node }
type negated struct{ a node }

func (n both) match(l Lookup) bool    { return n.a.match(l) && n.b.match(l) }
func (n either) match(l Lookup) bool  { return n.a.match(l) || n.b.match(l) }
func (n negated) match(l Lookup) bool { return !n.a.match(l) }

func (n both) subjects(f func(string))    { n.a.subjects(f); n.b.subjects(f) }
func (n either) subjects(f func(string))  { n.a.subjects(f); n.b.subjects(f) }
func (n negated) subjects(f func(string)) { n.a.subjects(f) }

func (n both) String() string    { return "(" + n.a.String() + " and " + n.b.String() + ")" }
func (n either) String() string  { return "(" + n.a.String() + " or " + n.b.String() + ")" }
func (n negated) String() string { return "not " + n.a.String() }

// test is one comparison. op is the symbol of the operator.
type test struct {
	subject string
	op      string
	args    []string
	pattern *regexp.Regexp
}

func (t test) subjects(f func(string)) { f(t.subject) }

// match: a subject without a value equals nothing, so that only the negative
// operators hold for it.
func (t test) match(look Lookup) bool {
	vs := look(t.subject)
	switch t.op {
	case "exists":
		return len(vs) > 0
	case "!exists":
		return len(vs) == 0
	case "==", "in":
		return t.any(vs, func(v string) bool { return slices.Contains(t.args, v) })
	case "!=", "!in":
		return !t.any(vs, func(v string) bool { return slices.Contains(t.args, v) })
	case "=~":
		return t.any(vs, t.pattern.MatchString)
	case "!~":
		return !t.any(vs, t.pattern.MatchString)
	case ">":
		return t.any(vs, func(v string) bool { return compare(v, t.args[0]) > 0 })
	case ">=":
		return t.any(vs, func(v string) bool { return compare(v, t.args[0]) >= 0 })
	case "<":
		return t.any(vs, func(v string) bool { return compare(v, t.args[0]) < 0 })
	default: // <=
		return t.any(vs, func(v string) bool { return compare(v, t.args[0]) <= 0 })
	}
}

func (t test) any(vs []string, f func(string) bool) bool { return slices.ContainsFunc(vs, f) }

// String quotes every argument, so that none can be taken for a word of the
// language.
func (t test) String() string {
	switch t.op {
	case "exists", "!exists":
		return t.subject + " " + t.op
	case "in", "!in":
		q := make([]string, len(t.args))
		for i, a := range t.args {
			q[i] = quote(a)
		}
		return t.subject + " " + t.op + " [" + strings.Join(q, ", ") + "]"
	default:
		return t.subject + " " + t.op + " " + quote(t.args[0])
	}
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// compare orders two values: as numbers, as times, as dotted versions, else
// as text.
func compare(a, b string) int {
	if x, err := strconv.ParseFloat(a, 64); err == nil {
		if y, err := strconv.ParseFloat(b, 64); err == nil {
			return cmp.Compare(x, y)
		}
	}
	if x, err := time.Parse(time.RFC3339, a); err == nil {
		if y, err := time.Parse(time.RFC3339, b); err == nil {
			return x.Compare(y)
		}
	}
	x, xok := version(a)
	y, yok := version(b)
	if xok && yok {
		return slices.Compare(x, y)
	}
	return strings.Compare(a, b)
}

func version(s string) ([]int, bool) {
	var out []int
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}
