// Package pebble is the embedded durable KV of store, on Pebble: a batch is
// synced to the write-ahead log before Commit returns. It is the only package
// that imports Pebble for state; series keeps its own.
package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"berth/internal/store"
)

// revision is where the last revision is kept: no table name begins with NUL.
var revision = []byte("\x00revision")

// KV is a folder with a Pebble database.
type KV struct {
	db *pebble.DB
}

// Open opens or makes the database in dir. It fails while another process
// has it open.
func Open(dir string) (*KV, error) {
	db, err := pebble.Open(dir, &pebble.Options{
		Logger:             quiet{},
		MemTableSize:       2 << 20,
		CacheSize:          4 << 20,
		FormatMajorVersion: pebble.FormatNewest,
	})
	if err != nil {
		return nil, fmt.Errorf("open state in %s: %w", dir, err)
	}
	return &KV{db}, nil
}

// Load implements store.KV.
func (k *KV) Load(_ context.Context, fn func(string, []byte) error) (int64, error) {
	var rev int64
	v, closer, err := k.db.Get(revision)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
	case err != nil:
		return 0, fmt.Errorf("read revision: %w", err)
	default:
		rev = int64(binary.BigEndian.Uint64(v))
		if err := closer.Close(); err != nil {
			return 0, err
		}
	}
	it, err := k.db.NewIter(&pebble.IterOptions{LowerBound: []byte{1}})
	if err != nil {
		return 0, fmt.Errorf("read state: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		if err := fn(string(it.Key()), it.Value()); err != nil {
			return 0, errors.Join(err, it.Close())
		}
	}
	return rev, it.Close()
}

// Commit implements store.KV.
func (k *KV) Commit(_ context.Context, rev int64, ops []store.Op) error {
	b := k.db.NewBatch()
	for _, op := range ops {
		var err error
		if op.Delete {
			err = b.Delete([]byte(op.Key), nil)
		} else {
			err = b.Set([]byte(op.Key), op.Value, nil)
		}
		if err != nil {
			return err
		}
	}
	if err := b.Set(revision, binary.BigEndian.AppendUint64(nil, uint64(rev)), nil); err != nil {
		return err
	}
	return b.Commit(pebble.Sync)
}

// Close implements store.KV.
func (k *KV) Close() error { return k.db.Close() }

// quiet drops Pebble's chatter; errors come back from the calls.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf("pebble: "+format, args...))
}
