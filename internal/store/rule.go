package store

import "slices"

// Rule says which keys a change of one table's records concerns. Rules are
// how a controller is woken, and what a page about that is printed from.
type Rule struct {
	// Table is the name of the table.
	Table string
	// Means says in words what the keys are.
	Means string
	keys  func(Change) []string
}

// Rules are all that wakes one controller.
type Rules []Rule

// On makes a rule: keys is told of every change of a record of t, with nil
// where there is none before or after, and returns whom it concerns. It must
// be pure and must not write into the records.
func On[T any](t *Table[T], means string, keys func(old, updated *T) []string) Rule {
	return Rule{t.name, means, func(c Change) []string { return keys(t.Of(c)) }}
}

// OnPart makes a rule for who sees only a part of each record: part computes
// it, and while it stays equal nobody is woken. keys says whom a part
// concerns; both those of the former and those of the present are woken.
func OnPart[T any, P comparable](t *Table[T], means string, part func(*T) P, keys func(P) []string) Rule {
	return On(t, means, func(old, updated *T) []string {
		switch {
		case old == nil:
			return keys(part(updated))
		case updated == nil:
			return keys(part(old))
		}
		o, n := part(old), part(updated)
		if o == n {
			return nil
		}
		return join(keys(o), keys(n))
	})
}

// OnAny makes a rule that wakes the key that a record has, whatever changes;
// "" is none.
func OnAny[T any](t *Table[T], means string, key func(*T) string) Rule {
	return On(t, means, func(old, updated *T) []string {
		var out []string
		for _, v := range []*T{old, updated} {
			if v != nil {
				out = join(out, Key(key(v)))
			}
		}
		return out
	})
}

// Key is the keys that one key makes: none if it is "".
func Key(key string) []string {
	if key == "" {
		return nil
	}
	return []string{key}
}

// join adds the keys that are not there yet.
func join(a, b []string) []string {
	for _, k := range b {
		if !slices.Contains(a, k) {
			a = append(a, k)
		}
	}
	return a
}

// Keys are those that a change of the rule's table concerns.
func (r Rule) Keys(c Change) []string { return r.keys(c) }

// Keys are those that a change concerns by any of the rules, in their order.
func (rs Rules) Keys(c Change) []string {
	var out []string
	for _, r := range rs {
		if r.Table == c.Table {
			out = append(out, r.keys(c)...)
		}
	}
	return out
}

// Of is a change of the table's records with its type; both are nil if the
// change is another table's.
func (t *Table[T]) Of(c Change) (old, updated *T) {
	if c.Table != t.name {
		return nil, nil
	}
	old, _ = c.Old.(*T)
	updated, _ = c.New.(*T)
	return old, updated
}

// Change is what watchers are told when old becomes updated; nil is no record.
func (t *Table[T]) Change(old, updated *T) Change {
	c := Change{Table: t.name}
	if old != nil {
		c.Key, c.Old = t.key(*old), old
	}
	if updated != nil {
		c.Key, c.New = t.key(*updated), updated
	}
	return c
}
