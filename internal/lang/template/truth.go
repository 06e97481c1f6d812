package template

import (
	"slices"
)

// truth evaluates a condition function.
func (b *Bound) truth(n *Node, path []string) (bool, error) {
	if n.Kind == Map && len(n.Keys) == 1 && n.Keys[0] == "Condition" {
		name, ok := n.Items[0].string()
		if !ok {
			return false, malformed("Every Condition member must be a string.")
		}
		return b.condition(name, path)
	}
	name, arg, ok := n.call()
	if !ok {
		if s, plain := n.string(); plain {
			if v, isBool := boolean(s, false); isBool {
				return v, nil
			}
		}
		return false, malformed("Conditions can only be boolean operations on parameters and other conditions. (%s)", n.where())
	}
	switch name {
	case "Fn::Not":
		return b.not(arg, path)
	case "Fn::And", "Fn::Or":
		return b.andOr(name, arg, path)
	case "Fn::Equals":
		return b.equals(arg)
	default:
		return false, malformed("Conditions can only be boolean operations on parameters and other conditions. (%s)", n.where())
	}
}

func (b *Bound) not(arg *Node, path []string) (bool, error) {
	if arg.Kind != List || len(arg.Items) != 1 {
		return false, malformed("Fn::Not requires a list argument with one parameter")
	}
	v, err := b.truth(arg.Items[0], path)
	return !v, err
}

// andOr evaluates every operand, so that a mistake is found whichever way the
// others fall.
func (b *Bound) andOr(name string, arg *Node, path []string) (bool, error) {
	if arg.Kind != List || len(arg.Items) < 2 || len(arg.Items) > 10 {
		return false, malformed("every %s object requires a list of at least 2 and at most 10 boolean parameters.", name)
	}
	all, any := true, false
	for _, it := range arg.Items {
		v, err := b.truth(it, path)
		if err != nil {
			return false, err
		}
		all, any = all && v, any || v
	}
	if name == "Fn::And" {
		return all, nil
	}
	return any, nil
}

func (b *Bound) equals(arg *Node) (bool, error) {
	x, y, err := b.pair(arg, nil, "every Fn::Equals object requires a list of 2 string parameters.")
	if err != nil {
		return false, err
	}
	return comparable(x) == comparable(y), nil
}

// comparable is a value as text to compare by: scalars as strings.
func comparable(v any) string {
	if s, ok := Flat(v); ok {
		return s
	}
	return canonical(Settle(v))
}

// rulesHold checks the assertions of the Rules section.
func (b *Bound) rulesHold() error {
	for _, r := range b.rules {
		if err := b.ruleHolds(r); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bound) ruleHolds(r named) error {
	if c := r.node.Get("RuleCondition"); c != nil {
		applies, err := b.assertion(c)
		if err != nil || !applies {
			return err
		}
	}
	list := r.node.Get("Assertions")
	if list == nil || list.Kind != List {
		return malformed("Rule %s must have a list of Assertions", r.name)
	}
	for _, a := range list.Items {
		test := a.Get("Assert")
		if test == nil {
			return malformed("Every member of Assertions of rule %s must contain an Assert", r.name)
		}
		holds, err := b.assertion(test)
		if err != nil {
			return err
		}
		if !holds {
			why, _ := a.Get("AssertDescription").string()
			return invalid("Template validation error: Rule %s failed to validate: %s", r.name, why)
		}
	}
	return nil
}

func (b *Bound) assertion(n *Node) (bool, error) {
	name, arg, ok := n.call()
	if !ok {
		return b.truth(n, nil)
	}
	switch name {
	case "Fn::Contains", "Fn::EachMemberIn", "Fn::EachMemberEquals":
		return b.membership(name, arg)
	case "Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll":
		return false, malformed("the rule function %s is not built in Berth", name)
	case "Fn::Not":
		if arg.Kind == List && len(arg.Items) == 1 {
			v, err := b.assertion(arg.Items[0])
			return !v, err
		}
	case "Fn::And", "Fn::Or":
		return b.assertAll(name, arg)
	}
	return b.truth(n, nil)
}

func (b *Bound) assertAll(name string, arg *Node) (bool, error) {
	if arg.Kind != List || len(arg.Items) < 2 {
		return false, malformed("every %s object requires a list of at least 2 and at most 10 boolean parameters.", name)
	}
	all, any := true, false
	for _, it := range arg.Items {
		v, err := b.assertion(it)
		if err != nil {
			return false, err
		}
		all, any = all && v, any || v
	}
	if name == "Fn::And" {
		return all, nil
	}
	return any, nil
}

func (b *Bound) membership(name string, arg *Node) (bool, error) {
	x, y, err := b.pair(arg, nil, "every "+name+" object requires two parameters")
	if err != nil {
		return false, err
	}
	items, ok := x.([]any)
	if !ok {
		return false, malformed("every %s object requires a list as its first parameter", name)
	}
	texts := make([]string, len(items))
	for i := range items {
		texts[i] = comparable(items[i])
	}
	switch name {
	case "Fn::Contains":
		return slices.Contains(texts, comparable(y)), nil
	case "Fn::EachMemberEquals":
		want := comparable(y)
		return !slices.ContainsFunc(texts, func(s string) bool { return s != want }), nil
	default:
		in, ok := y.([]any)
		if !ok {
			return false, malformed("every %s object requires two lists", name)
		}
		allowed := make([]string, len(in))
		for i := range in {
			allowed[i] = comparable(in[i])
		}
		return !slices.ContainsFunc(texts, func(s string) bool { return !slices.Contains(allowed, s) }), nil
	}
}
