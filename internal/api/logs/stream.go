package logs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/page"
	"berth/internal/series"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/logs"
)

// streamFault puts AWS's words on what series says of a stream.
func streamFault(err error) error {
	switch {
	case fault.Is(err, fault.NotFound):
		return notFound("stream")
	case fault.Is(err, fault.Conflict):
		return exists("stream")
	default:
		return err
	}
}

// CreateLogStream makes a log stream. Errors: ResourceNotFoundException,
// ResourceAlreadyExistsException, InvalidParameterException.
func (a *API) CreateLogStream(_ context.Context, in *shape.CreateLogStreamInput) (*shape.CreateLogStreamOutput, error) {
	g, err := a.need(wire.Val(in.LogGroupName))
	if err != nil {
		return nil, err
	}
	name := wire.Val(in.LogStreamName)
	if strings.ContainsAny(name, ":*") || len(name) > 512 {
		return nil, invalid(
			"1 validation error detected: Value '%s' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression "+
				"pattern: [^:*]*",
			name,
		)
	}
	return &shape.CreateLogStreamOutput{}, streamFault(a.Series.CreateStream(g.Name, name, a.Clock.Now()))
}

// DeleteLogStream removes a log stream. Errors: ResourceNotFoundException.
func (a *API) DeleteLogStream(_ context.Context, in *shape.DeleteLogStreamInput) (*shape.DeleteLogStreamOutput, error) {
	g, err := a.need(wire.Val(in.LogGroupName))
	if err != nil {
		return nil, err
	}
	return &shape.DeleteLogStreamOutput{}, streamFault(a.Series.DeleteStream(g.Name, wire.Val(in.LogStreamName)))
}

// DescribeLogStreams lists streams by name, or by their newest event. Errors:
// ResourceNotFoundException, InvalidParameterException.
func (a *API) DescribeLogStreams(_ context.Context, in *shape.DescribeLogStreamsInput) (*shape.DescribeLogStreamsOutput, error) {
	g, err := a.need(groupName(in.LogGroupName, in.LogGroupIdentifier))
	if err != nil {
		return nil, err
	}
	byTime := wire.Val(in.OrderBy) == "LastEventTime"
	if byTime && wire.Val(in.LogStreamNamePrefix) != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	all, err := a.Series.Streams(g.Name, wire.Val(in.LogStreamNamePrefix))
	if err != nil {
		return nil, err
	}
	key, down := func(s series.Stream) string { return s.Name }, wire.Val(in.Descending)
	if byTime {
		key = func(s series.Stream) string { return page.Key(page.Time(s.Last), s.Name) }
		slices.SortFunc(all, func(x, y series.Stream) int { return strings.Compare(key(x), key(y)) })
	}
	if down {
		slices.Reverse(all)
	}
	all, next, err := page.Cut(pages.Descending(down), in, all, key)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeLogStreamsOutput{NextToken: next, LogStreams: []shape.LogStream{}}
	for _, s := range all {
		out.LogStreams = append(out.LogStreams, showStream(g.ARN, s))
	}
	return out, nil
}

func showStream(group string, s series.Stream) shape.LogStream {
	out := shape.LogStream{
		LogStreamName: wire.Ptr(s.Name), CreationTime: wire.Ptr(s.Created.UnixMilli()), Arn: wire.Ptr(group + ":log-stream:" + s.Name),
		StoredBytes: wire.Ptr[int64](0), UploadSequenceToken: wire.Ptr(sequence(s.Next)),
	}
	if !s.Ingested.IsZero() {
		out.FirstEventTimestamp, out.LastEventTimestamp = wire.Ptr(s.First.UnixMilli()), wire.Ptr(s.Last.UnixMilli())
		out.LastIngestionTime = wire.Ptr(s.Ingested.UnixMilli())
	}
	return out
}

// sequence is a token that PutLogEvents has no more use for.
func sequence(n uint64) string { return fmt.Sprintf("%056d", n) }

// Limits of PutLogEvents, and how old and how new an event may be.
const (
	maxBatch = 1 << 20
	tooOld   = 14 * 24 * time.Hour
	tooNew   = 2 * time.Hour
	maxPage  = 1 << 20
)

