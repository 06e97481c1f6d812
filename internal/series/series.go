// Package series keeps what grows with time: log streams and metric data, in
// a folder of its own with Pebble. It owns their order, their paging and
// their retention; it knows nothing of who writes and judges nothing. Log
// groups, alarms and policies are records of state, not of this package.
//
// An append is on disk when it returns. Memory makes a store without a disk,
// for the simulator and for tests. A Store is safe for concurrent use.
package series

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/internal/disk"
	"berth/internal/fault"
)

// Store is a folder of logs and metrics.
type Store struct {
	db       *pebble.DB
	folder   *disk.Folder // nil in memory
	writable func() error // refuses while the disk is full

	mu      sync.Mutex         // held over read-modify-write of streams and points
	streams map[string]*Stream // by group \0 stream, as far as they were used
	metrics map[string]bool    // identities that are on disk

	write sync.Mutex // one batch at a time, after mu
	rev   int64      // of the last batch; under write
}

// Options are how a Store is opened.
type Options struct {
	// Disk is the file system.
	Disk *disk.Disk
	// Recover goes on without what was lost; Warn is told what that is. Else the
	// Store is not opened.
	Recover bool
	Warn    func(text string)
	// ReadOnly opens what is there and writes nothing.
	ReadOnly bool

	memTable uint64 // bytes; 0: as a server has it
}

// Open opens or makes the store in dir. It fails while another process has it
// open, and with fault.Invalid and advice if it is damaged. While the disk is
// full, what writes fails with fault.Unavailable.
func Open(dir string, o Options) (*Store, error) {
	cache := pebble.NewCache(4 << 20)
	defer cache.Unref()
	f, err := disk.OpenFolder(dir, disk.FolderOptions{
		What: "logs and metrics", Disk: o.Disk, Recover: o.Recover, Warn: o.Warn, ReadOnly: o.ReadOnly,
		Pebble: &pebble.Options{Cache: cache, MemTableSize: cmp.Or(o.memTable, 2<<20)},
	})
	if err != nil {
		return nil, err
	}
	s := newStore(f.DB)
	s.folder = f
	if o.Disk != nil {
		s.writable = o.Disk.Writable
	}
	if s.rev, err = s.revision(); err == nil {
		err = f.Compare(s.rev)
	}
	if err == nil {
		err = f.Mark(s.rev)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// Memory makes a store that is gone when it is closed.
func Memory() (*Store, error) {
	db, err := pebble.Open("", &pebble.Options{
		FS: vfs.NewMem(), Logger: quiet{}, MemTableSize: 2 << 20, CacheSize: 4 << 20, FormatMajorVersion: pebble.FormatNewest,
	})
	if err != nil {
		return nil, fmt.Errorf("open series in memory: %w", err)
	}
	return newStore(db), nil
}

func newStore(db *pebble.DB) *Store {
	writable := func() error { return nil }
	return &Store{db: db, writable: writable, streams: map[string]*Stream{}, metrics: map[string]bool{}}
}

// revisionKey is where the number of the last batch is kept: no kind begins with
// NUL.
var revisionKey = []byte("\x00revision")

func (s *Store) revision() (int64, error) {
	raw, closer, err := s.db.Get(revisionKey)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, s.folder.Damaged(err)
	case len(raw) != 8:
		return 0, errors.Join(s.folder.Damaged(pebble.ErrCorruption), closer.Close())
	}
	return int64(binary.BigEndian.Uint64(raw)), closer.Close()
}

// unreadable says what an error of a read means.
func (s *Store) unreadable(err error) error {
	switch {
	case err == nil:
		return nil
	case s.folder == nil:
		return fmt.Errorf("read series: %w", err)
	default:
		return s.folder.Damaged(err)
	}
}

// commit writes a batch durably, with its number.
func (s *Store) commit(b *pebble.Batch) error {
	if err := s.writable(); err != nil {
		return err
	}
	if s.folder == nil {
		return b.Commit(pebble.Sync)
	}
	s.write.Lock()
	defer s.write.Unlock()
	if err := b.Set(revisionKey, binary.BigEndian.AppendUint64(nil, uint64(s.rev+1)), nil); err != nil {
		return err
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return err
	}
	s.rev++
	return s.folder.Mark(s.rev)
}

// Close closes the store.
func (s *Store) Close() error {
	if s.folder == nil {
		return s.db.Close()
	}
	return s.folder.Close()
}

// quiet drops Pebble's chatter; errors come back from the calls.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf("pebble: "+format, args...))
}

// Keys begin with a letter for their kind; parts are joined with NUL, which no
// name may hold. Times are big-endian, shifted so that they sort.
const (
	kindStream = "s"
	kindEvent  = "e"
	kindMetric = "m"
	kindPoint  = "d"
)

func joined(parts ...string) string { return strings.Join(parts, "\x00") + "\x00" }

func appendTime(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)^1<<63) }

func readTime(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

// upper is the first key that no longer has the prefix.
func upper(prefix []byte) []byte {
	out := bytes.Clone(prefix)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i]++; out[i] != 0 {
			return out[:i+1]
		}
	}
	return nil
}

// scan calls fn for the keys in [from, to) in order until it returns false.
func (s *Store) scan(from, to []byte, fn func(key, value []byte) bool) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("read series: %w", err)
	}
	for ok := it.First(); ok && fn(it.Key(), it.Value()); {
		ok = it.Next()
	}
	return s.unreadable(it.Close())
}

func (s *Store) scanBack(from, to []byte, fn func(key, value []byte) bool) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("read series: %w", err)
	}
	for ok := it.Last(); ok && fn(it.Key(), it.Value()); {
		ok = it.Prev()
	}
	return s.unreadable(it.Close())
}

// get reads one JSON record; ok is false if it is absent.
func (s *Store) get(key string, v any) (ok bool, err error) {
	raw, closer, err := s.db.Get([]byte(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, s.unreadable(err)
	}
	err = json.Unmarshal(raw, v)
	return err == nil, errors.Join(err, closer.Close())
}

func put(b *pebble.Batch, key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Set([]byte(key), raw, nil)
}

func checkName(what, name string) error {
	if name == "" || strings.ContainsRune(name, 0) {
		return fault.New(fault.Invalid, "", "%s %q is no name", what, name)
	}
	return nil
}

// Retention says how long things are kept.
type Retention struct {
	// Logs keeps the events of each named group; others are kept for ever.
	Logs map[string]time.Duration
	// Minutes keeps metric data at one minute; older data is kept by the
	// hour, for Hours. Zero is CloudWatch's 15 and 455 days.
	Minutes, Hours time.Duration
}

// Prune forgets what is older than its retention.
func (s *Store) Prune(now time.Time, r Retention) error {
	var errs []error
	for group, keep := range r.Logs {
		errs = append(errs, s.pruneLogs(group, now.Add(-keep)))
	}
	if r.Minutes == 0 {
		r.Minutes = 15 * 24 * time.Hour
	}
	if r.Hours == 0 {
		r.Hours = 455 * 24 * time.Hour
	}
	return errors.Join(append(errs, s.pruneMetrics(now.Add(-r.Minutes), now.Add(-r.Hours)))...)
}
