package store

import (
	"slices"
	"strings"
)

// Grouped keeps the records of a table by a value of theirs, by difference: it
// gives what an index gives, without looking each record up. It belongs to one
// goroutine at a time.
type Grouped[T any] struct {
	db     *DB
	table  *Table[T]
	by     func(*T) string
	rev    int64 // what the groups were made from; -1 at first
	groups map[string]*group[T]
}

// group are records in the order of their keys.
type group[T any] struct {
	keys    []string
	records []*T
}

// NewGrouped has no groups yet. by is the value of a record; "" leaves it out.
func NewGrouped[T any](db *DB, t *Table[T], by func(*T) string) *Grouped[T] {
	return &Grouped[T]{db: db, table: t, by: by, rev: -1}
}

// To brings the groups to a view.
func (g *Grouped[T]) To(v *View) {
	if !g.db.Since(g.rev, v, g.take) {
		g.groups = map[string]*group[T]{}
		v.table(g.table.name).rows.Scan(func(key string, record any) bool {
			g.add(key, record.(*T))
			return true
		})
	}
	g.rev = v.Revision()
}

// Of are the records of a value, in order of keys. They belong to the store,
// and the slice is good until the next To: nobody may write into either.
func (g *Grouped[T]) Of(value string) []*T {
	if s := g.groups[value]; s != nil {
		return s.records
	}
	return nil
}

// take follows one change.
func (g *Grouped[T]) take(c Change) {
	old, updated := g.table.Of(c)
	if old != nil && (updated == nil || g.by(old) != g.by(updated)) {
		g.remove(c.Key, g.by(old))
	}
	if updated != nil {
		g.add(c.Key, updated)
	}
}

// add puts a record into its group, in the place of an older one of its key.
func (g *Grouped[T]) add(key string, record *T) {
	value := g.by(record)
	if value == "" {
		return
	}
	s := g.groups[value]
	if s == nil {
		s = &group[T]{}
		g.groups[value] = s
	}
	i, found := slices.BinarySearchFunc(s.keys, key, strings.Compare)
	if found {
		s.records[i] = record
		return
	}
	s.keys, s.records = slices.Insert(s.keys, i, key), slices.Insert(s.records, i, record)
}

func (g *Grouped[T]) remove(key, value string) {
	s := g.groups[value]
	if s == nil {
		return
	}
	if i, found := slices.BinarySearchFunc(s.keys, key, strings.Compare); found {
		s.keys, s.records = slices.Delete(s.keys, i, i+1), slices.Delete(s.records, i, i+1)
	}
	if len(s.keys) == 0 {
		delete(g.groups, value)
	}
}
