package store

import "reflect"

// Plans reports whether a type can be planned.
func Plans[T any]() bool { return planFor(reflect.TypeFor[T]()) != nil }

// Decoder makes a function that reads with a plan only.
func Decoder[T any]() func(text []byte) (T, bool) {
	read, r := planFor(reflect.TypeFor[T]()), &reader{}
	return func(text []byte) (T, bool) {
		v := new(T)
		r.b, r.i = text, 0
		ok := read(r, reflect.ValueOf(v).Elem()) && r.i == len(text)
		return *v, ok
	}
}
