package store

import (
	"encoding/json"
	"hash/maphash"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// reader reads JSON from the left to the right. It refuses white space, and
// most of what json.Marshal does not write.
type reader struct {
	b []byte
	i int
	// same has strings that were read lately: records repeat each other's
	// names, and states, and this way share the memory of them.
	same [256]string
	// scratch is a *T, of the table that is being read.
	scratch any
	buf     []byte // of whoever holds the reader
}

// seed is of the table of strings only: nothing that is seen depends on it.
var seed = maphash.MakeSeed()

// has takes a word if it comes next.
func (r *reader) has(word string) bool {
	if end := r.i + len(word); end <= len(r.b) && string(r.b[r.i:end]) == word {
		r.i = end
		return true
	}
	return false
}

// list reads [ and elements, of which there is at least one, and ].
func (r *reader) list(element func(n int) bool) bool {
	if !r.has("[") {
		return false
	}
	for n := 0; element(n); n++ {
		if !r.has(",") {
			return r.has("]")
		}
	}
	return false
}

// object reads { and members and }.
func (r *reader) object(value func(name string) bool) bool {
	if !r.has("{") {
		return false
	}
	if r.has("}") {
		return true
	}
	for {
		name, ok := r.text()
		if !ok || !r.has(":") || !value(name) {
			return false
		}
		if !r.has(",") {
			return r.has("}")
		}
	}
}

// quoted takes a string with its quotes; plain says that what is between them
// is the string itself.
func (r *reader) quoted() (b []byte, plain, ok bool) {
	if r.i == len(r.b) || r.b[r.i] != '"' {
		return nil, false, false
	}
	plain, ascii := true, true
	for i := r.i + 1; i < len(r.b); i++ {
		switch c := r.b[i]; {
		case c == '"':
			b, r.i = r.b[r.i:i+1], i+1
			return b, plain && (ascii || utf8.Valid(b)), true
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return nil, false, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false, false
}

// text reads a string.
func (r *reader) text() (string, bool) {
	b, plain, ok := r.quoted()
	if !ok || plain {
		return r.share(b), ok
	}
	var s string
	err := json.Unmarshal(b, &s)
	return s, err == nil
}

// share makes a string of what is between quotes, or takes one that was made.
func (r *reader) share(b []byte) string {
	if len(b) <= len(`""`) {
		return ""
	}
	if b = b[1 : len(b)-1]; len(b) > 256 {
		return string(b)
	}
	at := &r.same[maphash.Bytes(seed, b)%uint64(len(r.same))]
	if *at != string(b) {
		*at = string(b)
	}
	return *at
}

// number reads a number of JSON's grammar.
func (r *reader) number() ([]byte, bool) {
	from := r.i
	r.has("-")
	if !r.has("0") && !r.digits() {
		return nil, false
	}
	if r.has(".") && !r.digits() {
		return nil, false
	}
	if r.has("e") || r.has("E") {
		if !r.has("-") {
			r.has("+")
		}
		if !r.digits() {
			return nil, false
		}
	}
	return r.b[from:r.i], true
}

func (r *reader) digits() bool {
	from := r.i
	for r.i < len(r.b) && r.b[r.i] >= '0' && r.b[r.i] <= '9' {
		r.i++
	}
	return r.i > from
}

func (r *reader) readString(v reflect.Value) bool {
	if r.has("null") {
		return true
	}
	s, ok := r.text()
	v.SetString(s)
	return ok
}

func (r *reader) readInt(v reflect.Value) bool {
	if r.has("null") {
		return true
	}
	b, ok := r.number()
	if !ok {
		return false
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	v.SetInt(n)
	return err == nil
}

func (r *reader) readFloat(v reflect.Value) bool {
	if r.has("null") {
		return true
	}
	f, ok := r.float()
	v.SetFloat(f)
	return ok
}

func (r *reader) float() (float64, bool) {
	b, ok := r.number()
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(b), 64)
	return f, err == nil
}

func (r *reader) readBool(v reflect.Value) bool {
	switch {
	case r.has("true"):
		v.SetBool(true)
		return true
	default:
		return r.has("false") || r.has("null")
	}
}

func (r *reader) readTime(v reflect.Value) bool {
	if r.has("null") {
		return true
	}
	b, _, ok := r.quoted()
	return ok && v.Addr().Interface().(*time.Time).UnmarshalJSON(b) == nil
}

func (r *reader) readAny(v reflect.Value) bool {
	x, ok := r.any(0)
	if ok && x != nil {
		v.Set(reflect.ValueOf(x))
	}
	return ok
}

// deepest bounds what is read by recursion; encoding/json reads, or refuses,
// what is deeper.
const deepest = 100

func (r *reader) any(depth int) (any, bool) {
	if r.i == len(r.b) || depth > deepest {
		return nil, false
	}
	switch r.b[r.i] {
	case '"':
		s, ok := r.text()
		return s, ok
	case '{':
		m := map[string]any{}
		return m, r.object(func(name string) bool {
			x, ok := r.any(depth + 1)
			m[name] = x
			return ok
		})
	case '[':
		l := []any{}
		ok := r.has("[]") || r.list(func(int) bool {
			x, ok := r.any(depth + 1)
			l = append(l, x)
			return ok
		})
		return l, ok
	case 't':
		return true, r.has("true")
	case 'f':
		return false, r.has("false")
	case 'n':
		return nil, r.has("null")
	default:
		f, ok := r.float()
		return f, ok
	}
}
