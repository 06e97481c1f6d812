package wire

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"
)

// Kind is the kind of a shape.
type Kind int

// The kinds of shapes.
const (
	Structure Kind = iota
	List
	Map
	String
	Integer
	Float
	Boolean
	Timestamp
	Blob
	Document
)

var kinds = map[string]Kind{
	"structure": Structure, "list": List, "map": Map, "string": String, "character": String,
	"integer": Integer, "long": Integer, "short": Integer, "byte": Integer, "float": Float, "double": Float,
	"boolean": Boolean, "timestamp": Timestamp, "blob": Blob,
}

// Shape is a shape of a model. Shapes may refer to themselves.
type Shape struct {
	Name      string
	Kind      Kind
	Members   []Member // in the order of the Go type's fields
	Required  []string
	Enum      []string
	Min, Max  *float64
	Pattern   string // as the model writes it
	Sensitive bool   // its values are shown to nobody

	Elem, Key, Value *Member
	Flattened        bool
	Payload          string // member that is the whole body
	Time             string // timestamp format
	Modeled          string // the model's own type, for example long

	pattern func() *regexp.Regexp // compiled when first asked for; nil: not checked
	index   map[string]int
}

// Member is a member of a structure, or the element, key or value of a list
// or map.
type Member struct {
	Name      string
	Shape     *Shape
	Wire      string // name on the wire, if it differs
	Query     string // name in an EC2 query
	Location  string // header, headers, uri, querystring, statusCode
	Flattened bool
	Token     bool // an idempotency token
	Time      string
	Attribute bool // an XML attribute
	Namespace string
}

// Member finds a member by name, or nil.
func (s *Shape) Member(name string) *Member {
	if i, ok := s.index[name]; ok {
		return &s.Members[i]
	}
	return nil
}

// shapeLine and memberLine are what the generator writes; its plan.go has
// the same keys.
type shapeLine struct {
	Type      string       `json:"t"`
	Members   []memberLine `json:"m"`
	Required  []string     `json:"r"`
	Enum      []string     `json:"e"`
	Min       *float64     `json:"min"`
	Max       *float64     `json:"max"`
	Pattern   string       `json:"p"`
	Rexp      string       `json:"re"`
	Elem      *memberLine  `json:"el"`
	Key       *memberLine  `json:"k"`
	Value     *memberLine  `json:"v"`
	Flattened bool         `json:"fl"`
	Payload   string       `json:"pl"`
	Document  bool         `json:"doc"`
	Timestamp string       `json:"ts"`
	Sensitive bool         `json:"sec"`
}

type memberLine struct {
	Name      string `json:"n"`
	Shape     string `json:"s"`
	Wire      string `json:"w"`
	Query     string `json:"q"`
	Location  string `json:"in"`
	Flattened bool   `json:"fl"`
	Token     bool   `json:"tok"`
	Timestamp string `json:"ts"`
	Attribute bool   `json:"at"`
	Namespace string `json:"ns"`
}

var nothing = &Shape{Name: "Nothing", Kind: Structure, index: map[string]int{}}

// shape reads a shape and all that it reaches, once. A service's shapes are
// read when first asked for, so that a start pays for none of them.
func (s *Service) shape(name string) *Shape {
	if name == "" {
		return nothing
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines == nil {
		s.lines = map[string]string{}
		for line := range strings.Lines(s.Schema) {
			n, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			s.lines[n] = text
		}
	}
	return s.resolve(name)
}

func (s *Service) resolve(name string) *Shape {
	if sh := s.shapes[name]; sh != nil {
		return sh
	}
	sh := &Shape{Name: name}
	s.shapes[name] = sh
	var l shapeLine
	if err := json.Unmarshal([]byte(s.lines[name]), &l); err != nil {
		panic("wire: shape " + name + " of " + s.Name + ": " + err.Error())
	}
	sh.Kind, sh.Modeled = kinds[l.Type], l.Type
	if l.Document {
		sh.Kind = Document
	}
	sh.Required, sh.Enum, sh.Min, sh.Max, sh.Pattern = l.Required, l.Enum, l.Min, l.Max, l.Pattern
	sh.Flattened, sh.Payload, sh.Time, sh.Sensitive = l.Flattened, l.Payload, l.Timestamp, l.Sensitive
	sh.pattern = compile(l)
	sh.Elem, sh.Key, sh.Value = s.member(l.Elem), s.member(l.Key), s.member(l.Value)
	sh.index = make(map[string]int, len(l.Members))
	for i := range l.Members {
		sh.Members = append(sh.Members, *s.member(&l.Members[i]))
		sh.index[l.Members[i].Name] = i
	}
	return sh
}

func (s *Service) member(l *memberLine) *Member {
	if l == nil {
		return nil
	}
	return &Member{
		Name: l.Name, Shape: s.resolve(l.Shape), Wire: l.Wire, Query: l.Query, Location: l.Location, Flattened: l.Flattened,
		Token: l.Token, Time: l.Timestamp, Attribute: l.Attribute, Namespace: l.Namespace,
	}
}

// compile anchors a pattern: AWS matches the whole value. One that Go cannot
// read is not checked.
func compile(l shapeLine) func() *regexp.Regexp {
	p := l.Pattern
	if l.Rexp != "" {
		p = l.Rexp
	}
	if p == "" || p == "-" {
		return nil
	}
	return sync.OnceValue(func() *regexp.Regexp {
		re, err := regexp.Compile(`\A(?s:` + p + `)\z`)
		if err != nil {
			return nil
		}
		return re
	})
}
