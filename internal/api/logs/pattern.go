package logs

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"berth/internal/fault"
)

// Pattern reads a filter pattern: terms, "phrases", -excluded and ?optional
// ones, %regular expressions%, and conditions on JSON in braces. Patterns for
// space-delimited fields, in brackets, are not built. Errors:
// InvalidParameterException.
func Pattern(s string) (func(message string) bool, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return func(string) bool { return true }, nil
	case strings.HasPrefix(s, "["):
		return nil, fault.New(
			fault.NotImplemented, "InvalidParameterException", "Filter patterns for space-delimited fields are not implemented by Berth.",
		)
	case strings.HasPrefix(s, "{"):
		return jsonPattern(s)
	default:
		return termPattern(s)
	}
}

func badPattern() error {
	return fault.New(fault.Invalid, "InvalidParameterException", "Invalid filter pattern")
}

func termPattern(s string) (func(string) bool, error) {
	var all, none, anyOf []func(string) bool
	for s != "" {
		list := &all
		switch s[0] {
		case '-':
			list, s = &none, s[1:]
		case '?':
			list, s = &anyOf, s[1:]
		}
		term, rest, err := cutTerm(s)
		if err != nil {
			return nil, err
		}
		*list = append(*list, term)
		s = strings.TrimLeft(rest, " \t")
	}
	return func(m string) bool {
		for _, t := range none {
			if t(m) {
				return false
			}
		}
		for _, t := range all {
			if !t(m) {
				return false
			}
		}
		// Optional terms count only where nothing else is asked, as in AWS.
		if len(anyOf) == 0 || len(all) > 0 {
			return true
		}
		for _, t := range anyOf {
			if t(m) {
				return true
			}
		}
		return false
	}, nil
}

// cutTerm takes one term: quoted, a regular expression, or up to a space.
func cutTerm(s string) (term func(string) bool, rest string, err error) {
	if s == "" {
		return nil, "", badPattern()
	}
	if s[0] == '%' {
		text, rest, ok := strings.Cut(s[1:], "%")
		re, err := regexp.Compile(text)
		if !ok || err != nil {
			return nil, "", badPattern()
		}
		return re.MatchString, rest, nil
	}
	text, rest, err := cutText(s)
	return func(m string) bool { return strings.Contains(m, text) }, rest, err
}

func cutText(s string) (text, rest string, err error) {
	if s[0] != '"' {
		i := strings.IndexAny(s, " \t")
		if i < 0 {
			return s, "", nil
		}
		return s[:i], s[i:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), s[i+1:], nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", badPattern()
}

// jsonPattern reads { $.a.b = "x" && ($.n > 3 || $.c[0] NOT EXISTS) }.
func jsonPattern(s string) (func(string) bool, error) {
	if !strings.HasSuffix(s, "}") {
		return nil, badPattern()
	}
	p := &parser{rest: s[1 : len(s)-1]}
	test, err := p.or()
	if err != nil || strings.TrimSpace(p.rest) != "" {
		return nil, badPattern()
	}
	return func(m string) bool {
		var v any
		return json.Unmarshal([]byte(m), &v) == nil && test(v)
	}, nil
}

// parser reads conditions on JSON.
type parser struct {
	rest  string
	depth int
}

type condition func(v any) bool

func (p *parser) skip(word string) bool {
	r := strings.TrimLeft(p.rest, " \t\n")
	if !strings.HasPrefix(strings.ToUpper(r), word) {
		return false
	}
	p.rest = r[len(word):]
	return true
}

func (p *parser) or() (condition, error) {
	left, err := p.and()
	for err == nil && p.skip("||") {
		var right condition
		l := left
		if right, err = p.and(); err == nil {
			left = func(v any) bool { return l(v) || right(v) }
		}
	}
	return left, err
}

func (p *parser) and() (condition, error) {
	left, err := p.one()
	for err == nil && p.skip("&&") {
		var right condition
		l := left
		if right, err = p.one(); err == nil {
			left = func(v any) bool { return l(v) && right(v) }
		}
	}
	return left, err
}

func (p *parser) one() (condition, error) {
	if p.skip("(") {
		if p.depth++; p.depth > 32 {
			return nil, badPattern()
		}
		c, err := p.or()
		if err == nil && !p.skip(")") {
			err = badPattern()
		}
		return c, err
	}
	if !p.skip("$") {
		return nil, badPattern()
	}
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	return p.compare(path)
}

// path reads .name and [n] parts.
func (p *parser) path() ([]any, error) {
	var out []any
	for {
		switch {
		case strings.HasPrefix(p.rest, "."):
			i := 1
			for i < len(p.rest) && !strings.ContainsRune(" \t.[]=!<>()&|", rune(p.rest[i])) {
				i++
			}
			if i == 1 {
				return nil, badPattern()
			}
			out = append(out, p.rest[1:i])
			p.rest = p.rest[i:]
		case strings.HasPrefix(p.rest, "["):
			text, rest, ok := strings.Cut(p.rest[1:], "]")
			n, err := strconv.Atoi(strings.TrimSpace(text))
			if !ok || err != nil || n < 0 {
				return nil, badPattern()
			}
			out = append(out, n)
			p.rest = rest
		case len(out) == 0:
			return nil, badPattern()
		default:
			return out, nil
		}
	}
}

func lookUp(v any, path []any) (any, bool) {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			if v, ok = m[s]; !ok {
				return nil, false
			}
		case int:
			l, ok := v.([]any)
			if !ok || s >= len(l) {
				return nil, false
			}
			v = l[s]
		}
	}
	return v, true
}

