package template

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Template is a parsed template. Its order is the body's.
type Template struct {
	Body        string
	Description string
	Transforms  []string
	Metadata    any
	Parameters  []Parameter
	Resources   []Resource
	Outputs     []Output

	root       *Node
	mappings   map[string]*Node
	conditions []named
	rules      []named
	extended   bool // AWS::LanguageExtensions
	loops      bool // has Fn::ForEach, so that sections wait for Bind
	lacks      lacks
}

type named struct {
	name string
	node *Node
}

// Resource is a resource as the template declares it.
type Resource struct {
	ID, Type            string
	Condition           string
	DependsOn           []string
	DeletionPolicy      string // "" is Delete
	UpdateReplacePolicy string
	// CreationPolicy and UpdatePolicy are known of active resources; nil: none.
	CreationPolicy *CreationPolicy
	UpdatePolicy   *UpdatePolicy

	properties *Node
	metadata   *Node
	policies   map[string]*Node // that need evaluating under the extensions
	creation   *Node
	update     *Node
	unbuilt    []string // attributes that are not built
}

// Limits of CloudFormation (Developer's "Quotas" page).
const (
	maxResources   = 500
	maxOutputs     = 200
	maxMappings    = 200
	maxAttributes  = 200 // of a mapping
	maxParameters  = 200
	maxDescription = 1024
)

// LanguageExtensions is the only transform that is built.
const LanguageExtensions = "AWS::LanguageExtensions"

var (
	alnum    = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	sections = []string{
		"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Rules", "Transform", "Resources",
		"Outputs", "Hooks",
	}
)

// Parse reads a template and checks all that can be checked without
// parameters. Errors are fault.Invalid with CloudFormation's text.
func Parse(body string) (*Template, error) {
	root, err := read(body)
	if err != nil {
		return nil, err
	}
	if root.Kind != Map {
		return nil, malformed("unsupported structure.")
	}
	t := &Template{Body: body, root: root}
	if err := t.head(); err != nil {
		return nil, err
	}
	if err := noNulls(root, ""); err != nil {
		return nil, err
	}
	if err := t.parameters(root.Get("Parameters")); err != nil {
		return nil, err
	}
	if t.extended && hasLoops(root) {
		t.loops = true
		return t, nil
	}
	if err := t.body(root); err != nil {
		return t, cmp.Or(t.lacks.err(), err) // a transform may make what is amiss
	}
	return t, nil
}

