package store

import "context"

// Fork is a DB of its own that begins with what this one has. Neither sees what
// is written to the other. It is on no disk and needs no Close. It costs as
// little as a View: rows are shared until one of the two writes them.
func (db *DB) Fork() *DB {
	db.write.Lock()
	defer db.write.Unlock()
	v := &version{rev: db.head.rev, tables: make(map[string]*data, len(db.head.tables))}
	for name, d := range db.head.tables {
		c := d.copy()
		for i := range c.index {
			c.mutable(i)
		}
		v.tables[name] = c
	}
	f := &DB{kv: nowhere{}, defs: db.defs, head: v}
	f.subs.m = map[int]*Watch{}
	f.pub.Store(v)
	return f
}

// Rewind makes a fork what it was at a View of its own. Nobody may be writing
// to it, and nobody may watch it. It panics on a DB that is not a fork.
func (db *DB) Rewind(to *View) {
	if _, ok := db.kv.(nowhere); !ok {
		panic("store: only a fork can be rewound")
	}
	db.write.Lock()
	defer db.write.Unlock()
	db.head = to.v
	db.pub.Store(to.v)
}

// nowhere is the KV of forks.
type nowhere struct{}

func (nowhere) Load(context.Context, func(string, []byte) error) (int64, error) { return 0, nil }

func (nowhere) Commit(context.Context, int64, []Op) error { return nil }

func (nowhere) Close() error { return nil }
