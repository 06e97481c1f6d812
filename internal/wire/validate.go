package wire

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"berth/internal/fault"
)

// violation is one broken constraint of the model.
type violation struct {
	path       string
	value      string // as AWS shows it, with quotes; null if absent
	constraint string
	kind       string // required, enum, min, max, length, pattern, number
	bound      float64
	hidden     bool // the value is a secret, and not shown
}

// Validate holds an input against the model: required members, sets of
// values, lengths, ranges and patterns. The error is in the service's own
// words; nil if all is well.
func (o *Operation) Validate(in any) error {
	c := &checker{anyCase: anyCase[o.Service.Name+":"+o.Name]}
	c.structure(o.Input(), reflect.ValueOf(in).Elem(), "")
	if len(c.found) == 0 {
		return nil
	}
	return o.Service.refuse(o, c.found)
}

// anyCase are the operations whose enumerations are taken in any case, and
// become the model's: AWS's own examples of them write "basic", "Spot" and
// "REQUIRED" (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/managed-instances-capacity-providers.html).
var anyCase = map[string]bool{"ecs:CreateCapacityProvider": true, "ecs:UpdateCapacityProvider": true}

type checker struct {
	found   []violation
	anyCase bool
	secret  bool // what is looked at is, or has, a value that the model calls sensitive
}

// maxViolations bounds how much is said of one request.
const maxViolations = 100

func (c *checker) add(path, value, kind string, bound float64, format string, args ...any) {
	if len(c.found) >= maxViolations {
		return
	}
	v := violation{path: path, value: value, constraint: fmt.Sprintf(format, args...), kind: kind, bound: bound}
	if c.secret && kind != "required" {
		v.value, v.hidden = "", true
	}
	c.found = append(c.found, v)
}

func (c *checker) structure(s *Shape, v reflect.Value, path string) {
	for i := range s.Members {
		m := &s.Members[i]
		f := v.Field(i)
		p := join(path, lowerFirst(m.Name))
		if absent(f) {
			if slices.Contains(s.Required, m.Name) {
				c.add(p, "null", "required", 0, "Member must not be null")
			}
			continue
		}
		c.value(m.Shape, f, p)
	}
}

func (c *checker) value(s *Shape, v reflect.Value, path string) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	outer := c.secret
	c.secret = outer || s.Sensitive || s.Kind != Structure && secretive(s, 3)
	defer func() { c.secret = outer }()
	switch s.Kind {
	case Structure:
		c.structure(s, v, path)
	case List:
		c.length(s, v.Len(), path, func() string { return show(v) })
		for i := range v.Len() {
			c.value(s.Elem.Shape, v.Index(i), path+"."+strconv.Itoa(i+1)+".member")
		}
	case Map:
		c.length(s, v.Len(), path, func() string { return show(v) })
		for _, k := range sortedKeys(v) {
			at := path + "."
			if !c.secret {
				at += k + "."
			}
			c.value(s.Key.Shape, reflect.ValueOf(k), at+"key")
			c.value(s.Value.Shape, v.MapIndex(reflect.ValueOf(k)), at+"member")
		}
	case String:
		c.text(s, c.folded(s, v), path)
	case Blob:
		c.length(s, v.Len(), path, func() string { return "java.nio.HeapByteBuffer" })
	case Integer:
		c.number(s, float64(v.Int()), path, strconv.FormatInt(v.Int(), 10))
	case Float:
		c.number(s, v.Float(), path, decimal(v.Float()))
	default:
	}
}

// secretive reports whether a list or map shows a sensitive value when it is
// shown, so many levels below it.
func secretive(s *Shape, levels int) bool {
	if s.Sensitive || levels == 0 {
		return s.Sensitive
	}
	for _, m := range []*Member{s.Elem, s.Key, s.Value} {
		if m != nil && secretive(m.Shape, levels-1) {
			return true
		}
	}
	return slices.ContainsFunc(s.Members, func(m Member) bool { return secretive(m.Shape, levels-1) })
}

// folded is a text, which becomes the value of the set that differs from it by
// case only, where that is allowed.
func (c *checker) folded(s *Shape, v reflect.Value) string {
	if !c.anyCase || !v.CanSet() {
		return v.String()
	}
	if i := slices.IndexFunc(s.Enum, func(e string) bool { return strings.EqualFold(e, v.String()) }); i >= 0 {
		v.SetString(s.Enum[i])
	}
	return v.String()
}

func (c *checker) text(s *Shape, t, path string) {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, t) {
		c.add(path, t, "enum", 0, "Member must satisfy enum value set: [%s]", strings.Join(s.Enum, ", "))
		return
	}
	c.length(s, utf8.RuneCountInString(t), path, func() string { return t })
	if s.pattern == nil {
		return
	}
	if re := s.pattern(); re != nil && !re.MatchString(t) {
		c.add(path, t, "pattern", 0, "Member must satisfy regular expression pattern: %s", s.Pattern)
	}
}

func (c *checker) length(s *Shape, n int, path string, shown func() string) {
	if s.Min != nil && float64(n) < *s.Min {
		c.add(path, shown(), "length", *s.Min, "Member must have length greater than or equal to %s", whole(*s.Min))
	}
	if s.Max != nil && float64(n) > *s.Max {
		c.add(path, shown(), "length", *s.Max, "Member must have length less than or equal to %s", whole(*s.Max))
	}
}

