package template

import (
	"slices"
	"strings"
)

// Place is where a stack stands.
type Place struct {
	Partition, Region, Account, URLSuffix string
	Zones                                 []string // of the Region, for Fn::GetAZs
}

// Inputs are what a template is bound to.
type Inputs struct {
	Place            Place
	StackName        string
	StackID          string
	NotificationARNs []string
	Parameters       map[string]string
	// Public finds the value of a public parameter of Systems Manager; nil: there
	// are none.
	Public func(name string) (string, bool)
	// Stored finds the value of one of the account's own; nil: there are none.
	Stored func(name string) (string, error)
	// Import finds the value of an export of another stack.
	Import func(name string) (string, bool)
}

// Unknown is a value that cannot be known yet: it hangs on resources that do
// not exist so far.
type Unknown struct {
	// Of names the resources, sorted; Attributes the "ID.Attribute" or, for
	// Ref, "ID" that were asked for.
	Of, Attributes []string
}

// Lookup answers Ref (attribute "") and Fn::GetAtt of a resource; ok is false
// as long as it cannot be known.
type Lookup func(id, attribute string) (value any, ok bool)

// Nothing is the Lookup before anything exists.
func Nothing(string, string) (any, bool) { return nil, false }

// Bound is a template with its parameters settled and its conditions decided.
type Bound struct {
	*Template
	in         Inputs
	values     map[string]any
	given      map[string]string
	conditions map[string]bool
	active     []Resource
	index      map[string]int // into active
	deps       map[string][]string
	order      []string
}

// Bind settles parameters, rules, conditions and the order of resources.
func (t *Template) Bind(in Inputs) (*Bound, error) {
	values, given, err := t.values(in)
	if err != nil {
		return nil, err
	}
	if t.loops {
		if t, err = t.unroll(values); err != nil {
			return nil, err
		}
	}
	b := &Bound{
		Template: t, in: in, values: values, given: given, conditions: map[string]bool{}, index: map[string]int{}, deps: map[string][]string{},
	}
	for _, step := range []func() error{b.decide, b.rulesHold, b.activate, b.connect} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Value is what a parameter came to, as text: lists are joined by commas.
func (b *Bound) Value(parameter string) string {
	switch v := b.values[parameter].(type) {
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i], _ = Flat(v[i])
		}
		return strings.Join(parts, ",")
	default:
		return ""
	}
}

// Given is what a parameter was given as, or its default: the name of what
// Systems Manager keeps.
func (b *Bound) Given(parameter string) string { return b.given[parameter] }

// Active lists the resources whose conditions hold, in the template's order.
func (b *Bound) Active() []Resource { return b.active }

// Find returns an active resource.
func (b *Bound) Find(id string) (Resource, bool) {
	i, ok := b.index[id]
	if !ok {
		return Resource{}, false
	}
	return b.active[i], true
}

// Order lists the active resources so that each follows all it depends on.
func (b *Bound) Order() []string { return b.order }

// DependsOn lists what a resource must wait for: what it declares and what it
// refers to, sorted.
func (b *Bound) DependsOn(id string) []string { return b.deps[id] }

