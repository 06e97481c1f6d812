package javaregexp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// posix are Java's POSIX character classes, which are of US-ASCII only.
var posix = map[string]string{
	"Lower": "lower", "Upper": "upper", "ASCII": "ascii", "Alpha": "alpha", "Digit": "digit", "Alnum": "alnum", "Punct": "punct",
	"Graph": "graph", "Print": "print", "Blank": "blank", "Cntrl": "cntrl", "XDigit": "xdigit", "Space": "space",
}

// translate writes an expression of Java in the syntax that Go's regexp and
// the backtracking library share.
func translate(expr string) (string, error) {
	t := translator{in: expr}
	for t.at < len(t.in) {
		if err := t.step(); err != nil {
			return "", err
		}
	}
	return t.out.String(), nil
}

type translator struct {
	in    string
	at    int
	out   strings.Builder
	depth int // of brackets
	first bool
}

func (t *translator) step() error {
	rest := t.in[t.at:]
	switch {
	case rest[0] == '\\':
		return t.escape(rest)
	case t.depth == 0:
		if rest[0] == '[' {
			t.open(rest)
			return nil
		}
		t.copy(1)
	case strings.HasPrefix(rest, "&&"):
		return errors.New("an intersection of character classes (&&) is not built")
	case rest[0] == '[':
		// A class in a class adds its characters.
		if strings.HasPrefix(rest, "[^") {
			return errors.New("a negated character class within another is not built")
		}
		t.depth++
		t.at++
	case rest[0] == ']' && !t.first:
		if t.depth--; t.depth == 0 {
			t.out.WriteByte(']')
		}
		t.at++
	default:
		t.copy(1)
	}
	t.first = false
	return nil
}

// open begins a character class; a bracket right behind its beginning is one
// of its characters.
func (t *translator) open(rest string) {
	n := 1
	if strings.HasPrefix(rest, "[^") {
		n = 2
	}
	t.copy(n)
	t.depth, t.first = 1, true
}

func (t *translator) copy(n int) {
	t.out.WriteString(t.in[t.at:min(t.at+n, len(t.in))])
	t.at += n
}

func (t *translator) escape(rest string) error {
	t.first = false
	if len(rest) < 2 {
		return errors.New("the expression ends with a backslash")
	}
	switch rest[1] {
	case 'p', 'P':
		return t.class(rest)
	case 'u':
		return t.unicode(rest)
	case 'Z':
		t.out.WriteString(`\z`)
		t.at += 2
	case '/', '"', '\'', '@', ' ', '#', '%', '&', ',', ':', ';', '<', '=', '>', '_', '`', '~', '!':
		t.out.WriteString(rest[1:2]) // Java takes a backslash before anything that is no letter
		t.at += 2
	default:
		t.copy(2)
	}
	return nil
}

// unicode writes \uXXXX; two surrogates are one character.
func (t *translator) unicode(rest string) error {
	r, err := hex(rest)
	if err != nil {
		return err
	}
	t.at += 6
	if utf16.IsSurrogate(r) {
		if low, err := hex(rest[6:]); err == nil && utf16.DecodeRune(r, low) != utf8.RuneError {
			r = utf16.DecodeRune(r, low)
			t.at += 6
		}
	}
	fmt.Fprintf(&t.out, `\x{%X}`, r)
	return nil
}

func hex(s string) (rune, error) {
	if len(s) < 6 || s[:2] != `\u` {
		return 0, errors.New(`\u wants four hexadecimal digits`)
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil {
		return 0, errors.New(`\u wants four hexadecimal digits`)
	}
	return rune(n), nil
}

// class writes \p{Name}: a POSIX class, a category or a script.
func (t *translator) class(rest string) error {
	name, n := rest[2:min(3, len(rest))], 3
	if strings.HasPrefix(rest[2:], "{") {
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return errors.New(`\p{ has no end`)
		}
		name, n = rest[3:end], end+1
	}
	if name == "" {
		return errors.New(`\p wants the name of a class`)
	}
	if not := rest[1] == 'P'; posix[name] != "" {
		t.bracket(posix[name], not)
	} else {
		fmt.Fprintf(&t.out, `\%c{%s}`, rest[1], strings.TrimPrefix(name, "Is"))
	}
	t.at += n
	return nil
}

func (t *translator) bracket(name string, not bool) {
	if not {
		name = "^" + name
	}
	text := "[:" + name + ":]"
	if t.depth == 0 {
		text = "[" + text + "]"
	}
	t.out.WriteString(text)
}
