package front

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"berth/internal/fault"
	"berth/internal/wire"
)

// fields says which members of an operation's input are built.
type fields struct {
	built   map[string]bool // top-level members
	refused []refusal       // paths below them that are not, and members that may say one thing
}

// refusal is a member that is not built, but for one value that says what is
// so without it: its default.
type refusal struct {
	path []string
	but  string // "" is none; JSON, or a text without quotes
}

// String is a refusal as docs/COMPATIBILITY.md shows it.
func (r refusal) String() string {
	if r.but == "" {
		return strings.Join(r.path, ".")
	}
	return strings.Join(r.path, ".") + "(≠" + r.but + ")"
}

// readFields reads a fields.txt: `Operation: member -member.nested
// -member=default`, one operation a line; # begins a comment; * stands for all
// members; a member that is refused but for its default says so. The
// members of an operation are held against the model when first asked for:
// reading all shapes of all services was a quarter of a server's start.
func readFields(s *wire.Service, text string) (map[string]func() (fields, error), error) {
	out := map[string]func() (fields, error){}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			if strings.TrimSpace(line) != "" {
				return nil, fmt.Errorf("line %q has no colon", strings.TrimSpace(line))
			}
			continue
		}
		op := s.Operation(name)
		if op == nil || !op.Built() {
			return nil, fmt.Errorf("no operation %q with types", name)
		}
		out[name] = sync.OnceValues(func() (fields, error) {
			f, err := readMembers(op, strings.Fields(rest))
			if err != nil {
				return f, fmt.Errorf("fields of %s: %w", op, err)
			}
			return f, nil
		})
	}
	return out, nil
}

func readMembers(op *wire.Operation, words []string) (fields, error) {
	f := fields{built: map[string]bool{}}
	for _, w := range words {
		path, refused := strings.CutPrefix(w, "-")
		path, but, _ := strings.Cut(path, "=")
		switch {
		case w == "*":
			for _, m := range op.Input().Members {
				f.built[m.Name] = true
			}
		case refused:
			if err := known(op.Input(), strings.Split(path, ".")); err != nil {
				return f, err
			}
			f.refused = append(f.refused, refusal{strings.Split(path, "."), but})
		case op.Input().Member(w) == nil:
			return f, fmt.Errorf("no member %q", w)
		default:
			f.built[w] = true
		}
	}
	return f, nil
}

// inner goes through lists and maps to the shape of their elements.
func inner(s *wire.Shape) *wire.Shape {
	for {
		switch s.Kind {
		case wire.List:
			s = s.Elem.Shape
		case wire.Map:
			s = s.Value.Shape
		default:
			return s
		}
	}
}

func known(s *wire.Shape, path []string) error {
	for i, p := range path {
		m := inner(s).Member(p)
		if m == nil {
			return fmt.Errorf("no member %q", strings.Join(path[:i+1], "."))
		}
		s = m.Shape
	}
	return nil
}

// refuseUnbuilt refuses operations that are not built, and members that are
// set and not built, by name.
func (r *served) refuseUnbuilt(op *wire.Operation, in any) error {
	read := r.fields[op.Name]
	if read == nil {
		return wire.NotBuilt(op.Service.Name, op.Name)
	}
	f, err := read()
	if err != nil {
		return fault.Wrap(fault.Internal, err, "")
	}
	s, v := op.Input(), reflect.ValueOf(in).Elem()
	for i := range s.Members {
		if m := &s.Members[i]; !f.built[m.Name] && !f.judged(m.Name) && isSet(v.Field(i)) {
			return unbuilt(op, refusal{path: []string{m.Name}})
		}
	}
	for _, r := range f.refused {
		if below(s, v, r.path, r.but) {
			return unbuilt(op, r)
		}
	}
	return nil
}

// judged reports whether a top-level member is refused but for a value.
func (f fields) judged(member string) bool {
	return slices.ContainsFunc(f.refused, func(r refusal) bool { return len(r.path) == 1 && r.path[0] == member })
}

func unbuilt(op *wire.Operation, r refusal) error {
	advice := "leave it out"
	if r.but != "" {
		advice += ", or at " + r.but
	}
	return fault.New(
		fault.NotImplemented, "NotImplemented",
		"The parameter %s of %s is not implemented by Berth; %s. docs/COMPATIBILITY.md lists what is built.", strings.Join(r.path, "."), op.Name,
		advice,
	)
}

// says reports whether a value is the one that a text says, which is JSON or
// stands for itself.
func says(s *wire.Shape, v reflect.Value, text string) bool {
	x := s.Tree(v)
	if t, ok := x.(string); ok {
		return t == text
	}
	var want any
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		return false
	}
	have, err := json.Marshal(x)
	if err != nil {
		return false
	}
	wanted, err := json.Marshal(want)
	return err == nil && string(have) == string(wanted)
}

// isSet reports whether a member says anything: an empty list does not.
func isSet(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() > 0
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil()
	default:
		return true
	}
}

// below reports whether anything is set at a path, other than what may be.
func below(s *wire.Shape, v reflect.Value, path []string, but string) bool {
	if !isSet(v) || len(path) == 0 && but != "" && says(s, v, but) {
		return false
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s.Kind {
	case wire.List:
		for i := range v.Len() {
			if below(s.Elem.Shape, v.Index(i), path, but) {
				return true
			}
		}
		return false
	case wire.Map:
		for _, k := range v.MapKeys() {
			if below(s.Value.Shape, v.MapIndex(k), path, but) {
				return true
			}
		}
		return false
	case wire.Structure:
		if len(path) == 0 {
			return true
		}
		i := slices.IndexFunc(s.Members, func(m wire.Member) bool { return m.Name == path[0] })
		return i >= 0 && below(s.Members[i].Shape, v.Field(i), path[1:], but)
	default:
		return len(path) == 0
	}
}
