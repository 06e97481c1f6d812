package store

import (
	"encoding/json"
	"fmt"
	"reflect"

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
}

// NewTable describes a table. clone copies a record through and through.
func NewTable[T any](name string, clone func(T) T, key func(T) string, indexes ...Index[T]) *Table[T] {
	return &Table[T]{name, key, indexes, clone}
}

func (t *Table[T]) tableName() string { return t.name }

func (t *Table[T]) decode(b []byte) (any, error) {
	var v T
	err := json.Unmarshal(b, &v)
	return v, err
}

func (t *Table[T]) indexKeys(v any) []string {
	var out []string
	for _, ix := range t.indexes {
		for _, s := range ix.Values(v.(T)) {
			out = append(out, ix.Name+"\x00"+s)
		}
	}
	return out
}

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
	return v.(T), true
}

// All returns every record in order of keys.
func (t *Table[T]) All(r Reader) []T {
	rows := r.table(t.name).rows
	out := make([]T, 0, rows.Len())
	rows.Scan(func(_ string, v any) bool {
		out = append(out, v.(T))
		return true
	})
	return out
}

// Len returns the number of records.
func (t *Table[T]) Len(r Reader) int { return r.table(t.name).rows.Len() }

// From calls fn for the records whose keys are start or greater, in order,
// until it returns false.
func (t *Table[T]) From(r Reader, start string, fn func(T) bool) {
	r.table(t.name).rows.Ascend(start, func(_ string, v any) bool { return fn(v.(T)) })
}

// Last returns the record with the greatest key.
func (t *Table[T]) Last(r Reader) (T, bool) {
	_, v, ok := r.table(t.name).rows.Max()
	if !ok {
		var zero T
		return zero, false
	}
	return v.(T), true
}

// By returns the records that an index has under value, in order of keys. It
// panics on an index that the table has not.
func (t *Table[T]) By(r Reader, index, value string) []T {
	t.must(index)
	d := r.table(t.name)
	prefix := index + "\x00" + value + "\x00"
	var out []T
	d.index.Ascend(prefix, func(ik, key string) bool {
		if len(ik) < len(prefix) || ik[:len(prefix)] != prefix {
			return false
		}
		v, _ := d.rows.Get(key)
		out = append(out, v.(T))
		return true
	})
	return out
}

// One returns the first record that an index has under value.
func (t *Table[T]) One(r Reader, index, value string) (T, bool) {
	if all := t.By(r, index, value); len(all) > 0 {
		return all[0], true
	}
	var zero T
	return zero, false
}

func (t *Table[T]) must(index string) {
	for _, ix := range t.indexes {
		if ix.Name == index {
			return
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
	old, had := tx.table(t.name).rows.Get(key)
	if had && reflect.DeepEqual(old, any(v)) {
		return nil
	}
	var before any
	if had {
		before = old
	}
	return tx.set(t, t.name, key, before, v)
}

// Edit changes the record of a key: fn gets a deep copy. Errors:
// fault.NotFound if there is none.
func (t *Table[T]) Edit(tx *Tx, key string, fn func(*T) error) error {
	old, ok := t.Get(tx, key)
	if !ok {
		return fault.New(fault.NotFound, "", "no %s %q", t.name, key)
	}
	v := t.clone(old)
	if err := fn(&v); err != nil {
		return err
	}
	if got := t.key(v); got != key {
		return fmt.Errorf("edit %s %q: the key became %q", t.name, key, got)
	}
	return t.Put(tx, v)
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
	d := tx.own1(table)
	if old != nil {
		for _, ik := range def.indexKeys(old) {
			d.index.Delete(ik + "\x00" + key)
		}
	}
	if updated == nil {
		d.rows.Delete(key)
	} else {
		d.rows.Set(key, updated)
		for _, ik := range def.indexKeys(updated) {
			d.index.Set(ik+"\x00"+key, key)
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
