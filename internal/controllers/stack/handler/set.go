package handler

import (
	"context"
)

// syncSets makes the items of all sets those that the template states.
func (t *Type) syncSets(ctx context.Context, s *Step) error {
	for _, set := range t.Sets {
		if !s.changed(set.Property) {
			continue
		}
		if err := t.sync(ctx, s, set, list(s.Record.Prior[set.Property]), list(s.Record.Properties[set.Property])); err != nil {
			return err
		}
	}
	return nil
}

// sync adds and removes items. What is there is asked for where adding twice
// is an error, and then removing comes first: there may be a place for one only.
func (t *Type) sync(ctx context.Context, s *Step, set Set, was, want []any) error {
	if set.Has == "" {
		if err := t.each(ctx, s, set.Add, set.Whole, missing(want, was)); err != nil {
			return err
		}
		return t.each(ctx, s, set.Remove, set.Whole, missing(was, want))
	}
	object, err := t.read(ctx, s)
	if err != nil {
		return err
	}
	has := list(dig(object, set.Has))
	if err := t.each(ctx, s, set.Remove, set.Whole, missing(has, want)); err != nil {
		return err
	}
	return t.each(ctx, s, set.Add, set.Whole, missing(want, has))
}

func (t *Type) each(ctx context.Context, s *Step, c Call, whole bool, items []any) error {
	if whole && len(items) > 0 {
		items = []any{items}
	}
	for _, it := range items {
		s.item = it
		if _, err := t.call(ctx, s, c, map[string]any{}); err != nil {
			return err
		}
	}
	return nil
}
