package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"berth/internal/fault"
)

// json decodes an awsJson body.
func (f *filler) json(s *Shape, in any, body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	tree, err := readJSON(body)
	if err != nil {
		return serialization("%v", err)
	}
	return f.typed(f.fill(s, reflect.ValueOf(in), tree, "", ""))
}

func readJSON(body []byte) (any, error) {
	if err := bounded(body); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("unexpected text after the top-level value")
	}
	return tree, nil
}

// maxValues bounds how many values a body may have: each costs a hundred times
// its bytes once it is read.
const maxValues = 500_000

// bounded refuses JSON that is nested too deeply or has too many values, before
// any of it is built.
func bounded(body []byte) error {
	values, depth, quoted := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{', c == '[':
			values, depth = values+1, depth+1
		case c == '}', c == ']':
			depth--
		case c == ',':
			values++
		}
		if depth > maxDepth || values > maxValues {
			return errors.New("the body is nested too deeply or has too many values")
		}
	}
	return nil
}

func serialization(format string, args ...any) error {
	return fault.New(fault.Invalid, "SerializationException", format, args...)
}

// typed turns a mismatch into the error of the protocol.
func (f *filler) typed(err error) error {
	var m *mismatch
	if !errors.As(err, &m) {
		return err
	}
	switch f.protocol {
	case Query:
		return fault.New(fault.Invalid, "MalformedInput", "Value of %s cannot be read as %s", m.path, javaName(m.want))
	case EC2:
		return fault.New(fault.Invalid, "InvalidParameterValue", "Value (%v) for parameter %s is invalid.", m.value, m.path)
	default:
		return serialization("%s (at %s)", tokenName(m.value)+" cannot be converted to "+javaName(m.want), m.path)
	}
}

func (o *Operation) encodeJSON(r *Response, out any) {
	r.Header.Set("Content-Type", "application/x-amz-json-"+o.Service.jsonVersion())
	if o.output == "" {
		return
	}
	r.Body = appendJSON(nil, o.Output(), reflect.ValueOf(out), "", false)
}

func (s *Service) jsonVersion() string {
	if s.JSONVersion == "" {
		return "1.1"
	}
	return s.JSONVersion
}

// appendJSON writes a value of a shape. skip leaves out members that a REST
// binding puts elsewhere.
func appendJSON(b []byte, s *Shape, v reflect.Value, times string, skip bool) []byte {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch s.Kind {
	case Structure:
		return appendObject(b, s, v, skip)
	case List:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, s.Elem.Shape, v.Index(i), s.Elem.times(), false)
		}
		return append(b, ']')
	case Map:
		return appendMap(b, s, v)
	case String:
		return appendString(b, v.String())
	case Integer:
		return strconv.AppendInt(b, v.Int(), 10)
	case Float:
		return appendFloat(b, v.Float())
	case Boolean:
		return strconv.AppendBool(b, v.Bool())
	case Timestamp:
		return appendTime(b, v.Interface().(time.Time), times)
	case Blob:
		return appendString(b, base64.StdEncoding.EncodeToString(v.Bytes()))
	default:
		j, err := json.Marshal(v.Interface())
		if err != nil {
			return append(b, "null"...)
		}
		return append(b, j...)
	}
}

func appendObject(b []byte, s *Shape, v reflect.Value, skip bool) []byte {
	b = append(b, '{')
	first := true
	for i := range s.Members {
		m := &s.Members[i]
		f := v.Field(i)
		if absent(f) || skip && m.Location != "" {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		name := m.Name
		if m.Wire != "" {
			name = m.Wire
		}
		b = append(appendString(b, name), ':')
		b = appendJSON(b, m.Shape, f, m.times(), false)
	}
	return append(b, '}')
}

// absent reports whether a member is not set.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	default:
		return false
	}
}

func appendMap(b []byte, s *Shape, v reflect.Value) []byte {
	b = append(b, '{')
	for i, k := range sortedKeys(v) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		b = appendJSON(b, s.Value.Shape, v.MapIndex(reflect.ValueOf(k)), s.Value.times(), false)
	}
	return append(b, '}')
}

func sortedKeys(v reflect.Value) []string {
	keys := make([]string, 0, v.Len())
	for _, k := range v.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	return keys
}

func appendFloat(b []byte, n float64) []byte {
	switch {
	case math.IsNaN(n):
		return append(b, `"NaN"`...)
	case math.IsInf(n, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(n, -1):
		return append(b, `"-Infinity"`...)
	default:
		return append(b, decimal(n)...)
	}
}

// decimal writes a double as Java does for everyday values: 70 is 70.0.
func decimal(n float64) string {
	if n == math.Trunc(n) && math.Abs(n) < 1e15 {
		return strconv.FormatFloat(n, 'f', 1, 64)
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

func appendTime(b []byte, t time.Time, format string) []byte {
	if format == "" || format == "unixTimestamp" {
		return append(b, epoch(t)...)
	}
	return appendString(b, formatTime(t, format))
}

const hexDigits = "0123456789abcdef"

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c == '\n':
				b = append(b, '\\', 'n')
			case c == '\t':
				b = append(b, '\\', 't')
			case c == '\r':
				b = append(b, '\\', 'r')
			case c < ' ' || c == 0x7f:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			default:
				b = append(b, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(b, "\ufffd"...)
		} else {
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return append(b, '"')
}
