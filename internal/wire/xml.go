package wire

import (
	"cmp"
	"encoding/base64"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// xmlWriter writes shapes as AWS's XML.
type xmlWriter struct {
	b     []byte
	times string // how to write a time that says nothing of its format
}

func (w *xmlWriter) open(name string)  { w.b = append(append(append(w.b, '<'), name...), '>') }
func (w *xmlWriter) close(name string) { w.b = append(append(append(w.b, "</"...), name...), '>') }

func (w *xmlWriter) leaf(name, text string) {
	w.open(name)
	w.b = appendXMLText(w.b, text)
	w.close(name)
}

func (w *xmlWriter) members(s *Shape, v reflect.Value, skip bool) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	for i := range s.Members {
		m := &s.Members[i]
		if f := v.Field(i); !absent(f) && !m.Attribute && !(skip && m.Location != "") {
			w.element(cmp.Or(m.Wire, m.Name), m, f)
		}
	}
}

func (w *xmlWriter) element(name string, m *Member, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s := m.Shape; s.Kind {
	case Structure:
		w.startTag(name, m, v)
		w.members(s, v, false)
		w.close(name)
	case List:
		w.list(name, m, v)
	case Map:
		w.entries(name, m, v)
	default:
		w.leaf(name, w.scalar(s, v, m.times()))
	}
}

// startTag opens an element with its namespace and attributes.
func (w *xmlWriter) startTag(name string, m *Member, v reflect.Value) {
	w.b = append(append(w.b, '<'), name...)
	if m.Namespace != "" {
		w.b = append(appendXMLText(append(w.b, ` xmlns="`...), m.Namespace), '"')
	}
	for i := range m.Shape.Members {
		if a := &m.Shape.Members[i]; a.Attribute && !absent(v.Field(i)) {
			w.b = append(append(append(w.b, ' '), cmp.Or(a.Wire, a.Name)...), `="`...)
			w.b = append(appendXMLText(w.b, w.scalar(a.Shape, v.Field(i).Elem(), a.times())), '"')
		}
	}
	w.b = append(w.b, '>')
}

func (w *xmlWriter) list(name string, m *Member, v reflect.Value) {
	e := m.Shape.Elem
	if m.Flattened || m.Shape.Flattened {
		for i := range v.Len() {
			w.element(name, e, v.Index(i))
		}
		return
	}
	w.open(name)
	for i := range v.Len() {
		w.element(cmp.Or(e.Wire, "member"), e, v.Index(i))
	}
	w.close(name)
}

func (w *xmlWriter) entries(name string, m *Member, v reflect.Value) {
	s := m.Shape
	flat := m.Flattened || s.Flattened
	entry := name
	if !flat {
		w.open(name)
		entry = "entry"
	}
	for _, k := range sortedKeys(v) {
		w.open(entry)
		w.leaf(cmp.Or(s.Key.Wire, "key"), k)
		w.element(cmp.Or(s.Value.Wire, "value"), s.Value, v.MapIndex(reflect.ValueOf(k)))
		w.close(entry)
	}
	if !flat {
		w.close(name)
	}
}

func (w *xmlWriter) scalar(s *Shape, v reflect.Value, times string) string {
	switch s.Kind {
	case String:
		return v.String()
	case Integer:
		return strconv.FormatInt(v.Int(), 10)
	case Float:
		return decimal(v.Float())
	case Boolean:
		return strconv.FormatBool(v.Bool())
	case Timestamp:
		return formatTime(v.Interface().(time.Time), cmp.Or(times, w.times))
	case Blob:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	default:
		return ""
	}
}

// appendXMLText escapes text; what XML cannot carry becomes U+FFFD.
func appendXMLText(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r == '\r':
			b = append(b, "&#13;"...)
		case r == utf8.RuneError && n == 1, r < ' ' && r != '\n' && r != '\t', r == 0xFFFE, r == 0xFFFF:
			b = append(b, "\ufffd"...)
		default:
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return b
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func (o *Operation) encodeQuery(r *Response, out any, requestID string) {
	r.Header.Set("Content-Type", "text/xml")
	w := &xmlWriter{b: []byte{}, times: o.Service.xmlTimes()}
	w.b = appendXMLText(append(append(append(w.b, '<'), o.Name...), `Response xmlns="`...), o.Service.Namespace)
	w.b = append(w.b, `">`...)
	if o.output != "" && o.Wrapper != "" {
		w.open(o.Wrapper)
		w.members(o.Output(), reflect.ValueOf(out), false)
		w.close(o.Wrapper)
	} else if o.output != "" {
		w.members(o.Output(), reflect.ValueOf(out), false)
	}
	w.open("ResponseMetadata")
	w.leaf("RequestId", requestID)
	w.close("ResponseMetadata")
	w.close(o.Name + "Response")
	r.Body = w.b
}

// xmlTimes is how a service writes times: IAM and STS leave out the fraction.
func (s *Service) xmlTimes() string {
	if s.GlobalEndpoint != "" {
		return "seconds"
	}
	return "iso8601"
}

func (o *Operation) encodeEC2(r *Response, out any, requestID string) {
	r.Header.Set("Content-Type", "text/xml;charset=UTF-8")
	w := &xmlWriter{b: []byte(xmlHead), times: "iso8601"}
	w.b = append(append(append(w.b, '<'), o.Name...), `Response xmlns="`...)
	w.b = append(appendXMLText(w.b, o.Service.Namespace), `/">`...)
	w.leaf("requestId", requestID)
	if o.output == "" {
		w.leaf("return", "true")
	} else {
		w.members(o.Output(), reflect.ValueOf(out), false)
	}
	w.close(o.Name + "Response")
	r.Body = w.b
}
