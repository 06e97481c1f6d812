package template

import (
	"slices"
	"strings"
)

// connect finds what each resource waits for, and an order; it refuses
// circles.
func (b *Bound) connect() error {
	for _, r := range b.active {
		deps, err := b.references(r)
		if err != nil {
			return err
		}
		b.deps[r.ID] = deps
	}
	if _, err := b.OutputValues(Nothing); err != nil {
		return err
	}
	ids := make([]string, len(b.active))
	for i, r := range b.active {
		ids[i] = r.ID
	}
	order, circle := Sort(ids, b.deps)
	if len(circle) > 0 {
		return invalid("Circular dependency between resources: [%s]", strings.Join(circle, ", "))
	}
	b.order = order
	return nil
}

// references evaluates a resource's properties and metadata, and notes what
// they ask for.
func (b *Bound) references(r Resource) ([]string, error) {
	var deps []string
	look := func(id, _ string) (any, bool) {
		deps = append(deps, id)
		return nil, false
	}
	if r.properties != nil {
		if _, err := b.eval(r.properties, look); err != nil {
			return nil, err
		}
	}
	if _, err := b.told(r.metadata, look); err != nil {
		return nil, err
	}
	for _, d := range r.DependsOn {
		if _, ok := b.index[d]; ok {
			deps = append(deps, d)
		}
	}
	slices.Sort(deps)
	return slices.Compact(deps), nil
}

// Sort orders ids so that each follows what it depends on, keeping the given
// order where it is free. circle lists the members of the circles, if any.
func Sort(ids []string, deps map[string][]string) (order, circle []string) {
	done, here := map[string]bool{}, map[string]bool{}
	for _, id := range ids {
		here[id] = true
	}
	for len(order) < len(ids) {
		before := len(order)
		for _, id := range ids {
			if !done[id] && !slices.ContainsFunc(deps[id], func(d string) bool { return here[d] && !done[d] }) {
				done[id] = true
				order = append(order, id)
			}
		}
		if len(order) == before {
			return order, inCircles(ids, deps, done)
		}
	}
	return order, nil
}

// inCircles drops, of what could not be ordered, what only waits for a circle.
func inCircles(ids []string, deps map[string][]string, done map[string]bool) []string {
	var out []string
	for _, id := range ids {
		if !done[id] && Reaches(id, id, deps) {
			out = append(out, id)
		}
	}
	return out
}

// Reaches reports whether to is found by following dependencies from from.
func Reaches(from, to string, deps map[string][]string) bool {
	seen := map[string]bool{}
	todo := slices.Clone(deps[from])
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if id == to {
			return true
		}
		if !seen[id] {
			seen[id] = true
			todo = append(todo, deps[id]...)
		}
	}
	return false
}