func (c *checker) number(s *Shape, n float64, path, shown string) {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		shown = strings.Replace(strings.TrimPrefix(shown, "+"), "Inf", "Infinity", 1)
		c.add(path, shown, "number", 0, "Member must be a finite number") // what no store and no answer can hold
		return
	}
	if s.Min != nil && n < *s.Min {
		c.add(path, shown, "min", *s.Min, "Member must have value greater than or equal to %s", whole(*s.Min))
	}
	if s.Max != nil && n > *s.Max {
		c.add(path, shown, "max", *s.Max, "Member must have value less than or equal to %s", whole(*s.Max))
	}
}

func whole(n float64) string {
	if n == math.Trunc(n) {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

// show prints a list, map or structure as AWS's messages do.
func show(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "null"
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = show(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		var parts []string
		for _, k := range sortedKeys(v) {
			parts = append(parts, k+"="+show(v.MapIndex(reflect.ValueOf(k))))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case reflect.Struct:
		return showStruct(v)
	default:
		return fmt.Sprint(v.Interface())
	}
}

func showStruct(v reflect.Value) string {
	if t, ok := v.Interface().(time.Time); ok {
		return t.UTC().Format(iso8601msec)
	}
	var parts []string
	for i := range v.NumField() {
		if f := v.Field(i); !absent(f) {
			parts = append(parts, lowerFirst(v.Type().Field(i).Name)+"="+show(f))
		}
	}
	return v.Type().Name() + "(" + strings.Join(parts, ", ") + ")"
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// refuse words the broken constraints as the service's family does.
func (s *Service) refuse(o *Operation, found []violation) error {
	first := found[0]
	switch {
	case s.Protocol() == EC2:
		return refuseEC2(first)
	case s.Name == "ecr":
		return fault.New(fault.Invalid, "InvalidParameterException", "Invalid parameter at '%s' failed to satisfy constraint: '%s'",
			first.path, lowerFirst(strings.TrimPrefix(strings.Replace(first.constraint, "pattern: ", "'", 1), "Member "))+closing(first))
	case s.Name == "monitoring" && first.kind == "number":
		return fault.New(
			fault.Invalid, "InvalidParameterValue", "The value %s for parameter %s is invalid.", first.value, queryPath(first.path),
		)
	case s.Name == "monitoring" && first.kind == "required":
		return fault.New(fault.Invalid, "MissingParameter", "The parameter %s is required.", upperFirst(first.path))
	}
	noun := "error"
	if len(found) > 1 {
		noun = "errors"
	}
	parts := make([]string, len(found))
	for i, f := range found {
		shown := "null "
		switch {
		case f.hidden:
			shown = ""
		case f.kind != "required":
			shown = "'" + f.value + "' "
		}
		parts[i] = fmt.Sprintf("Value %sat '%s' failed to satisfy constraint: %s", shown, f.path, f.constraint)
	}
	return fault.New(fault.Invalid, s.invalidCode(o), "%d validation %s detected: %s", len(found), noun, strings.Join(parts, "; "))
}

// queryPath writes a path as the query protocol does: MetricData.member.1.Value.
func queryPath(path string) string {
	parts := strings.Split(path, ".")
	for i, p := range parts {
		if p == "member" && i > 0 {
			parts[i-1], parts[i] = p, parts[i-1]
		} else {
			parts[i] = upperFirst(p)
		}
	}
	return strings.Join(parts, ".")
}

func closing(v violation) string {
	if v.kind == "pattern" {
		return "'"
	}
	return ""
}

func refuseEC2(v violation) error {
	name := v.path
	switch v.kind {
	case "enum":
		if strings.HasPrefix(name, "instanceTypes.") {
			return fault.New(fault.Invalid, "InvalidInstanceType", "The following supplied instance types do not exist: [%s]", v.value)
		}
	case "required":
		return fault.New(fault.Invalid, "MissingParameter", "The request must contain the parameter %s", name)
	case "min":
		return fault.New(
			fault.Invalid, "InvalidParameterValue", "Value ( %s ) for parameter %s is invalid. Expecting a value greater than %s.", v.value, name,
			whole(v.bound),
		)
	case "max":
		return fault.New(
			fault.Invalid, "InvalidParameterValue", "Value ( %s ) for parameter %s is invalid. Expecting a value less than or equal to %s.", v.value,
			name, whole(v.bound),
		)
	}
	return fault.New(fault.Invalid, "InvalidParameterValue", "Value (%s) for parameter %s is invalid. %s", v.value, name, v.constraint)
}

// invalidCode is the code of a family for a request that cannot be right.
func (s *Service) invalidCode(o *Operation) string {
	switch {
	case s.Protocol() == Query, s.Name == "monitoring":
		return "ValidationError"
	case s.Protocol() == EC2:
		return "InvalidParameterValue"
	case s.Name == "ecs" && o != nil && !slices.Contains(o.Errors, "InvalidParameterException"):
		return "ClientException"
	case s.Name == "ecs", s.Name == "logs", s.Name == "ecr":
		return "InvalidParameterException"
	case s.Name == "lambda":
		return "ValidationException"
	default:
		return "ValidationException"
	}
}

func (s *Service) invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, s.invalidCode(nil), format, args...)
}

// Refuse makes an error with the service's own code for an invalid request.
func (s *Service) Refuse(format string, args ...any) error { return s.invalid(format, args...) }
