// Package model has the nouns of Berth, one file for each family: what was
// desired (spec) and what is (status), and the legal moves of each state.
//
// Records are values. What a view returns must not be written into: take a
// Clone (or state's Edit, which makes one), change it, put it back. Field
// tags `w:"writer,writer"` name the only packages that may write a field; state
// checks them in tests and in the simulator. The package does no I/O, plans
// nothing and formats nothing for a wire.
package model

import (
	"reflect"
	"slices"
	"time"
)

// Tag is a key and a value on a resource.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// TagValue finds the value of a tag, or "".
func TagValue(tags []Tag, key string) string {
	for _, t := range tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

// SetTags merges more into tags, replacing equal keys, sorted by key.
func SetTags(tags, more []Tag) []Tag {
	out := make([]Tag, 0, len(tags)+len(more))
	for _, t := range tags {
		if !slices.ContainsFunc(more, func(m Tag) bool { return m.Key == t.Key }) {
			out = append(out, t)
		}
	}
	out = append(out, more...)
	slices.SortFunc(out, func(a, b Tag) int {
		if a.Key < b.Key {
			return -1
		}
		if a.Key > b.Key {
			return 1
		}
		return 0
	})
	return out
}

// DropTags removes the named keys.
func DropTags(tags []Tag, keys []string) []Tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t Tag) bool { return slices.Contains(keys, t.Key) })
}

// Decision is one thing that Berth decided or did, with its reason: what
// explain, events, the console and the replay read.
type Decision struct {
	Seq     int64     `json:"seq"` // grows by one; the key of the table
	At      time.Time `json:"at"`
	By      string    `json:"by"`      // the writer, for example controllers/task
	Subject string    `json:"subject"` // ARN or id of what it is about
	Verb    string    `json:"verb"`    // placed, refused, launched, kept, drained, shifted, scaled, denied, state, …
	Reason  string    `json:"reason"`  // one sentence
	Cluster string    `json:"cluster,omitempty"`
	Service string    `json:"service,omitempty"`
	// Facts are the figures behind the reason.
	Facts map[string]string `json:"facts,omitempty"`
}

// Clone copies a record through and through.
func Clone[T any](v T) T {
	var out T
	reflect.ValueOf(&out).Elem().Set(deep(reflect.ValueOf(&v).Elem()))
	return out
}

var timeType = reflect.TypeFor[time.Time]()

func deep(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		n := reflect.New(v.Type().Elem())
		n.Elem().Set(deep(v.Elem()))
		return n
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		n := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		if flat(v.Type().Elem()) {
			reflect.Copy(n, v)
			return n
		}
		for i := range v.Len() {
			n.Index(i).Set(deep(v.Index(i)))
		}
		return n
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		n := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			n.SetMapIndex(it.Key(), deep(it.Value()))
		}
		return n
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		n := reflect.New(v.Type()).Elem()
		n.Set(deep(v.Elem()))
		return n
	case reflect.Struct:
		n := reflect.New(v.Type()).Elem()
		n.Set(v)
		if v.Type() == timeType {
			return n
		}
		for i := range v.NumField() {
			if f := n.Field(i); f.CanSet() && !flat(f.Type()) {
				f.Set(deep(v.Field(i)))
			}
		}
		return n
	default:
		return v
	}
}

func flat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Struct, reflect.Array:
		return t == timeType
	default:
		return true
	}
}