func (p *parser) compare(path []any) (condition, error) {
	for _, w := range []struct {
		word string
		test func(v any, ok bool) bool
	}{
		{"NOT EXISTS", func(_ any, ok bool) bool { return !ok }},
		{"EXISTS", func(_ any, ok bool) bool { return ok }},
		{"IS NULL", func(v any, ok bool) bool { return ok && v == nil }},
		{"IS TRUE", func(v any, _ bool) bool { return v == true }},
		{"IS FALSE", func(v any, _ bool) bool { return v == false }},
	} {
		if p.skip(w.word) {
			return func(v any) bool { return w.test(lookUp(v, path)) }, nil
		}
	}
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if !p.skip(op) {
			continue
		}
		p.rest = strings.TrimLeft(p.rest, " \t\n")
		value, quoted, err := p.value()
		if err != nil {
			return nil, err
		}
		return comparison(path, op, value, quoted), nil
	}
	return nil, badPattern()
}

func (p *parser) value() (text string, quoted bool, err error) {
	if p.rest == "" {
		return "", false, badPattern()
	}
	if p.rest[0] == '"' {
		text, p.rest, err = cutText(p.rest)
		return text, true, err
	}
	i := strings.IndexAny(p.rest, " \t\n)&|")
	if i < 0 {
		i = len(p.rest)
	}
	text, p.rest = p.rest[:i], p.rest[i:]
	if text == "" {
		return "", false, badPattern()
	}
	return text, false, nil
}

func comparison(path []any, op, want string, quoted bool) condition {
	number, err := strconv.ParseFloat(want, 64)
	numeric := err == nil && !quoted
	return func(v any) bool {
		got, ok := lookUp(v, path)
		if !ok {
			return false
		}
		if n, isNumber := got.(float64); isNumber && numeric {
			return ordered(op, n, number)
		}
		text, isText := got.(string)
		if n, isNumber := got.(float64); isNumber {
			text, isText = strconv.FormatFloat(n, 'f', -1, 64), true
		}
		if !isText {
			return false
		}
		switch op {
		case "=":
			return wild(want, text)
		case "!=":
			return !wild(want, text)
		default:
			return false
		}
	}
}

func ordered(op string, a, b float64) bool {
	switch op {
	case "=":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case ">":
		return a > b
	case "<=":
		return a <= b
	default:
		return a >= b
	}
}

// wild compares with * for any run of characters.
func wild(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}
