package store

import (
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"sync"

	"berth/internal/fault"
)

// Index names a secondary index and computes the values under which a record
// is found; a record may have none or several.
type Index[T any] struct {
	Name   string
	Values func(T) []string
}

// By makes an index of one value; records whose value is "" are left out.
func By[T any](name string, value func(T) string) Index[T] {
	return Index[T]{name, func(v T) []string {
		if s := value(v); s != "" {
			return []string{s}
		}
		return nil
	}}
}

// Table describes one table: its name, its key and its indexes. It holds no
// data and may be shared.
type Table[T any] struct {
	name    string
	key     func(T) string
	indexes []Index[T]
	clone   func(T) T
	plan    func() plan // made when a record is first read
}

// NewTable describes a table. clone copies a record through and through.
func NewTable[T any](name string, clone func(T) T, key func(T) string, indexes ...Index[T]) *Table[T] {
	return &Table[T]{name, key, indexes, clone, sync.OnceValue(func() plan { return planFor(reflect.TypeFor[T]()) })}
}

func (t *Table[T]) tableName() string { return t.name }

func (t *Table[T]) decode(r *reader, b []byte) (any, error) {
	v, ok := r.scratch.(*T)
	if !ok {
		v = new(T)
		r.scratch = v
	}
	var zero T
	*v = zero
	if read := t.plan(); read != nil {
		if r.b, r.i = b, 0; read(r, reflect.ValueOf(v).Elem()) && r.i == len(b) {
			made := *v
			return &made, nil
		}
		*v = zero // what was read may be shared with no record
	}
	err := json.Unmarshal(b, v)
	made := *v
	return &made, err
}

func (t *Table[T]) indexNames() []string {
	names := make([]string, len(t.indexes))
	for i, ix := range t.indexes {
		names[i] = ix.Name
	}
	return names
}

func (t *Table[T]) values(i int, v any) []string { return t.indexes[i].Values(*v.(*T)) }

// Name is the table's name.
func (t *Table[T]) Name() string { return t.name }

// Key is the key of a record.
func (t *Table[T]) Key(v T) string { return t.key(v) }

// Get returns the record of a key.
func (t *Table[T]) Get(r Reader, key string) (T, bool) {
	v, ok := r.table(t.name).rows.Get(key)
	if !ok {
		var zero T
		return zero, false
	}
	return *v.(*T), true
}

// All returns every record in order of keys.
func (t *Table[T]) All(r Reader) []T {
	rows := r.table(t.name).rows
	out := make([]T, 0, rows.Len())
	rows.Scan(func(_ string, v any) bool {
		out = append(out, *v.(*T))
		return true
	})
	return out
}

// Len returns the number of records.
func (t *Table[T]) Len(r Reader) int { return r.table(t.name).rows.Len() }

// From calls fn for the records whose keys are start or greater, in order,
// until it returns false.
func (t *Table[T]) From(r Reader, start string, fn func(T) bool) {
	r.table(t.name).rows.Ascend(start, func(_ string, v any) bool { return fn(*v.(*T)) })
}

// Last returns the record with the greatest key.
func (t *Table[T]) Last(r Reader) (T, bool) {
	_, v, ok := r.table(t.name).rows.Max()
	if !ok {
		var zero T
		return zero, false
	}
	return *v.(*T), true
}

// By returns the records that an index has under value, in order of keys. It
// panics on an index that the table has not.
func (t *Table[T]) By(r Reader, index, value string) []T {
	var found []any // records are large: they are copied once, when their number is known
	t.each(r, index, value, func(v any) bool {
		found = append(found, v)
		return true
	})
	if found == nil {
		return nil
	}
	out := make([]T, len(found))
	for i, v := range found {
		out[i] = *v.(*T)
	}
	return out
}

// Ref is Get without a copy: the record belongs to the store, and nobody may
// write into it. It is nil if there is none.
func (t *Table[T]) Ref(r Reader, key string) *T {
	v, ok := r.table(t.name).rows.Get(key)
	if !ok {
		return nil
	}
	return v.(*T)
}

// Each is By without copies: the records belong to the store, and nobody may
// write into them.
func (t *Table[T]) Each(r Reader, index, value string) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		t.each(r, index, value, func(v any) bool { return yield(v.(*T)) })
	}
}

