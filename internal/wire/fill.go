package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
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

func (f *filler) fillScalar(s *Shape, v reflect.Value, x any, path, times string) error {
	ok := false
	switch s.Kind {
	case String:
		var t string
		if t, ok = f.text(x); ok {
			v.SetString(t)
		}
	case Integer:
		var n int64
		if n, ok = f.integer(x); ok {
			v.SetInt(n)
		}
	case Float:
		var n float64
		if n, ok = f.float(x); ok {
			v.SetFloat(n)
		}
	case Boolean:
		var b bool
		if b, ok = f.boolean(x); ok {
			v.SetBool(b)
		}
	case Timestamp:
		var t time.Time
		if t, ok = f.time(x, times); ok {
			v.Set(reflect.ValueOf(t))
		}
	case Blob:
		var b []byte
		if b, ok = f.bytes(x); ok {
			v.SetBytes(b)
		}
	default:
	}
	if !ok {
		return &mismatch{path, x, s}
	}
	return nil
}

func (f *filler) text(x any) (string, bool) {
	if t, ok := x.(string); ok {
		return t, true
	}
	if !f.loose {
		return "", false
	}
	switch t := x.(type) {
	case bool:
		return strconv.FormatBool(t), true
	case json.Number:
		return t.String(), true
	case int:
		return strconv.Itoa(t), true
	case int64:
		return strconv.FormatInt(t, 10), true
	case float64:
		if t == math.Trunc(t) && math.Abs(t) < 1e15 {
			return strconv.FormatInt(int64(t), 10), true
		}
		return strconv.FormatFloat(t, 'g', -1, 64), true
	case time.Time:
		return t.UTC().Format(time.RFC3339), true
	case map[string]any, []any:
		b, err := json.Marshal(t)
		return string(b), err == nil
	default:
		return "", false
	}
}

func (f *filler) integer(x any) (int64, bool) {
	switch t := x.(type) {
	case int64:
		return t, true
	case int:
		return int64(t), true
	case uint64:
		return int64(t), t <= math.MaxInt64
	case float64:
		// The bounds are exact powers of two; MaxInt64 itself is none.
		return int64(t), t == math.Trunc(t) && t >= -1<<63 && t < 1<<63
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return n, true
		}
		n, err := t.Float64()
		if err != nil {
			return 0, false
		}
		return f.integer(n)
	case string:
		if !f.loose {
			return 0, false
		}
		return f.integer(json.Number(strings.TrimSpace(t)))
	default:
		return 0, false
	}
}

func (f *filler) float(x any) (float64, bool) {
	switch t := x.(type) {
	case float64:
		return t, true
	case float32:
		return float64(t), true
	case int64:
		return float64(t), true
	case int:
		return float64(t), true
	case uint64:
		return float64(t), true
	case json.Number:
		n, err := t.Float64()
		return n, err == nil
	case string:
		switch t {
		case "NaN":
			return math.NaN(), true
		case "Infinity":
			return math.Inf(1), true
		case "-Infinity":
			return math.Inf(-1), true
		}
		if !f.loose {
			return 0, false
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(t), 64)
		return n, err == nil
	default:
		return 0, false
	}
}

func (f *filler) boolean(x any) (bool, bool) {
	switch t := x.(type) {
	case bool:
		return t, true
	case string:
		if !f.loose {
			return false, false
		}
		switch strings.ToLower(t) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return false, false
}

func (f *filler) time(x any, format string) (time.Time, bool) {
	switch t := x.(type) {
	case time.Time:
		return t, true
	case string:
		return parseTime(t, format)
	default:
		n, ok := f.float(x)
		if !ok || math.IsNaN(n) || math.Abs(n) > 1e14 {
			return time.Time{}, false
		}
		return fromEpoch(n), true
	}
}

func (f *filler) bytes(x any) ([]byte, bool) {
	switch t := x.(type) {
	case []byte:
		return t, true
	case string:
		b, err := base64.StdEncoding.DecodeString(t)
		return b, err == nil
	default:
		return nil, false
	}
}

// plain gives a document's numbers Go's own types.
func plain(x any) any {
	switch t := x.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return n
		}
		n, _ := t.Float64()
		return n
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, v := range t {
			out[k] = plain(v)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, v := range t {
			out[i] = plain(v)
		}
		return out
	default:
		return x
	}
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
