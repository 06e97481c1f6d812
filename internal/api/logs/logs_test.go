package logs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/api/logs"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/logs"
)

var start = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

type rig struct {
	*logs.API
	t           *testing.T
	clock, real *clock.Stepped
}

func newRig(t *testing.T) *rig {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	s, err := series.Memory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(); _ = db.Close() })
	r := &rig{t: t, clock: clock.NewStepped(start), real: clock.NewStepped(start)}
	r.API = logs.New(logs.Deps{
		DB: db, Clock: r.clock, Real: r.real, Series: s, Place: ident.Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"},
	})
	return r
}

func (r *rig) group(name string, streams ...string) {
	r.t.Helper()
	if _, err := r.CreateLogGroup(r.t.Context(), &shape.CreateLogGroupInput{LogGroupName: &name}); err != nil {
		r.t.Fatal(err)
	}
	for _, s := range streams {
		if _, err := r.CreateLogStream(r.t.Context(), &shape.CreateLogStreamInput{LogGroupName: &name, LogStreamName: &s}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) put(group, stream string, lines ...string) *shape.PutLogEventsOutput {
	r.t.Helper()
	in := &shape.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream}
	for i, l := range lines {
		in.LogEvents = append(in.LogEvents, shape.InputLogEvent{Timestamp: wire.Ptr(r.real.Now().UnixMilli() + int64(i)), Message: &l})
	}
	out, err := r.PutLogEvents(r.t.Context(), in)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func TestFieldsFitTheModel(t *testing.T) {
	if _, err := front.New(front.Deps{Services: []front.Service{{Meta: shape.Meta, API: &logs.API{}, Fields: logs.Fields}}}); err != nil {
		t.Fatal(err)
	}
}

func TestGroupsAndStreamsInAWSsWords(t *testing.T) {
	r := newRig(t)
	r.group("/app", "s")
	for _, c := range []struct {
		err        error
		code, text string
	}{
		{
			second(r.CreateLogGroup(t.Context(), &shape.CreateLogGroupInput{LogGroupName: wire.Ptr("/app")})), "ResourceAlreadyExistsException",
			"The specified log group already exists",
		},
		{
			second(r.CreateLogStream(t.Context(), &shape.CreateLogStreamInput{LogGroupName: wire.Ptr("/app"), LogStreamName: wire.Ptr("s")})),
			"ResourceAlreadyExistsException", "The specified log stream already exists",
		},
		{
			second(r.CreateLogStream(t.Context(), &shape.CreateLogStreamInput{LogGroupName: wire.Ptr("/no"), LogStreamName: wire.Ptr("s")})),
			"ResourceNotFoundException", "The specified log group does not exist.",
		},
		{
			second(r.PutLogEvents(t.Context(), &shape.PutLogEventsInput{LogGroupName: wire.Ptr("/app"), LogStreamName: wire.Ptr("no")})),
			"ResourceNotFoundException", "The specified log stream does not exist.",
		},
		{
			second(
				r.PutRetentionPolicy(t.Context(), &shape.PutRetentionPolicyInput{LogGroupName: wire.Ptr("/app"), RetentionInDays: wire.Ptr[int64](2)}),
			),
			"InvalidParameterException", "",
		},
	} {
		if fault.CodeOf(c.err) != c.code || c.text != "" && fault.MessageOf(c.err) != c.text {
			t.Errorf("got %v, want %s %s", c.err, c.code, c.text)
		}
	}
	if _, err := r.PutRetentionPolicy(t.Context(), &shape.PutRetentionPolicyInput{
		LogGroupName: wire.Ptr("/app"), RetentionInDays: wire.Ptr[int64](7),
	}); err != nil {
		t.Fatal(err)
	}
	out, err := r.DescribeLogGroups(t.Context(), &shape.DescribeLogGroupsInput{LogGroupNamePrefix: wire.Ptr("/a")})
	if err != nil || len(out.LogGroups) != 1 || *out.LogGroups[0].Arn != "arn:aws:logs:us-east-1:000000000000:log-group:/app:*" ||
		*out.LogGroups[0].RetentionInDays != 7 {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := r.DeleteLogGroup(t.Context(), &shape.DeleteLogGroupInput{LogGroupName: wire.Ptr("/app")}); err != nil {
		t.Fatal(err)
	}
	r.group("/app", "s")
}

func second[T any](_ T, err error) error { return err }

func TestGetLogEventsPagesBothWays(t *testing.T) {
	r := newRig(t)
	r.group("g", "s")
	var lines []string
	for i := range 10 {
		lines = append(lines, fmt.Sprint(i))
	}
	r.put("g", "s", lines...)
	get := func(token *string, head bool) ([]string, *shape.GetLogEventsOutput) {
		out, err := r.GetLogEvents(t.Context(), &shape.GetLogEventsInput{
			LogGroupName: wire.Ptr("g"), LogStreamName: wire.Ptr("s"), Limit: wire.Ptr[int64](4), NextToken: token, StartFromHead: &head,
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range out.Events {
			got = append(got, *e.Message)
		}
		return got, out
	}
	var all []string
	got, out := get(nil, true)
	for {
		all = append(all, got...)
		was := out.NextForwardToken
		if got, out = get(was, true); *out.NextForwardToken == *was {
			break
		}
	}
	if diff := cmp.Diff(lines, all); diff != "" {
		t.Error(diff)
	}
	got, out = get(nil, false)
	if diff := cmp.Diff([]string{"6", "7", "8", "9"}, got); diff != "" {
		t.Error(diff)
	}
	got, out = get(out.NextBackwardToken, false)
	if diff := cmp.Diff([]string{"2", "3", "4", "5"}, got); diff != "" {
		t.Error(diff)
	}
	got, out = get(out.NextBackwardToken, false)
	if diff := cmp.Diff([]string{"0", "1"}, got); diff != "" {
		t.Error(diff)
	}
	back := *out.NextBackwardToken
	if got, out = get(&back, false); len(got) != 0 || *out.NextBackwardToken != back {
		t.Errorf("beyond the beginning: %v, %s then %s", got, back, *out.NextBackwardToken)
	}
}

func TestTailFollowsAStream(t *testing.T) {
	r := newRig(t)
	r.group("g", "s")
	out, err := r.GetLogEvents(t.Context(), &shape.GetLogEventsInput{
		LogGroupName: wire.Ptr("g"), LogStreamName: wire.Ptr("s"), StartFromHead: wire.Ptr(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.put("g", "s", "first")
	out, err = r.GetLogEvents(t.Context(), &shape.GetLogEventsInput{
		LogGroupName: wire.Ptr("g"), LogStreamName: wire.Ptr("s"), NextToken: out.NextForwardToken,
	})
	if err != nil || len(out.Events) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestFilterSearchesAllStreams(t *testing.T) {
	r := newRig(t)
	r.group("g", "a", "b")
	r.put("g", "a", "ERROR one", "fine")
	r.put("g", "b", "ERROR two", "fine")
	filter := func(in *shape.FilterLogEventsInput) ([]string, *string) {
		in.LogGroupName = wire.Ptr("g")
		out, err := r.FilterLogEvents(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range out.Events {
			got = append(got, *e.LogStreamName+" "+*e.Message)
		}
		return got, out.NextToken
	}
	got, _ := filter(&shape.FilterLogEventsInput{FilterPattern: wire.Ptr("ERROR")})
	if diff := cmp.Diff([]string{"a ERROR one", "b ERROR two"}, got); diff != "" {
		t.Error(diff)
	}
	var all []string
	var token *string
	for {
		got, token = filter(&shape.FilterLogEventsInput{Limit: wire.Ptr[int64](1), NextToken: token})
		all = append(all, got...)
		if token == nil {
			break
		}
	}
	if diff := cmp.Diff([]string{"a ERROR one", "b ERROR two", "a fine", "b fine"}, all); diff != "" {
		t.Error(diff)
	}
}

func TestEventsAreShiftedToTheClock(t *testing.T) {
	r := newRig(t)
	r.group("g", "s")
	r.clock.Advance(20 * 24 * time.Hour)
	if out := r.put("g", "s", "now"); out.RejectedLogEventsInfo != nil {
		t.Errorf("rejected: %+v", out.RejectedLogEventsInfo)
	}
	out, err := r.GetLogEvents(t.Context(), &shape.GetLogEventsInput{LogGroupName: wire.Ptr("g"), LogStreamName: wire.Ptr("s")})
	if err != nil || *out.Events[0].Timestamp != r.clock.Now().UnixMilli() {
		t.Errorf("%+v, %v", out, err)
	}
	in := &shape.PutLogEventsInput{LogGroupName: wire.Ptr("g"), LogStreamName: wire.Ptr("s"), LogEvents: []shape.InputLogEvent{
		{Timestamp: wire.Ptr(start.AddDate(0, 0, -15).UnixMilli()), Message: wire.Ptr("old")},
		{Timestamp: wire.Ptr(start.UnixMilli()), Message: wire.Ptr("good")},
		{Timestamp: wire.Ptr(start.Add(3 * time.Hour).UnixMilli()), Message: wire.Ptr("new")},
	}}
	put, err := r.PutLogEvents(t.Context(), in)
	want := &shape.RejectedLogEventsInfo{TooOldLogEventEndIndex: wire.Ptr[int64](1), TooNewLogEventStartIndex: wire.Ptr[int64](2)}
	if diff := cmp.Diff(want, put.RejectedLogEventsInfo); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{"ERROR", "an ERROR here", true},
		{"error", "an ERROR here", false},
		{"a b", "b and a", true},
		{"a -b", "b and a", false},
		{`"b and"`, "b and a", true},
		{`"a b"`, "b and a", false},
		{"?x ?a", "b and a", true},
		{"?x ?y", "b and a", false},
		{"%a[0-9]+%", "xa12", true},
		{`{ $.level = "error" }`, `{"level":"error"}`, true},
		{`{ $.level = "err*" && $.n > 3 }`, `{"level":"error","n":4}`, true},
		{`{ $.level = "err*" && $.n > 3 }`, `{"level":"error","n":3}`, false},
		{`{ ($.a.b[1] = 2 || $.c = 1) && $.d NOT EXISTS }`, `{"a":{"b":[1,2]}}`, true},
		{`{ $.code = 5* }`, `{"code":503}`, true},
		{`{ $.x IS NULL }`, `{"x":null}`, true},
		{`{ $.x IS TRUE }`, `{"x":true}`, true},
		{`{ $.x != "a" }`, `{"y":1}`, false},
		{`{ $.level = "error" }`, `not json`, false},
	} {
		match, err := logs.Pattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := match(c.message); got != c.want {
			t.Errorf("%s on %s: %v", c.pattern, c.message, got)
		}
	}
	for _, bad := range []string{`"open`, "{ $.a }", "{ $.a = }", "{ a = 1 }", "%(%", "[ip, user]", "{ ($.a = 1 }", "-", `{`} {
		if _, err := logs.Pattern(bad); fault.CodeOf(err) != "InvalidParameterException" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`{ ($.a.b[1] = 2 || $.c = "x*") && $.d NOT EXISTS }`, `{"a":1}`)
	f.Add(`?a -b "c d" %e%`, "a c d e")
	f.Fuzz(func(_ *testing.T, pattern, message string) {
		if match, err := logs.Pattern(pattern); err == nil {
			match(message)
		}
	})
}

// A search that finds nothing goes over all there is, but not for who has gone.
func TestASearchEndsWithItsCaller(t *testing.T) {
	r := newRig(t)
	r.group("g", "s")
	r.put("g", "s", "one", "two")
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err := r.FilterLogEvents(gone, &shape.FilterLogEventsInput{LogGroupName: wire.Ptr("g"), FilterPattern: wire.Ptr("three")})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
