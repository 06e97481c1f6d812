package wire

import (
	"cmp"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"berth/internal/fault"
)

// node is a form's parameters as a tree: A.B.1=x is x below 1 below B below A.
type node struct {
	value string
	set   bool
	kids  map[string]*node
}

// maxDepth bounds how deep a caller can make us nest.
const maxDepth = 40

func (n *node) put(key, value string) bool {
	parts := strings.Split(key, ".")
	if len(parts) > maxDepth {
		return false
	}
	for _, p := range parts {
		if n.kids == nil {
			n.kids = map[string]*node{}
		}
		k := n.kids[p]
		if k == nil {
			k = &node{}
			n.kids[p] = k
		}
		n = k
	}
	n.value, n.set = value, true
	return true
}

// form decodes the parameters of the query protocols.
func (f *filler) form(s *Shape, in any, values url.Values) error {
	root := &node{}
	for k, v := range values {
		if k == "Action" || k == "Version" || strings.HasPrefix(k, "X-Amz-") || k == "AWSAccessKeyId" || len(v) == 0 {
			continue
		}
		if !root.put(k, v[0]) {
			return fault.New(fault.Invalid, "MalformedQueryString", "The query string contains a syntax error: %s", k[:min(len(k), 64)])
		}
	}
	f.loose, f.byName = true, true
	tree := f.shaped(s, root, "", 0)
	slices.Sort(f.unknown)
	return f.typed(f.fill(s, reflect.ValueOf(in), tree, "", "iso8601"))
}

// formName is the name of a member in a form.
func (f *filler) formName(m *Member) string {
	if f.protocol == EC2 {
		if m.Query != "" {
			return m.Query
		}
		if m.Wire != "" {
			return upperFirst(m.Wire)
		}
		return upperFirst(m.Name)
	}
	return cmp.Or(m.Wire, m.Name)
}

// shaped turns a node into the tree that fill takes, by the shape it is for.
func (f *filler) shaped(s *Shape, n *node, path string, depth int) any {
	if depth > maxDepth {
		return nil
	}
	switch s.Kind {
	case Structure:
		return f.shapedStructure(s, n, path, depth)
	case List:
		return f.shapedList(s, n, path, depth)
	case Map:
		return f.shapedMap(s, n, path, depth)
	default:
		f.extra(n, path)
		return n.value
	}
}

func (f *filler) shapedStructure(s *Shape, n *node, path string, depth int) any {
	out := map[string]any{}
	used := map[string]bool{}
	for i := range s.Members {
		m := &s.Members[i]
		name := f.formName(m)
		k := n.kids[name]
		if k == nil && m.Shape.Kind == List && f.flat(m) && m.Shape.Elem.Wire != "" && f.protocol == Query {
			name = m.Shape.Elem.Wire
			k = n.kids[name]
		}
		if k == nil {
			continue
		}
		used[name] = true
		out[m.Name] = f.shaped(m.Shape, k, join(path, name), depth+1)
	}
	for k := range n.kids {
		if !used[k] {
			f.unknown = append(f.unknown, join(path, k))
		}
	}
	return out
}

func (f *filler) flat(m *Member) bool { return m.Flattened || m.Shape.Flattened }

// extra notes what is below a node that should be a plain value.
func (f *filler) extra(n *node, path string) {
	for k := range n.kids {
		f.unknown = append(f.unknown, join(path, k))
	}
}

func (f *filler) shapedList(s *Shape, n *node, path string, depth int) any {
	items := n
	if f.protocol == Query && !s.Flattened {
		name := cmp.Or(s.Elem.Wire, "member")
		if k := n.kids[name]; k != nil {
			items = k
		}
	}
	out := []any{}
	for _, k := range numbered(items) {
		out = append(out, f.shaped(s.Elem.Shape, items.kids[k], join(path, k), depth+1))
	}
	for k := range items.kids {
		if _, err := strconv.Atoi(k); err != nil {
			f.unknown = append(f.unknown, join(path, k))
		}
	}
	return out
}

// numbered lists the numeric children in order.
func numbered(n *node) []string {
	var keys []string
	for k := range n.kids {
		if _, err := strconv.Atoi(k); err == nil {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
	})
	return keys
}

func (f *filler) shapedMap(s *Shape, n *node, path string, depth int) any {
	entries := n
	if k := n.kids["entry"]; k != nil && !s.Flattened {
		entries = k
	}
	key, value := cmp.Or(s.Key.Wire, "key"), cmp.Or(s.Value.Wire, "value")
	out := map[string]any{}
	for _, k := range numbered(entries) {
		e := entries.kids[k]
		if e.kids[key] == nil || e.kids[value] == nil {
			f.unknown = append(f.unknown, join(path, k))
			continue
		}
		out[e.kids[key].value] = f.shaped(s.Value.Shape, e.kids[value], join(path, k), depth+1)
	}
	return out
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
