// Package pebble is the embedded durable KV of store, on Pebble: a batch is
// synced to the write-ahead log before Commit returns. It is the only package
// that imports Pebble for state; series keeps its own.
//
// What is damaged is told, never passed over (see disk.Folder).
package pebble

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"berth/internal/disk"
	"berth/internal/store"
)

// revision is where the last revision is kept: no table name begins with NUL.
var revision = []byte("\x00revision")

// Options are how a database is opened; the zero value is good.
type Options struct {
	// Disk is the file system; nil: the operating system's, as it is.
	Disk *disk.Disk
	// Recover goes on without what was lost; Warn is told what that is. Else
	// Load fails.
	Recover bool
	Warn    func(text string)
	// ReadOnly opens what is there and writes nothing.
	ReadOnly bool

	memTable uint64 // bytes; 0: as a server has it
}

// KV is a folder with a Pebble database.
type KV struct {
	f *disk.Folder
	o Options
}

// Open opens or makes the database in dir. It fails while another process
// has it open, and with fault.Invalid and advice if it is damaged.
func Open(dir string, o Options) (*KV, error) {
	f, err := disk.OpenFolder(dir, disk.FolderOptions{
		What: "the state", Disk: o.Disk, Recover: o.Recover, Warn: o.Warn, ReadOnly: o.ReadOnly,
		Pebble: &pebble.Options{MemTableSize: cmp.Or(o.memTable, 2<<20), CacheSize: 4 << 20},
	})
	if err != nil {
		return nil, err
	}
	return &KV{f, o}, nil
}

// Writable refuses a write while the disk is full.
func (k *KV) Writable() error {
	if k.o.Disk == nil {
		return nil
	}
	return k.o.Disk.Writable()
}

// Load implements store.KV.
func (k *KV) Load(_ context.Context, fn func(string, []byte) error) (int64, error) {
	rev, err := k.read(k.f.DB, func(key, value []byte) error { return fn(string(key), value) })
	if err != nil {
		return 0, err
	}
	if err := k.f.Compare(rev); err != nil {
		return 0, err
	}
	return rev, k.f.Mark(rev)
}

// read calls fn with every pair of a database or a snapshot of it, in order.
func (k *KV) read(r pebble.Reader, fn func(key, value []byte) error) (int64, error) {
	rev, err := k.revision(r)
	if err != nil {
		return 0, err
	}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{1}})
	if err != nil {
		return 0, fmt.Errorf("read state: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		if err := fn(it.Key(), it.Value()); err != nil {
			return 0, errors.Join(err, it.Close())
		}
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return 0, k.f.Damaged(err)
	}
	return rev, nil
}

func (k *KV) revision(r pebble.Reader) (int64, error) {
	v, closer, err := r.Get(revision)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, k.f.Damaged(err)
	case len(v) != 8:
		return 0, errors.Join(k.f.Damaged(pebble.ErrCorruption), closer.Close())
	}
	return int64(binary.BigEndian.Uint64(v)), closer.Close()
}

// Snapshot is the database as it was at one revision, while others write.
type Snapshot struct {
	k *KV
	s *pebble.Snapshot
	// Revision is the one at which it is.
	Revision int64
}

// Snapshot takes one, which is to be closed.
func (k *KV) Snapshot() (*Snapshot, error) {
	s := &Snapshot{k: k, s: k.f.DB.NewSnapshot()}
	var err error
	if s.Revision, err = k.revision(s.s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Each calls fn with every pair in order; bytes are only valid during the call.
func (s *Snapshot) Each(fn func(key, value []byte) error) error {
	_, err := s.k.read(s.s, fn)
	return err
}

// Close lets the snapshot go.
func (s *Snapshot) Close() error { return s.s.Close() }

// Commit implements store.KV.
func (k *KV) Commit(_ context.Context, rev int64, ops []store.Op) error {
	b := k.f.DB.NewBatch()
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
	if err := b.Commit(pebble.Sync); err != nil {
		return err
	}
	return k.f.Mark(rev)
}

// Close implements store.KV.
func (k *KV) Close() error { return k.f.Close() }
