package wire

import (
	"cmp"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"berth/internal/fault"
)

// rest decodes a REST request: labels, query string, headers and body.
func (f *filler) rest(s *Shape, in any, r *Request) error {
	v := reflect.ValueOf(in).Elem()
	if err := f.restBody(s, v, r.Body); err != nil {
		return err
	}
	known := map[string]bool{}
	loose := *f
	loose.loose = true
	for i := range s.Members {
		m := &s.Members[i]
		var x any
		name := cmp.Or(m.Wire, m.Name)
		switch m.Location {
		case "uri":
			x = one(r.Labels[name])
		case "querystring":
			known[name] = true
			x = several(m.Shape, r.Query[name])
		case "header":
			x = one(r.Header.Get(name))
		case "headers":
			x = prefixed(r.Header, name)
		default:
			continue
		}
		if err := loose.fill(m.Shape, v.Field(i), x, m.Name, cmp.Or(m.times(), either(m.Location == "header", "rfc822", "iso8601"))); err != nil {
			return f.typed(err)
		}
	}
	for k := range r.Query {
		if !known[k] && !strings.HasPrefix(k, "X-Amz-") && !strings.Contains(f.op.Path, "?"+k) && !strings.Contains(f.op.Path, "&"+k) {
			f.unknown = append(f.unknown, k)
		}
	}
	return nil
}

func one(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func several(s *Shape, values []string) any {
	if len(values) == 0 {
		return nil
	}
	if s.Kind != List {
		return values[0]
	}
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

func prefixed(h http.Header, prefix string) any {
	out := map[string]any{}
	for k, v := range h {
		if rest, ok := strings.CutPrefix(strings.ToLower(k), strings.ToLower(prefix)); ok && len(v) > 0 {
			out[rest] = v[0]
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// restBody decodes the payload member, or the members that are bound to
// nothing else.
func (f *filler) restBody(s *Shape, v reflect.Value, body []byte) error {
	if s.Payload != "" {
		return f.restPayload(s.Member(s.Payload), v.Field(s.index[s.Payload]), body)
	}
	if len(strings.TrimSpace(string(body))) == 0 {
		return nil
	}
	t, err := f.bodyTree(s, body)
	if err != nil {
		return err
	}
	bound := f.unbind(s)
	return f.typed(bound.fillBound(f, v, t))
}

// bound is a structure without the members that travel elsewhere.
type bound struct {
	shape  *Shape
	fields []int
}

func (f *filler) unbind(s *Shape) bound {
	b := bound{shape: &Shape{Name: s.Name, Kind: Structure}}
	for i := range s.Members {
		if s.Members[i].Location == "" {
			b.shape.Members = append(b.shape.Members, s.Members[i])
			b.fields = append(b.fields, i)
		}
	}
	return b
}

func (b bound) fillBound(f *filler, v reflect.Value, x any) error {
	t, ok := x.(map[string]any)
	if !ok {
		return &mismatch{"", x, b.shape}
	}
	for i, at := range b.fields {
		m := &b.shape.Members[i]
		if val, ok := t[f.key(m)]; ok {
			if err := f.fill(m.Shape, v.Field(at), val, m.Name, m.times()); err != nil {
				return err
			}
		}
	}
	f.noteUnknown(b.shape, t, "")
	return nil
}

func (f *filler) bodyTree(s *Shape, body []byte) (any, error) {
	if f.protocol == RESTXML {
		n, err := readXML(body)
		if err != nil {
			return nil, fault.New(fault.Invalid, "MalformedXML", "%v", err)
		}
		f.loose = true
		return n.shaped(s), nil
	}
	t, err := readJSON(body)
	if err != nil {
		return nil, serialization("%v", err)
	}
	return t, nil
}

func (f *filler) restPayload(m *Member, v reflect.Value, body []byte) error {
	switch m.Shape.Kind {
	case Blob:
		if body != nil {
			v.SetBytes(body)
		}
		return nil
	case String:
		t := string(body)
		v.Set(reflect.ValueOf(&t))
		return nil
	default:
		if len(body) == 0 {
			return nil
		}
		t, err := f.bodyTree(m.Shape, body)
		if err != nil {
			return err
		}
		return f.typed(f.fill(m.Shape, v, t, m.Name, ""))
	}
}

func (o *Operation) encodeREST(p Protocol, r *Response, out any) {
	r.Status = o.Status
	s := o.Output()
	v := reflect.ValueOf(out).Elem()
	for i := range s.Members {
		if m, f := &s.Members[i], v.Field(i); !absent(f) && m.Location != "" {
			encodeBound(r, m, f)
		}
	}
	if s.Payload != "" {
		o.encodePayload(p, r, s.Member(s.Payload), v.Field(s.index[s.Payload]))
		return
	}
	if o.output == "" || r.Status == http.StatusNoContent {
		return
	}
	if p == RESTJSON {
		r.Header.Set("Content-Type", "application/json")
		r.Body = appendJSON(nil, s, v, "", true)
		return
	}
	r.Header.Set("Content-Type", "application/xml")
	w := &xmlWriter{b: []byte(xmlHead), times: "iso8601"}
	w.b = append(append(append(w.b, '<'), o.output...), '>')
	w.members(s, v, true)
	w.close(o.output)
	r.Body = w.b
}

func encodeBound(r *Response, m *Member, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch m.Location {
	case "statusCode":
		r.Status = int(v.Int())
	case "header":
		r.Header.Set(m.Wire, headerText(m, v))
	case "headers":
		for _, k := range sortedKeys(v) {
			r.Header.Set(m.Wire+k, v.MapIndex(reflect.ValueOf(k)).String())
		}
	default:
	}
}

func headerText(m *Member, v reflect.Value) string {
	switch m.Shape.Kind {
	case Integer:
		return strconv.FormatInt(v.Int(), 10)
	case Boolean:
		return strconv.FormatBool(v.Bool())
	case Timestamp:
		return formatTime(v.Interface().(time.Time), cmp.Or(m.times(), "rfc822"))
	case Float:
		return decimal(v.Float())
	default:
		return v.String()
	}
}

func (o *Operation) encodePayload(p Protocol, r *Response, m *Member, v reflect.Value) {
	switch {
	case m.Shape.Kind == Blob:
		if r.Header.Get("Content-Type") == "" {
			r.Header.Set("Content-Type", "application/octet-stream")
		}
		r.Body = v.Bytes()
	case absent(v):
	case m.Shape.Kind == String:
		r.Body = []byte(v.Elem().String())
	case p == RESTJSON:
		r.Header.Set("Content-Type", "application/json")
		r.Body = appendJSON(nil, m.Shape, v, "", false)
	default:
		r.Header.Set("Content-Type", "application/xml")
		w := &xmlWriter{b: []byte(xmlHead), times: "iso8601"}
		w.element(cmp.Or(m.Wire, m.Shape.Name), m, v)
		r.Body = w.b
	}
}
