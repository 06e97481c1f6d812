package policy

import (
	"strings"
	"unicode/utf8"
)

// token is a piece of a pattern: a literal, * or ?.
type token struct {
	literal string
	star    bool // else, if literal is "", a question mark
}

// compile makes tokens of a pattern. Variables are replaced by their values,
// which are literal: a * in a user's name is no wildcard. ok is false if a
// variable has no value.
func compile(p string, variables bool, value func(key string) (string, bool)) (out []token, ok bool) {
	for p != "" {
		if variables && strings.HasPrefix(p, "${") {
			if end := strings.IndexByte(p, '}'); end > 0 {
				text, found := expand(p[2:end], value)
				if !found {
					return nil, false
				}
				out = appendLiteral(out, text)
				p = p[end+1:]
				continue
			}
		}
		switch p[0] {
		case '*':
			out = append(out, token{star: true})
			p = p[1:]
		case '?':
			out = append(out, token{})
			p = p[1:]
		default:
			n := strings.IndexAny(p[1:], "*?$")
			if n < 0 {
				n = len(p) - 1
			}
			out = appendLiteral(out, p[:n+1])
			p = p[n+1:]
		}
	}
	return out, true
}

func appendLiteral(out []token, s string) []token {
	if s == "" {
		return out
	}
	if n := len(out); n > 0 && out[n-1].literal != "" {
		out[n-1].literal += s
		return out
	}
	return append(out, token{literal: s})
}

// expand is the value of what stands between ${ and }.
func expand(inside string, value func(string) (string, bool)) (string, bool) {
	switch inside {
	case "*", "?", "$":
		return inside, true
	}
	key, def, hasDefault := strings.Cut(inside, ",")
	if v, ok := value(strings.TrimSpace(key)); ok {
		return v, true
	}
	def = strings.TrimSpace(def)
	if hasDefault && len(def) >= 2 && def[0] == '\'' && def[len(def)-1] == '\'' {
		return def[1 : len(def)-1], true
	}
	return "", false
}

// glob reports whether s matches the tokens. It takes time in proportion to
// the product of their lengths at worst.
func glob(t []token, s string) bool {
	at, mark, markS := 0, -1, ""
	for {
		if at < len(t) {
			if rest, ok := step(t[at], s); ok {
				s = rest
				at++
				continue
			}
			if t[at].star {
				mark, markS = at, s
				at++
				continue
			}
		} else if s == "" {
			return true
		}
		if mark < 0 || markS == "" {
			return false
		}
		_, n := utf8.DecodeRuneInString(markS)
		markS = markS[n:]
		s, at = markS, mark+1
	}
}

func step(t token, s string) (rest string, ok bool) {
	switch {
	case t.star:
		return s, false
	case t.literal != "":
		return strings.CutPrefix(s, t.literal)
	case s == "":
		return s, false
	default:
		_, n := utf8.DecodeRuneInString(s)
		return s[n:], true
	}
}

// like matches a plain pattern without variables.
func like(pattern, s string) bool {
	t, _ := compile(pattern, false, nil)
	return glob(t, s)
}

// MatchAction reports whether a pattern of an Action element matches an
// action. Case does not matter.
func MatchAction(pattern, action string) bool {
	return like(strings.ToLower(pattern), strings.ToLower(action))
}
