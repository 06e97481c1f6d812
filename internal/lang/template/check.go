package template

import (
	"slices"
	"strings"
)

// checker finds what is wrong in every branch, whichever way conditions fall.
type checker struct {
	t         *Template
	resources map[string]string // logical id to type
	names     map[string]bool   // parameters and resources
}

// check holds every reference of the template against what it declares.
func (t *Template) check() error {
	c := &checker{t: t, resources: map[string]string{}, names: map[string]bool{}}
	for _, p := range t.Parameters {
		c.names[p.Name] = true
	}
	for _, r := range t.Resources {
		if c.names[r.ID] {
			return malformed("Duplicate name %s: parameters and resources share their names", r.ID)
		}
		c.resources[r.ID] = r.Type
	}
	for _, r := range t.Resources {
		c.names[r.ID] = true
	}
	if err := c.checkResources(); err != nil {
		return err
	}
	return c.checkRest()
}

func (c *checker) checkResources() error {
	var unresolved []string
	for _, r := range c.t.Resources {
		for _, d := range r.DependsOn {
			if c.resources[d] == "" && !slices.Contains(unresolved, d) {
				unresolved = append(unresolved, d)
			}
		}
		for _, n := range []*Node{r.properties, r.metadata} {
			missing, err := c.node(n)
			if err != nil {
				return err
			}
			for _, m := range missing {
				if !slices.Contains(unresolved, m) {
					unresolved = append(unresolved, m)
				}
			}
		}
		if r.Condition != "" && !c.condition(r.Condition) {
			return malformed("Unresolved condition dependency %s in the Resources block of the template", r.Condition)
		}
	}
	if len(unresolved) > 0 {
		return malformed("Unresolved resource dependencies [%s] in the Resources block of the template", strings.Join(unresolved, ", "))
	}
	return nil
}

func (c *checker) checkRest() error {
	for _, k := range c.t.conditions {
		missing, err := c.node(k.node)
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			return malformed(
				"Unresolved dependencies [%s]. Cannot reference resources in the Conditions block of the template", strings.Join(missing, ", "),
			)
		}
	}
	for _, o := range c.t.Outputs {
		for _, n := range []*Node{o.value, o.export} {
			missing, err := c.node(n)
			if err != nil {
				return err
			}
			if len(missing) > 0 {
				return malformed("Unresolved resource dependencies [%s] in the Outputs block of the template", strings.Join(missing, ", "))
			}
		}
		if o.Condition != "" && !c.condition(o.Condition) {
			return malformed("Unresolved condition dependency %s in the Outputs block of the template", o.Condition)
		}
	}
	return nil
}

func (c *checker) condition(name string) bool {
	return slices.ContainsFunc(c.t.conditions, func(n named) bool { return n.name == name })
}

// node returns the names below n that nothing declares.
func (c *checker) node(n *Node) (missing []string, err error) {
	n.walk(func(m *Node) bool {
		name, arg, ok := m.call()
		if !ok || err != nil {
			return err == nil
		}
		var some []string
		some, err = c.call(name, arg)
		missing = append(missing, some...)
		return err == nil
	})
	return missing, err
}

func (c *checker) call(name string, arg *Node) ([]string, error) {
	switch name {
	case "Ref":
		s, ok := arg.string()
		if !ok {
			return nil, malformed("Every Ref object must have a single String value.")
		}
		return c.declared(s), nil
	case "Fn::GetAtt":
		return nil, c.getAtt(arg)
	case "Fn::Sub":
		return c.sub(arg)
	case "Fn::If":
		if arg.Kind == List && len(arg.Items) == 3 {
			if s, ok := arg.Items[0].string(); ok && !c.condition(s) {
				return nil, malformed("Unresolved condition dependency %s in the Resources block of the template", s)
			}
		}
	default:
		if !known[name] {
			return nil, unsupported(name)
		}
	}
	return nil, nil
}

func (c *checker) declared(name string) []string {
	if c.names[name] || pseudoNames[name] {
		return nil
	}
	return []string{name}
}

var pseudoNames = map[string]bool{
	"AWS::AccountId": true, "AWS::Region": true, "AWS::Partition": true, "AWS::URLSuffix": true,
	"AWS::StackName": true, "AWS::StackId": true, "AWS::NoValue": true, "AWS::NotificationARNs": true,
}

func (c *checker) getAtt(arg *Node) error {
	id, att, ok := attParts(arg)
	if !ok {
		return broken("every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
	}
	return c.attribute(id, att)
}

func (c *checker) attribute(id string, att *Node) error {
	kind, ok := c.resources[id]
	if !ok {
		return broken("instance of Fn::GetAtt references undefined resource %s", id)
	}
	name, plain := att.string()
	if t, known := TypeOf(kind); known && plain && !t.HasAttribute(name) {
		return broken("resource %s does not support attribute type %s in Fn::GetAtt", id, name)
	}
	return nil
}

func (c *checker) sub(arg *Node) ([]string, error) {
	body, vars, err := subParts(arg)
	if err != nil {
		return nil, err
	}
	names, err := subNames(body)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range names {
		if vars.Get(name) != nil {
			continue
		}
		if id, att, dotted := strings.Cut(name, "."); dotted && !strings.HasPrefix(name, "AWS::") {
			if c.resources[id] == "" {
				missing = append(missing, id)
				continue
			}
			if err := c.attribute(id, text(att)); err != nil {
				return nil, err
			}
			continue
		}
		missing = append(missing, c.declared(name)...)
	}
	return missing, nil
}
