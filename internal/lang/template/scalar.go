package template

import (
	"regexp"
	"strconv"
	"strings"
)

// Scalar is an unquoted number or boolean of a template, as it was written.
// Where a property is a string it stays as written ("2012", "07"), elsewhere
// it becomes what the schema says.
type Scalar string

var (
	plainInt   = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	plainFloat = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?$`)
	anyDigits  = regexp.MustCompile(`^[-+]?[0-9][0-9_]*$`)
)

// looksPlain reports whether an unquoted scalar is a number or a boolean to
// CloudFormation's reader. A date is not, nor is a version like 1.2.3.
func looksPlain(s string) bool {
	if _, ok := boolean(s, true); ok {
		return true
	}
	return s != "" && (plainInt.MatchString(s) || anyDigits.MatchString(s) || isFloat(s))
}

func isFloat(s string) bool {
	return plainFloat.MatchString(s) && strings.ContainsAny(s, "0123456789")
}

// boolean reads a boolean; wide takes YAML 1.1's yes, no, on and off too.
func boolean(s string, wide bool) (value, ok bool) {
	switch s {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	if !wide {
		return false, false
	}
	switch s {
	case "yes", "Yes", "YES", "on", "On", "ON":
		return true, true
	case "no", "No", "NO", "off", "Off", "OFF":
		return false, true
	}
	return false, false
}

// String is the text that a string property gets.
func (s Scalar) String() string {
	if v, ok := boolean(string(s), false); ok {
		return strconv.FormatBool(v)
	}
	return string(s)
}

// Natural is the value where no schema says what is wanted, as in policy
// documents: an integer, a float, a boolean, or else the text. A number with
// leading zeros stays text: it is an account id and not octal.
func (s Scalar) Natural() any {
	if v, ok := boolean(string(s), false); ok {
		return v
	}
	if plainInt.MatchString(string(s)) {
		if i, err := strconv.ParseInt(string(s), 10, 64); err == nil {
			return i
		}
	}
	if isFloat(string(s)) {
		if f, err := strconv.ParseFloat(string(s), 64); err == nil {
			return f
		}
	}
	return string(s)
}

// Settle turns the Scalars in a value into natural values, in place.
func Settle(v any) any {
	switch v := v.(type) {
	case Scalar:
		return v.Natural()
	case []any:
		for i := range v {
			v[i] = Settle(v[i])
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = Settle(v[k])
		}
		return v
	default:
		return v
	}
}

// Flat is a scalar value's text; ok is false for lists, maps and Unknown.
func Flat(v any) (s string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case Scalar:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	default:
		return "", false
	}
}