// PutLogEvents appends events. Errors: ResourceNotFoundException,
// InvalidParameterException.
func (a *API) PutLogEvents(_ context.Context, in *shape.PutLogEventsInput) (*shape.PutLogEventsOutput, error) {
	g, err := a.need(wire.Val(in.LogGroupName))
	if err != nil {
		return nil, err
	}
	now := a.Clock.Now()
	skew := now.Sub(a.Real.Now())
	if skew.Abs() < 2*time.Second {
		skew = 0
	}
	size := 0
	var last int64
	out := &shape.PutLogEventsOutput{}
	rejected := shape.RejectedLogEventsInfo{}
	var events []series.Event
	for i, e := range in.LogEvents {
		milli := wire.Val(e.Timestamp)
		if milli < last {
			return nil, invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		last = milli
		size += len(wire.Val(e.Message)) + series.Overhead
		at := time.UnixMilli(milli).Add(skew).UTC()
		switch {
		case at.Before(now.Add(-tooOld)):
			rejected.TooOldLogEventEndIndex = wire.Ptr(int64(i + 1))
		case g.RetentionDays > 0 && at.Before(now.AddDate(0, 0, -int(g.RetentionDays))):
			rejected.ExpiredLogEventEndIndex = wire.Ptr(int64(i + 1))
		case at.After(now.Add(tooNew)):
			if rejected.TooNewLogEventStartIndex == nil {
				rejected.TooNewLogEventStartIndex = wire.Ptr(int64(i))
			}
		default:
			events = append(events, series.Event{At: at, Message: wire.Val(e.Message)})
		}
	}
	if size > maxBatch {
		return nil, invalid("Upload too large: %d bytes exceeds limit of %d", size, maxBatch)
	}
	if err := a.Series.Append(g.Name, wire.Val(in.LogStreamName), now, events); err != nil {
		return nil, streamFault(err)
	}
	if rejected != (shape.RejectedLogEventsInfo{}) {
		out.RejectedLogEventsInfo = &rejected
	}
	out.NextSequenceToken = wire.Ptr(sequence(uint64(now.UnixNano())))
	return out, nil
}

// GetLogEvents reads one stream page by page, in both directions. A token
// that comes back unchanged is the end. Errors: ResourceNotFoundException,
// InvalidParameterException.
func (a *API) GetLogEvents(_ context.Context, in *shape.GetLogEventsInput) (*shape.GetLogEventsOutput, error) {
	g, err := a.need(groupName(in.LogGroupName, in.LogGroupIdentifier))
	if err != nil {
		return nil, err
	}
	w := series.Window{Limit: int(wire.Or(in.Limit, 10000)), Bytes: maxPage, Tail: !wire.Val(in.StartFromHead)}
	if in.StartTime != nil {
		w.From = time.UnixMilli(*in.StartTime)
	}
	if in.EndTime != nil {
		w.To = time.UnixMilli(*in.EndTime)
	}
	given := wire.Val(in.NextToken)
	if given != "" {
		if err := readToken(given, &w); err != nil {
			return nil, err
		}
	}
	events, err := a.Series.Read(g.Name, wire.Val(in.LogStreamName), w)
	if err != nil {
		return nil, streamFault(err)
	}
	out := &shape.GetLogEventsOutput{Events: []shape.OutputLogEvent{}}
	for _, e := range events {
		out.Events = append(out.Events, shape.OutputLogEvent{
			Timestamp: wire.Ptr(e.Position.Milli), Message: wire.Ptr(e.Message), IngestionTime: wire.Ptr(e.Ingested.UnixMilli()),
		})
	}
	first, last := edges(events, w)
	out.NextBackwardToken, out.NextForwardToken = wire.Ptr(token("b", first)), wire.Ptr(token("f", last))
	return out, nil
}

// edges are the positions at which the pages before and after begin. An empty
// page stays where it is.
func edges(events []series.Event, w series.Window) (first, last series.Position) {
	switch {
	case len(events) > 0:
		return events[0].Position, events[len(events)-1].Position
	case w.After != nil:
		return series.Position{Milli: w.After.Milli, Seq: w.After.Seq + 1}, *w.After
	case w.Before != nil:
		before := *w.Before
		if before.Seq > 0 {
			before.Seq--
		}
		return *w.Before, before
	default:
		return series.Position{Milli: w.From.UnixMilli()}, series.Position{Milli: w.From.UnixMilli()}
	}
}

func token(kind string, p series.Position) string {
	return fmt.Sprintf("%s/%019d%037d/s", kind, max(p.Milli, 0), p.Seq)
}

func readToken(s string, w *series.Window) error {
	bad := pages.Refuse(s)
	f := strings.Split(s, "/")
	if len(f) != 3 || len(f[1]) != 56 || f[2] != "s" {
		return bad
	}
	milli, err1 := strconv.ParseInt(f[1][:19], 10, 64)
	seq, err2 := strconv.ParseUint(strings.TrimLeft(f[1][19:], "0")+"", 10, 64)
	if strings.Trim(f[1][19:], "0") == "" {
		seq, err2 = 0, nil
	}
	if err1 != nil || err2 != nil {
		return bad
	}
	p := &series.Position{Milli: milli, Seq: seq}
	switch f[0] {
	case "f":
		w.After, w.Tail = p, false
	case "b":
		w.Before, w.Tail = p, true
	default:
		return bad
	}
	return nil
}

// FilterLogEvents searches streams of a group, in order of time. Errors:
// ResourceNotFoundException, InvalidParameterException.
func (a *API) FilterLogEvents(ctx context.Context, in *shape.FilterLogEventsInput) (*shape.FilterLogEventsOutput, error) {
	g, err := a.need(groupName(in.LogGroupName, in.LogGroupIdentifier))
	if err != nil {
		return nil, err
	}
	match, err := Pattern(wire.Val(in.FilterPattern))
	if err != nil {
		return nil, err
	}
	streams, err := a.searched(g.Name, in)
	if err != nil {
		return nil, err
	}
	var from, to time.Time
	if in.StartTime != nil {
		from = time.UnixMilli(*in.StartTime)
	}
	if in.EndTime != nil {
		to = time.UnixMilli(*in.EndTime + 1) // inclusive here, unlike in GetLogEvents
	}
	cursor, err := readCursor(in)
	if err != nil {
		return nil, err
	}
	out := &shape.FilterLogEventsOutput{Events: []shape.FilteredLogEvent{}, SearchedLogStreams: []shape.SearchedLogStream{}}
	limit, size := int(wire.Or(in.Limit, 10000)), 0
	err = a.Series.Merge(g.Name, streams, from, to, cursor, func(e series.Event) bool {
		if ctx.Err() != nil {
			return false
		}
		if match(e.Message) {
			if size += len(e.Message) + series.Overhead; len(out.Events) > 0 && size > maxPage || len(out.Events) >= limit {
				out.NextToken = page.Token(pages, in, showCursor(cursor))
				return false
			}
			out.Events = append(out.Events, showFiltered(e))
		}
		cursor = &series.Cursor{Stream: e.Stream, Milli: e.Position.Milli, Seq: e.Position.Seq}
		return true
	})
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return nil, err
	}
	return out, nil
}

