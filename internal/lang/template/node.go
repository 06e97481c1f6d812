package template

import (
	"fmt"
	"strings"

	"berth/internal/fault"
)

// Kind is the kind of a Node.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Text
	List
	Map
)

// Node is a piece of a template with its place in the body. Intrinsic
// functions are maps with one key, whichever way they were written.
type Node struct {
	Kind Kind
	// Text is a scalar as it was written; Plain says that it was neither
	// quoted nor anything but a number or a boolean.
	Text  string
	Plain bool
	// Keys are a map's keys in order; Items its values, or a list's.
	Keys  []string
	Items []*Node

	Line, Col int
}

// Get finds the value of a key of a map, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil || n.Kind != Map {
		return nil
	}
	for i := len(n.Keys) - 1; i >= 0; i-- {
		if n.Keys[i] == key {
			return n.Items[i]
		}
	}
	return nil
}

func (n *Node) set(key string, v *Node) {
	for i, k := range n.Keys {
		if k == key {
			n.Items[i] = v
			return
		}
	}
	n.Keys, n.Items = append(n.Keys, key), append(n.Items, v)
}

// call reports whether n is an intrinsic function, its name and argument.
func (n *Node) call() (name string, arg *Node, ok bool) {
	if n == nil || n.Kind != Map || len(n.Keys) != 1 {
		return "", nil, false
	}
	k := n.Keys[0]
	if k == "Ref" || strings.HasPrefix(k, "Fn::") && !strings.HasPrefix(k, forEach) {
		return k, n.Items[0], true
	}
	return "", nil, false
}

// string returns a scalar's text.
func (n *Node) string() (string, bool) {
	if n == nil || n.Kind != Text {
		return "", false
	}
	return n.Text, true
}

func (n *Node) where() string { return fmt.Sprintf("line %d, column %d", n.Line, n.Col) }

// walk visits n and everything below it; visit says whether to go deeper.
func (n *Node) walk(visit func(*Node) bool) {
	if n == nil || !visit(n) {
		return
	}
	for _, it := range n.Items {
		it.walk(visit)
	}
}

// plain turns a node into ordinary values without evaluating anything, for
// Metadata and the like.
func (n *Node) plain() any {
	switch {
	case n == nil || n.Kind == Null:
		return nil
	case n.Kind == Text:
		if n.Plain {
			return Scalar(n.Text).Natural()
		}
		return n.Text
	case n.Kind == List:
		out := make([]any, len(n.Items))
		for i, it := range n.Items {
			out[i] = it.plain()
		}
		return out
	default:
		out := make(map[string]any, len(n.Keys))
		for i, k := range n.Keys {
			out[k] = n.Items[i].plain()
		}
		return out
	}
}

// invalid is a ValidationError with CloudFormation's text.
func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "ValidationError", format, args...)
}

// malformed is a ValidationError that begins with "Template format error: ".
func malformed(format string, args ...any) error {
	return invalid("Template format error: "+format, args...)
}

// broken is a ValidationError that begins with "Template error: ".
func broken(format string, args ...any) error {
	return invalid("Template error: "+format, args...)
}

func text(s string) *Node { return &Node{Kind: Text, Text: s} }

func mapping(key string, v *Node) *Node {
	return &Node{Kind: Map, Keys: []string{key}, Items: []*Node{v}, Line: v.Line, Col: v.Col}
}
