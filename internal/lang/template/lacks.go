package template

import (
	_ "embed" // the names of AWS's types
	"fmt"
	"slices"
	"strings"
	"sync"
)

// lack is something that CloudFormation has, a template needs and Berth does
// not build.
type lack struct {
	what string   // "the resource type AWS::SQS::Queue"
	of   []string // the logical ids that need it
}

// lacks gathers lacks, each once, in the order in which they were met.
type lacks []lack

func (ls *lacks) add(of, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	i := slices.IndexFunc(*ls, func(l lack) bool { return l.what == what })
	if i < 0 {
		*ls = append(*ls, lack{what: what})
		i = len(*ls) - 1
	}
	if of != "" && !slices.Contains((*ls)[i].of, of) {
		(*ls)[i].of = append((*ls)[i].of, of)
	}
}

// err is one answer with all that is lacking, or nil.
func (ls lacks) err() error {
	if len(ls) == 0 {
		return nil
	}
	return malformed("the template needs what is not built in Berth:\n%s", ls)
}

// String has a line a lack; of more than fifty it tells the number.
func (ls lacks) String() string {
	const most = 50
	var lines []string
	for _, l := range ls[:min(len(ls), most)] {
		line := "- " + l.what
		if len(l.of) > 0 {
			line += " (" + strings.Join(l.of, ", ") + ")"
		}
		lines = append(lines, line)
	}
	if len(ls) > most {
		lines = append(lines, fmt.Sprintf("- and %d more", len(ls)-most))
	}
	return strings.Join(lines, "\n")
}

// Built refuses, in one answer, all that the template will certainly need,
// whatever its parameters, and that is not built; and, as CloudFormation does,
// types that do not exist.
func (t *Template) Built() error {
	ls := slices.Clone(t.lacks)
	var unknown []string
	for _, r := range t.Resources {
		switch {
		case !t.real(r.Type):
			unknown = append(unknown, r.Type)
		case r.Condition == "":
			ls.ofResource(r, certain(r.properties))
			ls.ofFunctions(r)
		}
	}
	if len(unknown) == 0 {
		return ls.err()
	}
	slices.Sort(unknown)
	text := "Unrecognized resource types: [" + strings.Join(slices.Compact(unknown), ", ") + "]"
	if len(ls) > 0 {
		text += "\nThe template also needs what is not built in Berth:\n" + ls.String()
	}
	return malformed("%s", text)
}

// unbuilt refuses, in one answer, all that the active resources need and that
// is not built. props are their properties, in the order of the resources.
func (b *Bound) unbuilt(props []map[string]any) error {
	ls := slices.Clone(b.lacks)
	for i, r := range b.active {
		ls.ofResource(r, props[i])
	}
	return ls.err()
}

// ofResource adds what a resource with such properties needs.
func (ls *lacks) ofResource(r Resource, props map[string]any) {
	for _, p := range r.unbuilt {
		ls.add(r.ID, "%s of %s", p, r.Type)
	}
	t, ok := TypeOf(r.Type)
	if !ok {
		ls.add(r.ID, "the resource type %s", r.Type)
		return
	}
	for _, path := range t.lacking(props) {
		ls.add(r.ID, "the property %s of %s", path, r.Type)
	}
}

// ofFunctions adds the functions that a resource calls in every case.
func (ls *lacks) ofFunctions(r Resource) {
	r.properties.walk(func(n *Node) bool {
		name, _, ok := n.call()
		switch {
		case ok && name == "Fn::If":
			return false
		case ok && name == "Fn::Transform":
			ls.add(r.ID, "Fn::Transform")
			return false
		case n.Kind == Text && strings.Contains(n.Text, resolving) && !strings.Contains(n.Text, resolving+"ssm:"+publicNames):
			if lacking := unresolved(n.Text); lacking != "" {
				ls.add(r.ID, "the dynamic reference %s", lacking)
			}
		}
		return true
	})
}

// lacking lists, as dotted paths, the properties that the type has and that
// are not built.
func (t *Type) lacking(props map[string]any) []string {
	var paths []string
	for name := range props {
		if t.Properties[name] != nil && !t.built[name] && !slices.Contains(t.ReadOnly, name) {
			paths = append(paths, name)
		}
	}
	for _, path := range t.refused {
		if has(props, strings.Split(path, ".")) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// certain are the properties that are set in every case: what hangs on a
// condition is left out, and what a function answers is nil.
func certain(n *Node) map[string]any {
	m, _ := settled(n).(map[string]any)
	return m
}

func settled(n *Node) any {
	if _, _, ok := n.call(); ok || n == nil {
		return nil
	}
	switch n.Kind {
	case Map:
		out := make(map[string]any, len(n.Keys))
		for i, k := range n.Keys {
			if !perhaps(n.Items[i]) {
				out[k] = settled(n.Items[i])
			}
		}
		return out
	case List:
		out := make([]any, len(n.Items))
		for i, it := range n.Items {
			out[i] = settled(it)
		}
		return out
	default:
		return n.Text
	}
}

// perhaps reports whether a value may come to nothing.
func perhaps(n *Node) bool {
	name, arg, ok := n.call()
	return ok && (name == "Fn::If" || name == "Ref" && arg.Text == "AWS::NoValue")
}

// real reports whether CloudFormation has a resource type: those of its
// registry, custom resources, and what the transform makes of its own.
func (t *Template) real(name string) bool {
	if _, ok := TypeOf(name); ok {
		return true
	}
	if strings.HasPrefix(name, "AWS::Serverless::") {
		return slices.Contains(t.Transforms, serverless)
	}
	_, ok := slices.BinarySearch(awsResourceTypes(), name)
	return ok
}

// serverless is the transform with resource types and a section of its own.
const serverless = "AWS::Serverless-2016-10-31"

//go:embed names.txt.gz
var namesFile []byte

// awsResourceTypes are the names of all resource types that CloudFormation has
// anywhere, sorted. Where they come from: internal/gen/cfntypes.
var awsResourceTypes = sync.OnceValue(func() []string {
	raw, err := unpack(namesFile)
	if err != nil {
		panic("template: the embedded names of resource types cannot be read: " + err.Error())
	}
	return strings.Fields(string(raw))
})