func showFiltered(e series.Event) shape.FilteredLogEvent {
	return shape.FilteredLogEvent{
		LogStreamName: wire.Ptr(e.Stream), Timestamp: wire.Ptr(e.Position.Milli), Message: wire.Ptr(e.Message),
		IngestionTime: wire.Ptr(e.Ingested.UnixMilli()),
		EventId:       wire.Ptr(fmt.Sprintf("%019d%037d", e.Position.Milli, e.Position.Seq)),
	}
}

func (a *API) searched(group string, in *shape.FilterLogEventsInput) ([]string, error) {
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return nil, invalid("LogStream names and LogStream name prefix are mutually exclusive parameters.")
	}
	all, err := a.Series.Streams(group, wire.Val(in.LogStreamNamePrefix))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range all {
		if len(in.LogStreamNames) == 0 || slices.Contains(in.LogStreamNames, s.Name) {
			names = append(names, s.Name)
		}
	}
	for _, n := range in.LogStreamNames {
		if !slices.Contains(names, n) {
			return nil, notFound("stream")
		}
	}
	return names, nil
}

func showCursor(c *series.Cursor) string {
	return page.Key(strconv.FormatInt(c.Milli, 10), strconv.FormatUint(c.Seq, 10), c.Stream)
}

// readCursor reads where a search goes on; nil is the beginning.
func readCursor(in *shape.FilterLogEventsInput) (*series.Cursor, error) {
	key, err := page.After(pages, in)
	if err != nil || key == "" {
		return nil, err
	}
	f := strings.SplitN(key, "\x00", 3)
	if len(f) != 3 {
		return nil, pages.Refuse(key)
	}
	milli, err1 := strconv.ParseInt(f[0], 10, 64)
	seq, err2 := strconv.ParseUint(f[1], 10, 64)
	if err1 != nil || err2 != nil {
		return nil, pages.Refuse(key)
	}
	return &series.Cursor{Stream: f[2], Milli: milli, Seq: seq}, nil
}
