package stack

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"berth/internal/fault"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/store"
)

// blame finds which of a resource's properties an API refuses. Its errors do
// not always say; but without the property to blame the same call comes to
// something else, so the call is tried again without one after another.
type blame struct {
	*run
	intent model.StackResource // as it was before the call
	before *store.View
	reason string
	probes int
}

// maxProbes bounds how often a call is tried for one refusal, maxPaths how many
// places are told.
const (
	maxProbes = 300
	maxPaths  = 3
)

// paths are the JSON pointers, below one, of what is to blame, as deep as it is
// known: what the sentence names, or if it names nothing, all. Where too much
// is left, what is above it.
func (b *blame) paths(root string) []string {
	all := b.culprits(b.intent.Properties, nil)
	if named := slices.DeleteFunc(slices.Clone(all), func(path []string) bool { return !b.named(path) }); len(named) > 0 {
		all = named
	}
	if len(all) == 0 || len(all) > maxPaths {
		return []string{root}
	}
	var out []string
	for _, path := range all {
		out = append(out, root+"/"+strings.Join(path, "/"))
	}
	return out
}

// culprits are the paths below one without which the call does not fail, or
// fails for another reason.
func (b *blame) culprits(v any, at []string) [][]string {
	var out [][]string
	for _, key := range keysOf(v) {
		path := append(slices.Clone(at), key)
		if b.same(path) {
			continue
		}
		if deeper := b.culprits(child(v, key), path); len(deeper) > 0 {
			out = append(out, deeper...)
		} else {
			out = append(out, path)
		}
	}
	return out
}

// same reports whether the call fails for the same reason without what stands
// at a path.
func (b *blame) same(path []string) bool {
	if b.probes++; b.probes > maxProbes {
		return true
	}
	rec := model.Clone(b.intent)
	rec.Properties, _ = without(rec.Properties, path).(map[string]any)
	kept := b.recs[rec.LogicalID]
	b.recs[rec.LogicalID] = &rec
	err := b.try(&rec)
	b.recs[rec.LogicalID] = kept
	b.DB.Rewind(b.before)
	return err != nil && fault.MessageOf(err) == b.reason
}

// named reports whether the reason speaks of what stands at a path: of at least
// half of the words of the member's name, or of its value.
func (b *blame) named(path []string) bool {
	said := words(b.reason)
	var v any = b.intent.Properties
	for _, key := range path {
		v = child(v, key)
	}
	if text, ok := template.Flat(v); ok && slices.Contains(said, strings.ToLower(text)) {
		return true
	}
	name := words(path[len(path)-1])
	found := 0
	for _, w := range name {
		if slices.Contains(said, w) {
			found++
		}
	}
	return found > 0 && found*2 >= len(name)
}

// words are those of a sentence or of a name in CamelCase, in small letters.
func words(text string) []string {
	var out []string
	small := false // the character before is a small letter
	for i, c := range text {
		letter := unicode.IsLetter(c) || unicode.IsDigit(c)
		if start := i == 0 || !letter || small && unicode.IsUpper(c); start {
			out = append(out, "")
		}
		if letter {
			out[len(out)-1] += string(unicode.ToLower(c))
		}
		small = unicode.IsLower(c)
	}
	return slices.DeleteFunc(out, func(w string) bool { return w == "" })
}

func keysOf(v any) []string {
	switch v := v.(type) {
	case map[string]any:
		return slices.Sorted(maps.Keys(v))
	case []any:
		out := make([]string, len(v))
		for i := range v {
			out[i] = strconv.Itoa(i)
		}
		return out
	default:
		return nil
	}
}

func child(v any, key string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[key]
	case []any:
		if i, err := strconv.Atoi(key); err == nil && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// without is a copy of a value that lacks what stands at a path.
func without(v any, path []string) any {
	switch v := v.(type) {
	case map[string]any:
		out := maps.Clone(v)
		if len(path) == 1 {
			delete(out, path[0])
		} else {
			out[path[0]] = without(v[path[0]], path[1:])
		}
		return out
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i >= len(v) {
			return v
		}
		out := slices.Clone(v)
		if len(path) == 1 {
			return slices.Delete(out, i, i+1)
		}
		out[i] = without(v[i], path[1:])
		return out
	default:
		return v
	}
}
