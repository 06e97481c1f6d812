// Package cloudtrail is the API of CloudTrail: it looks up what callers did in
// the audit log.
//
// It owns no records: the log is written by front as calls are answered, where
// the server keeps one. Safe for concurrent use.
package cloudtrail

import (
	"cmp"
	"context"
	_ "embed"
	"strconv"
	"time"

	"berth/internal/audit"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/page"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudtrail"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

// Deps are what the API needs.
type Deps struct {
	Clock clock.Clock
	// Log is the audit log; nil: this server keeps none.
	Log *audit.Log
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API { return &API{Deps: d} }

// kept is how far back events can be looked up, as on AWS.
const kept = 90 * 24 * time.Hour

// mostFound bounds what one call looks through.
const mostFound = 10_000

var pages = page.Rules{Usual: 50, Refuse: func(string) error {
	return fault.New(fault.Invalid, "InvalidNextTokenException", "The specified NextToken is invalid.")
}}.Descending(true)

// query is what a call asks for.
type query struct {
	from, to   time.Time
	key, value string
}

// LookupEvents looks events up, the newest first; a server that keeps no log
// refuses it by name. Errors: InvalidLookupAttributesException,
// InvalidTimeRangeException, InvalidNextTokenException,
// InvalidEventCategoryException.
func (a *API) LookupEvents(ctx context.Context, in *shape.LookupEventsInput) (*shape.LookupEventsOutput, error) {
	q, err := a.read(in)
	if err != nil {
		return nil, err
	}
	var found []shape.Event
	err = a.Log.Lookup(func(r audit.Record, line string) bool {
		if q.wants(r) {
			found = append(found, shown(r, line))
		}
		return ctx.Err() == nil && len(found) < mostFound && !r.Time.Before(q.from)
	})
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "look up events")
	}
	list, next, err := page.Cut(pages, in, found, key)
	return &shape.LookupEventsOutput{Events: append([]shape.Event{}, list...), NextToken: next}, err
}

// key is in the order of time, and tells events of one moment apart.
func key(e shape.Event) string {
	return page.Number(wire.Val(e.EventTime).Unix()) + wire.Val(e.EventId)
}

// read reads what a call asks for, and refuses what cannot be looked up.
func (a *API) read(in *shape.LookupEventsInput) (query, error) {
	q := query{from: a.Clock.Now().Add(-kept), to: wire.Or(in.EndTime, a.Clock.Now().Add(time.Second))}
	if in.StartTime != nil && in.StartTime.After(q.from) {
		q.from = *in.StartTime
	}
	switch {
	case a.Log == nil:
		return q, fault.New(
			fault.Invalid, "UnsupportedOperationException", "This server keeps no audit log: on loopback it does with --audit, off loopback always.",
		)
	case in.StartTime != nil && in.StartTime.After(q.to):
		return q, fault.New(fault.Invalid, "InvalidTimeRangeException", "The start time must be before the end time.")
	case in.EventCategory != nil:
		return q, fault.New(fault.Invalid, "InvalidEventCategoryException", "No insight events are kept.")
	case len(in.LookupAttributes) > 1:
		return q, fault.New(fault.Invalid, "InvalidLookupAttributesException", "You can only specify one lookup attribute.")
	}
	for _, l := range in.LookupAttributes {
		if q.key, q.value = wire.Val(l.AttributeKey), wire.Val(l.AttributeValue); q.key == "ResourceType" {
			return q, fault.New(fault.Invalid, "InvalidLookupAttributesException", "ResourceType is not kept: look up by ResourceName.")
		}
	}
	return q, nil
}

func (q query) wants(r audit.Record) bool {
	if r.Time.Before(q.from.Truncate(time.Second)) || r.Time.After(q.to) {
		return false
	}
	switch q.key {
	case "EventId":
		return r.EventID == q.value
	case "EventName":
		return r.Name == q.value
	case "ReadOnly":
		return strconv.FormatBool(r.ReadOnly) == q.value
	case "Username":
		return username(r) == q.value
	case "EventSource":
		return r.Source == q.value
	case "AccessKeyId":
		return r.User.AccessKey == q.value
	case "ResourceName":
		return q.names(r)
	default:
		return true
	}
}

// names reports whether a call was about the resource that is asked for.
func (q query) names(r audit.Record) bool {
	for _, res := range r.Resources {
		if res.ARN == q.value || ident.Last(res.ARN) == q.value {
			return true
		}
	}
	return false
}

// username is a user's name, a role session's, or root.
func username(r audit.Record) string {
	switch {
	case r.User.UserName != "":
		return r.User.UserName
	case r.User.Type == "Root":
		return "root"
	default:
		return ident.Last(r.User.ARN)
	}
}

func shown(r audit.Record, line string) shape.Event {
	e := shape.Event{
		EventId: wire.Ptr(r.EventID), EventName: wire.Ptr(r.Name), ReadOnly: wire.Ptr(strconv.FormatBool(r.ReadOnly)),
		EventTime:   wire.Ptr(r.Time),
		EventSource: wire.Ptr(r.Source), Username: wire.Ptr(username(r)), Resources: []shape.Resource{}, CloudTrailEvent: wire.Ptr(line),
	}
	if r.User.AccessKey != "" {
		e.AccessKeyId = wire.Ptr(r.User.AccessKey)
	}
	for _, res := range r.Resources {
		e.Resources = append(e.Resources, shape.Resource{ResourceName: wire.Ptr(res.ARN)})
	}
	return e
}
