package template

import (
	"regexp"
	"strings"
)

const subText = "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an " +
	"optional second argument to specify a mapping of values to replace in the string"

var (
	subVariable = regexp.MustCompile(`\$\{([^!{}][^{}]*)\}`)
	subName     = regexp.MustCompile(`^[A-Za-z0-9_.:]+$`)
	subLiteral  = regexp.MustCompile(`\$\{!([^{}]*)\}`)
)

// subParts reads both forms of Fn::Sub's argument.
func subParts(arg *Node) (body string, vars *Node, err error) {
	if s, ok := arg.string(); ok {
		return s, nil, nil
	}
	if arg.Kind != List || len(arg.Items) == 0 || len(arg.Items) > 2 {
		return "", nil, broken("%s", subText)
	}
	s, ok := arg.Items[0].string()
	if !ok {
		return "", nil, broken("%s", subText)
	}
	if len(arg.Items) == 2 {
		if vars = arg.Items[1]; vars.Kind != Map {
			return "", nil, broken("%s", subText)
		}
	}
	return s, vars, nil
}

// subNames lists the variables of Fn::Sub's text.
func subNames(body string) ([]string, error) {
	var names []string
	for _, m := range subVariable.FindAllStringSubmatch(body, -1) {
		name := strings.TrimSpace(m[1])
		if !subName.MatchString(name) {
			return nil, broken("variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons")
		}
		names = append(names, name)
	}
	return names, nil
}

func (b *Bound) sub(arg *Node, look Lookup) (any, error) {
	body, vars, err := subParts(arg)
	if err != nil {
		return nil, err
	}
	names, err := subNames(body)
	if err != nil {
		return nil, err
	}
	values, unknown := map[string]string{}, Unknown{}
	for _, name := range names {
		v, err := b.variable(name, vars, look)
		if err != nil {
			return nil, err
		}
		if u, ok := UnknownIn(v); ok {
			unknown = merge(unknown, u)
			continue
		}
		s, ok := Flat(v)
		if !ok {
			return nil, broken("Fn::Sub: the value of ${%s} must be a string", name)
		}
		values[name] = s
	}
	if len(unknown.Attributes) > 0 {
		return unknown, nil
	}
	out := subVariable.ReplaceAllStringFunc(body, func(m string) string { return values[strings.TrimSpace(m[2:len(m)-1])] })
	return b.in.dynamic(subLiteral.ReplaceAllString(out, "$${$1}"))
}

func (b *Bound) variable(name string, vars *Node, look Lookup) (any, error) {
	if v := vars.Get(name); v != nil {
		return b.eval(v, look)
	}
	if id, att, dotted := strings.Cut(name, "."); dotted && !strings.HasPrefix(name, "AWS::") {
		return b.attribute(id, att, look)
	}
	return b.named(name, look)
}
