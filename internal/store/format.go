package store

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"berth/internal/fault"
)

// Format says how the records of a KV are stored: by its number, and by the
// steps that make what an older format wrote into what this one reads. A KV
// without a number has format 0.
type Format struct {
	Number int
	// Steps[n] makes a record of format n one of format n+1; a nil step
	// changes no record.
	Steps []Step
}

// Step gives the new value of a record, or the old one if it stays.
type Step func(table, key string, value []byte) ([]byte, error)

// formatKey is before all records in a KV's order, so that a newer format is
// refused before anything of it is read.
const formatKey = "\x01format"

// migration is the reading of a KV that may be older.
type migration struct {
	format Format
	found  int
	ops    []Op // the records that a step changed
}

// number reads the KV's format and refuses a newer one.
func (m *migration) number(value []byte) error {
	n, err := strconv.Atoi(string(value))
	if err != nil {
		return fmt.Errorf("read the data's format: %w", err)
	}
	if n > m.format.Number {
		return fault.New(fault.Invalid, "", "the data has format %d and this berth reads formats up to %d: "+
			"start the berth that wrote it or a newer one; nothing was changed", n, m.format.Number)
	}
	m.found = n
	return nil
}

// migrate brings a record to the present format.
func (m *migration) migrate(table, key string, value []byte) ([]byte, error) {
	out := value
	for n := m.found; n < m.format.Number; n++ {
		step := m.format.Steps[n]
		if step == nil {
			continue
		}
		var err error
		if out, err = step(table, key, out); err != nil {
			return nil, fmt.Errorf("bring %s %q from format %d to %d: %w", table, key, n, n+1, err)
		}
	}
	if !bytes.Equal(out, value) {
		m.ops = append(m.ops, Op{Key: table + "\x00" + key, Value: bytes.Clone(out)})
	}
	return out, nil
}

// finish writes what the steps changed, and the number with it. Where nothing
// changed the number goes along with the next commit, so that who only reads
// writes nothing.
func (db *DB) finish(ctx context.Context, m *migration, rev int64) (int64, error) {
	if m.found == m.format.Number {
		return rev, nil
	}
	number := Op{Key: formatKey, Value: []byte(strconv.Itoa(m.format.Number))}
	if len(m.ops) == 0 {
		db.unwritten = []Op{number}
		return rev, nil
	}
	if err := db.kv.Commit(ctx, rev+1, append(m.ops, number)); err != nil {
		return 0, fmt.Errorf("write the data in format %d: %w", m.format.Number, err)
	}
	return rev + 1, nil
}
