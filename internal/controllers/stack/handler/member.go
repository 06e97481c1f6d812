package handler

import (
	"unicode"
	"unicode/utf8"

	"berth/internal/lang/template"
)

// Member is what a style calls a property.
func (st Style) Member(property string) string {
	if m, ok := st.Names[property]; ok {
		return m
	}
	if !st.Lower {
		return property
	}
	r, n := utf8.DecodeRuneInString(property)
	return string(unicode.ToLower(r)) + property[n:]
}

// value writes a property's value in a style. Keys that the schema leaves to
// the user stay as they are.
func (st Style) value(t *template.Type, schema *template.Schema, v any) any {
	schema = t.Resolve(schema)
	if schema == nil || !st.Lower {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		if len(schema.Properties) == 0 {
			return v
		}
		out := make(map[string]any, len(v))
		for k, it := range v {
			out[st.Member(k)] = st.value(t, schema.Properties[k], it)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = st.value(t, schema.Items, v[i])
		}
		return out
	default:
		return v
	}
}

// members turns properties into a call's members. An update carries nothing
// that is create-only or read-only.
func (t *Type) members(s *Step, c Call, properties []string, update bool) (map[string]any, error) {
	in := map[string]any{}
	for _, name := range properties {
		v, given := s.Record.Properties[name]
		if given && update {
			v, given = s.schema().Updatable(name, v)
		}
		if !given {
			continue
		}
		v = t.Style.value(s.schema(), s.schema().Properties[name], v)
		if convert := t.Convert[name]; convert != nil {
			var err error
			if v, err = convert(s, v); err != nil {
				return nil, err
			}
		}
		in[t.memberOf(c, name)] = v
	}
	return in, nil
}

func (t *Type) memberOf(c Call, property string) string {
	if m, ok := c.As[property]; ok {
		return m
	}
	return t.Style.Member(property)
}

// finish adds what a call carries beside properties.
func (c Call) finish(s *Step, in map[string]any) error {
	for member, v := range c.With {
		in[member] = v(s)
	}
	if c.Prepare == nil {
		return nil
	}
	return c.Prepare(s, in)
}
