package stack_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/controllers/stack/handler"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/vpc"
)

// Every type is created, left alone, changed property by property, replaced,
// and deleted; each of these also with the process killed after every call,
// and with every call refused and what was done rolled back. Properties that
// are changed by the same calls are interrupted once.
func TestTypes(t *testing.T) {
	t.Parallel()
	for i, s := range samples(t) {
		t.Run(fmt.Sprintf("%s#%d", s.of, i), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, s)
			l.creation()
			l.noChange()
			for _, p := range slices.Sorted(maps.Keys(s.change)) {
				if s.change[p] != only {
					l.update(p)
				}
			}
			l.deletion()
		})
	}
}

// A type without a sample, or a property without a value to change it to,
// fails.
func TestEveryTypeHasASample(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(handler.Types())) {
		schema, _ := template.TypeOf(name)
		var have []string
		found := false
		for _, s := range samples(t) {
			if s.of == name {
				found = true
				have = slices.AppendSeq(have, maps.Keys(s.change))
			}
		}
		if !found {
			t.Errorf("%s has no sample", name)
		}
		for _, p := range schema.Built() {
			if !slices.Contains(have, p) {
				t.Errorf("%s: no value to change %s to", name, p)
			}
		}
	}
}

// lab is one sample in a world of what it refers to.
type lab struct {
	*fixture
	t      *testing.T
	sample sample
	schema *template.Type
	names  map[string]string
	empty  map[string][]int // what there is without the sample
	step   int              // every how many calls something goes wrong
	tried  map[string]bool  // sequences of calls in which something went wrong
}

func newLab(t *testing.T, s sample) *lab {
	t.Helper()
	h := newFixture(t)
	if err := h.create("world", worldTemplate); err != nil {
		t.Fatal(err)
	}
	if w := h.settle("world"); w.Status != "CREATE_COMPLETE" {
		t.Fatalf("the world: %s\n%s", w.Status, h.story("world"))
	}
	schema, _ := template.TypeOf(s.of)
	l := &lab{fixture: h, t: t, sample: s, schema: schema, names: map[string]string{"PrefixList": vpc.PrefixList(place.Region, "s3")},
		step:  1,
		tried: map[string]bool{},
	}
	if testing.Short() {
		l.step = 5
	}
	for _, r := range state.StackResources.By(h.db.View(), "stack", h.stack("world").ID) {
		l.names[r.LogicalID] = r.PhysicalID
	}
	for _, o := range h.stack("world").Outputs {
		l.names[o.Key] = o.Value
	}
	if s.of == "AWS::ECS::ClusterCapacityProviderAssociations" {
		// A provider is associated with its cluster when it is made, and is not
		// any more when associations are deleted.
		l.want(l.run(l.body(""), true), "CREATE_COMPLETE", "created")
		l.del("x")
		l.want(l.settle("x"), "DELETE_COMPLETE", "deleted")
	}
	l.empty = l.shape()
	return l
}

