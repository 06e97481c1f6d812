// Package store keeps typed tables with revisions, secondary indexes,
// snapshots and watches in memory, over a durable KV. It knows none of our
// nouns.
//
// A write is on disk before its caller hears of it; writers that come
// together share one commit. A View is an immutable snapshot at one revision
// and costs nothing to take. Records are values: what a View returns must not
// be written into, since slices, maps and pointers inside are shared with
// every other reader. DB is safe for concurrent use; a Tx belongs to the
// function that it was handed to.
package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"
)

// Reader is a View or a Tx.
type Reader interface {
	// Revision of what is read.
	Revision() int64
	table(name string) *data
}

// Change is one record that a transaction changed. Old and New point to values
// of the table's record type, or are nil if there is none; nobody may write
// through them. Table.Of gives them their type.
type Change struct {
	Table    string
	Key      string
	Old, New any
	Rev      int64
}

// Def describes a table to the DB; *Table[T] is the only implementation.
type Def interface {
	tableName() string
	decode(r *reader, b []byte) (any, error)
	indexNames() []string
	values(index int, v any) []string
}

type data struct {
	rows  *btree.Map[string, any]
	index []*btree.BTreeG[entry] // in the order of the table's indexes
	own   []bool                 // indexes that are no longer shared with the version before
}

// entry says that a record is found under a value.
type entry struct{ value, key string }

func (e entry) compare(o entry) int {
	if c := strings.Compare(e.value, o.value); c != 0 {
		return c
	}
	return strings.Compare(e.key, o.key)
}

func (e entry) before(o entry) bool { return e.compare(o) < 0 }

// degree is how wide the trees are: a transaction copies every node on the way
// to what it changes. 16 copies a third less than 32 and finds as fast.
const degree = 16

func newData(d Def) *data {
	n := len(d.indexNames())
	t := &data{btree.NewMap[string, any](degree), make([]*btree.BTreeG[entry], n), make([]bool, n)}
	for i := range t.index {
		t.index[i] = btree.NewBTreeGOptions(entry.before, btree.Options{NoLocks: true, Degree: degree})
	}
	return t
}

func (d *data) copy() *data {
	return &data{d.rows.Copy(), slices.Clone(d.index), make([]bool, len(d.index))}
}

// mutable is an index that may be written to.
func (d *data) mutable(i int) *btree.BTreeG[entry] {
	if !d.own[i] {
		d.index[i], d.own[i] = d.index[i].Copy(), true
	}
	return d.index[i]
}

type version struct {
	rev    int64
	tables map[string]*data
}

// DB is a set of tables.
type DB struct {
	kv   KV
	defs map[string]Def

	write sync.Mutex // held while a transaction function runs
	head  *version   // newest, perhaps not yet durable; under write
	queue []*batch   // under write
	busy  bool       // a committer is at work; under write
	// unwritten goes along with the first commit: the format's number; under write
	unwritten []Op

	pub  atomic.Pointer[version] // newest durable
	past history                 // what led to it
	subs struct {
		sync.Mutex
		next int
		m    map[int]*Watch
	}
	failed atomic.Pointer[error]
}

type batch struct {
	ver     *version
	ops     []Op
	changes []Change
	done    chan error
}

// Open reads all tables from kv, which has format 0.
func Open(ctx context.Context, kv KV, defs ...Def) (*DB, error) {
	return OpenFormat(ctx, kv, Format{}, defs...)
}

// OpenFormat reads all tables from kv. What an older format wrote is brought
// to this one; a newer one is refused before anything is changed.
func OpenFormat(ctx context.Context, kv KV, format Format, defs ...Def) (*DB, error) {
	db := &DB{kv: kv, defs: map[string]Def{}}
	db.subs.m = map[int]*Watch{}
	v := &version{tables: map[string]*data{}}
	for _, d := range defs {
		if db.defs[d.tableName()] != nil {
			return nil, fmt.Errorf("open store: two tables named %s", d.tableName())
		}
		db.defs[d.tableName()] = d
		v.tables[d.tableName()] = newData(d)
	}
	rev, err := db.load(ctx, v, format)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	v.rev = rev
	db.head = v
	db.pub.Store(v)
	return db, nil
}

// Close closes the KV.
func (db *DB) Close() error { return db.kv.Close() }

// View is an immutable snapshot.
type View struct{ v *version }

// View returns the newest durable snapshot.
func (db *DB) View() *View { return &View{db.pub.Load()} }

// Revision returns the snapshot's revision.
func (v *View) Revision() int64 { return v.v.rev }

func (v *View) table(name string) *data { return v.v.tables[name] }

// Tx is a transaction under way.
type Tx struct {
	db      *DB
	rev     int64
	base    *version
	own     map[string]*data // copies of the tables that were written to
	changes []Change
	seen    map[string]int // table \0 key → position in changes
	guard   Guard
}

// Revision is the revision that the transaction will make.
func (tx *Tx) Revision() int64 { return tx.rev }

func (tx *Tx) table(name string) *data {
	if d := tx.own[name]; d != nil {
		return d
	}
	return tx.base.tables[name]
}

func (tx *Tx) ownTable(name string) *data {
	if tx.own[name] == nil {
		tx.own[name] = tx.base.tables[name].copy()
	}
	return tx.own[name]
}

// Guard looks at each change before it is taken; its error refuses the whole
// transaction.
type Guard func(table string, old, updated any) error

