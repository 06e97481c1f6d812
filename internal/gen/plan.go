package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// service is what will be written for one model.
type service struct {
	target
	*apiModel
	wanted []string          // operations with types, sorted
	shapes []string          // shapes they reach, sorted
	goName map[string]string // shape to Go type, for structures
	alias  map[string]string // CreateFunctionOutput to FunctionConfiguration
	empty  []string          // inputs and outputs that the model does not have
}

// plan chooses what to write: the wanted operations, the shapes they reach
// and a Go name for each structure.
func plan(t target, m *apiModel, wanted []string) (*service, error) {
	s := &service{target: t, apiModel: m, goName: map[string]string{}, alias: map[string]string{}}
	if slices.Contains(wanted, "*") {
		wanted = sorted(m.Operations)
	}
	slices.Sort(wanted)
	s.wanted = slices.Compact(wanted)
	reached := map[string]bool{}
	uses := map[string]int{}
	for _, name := range s.wanted {
		op, ok := m.Operations[name]
		if !ok {
			return nil, fmt.Errorf("no operation %s", name)
		}
		for _, r := range []*reference{op.Input, op.Output} {
			if r != nil {
				s.reach(r.Shape, reached, uses)
			}
		}
	}
	s.shapes = sorted(reached)
	s.nameStructures(uses)
	return s, nil
}

func (s *service) reach(name string, seen map[string]bool, uses map[string]int) {
	uses[name]++
	if seen[name] {
		return
	}
	seen[name] = true
	for _, r := range s.Shapes[name].children() {
		s.reach(r.Shape, seen, uses)
	}
}

func (sh *shape) children() []*reference {
	var out []*reference
	for i := range sh.Members {
		out = append(out, &sh.Members[i].reference)
	}
	for _, r := range []*reference{sh.Member, sh.Key, sh.Value} {
		if r != nil {
			out = append(out, r)
		}
	}
	return out
}

// nameStructures gives every structure a Go name: its own, except that an
// input or output used nowhere else is named after its operation. What is
// used elsewhere too gets an alias.
func (s *service) nameStructures(uses map[string]int) {
	for _, name := range s.shapes {
		if sh := s.Shapes[name]; sh.Type == "structure" && !sh.Document {
			s.goName[name] = exported(name)
		}
	}
	for _, op := range s.wanted {
		s.nameTop(op+"Input", s.Operations[op].Input, uses)
		s.nameTop(op+"Output", s.Operations[op].Output, uses)
	}
}

func (s *service) nameTop(want string, r *reference, uses map[string]int) {
	switch {
	case r == nil:
		s.empty = append(s.empty, want)
	case s.goName[r.Shape] == want:
	case uses[r.Shape] == 1:
		s.goName[r.Shape] = want
	default:
		s.alias[want] = r.Shape
	}
}

func exported(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// goType is the Go type of a reference as a member of a structure.
func (s *service) goType(r reference) string {
	if t, ok := scalars[s.Shapes[r.Shape].Type]; ok {
		return "*" + t
	}
	if n, ok := s.goName[r.Shape]; ok {
		return "*" + n
	}
	return s.elemType(r)
}

// elemType is the Go type of a reference as an element of a list or map.
func (s *service) elemType(r reference) string {
	sh := s.Shapes[r.Shape]
	if t, ok := scalars[sh.Type]; ok {
		return t
	}
	switch {
	case sh.Document:
		return "any"
	case sh.Type == "list":
		return "[]" + s.elemType(*sh.Member)
	case sh.Type == "map":
		return "map[string]" + s.elemType(*sh.Value)
	case sh.Type == "blob":
		return "[]byte"
	default:
		return s.goName[r.Shape]
	}
}

var scalars = map[string]string{
	"string": "string", "character": "string", "integer": "int64", "long": "int64", "short": "int64", "byte": "int64",
	"float": "float64", "double": "float64", "boolean": "bool", "timestamp": "time.Time",
}

// shapeLine is a shape as the codec reads it: see wire's schema.go, which
// has the same keys.
type shapeLine struct {
	Type      string       `json:"t"`
	Members   []memberLine `json:"m,omitempty"`
	Required  []string     `json:"r,omitempty"`
	Enum      []string     `json:"e,omitempty"`
	Min       *float64     `json:"min,omitempty"`
	Max       *float64     `json:"max,omitempty"`
	Pattern   string       `json:"p,omitempty"`
	Rexp      string       `json:"re,omitempty"`
	Elem      *memberLine  `json:"el,omitempty"`
	Key       *memberLine  `json:"k,omitempty"`
	Value     *memberLine  `json:"v,omitempty"`
	Flattened bool         `json:"fl,omitempty"`
	Payload   string       `json:"pl,omitempty"`
	Document  bool         `json:"doc,omitempty"`
	Timestamp string       `json:"ts,omitempty"`
	Sensitive bool         `json:"sec,omitempty"`
}

type memberLine struct {
	Name      string `json:"n,omitempty"`
	Shape     string `json:"s"`
	Wire      string `json:"w,omitempty"`
	Query     string `json:"q,omitempty"`
	Location  string `json:"in,omitempty"`
	Flattened bool   `json:"fl,omitempty"`
	Token     bool   `json:"tok,omitempty"`
	Timestamp string `json:"ts,omitempty"`
	Attribute bool   `json:"at,omitempty"`
	Namespace string `json:"ns,omitempty"`
}

func lineOf(sh *shape) ([]byte, error) {
	l := shapeLine{
		Type: sh.Type, Required: sh.Required, Enum: sh.Enum, Min: sh.Min, Max: sh.Max, Flattened: sh.Flattened,
		Payload: sh.Payload, Document: sh.Document, Timestamp: sh.TimestampFormat, Sensitive: sh.Sensitive,
		Pattern: sh.Pattern, Elem: one(sh.Member), Key: one(sh.Key), Value: one(sh.Value),
	}
	if re := goPattern(sh.Pattern); re != sh.Pattern {
		l.Rexp = re
	}
	for _, m := range sh.Members {
		n := *one(&m.reference)
		n.Name = m.Name
		l.Members = append(l.Members, n)
	}
	return json.Marshal(l)
}

func one(r *reference) *memberLine {
	if r == nil {
		return nil
	}
	return &memberLine{
		Shape: r.Shape, Wire: r.LocationName, Query: r.QueryName, Location: r.Location, Flattened: r.Flattened,
		Token: r.IdempotencyToken, Timestamp: r.TimestampFormat, Attribute: r.XMLAttribute, Namespace: r.XMLNamespace.URI,
	}
}

var unicodeEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// dialect turns what Java says otherwise than Go: characters beyond the basic
// plane as pairs of surrogates, and the class of printable ASCII.
var dialect = strings.NewReplacer(
	`\uD800\uDC00-\uDBFF\uDFFF`, `\x{10000}-\x{10FFFF}`,
	`\p{Print}`, `[\x20-\x7E]`,
	`\p{Alnum}`, `[0-9A-Za-z]`,
)

// goPattern turns a model's pattern, which is Java's dialect, into Go's.
// What Go cannot express becomes "-": such a pattern is not checked.
func goPattern(p string) string {
	if p == "" {
		return ""
	}
	g := unicodeEscape.ReplaceAllString(dialect.Replace(p), `\x{$1}`)
	if _, err := regexp.Compile(g); err != nil {
		return "-"
	}
	return g
}
