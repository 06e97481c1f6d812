package page_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"berth/internal/page"
)

// ListBoatsInput and ListPortsInput are inputs as the generator writes them.
type (
	ListBoatsInput struct {
		Harbour    *string
		NextToken  *string
		MaxResults *int64
	}
	ListPortsInput struct {
		Marker   *string
		PageSize *int64
	}
)

var (
	errToken = errors.New("no token of ours")
	errSize  = errors.New("too large")
	rules    = page.Rules{Refuse: func(string) error { return errToken }}
)

func ptr[T any](v T) *T { return &v }

// all reads a list to its end, page by page, changing it after each page.
func all(t *testing.T, r page.Rules, items []string, size int64, change func([]string) []string) []string {
	t.Helper()
	var got []string
	in := &ListBoatsInput{MaxResults: &size}
	for {
		some, next, err := page.Cut(r, in, items, page.Self)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, some...)
		if next == nil {
			return got
		}
		in.NextToken = next
		items = change(slices.Clone(items))
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	same := func(s []string) []string { return s }
	without := func(gone string) func([]string) []string {
		return func(s []string) []string { return slices.DeleteFunc(s, func(v string) bool { return v == gone }) }
	}
	for name, tt := range map[string]struct {
		rules  page.Rules
		items  []string
		change func([]string) []string
		want   []string
	}{
		"in order":                   {rules, []string{"a", "b", "c", "d", "e"}, same, []string{"a", "b", "c", "d", "e"}},
		"backwards":                  {rules.Descending(true), []string{"c", "b", "a"}, same, []string{"c", "b", "a"}},
		"as named by the call":       {rules, []string{"b", "c", "a"}, same, []string{"b", "c", "a"}},
		"the token's record is gone": {rules, []string{"a", "b", "c", "d"}, without("b"), []string{"a", "b", "c", "d"}},
		"gone, backwards":            {rules.Descending(true), []string{"d", "c", "b", "a"}, without("c"), []string{"d", "c", "b", "a"}},
		"one came before the page": {
			rules, []string{"b", "c", "d"}, func([]string) []string { return []string{"a", "b", "c", "d"} }, []string{"b", "c", "d"},
		},
		"nothing is left":               {rules, []string{"a", "b", "c"}, func([]string) []string { return nil }, []string{"a", "b"}},
		"the last page is exactly full": {rules, []string{"a", "b", "c", "d"}, same, []string{"a", "b", "c", "d"}},
	} {
		if got := all(t, tt.rules, tt.items, 2, tt.change); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestTokensThatAreNoneOfThisCall(t *testing.T) {
	t.Parallel()
	items := []string{"a", "b", "c"}
	_, boats, err := page.Cut(rules, &ListBoatsInput{MaxResults: ptr(int64(1))}, items, page.Self)
	if err != nil {
		t.Fatal(err)
	}
	_, ports, err := page.Cut(rules, &ListPortsInput{PageSize: ptr(int64(1))}, items, page.Self)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]*string{
		"made up": ptr("made-up"), "not even base64": ptr("!"), "of another operation": ports,
		"without a key": page.Token(rules, &ListBoatsInput{}, ""),
	} {
		if _, _, err := page.Cut(rules, &ListBoatsInput{NextToken: token}, items, page.Self); !errors.Is(err, errToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := page.After(rules, &ListPortsInput{Marker: boats}); !errors.Is(err, errToken) {
		t.Error(err)
	}
	for _, in := range []*ListBoatsInput{{}, {NextToken: ptr("")}} {
		if got, next, err := page.Cut(rules, in, items, page.Self); err != nil || len(got) != 3 || next != nil {
			t.Error(got, next, err)
		}
	}
}

func TestATokenOfTheSameCallOnly(t *testing.T) {
	t.Parallel()
	strict := rules
	strict.SameCall = true
	items := []string{"a", "b", "c"}
	ask := func(harbour, token *string, size int64) ([]string, *string, error) {
		return page.Cut(strict, &ListBoatsInput{Harbour: harbour, NextToken: token, MaxResults: &size}, items, page.Self)
	}
	_, next, err := ask(ptr("Kiel"), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ask(ptr("Husum"), next, 1); !errors.Is(err, errToken) {
		t.Error("a token went on with another filter:", err)
	}
	if got, _, err := ask(ptr("Kiel"), next, 2); err != nil || !slices.Equal(got, []string{"b", "c"}) {
		t.Error("a page of another size was refused:", got, err)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	items := make([]string, 30)
	for i := range items {
		items[i] = page.Number(int64(i))
	}
	checked := rules.Of(10, 20)
	checked.Size = func(n int64) error {
		if n > 25 {
			return errSize
		}
		return nil
	}
	for name, tt := range map[string]struct {
		rules page.Rules
		size  *int64
		want  int
		err   error
	}{
		"none, no usual size": {rules, nil, 30, nil}, "the usual size": {checked, nil, 10, nil}, "asked": {checked, ptr(int64(5)), 5, nil},
		"more than the most": {checked, ptr(int64(25)), 20, nil}, "refused": {checked, ptr(int64(26)), 0, errSize},
	} {
		got, _, err := page.Cut(tt.rules, &ListBoatsInput{MaxResults: tt.size}, items, page.Self)
		if len(got) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %d, %v", name, len(got), err)
		}
	}
}

func TestKeysAreInOrderOfTheirParts(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	keys := []string{
		page.Key("a", page.Number(2)), page.Key("a", page.Number(10)), page.Key("a-b", page.Number(1)), page.Key("b", page.Time(time.Time{})),
		page.Key("b", page.Time(day)), page.Key("b", page.Time(day.Add(time.Nanosecond))),
		page.Key("c", page.Newest(day.Add(time.Nanosecond))), page.Key("c", page.Newest(day)),
	}
	if !slices.IsSorted(keys) {
		t.Errorf("%q", keys)
	}
}
