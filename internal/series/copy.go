package series

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"berth/internal/fault"
)

// Snapshot is the store as it was at one moment, while others write.
type Snapshot struct {
	of *Store
	s  *pebble.Snapshot
}

// Snapshot takes one, which is to be closed.
func (s *Store) Snapshot() *Snapshot { return &Snapshot{s, s.db.NewSnapshot()} }

// Each calls fn with every pair in order, but the number of the last batch; bytes are only valid during the call.
func (s *Snapshot) Each(fn func(key, value []byte) error) error {
	it, err := s.s.NewIter(&pebble.IterOptions{LowerBound: []byte{1}})
	if err != nil {
		return fmt.Errorf("read series: %w", err)
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = fn(it.Key(), it.Value())
	}
	if cerr := it.Close(); err == nil {
		err = s.of.unreadable(cerr)
	}
	return err
}

// Close lets the snapshot go.
func (s *Snapshot) Close() error { return s.s.Close() }

// Filler writes the pairs of a Snapshot into a store that is empty.
type Filler struct {
	s *Store
	b *pebble.Batch
}

// fillBytes is about how much a Filler writes at once.
const fillBytes = 1 << 20

// Fill begins to.
func (s *Store) Fill() *Filler { return &Filler{s: s, b: s.db.NewBatch()} }

// Put adds a pair; one that no Snapshot has is fault.Invalid.
func (f *Filler) Put(key, value []byte) error {
	if !sound(key, value) {
		return fault.New(fault.Invalid, "", "%.200q is no record of logs and metrics", key)
	}
	if err := f.b.Set(key, value, nil); err != nil {
		return err
	}
	if f.b.Len() < fillBytes {
		return nil
	}
	return f.Close()
}

// Close writes the rest.
func (f *Filler) Close() error {
	if err := f.s.commit(f.b); err != nil {
		return fmt.Errorf("fill series: %w", err)
	}
	f.b = f.s.db.NewBatch()
	return nil
}

// sound says whether a pair is one that reads of this package do not stumble on.
func sound(key, value []byte) bool {
	kind, rest, ok := bytes.Cut(key, []byte{0})
	if !ok {
		return false
	}
	switch string(kind) {
	case kindStream:
		return bytes.Count(rest, []byte{0}) == 1
	case kindEvent:
		parts := bytes.SplitN(rest, []byte{0}, 3)
		return len(parts) == 3 && len(parts[2]) == 16 && len(value) >= 8
	case kindMetric:
		return len(value) == 0 && bytes.Count(rest, []byte{0}) >= 2
	case kindPoint:
		id, at, ok := bytes.Cut(rest, []byte{0, 0})
		return ok && len(at) >= 8 && bytes.Count(id, []byte{0}) >= 1
	default:
		return false
	}
}
