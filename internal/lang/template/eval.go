package template

import (
	"slices"
	"strings"
)

// noValue is AWS::NoValue: what holds it is left out.
type noValue struct{}

// known are the functions, by their long names.
var known = map[string]bool{
	"Fn::Base64": true, "Fn::GetAtt": true, "Fn::GetAZs": true, "Fn::ImportValue": true, "Fn::Join": true, "Fn::Split": true,
	"Fn::FindInMap": true, "Fn::Select": true, "Fn::If": true, "Fn::Sub": true, "Fn::Cidr": true, "Fn::Length": true,
	"Fn::ToJsonString": true, "Fn::And": true, "Fn::Or": true, "Fn::Not": true, "Fn::Equals": true, "Fn::Transform": true,
	"Fn::Contains": true, "Fn::EachMemberEquals": true, "Fn::EachMemberIn": true, "Fn::RefAll": true, "Fn::ValueOf": true,
	"Fn::ValueOfAll": true,
	"Fn::ForEach":    true,
}

const supported = "Supported functions are: [Fn::Base64, Fn::GetAtt, Fn::GetAZs, Fn::ImportValue, Fn::Join, Fn::Split, Fn::FindInMap, " +
	"Fn::Select, Ref, " +
	"Fn::Equals, Fn::If, Fn::Not, Condition, Fn::And, Fn::Or, Fn::Contains, Fn::EachMemberEquals, Fn::EachMemberIn, Fn::Sub, Fn::Cidr]"

func unsupported(name string) error {
	return broken("Encountered unsupported function: %s %s", name, supported)
}

// eval evaluates a node to string, Scalar, []any, map[string]any, Unknown or
// noValue (only at the top).
func (b *Bound) eval(n *Node, look Lookup) (any, error) {
	if name, arg, ok := n.call(); ok {
		return b.apply(name, arg, look)
	}
	switch n.Kind {
	case Text:
		if n.Plain {
			return Scalar(n.Text), nil
		}
		return b.in.dynamic(n.Text)
	case List:
		return b.list(n, look)
	case Map:
		return b.fields(n, look)
	default:
		return nil, malformed("[%s] 'null' values are not allowed in templates", n.where())
	}
}

func (b *Bound) list(n *Node, look Lookup) (any, error) {
	out := make([]any, 0, len(n.Items))
	for _, it := range n.Items {
		v, err := b.eval(it, look)
		if err != nil {
			return nil, err
		}
		if _, none := v.(noValue); !none {
			out = append(out, v)
		}
	}
	return out, nil
}

func (b *Bound) fields(n *Node, look Lookup) (any, error) {
	out := make(map[string]any, len(n.Keys))
	for i, k := range n.Keys {
		if strings.HasPrefix(k, "Fn::") {
			return nil, broken("%s may not stand beside other keys. (%s)", k, n.where())
		}
		v, err := b.eval(n.Items[i], look)
		if err != nil {
			return nil, err
		}
		if _, none := v.(noValue); !none {
			out[k] = v
		}
	}
	return out, nil
}

func (b *Bound) apply(name string, arg *Node, look Lookup) (any, error) {
	switch name {
	case "Ref":
		return b.ref(arg, look)
	case "Fn::GetAtt":
		return b.getAtt(arg, look)
	case "Fn::Sub":
		return b.sub(arg, look)
	case "Fn::Join":
		return b.join(arg, look)
	case "Fn::Select":
		return b.choose(arg, look)
	case "Fn::Split":
		return b.split(arg, look)
	case "Fn::FindInMap":
		return b.findInMap(arg, look)
	case "Fn::GetAZs":
		return b.zones(arg, look)
	case "Fn::Cidr":
		return b.cidr(arg, look)
	case "Fn::Base64":
		return b.base64(arg, look)
	case "Fn::ImportValue":
		return b.importValue(arg, look)
	case "Fn::If":
		return b.choice(arg, look)
	case "Fn::Length", "Fn::ToJsonString":
		if !b.extended {
			return nil, unsupported(name)
		}
		if name == "Fn::Length" {
			return b.length(arg, look)
		}
		return b.toJSON(arg, look)
	case "Fn::Transform":
		return nil, broken("Fn::Transform is not built in Berth")
	case "Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals":
		return nil, broken("%s can only be used in the Conditions and Rules blocks or as the condition of Fn::If", name)
	default:
		return nil, unsupported(name)
	}
}

