package template

import "slices"

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
