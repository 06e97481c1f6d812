// Package policy is IAM's language: it parses policy documents, holds them
// against IAM's rules of form, and evaluates a request against them, naming
// the statement that decided.
//
// Everything is pure: no look-ups, no clock, no network; the request carries
// what conditions may ask for. Values are immutable once parsed and safe for
// concurrent use. Any package that the map lets in may call it.
package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/internal/fault"
)

// Document is a parsed policy.
type Document struct {
	Version    string // 2012-10-17, 2008-10-17 or ""
	ID         string
	Statements []Statement
}

// Statement is one statement of a policy.
type Statement struct {
	Sid          string
	Deny         bool
	Principal    *Principals
	NotPrincipal *Principals
	Actions      []string
	NotActions   []string
	Resources    []string
	NotResources []string
	Conditions   []Condition

	variables bool // ${…} is replaced: version 2012-10-17
}

// Principals is the Principal element.
type Principals struct {
	Any       bool     // "*"
	AWS       []string // accounts, ARNs, "*"
	Services  []string
	Federated []string
	Canonical []string
}

// Condition is one key of one operator.
type Condition struct {
	Operator string // StringEquals, … without prefix and suffix
	Set      string // ForAllValues, ForAnyValue or ""
	IfExists bool
	Key      string
	Values   []string
}

// malformed is IAM's error for a document.
func malformed(format string, args ...any) error {
	return fault.New(fault.Invalid, "MalformedPolicyDocument", format, args...)
}

func syntaxError() error { return malformed("Syntax errors in policy.") }

// maxSize is more than any quota of IAM lets pass.
const maxSize = 1 << 18

// Parse reads a document. Errors are fault.Invalid MalformedPolicyDocument.
func Parse(text string) (*Document, error) {
	if len(text) > maxSize {
		return nil, malformed("The policy is too long.")
	}
	if err := noTwins(text); err != nil {
		return nil, err
	}
	var raw struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := strict([]byte(text), &raw); err != nil {
		return nil, syntaxError()
	}
	d := &Document{Version: raw.Version, ID: raw.ID}
	if d.Version != "" && d.Version != "2012-10-17" && d.Version != "2008-10-17" {
		return nil, malformed("Policy document must be version 2012-10-17 or greater.")
	}
	list, err := statements(raw.Statement)
	if err != nil {
		return nil, err
	}
	for _, one := range list {
		s, err := parseStatement(one)
		if err != nil {
			return nil, err
		}
		s.variables = d.Version == "2012-10-17"
		d.Statements = append(d.Statements, s)
	}
	return d, nil
}

// strict decodes exactly one JSON value without unknown fields.
func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the document")
	}
	return nil
}

// noTwins refuses JSON in which an object has a key twice: which of the two
// would hold is a question that a policy must not leave open.
func noTwins(text string) error {
	d := json.NewDecoder(strings.NewReader(text))
	type frame struct {
		keys  map[string]bool
		value bool // the next token is a value, not a key
	}
	var stack []frame
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return syntaxError()
		}
		top := len(stack) - 1
		if k, ok := t.(string); ok && top >= 0 && stack[top].keys != nil && !stack[top].value {
			k = strings.ToLower(k)
			if stack[top].keys[k] {
				return syntaxError()
			}
			stack[top].keys[k] = true
			stack[top].value = true
			continue
		}
		if top >= 0 {
			stack[top].value = false
		}
		switch t {
		case json.Delim('{'):
			stack = append(stack, frame{keys: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, frame{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
		}
	}
}

func statements(raw json.RawMessage) ([]json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] == 'n' {
		return nil, syntaxError()
	}
	if raw[0] == '{' {
		return []json.RawMessage{raw}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
		return nil, syntaxError()
	}
	return list, nil
}

func parseStatement(raw json.RawMessage) (Statement, error) {
	var r struct {
		Sid          string
		Effect       string
		Principal    json.RawMessage
		NotPrincipal json.RawMessage
		Action       words
		NotAction    words
		Resource     words
		NotResource  words
		Condition    map[string]map[string]words
	}
	if err := strict(raw, &r); err != nil {
		return Statement{}, syntaxError()
	}
	if r.Effect != "Allow" && r.Effect != "Deny" {
		return Statement{}, syntaxError()
	}
	s := Statement{
		Sid: r.Sid, Deny: r.Effect == "Deny", Actions: r.Action, NotActions: r.NotAction, Resources: r.Resource, NotResources: r.NotResource,
	}
	var err error
	if s.Principal, err = parsePrincipals(r.Principal); err != nil {
		return s, err
	}
	if s.NotPrincipal, err = parsePrincipals(r.NotPrincipal); err != nil {
		return s, err
	}
	if s.Principal != nil && s.NotPrincipal != nil || r.Action != nil && r.NotAction != nil || r.Resource != nil && r.NotResource != nil {
		return s, syntaxError()
	}
	s.Conditions, err = parseConditions(r.Condition)
	return s, err
}

// words is a string or a list of strings; in conditions numbers and booleans
// are strings too.
type words []string

// UnmarshalJSON reads one value or a list.
func (w *words) UnmarshalJSON(b []byte) error {
	var x any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&x); err != nil {
		return err
	}
	list, ok := x.([]any)
	if !ok {
		list = []any{x}
	}
	*w = words{}
	for _, v := range list {
		switch t := v.(type) {
		case string:
			*w = append(*w, t)
		case json.Number:
			*w = append(*w, t.String())
		case bool:
			*w = append(*w, strconv.FormatBool(t))
		default:
			return fmt.Errorf("%v is no string", v)
		}
	}
	return nil
}

func parsePrincipals(raw json.RawMessage) (*Principals, error) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 {
		return nil, nil
	}
	var star string
	if json.Unmarshal(raw, &star) == nil {
		if star != "*" {
			return nil, malformed("Invalid principal in policy: %q", star)
		}
		return &Principals{Any: true}, nil
	}
	var m struct{ AWS, Service, Federated, CanonicalUser words }
	if err := strict(raw, &m); err != nil {
		return nil, syntaxError()
	}
	return &Principals{AWS: m.AWS, Services: m.Service, Federated: m.Federated, Canonical: m.CanonicalUser}, nil
}

func parseConditions(m map[string]map[string]words) ([]Condition, error) {
	var out []Condition
	for _, op := range slices.Sorted(maps.Keys(m)) {
		c := Condition{Operator: op}
		if set, rest, ok := strings.Cut(op, ":"); ok {
			if set != "ForAllValues" && set != "ForAnyValue" {
				return nil, malformed("Invalid Condition type : %s.", op)
			}
			c.Set, c.Operator = set, rest
		}
		if base, ok := strings.CutSuffix(c.Operator, "IfExists"); ok {
			c.Operator, c.IfExists = base, true
		}
		if _, ok := operators[c.Operator]; !ok || c.IfExists && c.Operator == "Null" {
			return nil, malformed("Invalid Condition type : %s.", op)
		}
		for _, key := range slices.Sorted(maps.Keys(m[op])) {
			one := c
			one.Key, one.Values = key, m[op][key]
			out = append(out, one)
		}
	}
	return out, nil
}
