package constraint

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"berth/internal/fault"
)

// MaxLength is how long an expression may be, as in the ECS API.
const MaxLength = 2000

// maxDepth bounds nesting, so that no expression can exhaust the stack.
const maxDepth = 64

// Parse reads an expression. Errors are of class Invalid and name the place.
func Parse(s string) (Expr, error) {
	if len(s) > MaxLength {
		return Expr{}, fault.New(fault.Invalid, "InvalidParameterException", "Placement expression must be %d characters or fewer.", MaxLength)
	}
	toks, err := scan(s)
	if err != nil {
		return Expr{}, err
	}
	p := &parser{toks: toks, end: len(s)}
	n, err := p.or(0)
	if err != nil {
		return Expr{}, err
	}
	if t, more := p.peek(); more {
		return Expr{}, bad(t.at, "unexpected %q", t.text)
	}
	return Expr{n}, nil
}

func bad(at int, format string, args ...any) error {
	e := fault.New(fault.Invalid, "InvalidParameterException", format, args...)
	return fault.New(fault.Invalid, e.Code, "Invalid expression at character %d: %s", at+1, e.Message)
}

type token struct {
	text   string
	at     int
	quoted bool
}

// symbols are the operators as signs, the longer first; words has them as words too.
var symbols = []string{"==", "!=", ">=", "<=", "=~", "!~", "&&", "||", "(", ")", "[", "]", ",", ">", "<", "!"}

var words = map[string]string{
	"equals": "==", "not_equals": "!=", "greater_than": ">", "greater_than_equal": ">=", "less_than": "<",
	"less_than_equal": "<=", "exists": "exists", "not_exists": "!exists", "!exists": "!exists", "in": "in",
	"not_in": "!in", "!in": "!in", "matches": "=~", "not_matches": "!~",
	"==": "==", "!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<=", "=~": "=~", "!~": "!~",
}

func scan(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if unicode.IsSpace(r) {
			i += size
			continue
		}
		if r == '"' || r == '\'' {
			text, n, err := quotedText(s[i:], byte(r))
			if err != nil {
				return nil, bad(i, "%s", fault.MessageOf(err))
			}
			out, i = append(out, token{text, i, true}), i+n
			continue
		}
		text := symbolOrWord(s[i:])
		out, i = append(out, token{text, i, false}), i+len(text)
	}
	return out, nil
}

func quotedText(s string, q byte) (string, int, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == q:
			return b.String(), i + 1, nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, fault.New(fault.Invalid, "", "the quotation mark is not closed")
}

func symbolOrWord(s string) string {
	for _, w := range []string{"!exists", "!in"} {
		if strings.HasPrefix(s, w) && (len(s) == len(w) || strings.ContainsRune(" \t\n[()", rune(s[len(w)]))) {
			return w
		}
	}
	for _, sym := range symbols {
		if strings.HasPrefix(s, sym) {
			return sym
		}
	}
	return s[:wordEnd(s)]
}

// wordEnd finds where a bare word stops. What follows =~ may hold symbols of
// regular expressions such as * and ?, which are ordinary here; brackets and
// parentheses in a pattern have to be quoted.
func wordEnd(s string) int {
	for i, r := range s {
		if unicode.IsSpace(r) || strings.ContainsRune("()[],\"'", r) {
			return i
		}
		if i == 0 {
			continue
		}
		for _, sym := range symbols {
			if strings.HasPrefix(s[i:], sym) {
				return i
			}
		}
	}
	return len(s)
}

type parser struct {
	toks []token
	i    int
	end  int
}

func (p *parser) peek() (token, bool) {
	if p.i == len(p.toks) {
		return token{at: p.end}, false
	}
	return p.toks[p.i], true
}

// accept takes the next token if it is one of the bare words.
func (p *parser) accept(texts ...string) bool {
	t, ok := p.peek()
	if !ok || t.quoted {
		return false
	}
	for _, s := range texts {
		if strings.EqualFold(t.text, s) {
			p.i++
			return true
		}
	}
	return false
}

func (p *parser) or(depth int) (node, error) {
	n, err := p.and(depth)
	for err == nil && p.accept("or", "||") {
		var b node
		if b, err = p.and(depth); err == nil {
			n = either{n, b}
		}
	}
	return n, err
}

func (p *parser) and(depth int) (node, error) {
	n, err := p.not(depth)
	for err == nil && p.accept("and", "&&") {
		var b node
		if b, err = p.not(depth); err == nil {
			n = both{n, b}
		}
	}
	return n, err
}

func (p *parser) not(depth int) (node, error) {
	if depth > maxDepth {
		t, _ := p.peek()
		return nil, bad(t.at, "nested too deeply")
	}
	if p.accept("not", "!") {
		n, err := p.not(depth + 1)
		return negated{n}, err
	}
	if !p.accept("(") {
		return p.test()
	}
	n, err := p.or(depth + 1)
	if err != nil {
		return nil, err
	}
	if !p.accept(")") {
		t, _ := p.peek()
		return nil, bad(t.at, "a closing parenthesis is missing")
	}
	return n, nil
}

var subject = regexp.MustCompile(
	`^(attribute:[a-zA-Z0-9][a-zA-Z0-9_./-]*|task:group|agentConnected|agentVersion|ec2InstanceId|registeredAt|runningTasksCount)$`,
)

func (p *parser) test() (node, error) {
	s, ok := p.peek()
	if !ok {
		return nil, bad(s.at, "a subject is missing")
	}
	if s.quoted || !subject.MatchString(s.text) {
		return nil, bad(s.at, "%q is not a subject", s.text)
	}
	p.i++
	o, ok := p.peek()
	op := words[strings.ToLower(o.text)]
	if !ok || o.quoted || op == "" {
		return nil, bad(o.at, "an operator is missing after %s", s.text)
	}
	p.i++
	t := test{subject: s.text, op: op}
	switch op {
	case "exists", "!exists":
		return t, nil
	case "in", "!in":
		args, err := p.list()
		t.args = args
		return t, err
	}
	a, ok := p.peek()
	if !ok || !argument(a) {
		return nil, bad(a.at, "an argument is missing after %s", o.text)
	}
	p.i++
	t.args = []string{a.text}
	if op == "=~" || op == "!~" {
		// A pattern has to match the whole value, as Java's matches does.
		re, err := regexp.Compile(`^(?:` + a.text + `)$`)
		if err != nil {
			return nil, bad(a.at, "%q is not a pattern", a.text)
		}
		t.pattern = re
	}
	return t, nil
}

func (p *parser) list() ([]string, error) {
	if !p.accept("[") {
		t, _ := p.peek()
		return nil, bad(t.at, "a list in brackets is missing")
	}
	var out []string
	for {
		t, ok := p.peek()
		if !ok || !argument(t) {
			return nil, bad(t.at, "a value is missing in the list")
		}
		p.i++
		out = append(out, t.text)
		switch {
		case p.accept("]"):
			return out, nil
		case !p.accept(","):
			t, _ := p.peek()
			return nil, bad(t.at, "a comma or a closing bracket is missing")
		}
	}
}

// argument reports whether a token can be a value: quoted, or no symbol.
func argument(t token) bool {
	if t.quoted {
		return true
	}
	for _, s := range symbols {
		if t.text == s {
			return false
		}
	}
	return true
}