// pseudo answers the pseudo parameters.
func (b *Bound) pseudo(name string) (any, bool) {
	switch name {
	case "AWS::AccountId":
		return b.in.Place.Account, true
	case "AWS::Region":
		return b.in.Place.Region, true
	case "AWS::Partition":
		return b.in.Place.Partition, true
	case "AWS::URLSuffix":
		return b.in.Place.URLSuffix, true
	case "AWS::StackName":
		return b.in.StackName, true
	case "AWS::StackId":
		return b.in.StackID, true
	case "AWS::NoValue":
		return noValue{}, true
	case "AWS::NotificationARNs":
		out := []any{}
		for _, a := range b.in.NotificationARNs {
			out = append(out, a)
		}
		return out, true
	default:
		return nil, false
	}
}

func (b *Bound) ref(arg *Node, look Lookup) (any, error) {
	name, ok := arg.string()
	if !ok {
		return nil, malformed("Every Ref object must have a single String value.")
	}
	return b.named(name, look)
}

func (b *Bound) named(name string, look Lookup) (any, error) {
	if v, ok := b.pseudo(name); ok {
		return v, nil
	}
	if v, ok := b.values[name]; ok {
		return v, nil
	}
	if look == nil {
		return nil, malformed("Unresolved dependencies [%s]. Cannot reference resources in the Conditions block of the template", name)
	}
	if _, ok := b.Find(name); !ok {
		return nil, malformed("Unresolved resource dependencies [%s] in the Resources block of the template", name)
	}
	if v, ok := look(name, ""); ok {
		return v, nil
	}
	return Unknown{Of: []string{name}, Attributes: []string{name}}, nil
}

// attParts splits both forms of Fn::GetAtt's argument.
func attParts(arg *Node) (id string, attribute *Node, ok bool) {
	if s, plain := arg.string(); plain {
		id, att, dotted := strings.Cut(s, ".")
		return id, text(att), dotted && att != "" && id != ""
	}
	if arg == nil || arg.Kind != List || len(arg.Items) < 2 {
		return "", nil, false
	}
	id, ok = arg.Items[0].string()
	if len(arg.Items) == 2 {
		return id, arg.Items[1], ok
	}
	rest := make([]string, 0, len(arg.Items)-1)
	for _, it := range arg.Items[1:] {
		s, isText := it.string()
		ok = ok && isText
		rest = append(rest, s)
	}
	return id, text(strings.Join(rest, ".")), ok
}

func (b *Bound) getAtt(arg *Node, look Lookup) (any, error) {
	id, att, ok := attParts(arg)
	if !ok {
		return nil, broken("every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
	}
	v, err := b.eval(att, look)
	if err != nil {
		return nil, err
	}
	name, ok := Flat(v)
	if !ok {
		return nil, broken("every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
	}
	return b.attribute(id, name, look)
}

func (b *Bound) attribute(id, name string, look Lookup) (any, error) {
	if look == nil {
		return nil, malformed("Unresolved dependencies [%s]. Cannot reference resources in the Conditions block of the template", id)
	}
	r, ok := b.Find(id)
	if !ok {
		return nil, broken("instance of Fn::GetAtt references undefined resource %s", id)
	}
	if t, known := TypeOf(r.Type); known && !t.HasAttribute(name) {
		return nil, broken("resource %s does not support attribute type %s in Fn::GetAtt", id, name)
	}
	if v, ok := look(id, name); ok {
		return v, nil
	}
	return Unknown{Of: []string{id}, Attributes: []string{id + "." + name}}, nil
}

// merge joins what values are unknown of.
func merge(a, b Unknown) Unknown {
	u := Unknown{Of: slices.Concat(a.Of, b.Of), Attributes: slices.Concat(a.Attributes, b.Attributes)}
	slices.Sort(u.Of)
	slices.Sort(u.Attributes)
	u.Of, u.Attributes = slices.Compact(u.Of), slices.Compact(u.Attributes)
	return u
}

// UnknownIn gathers the Unknowns in a value; ok is false if there is none.
func UnknownIn(v any) (u Unknown, ok bool) {
	switch v := v.(type) {
	case Unknown:
		return v, true
	case []any:
		for _, it := range v {
			if w, found := UnknownIn(it); found {
				u, ok = merge(u, w), true
			}
		}
	case map[string]any:
		for _, it := range v {
			if w, found := UnknownIn(it); found {
				u, ok = merge(u, w), true
			}
		}
	}
	return u, ok
}
