package front

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"berth/internal/ident"
	"berth/internal/wire"
)

// Finder names a resource by what a call says, where a template cannot: it
// looks a record up, or reads a name that has several forms. It is given the
// values of its members, "" for one that is not set, and returns "" if the
// call is about nothing in particular.
type Finder = func(values ...string) string

// template is how the ARNs of an operation are made.
type template struct {
	parts []part
}

// part is text, or what a call's members say.
type part struct {
	text    string
	members [][]string // paths
	find    Finder     // nil: the member as it is
	whole   bool       // one that is an ARN stands for the whole template
	other   string     // if nothing is set
}

// readResources reads a resources.txt: `Operation: template template …`, one
// operation a line; # begins a comment. A template is an ARN, or what follows
// the ARN's account, with {member} for the value of a member of the input,
// {member|other} for one that may be left out, {member?arn} for one that may
// be a whole ARN itself, and {finder(member,member)} for what the service
// finds by them. A member that is a list makes an ARN for
// each of its elements. An operation without a line is about "*".
func readResources(s *wire.Service, text string, finders map[string]Finder) (map[string]func() ([]template, error), error) {
	out := map[string]func() ([]template, error){}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		op := s.Operation(name)
		if !ok || op == nil || !op.Built() {
			return nil, fmt.Errorf("no operation %q with types", name)
		}
		out[name] = sync.OnceValues(func() ([]template, error) { return readTemplates(op, rest, finders) })
	}
	return out, nil
}

func readTemplates(op *wire.Operation, text string, finders map[string]Finder) ([]template, error) {
	var out []template
	for _, word := range strings.Fields(text) {
		t := template{}
		for word != "" {
			before, rest, found := strings.Cut(word, "{")
			if before != "" {
				t.parts = append(t.parts, part{text: before})
			}
			if !found {
				break
			}
			inside, after, closed := strings.Cut(rest, "}")
			if !closed {
				return nil, fmt.Errorf("resources of %s: no } in %q", op, word)
			}
			p, err := readPart(op, inside, finders)
			if err != nil {
				return nil, err
			}
			t.parts = append(t.parts, p)
			word = after
		}
		out = append(out, t)
	}
	return out, nil
}

// readPart reads what stands between braces.
func readPart(op *wire.Operation, text string, finders map[string]Finder) (part, error) {
	p := part{}
	text, p.other, _ = strings.Cut(text, "|")
	text, p.whole = strings.CutSuffix(text, "?arn")
	if name, args, ok := strings.Cut(strings.TrimSuffix(text, ")"), "("); ok {
		if p.find = finders[name]; p.find == nil {
			return p, fmt.Errorf("resources of %s: no finder %q", op, name)
		}
		text = args
	}
	for member := range strings.SplitSeq(text, ",") {
		path := strings.Split(member, ".")
		if err := known(op.Input(), path); err != nil {
			return p, fmt.Errorf("resources of %s: %w", op, err)
		}
		p.members = append(p.members, path)
	}
	return p, nil
}

// theCaller stands in a resources.txt for the caller's own ARN: what a call is
// about that names nobody.
const theCaller = "@caller"

// resources names the ARNs that a principal's call is about, "*" if it is about
// all.
func (r *served) resources(place ident.Place, who ident.Principal, op *wire.Operation, in any) ([]string, error) {
	var out []string
	if read := r.templates[op.Name]; read != nil {
		templates, err := read()
		if err != nil {
			return nil, err
		}
		for _, t := range templates {
			out = append(out, t.arns(place.ARN(prefix(op.Service), ""), op.Input(), reflect.ValueOf(in).Elem())...)
		}
	}
	if i := slices.Index(out, theCaller); i >= 0 && who.UserName() != "" {
		out[i] = who.ARN
	}
	if len(out) == 0 || slices.Contains(out, theCaller) {
		return []string{"*"}, nil
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// arns are what a template makes of an input: nothing, if a member that it
// needs is not set.
func (t template) arns(head string, s *wire.Shape, in reflect.Value) []string {
	out := []string{""}
	if t.parts[0].text != "" {
		out[0] = head
	}
	for _, p := range t.parts {
		values := []string{p.text}
		if p.text == "" {
			values = p.values(s, in)
		}
		out = joined(out, values, p.whole)
	}
	return out
}

// joined puts each value behind each text. With whole, a value that is an ARN
// stands alone.
func joined(texts, values []string, whole bool) []string {
	var out []string
	for _, text := range texts {
		for _, v := range values {
			if whole && strings.HasPrefix(v, "arn:") {
				text = ""
			}
			out = append(out, text+v)
		}
	}
	return out
}

func (p part) values(s *wire.Shape, in reflect.Value) []string {
	var out []string
	if p.find != nil && len(p.members) > 1 {
		var each []string
		for _, m := range p.members {
			each = append(each, strings.Join(texts(s, in, m), ","))
		}
		out = []string{p.find(each...)}
	} else {
		for _, v := range texts(s, in, p.members[0]) {
			if p.find != nil {
				v = p.find(v)
			}
			out = append(out, v)
		}
	}
	out = slices.DeleteFunc(out, func(v string) bool { return v == "" })
	if len(out) == 0 && p.other != "" {
		return []string{p.other}
	}
	return out
}

// texts are the texts at a path below a shape.
func texts(s *wire.Shape, v reflect.Value, path []string) []string {
	if !isSet(v) {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s.Kind {
	case wire.List:
		var out []string
		for i := range v.Len() {
			out = append(out, texts(s.Elem.Shape, v.Index(i), path)...)
		}
		return out
	case wire.Structure:
		i := slices.IndexFunc(s.Members, func(m wire.Member) bool { return len(path) > 0 && m.Name == path[0] })
		if i < 0 {
			return nil
		}
		return texts(s.Members[i].Shape, v.Field(i), path[1:])
	case wire.String:
		return []string{v.String()}
	default:
		return nil
	}
}
