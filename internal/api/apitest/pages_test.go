package apitest_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/fault"
	"berth/internal/page"
	"berth/internal/wire"
)

type in = apitest.In

// list is one list call, and what there is to list.
type list struct {
	service, operation string
	items              string // member of the answer
	ask                in
	// drop removes the record of an item; nil: it is always there.
	drop func(w *apitest.World, item any)
	// short lists have too few items for two pages, in Berth always, or are maps,
	// whose pages the service's own tests turn.
	short bool
}

func (l list) String() string { return l.service + " " + l.operation }

// refusals are the codes by which services refuse a token and a page size.
var refusals = map[string]struct{ token, size string }{
	"application-autoscaling": {"InvalidNextTokenException", "ValidationException"},
	"autoscaling":             {"InvalidNextToken", "ValidationError"},
	"cloudformation":          {"ValidationError", ""},
	"cloudtrail":              {"InvalidNextTokenException", "ValidationException"},
	"monitoring":              {"InvalidNextToken", "ValidationError"},
	"ec2":                     {"InvalidParameterValue", "InvalidParameterValue"},
	"ecr":                     {"InvalidParameterException", "InvalidParameterException"},
	"ecs":                     {"InvalidParameterException", "InvalidParameterException"},
	"elasticloadbalancing":    {"ValidationError", "ValidationError"},
	"iam":                     {"ValidationError", "ValidationError"},
	"lambda":                  {"InvalidParameterValueException", "ValidationException"},
	"logs":                    {"InvalidParameterException", "InvalidParameterException"},
	"secretsmanager":          {"InvalidNextTokenException", "ValidationException"},
	"servicediscovery":        {"InvalidInput", "ValidationException"},
	"ssm":                     {"InvalidNextToken", "ValidationException"},
}

// paging finds the members by which an operation pages.
func paging(op *wire.Operation) (token, size, next *wire.Member) {
	find := func(s *wire.Shape, names []string) *wire.Member {
		for i := range s.Members {
			if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, s.Members[i].Name) }) {
				return &s.Members[i]
			}
		}
		return nil
	}
	token, size = find(op.Input(), page.TokenMembers), find(op.Input(), page.SizeMembers)
	next = find(op.Output(), append([]string{"NextMarker"}, page.TokenMembers...))
	return token, size, next
}

// TestEveryListHasARow finds the list calls in the models.
func TestEveryListHasARow(t *testing.T) {
	t.Parallel()
	w := apitest.NewWorld(t)
	rows := map[string]bool{}
	for _, l := range lists {
		rows[l.String()] = true
	}
	for _, s := range apitest.Services {
		for _, name := range s.Operations() {
			op := s.Operation(name)
			if !op.Built() {
				continue
			}
			token, _, next := paging(op)
			if token == nil || next == nil || rows[s.Name+" "+name] {
				continue
			}
			if _, err := w.Invoke(t.Context(), s.Name, name, in{token.Name: "x"}); !fault.Is(err, fault.NotImplemented) {
				t.Errorf("%s %s pages and has no row", s.Name, name)
			}
		}
	}
}

// TestPagesOfEveryList holds every list call to what a client that pages
// relies on.
func TestPagesOfEveryList(t *testing.T) {
	t.Parallel()
	w := apitest.NewWorld(t)
	fill(t, w)
	tokens := map[string]string{}
	for _, l := range lists {
		t.Run(l.String(), func(t *testing.T) {
			c := newCaller(t, w, l)
			all := c.all()
			if !l.short {
				tokens[l.String()] = c.pages(all)
			}
			c.refused("a token that was made up", in{c.token: "made-up"}, refusals[l.service].token)
			c.refused("a token of another operation", in{c.token: *page.Token(page.Rules{}, &AnotherInput{}, "x")}, refusals[l.service].token)
			for other, token := range tokens {
				if strings.HasPrefix(other, l.service+" ") && other != l.String() {
					c.refused("the token of "+other, in{c.token: token}, refusals[l.service].token)
				}
			}
			c.sizes()
			if l.drop != nil {
				c.dropped(all)
			}
		})
	}
}

// AnotherInput is an input of no operation of AWS.
type AnotherInput struct{ NextToken *string }

// caller calls one operation.
type caller struct {
	t *testing.T
	w *apitest.World
	list
	token, size, next string
	fewest, most      float64 // by the model; most 0: no bound
}

