package template

import (
	"strconv"
	"strings"
)

// forEach begins the keys of loops under AWS::LanguageExtensions.
const forEach = "Fn::ForEach::"

func (b *Bound) length(arg *Node, look Lookup) (any, error) {
	v, err := b.eval(arg, look)
	if err != nil {
		return nil, err
	}
	if u, ok := v.(Unknown); ok {
		return u, nil
	}
	items, ok := v.([]any)
	if !ok {
		return nil, broken("every Fn::Length object requires a list as its parameter")
	}
	return Scalar(strconv.Itoa(len(items))), nil
}

func (b *Bound) toJSON(arg *Node, look Lookup) (any, error) {
	v, err := b.eval(arg, look)
	if err != nil {
		return nil, err
	}
	if u, ok := UnknownIn(v); ok {
		return u, nil
	}
	switch v.(type) {
	case []any, map[string]any:
		return canonical(Settle(v)), nil
	default:
		return nil, broken("every Fn::ToJsonString object requires an object or an array as its parameter")
	}
}

func hasLoops(n *Node) bool {
	found := false
	n.walk(func(m *Node) bool {
		for _, k := range m.Keys {
			found = found || strings.HasPrefix(k, forEach)
		}
		return !found
	})
	return found
}

// unroll writes the loops out and reads the sections then.
func (t *Template) unroll(values map[string]any) (*Template, error) {
	u := &unroller{values: values, left: 20_000}
	root, err := u.node(t.root, nil)
	if err != nil {
		return nil, err
	}
	n := *t
	n.loops = false
	return &n, n.body(root)
}

type unroller struct {
	values map[string]any
	left   int // nodes that may still be made
}

// node copies n, with loop variables replaced and loops written out.
func (u *unroller) node(n *Node, vars map[string]string) (*Node, error) {
	if u.left--; u.left < 0 {
		return nil, broken("Fn::ForEach makes the template too large")
	}
	if name, ok := n.Get("Ref").string(); ok && len(n.Keys) == 1 {
		if v, bound := vars[name]; bound {
			return &Node{Kind: Text, Text: v, Line: n.Line, Col: n.Col}, nil
		}
	}
	c := &Node{Kind: n.Kind, Text: substitute(n.Text, vars), Plain: n.Plain, Line: n.Line, Col: n.Col}
	for i, it := range n.Items {
		if n.Kind == Map && strings.HasPrefix(n.Keys[i], forEach) {
			if err := u.loop(c, n.Keys[i], it, vars); err != nil {
				return nil, err
			}
			continue
		}
		v, err := u.node(it, vars)
		if err != nil {
			return nil, err
		}
		if n.Kind == Map {
			c.set(substitute(n.Keys[i], vars), v)
		} else {
			c.Items = append(c.Items, v)
		}
	}
	return c, nil
}

func substitute(s string, vars map[string]string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	for k, v := range vars {
		s = strings.ReplaceAll(s, "${"+k+"}", v)
		s = strings.ReplaceAll(s, "&{"+k+"}", nonWord(v))
	}
	return s
}

// nonWord drops what may not stand in a logical id, as &{x} does.
func nonWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, s)
}

func (u *unroller) loop(into *Node, key string, n *Node, vars map[string]string) error {
	if n.Kind != List || len(n.Items) != 3 || n.Items[2].Kind != Map {
		return broken("%s requires a list of three: an identifier, a collection and a map with an output key", key)
	}
	name, ok := n.Items[0].string()
	if !ok {
		return broken("%s requires an identifier as its first parameter", key)
	}
	items, err := u.collection(key, n.Items[1], vars)
	if err != nil {
		return err
	}
	for _, item := range items {
		inner := map[string]string{name: item}
		for k, v := range vars {
			if k != name {
				inner[k] = v
			}
		}
		made, err := u.node(n.Items[2], inner)
		if err != nil {
			return err
		}
		for i, k := range made.Keys {
			if into.Get(k) != nil {
				return broken("%s makes the key %s twice", key, k)
			}
			into.set(k, made.Items[i])
		}
	}
	return nil
}

func (u *unroller) collection(key string, n *Node, vars map[string]string) ([]string, error) {
	n, err := u.node(n, vars)
	if err != nil {
		return nil, err
	}
	if name, ok := n.Get("Ref").string(); ok {
		items, isList := u.values[name].([]any)
		if !isList {
			return nil, broken("%s: %s is not a list parameter", key, name)
		}
		return texts(items), nil
	}
	if n.Kind != List {
		return nil, broken("%s requires a list as its second parameter", key)
	}
	var out []string
	for _, it := range n.Items {
		if name, ok := it.Get("Ref").string(); ok {
			switch v := u.values[name].(type) {
			case string:
				out = append(out, v)
			case []any:
				out = append(out, texts(v)...)
			default:
				return nil, broken("%s: %s is not a parameter", key, name)
			}
			continue
		}
		if it.Kind != Text {
			return nil, broken("%s requires a list of strings as its second parameter", key)
		}
		out = append(out, scalarText(it))
	}
	return out, nil
}

func texts(items []any) []string {
	out := make([]string, len(items))
	for i := range items {
		out[i], _ = Flat(items[i])
	}
	return out
}
