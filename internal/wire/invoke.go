package wire

import (
	"encoding/json"
	"errors"
	"reflect"
	"time"

	"berth/internal/fault"
)

// FromMap makes an input from a map by the model's member names: what a call
// inside the process passes. Numbers, booleans and strings are taken for each
// other, as CloudFormation does. Members that the model does not have are an
// error. The result is not validated.
func (o *Operation) FromMap(in map[string]any) (any, error) {
	v := o.New()
	f := &filler{op: o, protocol: o.Service.Protocol(), loose: true, byName: true}
	err := f.fill(o.Input(), reflect.ValueOf(v), normal(in), "", "")
	var m *mismatch
	if errors.As(err, &m) {
		return nil, o.Service.invalid("Value of property %s must be of type %s", m.path, javaName(m.want))
	}
	if err != nil {
		return nil, err
	}
	if len(f.unknown) > 0 {
		return nil, o.Service.Unknown(f.unknown)
	}
	return v, nil
}

// ToMap makes a map by the model's member names of an output: strings, int64,
// float64, bool, time.Time, []byte, []any and map[string]any. What is not set
// is not in it.
func (o *Operation) ToMap(out any) map[string]any {
	m, _ := tree(o.Output(), reflect.ValueOf(out)).(map[string]any)
	return m
}

// InputMap is ToMap for an input.
func (o *Operation) InputMap(in any) map[string]any {
	m, _ := tree(o.Input(), reflect.ValueOf(in)).(map[string]any)
	return m
}

// Tree is a value of a shape as ToMap gives it.
func (s *Shape) Tree(v reflect.Value) any { return tree(s, v) }

func tree(s *Shape, v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s.Kind {
	case Structure:
		out := map[string]any{}
		for i := range s.Members {
			if f := v.Field(i); !absent(f) {
				out[s.Members[i].Name] = tree(s.Members[i].Shape, f)
			}
		}
		return out
	case List:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = tree(s.Elem.Shape, v.Index(i))
		}
		return out
	case Map:
		out := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = tree(s.Value.Shape, it.Value())
		}
		return out
	default:
		return v.Interface()
	}
}

// normal gives a caller's tree the types that fill knows: []string and
// map[string]string and the like become []any and map[string]any.
func normal(x any) any {
	switch t := x.(type) {
	case nil, string, bool, int, int64, float64, []byte, time.Time:
		return x
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, v := range t {
			out[k] = normal(v)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, v := range t {
			out[i] = normal(v)
		}
		return out
	default:
		return normalOther(reflect.ValueOf(x))
	}
}

func normalOther(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return normal(v.Elem().Interface())
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = normal(v.Index(i).Interface())
		}
		return out
	case reflect.Map:
		out := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			out[it.Key().String()] = normal(it.Value().Interface())
		}
		return out
	case reflect.String:
		if n, ok := v.Interface().(json.Number); ok {
			return n
		}
		return v.String()
	case reflect.Int8, reflect.Int16, reflect.Int32:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return v.Uint()
	default:
		return v.Interface()
	}
}

// Unknown refuses members that the service's model does not have.
func (s *Service) Unknown(paths []string) error {
	if s.Protocol() == EC2 {
		return fault.New(fault.Invalid, "UnknownParameter", "The parameter %s is not recognized", paths[0])
	}
	return s.invalid("Unknown parameter in input: %q", paths[0])
}
