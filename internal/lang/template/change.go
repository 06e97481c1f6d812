package template

import (
	"maps"
	"slices"
	"strings"
)

// Recreation says whether a property's change replaces the resource.
type Recreation string

// The recreations.
const (
	Never         Recreation = "Never"
	Conditionally Recreation = "Conditionally"
	Always        Recreation = "Always"
)

// PropertyChange is one top-level property that differs.
type PropertyChange struct {
	Name       string
	Recreation Recreation
	Old, New   any // nil where the property is not set
	// Unknown is set where the new value hangs on resources yet to be made.
	Unknown *Unknown
}

// Changes compares the properties a resource has with those it should have,
// both coerced, sorted by name.
func (t *Type) Changes(old, updated map[string]any) []PropertyChange {
	names := slices.Collect(maps.Keys(old))
	names = slices.AppendSeq(names, maps.Keys(updated))
	slices.Sort(names)
	var out []PropertyChange
	for _, name := range slices.Compact(names) {
		o, n := old[name], updated[name]
		if canonical(o) == canonical(n) {
			continue
		}
		c := PropertyChange{Name: name, Recreation: t.recreation(name, o, n), Old: o, New: n}
		if u, ok := UnknownIn(n); ok {
			c.Unknown = &u
		}
		out = append(out, c)
	}
	return out
}

func (t *Type) recreation(name string, o, n any) Recreation {
	for _, path := range t.CreateOnly {
		if touches(path, name, o, n) {
			return Always
		}
	}
	if t.open && name != serviceTimeout {
		return Conditionally // who provides it says so, by its answer
	}
	for _, path := range t.Conditional {
		if touches(path, name, o, n) {
			return Conditionally
		}
	}
	return Never
}

// touches reports whether a difference between two values of a property
// reaches a dotted path.
func touches(path, name string, o, n any) bool {
	head, rest, nested := strings.Cut(path, ".")
	if head != name {
		return false
	}
	return !nested || canonical(at(o, strings.Split(rest, "."))) != canonical(at(n, strings.Split(rest, ".")))
}

// at follows a path; lists are looked through, whether the path says so by *
// or not.
func at(v any, path []string) any {
	if len(path) > 0 && path[0] == "*" {
		path = path[1:]
	}
	if len(path) == 0 {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		return at(v[path[0]], path[1:])
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = at(v[i], path)
		}
		return out
	default:
		return nil
	}
}

// Updatable is what of a property's value an update may carry: all but what
// is create-only or read-only, at any depth. It is nil, false for a property
// that is create-only or read-only as a whole.
func (t *Type) Updatable(name string, v any) (any, bool) {
	for _, path := range t.fixed() {
		head, rest, nested := strings.Cut(path, ".")
		if head != name {
			continue
		}
		if !nested {
			return nil, false
		}
		v = without(v, strings.Split(rest, "."))
	}
	return v, true
}

// fixed lists what no update can change.
func (t *Type) fixed() []string { return slices.Concat(t.CreateOnly, t.ReadOnly) }

// without copies v without what stands at a path.
func without(v any, path []string) any {
	if path[0] == "*" && len(path) > 1 {
		path = path[1:]
	}
	switch v := v.(type) {
	case map[string]any:
		out := maps.Clone(v)
		if len(path) == 1 {
			delete(out, path[0])
		} else if below, ok := out[path[0]]; ok {
			out[path[0]] = without(below, path[1:])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = without(v[i], path)
		}
		return out
	default:
		return v
	}
}

// Existing is a resource that a stack has.
type Existing struct {
	Type, PhysicalID string
	Properties       map[string]any // as last applied
	Attributes       map[string]any
}

// Change is what an update would do to one resource.
type Change struct {
	Action      string // Add, Modify, Remove
	ID, Type    string
	PhysicalID  string
	Replacement string // True, False, Conditional; for Modify
	Properties  []PropertyChange
	Tags        bool // the stack's own tags change
	// Before and After are all properties, coerced; nil where the resource is
	// not there.
	Before, After map[string]any
}

// Difference says what binding b to existing resources would change, in the
// template's order, removals last. retagged says that the stack's tags differ.
func Difference(b *Bound, existing map[string]Existing, retagged bool) ([]Change, error) {
	found := map[string]Change{}
	look := func(id, attribute string) (any, bool) {
		e, ok := existing[id]
		if c, changes := found[id]; !ok || changes && (c.Action == "Add" || c.Replacement != "False") {
			return nil, false
		}
		if attribute == "" {
			return e.PhysicalID, true
		}
		v, ok := e.Attributes[attribute]
		return v, ok
	}
	for _, id := range b.Order() {
		c, err := difference(b, id, existing, look, retagged)
		if err != nil {
			return nil, err
		}
		if c.Action != "" {
			found[id] = c
		}
	}
	var out []Change
	for _, r := range b.Active() {
		if c, ok := found[r.ID]; ok {
			out = append(out, c)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(existing)) {
		if _, stays := b.Find(id); !stays {
			e := existing[id]
			out = append(out, Change{Action: "Remove", ID: id, Type: e.Type, PhysicalID: e.PhysicalID, Before: e.Properties})
		}
	}
	return out, nil
}

func difference(b *Bound, id string, existing map[string]Existing, look Lookup, retagged bool) (Change, error) {
	r, _ := b.Find(id)
	e, ok := existing[id]
	if ok && e.Type != r.Type {
		return Change{}, invalid(
			"Update of resource type is not permitted. The new template modifies resource type of the following resources: [%s]", id,
		)
	}
	t, known := TypeOf(r.Type)
	if !known {
		return Change{}, malformed("Unrecognized resource types: [%s]", r.Type)
	}
	props, err := b.Properties(id, look)
	if err != nil {
		return Change{}, err
	}
	coerced, _ := t.Coerce(props)
	if !ok {
		return Change{Action: "Add", ID: id, Type: r.Type, After: coerced}, nil
	}
	c := Change{
		Action: "Modify", ID: id, Type: r.Type, PhysicalID: e.PhysicalID, Replacement: "False", Before: e.Properties, After: coerced,
	}
	c.Properties = t.Changes(e.Properties, coerced)
	c.Tags = retagged && t.Taggable()
	if len(c.Properties) == 0 && !c.Tags {
		return Change{}, nil
	}
	c.Replacement = replacement(c.Properties)
	return c, nil
}

// replacement says whether changes of properties replace the resource.
func replacement(ps []PropertyChange) string {
	out := "False"
	for _, p := range ps {
		switch {
		case p.Recreation == Always && p.Unknown == nil:
			return "True"
		case p.Recreation != Never:
			out = "Conditional"
		}
	}
	return out
}

// Known is v as JSON can have it, with known in place of what is Unknown.
func Known(v any, known any) any {
	switch v := v.(type) {
	case Unknown:
		return known
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, it := range v {
			out[k] = Known(it, known)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = Known(v[i], known)
		}
		return out
	default:
		return v
	}
}
