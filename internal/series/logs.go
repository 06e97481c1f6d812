package series

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"berth/internal/fault"
)

// Stream is what is known of a log stream.
type Stream struct {
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	First    time.Time `json:"first,omitzero"`    // of the earliest event
	Last     time.Time `json:"last,omitzero"`     // of the latest event
	Ingested time.Time `json:"ingested,omitzero"` // of the newest append
	Bytes    int64     `json:"bytes"`
	Next     uint64    `json:"next"` // number of the next event
}

// Event is one line of a log. Times have milliseconds.
type Event struct {
	Stream   string // filled in by reads
	At       time.Time
	Ingested time.Time
	Message  string
	Position Position
}

// Position is where an event stands in its stream.
type Position struct {
	Milli int64
	Seq   uint64
}

func (p Position) less(o Position) bool {
	return p.Milli < o.Milli || p.Milli == o.Milli && p.Seq < o.Seq
}

// Overhead is what CloudWatch Logs counts for each event beside its bytes.
const Overhead = 26

func (s *Store) stream(group, name string) (*Stream, error) {
	key := joined(kindStream, group) + name
	if st := s.streams[key]; st != nil {
		return st, nil
	}
	st := &Stream{}
	ok, err := s.get(key, st)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "", "no log stream %q in %q", name, group)
	}
	s.streams[key] = st
	return st, nil
}