func (b *Bound) decide() error {
	for _, c := range b.Template.conditions {
		if _, err := b.condition(c.name, nil); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bound) condition(name string, path []string) (bool, error) {
	if v, ok := b.conditions[name]; ok {
		return v, nil
	}
	if slices.Contains(path, name) {
		return false, malformed("Found circular condition dependency between %s", strings.Join(append(path, name), " and "))
	}
	i := slices.IndexFunc(b.Template.conditions, func(n named) bool { return n.name == name })
	if i < 0 {
		return false, malformed("Unresolved condition dependency %s in the Conditions block of the template", name)
	}
	v, err := b.truth(b.Template.conditions[i].node, append(path, name))
	if err != nil {
		return false, err
	}
	b.conditions[name] = v
	return v, nil
}

func (b *Bound) activate() error {
	for _, r := range b.Resources {
		if r.Condition != "" && !b.conditions[r.Condition] {
			continue
		}
		if err := b.policies(&r); err != nil {
			return err
		}
		if err := b.decidePolicies(&r); err != nil {
			return err
		}
		b.index[r.ID] = len(b.active)
		b.active = append(b.active, r)
	}
	return nil
}

func (b *Bound) policies(r *Resource) error {
	for _, name := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
		n := r.policies[name]
		if n == nil {
			continue
		}
		v, err := b.eval(n, Nothing)
		if err != nil {
			return err
		}
		s, _ := Flat(v)
		if err := checkPolicy(s, name, r, []string{"Delete", "Retain", "RetainExceptOnCreate"}); err != nil {
			return err
		}
		if name == "DeletionPolicy" {
			r.DeletionPolicy = s
		} else {
			r.UpdateReplacePolicy = s
		}
	}
	return nil
}

// Properties evaluates a resource's properties. What cannot be known yet is
// Unknown; numbers and booleans are Scalar until a Type coerces them.
func (b *Bound) Properties(id string, look Lookup) (map[string]any, error) {
	r, ok := b.Find(id)
	if !ok {
		return nil, malformed("Unresolved resource dependencies [%s] in the Resources block of the template", id)
	}
	if r.properties == nil {
		return map[string]any{}, nil
	}
	v, err := b.eval(r.properties, look)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, malformed("[/Resources/%s/Properties] 'Properties' must be an object.", id)
	}
	return m, nil
}

// Metadata evaluates a resource's metadata, as the scripts on an instance are
// given them (CloudFormation user guide, "AWS::CloudFormation::Init"): functions
// are what they come to, all else is as it stands. It is nil if there are none.
func (b *Bound) Metadata(id string, look Lookup) (any, error) {
	r, _ := b.Find(id)
	return b.told(r.metadata, look)
}

func (b *Bound) told(n *Node, look Lookup) (any, error) {
	if _, _, call := n.call(); call {
		v, err := b.eval(n, look)
		return natural(v), err
	}
	if n == nil || n.Kind != Map && n.Kind != List {
		return n.plain(), nil
	}
	fields, items := map[string]any{}, []any{}
	for i, it := range n.Items {
		v, err := b.told(it, look)
		if err != nil {
			return nil, err
		}
		if _, none := v.(noValue); none {
			continue
		}
		if items = append(items, v); n.Kind == Map {
			fields[n.Keys[i]] = v
		}
	}
	if n.Kind == Map {
		return fields, nil
	}
	return items, nil
}

// natural has numbers and booleans where a function left them as they stood.
func natural(v any) any {
	switch v := v.(type) {
	case Scalar:
		return v.Natural()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = natural(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = natural(v[k])
		}
		return out
	default:
		return v
	}
}

// OutputValue is an output that was evaluated.
type OutputValue struct {
	ID, Value, Description, Export string
}

// OutputValues evaluates the outputs whose conditions hold.
func (b *Bound) OutputValues(look Lookup) ([]OutputValue, error) {
	var out []OutputValue
	for _, o := range b.Outputs {
		if o.Condition != "" && !b.conditions[o.Condition] {
			continue
		}
		v, err := b.eval(o.value, look)
		if err != nil {
			return nil, err
		}
		s, ok := Flat(v)
		if _, unknown := v.(Unknown); !ok && !unknown {
			return nil, malformed("Output %s is malformed. The Value field of every Outputs member must evaluate to a String.", o.ID)
		}
		ov := OutputValue{ID: o.ID, Value: s, Description: o.Description}
		if o.export != nil {
			e, err := b.eval(o.export, look)
			if err != nil {
				return nil, err
			}
			if ov.Export, ok = Flat(e); !ok || ov.Export == "" {
				return nil, malformed("Output %s is malformed. The Name field of Export must not be null or empty.", o.ID)
			}
		}
		out = append(out, ov)
	}
	return out, nil
}
