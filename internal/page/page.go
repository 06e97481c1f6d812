// Package page cuts lists into pages, in one way for all services. A token
// holds the operation that gave it and the key of the last item shown, so
// that a list goes on behind that item even when its record is gone, and a
// token of another operation is refused.
//
// What a call says of its page is read from its input by the names that AWS's
// models give to such members. The package keeps nothing.
package page

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"reflect"
	"strings"
	"time"
)

// Rules are how a service pages.
type Rules struct {
	// Refuse is the service's answer to a token that is none of this
	// operation's.
	Refuse func(token string) error
	// Size refuses a page size that the service's model lets through; nil:
	// none is refused.
	Size func(n int64) error
	// Usual is the size of a page when a call asks for none; 0: all items.
	Usual int64
	// Most bounds a page whatever a call asks for; 0: nothing does.
	Most int64
	// Down says that the items come in descending order of their keys.
	Down bool
	// SameCall binds a token to all that the call asked, filters included.
	SameCall bool
}

// Descending are the same rules for a list in descending order of its keys.
func (r Rules) Descending(yes bool) Rules {
	r.Down = yes
	return r
}

// Of are the same rules with other sizes of pages.
func (r Rules) Of(usual, most int64) Rules {
	r.Usual, r.Most = usual, most
	return r
}

// Cut returns one page of items and the token of the next page, nil behind
// the last. in is the call's input, a pointer to a generated structure. The
// items are in order of their keys, which are unique; items that a call names
// one by one may be in any order.
func Cut[T any](r Rules, in any, items []T, key func(T) string) ([]T, *string, error) {
	a := read(in)
	n, err := r.size(a.size)
	if err != nil {
		return nil, nil, err
	}
	last, err := r.after(a)
	if err != nil {
		return nil, nil, err
	}
	if last != "" {
		items = items[behind(items, key, last, r.Down):]
	}
	if n == 0 || int64(len(items)) <= n {
		return items, nil, nil
	}
	next := r.token(a, key(items[n-1]))
	return items[:n], &next, nil
}

// After is the key behind which a call's page begins, "" for the first page:
// for a list that is read piece by piece, or that has no items.
func After(r Rules, in any) (string, error) { return r.after(read(in)) }

// Token is the token of the page behind a key, for a list that is read piece
// by piece.
func Token(r Rules, in any, key string) *string {
	t := r.token(read(in), key)
	return &t
}

// behind finds the first item behind a key, which need not be there any more.
func behind[T any](items []T, key func(T) string, last string, down bool) int {
	first := len(items)
	for i, v := range items {
		switch k := key(v); {
		case k == last:
			return i + 1
		case first == len(items) && k > last != down:
			first = i
		}
	}
	return first
}

func (r Rules) size(asked *int64) (int64, error) {
	if asked == nil {
		return r.Usual, nil
	}
	if r.Size != nil {
		if err := r.Size(*asked); err != nil {
			return 0, err
		}
	}
	if r.Most > 0 {
		return min(*asked, r.Most), nil
	}
	return *asked, nil
}

func (r Rules) after(a ask) (string, error) {
	if a.token == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(a.token)
	key, ours := strings.CutPrefix(string(text), r.scope(a))
	if err != nil || !ours || key == "" {
		return "", r.Refuse(a.token)
	}
	return key, nil
}

func (r Rules) token(a ask, key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(r.scope(a) + key))
}

func (r Rules) scope(a ask) string {
	if !r.SameCall {
		return a.operation + "\n"
	}
	sum := fnv.New64a()
	for _, f := range a.filters {
		b, err := json.Marshal(f)
		if err != nil {
			continue // a generated structure always has a JSON form
		}
		fmt.Fprintf(sum, "%s\n", b)
	}
	return fmt.Sprintf("%s %x\n", a.operation, sum.Sum64())
}

// ask is what an input says of its page.
type ask struct {
	operation string
	token     string
	size      *int64
	filters   []any // all its other members
}

// TokenMembers and SizeMembers are what models call the members of an input
// that ask for a page.
var (
	TokenMembers = []string{"NextToken", "Marker"}
	SizeMembers  = []string{"MaxResults", "MaxItems", "MaxRecords", "PageSize", "Limit"}
)

func read(in any) ask {
	v := reflect.ValueOf(in).Elem()
	a := ask{operation: strings.TrimSuffix(v.Type().Name(), "Input")}
	token, size := member(v, TokenMembers), member(v, SizeMembers)
	for i := range v.NumField() {
		if i != token && i != size {
			a.filters = append(a.filters, v.Field(i).Interface())
		}
	}
	if token >= 0 {
		if t, ok := v.Field(token).Interface().(*string); ok && t != nil {
			a.token = *t
		}
	}
	if size >= 0 {
		a.size, _ = v.Field(size).Interface().(*int64)
	}
	return a
}

func member(v reflect.Value, names []string) int {
	for _, n := range names {
		if f, ok := v.Type().FieldByName(n); ok {
			return f.Index[0]
		}
	}
	return -1
}

// Key joins the parts of a key so that keys are in the order of their parts.
func Key(parts ...string) string { return strings.Join(parts, "\x00") }

// Number is a part of a key that is in the order of numbers from 0 on.
func Number(n int64) string { return fmt.Sprintf("%020d", n) }

// Newest is a part of a key that is in the order of time, newest first.
func Newest(t time.Time) string { return Number(math.MaxInt64 - t.UnixNano()) }

// Time is a part of a key that is in the order of time.
func Time(t time.Time) string { return t.UTC().Format("20060102150405.000000000") }

// Self is the key of what is its own.
func Self(s string) string { return s }