// CreateStream makes a log stream. Errors: fault.Conflict if it is there.
func (s *Store) CreateStream(group, name string, at time.Time) error {
	if err := checkName("log stream", name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.stream(group, name); err == nil {
		return fault.New(fault.Conflict, "", "log stream %q is in %q already", name, group)
	} else if !fault.Is(err, fault.NotFound) {
		return err
	}
	st := &Stream{Name: name, Created: at}
	b := s.db.NewBatch()
	if err := put(b, joined(kindStream, group)+name, st); err != nil {
		return err
	}
	if err := s.commit(b); err != nil {
		return fmt.Errorf("create log stream: %w", err)
	}
	s.streams[joined(kindStream, group)+name] = st
	return nil
}

// DeleteStream removes a log stream and its events. Errors: fault.NotFound.
func (s *Store) DeleteStream(group, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.stream(group, name); err != nil {
		return err
	}
	b := s.db.NewBatch()
	key, events := joined(kindStream, group)+name, []byte(joined(kindEvent, group, name))
	if err := b.Delete([]byte(key), nil); err != nil {
		return err
	}
	if err := b.DeleteRange(events, upper(events), nil); err != nil {
		return err
	}
	delete(s.streams, key)
	return s.commit(b)
}

// DeleteGroup removes all streams of a group; none is success.
func (s *Store) DeleteGroup(group string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.db.NewBatch()
	for _, kind := range []string{kindStream, kindEvent} {
		p := []byte(joined(kind, group))
		if err := b.DeleteRange(p, upper(p), nil); err != nil {
			return err
		}
	}
	for key := range s.streams {
		if strings.HasPrefix(key, joined(kindStream, group)) {
			delete(s.streams, key)
		}
	}
	return s.commit(b)
}

// Streams lists the streams of a group whose names have the prefix, in order
// of names.
func (s *Store) Streams(group, prefix string) ([]Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := []byte(joined(kindStream, group) + prefix)
	var names []string
	err := s.scan(p, upper(p), func(key, _ []byte) bool {
		names = append(names, string(key[len(joined(kindStream, group)):]))
		return true
	})
	if err != nil {
		return nil, err
	}
	out := make([]Stream, 0, len(names))
	for _, n := range names {
		st, err := s.stream(group, n)
		if err != nil {
			return nil, err
		}
		out = append(out, *st)
	}
	return out, nil
}

// Append adds events to a stream, in their order. Errors: fault.NotFound if
// there is no such stream.
func (s *Store) Append(group, name string, now time.Time, events []Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.stream(group, name)
	if err != nil {
		return err
	}
	st := *old
	b := s.db.NewBatch()
	prefix := []byte(joined(kindEvent, group, name))
	for _, e := range events {
		key := binary.BigEndian.AppendUint64(appendTime(slices.Clone(prefix), e.At.UnixMilli()), st.Next)
		value := append(appendTime(nil, now.UnixMilli()), e.Message...)
		if err := b.Set(key, value, nil); err != nil {
			return err
		}
		st.Next++
		st.Bytes += int64(len(e.Message)) + Overhead
		if st.First.IsZero() || e.At.Before(st.First) {
			st.First = e.At
		}
		if e.At.After(st.Last) {
			st.Last = e.At
		}
	}
	st.Ingested = now
	if err := put(b, joined(kindStream, group)+name, &st); err != nil {
		return err
	}
	if err := s.commit(b); err != nil {
		return fmt.Errorf("append to log stream: %w", err)
	}
	*old = st
	return nil
}

func readEvent(stream string, prefix int, key, value []byte) Event {
	p := Position{readTime(key[prefix:]), binary.BigEndian.Uint64(key[prefix+8:])}
	return Event{
		Stream: stream, At: time.UnixMilli(p.Milli).UTC(), Ingested: time.UnixMilli(readTime(value)).UTC(), Message: string(value[8:]),
		Position: p,
	}
}

// Window says which events of a stream are read. From and To are inclusive
// and exclusive; a zero time is open.
type Window struct {
	From, To time.Time
	// After and Before leave out the position itself and what lies on its
	// other side; nil is open.
	After, Before *Position
	// Tail reads the last ones instead of the first ones.
	Tail  bool
	Limit int
	// Bytes ends the page when it is reached; 0 is no limit.
	Bytes int
}

// Read returns the events of a stream in order. Errors: fault.NotFound.
func (s *Store) Read(group, name string, w Window) ([]Event, error) {
	s.mu.Lock()
	_, err := s.stream(group, name)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	prefix := []byte(joined(kindEvent, group, name))
	from, to := w.bounds(prefix)
	var out []Event
	size := 0
	take := func(key, value []byte) bool {
		e := readEvent(name, len(prefix), key, value)
		size += len(e.Message) + Overhead
		if w.Bytes > 0 && size > w.Bytes && len(out) > 0 {
			return false
		}
		out = append(out, e)
		return w.Limit <= 0 || len(out) < w.Limit
	}
	if w.Tail {
		err = s.scanBack(from, to, take)
		slices.Reverse(out)
	} else {
		err = s.scan(from, to, take)
	}
	return out, err
}

func (w Window) bounds(prefix []byte) (from, to []byte) {
	from, to = prefix, upper(prefix)
	if !w.From.IsZero() {
		from = appendTime(slices.Clone(prefix), w.From.UnixMilli())
	}
	if !w.To.IsZero() {
		to = appendTime(slices.Clone(prefix), w.To.UnixMilli())
	}
	if w.After != nil {
		if at := positionKey(prefix, Position{w.After.Milli, w.After.Seq + 1}); string(at) > string(from) {
			from = at
		}
	}
	if w.Before != nil {
		if at := positionKey(prefix, *w.Before); string(at) < string(to) {
			to = at
		}
	}
	if string(from) > string(to) {
		from = to
	}
	return from, to
}

func positionKey(prefix []byte, p Position) []byte {
	return binary.BigEndian.AppendUint64(appendTime(slices.Clone(prefix), p.Milli), p.Seq)
}

// Cursor is where a merged read goes on: after the event of that stream.
type Cursor struct {
	Stream string `json:"s"`
	Milli  int64  `json:"m"`
	Seq    uint64 `json:"q"`
}

// Merge reads the events of several streams in order of time and calls fn for
// each until it returns false. It begins after the cursor, if there is one.
func (s *Store) Merge(group string, streams []string, from, to time.Time, after *Cursor, fn func(Event) bool) error {
	var open []*source
	defer func() {
		for _, o := range open {
			_ = o.it.Close()
		}
	}()
	for _, name := range streams {
		w := Window{From: from, To: to}
		if after != nil {
			w.After = after.in(name)
		}
		prefix := []byte(joined(kindEvent, group, name))
		lo, hi := w.bounds(prefix)
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
		if err != nil {
			return fmt.Errorf("read series: %w", err)
		}
		o := &source{it: it, name: name, prefix: len(prefix)}
		open = append(open, o)
		o.load(it.First())
	}
	for {
		best := -1
		for i, o := range open {
			if o.ok && (best < 0 || o.head.before(open[best].head)) {
				best = i
			}
		}
		if best < 0 || !fn(open[best].head) {
			return s.unreadable(failed(open))
		}
		open[best].load(open[best].it.Next())
	}
}

// failed is what ended a stream early: one that cannot be read is no end.
func failed(open []*source) error {
	var errs []error
	for _, o := range open {
		errs = append(errs, o.it.Error())
	}
	return errors.Join(errs...)
}

// in is the position in a stream up to which a merged read has come: streams
// are ordered by name within one millisecond.
func (c Cursor) in(stream string) *Position {
	switch {
	case stream == c.Stream:
		return &Position{c.Milli, c.Seq}
	case stream < c.Stream:
		return &Position{c.Milli, 1<<63 - 1}
	case c.Milli == -1<<63:
		return nil
	default:
		return &Position{c.Milli - 1, 1<<63 - 1}
	}
}

func (e Event) before(o Event) bool {
	if e.Position.Milli != o.Position.Milli {
		return e.Position.Milli < o.Position.Milli
	}
	if e.Stream != o.Stream {
		return e.Stream < o.Stream
	}
	return e.Position.less(o.Position)
}

// source is one stream of a merged read.
type source struct {
	it     *pebble.Iterator
	name   string
	prefix int
	head   Event
	ok     bool
}

func (o *source) load(ok bool) {
	if o.ok = ok; ok {
		o.head = readEvent(o.name, o.prefix, o.it.Key(), o.it.Value())
	}
}

// pruneLogs removes the events of a group that are older than a time.
func (s *Store) pruneLogs(group string, before time.Time) error {
	streams, err := s.Streams(group, "")
	if err != nil {
		return err
	}
	b := s.db.NewBatch()
	for _, st := range streams {
		if st.First.IsZero() || !st.First.Before(before) {
			continue
		}
		p := []byte(joined(kindEvent, group, st.Name))
		if err := b.DeleteRange(p, appendTime(slices.Clone(p), before.UnixMilli()), nil); err != nil {
			return err
		}
	}
	return s.commit(b)
}
