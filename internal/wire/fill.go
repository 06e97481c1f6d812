package wire

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// filler puts a tree of plain values (map[string]any, []any, string,
// json.Number, int64, float64, bool, []byte, time.Time) into generated types.
type filler struct {
	op       *Operation
	protocol Protocol
	// loose takes a number or a boolean where a string is meant and the
	// reverse, as CloudFormation does, and JSON for a string of it. Forms
	// are loose too: everything in them is a string.
	loose   bool
	byName  bool // keys are the model's member names, not the wire's
	unknown []string
}

// mismatch is a value of a kind that the model does not have there.
type mismatch struct {
	path  string
	value any
	want  *Shape
}

func (m *mismatch) Error() string {
	return fmt.Sprintf("%s: %s cannot be converted to %s", m.path, tokenName(m.value), javaName(m.want))
}

func (f *filler) fill(s *Shape, v reflect.Value, x any, path, times string) error {
	if x == nil {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	switch s.Kind {
	case Structure:
		return f.fillStructure(s, v, x, path)
	case List:
		return f.fillList(s, v, x, path)
	case Map:
		return f.fillMap(s, v, x, path)
	case Document:
		v.Set(reflect.ValueOf(plain(x)))
		return nil
	default:
		return f.fillScalar(s, v, x, path, times)
	}
}

// key is the name that a member has in the tree.
func (f *filler) key(m *Member) string {
	if f.byName || m.Wire == "" {
		return m.Name
	}
	return m.Wire
}

func (f *filler) fillStructure(s *Shape, v reflect.Value, x any, path string) error {
	tree, ok := x.(map[string]any)
	if !ok {
		return &mismatch{path, x, s}
	}
	known := 0
	for i := range s.Members {
		m := &s.Members[i]
		val, ok := tree[f.key(m)]
		if !ok {
			continue
		}
		known++
		if err := f.fill(m.Shape, v.Field(i), val, join(path, m.Name), m.times()); err != nil {
			return err
		}
	}
	if known < len(tree) {
		f.noteUnknown(s, tree, path)
	}
	return nil
}

func (f *filler) noteUnknown(s *Shape, tree map[string]any, path string) {
	for _, k := range slices.Sorted(maps.Keys(tree)) {
		if !slices.ContainsFunc(s.Members, func(m Member) bool { return f.key(&m) == k }) && tree[k] != nil {
			f.unknown = append(f.unknown, join(path, k))
		}
	}
}

func (f *filler) fillList(s *Shape, v reflect.Value, x any, path string) error {
	items, ok := x.([]any)
	if !ok {
		return &mismatch{path, x, s}
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if err := f.fill(s.Elem.Shape, out.Index(i), item, fmt.Sprintf("%s[%d]", path, i), s.Elem.times()); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

func (f *filler) fillMap(s *Shape, v reflect.Value, x any, path string) error {
	tree, ok := x.(map[string]any)
	if !ok {
		return &mismatch{path, x, s}
	}
	out := reflect.MakeMapWithSize(v.Type(), len(tree))
	for k, val := range tree {
		e := reflect.New(v.Type().Elem()).Elem()
		if err := f.fill(s.Value.Shape, e, val, join(path, k), s.Value.times()); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(k), e)
	}
	v.Set(out)
	return nil
}

func (m *Member) times() string {
	if m.Time != "" {
		return m.Time
	}
	return m.Shape.Time
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func tokenName(x any) string {
	switch t := x.(type) {
	case string:
		return "STRING_VALUE"
	case bool:
		return strings.ToUpper(strconv.FormatBool(t)) + "_VALUE"
	case map[string]any:
		return "START_OBJECT"
	case []any:
		return "START_ARRAY"
	default:
		return "NUMBER_VALUE"
	}
}

func javaName(s *Shape) string {
	switch s.Modeled {
	case "integer", "long", "double", "float", "boolean", "string", "short", "byte":
		return strings.ToUpper(s.Modeled[:1]) + s.Modeled[1:]
	default:
		return s.Name
	}
}
