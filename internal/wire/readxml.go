package wire

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// element is an XML element: its children in order, or its text.
type element struct {
	name string
	text strings.Builder
	kids []*element
}

// readXML reads a body into elements. It reads no entity but XML's own five,
// and bounds the depth.
func readXML(body []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	top := &element{}
	stack := []*element{top}
	for values := 0; ; values++ {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		at := stack[len(stack)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth || values > maxValues {
				return nil, errors.New("the body is nested too deeply or has too many values")
			}
			e := &element{name: t.Name.Local}
			at.kids = append(at.kids, e)
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			at.text.Write(t)
		}
	}
	if len(top.kids) != 1 {
		return nil, errors.New("the body is not one XML element")
	}
	return top.kids[0], nil
}

func (e *element) all(name string) []*element {
	var out []*element
	for _, k := range e.kids {
		if k.name == name {
			out = append(out, k)
		}
	}
	return out
}

// shaped turns an element into the tree that fill takes, by the shape it is
// for. Elements that the shape does not have keep their names, so that fill
// finds them unknown.
func (e *element) shaped(s *Shape) any {
	switch s.Kind {
	case Structure:
		out := map[string]any{}
		for _, k := range e.kids {
			if out[k.name] == nil {
				out[k.name] = k.text.String()
			}
		}
		for i := range s.Members {
			m := &s.Members[i]
			name := cmp.Or(m.Wire, m.Name)
			if found := e.all(name); len(found) > 0 {
				out[name] = shapedMember(m, found)
			}
		}
		return out
	case List:
		out := []any{}
		for _, k := range e.all(cmp.Or(s.Elem.Wire, "member")) {
			out = append(out, k.shaped(s.Elem.Shape))
		}
		return out
	case Map:
		return entriesOf(s, e.all("entry"))
	default:
		return e.text.String()
	}
}

func shapedMember(m *Member, found []*element) any {
	flat := m.Flattened || m.Shape.Flattened
	switch {
	case flat && m.Shape.Kind == List:
		out := []any{}
		for _, k := range found {
			out = append(out, k.shaped(m.Shape.Elem.Shape))
		}
		return out
	case flat && m.Shape.Kind == Map:
		return entriesOf(m.Shape, found)
	default:
		return found[0].shaped(m.Shape)
	}
}

func entriesOf(s *Shape, entries []*element) map[string]any {
	out := map[string]any{}
	for _, e := range entries {
		k, v := e.all(cmp.Or(s.Key.Wire, "key")), e.all(cmp.Or(s.Value.Wire, "value"))
		if len(k) > 0 && len(v) > 0 {
			out[k[0].text.String()] = v[0].shaped(s.Value.Shape)
		}
	}
	return out
}
