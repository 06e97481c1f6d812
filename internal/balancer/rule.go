package balancer

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"berth/internal/balancer/http1"
)

// rule is a compiled Rule.
type rule struct {
	id       string
	tests    []test
	forward  *forward
	fixed    *Fixed
	redirect *Redirect
}

// conditionInput is what conditions are held against.
type conditionInput struct {
	h      *http1.Head
	client netip.Addr
	path   string // without the query
	query  string
	host   string // lower case, without the port
	pairs  []Pair // parsed query, lower case, when somebody asked
	parsed bool
}

// test is one compiled condition.
type test func(*conditionInput) bool

func (r *rule) matches(a *conditionInput) bool {
	for _, t := range r.tests {
		if !t(a) {
			return false
		}
	}
	return true
}

func compileCondition(c Condition) (test, error) {
	res, err := compileRegex(c.Regex, c.Field == "host-header")
	if err != nil {
		return nil, err
	}
	switch c.Field {
	case "path-pattern":
		vs := c.Values
		if len(res) == 0 && len(vs) == 1 && (vs[0] == "*" || vs[0] == "/*") {
			return func(a *conditionInput) bool { return len(a.path) > 0 && (vs[0] == "*" || a.path[0] == '/') }, nil
		}
		return func(a *conditionInput) bool { return anyGlob(vs, a.path) || anyRegex(res, a.path) }, nil
	case "host-header":
		vs := lower(c.Values)
		return func(a *conditionInput) bool { return anyGlob(vs, a.host) || anyRegex(res, a.host) }, nil
	case "http-request-method":
		vs := c.Values
		return func(a *conditionInput) bool {
			for _, v := range vs {
				if string(a.h.Method) == v {
					return true
				}
			}
			return false
		}, nil
	case "source-ip":
		return sourceTest(c.Values)
	case "http-header":
		return headerTest(strings.ToLower(c.Header), lower(c.Values), res), nil
	case "query-string":
		return queryTest(c.Query), nil
	default:
		return nil, fmt.Errorf("condition on %q", c.Field)
	}
}

func sourceTest(values []string) (test, error) {
	var nets []netip.Prefix
	for _, v := range values {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return nil, fmt.Errorf("source-ip %q: %w", v, err)
		}
		nets = append(nets, p.Masked())
	}
	return func(a *conditionInput) bool {
		for _, p := range nets {
			if p.Contains(a.client) {
				return true
			}
		}
		return false
	}, nil
}

func headerTest(name string, values []string, res []*regexp.Regexp) test {
	return func(a *conditionInput) bool {
		for _, f := range a.h.Fields {
			if !http1.EqualFold(f.Name, name) {
				continue
			}
			v := string(f.Value)
			if anyGlob(values, strings.ToLower(v)) || anyRegex(res, v) {
				return true
			}
		}
		return false
	}
}

func queryTest(want []Pair) test {
	low := make([]Pair, len(want))
	for i, w := range want {
		low[i] = Pair{strings.ToLower(w.Key), strings.ToLower(w.Value)}
	}
	return func(a *conditionInput) bool {
		for _, p := range a.queryPairs() {
			for _, w := range low {
				if (w.Key == "" || glob(w.Key, p.Key)) && glob(w.Value, p.Value) {
					return true
				}
			}
		}
		return false
	}
}

// queryPairs parses the query once; names and values in lower case, since
// ALB compares them so.
func (a *conditionInput) queryPairs() []Pair {
	if a.parsed {
		return a.pairs
	}
	a.parsed = true
	for one := range strings.SplitSeq(a.query, "&") {
		if one == "" {
			continue
		}
		k, v, _ := strings.Cut(one, "=")
		a.pairs = append(a.pairs, Pair{strings.ToLower(unescape(k)), strings.ToLower(unescape(v))})
	}
	return a.pairs
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

func lower(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = strings.ToLower(s)
	}
	return out
}

func compileRegex(in []string, fold bool) ([]*regexp.Regexp, error) {
	var out []*regexp.Regexp
	for _, s := range in {
		if fold {
			s = "(?i)" + s
		}
		re, err := regexp.Compile(s)
		if err != nil {
			return nil, fmt.Errorf("regex %q: %w", s, err)
		}
		out = append(out, re)
	}
	return out, nil
}

func anyGlob(patterns []string, s string) bool {
	for _, p := range patterns {
		if glob(p, s) {
			return true
		}
	}
	return false
}

func anyRegex(res []*regexp.Regexp, s string) bool {
	for _, re := range res {
		if re.MatchString(s) {
			return true
		}
	}
	return false
}

// glob matches * (any run) and ? (one byte) without going back further than
// the last star, so that it is linear for each star.
func glob(p, s string) bool {
	pi, si, star, mark := 0, 0, -1, 0
	for si < len(s) {
		switch {
		case pi < len(p) && p[pi] == '*':
			star, mark = pi, si
			pi++
		case pi < len(p) && (p[pi] == '?' || p[pi] == s[si]):
			pi++
			si++
		case star >= 0:
			mark++
			pi, si = star+1, mark
		default:
			return false
		}
	}
	for pi < len(p) && p[pi] == '*' {
		pi++
	}
	return pi == len(p)
}

// expand fills in a redirect's address and reports a redirect to the very
// address that was asked.
func (r *Redirect) expand(a *conditionInput, proto, host, port string) string {
	rep := strings.NewReplacer("#{protocol}", proto, "#{host}", host, "#{port}", port,
		"#{path}", strings.TrimPrefix(a.path, "/"), "#{query}", a.query)
	to := rep.Replace(r.Protocol)
	loc := strings.ToLower(to) + "://" + rep.Replace(r.Host) + ":" + rep.Replace(r.Port) + rep.Replace(r.Path)
	if q := rep.Replace(r.Query); q != "" {
		loc += "?" + q
	}
	return escaped(loc)
}

// escaped writes what a client put into an address that may not stand in one.
func escaped(s string) string {
	bad := func(c rune) bool { return c <= ' ' || c == 0x7f }
	if !strings.ContainsFunc(s, bad) {
		return s
	}
	var out strings.Builder
	for i := range len(s) {
		if bad(rune(s[i])) {
			fmt.Fprintf(&out, "%%%02X", s[i])
		} else {
			out.WriteByte(s[i])
		}
	}
	return out.String()
}
