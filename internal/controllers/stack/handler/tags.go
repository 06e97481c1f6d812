package handler

import (
	"context"
	"slices"

	"berth/internal/lang/template"
	"berth/internal/model"
)

// Tagging says how tags go to an API.
type Tagging struct {
	// Member carries tags in Make and in Add, in a form.
	Member string
	Form   func([]model.Tag) any
	// Spec is EC2's resource type: Make carries TagSpecifications.
	Spec string
	// Add and Remove are operations; Of names the resource to them, and Keys is
	// the member with the keys to remove.
	Add, Remove string
	Of          Args
	Keys        string
	// KeyPairs says that the keys to remove go as pairs without values.
	KeyPairs bool
	// FormOf and KeysOf make tags, and keys to remove, where Form cannot: of more
	// than the tags themselves.
	FormOf, KeysOf Value
	// Plain says that resources carry no tags of CloudFormation's own.
	Plain bool
}

// create adds the tags to a Make call.
func (g Tagging) create(s *Step, in map[string]any) {
	switch {
	case g.Spec != "":
		in["TagSpecifications"] = []any{map[string]any{"ResourceType": g.Spec, "Tags": pairs(s.Tags)}}
	case g.Member != "" && len(s.Tags) > 0:
		in[g.Member] = g.form(s)
	}
}

// retag makes the tags of a resource those it should have.
func (g Tagging) retag(ctx context.Context, service string, s *Step) error {
	if g.Add == "" {
		return nil
	}
	if keys := g.dropped(s); len(list(keys)) > 0 {
		if err := s.do(ctx, service, g.Remove, g.call(s, g.Keys, keys)); err != nil {
			return err
		}
	}
	if SameTags(s.Record.Tags, s.Tags) && !(g.FormOf != nil && s.changed(s.schema().TagProperty)) {
		return nil
	}
	return s.do(ctx, service, g.Add, g.call(s, g.Member, g.form(s)))
}

func (g Tagging) form(s *Step) any {
	if g.FormOf != nil {
		return g.FormOf(s)
	}
	return g.Form(s.Tags)
}

func (g Tagging) dropped(s *Step) any {
	if g.KeysOf != nil {
		return g.KeysOf(s)
	}
	return s.droppedTags(g.KeyPairs)
}

func (g Tagging) call(s *Step, member string, v any) map[string]any {
	in := map[string]any{member: v}
	for name, of := range g.Of {
		in[name] = of(s)
	}
	return in
}

// droppedTags lists tag keys that the resource carries and should not.
func (s *Step) droppedTags(asPairs bool) []any {
	out := []any{}
	for _, t := range s.Record.Tags {
		if slices.ContainsFunc(s.Tags, func(n model.Tag) bool { return n.Key == t.Key }) {
			continue
		}
		if asPairs {
			out = append(out, map[string]any{"Key": t.Key})
		} else {
			out = append(out, t.Key)
		}
	}
	return out
}

// TagList reads tags in any of the forms that properties and answers have.
func TagList(v any) []model.Tag {
	var out []model.Tag
	switch v := v.(type) {
	case []any:
		for _, it := range v {
			m, _ := it.(map[string]any)
			out = append(out, model.Tag{Key: firstText(m, "Key", "key", "TagKey"), Value: firstText(m, "Value", "value", "TagValue")})
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			s, _ := template.Flat(v[k])
			out = append(out, model.Tag{Key: k, Value: s})
		}
	}
	return out
}

func firstText(m map[string]any, keys ...string) string {
	for _, k := range keys {
		if s, ok := m[k].(string); ok {
			return s
		}
	}
	return ""
}

// SameTags reports whether two lists hold the same tags, in whatever order.
func SameTags(a, b []model.Tag) bool {
	return slices.Equal(model.SetTags(nil, a), model.SetTags(nil, b))
}

// StackIDTag and LogicalIDTag are the tags by which a resource is known to be
// a stack's.
const (
	StackIDTag   = "aws:cloudformation:stack-id"
	LogicalIDTag = "aws:cloudformation:logical-id"
)

// mine reports whether tags say that this very resource made something.
func (s *Step) mine(tags any) bool {
	all := TagList(tags)
	return model.TagValue(all, StackIDTag) == s.StackID && model.TagValue(all, LogicalIDTag) == s.Record.LogicalID
}

// pairs are tags as most APIs want them.
func pairs(tags []model.Tag) any {
	out := make([]any, len(tags))
	for i, t := range tags {
		out[i] = map[string]any{"Key": t.Key, "Value": t.Value}
	}
	return out
}

// lowerPairs are tags as ECS wants them.
func lowerPairs(tags []model.Tag) any {
	out := make([]any, len(tags))
	for i, t := range tags {
		out[i] = map[string]any{"key": t.Key, "value": t.Value}
	}
	return out
}

func tagMap(tags []model.Tag) any {
	out := map[string]any{}
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}
