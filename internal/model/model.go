// Package model has the nouns of Berth, one file for each family: what was
// desired (spec) and what is (status), and the legal moves of each state.
//
// Records are values. What a view returns must not be written into: take a
// Clone (or state's Edit, which makes one), change it, put it back. Field
// tags `w:"writer,writer"` name the only packages that may write a field; state
// checks them in tests and in the simulator. The package does no I/O, plans
// nothing and formats nothing for a wire.
package model

import (
	"slices"
	"strings"
	"time"
)

// Tag is a key and a value on a resource.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// TagValue finds the value of a tag, or "".
func TagValue(tags []Tag, key string) string {
	for _, t := range tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

// SetTags merges more into tags, sorted by key; of equal keys the last wins. It
// may be given as many as a request has.
func SetTags(tags, more []Tag) []Tag {
	at := make(map[string]int, len(tags)+len(more))
	out := make([]Tag, 0, len(tags)+len(more))
	for _, t := range slices.Concat(tags, more) {
		if i, ok := at[t.Key]; ok {
			out[i] = t
			continue
		}
		at[t.Key] = len(out)
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// RepeatedTag is the first key that tags have twice.
func RepeatedTag(tags []Tag) (key string, repeated bool) {
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		if seen[t.Key] {
			return t.Key, true
		}
		seen[t.Key] = true
	}
	return "", false
}

// DropTags removes the named keys.
func DropTags(tags []Tag, keys []string) []Tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t Tag) bool { return slices.Contains(keys, t.Key) })
}

// Decision is one thing that Berth decided or did, with its reason: what
// explain, events, the console and the replay read.
type Decision struct {
	Seq     int64     `json:"seq"` // grows by one; the key of the table
	At      time.Time `json:"at"`
	By      string    `json:"by"`      // the writer, for example controllers/task
	Subject string    `json:"subject"` // ARN or id of what it is about
	Verb    string    `json:"verb"`    // placed, refused, launched, kept, drained, shifted, scaled, denied, state, …
	Reason  string    `json:"reason"`  // one sentence
	Cluster string    `json:"cluster,omitempty"`
	Service string    `json:"service,omitempty"`
	// Facts are the figures behind the reason.
	Facts map[string]string `json:"facts,omitempty"`
}
