package template

import (
	"encoding/base64"
	"strconv"
	"strings"
)

const (
	joinText = "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a " +
		"function that returns a list of strings (such as Fn::GetAZs) to be joined."
	selectText = "every Fn::Select object requires two parameters, (1) a non-negative integer index and (2) a list of values or a function " +
		"that returns a list"
	splitText = "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that " +
		"returns a string to be split."
	mapText = "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value"
	ifText  = "Fn::If requires a list argument with three parameters: a condition name, a value if true and a value if false"
)

// pair evaluates a list of two arguments.
func (b *Bound) pair(arg *Node, look Lookup, complaint string) (first, second any, err error) {
	if arg.Kind != List || len(arg.Items) != 2 {
		return nil, nil, broken("%s", complaint)
	}
	if first, err = b.eval(arg.Items[0], look); err != nil {
		return nil, nil, err
	}
	second, err = b.eval(arg.Items[1], look)
	return first, second, err
}

func (b *Bound) join(arg *Node, look Lookup) (any, error) {
	d, l, err := b.pair(arg, look, joinText)
	if err != nil {
		return nil, err
	}
	delimiter, ok := Flat(d)
	if _, unknown := d.(Unknown); !ok && !unknown {
		return nil, broken("%s", joinText)
	}
	if u, ok := UnknownIn([]any{d, l}); ok {
		return u, nil
	}
	items, ok := l.([]any)
	if !ok {
		return nil, broken("%s", joinText)
	}
	parts := make([]string, len(items))
	for i, it := range items {
		if parts[i], ok = Flat(it); !ok {
			return nil, broken("%s", joinText)
		}
	}
	return strings.Join(parts, delimiter), nil
}

func (b *Bound) choose(arg *Node, look Lookup) (any, error) {
	i, l, err := b.pair(arg, look, selectText)
	if err != nil {
		return nil, err
	}
	if u, ok := i.(Unknown); ok {
		return u, nil
	}
	if u, ok := l.(Unknown); ok {
		return u, nil
	}
	s, _ := Flat(i)
	index, err := strconv.Atoi(s)
	items, ok := l.([]any)
	if err != nil || index < 0 || !ok {
		return nil, broken("%s", selectText)
	}
	if index >= len(items) {
		return nil, broken("Fn::Select cannot select nonexistent value at index %d", index)
	}
	return items[index], nil
}

func (b *Bound) split(arg *Node, look Lookup) (any, error) {
	d, s, err := b.pair(arg, look, splitText)
	if err != nil {
		return nil, err
	}
	if u, ok := UnknownIn([]any{d, s}); ok {
		return u, nil
	}
	delimiter, ok1 := Flat(d)
	source, ok2 := Flat(s)
	if !ok1 || !ok2 || delimiter == "" {
		return nil, broken("%s", splitText)
	}
	out := []any{}
	for _, p := range strings.Split(source, delimiter) {
		out = append(out, p)
	}
	return out, nil
}

func (b *Bound) findInMap(arg *Node, look Lookup) (any, error) {
	if arg.Kind != List || len(arg.Items) < 3 || len(arg.Items) > 4 {
		return nil, broken("%s", mapText)
	}
	var fallback *Node
	if len(arg.Items) == 4 {
		if fallback = arg.Items[3].Get("DefaultValue"); fallback == nil || !b.extended {
			return nil, broken("%s", mapText)
		}
	}
	var keys [3]string
	for i := range keys {
		v, err := b.eval(arg.Items[i], nil)
		if err != nil {
			return nil, err
		}
		s, ok := Flat(v)
		if !ok {
			return nil, broken("%s", mapText)
		}
		keys[i] = s
	}
	m, ok := b.mappings[keys[0]]
	if !ok && fallback == nil {
		return nil, broken("Mapping named '%s' is not present in the 'Mappings' section of template.", keys[0])
	}
	if v := m.Get(keys[1]).Get(keys[2]); v != nil {
		return b.eval(v, nil)
	}
	if fallback != nil {
		return b.eval(fallback, look)
	}
	return nil, broken("Unable to get mapping for %s::%s::%s", keys[0], keys[1], keys[2])
}

func (b *Bound) zones(arg *Node, look Lookup) (any, error) {
	v, err := b.eval(arg, look)
	if err != nil {
		return nil, err
	}
	region, ok := Flat(v)
	if !ok {
		return nil, broken("every Fn::GetAZs object requires a string parameter: the name of a Region")
	}
	if region != "" && region != b.in.Place.Region {
		return nil, broken("Fn::GetAZs of %s: this server stands in %s only", region, b.in.Place.Region)
	}
	out := []any{}
	for _, z := range b.in.Place.Zones {
		out = append(out, z)
	}
	return out, nil
}

func (b *Bound) base64(arg *Node, look Lookup) (any, error) {
	v, err := b.eval(arg, look)
	if err != nil {
		return nil, err
	}
	if u, ok := UnknownIn(v); ok {
		return u, nil
	}
	s, ok := Flat(v)
	if !ok {
		return nil, broken("every Fn::Base64 object must have a String-typed value.")
	}
	return base64.StdEncoding.EncodeToString([]byte(s)), nil
}

func (b *Bound) importValue(arg *Node, look Lookup) (any, error) {
	v, err := b.eval(arg, look)
	if err != nil {
		return nil, err
	}
	if u, ok := UnknownIn(v); ok {
		return nil, broken(
			"the attribute in Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs (%s)", strings.Join(u.Of, ", "),
		)
	}
	name, ok := Flat(v)
	if !ok {
		return nil, broken("the attribute in Fn::ImportValue must be a string or a function that returns a string")
	}
	if b.in.Import == nil {
		return Unknown{Attributes: []string{"export " + name}}, nil
	}
	if s, ok := b.in.Import(name); ok {
		return s, nil
	}
	return nil, invalid("No export named %s found.", name)
}

func (b *Bound) choice(arg *Node, look Lookup) (any, error) {
	if arg.Kind != List || len(arg.Items) != 3 {
		return nil, broken("%s", ifText)
	}
	yes, err := b.ifCondition(arg.Items[0])
	if err != nil {
		return nil, err
	}
	if yes {
		return b.eval(arg.Items[1], look)
	}
	return b.eval(arg.Items[2], look)
}

func (b *Bound) ifCondition(n *Node) (bool, error) {
	if name, ok := n.string(); ok {
		v, ok := b.conditions[name]
		if !ok {
			return false, broken("instance of Fn::If references undefined condition %s", name)
		}
		return v, nil
	}
	return b.truth(n, nil)
}
