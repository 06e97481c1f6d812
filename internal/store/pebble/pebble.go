// Package pebble is the embedded durable KV of store, on Pebble: a batch is
// synced to the write-ahead log before Commit returns. It is the only package
// that imports Pebble for state; series keeps its own.
//
// What is damaged is told, never passed over: Pebble's checksums find bits that
// changed, and a mark beside the folder finds what is missing (see mark).
package pebble

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"

	"berth/internal/disk"
	"berth/internal/fault"
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

	memTable uint64 // bytes; 0: as a server has it
}

// KV is a folder with a Pebble database.
type KV struct {
	db   *pebble.DB
	dir  string
	mark *mark
	o    Options
}

// Open opens or makes the database in dir. It fails while another process
// has it open, and with fault.Invalid and advice if it is damaged.
func Open(dir string, o Options) (*KV, error) {
	m, err := openMark(dir)
	if err != nil {
		return nil, fmt.Errorf("open state in %s: %w", dir, err)
	}
	k := &KV{dir: dir, mark: m, o: o}
	options := &pebble.Options{
		Logger: quiet{}, MemTableSize: cmp.Or(o.memTable, 2<<20), CacheSize: 4 << 20, FormatMajorVersion: pebble.FormatNewest,
	}
	w := &witness{dir: dir}
	if err := w.check(); err != nil {
		if !o.Recover {
			return nil, errors.Join(err, m.f.Close())
		}
		k.warn("going on without what is lost: " + err.Error())
	}
	options.EventListener = k.listener(w)
	if o.Disk != nil {
		options.FS = o.Disk.FS()
	}
	if k.db, err = openDB(dir, options); err != nil {
		return nil, errors.Join(damaged(dir, err), m.f.Close())
	}
	return k, nil
}

// listener has the witness look whenever the list of tables changed, and tells
// of damage that is found while the database is open: Pebble would end the
// process, and who reads has the error all the same.
func (k *KV) listener(w *witness) *pebble.EventListener {
	warn := func(err error) {
		if err != nil {
			k.warn(err.Error())
		}
	}
	return &pebble.EventListener{
		DataCorruption: func(i pebble.DataCorruptionInfo) { warn(fmt.Errorf("%s is damaged: %w", i.Path, i.Details)) },
		ManifestCreated: func(i pebble.ManifestCreateInfo) {
			if i.Err == nil {
				warn(w.look(filepath.Base(i.Path)))
			}
		},
		FlushEnd:      func(pebble.FlushInfo) { warn(w.look("")) },
		CompactionEnd: func(pebble.CompactionInfo) { warn(w.look("")) },
	}
}

func (k *KV) warn(text string) {
	if k.o.Warn != nil {
		k.o.Warn(text)
	}
}

// openDB opens a database; what Pebble panics of is an error too.
func openDB(dir string, o *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return pebble.Open(dir, o)
}

// damaged says what an error means for who reads it.
func damaged(dir string, err error) error {
	if !errors.Is(err, pebble.ErrCorruption) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open state in %s: %w", dir, err)
	}
	return fault.New(
		fault.Invalid, "", "the state in %s is damaged: %v\n  a file of it was removed, cut or changed; put back a copy of the folder, or "+
			"remove it and deploy anew", dir, err,
	)
}

// compare holds the last revision that the database has against the last one
// that was acknowledged.
func (k *KV) compare(rev int64) error {
	lost := k.mark.rev - rev
	switch {
	case !k.mark.known && rev > 0:
		k.warn(fmt.Sprintf(
			"%s is missing or damaged: whether anything of the state was lost cannot be told; it ends at revision %d", markOf(k.dir), rev,
		))
	case !k.mark.known || lost <= 0:
	case k.o.Recover:
		k.warn(fmt.Sprintf("going on without the last %d changes of the state, which are lost: revision %d of %d", lost, rev, k.mark.rev))
	default:
		return fault.New(
			fault.Invalid, "", "the last %d changes of the state in %s are lost: it ends at revision %d, and %d was acknowledged\n  a file of it "+
				"was removed, cut or changed; put back a copy of the folder, or go on without them with --recover", lost, k.dir, rev, k.mark.rev,
		)
	}
	return nil
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
	var rev int64
	v, closer, err := k.db.Get(revision)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
	case err != nil:
		return 0, damaged(k.dir, err)
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
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return 0, damaged(k.dir, err)
	}
	if err := k.compare(rev); err != nil {
		return 0, err
	}
	return rev, k.mark.set(rev)
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
	if err := b.Commit(pebble.Sync); err != nil {
		return err
	}
	return k.mark.set(rev)
}

// Close implements store.KV.
func (k *KV) Close() error { return errors.Join(k.db.Close(), k.mark.close()) }

// quiet drops Pebble's chatter; errors come back from the calls.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf("pebble: "+format, args...))
}
