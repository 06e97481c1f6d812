package model

import (
	"reflect"
	"sync"
)

// Clone copies a record through and through. Every change of a record begins
// with one, so what has to be copied of a type is found out once.
func Clone[T any](v T) T {
	if part := parterOf(reflect.TypeFor[T]()); part != nil {
		part(reflect.ValueOf(&v).Elem())
	}
	return v
}

// parter gives a value its own copy of what it shares with the one that it was
// copied from.
type parter func(reflect.Value)

var parters sync.Map // parter by reflect.Type

// parterOf is that of a type; nil: its values share nothing. What cannot be
// set from here, as a time's zone, is never written into and stays shared.
func parterOf(t reflect.Type) parter {
	if p, ok := parters.Load(t); ok {
		return p.(parter)
	}
	p := newParter(t)
	parters.Store(t, p)
	return p
}

func newParter(t reflect.Type) parter {
	switch t.Kind() {
	case reflect.Pointer:
		return partPointer(later(t.Elem()))
	case reflect.Slice:
		return partSlice(t, later(t.Elem()))
	case reflect.Map:
		return partMap(t, later(t.Elem()))
	case reflect.Interface:
		return partInterface
	case reflect.Struct:
		return partStruct(t)
	default:
		return nil
	}
}

// later finds a parter when it is first needed: a type may hold itself.
func later(t reflect.Type) func() parter {
	return sync.OnceValue(func() parter { return parterOf(t) })
}

func partPointer(elem func() parter) parter {
	return func(v reflect.Value) {
		if v.IsNil() {
			return
		}
		n := reflect.New(v.Type().Elem())
		n.Elem().Set(v.Elem())
		if part := elem(); part != nil {
			part(n.Elem())
		}
		v.Set(n)
	}
}

func partSlice(t reflect.Type, elem func() parter) parter {
	return func(v reflect.Value) {
		if v.IsNil() {
			return
		}
		n := reflect.MakeSlice(t, v.Len(), v.Len())
		reflect.Copy(n, v)
		if part := elem(); part != nil {
			for i := range n.Len() {
				part(n.Index(i))
			}
		}
		v.Set(n)
	}
}

func partMap(t reflect.Type, elem func() parter) parter {
	return func(v reflect.Value) {
		if v.IsNil() {
			return
		}
		n, part := reflect.MakeMapWithSize(t, v.Len()), elem()
		for it := v.MapRange(); it.Next(); {
			e := it.Value()
			if part != nil {
				e = reflect.New(t.Elem()).Elem()
				e.Set(it.Value())
				part(e)
			}
			n.SetMapIndex(it.Key(), e)
		}
		v.Set(n)
	}
}

func partInterface(v reflect.Value) {
	if v.IsNil() {
		return
	}
	part := parterOf(v.Elem().Type())
	if part == nil {
		return
	}
	n := reflect.New(v.Elem().Type()).Elem()
	n.Set(v.Elem())
	part(n)
	v.Set(n)
}

func partStruct(t reflect.Type) parter {
	type field struct {
		i    int
		part parter
	}
	var fields []field
	for i := range t.NumField() {
		if !t.Field(i).IsExported() {
			continue
		}
		if part := parterOf(t.Field(i).Type); part != nil {
			fields = append(fields, field{i, part})
		}
	}
	if fields == nil {
		return nil
	}
	return func(v reflect.Value) {
		for _, f := range fields {
			f.part(v.Field(f.i))
		}
	}
}
