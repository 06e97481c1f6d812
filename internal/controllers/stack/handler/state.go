package handler

import (
	"context"
	"slices"
	"strings"
)

// read looks at the resource; nil if the API answers that there is none.
func (t *Type) read(ctx context.Context, s *Step) (any, error) {
	in, err := t.members(s, t.Read, t.Read.Members, false)
	if err != nil {
		return nil, err
	}
	out, err := t.call(ctx, s, t.Read, in)
	if err != nil {
		return nil, err
	}
	object := dig(out, t.Read.Answer)
	if m, ok := object.(map[string]any); ok && len(m) == 0 {
		return nil, nil
	}
	return object, nil
}

// Ready implements Handler.
func (t *Type) Ready(ctx context.Context, s *Step) (bool, error) {
	s.kind = t
	if t.Read.Operation != "" && (len(t.Status) > 0 || len(t.Attributes) > 0) {
		object, err := t.read(ctx, s)
		if err != nil {
			return false, err
		}
		s.object = object
		t.note(s)
		if ready, err := t.ready(s); err != nil || !ready {
			return false, err
		}
	}
	for _, look := range t.Also {
		out, err := t.call(ctx, s, look.Call, map[string]any{})
		if err != nil {
			return false, err
		}
		s.object = dig(out, look.Answer)
		t.learn(s, look.Attributes)
	}
	if t.Settle != nil {
		return t.Settle(ctx, s)
	}
	return true, nil
}

func (t *Type) ready(s *Step) (bool, error) {
	for _, st := range t.Status {
		state := digText(s.object, st.Path)
		switch {
		case slices.Contains(st.Failed, state):
			words := strings.NewReplacer("{id}", s.id(), "{state}", state, "{why}", digText(s.object, st.Reason))
			return false, NotStabilized("%s", words.Replace(st.Text))
		case slices.Contains(st.Busy, state), len(st.Ready) > 0 && !slices.Contains(st.Ready, state):
			return false, nil
		}
	}
	return true, nil
}

// leaving reports whether a resource is gone, or on its way.
func (t *Type) leaving(ctx context.Context, s *Step) (gone, ending bool, err error) {
	if !t.Lingers {
		return false, false, nil
	}
	object, err := t.read(ctx, s)
	if Absent(err) || err == nil && object == nil {
		return true, false, nil
	}
	return t.absent(object), t.ending(object), err
}

// lives reports whether what has an id is neither gone nor on its way.
func (t *Type) lives(ctx context.Context, s *Step, id string) (bool, error) {
	s.Record.PhysicalID = id
	defer func() { s.Record.PhysicalID = "" }()
	gone, ending, err := t.leaving(ctx, s)
	return !gone && !ending, err
}

func (t *Type) absent(object any) bool {
	return slices.ContainsFunc(t.Status, func(st Status) bool { return slices.Contains(st.Absent, digText(object, st.Path)) })
}

func (t *Type) ending(object any) bool {
	return slices.ContainsFunc(t.Status, func(st Status) bool { return slices.Contains(st.Ending, digText(object, st.Path)) })
}
