package template

import (
	"slices"
	"strconv"
	"strings"
)

// ParametersOf names the template's parameters that a property of a resource
// is written with, sorted.
func (b *Bound) ParametersOf(id, property string) []string {
	i, ok := b.index[id]
	if !ok {
		return nil
	}
	var out []string
	namesIn(b.active[i].properties.Get(property), func(name string) {
		if _, ok := b.values[name]; ok {
			out = append(out, name)
		}
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// namesIn tells every name that Ref and Fn::Sub mean in an expression.
func namesIn(n *Node, tell func(string)) {
	if n == nil {
		return
	}
	if ref := n.Get("Ref"); ref != nil {
		tell(ref.Text)
	}
	if sub := n.Get("Fn::Sub"); sub != nil {
		if body, vars, err := subParts(sub); err == nil {
			names, _ := subNames(body)
			for _, name := range names {
				if vars.Get(name) == nil {
					tell(name)
				}
			}
		}
	}
	for _, it := range n.Items {
		namesIn(it, tell)
	}
}

// Certain are the active resources that no parameter changes: neither a
// parameter nor a condition is in what they, and all that they depend on, are
// written with.
func (b *Bound) Certain() map[string]bool {
	out := map[string]bool{}
	for _, id := range b.order {
		r := b.active[b.index[id]]
		fixed := r.Condition == "" && !slices.ContainsFunc(b.deps[id], func(d string) bool { return !out[d] })
		namesIn(r.properties, func(name string) {
			if _, parameter := b.values[name]; parameter {
				fixed = false
			}
		})
		r.properties.walk(func(n *Node) bool {
			if name, _, ok := n.call(); ok && name == "Fn::If" {
				fixed = false
			}
			return fixed
		})
		out[id] = fixed
	}
	return out
}

// Example is a value that the parameter's own declaration takes: its default,
// if it has one. ok is false where none is found.
func (p Parameter) Example() (value string, ok bool) {
	var tries []string
	if p.Default != nil {
		tries = append(tries, *p.Default)
	}
	tries = append(tries, p.AllowedValues...)
	if p.MinValue != nil {
		tries = append(tries, strconv.FormatFloat(*p.MinValue, 'f', -1, 64))
	}
	if p.MinLength != nil && *p.MinLength <= maxExample {
		tries = append(tries, strings.Repeat("a", int(*p.MinLength)))
	}
	tries = append(tries, "a", "1", "10.0.0.0/16", "")
	i := slices.IndexFunc(tries, func(v string) bool { return p.Check(v) == nil })
	if i < 0 {
		return "", false
	}
	return tries[i], true
}

// maxExample is how long an example is made.
const maxExample = 4096
