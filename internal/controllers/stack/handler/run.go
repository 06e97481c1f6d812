package handler

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/internal/fault"
)

var _ Handler = (*Type)(nil)

// usualWait is what CloudFormation waits for most resources.
const usualWait = 3 * time.Hour

// NameProperty implements Handler.
func (t *Type) NameProperty() string { return t.Name.Property }

// SystemTags implements Handler.
func (t *Type) SystemTags() bool { return !t.Tags.Plain }

// Patience implements Handler.
func (t *Type) Patience(s *Step) time.Duration {
	if t.Wait != nil {
		return t.Wait(s)
	}
	return usualWait
}

// Create implements Handler.
func (t *Type) Create(ctx context.Context, s *Step) error {
	s.kind = t
	if s.id() == "" {
		if err := t.make(ctx, s); err != nil {
			return err
		}
	}
	for _, c := range t.Changes {
		if t.carries(c) || !s.changed(c.properties()...) {
			continue
		}
		if err := t.change(ctx, s, c, false); err != nil {
			return err
		}
	}
	return t.syncSets(ctx, s)
}

// make makes something new, unless an earlier attempt did.
func (t *Type) make(ctx context.Context, s *Step) error {
	if s.Again {
		if found, err := t.Find(ctx, s); err != nil || found {
			return err
		}
	}
	answer, err := t.create(ctx, s)
	if err != nil {
		return err
	}
	s.object = dig(answer, t.Make.Answer)
	t.note(s)
	if s.id() == "" {
		return fault.New(fault.Internal, "", "%s of %s answered without an id", t.Make.Operation, s.Record.LogicalID)
	}
	return nil
}

func (t *Type) create(ctx context.Context, s *Step) (map[string]any, error) {
	if t.Make.Operation == "" {
		return nil, nil
	}
	in, err := t.members(s, t.Make, t.Make.Members, false)
	if err != nil {
		return nil, err
	}
	t.Tags.create(s, in)
	answer, err := t.call(ctx, s, t.Make, in)
	if err != nil && s.Again && exists(err) && t.Exists != nil {
		return nil, t.Exists(ctx, s, err)
	}
	if err == nil && t.Then.Operation != "" {
		s.object = answer
		if answer, err = t.call(ctx, s, t.Then, map[string]any{}); err != nil {
			// What was made has to be known, so that it is deleted.
			if _, lost := t.Find(ctx, s); lost != nil {
				return nil, lost
			}
		}
	}
	return answer, err
}

// note takes the id and the attributes from the object that an answer
// describes.
func (t *Type) note(s *Step) {
	if s.id() == "" {
		s.Record.PhysicalID, _ = t.ID(s).(string)
	}
	t.learn(s, t.Attributes)
}

func (t *Type) learn(s *Step, attributes map[string]Value) {
	for name, v := range attributes {
		if got := v(s); got != nil {
			s.Record.Attributes[name] = got
		}
	}
}

// call sends an input that members made.
func (t *Type) call(ctx context.Context, s *Step, c Call, in map[string]any) (map[string]any, error) {
	if c.Ask != nil {
		if err := c.Ask(ctx, s, in); err != nil {
			return nil, err
		}
	}
	if err := c.finish(s, in); err != nil {
		return nil, err
	}
	out, err := s.API.Call(ctx, t.Service, c.Operation, in)
	switch {
	case err == nil:
		return out, nil
	case hasCode(err, c.Forgive):
		return nil, nil
	case hasCode(err, c.Busy):
		return nil, busyError{err}
	default:
		return nil, err
	}
}

// carries reports whether Create carries all that a change is about.
func (t *Type) carries(c Change) bool {
	made := slices.Concat(t.Make.Members, t.Make.Carries)
	return !slices.ContainsFunc(c.properties(), func(p string) bool { return !slices.Contains(made, p) })
}

// properties are those whose change needs a call.
func (c Change) properties() []string {
	return slices.Concat(c.Members, c.When, sortedKeys(c.Differ))
}