func newCaller(t *testing.T, w *apitest.World, l list) *caller {
	t.Helper()
	i := slices.IndexFunc(apitest.Services, func(s *wire.Service) bool { return s.Name == l.service })
	op := apitest.Services[i].Operation(l.operation)
	token, size, next := paging(op)
	c := &caller{t: t, w: w, list: l, token: token.Name, next: next.Name, fewest: 1}
	if size == nil {
		return c
	}
	c.size = size.Name
	if size.Shape.Min != nil {
		c.fewest = *size.Shape.Min
	}
	if size.Shape.Max != nil {
		c.most = *size.Shape.Max
	}
	if _, err := w.Invoke(t.Context(), l.service, l.operation, c.with(in{c.size: int64(c.fewest)})); fault.Is(err, fault.NotImplemented) {
		c.size = "" // pages, and their size is not for the caller to say
	}
	return c
}

func (c *caller) with(more in) in {
	out := in{}
	for _, m := range []in{c.ask, more} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// call returns the items of a page as texts, and the next token.
func (c *caller) call(more in) (texts []string, items []any, next string) {
	c.t.Helper()
	out, err := c.w.Invoke(c.t.Context(), c.service, c.operation, c.with(more))
	if err != nil {
		c.t.Fatalf("%v: %v", more, err)
	}
	items, _ = out[c.items].([]any)
	for _, i := range items {
		b, err := json.Marshal(i)
		if err != nil {
			c.t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	next, _ = out[c.next].(string)
	return texts, items, next
}

// pageSize is the smallest page of at least two items.
func (c *caller) pageSize() in {
	if c.size == "" {
		return in{}
	}
	return in{c.size: int64(max(c.fewest, 2))}
}

// all reads the list in pages as large as may be.
func (c *caller) all() []string {
	c.t.Helper()
	var out []string
	more := in{}
	for {
		some, _, next := c.call(more)
		out = append(out, some...)
		if next == "" {
			return out
		}
		more = in{c.token: next}
	}
}

// pages reads the list in small pages and returns the first token.
func (c *caller) pages(all []string) string {
	c.t.Helper()
	var got []string
	more, first, n := c.pageSize(), "", 0
	for {
		some, _, next := c.call(more)
		got = append(got, some...)
		if n++; n == 1 {
			first = next
		}
		if next == "" {
			break
		}
		more[c.token] = next
	}
	if n < 2 {
		c.t.Errorf("%d items are one page: there have to be two", len(got))
	}
	if !slices.Equal(got, all) {
		c.t.Errorf("pages together are\n%s\nand the list is\n%s", strings.Join(got, "\n"), strings.Join(all, "\n"))
	}
	return first
}

func (c *caller) refused(what string, more in, code string) {
	c.t.Helper()
	_, err := c.w.Invoke(c.t.Context(), c.service, c.operation, c.with(more))
	if fault.CodeOf(err) != code {
		c.t.Errorf("%s: %s %v, want %s", what, fault.CodeOf(err), err, code)
	}
}

func (c *caller) sizes() {
	c.t.Helper()
	if c.size == "" {
		return
	}
	code := refusals[c.service].size
	c.refused("size 0", in{c.size: int64(0)}, code)
	if c.most > 0 {
		c.refused("too large a size", in{c.size: int64(c.most) + 1}, code)
		return
	}
	if c.service == "ecs" || c.service == "application-autoscaling" {
		c.refused("too large a size", in{c.size: int64(101)}, code)
	}
}

// dropped asks for the second page when the record is gone that the token
// names.
func (c *caller) dropped(all []string) {
	c.t.Helper()
	more := c.pageSize()
	some, items, next := c.call(more)
	if next == "" {
		c.t.Fatal("no second page")
	}
	c.drop(c.w, items[len(items)-1])
	more[c.token] = next
	rest, _, _ := c.call(more)
	want := all[len(some):]
	want = want[:min(len(want), len(rest))]
	if len(rest) == 0 || !slices.Equal(rest, want) {
		c.t.Errorf("behind a record that is gone come\n%s\nwant\n%s", strings.Join(rest, "\n"), strings.Join(want, "\n"))
	}
}

// many makes n records.
func many[T any](n int, of func(i int, name string) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = of(i, fmt.Sprintf("%03d", i))
	}
	return out
}
