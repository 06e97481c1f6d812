package store

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// part is a run of records of one table that are decoded together.
type part struct {
	def  Def
	rows []stored
	r    *reader // has the text of all values, until they are decoded
}

// stored is one record as the KV has it, and as it is in memory.
type stored struct {
	key    string
	end    int // of its value in the part's text
	record any
}

// enough text makes a part: long enough for records to share what they repeat,
// and short enough for every processor to have some.
const enough = 128 << 10

// readers are the readers and buffers of the parts under way: there are a few
// more than processors, and each is used again and again.
type readers struct{ sync.Pool }

func (p *readers) get() *reader {
	if r, ok := p.Get().(*reader); ok {
		return r
	}
	return &reader{buf: make([]byte, 0, enough+enough/4)}
}

// load fills the tables of a version from the KV. Decoding is most of it and
// goes on beside the reading, on every processor.
func (db *DB) load(ctx context.Context, v *version, format Format) (int64, error) {
	m := &migration{format: format}
	var parts []*part
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	var pool readers
	begin := func(p *part) {
		if p.def != nil {
			g.Go(func() error {
				err := p.decode()
				pool.Put(p.r)
				p.r = nil
				return err
			})
		}
	}
	p := &part{}
	rev, err := db.kv.Load(ctx, func(key string, value []byte) error {
		if key == formatKey {
			return m.number(value)
		}
		name, k, ok := strings.Cut(key, "\x00")
		def := db.defs[name]
		if !ok || def == nil {
			return fmt.Errorf("unknown table %q", name)
		}
		value, err := m.migrate(name, k, value)
		if err != nil {
			return err
		}
		if p.def != def || len(p.r.buf) > enough {
			begin(p)
			p = &part{def: def, r: pool.get()}
			p.r.buf, p.r.scratch = p.r.buf[:0], nil
			parts = append(parts, p)
		}
		p.r.buf = append(p.r.buf, value...)
		p.rows = append(p.rows, stored{key: k, end: len(p.r.buf)})
		return nil
	})
	begin(p)
	if wrong := g.Wait(); err == nil {
		err = wrong
	}
	if err != nil {
		return 0, err
	}
	for len(parts) > 0 { // those of one table come one after the other
		n := 1
		for n < len(parts) && parts[n].def == parts[0].def {
			n++
		}
		t, mine := v.tables[parts[0].def.tableName()], parts[:n]
		g.Go(func() error { t.fill(mine); return nil })
		parts = parts[n:]
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return db.finish(ctx, m, rev)
}

func (p *part) decode() error {
	from := 0
	for i := range p.rows {
		row := &p.rows[i]
		v, err := p.def.decode(p.r, p.r.buf[from:row.end])
		if err != nil {
			return fmt.Errorf("decode %s %q: %w", p.def.tableName(), row.key, err)
		}
		row.record, from = v, row.end
	}
	return nil
}

// fill puts the records of one table in, which come in order of their keys.
func (d *data) fill(parts []*part) {
	n := 0
	for _, p := range parts {
		n += len(p.rows)
		for _, row := range p.rows {
			d.rows.Load(row.key, row.record)
		}
	}
	for i, ix := range d.index {
		all := make([]entry, 0, n)
		for _, p := range parts {
			for _, row := range p.rows {
				for _, value := range p.def.values(i, row.record) {
					all = append(all, entry{value, row.key})
				}
			}
		}
		slices.SortFunc(all, entry.compare)
		for _, e := range all {
			ix.Load(e)
		}
	}
}
