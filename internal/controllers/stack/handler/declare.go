package handler

import (
	"context"
	"time"
)

// Type declares a resource type.
type Type struct {
	// Service is the API's name, as the invoker has it.
	Service string
	// Style says how the API writes what the template calls properties.
	Style Style
	// Name is the property that names a resource, if there is one.
	Name Name
	// Convert turns a property's value into the member's.
	Convert map[string]func(*Step, any) (any, error)

	// Make creates the resource; ID is its Ref, taken from the answer.
	Make Call
	ID   Value
	// Then asks what Make made, of what Make answered, where that does not say.
	Then Call
	// Exists is what to do when Make is repeated after an interruption and the
	// API says that there is one; nil: the API's error stands.
	Exists func(context.Context, *Step, error) error
	// Lookup looks for what an interrupted Make made; nil if Make may be
	// repeated.
	Lookup Finder

	// Changes are the calls that change a resource, in order. One whose
	// properties Make does not carry is made after Make as well.
	Changes []Change
	// Sets are properties whose items are added and removed by calls.
	Sets []Set
	// Refuse are properties that the schema lets change and nothing here does.
	Refuse map[string]func(*Step) error
	// Unsent are properties that no call carries, each with the reason.
	Unsent map[string]string

	// Read looks at the resource; its Answer is what ID, Attributes and Status
	// are paths into.
	Read Call
	// Attributes are those of Fn::GetAtt that are not properties as given.
	Attributes map[string]Value
	// Also are further calls that tell attributes.
	Also []Look
	// Status says what states mean; all must be ready. None: ready at once.
	Status []Status
	// Settle looks further when Status is ready.
	Settle func(context.Context, *Step) (bool, error)
	// Wait is how long a resource may take to become ready; nil: three hours.
	Wait func(*Step) time.Duration

	// Before is done before Remove.
	Before func(context.Context, *Step) error
	// Remove deletes the resource. Refused is a path to an error in its answer, with
	// Code and Message.
	Remove  Call
	Refused string
	// Lingers says that a resource is there for a while after Remove.
	Lingers bool
	// End deletes the resource in place of Before and Remove.
	End func(context.Context, *Step) (gone bool, err error)

	// Tags says how tags go.
	Tags Tagging
}

// Style is how an API writes members.
type Style struct {
	// Lower says that members begin with a small letter.
	Lower bool
	// Names are members that do not follow from the property's name, at any
	// depth.
	Names map[string]string
}

// Name is a property that names a resource.
type Name struct {
	Property string
	// Limit is how long a generated name may be.
	Limit int
	// Lower says that generated names are in small letters.
	Lower bool
}

// Args are arguments of a call by member.
type Args map[string]Value

// Call is one call of the API.
type Call struct {
	Operation string
	// Members are the properties that it carries.
	Members []string
	// As are members that are not called like the property in this call.
	As map[string]string
	// With is what it carries beside properties.
	With Args
	// Carries are properties that With or Prepare carry.
	Carries []string
	// Ask adds to the input what has to be asked for.
	Ask func(context.Context, *Step, map[string]any) error
	// Prepare has the last word on the input.
	Prepare func(*Step, map[string]any) error
	// Forgive are codes of errors that mean that it was done already.
	Forgive []string
	// Busy are codes of errors that mean that it may be tried again later.
	Busy []string
	// Answer is the path to the resource in the answer.
	Answer string
}

// Change is a call that changes what it carries.
type Change struct {
	Call
	// When are properties that need the call beside Call.Members.
	When []string
	// Part says that the call carries only what changed; else all Members.
	Part bool
	// Usual is what a member goes back to when the property is given no more.
	Usual map[string]any
	// Without is called instead when the first property is given no more.
	Without *Call
	// Differ are list properties that go as what to add and what to remove.
	Differ map[string]Differ
	// Kept says that a value that is given no more stays as it is.
	Kept bool
	// Do is done in place of a call.
	Do func(context.Context, *Step) error
}

// Differ are the members for what to add to a list and what to remove.
type Differ struct{ Add, Remove string }

// Set is a list property each of whose items is a call of its own. Item is
// the value of the item.
type Set struct {
	Property    string
	Add, Remove Call
	// Whole says that one call carries all items to add or remove.
	Whole bool
	// Has is the path, in what Read answers, to the items that are there; "":
	// those of the prior properties.
	Has string
	// Emptied says that items have to be removed before the resource is.
	Emptied bool
}

// Look is a call that tells attributes.
type Look struct {
	Call
	Attributes map[string]Value
}

// Status says what the states in one place of an answer mean.
type Status struct {
	Path string
	// Ready are the states that are; none: all that are not Busy or Failed.
	Ready  []string
	Busy   []string
	Failed []string
	// Absent and Ending mean that a resource is deleted, or being deleted.
	Absent []string
	Ending []string
	// Reason is the path to why. Text words a failure: {id}, {state} and {why}
	// stand for what they say.
	Reason string
	Text   string
}
