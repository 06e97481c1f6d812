package handler

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/internal/lang/template"
)

// Value says where a value of a call or an attribute comes from.
type Value func(*Step) any

// name is the resource's name: what the template says, or a generated one.
func (t *Type) name(s *Step) string {
	if given := s.text(t.Name.Property); given != "" {
		return given
	}
	if t.Name.Limit == 0 {
		return ""
	}
	name := s.generated(t.Name.Limit)
	if t.Name.Lower {
		name = strings.ToLower(name)
	}
	return name
}

// self is the resource's physical id; before it is made, its name.
func self(s *Step) any {
	if s.id() != "" {
		return s.id()
	}
	return s.kind.name(s)
}

// named is the resource's name, which its id need not be.
func named(s *Step) any { return s.kind.name(s) }

// token is the idempotency token of the act under way.
func token(s *Step) any { return s.Record.Token }

// item is the item of the Set that is being added or removed.
func item(s *Step) any { return s.item }

func property(name string) Value { return func(s *Step) any { return s.Record.Properties[name] } }

func attribute(name string) Value { return func(s *Step) any { return s.Record.Attributes[name] } }

func constant(v any) Value { return func(*Step) any { return v } }

// at is what stands at a path of the object that an answer describes.
func at(path string) Value { return func(s *Step) any { return plain(dig(s.object, path)) } }

func listOf(v Value) Value { return func(s *Step) any { return []any{v(s)} } }

// generatedID is an id made like a name.
func generatedID(limit int) Value { return func(s *Step) any { return s.generated(limit) } }

// listAt is a list at a path of the object; none is an empty one.
func listAt(path string) Value {
	return func(s *Step) any { return append([]any{}, list(dig(s.object, path))...) }
}

// joined is values as text, with | between them.
func joined(values ...Value) Value {
	return func(s *Step) any {
		parts := make([]string, len(values))
		for i, v := range values {
			parts[i], _ = template.Flat(v(s))
		}
		return strings.Join(parts, "|")
	}
}

// arn is an ARN of the resource's name or id.
func arn(service, prefix, suffix string) Value {
	return func(s *Step) any { return s.Place.ARN(service, prefix+s.id()+suffix) }
}

// filter is one of EC2's filters, with one value.
func filter(name string, v any) map[string]any {
	return map[string]any{"Name": name, "Values": []any{v}}
}

func filters(by ...any) Value {
	return func(s *Step) any {
		var out []any
		for i := 0; i+1 < len(by); i += 2 {
			v := by[i+1]
			if value, ok := v.(Value); ok {
				v = value(s)
			}
			out = append(out, filter(fmt.Sprint(by[i]), v))
		}
		return out
	}
}

// paths reads attributes from text: "Arn=clusterArn VpcId" has two.
func paths(text string) map[string]Value {
	out := map[string]Value{}
	for _, f := range strings.Fields(text) {
		name, path, other := strings.Cut(f, "=")
		if !other {
			path = name
		}
		out[name] = at(path)
	}
	return out
}

// names reads a list of names from text.
func names(text string) []string { return strings.Fields(text) }

// dig follows a dotted path into an answer: a number is an index, * is every
// item of a list.
func dig(v any, path string) any {
	if path == "" {
		return v
	}
	head, rest, _ := strings.Cut(path, ".")
	switch v := v.(type) {
	case map[string]any:
		return dig(v[head], rest)
	case []any:
		return digList(v, head, rest)
	default:
		return nil
	}
}

func digList(v []any, head, rest string) any {
	if head == "*" {
		out := make([]any, len(v))
		for i := range v {
			out[i] = dig(v[i], rest)
		}
		return out
	}
	i, err := strconv.Atoi(head)
	if err != nil || i >= len(v) {
		return nil
	}
	return dig(v[i], rest)
}

func digText(v any, path string) string { s, _ := dig(v, path).(string); return s }

// plain is a value as Fn::GetAtt returns it: a time as text.
func plain(v any) any {
	if t, ok := v.(time.Time); ok {
		return t.UTC().Format(time.RFC3339)
	}
	return v
}

func list(v any) []any { l, _ := v.([]any); return l }

// missing lists what is in a and not in b.
func missing(a, b []any) []any {
	has := map[string]bool{}
	for _, it := range b {
		has[asJSON(it)] = true
	}
	out := []any{}
	for _, it := range a {
		if !has[asJSON(it)] {
			out = append(out, it)
		}
	}
	return out
}

// asJSON is a value as JSON, to compare by.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// document is a policy as JSON text, whether it came as text or as a tree.
func document(_ *Step, v any) (any, error) {
	switch v := v.(type) {
	case nil, string:
		return v, nil
	default:
		return asJSON(v), nil
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// firstAt is the first of some paths at which there is something: what a call
// answers and what a list says may be called differently.
func firstAt(paths ...string) Value {
	return func(s *Step) any {
		for _, p := range paths {
			if v := dig(s.object, p); v != nil {
				return v
			}
		}
		return nil
	}
}
