package policy

import (
	"encoding/base64"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// operator says how one value of the request is held against one of the
// policy, and whether the answer is turned round.
type operator struct {
	match func(pattern []token, text, value string) bool
	not   bool
}

var operators = map[string]operator{
	"StringEquals":              {match: equals},
	"StringNotEquals":           {equals, true},
	"StringEqualsIgnoreCase":    {match: func(_ []token, p, v string) bool { return strings.EqualFold(p, v) }},
	"StringNotEqualsIgnoreCase": {func(_ []token, p, v string) bool { return strings.EqualFold(p, v) }, true},
	"StringLike":                {match: func(t []token, _, v string) bool { return glob(t, v) }},
	"StringNotLike":             {func(t []token, _, v string) bool { return glob(t, v) }, true},
	"NumericEquals":             {match: number(func(v, p float64) bool { return v == p })},
	"NumericNotEquals":          {number(func(v, p float64) bool { return v == p }), true},
	"NumericLessThan":           {match: number(func(v, p float64) bool { return v < p })},
	"NumericLessThanEquals":     {match: number(func(v, p float64) bool { return v <= p })},
	"NumericGreaterThan":        {match: number(func(v, p float64) bool { return v > p })},
	"NumericGreaterThanEquals":  {match: number(func(v, p float64) bool { return v >= p })},
	"DateEquals":                {match: date(func(c int) bool { return c == 0 })},
	"DateNotEquals":             {date(func(c int) bool { return c == 0 }), true},
	"DateLessThan":              {match: date(func(c int) bool { return c < 0 })},
	"DateLessThanEquals":        {match: date(func(c int) bool { return c <= 0 })},
	"DateGreaterThan":           {match: date(func(c int) bool { return c > 0 })},
	"DateGreaterThanEquals":     {match: date(func(c int) bool { return c >= 0 })},
	"Bool":                      {match: func(_ []token, p, v string) bool { return strings.EqualFold(p, v) }},
	"BinaryEquals":              {match: binary},
	"IpAddress":                 {match: address},
	"NotIpAddress":              {address, true},
	"ArnEquals":                 {match: arnLike},
	"ArnLike":                   {match: arnLike},
	"ArnNotEquals":              {arnLike, true},
	"ArnNotLike":                {arnLike, true},
	"Null":                      {},
}

func equals(_ []token, p, v string) bool { return p == v }

func number(holds func(v, p float64) bool) func([]token, string, string) bool {
	return func(_ []token, p, v string) bool {
		a, err1 := strconv.ParseFloat(v, 64)
		b, err2 := strconv.ParseFloat(p, 64)
		return err1 == nil && err2 == nil && !math.IsNaN(a) && !math.IsNaN(b) && holds(a, b)
	}
}

func date(holds func(int) bool) func([]token, string, string) bool {
	return func(_ []token, p, v string) bool {
		a, ok1 := parseDate(v)
		b, ok2 := parseDate(p)
		return ok1 && ok2 && holds(a.Compare(b))
	}
}

func parseDate(s string) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) > 4 {
		return time.Unix(n, 0), true
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func binary(_ []token, p, v string) bool {
	a, err1 := base64.StdEncoding.DecodeString(p)
	b, err2 := base64.StdEncoding.DecodeString(v)
	return err1 == nil && err2 == nil && string(a) == string(b)
}

func address(_ []token, p, v string) bool {
	a, err := netip.ParseAddr(v)
	if err != nil {
		return false
	}
	if single, err := netip.ParseAddr(p); err == nil {
		return single.Unmap() == a.Unmap()
	}
	block, err := netip.ParsePrefix(p)
	return err == nil && block.Contains(a.Unmap())
}

// arnLike matches the six parts of an ARN each for itself: a * reaches no
// further than its part.
func arnLike(t []token, p, v string) bool {
	want, got := splitARN(t), strings.SplitN(v, ":", 6)
	if len(want) != 6 || len(got) != 6 {
		return p == v || len(t) == 1 && t[0].star
	}
	for i := range want {
		if !glob(want[i], got[i]) {
			return false
		}
	}
	return true
}

// splitARN cuts a pattern at its first five colons.
func splitARN(t []token) [][]token {
	out := [][]token{nil}
	for _, one := range t {
		last := len(out) - 1
		if one.literal == "" {
			out[last] = append(out[last], one)
			continue
		}
		for i, part := range strings.SplitN(one.literal, ":", 7-len(out)) {
			if i > 0 {
				out = append(out, nil)
			}
			out[len(out)-1] = appendLiteral(out[len(out)-1], part)
		}
	}
	return out
}

// holds reports whether a condition is met.
func (c *Condition) holds(r *Request, variables bool) bool {
	values, present := r.values(c.Key)
	if c.Operator == "Null" {
		return c.null(present)
	}
	if !present || len(values) == 0 {
		switch {
		case c.IfExists, c.Set == "ForAllValues":
			return true
		case c.Set == "ForAnyValue":
			return false
		default:
			return operators[c.Operator].not
		}
	}
	some, every := false, true
	for _, v := range values {
		if c.one(r, v, variables) {
			some = true
		} else {
			every = false
		}
	}
	if c.Set == "ForAllValues" || c.Set == "" && operators[c.Operator].not {
		return every
	}
	return some
}

// null is the operator that asks whether a key is absent.
func (c *Condition) null(present bool) bool {
	for _, v := range c.Values {
		if strings.EqualFold(v, "true") != present {
			return true
		}
	}
	return false
}

// one holds one value of the request against all of the policy's: any of them
// matches or, for the negated operators, none.
func (c *Condition) one(r *Request, v string, variables bool) bool {
	op := operators[c.Operator]
	for _, p := range c.Values {
		t, ok := compile(p, variables, r.variable)
		if !ok {
			continue
		}
		if op.match(t, literal(t), v) {
			return !op.not
		}
	}
	return op.not
}

// literal is a pattern as plain text, its variables replaced.
func literal(t []token) string {
	var b strings.Builder
	for _, one := range t {
		switch {
		case one.star:
			b.WriteByte('*')
		case one.literal == "":
			b.WriteByte('?')
		default:
			b.WriteString(one.literal)
		}
	}
	return b.String()
}
