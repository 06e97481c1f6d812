package store

import (
	"iter"
	"maps"
	"slices"

	"github.com/tidwall/btree"
)

// Everything is the key of a change that concerns every part of a Derived. It
// names no part: a record that has one of its own needs that key, too.
const Everything = "*"

// Derived keeps what is computed from records, in parts that each have a key.
// A part is made again only when a record has changed that concerns it: what a
// look costs grows with what has changed and not with what there is. At any
// view the parts are equal to those that would be made from nothing.
//
// The rules must name the key of every part that reads a record, by that
// record's table; Everything stands for all. A Derived belongs to one
// goroutine at a time.
type Derived[P any] struct {
	// Through, if set, names parts that a change concerns by way of other
	// records: it is told of every change, and reads at the view.
	Through func(r Reader, c Change) []string

	db    *DB
	rules Rules
	make  func(r Reader, key string) (P, bool)
	rev   int64 // what the parts were made from; -1 at first
	parts btree.Map[string, P]
	made  int
}

// NewDerived has no parts yet. make computes one from what it reads; false is
// that there is none of that key.
func NewDerived[P any](db *DB, rules Rules, make func(r Reader, key string) (P, bool)) *Derived[P] {
	return &Derived[P]{db: db, rules: rules, make: make, rev: -1}
}

// To brings the parts to a view and returns the keys of those that were made
// again or have gone, in order.
func (d *Derived[P]) To(v *View) []string {
	keys := map[string]bool{}
	note := func(c Change) {
		for _, k := range d.rules.Keys(c) {
			keys[k] = true
		}
		if d.Through != nil {
			for _, k := range d.Through(v, c) {
				keys[k] = true
			}
		}
	}
	if known := d.db.Since(d.rev, v, note); !known || keys[Everything] {
		d.everything(v, keys)
	}
	d.rev = v.Revision()
	delete(keys, Everything)
	out := slices.Sorted(maps.Keys(keys))
	for _, k := range out {
		d.again(v, k)
	}
	return out
}

// Forget makes the next To make every part again and return its key.
func (d *Derived[P]) Forget() { d.rev = -1 }

// everything adds the keys of all parts that there are, and of all that
// records concern.
func (d *Derived[P]) everything(v *View, keys map[string]bool) {
	for k := range d.parts.Scan {
		keys[k] = true
	}
	for _, r := range d.rules {
		v.table(r.Table).rows.Scan(func(key string, record any) bool {
			for _, k := range r.keys(Change{Table: r.Table, Key: key, New: record, Rev: v.Revision()}) {
				keys[k] = true
			}
			return true
		})
	}
}

func (d *Derived[P]) again(v *View, key string) {
	d.made++
	if p, ok := d.make(v, key); ok {
		d.parts.Set(key, p)
		return
	}
	d.parts.Delete(key)
}

// Part is the part of a key.
func (d *Derived[P]) Part(key string) (P, bool) { return d.parts.Get(key) }

// Parts are all, in order of keys.
func (d *Derived[P]) Parts() iter.Seq2[string, P] {
	return func(yield func(string, P) bool) { d.parts.Scan(yield) }
}

// Len is how many parts there are.
func (d *Derived[P]) Len() int { return d.parts.Len() }

// Made is how many parts have been made in all: what tests hold the cost by.
func (d *Derived[P]) Made() int { return d.made }
