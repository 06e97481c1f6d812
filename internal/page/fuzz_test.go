package page_test

import (
	"errors"
	"slices"
	"testing"

	"berth/internal/page"
)

// FuzzToken holds that a token which is none of ours is refused, and that one
// which is taken leads to the end of the list.
func FuzzToken(f *testing.F) {
	f.Add("", int64(1))
	f.Add("TGlzdEJvYXRzCmI", int64(2))
	f.Add("TGlzdFBvcnRzCmI", int64(2))
	f.Add("made up", int64(-1))
	items := []string{"a", "b", "c", "d"}
	f.Fuzz(func(t *testing.T, token string, size int64) {
		in := &ListBoatsInput{NextToken: &token, MaxResults: ptr(max(size, 1))}
		for range len(items) + 1 {
			some, next, err := page.Cut(rules, in, items, page.Self)
			if err != nil {
				if !errors.Is(err, errToken) || in.NextToken != &token {
					t.Fatalf("%q: %v", *in.NextToken, err)
				}
				return
			}
			if !slices.IsSorted(some) {
				t.Fatalf("%q: %v", token, some)
			}
			if in.NextToken = next; next == nil {
				return
			}
		}
		t.Fatalf("%q leads nowhere", token)
	})
}
