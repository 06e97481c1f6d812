// Package cloudformation answers the CloudFormation API: it checks a
// template against parameters and resource types, computes change sets, and
// writes what a stack should become; controllers/stack does the rest.
//
// It owns what is asked of a stack (template, parameters, status of a new operation)
// and change sets. A template that cannot hold is refused here and nothing is
// made. It refuses what is not built by name: templates by URL, nested
// stacks, imports of resources, stack policies, rollback triggers. Calls are
// safe for concurrent use; each is one transaction at most.
package cloudformation

import (
	"context"
	_ "embed"
	"slices"
	"strings"
	"time"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

// Fields lists the request members that are built, one operation a line.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

// writer signs the transactions of this package.
const writer = "api/cloudformation"

// Deps is what the service is made of.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock
	IDs   *ident.Source
	Place ident.Place
	// Zones are the Region's Availability Zones, for Fn::GetAZs.
	Zones []string
	// Access says whether a caller may pass a role; nil asks nobody.
	Access control.Access
	// Rehearse tries a stack as it would be under way and says what will
	// certainly be refused; with fixed, only of resources that no parameter
	// changes. nil tries nothing.
	Rehearse func(ctx context.Context, now time.Time, s model.Stack, fixed bool) ([]model.StackRefusal, error)
}

// API implements shape.Operations.
type API struct {
	shape.Unimplemented
	Deps
}

// New makes the service.
func New(d Deps) *API { return &API{Deps: d} }

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "ValidationError", format, args...)
}

// find finds a stack by its name, if it is not deleted, or by its id.
func find(r store.Reader, nameOrID string) (model.Stack, bool) {
	if strings.HasPrefix(nameOrID, "arn:") {
		return state.Stacks.Get(r, nameOrID)
	}
	for _, s := range state.Stacks.By(r, "name", nameOrID) {
		if s.Status != model.StackDeleteComplete {
			return s, true
		}
	}
	return model.Stack{}, false
}

// withID finds a stack or words its absence as most operations do.
func withID(r store.Reader, nameOrID *string) (model.Stack, error) {
	s, ok := find(r, wire.Val(nameOrID))
	if !ok {
		return s, invalid("Stack with id %s does not exist", wire.Val(nameOrID))
	}
	return s, nil
}

// bracketed finds a stack or words its absence as the writing operations do.
func bracketed(r store.Reader, nameOrID *string) (model.Stack, error) {
	s, ok := find(r, wire.Val(nameOrID))
	if !ok {
		return s, invalid("Stack [%s] does not exist", wire.Val(nameOrID))
	}
	return s, nil
}

func (a *API) now(ctx context.Context) time.Time {
	if c := wire.CallFrom(ctx); !c.At.IsZero() {
		return c.At
	}
	return a.Clock.Now()
}

// place is the template language's idea of where we are.
func (a *API) place() template.Place {
	suffix := "amazonaws.com"
	if strings.HasPrefix(a.Place.Partition, "aws-cn") {
		suffix = "amazonaws.com.cn"
	}
	return template.Place{Partition: a.Place.Partition, Region: a.Place.Region, Account: a.Place.Account, URLSuffix: suffix, Zones: a.Zones}
}

// event adds an event about the stack itself and counts it.
func event(tx *store.Tx, s *model.Stack, id string, status model.StackStatus, reason string, at time.Time) error {
	s.Events++
	return state.StackEvents.Put(tx, model.StackEvent{
		Stack: s.ID, Seq: s.Events, ID: id, LogicalID: s.Name, PhysicalID: s.ID, Type: "AWS::CloudFormation::Stack",
		Status: model.ResourceStatus(status), Reason: reason, Token: s.RequestToken, At: at,
	})
}

// begin notes that somebody asked for an operation: the controller does the rest.
func begin(tx *store.Tx, s *model.Stack, id string, status model.StackStatus, at time.Time) error {
	s.Operation++
	s.Status, s.StatusReason, s.Started = status, "User Initiated", at
	if err := event(tx, s, id, status, "User Initiated", at); err != nil {
		return err
	}
	return state.Stacks.Put(tx, *s)
}

// pages are the rules of this service's lists, whose tokens go on with the
// same question only.
var pages = page.Rules{
	Usual: 100, SameCall: true, Refuse: func(token string) error { return invalid("%s is not a valid NextToken", token) },
}

func stackTags(in []shape.Tag) []model.Tag {
	var out []model.Tag
	for _, t := range in {
		out = append(out, model.Tag{Key: wire.Val(t.Key), Value: wire.Val(t.Value)})
	}
	return out
}

func shapeTags(in []model.Tag) []shape.Tag {
	out := make([]shape.Tag, 0, len(in))
	for _, t := range in {
		out = append(out, shape.Tag{Key: wire.Ptr(t.Key), Value: wire.Ptr(t.Value)})
	}
	return out
}

func sameTags(a, b []model.Tag) bool {
	return slices.Equal(model.SetTags(nil, a), model.SetTags(nil, b))
}

func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Finders find what resources.txt names.
func (a *API) Finders() map[string]func(...string) string {
	return map[string]func(...string) string{"stack": func(v ...string) string {
		if strings.HasPrefix(v[0], "arn:") {
			return v[0]
		}
		if s, ok := find(a.DB.View(), v[0]); ok {
			return s.ID
		}
		return a.Place.ARN("cloudformation", "stack/"+v[0]+"/*")
	}}
}
