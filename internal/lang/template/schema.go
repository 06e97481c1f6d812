package template

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"berth/internal/lang/javaregexp"
)

// Coerce holds properties against the type's schema and returns them with
// every scalar as the schema wants it: CloudFormation turns numbers and
// booleans into strings and back. What is Unknown stays. problems are in the
// words of CloudFormation's validator.
func (t *Type) Coerce(props map[string]any) (coerced map[string]any, problems []string) {
	c := &coercer{t: t}
	root := &Schema{Type: Kinds{"object"}, Properties: t.Properties, Required: t.Required, Additional: &Additional{No: true}}
	if t.open {
		root.Additional = &Additional{}
		props, _ = Texts(props).(map[string]any)
		c.custom(props)
	}
	v := c.value(root, props, "#")
	if t.Constraints != nil {
		c.constraints(t.Constraints, props, "#")
	}
	c.limits(props)
	coerced, _ = v.(map[string]any)
	return coerced, c.problems
}

// Problem is the error for a resource whose properties do not hold.
func Problem(id string, problems []string) error {
	return invalid("Properties validation failed for resource %s with message:\n%s", id, strings.Join(problems, "\n"))
}

type coercer struct {
	t        *Type
	problems []string
}

func (c *coercer) complain(path, format string, args ...any) {
	c.problems = append(c.problems, path+": "+fmt.Sprintf(format, args...))
}

// limits refuses what is only ever read, or in the schema and not built.
func (c *coercer) limits(props map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if c.t.Properties[name] != nil && slices.Contains(c.t.ReadOnly, name) {
			c.complain("#", "extraneous key [%s] is not permitted", name)
		}
	}
	for _, path := range c.t.lacking(props) {
		c.complain("#/"+strings.ReplaceAll(path, ".", "/"), "the property %s of %s is not built in Berth", path, c.t.Name)
	}
}

// has reports whether a path is set; lists are looked through.
func has(v any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	switch v := v.(type) {
	case map[string]any:
		next, ok := v[path[0]]
		return ok && has(next, path[1:])
	case []any:
		return slices.ContainsFunc(v, func(it any) bool { return has(it, path) })
	default:
		return false
	}
}

// Resolve follows a schema's reference to the type's definitions.
func (t *Type) Resolve(s *Schema) *Schema {
	for s != nil && s.Ref != "" {
		s = t.Definitions[s.Ref]
	}
	return s
}

func (c *coercer) value(s *Schema, v any, path string) any {
	s = c.t.Resolve(s)
	if _, unknown := v.(Unknown); unknown {
		return v
	}
	if s == nil || len(s.Type) == 0 {
		return Settle(v)
	}
	switch v := v.(type) {
	case map[string]any:
		return c.object(s, v, path)
	case []any:
		return c.array(s, v, path)
	default:
		out, ok := c.scalar(s, v, path)
		if ok {
			c.bounds(s, out, path)
		}
		return out
	}
}

func kindOf(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "JSONObject"
	case []any:
		return "JSONArray"
	case Scalar:
		if _, ok := boolean(string(v), false); ok {
			return "Boolean"
		}
		if _, ok := v.Natural().(string); !ok {
			return "Number"
		}
		return "String"
	case bool:
		return "Boolean"
	case int64, float64:
		return "Number"
	default:
		return "String"
	}
}

var kindNames = map[string]string{
	"string": "String", "integer": "Integer", "number": "Number", "boolean": "Boolean", "array": "JSONArray", "object": "JSONObject",
}

func (c *coercer) mismatch(s *Schema, v any, path string) {
	c.complain(path, "expected type: %s, found: %s", kindNames[s.Type[0]], kindOf(v))
}

func (c *coercer) scalar(s *Schema, v any, path string) (any, bool) {
	str, ok := Flat(v)
	if !ok {
		c.mismatch(s, v, path)
		return v, false
	}
	if Dynamic(str) {
		return str, false // what it comes to is seen by who is called with it
	}
	if slices.Contains(s.Type, "string") {
		return str, true
	}
	raw := str
	if sc, isScalar := v.(Scalar); isScalar {
		raw = string(sc)
	}
	for _, kind := range s.Type {
		if out, ok := as(kind, raw, v); ok {
			return out, true
		}
	}
	c.mismatch(s, v, path)
	return v, false
}