// Every is All without copies, as Each is By.
func (t *Table[T]) Every(r Reader) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		r.table(t.name).rows.Scan(func(_ string, v any) bool { return yield(v.(*T)) })
	}
}

// One returns the first record that an index has under value.
func (t *Table[T]) One(r Reader, index, value string) (T, bool) {
	var one T
	found := false
	t.each(r, index, value, func(v any) bool {
		one, found = *v.(*T), true
		return false
	})
	return one, found
}

// Backward calls fn for the records that an index has under values that begin
// with prefix, the greatest value first, until it returns false.
func (t *Table[T]) Backward(r Reader, index, prefix string, fn func(T) bool) {
	d := r.table(t.name)
	// No text has the byte 0xff.
	d.index[t.position(index)].Descend(entry{prefix + "\xff", ""}, func(e entry) bool {
		if !strings.HasPrefix(e.value, prefix) {
			return false
		}
		v, _ := d.rows.Get(e.key)
		return fn(*v.(*T))
	})
}

func (t *Table[T]) each(r Reader, index, value string, fn func(any) bool) {
	d := r.table(t.name)
	d.index[t.position(index)].Ascend(entry{value, ""}, func(e entry) bool {
		if e.value != value {
			return false
		}
		v, _ := d.rows.Get(e.key)
		return fn(v)
	})
}

func (t *Table[T]) position(index string) int {
	for i, ix := range t.indexes {
		if ix.Name == index {
			return i
		}
	}
	panic(fmt.Sprintf("store: table %s has no index %q", t.name, index))
}

// Put writes a record. Equal to what is there, it changes nothing. The record
// belongs to the store from then on. The guard's error is returned; the
// transaction's function must pass it on.
func (t *Table[T]) Put(tx *Tx, v T) error {
	key := t.key(v)
	if key == "" {
		return fmt.Errorf("put into %s: record without a key", t.name)
	}
	old, _ := tx.table(t.name).rows.Get(key)
	return t.put(tx, key, old, &v)
}

// put writes a record in the place of an old one, nil if there is none.
func (t *Table[T]) put(tx *Tx, key string, old any, v *T) error {
	if old != nil && reflect.DeepEqual(old, any(v)) {
		return nil
	}
	return tx.set(t, t.name, key, old, v)
}

// Edit changes the record of a key: fn gets a deep copy. Errors:
// fault.NotFound if there is none.
func (t *Table[T]) Edit(tx *Tx, key string, fn func(*T) error) error {
	old, ok := tx.table(t.name).rows.Get(key)
	if !ok {
		return fault.New(fault.NotFound, "", "no %s %q", t.name, key)
	}
	v := t.clone(*old.(*T))
	if err := fn(&v); err != nil {
		return err
	}
	if got := t.key(v); got != key {
		return fmt.Errorf("edit %s %q: the key became %q", t.name, key, got)
	}
	return t.put(tx, key, old, &v)
}

// Delete removes the record of a key; absent is success.
func (t *Table[T]) Delete(tx *Tx, key string) error {
	old, ok := tx.table(t.name).rows.Get(key)
	if !ok {
		return nil
	}
	return tx.set(t, t.name, key, old, nil)
}

func (tx *Tx) set(def Def, table, key string, old, updated any) error {
	if tx.guard != nil {
		if err := tx.guard(table, old, updated); err != nil {
			return err
		}
	}
	d := tx.ownTable(table)
	if updated == nil {
		d.rows.Delete(key)
	} else {
		d.rows.Set(key, updated)
	}
	for i := range d.index {
		var before, after []string
		if old != nil {
			before = def.values(i, old)
		}
		if updated != nil {
			after = def.values(i, updated)
		}
		if slices.Equal(before, after) {
			continue // most changes move nothing
		}
		ix := d.mutable(i)
		for _, v := range before {
			ix.Delete(entry{v, key})
		}
		for _, v := range after {
			ix.Set(entry{v, key})
		}
	}
	at := table + "\x00" + key
	if i, ok := tx.seen[at]; ok {
		tx.changes[i].New = updated
		return nil
	}
	tx.seen[at] = len(tx.changes)
	tx.changes = append(tx.changes, Change{table, key, old, updated, tx.rev})
	return nil
}