// body is the sample's template, with some properties changed.
func (l *lab) body(change string) string {
	props := maps.Clone(l.sample.base)
	if props == nil {
		props = map[string]string{}
	}
	if change != "" {
		for _, part := range strings.Split(change, " & ") {
			name, v, _ := strings.Cut(part, "=")
			if props[name] = v; v == "-" {
				delete(props, name)
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Resources:\n  X:\n    Type: %s\n", l.sample.of)
	if len(props) > 0 {
		b.WriteString("    Properties:\n")
	}
	for _, name := range slices.Sorted(maps.Keys(props)) {
		fmt.Fprintf(&b, "      %s: %s\n", name, os.Expand(props[name], func(n string) string { return l.names[n] }))
	}
	return b.String()
}

// run brings the stack x to a template.
func (l *lab) run(body string, create bool) model.Stack {
	l.t.Helper()
	l.clock.Advance(time.Minute)
	err := error(nil)
	if create {
		err = l.create("x", body)
	} else {
		err = l.fixture.update("x", body)
	}
	if err != nil {
		l.t.Fatalf("%s\n%s", err, body)
	}
	return l.settle("x")
}

func (l *lab) want(s model.Stack, status model.StackStatus, when string) {
	l.t.Helper()
	if s.Status != status {
		l.t.Fatalf("%s: %s, want %s\n%s", when, s.Status, status, l.story("x"))
	}
}

func (l *lab) same(want map[string][]int, when string) {
	l.t.Helper()
	if diff := cmp.Diff(want, l.shape()); diff != "" {
		l.t.Fatalf("%s:\n%s\n%s\nlast calls: %v", when, diff, l.story("x"), l.calls[max(0, len(l.calls)-12):])
	}
}

// killed says that the process ends with a call.
type killed struct{}

// kill ends the process after the nth call from now, and starts it again.
func (l *lab) kill(n int) {
	at := len(l.calls) + n
	l.after = func(_ string, count int) error {
		if count == at {
			l.dead = true
			panic(killed{})
		}
		return nil
	}
}

// twice has somebody else make the nth call from now first.
func (l *lab) twice(n int) {
	at := len(l.calls) + n
	l.before = func(service, operation string, in map[string]any) error {
		if len(l.calls) == at {
			_, _ = l.answer(l.t.Context(), ident.Principal{Root: true}, service, operation, in) // if that fails, so does this one
		}
		return nil
	}
}

// forward are the statuses in which a refusal leads to going back.
var forward = []model.StackStatus{model.StackCreateInProgress, model.StackUpdateInProgress}

// refuse refuses the nth call from now, while the stack is in one of some
// statuses; it tells whether it did.
func (l *lab) refuse(n int, during ...model.StackStatus) *bool {
	at, did := len(l.calls)+n, new(bool)
	l.before = func(_, operation string, _ map[string]any) error {
		if len(l.calls) != at || !slices.Contains(during, l.stack("x").Status) {
			return nil
		}
		*did = true
		return fault.New(fault.Invalid, "InvalidRequest", "%s is refused", operation)
	}
	return did
}

func (l *lab) calm() { l.before, l.after = nil, nil }

func (l *lab) gone(when string) {
	l.t.Helper()
	l.calm()
	l.del("x")
	l.want(l.settle("x"), "DELETE_COMPLETE", when)
	l.same(l.empty, when)
}

func (l *lab) creation() {
	l.t.Helper()
	body, before := l.body(""), len(l.calls)
	l.want(l.run(body, true), "CREATE_COMPLETE", "created")
	calls := len(l.calls) - before
	whole := l.shape()
	l.gone("deleted")
	for n := 1; n <= calls; n += l.step {
		l.kill(n)
		when := fmt.Sprintf("created, killed after call %d", n)
		l.want(l.run(body, true), "CREATE_COMPLETE", when)
		l.same(whole, when)
		l.gone(when + ", deleted")

		refused := l.refuse(n, forward...)
		when = fmt.Sprintf("created, call %d refused", n)
		if s := l.run(body, true); *refused {
			l.want(s, "ROLLBACK_COMPLETE", when)
			l.same(l.empty, when)
		}
		l.gone(when + ", deleted")
	}
}

// noChange updates the stack without changing the resource: nothing is
// written.
func (l *lab) noChange() {
	l.t.Helper()
	l.want(l.run(l.body(""), true), "CREATE_COMPLETE", "created")
	before := len(l.calls)
	l.want(l.run(l.body("")+"  Other: {Type: AWS::CloudFormation::WaitConditionHandle}\n", false), "UPDATE_COMPLETE", "left alone")
	for _, c := range l.calls[before:] {
		_, operation, _ := strings.Cut(c, " ")
		if !strings.HasPrefix(operation, "Describe") && !strings.HasPrefix(operation, "List") && !strings.HasPrefix(operation, "Get") {
			l.t.Errorf("left alone, and yet %s", c)
		}
	}
	l.want(l.run(l.body(""), false), "UPDATE_COMPLETE", "left alone")
}

func (l *lab) update(property string) {
	l.t.Helper()
	to, refused := strings.CutPrefix(l.sample.change[property], "refused: ")
	base, next := l.body(""), l.body(property+"="+to)
	l.t.Logf("%s: %s", property, to)
	whole, id, before := l.shape(), l.resource("x", "X").PhysicalID, len(l.calls)
	if base == next {
		l.t.Fatalf("%s does not change", property)
	}
	s := l.run(next, false)
	if refused {
		l.want(s, "UPDATE_ROLLBACK_COMPLETE", property)
		l.same(whole, property+" refused")
		return
	}
	l.want(s, "UPDATE_COMPLETE", property)
	calls := len(l.calls) - before
	if replaced := strings.Contains(l.since(id), "requires the creation of a new physical resource"); replaced != l.replaces(property) {
		l.t.Fatalf("%s: replaced is %t\n%s", property, replaced, l.story("x"))
	}
	changed, sequence := l.shape(), strings.Join(l.calls[before:], ", ")
	l.back(base, whole, property)
	if l.tried[sequence] {
		return // another property is changed by the same calls
	}
	l.tried[sequence] = true
	for n := 1; n <= calls; n += l.step {
		when := fmt.Sprintf("%s, killed after call %d", property, n)
		l.kill(n)
		l.want(l.run(next, false), "UPDATE_COMPLETE", when)
		l.same(changed, when)
		l.back(base, whole, when)

		refused := l.refuse(n, forward...)
		when = fmt.Sprintf("%s, call %d refused", property, n)
		if s := l.run(next, false); *refused {
			l.want(s, "UPDATE_ROLLBACK_COMPLETE", when)
			l.calm()
			l.same(whole, when)
			continue
		}
		l.back(base, whole, when)
	}
}

// since is the story from the last update on.
func (l *lab) since(string) string {
	story := l.story("x")
	return story[strings.LastIndex(story, "UPDATE_IN_PROGRESS (User Initiated)"):]
}

func (l *lab) replaces(property string) bool {
	_, mutable := l.schema.Updatable(property, nil)
	if !mutable {
		return true
	}
	for _, part := range strings.Split(l.sample.change[property], " & ")[1:] {
		name, _, _ := strings.Cut(part, "=")
		if _, mutable := l.schema.Updatable(name, nil); !mutable {
			return true
		}
	}
	return false
}

func (l *lab) back(base string, whole map[string][]int, when string) {
	l.t.Helper()
	l.calm()
	l.want(l.run(base, false), "UPDATE_COMPLETE", when+", and back")
	l.same(whole, when+", and back")
}

func (l *lab) deletion() {
	l.t.Helper()
	before := len(l.calls)
	l.gone("deleted")
	calls := len(l.calls) - before
	for n := 1; n <= calls; n += l.step {
		l.want(l.run(l.body(""), true), "CREATE_COMPLETE", "created")
		l.kill(n)
		l.del("x")
		when := fmt.Sprintf("deleted, killed after call %d", n)
		l.want(l.settle("x"), "DELETE_COMPLETE", when)
		l.calm()
		l.same(l.empty, when)

		l.want(l.run(l.body(""), true), "CREATE_COMPLETE", "created")
		l.twice(n)
		l.del("x")
		when = fmt.Sprintf("deleted, call %d made before by somebody else", n)
		l.want(l.settle("x"), "DELETE_COMPLETE", when)
		l.calm()
		l.same(l.empty, when)

		l.want(l.run(l.body(""), true), "CREATE_COMPLETE", "created")
		refused := l.refuse(n, "DELETE_IN_PROGRESS")
		l.del("x")
		when = fmt.Sprintf("deleted, call %d refused", n)
		if s := l.settle("x"); *refused {
			l.want(s, "DELETE_FAILED", when)
			l.gone(when + ", deleted again")
		}
		l.calm()
	}
}