// as turns a scalar's text into a JSON type.
func as(kind, raw string, v any) (any, bool) {
	switch kind {
	case "boolean":
		_, bare := v.(Scalar)
		b, ok := boolean(raw, bare)
		return b, ok
	case "integer":
		if i, err := strconv.ParseInt(raw, 10, 64); err == nil {
			return i, true
		}
		f, err := strconv.ParseFloat(raw, 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return nil, false
		}
		return int64(f), true
	case "number":
		f, err := strconv.ParseFloat(raw, 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	default:
		return nil, false
	}
}

func (c *coercer) array(s *Schema, v []any, path string) any {
	if !slices.Contains(s.Type, "array") {
		c.mismatch(s, v, path)
		return v
	}
	out := make([]any, len(v))
	for i, it := range v {
		out[i] = c.value(s.Items, it, path+"/"+strconv.Itoa(i))
	}
	if s.MinItems != nil && len(v) < *s.MinItems {
		c.complain(path, "expected minimum item count: %d, found: %d", *s.MinItems, len(v))
	}
	if s.MaxItems != nil && len(v) > *s.MaxItems {
		c.complain(path, "expected maximum item count: %d, found: %d", *s.MaxItems, len(v))
	}
	if s.UniqueItems {
		c.unique(out, path)
	}
	return out
}

func (c *coercer) unique(items []any, path string) {
	seen := map[string]bool{}
	for _, it := range items {
		if _, unknown := UnknownIn(it); unknown {
			continue
		}
		k := canonical(it)
		if seen[k] {
			c.complain(path, "array items are not unique")
			return
		}
		seen[k] = true
	}
}

func (c *coercer) object(s *Schema, v map[string]any, path string) any {
	if !slices.Contains(s.Type, "object") {
		c.mismatch(s, v, path)
		return v
	}
	if len(s.Properties) == 0 && len(s.PatternProperties) == 0 && (s.Additional == nil || s.Additional.Schema == nil) {
		return Settle(v)
	}
	out := make(map[string]any, len(v))
	for _, k := range slices.Sorted(maps.Keys(v)) {
		sub, ok := c.member(s, k)
		if !ok {
			c.complain(path, "extraneous key [%s] is not permitted", k)
			continue
		}
		out[k] = c.value(sub, v[k], path+"/"+k)
	}
	for _, k := range s.Required {
		if _, ok := v[k]; !ok {
			c.complain(path, "required key [%s] not found", k)
		}
	}
	c.constraints(s, v, path)
	return out
}

// member finds the schema of a key; nil is a free one.
func (c *coercer) member(s *Schema, key string) (*Schema, bool) {
	if sub := s.Properties[key]; sub != nil {
		return sub, true
	}
	for _, p := range slices.Sorted(maps.Keys(s.PatternProperties)) {
		if fitsPattern(p, key) {
			return s.PatternProperties[p], true
		}
	}
	if s.Additional == nil {
		return nil, len(s.Properties) == 0 && len(s.PatternProperties) == 0
	}
	return s.Additional.Schema, !s.Additional.No
}

// constraints checks which keys go together.
func (c *coercer) constraints(s *Schema, v map[string]any, path string) {
	count := func(keys []string) (n int) {
		for _, k := range keys {
			if _, ok := v[k]; ok {
				n++
			}
		}
		return n
	}
	if len(s.RequiredXor) > 0 && count(s.RequiredXor) != 1 {
		c.complain(path, "exactly one of [%s] is required, found %d", strings.Join(s.RequiredXor, ", "), count(s.RequiredXor))
	}
	if len(s.RequiredOr) > 0 && count(s.RequiredOr) == 0 {
		c.complain(path, "at least one of [%s] is required", strings.Join(s.RequiredOr, ", "))
	}
	for _, k := range slices.Sorted(maps.Keys(s.DependentRequired)) {
		need := s.DependentRequired[k]
		if _, ok := v[k]; ok && count(need) < len(need) {
			c.complain(path, "[%s] requires [%s]", k, strings.Join(need, ", "))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(s.DependentExcluded)) {
		if _, ok := v[k]; ok && count(s.DependentExcluded[k]) > 0 {
			c.complain(path, "[%s] may not be given with any of [%s]", k, strings.Join(s.DependentExcluded[k], ", "))
		}
	}
	if !fits(s.AnyOf, count, 1, math.MaxInt) {
		c.complain(path, "0 subschemas matched instead of at least one")
	}
	if !fits(s.OneOf, count, 1, 1) {
		c.complain(path, "no single subschema of %d matched", len(s.OneOf))
	}
}

// fits counts the alternatives whose required keys are there.
func fits(alternatives []*Schema, count func([]string) int, least, most int) bool {
	n, relevant := 0, false
	for _, a := range alternatives {
		if len(a.Required) == 0 {
			continue
		}
		relevant = true
		if count(a.Required) == len(a.Required) {
			n++
		}
	}
	return !relevant || n >= least && n <= most
}

// bounds checks what JSON Schema says of a scalar.
func (c *coercer) bounds(s *Schema, v any, path string) {
	if len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(e any) bool { return comparable(e) == comparable(v) }) {
		c.complain(path, "%s is not a valid enum value", comparable(v))
		return
	}
	switch v := v.(type) {
	case string:
		n := len([]rune(v))
		if s.MinLength != nil && n < *s.MinLength {
			c.complain(path, "expected minLength: %d, actual: %d", *s.MinLength, n)
		}
		if s.MaxLength != nil && n > *s.MaxLength {
			c.complain(path, "expected maxLength: %d, actual: %d", *s.MaxLength, n)
		}
		if s.Pattern != "" && !s.matches(v) {
			c.complain(path, "failed validation constraint for keyword [pattern]")
		}
	case int64:
		c.ranges(s, float64(v), path)
	case float64:
		c.ranges(s, v, path)
	}
}

func (c *coercer) ranges(s *Schema, v float64, path string) {
	if s.Minimum != nil && v < *s.Minimum {
		c.complain(path, "%s is not greater or equal to %s", trim(v), trim(*s.Minimum))
	}
	if s.Maximum != nil && v > *s.Maximum {
		c.complain(path, "%s is not less or equal to %s", trim(v), trim(*s.Maximum))
	}
}

// matches searches v for the schema's pattern. A pattern that cannot be read
// holds: the API behind the property checks it again.
func (s *Schema) matches(v string) bool {
	s.once.Do(func() {
		if re, err := javaregexp.Compile(s.Pattern); err == nil {
			s.re = re
		}
	})
	return s.re == nil || found(s.re, v)
}

// fitsPattern searches key for a pattern of patternProperties.
func fitsPattern(pattern, key string) bool {
	re, err := javaregexp.Compile(pattern)
	return err != nil || found(re, key)
}

func found(re *javaregexp.Regexp, v string) bool {
	ok, err := re.Match(v)
	return ok || err != nil // it was given up
}
