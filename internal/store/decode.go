package store

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Reading records is most of what a start with a large state does, and what is
// read is nearly always what json.Marshal wrote of the very same type: without
// white space, the members in the order of the fields. A plan reads just that.
// At anything else it gives up, and encoding/json, which says what is right in
// every case, reads the record: members that are no longer there, or that
// another program wrote.

// plan reads one value into v, which is zero; false: it cannot.
type plan func(r *reader, v reflect.Value) bool

// planFor makes the plan of a type; nil: the type has something that plans do
// not know.
func planFor(t reflect.Type) plan { return planner{}.of(t) }

// planner holds the types under way, to refuse those that hold themselves.
type planner map[reflect.Type]bool

func (p planner) of(t reflect.Type) plan {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return (*reader).readTime
	case t == reflect.TypeFor[any]():
		return (*reader).readAny
	case p[t], reads[json.Unmarshaler](t), reads[encoding.TextUnmarshaler](t):
		return nil
	}
	p[t] = true
	defer delete(p, t)
	switch t.Kind() {
	case reflect.String:
		return (*reader).readString
	case reflect.Int64:
		return (*reader).readInt
	case reflect.Float64:
		return (*reader).readFloat
	case reflect.Bool:
		return (*reader).readBool
	case reflect.Pointer:
		return p.pointer(t)
	case reflect.Slice:
		return p.slice(t)
	case reflect.Map:
		return p.mapping(t)
	case reflect.Struct:
		return p.structure(t)
	default:
		return nil
	}
}

// reads reports whether a type reads itself.
func reads[I any](t reflect.Type) bool { return reflect.PointerTo(t).Implements(reflect.TypeFor[I]()) }

func (p planner) pointer(t reflect.Type) plan {
	elem := p.of(t.Elem())
	if elem == nil {
		return nil
	}
	return func(r *reader, v reflect.Value) bool {
		if r.has("null") {
			return true
		}
		n := reflect.New(t.Elem())
		v.Set(n)
		return elem(r, n.Elem())
	}
}

func (p planner) slice(t reflect.Type) plan {
	elem := p.of(t.Elem())
	if elem == nil {
		return nil
	}
	return func(r *reader, v reflect.Value) bool {
		if r.has("null") {
			return true
		}
		if r.has("[]") {
			v.Set(reflect.MakeSlice(t, 0, 0))
			return true
		}
		return r.list(func(n int) bool {
			if n == v.Cap() {
				v.Grow(max(1, n))
			}
			v.SetLen(n + 1)
			v.Index(n).SetZero()
			return elem(r, v.Index(n))
		})
	}
}

func (p planner) mapping(t reflect.Type) plan {
	elem := p.of(t.Elem())
	if elem == nil || t.Key() != reflect.TypeFor[string]() {
		return nil
	}
	return func(r *reader, v reflect.Value) bool {
		if r.has("null") {
			return true
		}
		m := reflect.MakeMap(t)
		v.Set(m)
		e := reflect.New(t.Elem()).Elem()
		return r.object(func(name string) bool {
			e.SetZero()
			if !elem(r, e) {
				return false
			}
			m.SetMapIndex(reflect.ValueOf(name), e)
			return true
		})
	}
}

// member is a field as json.Marshal names it.
type member struct {
	quoted string // "name": with quotes and colon
	index  int
	read   plan
}

func (p planner) structure(t reflect.Type) plan {
	var members []member
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous, slices.Contains(strings.Split(options, ","), "string"):
			return nil
		case !f.IsExported() || name == "-":
			continue
		case name == "":
			name = f.Name
		}
		m := member{`"` + name + `":`, i, p.of(f.Type)}
		if m.read == nil || strings.ContainsFunc(name, odd) || slices.ContainsFunc(members, func(o member) bool { return o.quoted == m.quoted }) {
			return nil
		}
		members = append(members, m)
	}
	return func(r *reader, v reflect.Value) bool {
		if r.has("null") || r.has("{}") {
			return true
		}
		next := 0
		for first := true; ; first = false {
			if first && !r.has("{") {
				return false
			}
			for next < len(members) && !r.has(members[next].quoted) {
				next++
			}
			if next == len(members) {
				return false
			}
			if !members[next].read(r, v.Field(members[next].index)) {
				return false
			}
			next++
			if !r.has(",") {
				return r.has("}")
			}
		}
	}
}

// odd are the characters that json.Marshal would not write as they are.
func odd(c rune) bool {
	return c < ' ' || c > '~' || strings.ContainsRune(`"\<>&`, c)
}
