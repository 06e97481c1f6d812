package wire

import (
	"fmt"
	"reflect"
	"time"
)

// Check reports whether a Go value's type is the one that the generator makes
// of a shape: the codec walks both side by side and relies on it.
func Check(s *Shape, v any) error {
	return check(s, reflect.TypeOf(v), map[*Shape]bool{})
}

func check(s *Shape, t reflect.Type, seen map[*Shape]bool) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch s.Kind {
	case Structure:
		return checkStructure(s, t, seen)
	case List:
		if t.Kind() != reflect.Slice {
			return fmt.Errorf("%s is %v, not a slice", s.Name, t)
		}
		return check(s.Elem.Shape, t.Elem(), seen)
	case Map:
		if t.Kind() != reflect.Map {
			return fmt.Errorf("%s is %v, not a map", s.Name, t)
		}
		return check(s.Value.Shape, t.Elem(), seen)
	default:
		if want := goTypes[s.Kind]; t != want {
			return fmt.Errorf("%s is %v, not %v", s.Name, t, want)
		}
		return nil
	}
}

func checkStructure(s *Shape, t reflect.Type, seen map[*Shape]bool) error {
	if seen[s] {
		return nil
	}
	seen[s] = true
	if t.Kind() != reflect.Struct || t.NumField() != len(s.Members) {
		return fmt.Errorf("%s has %d members and its type is %v", s.Name, len(s.Members), t)
	}
	for i := range s.Members {
		if err := check(s.Members[i].Shape, t.Field(i).Type, seen); err != nil {
			return fmt.Errorf("%s.%s: %w", s.Name, s.Members[i].Name, err)
		}
	}
	return nil
}

var goTypes = map[Kind]reflect.Type{
	String: reflect.TypeFor[string](), Integer: reflect.TypeFor[int64](), Float: reflect.TypeFor[float64](),
	Boolean: reflect.TypeFor[bool](), Timestamp: reflect.TypeFor[time.Time](), Blob: reflect.TypeFor[[]byte](),
	Document: reflect.TypeFor[any](),
}