// Update runs fn as one transaction and returns the revision that is on disk
// when it returns. If fn or the guard returns an error nothing is changed. A
// transaction that changes nothing makes no revision. fn must not block, draw
// random numbers or call the DB.
func (db *DB) Update(ctx context.Context, guard Guard, fn func(*Tx) error) (int64, error) {
	if p := db.failed.Load(); p != nil {
		return 0, *p
	}
	b, rev, err := db.apply(guard, fn)
	if err != nil || b == nil {
		return rev, err
	}
	// The commit goes on even if the caller gives up waiting.
	select {
	case err := <-b.done:
		return b.ver.rev, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (db *DB) apply(guard Guard, fn func(*Tx) error) (*batch, int64, error) {
	db.write.Lock()
	defer db.write.Unlock()
	tx := &Tx{db: db, rev: db.head.rev + 1, base: db.head, own: map[string]*data{}, seen: map[string]int{}, guard: guard}
	if err := fn(tx); err != nil {
		return nil, 0, err
	}
	if len(tx.changes) == 0 {
		return nil, db.head.rev, nil
	}
	if kv, ok := db.kv.(Limited); ok {
		if err := kv.Writable(); err != nil {
			return nil, 0, err
		}
	}
	tables := maps.Clone(db.head.tables)
	maps.Copy(tables, tx.own)
	b := &batch{ver: &version{rev: tx.rev, tables: tables}, changes: tx.changes, done: make(chan error, 1)}
	for _, c := range tx.changes {
		op := Op{Key: c.Table + "\x00" + c.Key, Delete: c.New == nil}
		if !op.Delete {
			v, err := json.Marshal(c.New)
			if err != nil {
				return nil, 0, fmt.Errorf("encode %s %q: %w", c.Table, c.Key, err)
			}
			op.Value = v
		}
		b.ops = append(b.ops, op)
	}
	b.ops, db.unwritten = append(b.ops, db.unwritten...), nil
	db.head = b.ver
	db.queue = append(db.queue, b)
	if !db.busy {
		db.busy = true
		go db.commit()
	}
	return b, 0, nil
}

// commit writes what has queued up, again and again until nothing is left:
// writers that arrive during one commit share the next.
func (db *DB) commit() {
	for {
		// Writers that are about to come share this commit: a sync costs more
		// than all that they do.
		runtime.Gosched()
		db.write.Lock()
		q := db.queue
		db.queue = nil
		if len(q) == 0 {
			db.busy = false
			db.write.Unlock()
			return
		}
		db.write.Unlock()
		var ops []Op
		for _, b := range q {
			ops = append(ops, b.ops...)
		}
		last := q[len(q)-1]
		err := db.kv.Commit(context.Background(), last.ver.rev, ops) // a commit outlives its caller
		if err != nil {
			// What is in memory can no longer be made durable: refuse all
			// further writes rather than promise what a restart would forget.
			err = fmt.Errorf("commit revision %d: %w", last.ver.rev, err)
			db.failed.Store(&err)
			for _, b := range q {
				b.done <- err
			}
			continue
		}
		for _, b := range q {
			db.past.add(b.ver.rev, b.changes)
		}
		db.pub.Store(last.ver)
		db.tell(q)
		for _, b := range q {
			b.done <- nil
		}
	}
}

// Watch hands over changes in order of revision.
type Watch struct {
	db    *DB
	id    int
	mu    sync.Mutex
	buf   []Change
	ready chan struct{}
	hook  func([]Change)
}

// Watch returns a snapshot and a watch that starts right after it.
func (db *DB) Watch() (*View, *Watch) { return db.watch(nil) }

// Hook is a watch that calls fn for each commit, in order, before the writers
// hear of it. fn must be quick and must not write.
func (db *DB) Hook(fn func([]Change)) (*View, *Watch) { return db.watch(fn) }

func (db *DB) watch(fn func([]Change)) (*View, *Watch) {
	db.subs.Lock()
	defer db.subs.Unlock()
	w := &Watch{db: db, id: db.subs.next, ready: make(chan struct{}, 1), hook: fn}
	db.subs.next++
	db.subs.m[w.id] = w
	return db.View(), w
}

// Next waits for changes; it returns ctx's error when that ends first.
func (w *Watch) Next(ctx context.Context) ([]Change, error) {
	for {
		w.mu.Lock()
		buf := w.buf
		w.buf = nil
		w.mu.Unlock()
		if len(buf) > 0 {
			return buf, nil
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Stop ends the watch.
func (w *Watch) Stop() {
	w.db.subs.Lock()
	defer w.db.subs.Unlock()
	delete(w.db.subs.m, w.id)
}

func (db *DB) tell(q []*batch) {
	db.subs.Lock()
	defer db.subs.Unlock()
	for id := range db.subs.next {
		w := db.subs.m[id]
		if w == nil {
			continue
		}
		for _, b := range q {
			if w.hook != nil {
				w.hook(b.changes)
				continue
			}
			w.mu.Lock()
			w.buf = append(w.buf, b.changes...)
			w.mu.Unlock()
			select {
			case w.ready <- struct{}{}:
			default:
			}
		}
	}
}

// Records calls fn for every record as if it had just been made, table by
// table in order of names: what a controller must see when it starts.
func (db *DB) Records(r Reader, fn func(Change)) {
	for _, name := range slices.Sorted(maps.Keys(db.defs)) {
		r.table(name).rows.Scan(func(key string, v any) bool {
			fn(Change{Table: name, Key: key, New: v, Rev: r.Revision()})
			return true
		})
	}
}