// head reads what is needed before anything else: version, transforms.
func (t *Template) head() error {
	if err := t.transforms(t.root.Get("Transform")); err != nil {
		return err
	}
	var unknown []string
	for _, k := range t.root.Keys {
		if !slices.Contains(sections, k) && !(k == "Globals" && slices.Contains(t.Transforms, serverless)) {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) > 0 {
		return invalid("Invalid template property or properties [%s]", strings.Join(unknown, ", "))
	}
	if v := t.root.Get("AWSTemplateFormatVersion"); v != nil {
		if s, _ := v.string(); s != "2010-09-09" {
			return malformed("Template version '%s' is not supported. Supported versions are: 2010-09-09", v.Text)
		}
	}
	if d := t.root.Get("Description"); d != nil {
		s, ok := d.string()
		if !ok {
			return malformed("'Description' length is greater than %d or it is not a string.", maxDescription)
		}
		if len(s) > maxDescription {
			return malformed("'Description' length is greater than %d.", maxDescription)
		}
		t.Description = s
	}
	if t.root.Get("Hooks") != nil {
		t.lacks.add("", "the Hooks section (AWS::CodeDeployBlueGreen)")
	}
	if m := t.root.Get("Metadata"); m != nil {
		if m.Kind != Map {
			return malformed("Metadata must be an object.")
		}
		t.Metadata = m.plain()
	}
	return nil
}

func (t *Template) transforms(n *Node) error {
	if n == nil {
		return nil
	}
	items := []*Node{n}
	if n.Kind == List {
		items = n.Items
	}
	for _, it := range items {
		s, ok := it.string()
		if !ok {
			s, _ = it.Get("Name").string()
		}
		t.Transforms = append(t.Transforms, s)
		if s != LanguageExtensions {
			t.lacks.add("", "the transform %s", s)
			continue
		}
		t.extended = true
	}
	return nil
}

// body reads the sections that may hold loops.
func (t *Template) body(root *Node) error {
	if err := t.readMappings(root.Get("Mappings")); err != nil {
		return err
	}
	if err := t.readConditions(root); err != nil {
		return err
	}
	if err := t.readResources(root.Get("Resources")); err != nil {
		return err
	}
	if err := t.readOutputs(root.Get("Outputs")); err != nil {
		return err
	}
	return t.check()
}

func (t *Template) readMappings(n *Node) error {
	t.mappings = map[string]*Node{}
	if n == nil {
		return nil
	}
	if n.Kind != Map {
		return malformed("Mappings must be an object.")
	}
	if len(n.Keys) > maxMappings {
		return malformed("Number of mappings, %d, is greater than maximum allowed, %d", len(n.Keys), maxMappings)
	}
	for i, k := range n.Keys {
		if !alnum.MatchString(k) {
			return malformed("Mappings name '%s' is non alphanumeric.", k)
		}
		if n.Items[i].Kind != Map {
			return malformed("Every Mappings member %s must be a map", k)
		}
		if n := len(n.Items[i].Keys); n > maxAttributes {
			return malformed("Number of attributes of mapping %s, %d, is greater than maximum allowed, %d", k, n, maxAttributes)
		}
		for j, top := range n.Items[i].Keys {
			if n.Items[i].Items[j].Kind != Map {
				return malformed("Every Mappings attribute must be a String or a List. (%s::%s)", k, top)
			}
		}
		t.mappings[k] = n.Items[i]
	}
	return nil
}

func (t *Template) readConditions(root *Node) error {
	t.conditions, t.rules = nil, nil
	if n := root.Get("Conditions"); n != nil {
		if n.Kind != Map {
			return malformed("Conditions must be an object.")
		}
		for i, k := range n.Keys {
			if !alnum.MatchString(k) {
				return malformed("Conditions name '%s' is non alphanumeric.", k)
			}
			t.conditions = append(t.conditions, named{k, n.Items[i]})
		}
	}
	if n := root.Get("Rules"); n != nil {
		if n.Kind != Map {
			return malformed("Rules must be an object.")
		}
		for i, k := range n.Keys {
			t.rules = append(t.rules, named{k, n.Items[i]})
		}
	}
	return nil
}

var attributes = []string{
	"Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy", "CreationPolicy", "UpdatePolicy",
	"Description",
}

func (t *Template) readResources(n *Node) error {
	t.Resources = nil
	if n == nil || n.Kind != Map || len(n.Keys) == 0 {
		if n != nil && n.Kind != Map {
			return malformed("Resources must be an object.")
		}
		return malformed("At least one Resources member must be defined.")
	}
	if len(n.Keys) > maxResources {
		return malformed("Number of resources, %d, is greater than maximum allowed, %d", len(n.Keys), maxResources)
	}
	for i, id := range n.Keys {
		if !alnum.MatchString(id) {
			return malformed("Resource name %s is non alphanumeric.", id)
		}
		r, err := t.readResource(id, n.Items[i])
		if err != nil {
			return err
		}
		t.Resources = append(t.Resources, r)
	}
	return nil
}

func (t *Template) readResource(id string, n *Node) (Resource, error) {
	r := Resource{ID: id}
	if n.Kind != Map {
		return r, malformed("[/Resources/%s] resource definition is malformed", id)
	}
	for _, k := range n.Keys {
		if !slices.Contains(attributes, k) {
			return r, invalid("Invalid template resource property '%s'", k)
		}
	}
	var ok bool
	if r.Type, ok = n.Get("Type").string(); !ok || r.Type == "" {
		return r, malformed("[/Resources/%s] Every Resources object must contain a Type member.", id)
	}
	if p := n.Get("Properties"); p != nil {
		if p.Kind != Map {
			return r, malformed("[/Resources/%s/Properties] 'Properties' must be an object.", id)
		}
		r.properties = p
	}
	r.readPolicies(n)
	r.metadata = n.Get("Metadata")
	return r, t.readAttributes(&r, n)
}

func (t *Template) readAttributes(r *Resource, n *Node) error {
	if c := n.Get("Condition"); c != nil {
		s, ok := c.string()
		if !ok {
			return malformed("Every Condition member must be a string.")
		}
		r.Condition = s
	}
	if d := n.Get("DependsOn"); d != nil {
		items := []*Node{d}
		if d.Kind == List {
			items = d.Items
		}
		for _, it := range items {
			s, ok := it.string()
			if !ok {
				return malformed("DependsOn must be a string or list of strings.")
			}
			if !slices.Contains(r.DependsOn, s) {
				r.DependsOn = append(r.DependsOn, s)
			}
		}
	}
	var err error
	if r.DeletionPolicy, err = t.policy(r, n, "DeletionPolicy", "Delete", "Retain", "RetainExceptOnCreate"); err != nil {
		return err
	}
	r.UpdateReplacePolicy, err = t.policy(r, n, "UpdateReplacePolicy", "Delete", "Retain")
	return err
}

func (t *Template) policy(r *Resource, n *Node, name string, allowed ...string) (string, error) {
	p := n.Get(name)
	if p == nil {
		return "", nil
	}
	if _, _, ok := p.call(); ok && t.extended {
		if r.policies == nil {
			r.policies = map[string]*Node{}
		}
		r.policies[name] = p
		return "", nil
	}
	s, ok := p.string()
	if !ok {
		return "", malformed("Every %s member must be a string.", name)
	}
	return s, checkPolicy(s, name, r, allowed)
}

func checkPolicy(s, name string, r *Resource, allowed []string) error {
	if s == "Snapshot" {
		return malformed("%s Snapshot is not supported for resource %s of type %s", name, r.ID, r.Type)
	}
	if !slices.Contains(allowed, s) {
		return malformed("Unrecognized %s %s for resource %s", name, s, r.ID)
	}
	return nil
}

// noNulls refuses null where CloudFormation does: everywhere but in Metadata.
func noNulls(n *Node, path string) error {
	if n.Kind == Null {
		return malformed("[%s] 'null' values are not allowed in templates", path)
	}
	for i, it := range n.Items {
		if n.Kind == Map && n.Keys[i] == "Metadata" {
			continue
		}
		step := "*"
		if n.Kind == Map {
			step = n.Keys[i]
		}
		if err := noNulls(it, path+"/"+step); err != nil {
			return err
		}
	}
	return nil
}
