package template

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"berth/internal/lang/javaregexp"
)

// Type is what is known of a resource type: the schema of its properties and
// what a change of each does. Where it comes from: internal/gen/cfntypes.
type Type struct {
	Name        string
	Properties  map[string]*Schema `json:"properties"`
	Definitions map[string]*Schema `json:"definitions"`
	Required    []string           `json:"required"`
	// CreateOnly are properties whose change replaces the resource, as dotted
	// paths; Conditional ones may.
	CreateOnly  []string `json:"create_only"`
	Conditional []string `json:"conditional_create_only"`
	ReadOnly    []string `json:"read_only"`
	WriteOnly   []string `json:"write_only"`
	GetAtt      []string `json:"getatt"`
	Ref         string   `json:"ref"`
	TagProperty string   `json:"tag_property"`
	TagFormat   string   `json:"tag_format"` // list or map
	Constraints *Schema  `json:"constraints"`

	built   map[string]bool // top-level properties with code behind them
	refused []string        // dotted paths below these without
	open    bool            // any other property may be given, and any attribute asked for
}

// Schema is the part of JSON Schema that the facts use.
type Schema struct {
	Ref               string              `json:"ref"`
	Type              Kinds               `json:"type"`
	Enum              []any               `json:"enum"`
	Items             *Schema             `json:"items"`
	Properties        map[string]*Schema  `json:"properties"`
	PatternProperties map[string]*Schema  `json:"patternProperties"`
	Additional        *Additional         `json:"additionalProperties"`
	Required          []string            `json:"required"`
	RequiredXor       []string            `json:"requiredXor"`
	RequiredOr        []string            `json:"requiredOr"`
	DependentRequired map[string][]string `json:"dependentRequired"`
	DependentExcluded map[string][]string `json:"dependentExcluded"`
	AnyOf             []*Schema           `json:"anyOf"`
	OneOf             []*Schema           `json:"oneOf"`
	Pattern           string              `json:"pattern"`
	MinLength         *int                `json:"minLength"`
	MaxLength         *int                `json:"maxLength"`
	MinItems          *int                `json:"minItems"`
	MaxItems          *int                `json:"maxItems"`
	Minimum           *float64            `json:"minimum"`
	Maximum           *float64            `json:"maximum"`
	UniqueItems       bool                `json:"uniqueItems"`

	once sync.Once
	re   *javaregexp.Regexp // Pattern; nil if it cannot be read
}

// Additional is additionalProperties: a yes, a no, or a schema.
type Additional struct {
	No     bool
	Schema *Schema
}

// UnmarshalJSON reads a boolean or a schema.
func (a *Additional) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true":
		return nil
	case "false":
		a.No = true
		return nil
	}
	return json.Unmarshal(b, &a.Schema)
}

// Kinds are JSON types; the facts give one or a list.
type Kinds []string

// UnmarshalJSON reads a string or a list of strings.
func (k *Kinds) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*k = Kinds{s}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(k))
}

//go:embed types.json.gz
var typesFile []byte

//go:embed built.txt
var builtFile string

// types reads the embedded facts, once.
var types = sync.OnceValue(func() map[string]*Type {
	all, err := readTypes(typesFile, builtFile)
	if err != nil {
		panic("template: the embedded resource types cannot be read: " + err.Error())
	}
	return all
})

func readTypes(packed []byte, built string) (map[string]*Type, error) {
	raw, err := unpack(packed)
	if err != nil {
		return nil, err
	}
	all := map[string]*Type{}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	for name, t := range all {
		t.Name = name
	}
	for line := range strings.Lines(built) {
		if err := readBuilt(all, line); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// unpack reads an embedded file.
func unpack(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func readBuilt(all map[string]*Type, line string) error {
	f := strings.Fields(line)
	if len(f) == 0 || strings.HasPrefix(f[0], "#") {
		return nil
	}
	t := all[strings.TrimSuffix(f[0], ":")]
	if t == nil {
		return fmt.Errorf("built.txt: no facts about %s", f[0])
	}
	t.built = map[string]bool{}
	for _, p := range f[1:] {
		if path, no := strings.CutPrefix(p, "-"); no {
			t.refused = append(t.refused, path)
			continue
		}
		if path, fixed := strings.CutPrefix(p, "!"); fixed {
			t.CreateOnly = append(t.CreateOnly, path)
			continue
		}
		if t.Properties[p] == nil {
			return fmt.Errorf("built.txt: %s has no property %s", t.Name, p)
		}
		t.built[p] = true
	}
	return nil
}

// TypeOf finds a resource type that Berth builds.
func TypeOf(name string) (*Type, bool) {
	if IsCustom(name) {
		return customType(name), true
	}
	t, ok := types()[name]
	if !ok || t.built == nil {
		return nil, false
	}
	return t, true
}

// TypeNames lists the resource types that Berth builds, sorted.
func TypeNames() []string {
	var names []string
	for n, t := range types() {
		if t.built != nil {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// HasAttribute reports whether Fn::GetAtt may ask for an attribute.
func (t *Type) HasAttribute(name string) bool {
	if t.open || slices.Contains(t.GetAtt, name) {
		return true
	}
	return slices.ContainsFunc(t.GetAtt, func(a string) bool { return strings.HasPrefix(name, a+".") })
}

// Taggable reports whether resources of the type carry tags.
func (t *Type) Taggable() bool { return t.TagProperty != "" }

// Built lists the properties with code behind them, sorted.
func (t *Type) Built() []string {
	var out []string
	for p := range t.built {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// IsBuilt reports whether there is code behind a dotted path of properties.
func (t *Type) IsBuilt(path string) bool {
	head, _, _ := strings.Cut(path, ".")
	return t.built[head] && !within(path, t.refused)
}

// IsUpdatable reports whether an update may carry what stands at a dotted path
// of properties.
func (t *Type) IsUpdatable(path string) bool { return !within(path, t.fixed()) }

// within reports whether a path is one of some paths or below one.
func within(path string, of []string) bool {
	return slices.ContainsFunc(of, func(p string) bool {
		p = strings.ReplaceAll(p, ".*", "")
		return path == p || strings.HasPrefix(path, p+".")
	})
}
