// Package handler knows CloudFormation's resource types: how one is made,
// changed, looked at and deleted by calls of the ordinary APIs.
//
// Most types are declared (Type) and have no code of their own; a declaration
// names the operations, the properties that each carries, and where the
// answers have Ref, Fn::GetAtt and the state. What differs from that is a small
// function in the declaration. The package owns nothing: a Step is handed the
// resource's record and an API to call as the stack, and writes what came of it
// into the record. What is create-only or read-only in the schema never gets
// into an update call. Every method may be called again after it was
// interrupted at any point. Safe for concurrent use.
package handler

import (
	"context"
	"slices"
	"strings"
	"time"

	"berth/internal/ident"
	"berth/internal/lang/template"
	"berth/internal/model"
)

// Handler is the code behind one resource type, as the engine sees it.
type Handler interface {
	// NameProperty is the property that names a resource, or "": while that is
	// kept a resource cannot be replaced.
	NameProperty() string
	// SystemTags reports whether resources carry CloudFormation's own tags.
	SystemTags() bool
	// Patience is how long a resource may take to become ready.
	Patience(s *Step) time.Duration
	// Create makes the resource and sets its physical id and attributes.
	Create(context.Context, *Step) error
	// Update changes it in place from Prior to Properties.
	Update(context.Context, *Step) error
	// Ready says whether the resource is ready.
	Ready(context.Context, *Step) (bool, error)
	// Delete deletes it; gone says that nothing is left. It is called until
	// then. An error that is Absent means gone.
	Delete(context.Context, *Step) (gone bool, err error)
	// Find looks for what an interrupted Create made, and sets the physical id
	// if it is ours.
	Find(context.Context, *Step) (bool, error)
}

// API calls operations as the stack. Members that are nil are left out.
type API interface {
	Call(ctx context.Context, service, operation string, in map[string]any) (map[string]any, error)
}

// What a record's memo holds between steps.
const (
	MemoSuffix = "suffix" // random end of a generated name
	MemoStep   = "step"   // how far an update got: how many changes are made
)

// Step is one step with one resource: all that a handler sees.
type Step struct {
	API   API
	Place ident.Place
	Now   time.Time
	// StackName and StackID are those of the stack.
	StackName, StackID string
	// Record is the resource's; a handler sets PhysicalID, Attributes, Memo.
	Record *model.StackResource
	// Tags are all that the resource should carry; Record.Tags are those it has.
	Tags []model.Tag
	// Again says that an earlier step may have been interrupted.
	Again bool
	// Undo says that an update is being rolled back.
	Undo bool
	// Update is the resource's UpdatePolicy, or nil; Signals are those that this
	// act was sent.
	Update  *template.UpdatePolicy
	Signals []model.StackSignal
	// Provider is how the provider of a custom resource is asked.
	Provider Provider
	// Note adds an event that tells how it goes.
	Note func(text string)
	// Taken reports whether a physical id is another resource's, or the old
	// one of this one.
	Taken func(physicalID string) bool

	kind   *Type
	object any // what an answer says of the resource, while values are taken from it
	item   any // the member of a Set that is being added or removed
}

func (s *Step) id() string { return s.Record.PhysicalID }

// text is a property's text.
func (s *Step) text(property string) string {
	v, _ := s.Record.Properties[property].(string)
	return v
}

// changed reports whether the step changes any of some properties.
func (s *Step) changed(properties ...string) bool {
	return slices.ContainsFunc(properties, func(n string) bool { return asJSON(s.Record.Prior[n]) != asJSON(s.Record.Properties[n]) })
}

func (s *Step) remember(key, value string) { s.Record.Memo[key] = value }

// do is a call whose answer does not matter.
func (s *Step) do(ctx context.Context, service, operation string, in map[string]any) error {
	_, err := s.API.Call(ctx, service, operation, in)
	return err
}

// generated is a name made from the stack's name, the logical id and a random
// end, within limit characters.
func (s *Step) generated(limit int) string {
	return generatedName(s.StackName, s.Record.LogicalID, s.Record.Memo[MemoSuffix], limit)
}

func generatedName(stack, logical, suffix string, limit int) string {
	rest := limit - len(suffix) - 2
	if len(stack)+len(logical) > rest {
		stack = stack[:min(len(stack), max(rest/2, rest-len(logical)))]
		logical = logical[:min(len(logical), rest-len(stack))]
	}
	return strings.Trim(stack, "-") + "-" + logical + "-" + suffix
}

// since reports whether something was made after we said that we would: what
// carries no tags of ours and yet has our name is ours then.
func (s *Step) since(created any) bool {
	t, ok := created.(time.Time)
	return ok && !t.Before(s.Record.Started.Truncate(time.Second))
}

func (s *Step) schema() *template.Type {
	t, _ := template.TypeOf(s.Record.Type)
	return t
}