// Update implements Handler.
func (t *Type) Update(ctx context.Context, s *Step) error {
	s.kind = t
	for _, name := range sortedKeys(t.Refuse) {
		// What is refused was never done, and needs no undoing.
		if s.changed(name) && !s.Undo {
			return t.Refuse[name](s)
		}
	}
	done, _ := strconv.Atoi(s.Record.Memo[MemoStep])
	for i := done; i < len(t.Changes); i++ {
		c := t.Changes[i]
		if s.changed(c.properties()...) {
			if err := t.change(ctx, s, c, true); err != nil {
				return err
			}
		}
		s.remember(MemoStep, strconv.Itoa(i+1))
	}
	if err := t.syncSets(ctx, s); err != nil {
		return err
	}
	return t.Tags.retag(ctx, t.Service, s)
}

// change makes one change of what a template states.
func (t *Type) change(ctx context.Context, s *Step, c Change, update bool) error {
	if c.Do != nil {
		return c.Do(ctx, s)
	}
	first := c.properties()[0]
	v, given := s.Record.Properties[first]
	if !given && c.Without != nil {
		_, err := t.call(ctx, s, *c.Without, map[string]any{})
		return err
	}
	if items, isList := v.([]any); c.Kept && (!given || isList && len(items) == 0) {
		return nil
	}
	in, err := t.members(s, c.Call, c.sent(s), update)
	if err != nil {
		return err
	}
	c.fill(t, s, in)
	_, err = t.call(ctx, s, c.Call, in)
	return err
}

// sent are the properties that a change carries.
func (c Change) sent(s *Step) []string {
	if !c.Part {
		return c.Members
	}
	return slices.DeleteFunc(slices.Clone(c.Members), func(p string) bool { return !s.changed(p) })
}

// fill adds what lists gain and lose, and what goes back to usual.
func (c Change) fill(t *Type, s *Step, in map[string]any) {
	for _, name := range sortedKeys(c.Differ) {
		was, want := list(s.Record.Prior[name]), list(s.Record.Properties[name])
		if add := missing(want, was); len(add) > 0 {
			in[c.Differ[name].Add] = add
		}
		if drop := missing(was, want); len(drop) > 0 {
			in[c.Differ[name].Remove] = drop
		}
	}
	for name, usual := range c.Usual {
		if _, given := s.Record.Properties[name]; !given && (!c.Part || s.changed(name)) {
			in[t.memberOf(c.Call, name)] = usual
		}
	}
}

// Delete implements Handler.
func (t *Type) Delete(ctx context.Context, s *Step) (bool, error) {
	s.kind = t
	if t.End != nil {
		return t.End(ctx, s)
	}
	if gone, ending, err := t.leaving(ctx, s); err != nil || gone || ending {
		return gone, err
	}
	for _, set := range t.Sets {
		if !set.Emptied {
			continue
		}
		if err := t.sync(ctx, s, set, list(s.Record.Properties[set.Property]), nil); err != nil && !Absent(err) {
			return false, err
		}
	}
	if t.Before != nil {
		// What is not there any more of it does not say that the resource is gone.
		if err := t.Before(ctx, s); err != nil && !Absent(err) {
			return false, err
		}
	}
	if err := t.remove(ctx, s); err != nil {
		return false, err
	}
	if !t.Lingers {
		return true, nil
	}
	gone, _, err := t.leaving(ctx, s)
	return gone, err
}

func (t *Type) remove(ctx context.Context, s *Step) error {
	if t.Remove.Operation == "" {
		return nil
	}
	in, err := t.members(s, t.Remove, t.Remove.Members, false)
	if err != nil {
		return err
	}
	out, err := t.call(ctx, s, t.Remove, in)
	if err != nil {
		return err
	}
	if refusal := dig(out, t.Refused); t.Refused != "" && refusal != nil {
		if code := digText(refusal, "Code"); strings.Contains(code, "NotFound") {
			return fault.New(fault.NotFound, code, "%s", digText(refusal, "Message"))
		}
		return general("%s", digText(refusal, "Message"))
	}
	return nil
}

// Find implements Handler.
func (t *Type) Find(ctx context.Context, s *Step) (bool, error) {
	s.kind = t
	if t.Lookup == nil {
		return false, nil
	}
	id, object, err := t.Lookup(ctx, s)
	if Absent(err) || err == nil && id == "" {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.Record.PhysicalID, s.object = id, object
	t.learn(s, t.Attributes)
	return true, nil
}
