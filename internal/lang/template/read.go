package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds how deep a body may nest.
const maxDepth = 200

// read turns a body into nodes: JSON if it begins with a brace, else YAML.
func read(body string) (*Node, error) {
	if strings.HasPrefix(strings.TrimLeft(body, " \t\r\n\ufeff"), "{") {
		n, err := readJSON(body)
		if err == nil {
			return n, nil
		}
		// A flow mapping with short forms is YAML that begins with a brace.
		if y, yerr := readYAML(body); yerr == nil {
			return y, nil
		}
		return nil, err
	}
	return readYAML(body)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line \d+: )?`)

// yamlPlace is where a body stops being YAML. The reader tells the line where
// the block began that it could not end; what is wrong is the first line with
// which its complaint comes up.
func yamlPlace(body string, complaint error) (line, col int) {
	text := func(err error) string {
		if err == nil {
			return ""
		}
		return yamlLine.ReplaceAllString(err.Error(), "")
	}
	lines := strings.SplitAfter(body, "\n")
	n := sort.Search(len(lines), func(n int) bool {
		return text(yaml.Unmarshal([]byte(strings.Join(lines[:n+1], "")), new(yaml.Node))) == text(complaint)
	})
	n = min(n, len(lines)-1)
	return n + 1, len(lines[n]) - len(strings.TrimLeft(lines[n], " ")) + 1
}

func readYAML(body string) (*Node, error) {
	var doc yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(body))
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, malformed("unsupported structure.")
		}
		line, col := yamlPlace(body, err)
		return nil, malformed("YAML not well-formed. (line %d, column %d)", line, col)
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, malformed("YAML not well-formed. (line %d, column 1)", max(more.Line, 1))
	}
	if len(doc.Content) != 1 {
		return nil, malformed("unsupported structure.")
	}
	return fromYAML(doc.Content[0], 0)
}

func fromYAML(y *yaml.Node, depth int) (*Node, error) {
	if depth > maxDepth {
		return nil, malformed("the template nests deeper than %d levels. (line %d, column %d)", maxDepth, y.Line, y.Column)
	}
	if y.Kind == yaml.AliasNode || y.Anchor != "" {
		return nil, broken("YAML aliases are not allowed in CloudFormation templates")
	}
	n := &Node{Line: y.Line, Col: y.Column}
	if err := fillYAML(n, y, depth); err != nil {
		return nil, err
	}
	return shortForm(n, y)
}

func fillYAML(n *Node, y *yaml.Node, depth int) error {
	switch y.Kind {
	case yaml.SequenceNode:
		n.Kind = List
		for _, c := range y.Content {
			it, err := fromYAML(c, depth+1)
			if err != nil {
				return err
			}
			n.Items = append(n.Items, it)
		}
	case yaml.MappingNode:
		n.Kind = Map
		for i := 0; i+1 < len(y.Content); i += 2 {
			k := y.Content[i]
			if k.Kind != yaml.ScalarNode || k.Anchor != "" {
				return malformed("YAML not well-formed. (line %d, column %d)", k.Line, k.Column)
			}
			v, err := fromYAML(y.Content[i+1], depth+1)
			if err != nil {
				return err
			}
			n.set(k.Value, v)
		}
	default:
		fillScalar(n, y)
	}
	return nil
}

// fillScalar keeps the text: CloudFormation knows no dates, no octal numbers
// and no sexagesimal ones where a string is wanted.
func fillScalar(n *Node, y *yaml.Node) {
	bare := y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	tagged := strings.HasPrefix(y.Tag, "!") && !strings.HasPrefix(y.Tag, "!!")
	if bare && !tagged && y.Tag == "!!null" {
		n.Kind = Null
		return
	}
	n.Kind, n.Text = Text, y.Value
	n.Plain = bare && !tagged && y.Style&yaml.TaggedStyle == 0 && looksPlain(y.Value)
}

// shortForm turns !Sub and its like into the long form.
func shortForm(n *Node, y *yaml.Node) (*Node, error) {
	tag := y.Tag
	if !strings.HasPrefix(tag, "!") || strings.HasPrefix(tag, "!!") || tag == "!" {
		if tag == "!!binary" {
			return nil, malformed("YAML tag !!binary is not supported. (%s)", n.where())
		}
		return n, nil
	}
	name := tag[1:]
	switch name {
	case "Ref", "Condition":
		return mapping(name, n), nil
	case "GetAtt":
		return mapping("Fn::GetAtt", n), nil
	}
	if !known["Fn::"+name] {
		return nil, malformed("YAML tag %s is not supported. (%s)", tag, n.where())
	}
	return mapping("Fn::"+name, n), nil
}

func readJSON(body string) (*Node, error) {
	r := &jsonReader{body: body, dec: json.NewDecoder(strings.NewReader(body))}
	r.dec.UseNumber()
	n, err := r.value(0)
	if err == nil {
		if _, e := r.dec.Token(); !errors.Is(e, io.EOF) {
			err = errors.New("trailing data")
		}
	}
	if err != nil {
		line, col := r.place()
		return nil, malformed("JSON not well-formed. (line %d, column %d)", line, col)
	}
	return n, nil
}

type jsonReader struct {
	body string
	dec  *json.Decoder
}

func (r *jsonReader) place() (line, col int) {
	at := min(int(r.dec.InputOffset()), len(r.body))
	before := r.body[:at]
	return strings.Count(before, "\n") + 1, at - strings.LastIndexByte(before, '\n')
}

func (r *jsonReader) value(depth int) (*Node, error) {
	if depth > maxDepth {
		return nil, errors.New("too deep")
	}
	tok, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	n := &Node{Kind: Text}
	n.Line, n.Col = r.place()
	switch t := tok.(type) {
	case nil:
		n.Kind = Null
	case string:
		n.Text = t
	case json.Number:
		n.Text, n.Plain = t.String(), true
	case bool:
		n.Text, n.Plain = strconv.FormatBool(t), true
	case json.Delim:
		return n, r.compound(n, t, depth)
	}
	return n, nil
}

func (r *jsonReader) compound(n *Node, open json.Delim, depth int) error {
	n.Kind = List
	if open == '{' {
		n.Kind = Map
	}
	for r.dec.More() {
		key := ""
		if n.Kind == Map {
			tok, err := r.dec.Token()
			if err != nil {
				return err
			}
			key, _ = tok.(string)
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		if n.Kind == Map {
			n.set(key, v)
		} else {
			n.Items = append(n.Items, v)
		}
	}
	_, err := r.dec.Token()
	return err
}

// canonical is a value as JSON with sorted keys, to compare values by.
func canonical(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}
