package audit

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// part is one of the two maps of a record that hold what was passed.
type part struct {
	name   string
	secret string // what stands for a secret; "": it is left out
}

var (
	requests = part{"requestParameters", "HIDDEN_DUE_TO_SECURITY_REASONS"}
	answers  = part{"responseElements", ""}
)

// Limits of such a map: CloudTrail leaves one out that is larger than 100 KB, and
// we one that would make a record as large as a hundred others.
const (
	mostShown  = 8 << 10 // bytes of JSON
	mostValues = 1000    // that are looked at
)

// secret are words in the names of members whose values are not kept.
var secret = []string{
	"secret", "password", "sessiontoken", "authorizationtoken", "payload", "environment", "zipfile", "parametervalue", "userdata",
	"templatebody", "message", "body", "data", "logevents",
}

// hides reports whether a member's value is a secret: by its name, or because it
// is the value of a parameter, which has no more of a name.
func hides(name string, depth int) bool {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, "arn") || strings.HasSuffix(name, "id") {
		return false
	}
	return depth == 0 && name == "value" || slices.ContainsFunc(secret, func(w string) bool { return strings.Contains(name, w) })
}

// shown is a map as a record has it: members begin with a small letter, texts are
// cut, secrets are hidden; one that is too large is not shown at all.
func shown(in map[string]any, p part) map[string]any {
	if len(in) == 0 {
		return nil
	}
	s := shower{part: p}
	out, _ := s.value(in, 0).(map[string]any)
	b, err := json.Marshal(out)
	if err != nil || s.seen > mostValues || len(b) > mostShown {
		return map[string]any{"omitted": true, "originalSize": len(b), "reason": p.name + " too large"}
	}
	return out
}

type shower struct {
	part
	seen int
}

// value is one value; nil for what is not shown.
func (s *shower) value(v any, depth int) any {
	if s.seen++; s.seen > mostValues {
		return nil
	}
	switch x := v.(type) {
	case string:
		return cut(x)
	case time.Time:
		return x.UTC().Format("Jan 2, 2006 3:04:05 PM")
	case []byte:
		return nil
	case []any:
		out := make([]any, 0, len(x))
		for _, e := range x {
			out = append(out, s.value(e, depth+1))
		}
		return out
	case map[string]any:
		return s.members(x, depth)
	default:
		return v
	}
}

func (s *shower) members(in map[string]any, depth int) map[string]any {
	out := map[string]any{}
	for k, v := range in {
		switch {
		case !hides(k, depth):
			if shown := s.value(v, depth+1); shown != nil {
				out[small(k)] = shown
			}
		case s.secret != "":
			out[small(k)] = s.secret
		}
	}
	return out
}

// small is a member's name as CloudTrail writes it.
func small(name string) string {
	r, n := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(r)) + name[n:]
}
