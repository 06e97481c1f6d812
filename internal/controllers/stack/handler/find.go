package handler

import (
	"context"

	"berth/internal/fault"
)

// Finder looks for what an interrupted Create made; id is "" if there is
// nothing, or not ours.
type Finder func(ctx context.Context, s *Step) (id string, object any, err error)

// Owned reports whether an object is what this very resource made.
type Owned func(ctx context.Context, s *Step, object any) (bool, error)

// byName reads the resource by its name.
func byName(owned Owned) Finder {
	return func(ctx context.Context, s *Step) (string, any, error) {
		object, err := s.kind.read(ctx, s)
		if err != nil || object == nil || s.kind.absent(object) {
			return "", nil, err
		}
		return checked(ctx, s, object, owned)
	}
}

// checked takes the id of an object that is ours.
func checked(ctx context.Context, s *Step, object any, owned Owned) (string, any, error) {
	s.object = object
	id, _ := s.kind.ID(s).(string)
	if id == "" || s.Taken(id) {
		return "", nil, nil
	}
	ours, err := owned(ctx, s, object)
	if err != nil || !ours {
		return "", nil, err
	}
	return id, object, nil
}

// among looks through what a call lists.
func among(c Call, owned Owned) Finder {
	return func(ctx context.Context, s *Step) (string, any, error) {
		in, err := s.kind.members(s, c, c.Members, false)
		if err != nil {
			return "", nil, err
		}
		out, err := s.kind.call(ctx, s, c, in)
		if err != nil {
			return "", nil, err
		}
		for _, object := range list(dig(out, c.Answer)) {
			if id, object, err := checked(ctx, s, object, owned); err != nil || id != "" {
				return id, object, err
			}
		}
		return "", nil, nil
	}
}

// byTags asks for the tags of what would have our name.
func byTags(c Call) Finder {
	return func(ctx context.Context, s *Step) (string, any, error) {
		out, err := s.kind.call(ctx, s, c, map[string]any{})
		if err != nil || !s.mine(dig(out, c.Answer)) {
			return "", nil, err
		}
		id, _ := s.kind.ID(s).(string)
		return id, nil, nil
	}
}

// tagged says that an object has our tags at a path.
func tagged(path string) Owned {
	return func(_ context.Context, s *Step, object any) (bool, error) { return s.mine(dig(object, path)), nil }
}

// taggedBy says that a call answers our tags.
func taggedBy(c Call) Owned {
	return func(ctx context.Context, s *Step, object any) (bool, error) {
		s.object = object
		out, err := s.kind.call(ctx, s, c, map[string]any{})
		return err == nil && s.mine(dig(out, c.Answer)), err
	}
}

// datedAt says that an object was made after we said that we would.
func datedAt(path string) Owned {
	return func(_ context.Context, s *Step, object any) (bool, error) { return s.since(dig(object, path)), nil }
}

// matching says that an object has a value of ours at a path.
func matching(path string, want Value) Owned {
	return func(_ context.Context, s *Step, object any) (bool, error) {
		return asJSON(dig(object, path)) == asJSON(want(s)), nil
	}
}

// accept takes what exists for what an interrupted Create made: its name is
// proof enough, since nobody else can have it.
func accept(context.Context, *Step, error) error { return nil }

// refusing is an error of a property that nothing here changes.
func refusing(class fault.Class, code, text string) func(*Step) error {
	return func(*Step) error { return fault.New(class, code, "%s", text) }
}
