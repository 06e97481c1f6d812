package http1

import (
	"bytes"
	"errors"
)

// Limits of a message's head that AWS documents (docs/facts/deployments.md D127).
const (
	MaxLine     = 16 << 10 // of the first line and of a field
	MaxRequest  = 64 << 10
	MaxResponse = 32 << 10
)

// What can be wrong with a message.
var (
	ErrMalformed     = errors.New("malformed message")
	ErrTooLong       = errors.New("line too long")
	ErrEncoding      = errors.New("unknown transfer encoding")
	ErrVersion       = errors.New("unknown version")
	ErrTargetTooLong = errors.New("request target too long")
)

// Framing says how a body ends.
type Framing uint8

// The ways a body ends.
const (
	NoBody Framing = iota
	ByLength
	Chunked
	UntilClose
)

// Kind marks the fields that a proxy treats specially.
type Kind uint8

// The kinds of fields.
const (
	KindPlain Kind = iota
	KindHost
	KindConnection
	KindLength
	KindEncoding
	KindUpgrade
	KindExpect
	KindHop // other hop-by-hop fields
	KindForwardedFor
	KindForwardedProto
	KindForwardedPort
	KindTrace
	KindCookie
	KindSetCookie
)

// Field is one header field; both slices point into the read buffer.
type Field struct {
	Name, Value []byte
	Kind        Kind
}

// Head is a parsed request or response head. It is reused from message to
// message, and its slices are valid until the buffer is filled again.
type Head struct {
	Method, Target, Version []byte // of a request
	Status                  int    // of a response
	Reason                  []byte
	Fields                  []Field
	Host                    []byte
	Minor                   byte // HTTP/1.Minor
	Framing                 Framing
	Length                  int64 // of the body; -1 if no field says it
	KeepAlive               bool
	Upgrade                 bool
	Expect                  bool
	Class                   Class
	nameless                bool // a field without a name was left out
	special                 bool // Connection names fields that must go
}

// HeadEnd finds the length of a head including its empty line, searching from
// the given offset; 0 if it is not complete. A line that ends with a bare line
// feed never becomes part of a head that is taken: it is ErrMalformed at once,
// not when a wait for the rest is over.
func HeadEnd(b []byte, from int) (int, error) {
	from = max(0, from-3)
	if i := bytes.Index(b[from:], crlfcrlf); i >= 0 {
		return from + i + 4, nil
	}
	for i := from; ; i++ {
		next := bytes.IndexByte(b[i:], '\n')
		if next < 0 {
			return 0, nil
		}
		if i += next; i == 0 || b[i-1] != '\r' {
			return 0, ErrMalformed
		}
	}
}

var crlfcrlf = []byte("\r\n\r\n")

func (h *Head) reset() {
	f := h.Fields[:0]
	*h = Head{Fields: f, Length: -1}
}

// ParseRequest reads a request head of exactly b.
func (h *Head) ParseRequest(b []byte) error {
	h.reset()
	line, rest, err := cutLine(b)
	if err != nil {
		return err
	}
	i := bytes.IndexByte(line, ' ')
	j := bytes.LastIndexByte(line, ' ')
	if i <= 0 || j <= i+1 {
		return ErrMalformed
	}
	h.Method, h.Target, h.Version = line[:i], line[i+1:j], line[j+1:]
	if len(line) > MaxLine {
		return ErrTargetTooLong
	}
	if !isToken(h.Method) {
		return ErrMalformed
	}
	h.atLeast(inTarget.of(h.Target))
	if err := h.readVersion(h.Version); err != nil {
		return err
	}
	if err := h.readFields(rest); err != nil {
		return err
	}
	return h.frameRequest()
}

// ParseResponse reads a response head of exactly b, for a request with the
// given method.
func (h *Head) ParseResponse(b []byte, method []byte) error {
	h.reset()
	line, rest, err := cutLine(b)
	if err != nil {
		return err
	}
	if len(line) < 12 || line[8] != ' ' {
		return ErrMalformed
	}
	if err := h.readVersion(line[:8]); err != nil {
		return err
	}
	for _, c := range line[9:12] {
		if !isDigit(c) {
			return ErrMalformed
		}
		h.Status = h.Status*10 + int(c-'0')
	}
	if len(line) > 12 {
		if line[12] != ' ' {
			return ErrMalformed
		}
		h.Reason = line[13:]
	}
	if h.Status < 100 {
		return ErrMalformed
	}
	if err := h.readFields(rest); err != nil {
		return err
	}
	if h.Class == Severe || h.nameless {
		return ErrMalformed
	}
	return h.frameResponse(method)
}

// TakeAbsolute turns a target in absolute form, http://host/path, into one in
// origin form, whose host takes the place of the field's. Other forms stay.
func (h *Head) TakeAbsolute() error {
	if h.Target[0] == '/' || string(h.Target) == "*" {
		return nil
	}
	_, rest, ok := bytes.Cut(h.Target, []byte("://"))
	if !ok {
		return ErrMalformed
	}
	i := bytes.IndexAny(rest, "/?")
	if i < 0 {
		i = len(rest)
	}
	if h.Host = rest[:i]; !cleanHost(h.Host) {
		return ErrMalformed
	}
	if h.Target = rest[i:]; len(h.Target) == 0 || h.Target[0] == '?' {
		h.Target = append([]byte("/"), h.Target...)
	}
	return nil
}

func (h *Head) readVersion(v []byte) error {
	if len(v) != 8 || string(v[:5]) != "HTTP/" || v[6] != '.' || !isDigit(v[5]) || !isDigit(v[7]) {
		return ErrMalformed
	}
	if v[5] != '1' {
		return ErrVersion
	}
	if h.Minor = v[7] - '0'; h.Minor > 1 {
		h.atLeast(Acceptable)
		h.Minor = 1
	}
	h.KeepAlive = h.Minor == 1
	return nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// cutLine takes one line without its CRLF.
func cutLine(b []byte) (line, rest []byte, err error) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, ErrMalformed
	}
	return b[:i-1], b[i+1:], nil
}

func (h *Head) readFields(b []byte) error {
	for {
		line, rest, err := cutLine(b)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		if len(line) > MaxLine {
			return ErrTooLong
		}
		if err := h.readField(line); err != nil {
			return err
		}
		b = rest
	}
}

// readField takes in one line of the fields. What has no name, or nothing but
// spaces, is left out: it would be nobody's field at the target.
func (h *Head) readField(line []byte) error {
	i := bytes.IndexByte(line, ':')
	if i == 0 || len(bytes.Trim(line, " \t")) == 0 {
		h.nameless = true
		h.atLeast(Ambiguous)
		return nil
	}
	if i < 0 || !isToken(line[:i]) {
		return ErrMalformed
	}
	f := Field{Name: line[:i], Value: bytes.Trim(line[i+1:], " \t"), Kind: kindOf(line[:i])}
	h.atLeast(inValue.of(f.Value))
	h.Fields = append(h.Fields, f)
	if f.Kind != KindPlain {
		return h.note(&f)
	}
	if framesElsewhere(f.Name) {
		h.atLeast(Ambiguous)
	}
	return nil
}

// note takes in what a special field says of the message.
func (h *Head) note(f *Field) error {
	switch f.Kind {
	case KindHost:
		if h.Host != nil || !cleanHost(f.Value) {
			return ErrMalformed
		}
		h.Host = f.Value
	case KindConnection:
		h.connection(f.Value)
	case KindLength:
		n, ok := parseLength(f.Value)
		if !ok || h.Length >= 0 && h.Length != n {
			return ErrMalformed
		}
		if h.Length >= 0 {
			h.atLeast(Ambiguous)
		}
		h.Length = n
	case KindEncoding:
		if !EqualFold(f.Value, "chunked") {
			return ErrEncoding
		}
		if h.Framing == Chunked {
			h.atLeast(Severe)
		}
		h.Framing = Chunked
	case KindExpect:
		h.Expect = EqualFold(f.Value, "100-continue")
	default:
	}
	return nil
}

func (h *Head) connection(v []byte) {
	for len(v) > 0 {
		var one []byte
		if i := bytes.IndexByte(v, ','); i >= 0 {
			one, v = bytes.Trim(v[:i], " \t"), v[i+1:]
		} else {
			one, v = bytes.Trim(v, " \t"), nil
		}
		switch {
		case EqualFold(one, "close"):
			h.KeepAlive = false
		case EqualFold(one, "keep-alive"):
			h.KeepAlive = true
		case EqualFold(one, "upgrade"):
			h.Upgrade = true
		case len(one) > 0:
			h.special = true
		}
	}
}

// listed reports whether a Connection field names the field.
func (h *Head) listed(name []byte) bool {
	for _, f := range h.Fields {
		if f.Kind != KindConnection {
			continue
		}
		for one := range bytes.SplitSeq(f.Value, []byte(",")) {
			if bytes.EqualFold(bytes.Trim(one, " \t"), name) {
				return true
			}
		}
	}
	return false
}

func (h *Head) frameRequest() error {
	switch {
	case h.Framing == Chunked:
		if h.Minor == 0 {
			return ErrMalformed
		}
		h.lengthBesideChunks()
	case h.Length > 0:
		h.Framing = ByLength
	}
	h.bodyOfGet()
	if h.Upgrade {
		// HTTP/2 is not spoken to targets by way of an upgrade: behind one, a
		// client could talk past the rules.
		to := h.find("upgrade")
		h.Upgrade = to != nil && !EqualFold(to, "h2c")
	}
	return nil
}

// lengthBesideChunks forgets a length that the chunks overrule.
func (h *Head) lengthBesideChunks() {
	if h.Length >= 0 {
		h.atLeast(Ambiguous)
	}
	h.Length = -1
}

// bodyOfGet notes a body where some read none, and take it for a request.
func (h *Head) bodyOfGet() {
	if string(h.Method) != "GET" && string(h.Method) != "HEAD" {
		return
	}
	switch {
	case h.Framing != NoBody:
		h.atLeast(Ambiguous)
	case h.Length == 0:
		h.atLeast(Acceptable)
	default:
	}
}

func (h *Head) frameResponse(method []byte) error {
	switch {
	case h.Status < 200 || h.Status == 204 || h.Status == 304 || string(method) == "HEAD":
		h.Framing = NoBody
	case h.Framing == Chunked:
		h.lengthBesideChunks()
	case h.Length == 0:
		h.Framing = NoBody
	case h.Length > 0:
		h.Framing = ByLength
	default:
		h.Framing = UntilClose
		h.KeepAlive = false
	}
	return nil
}

// find returns the value of the first field with this lower-case name.
func (h *Head) find(name string) []byte {
	for _, f := range h.Fields {
		if EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return nil
}

func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// framesElsewhere reports whether a name is none of the two that frame a body,
// but would be for who takes other signs for hyphens or leaves them out.
func framesElsewhere(name []byte) bool {
	if len(name) < len("contentlength") || len(name) > len("transfer-encoding")+1 || name[0]|0x20 != 'c' && name[0]|0x20 != 't' {
		return false
	}
	var letters [len("transfer-encoding") + 1]byte
	n := 0
	for _, c := range name {
		if c |= 0x20; c >= 'a' && c <= 'z' {
			letters[n] = c
			n++
		}
	}
	return string(letters[:n]) == "contentlength" || string(letters[:n]) == "transferencoding"
}

// EqualFold compares with a lower-case ASCII string.
func EqualFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func kindOf(name []byte) Kind {
	switch len(name) {
	case 2:
		return ifFold(name, "te", KindHop)
	case 4:
		return ifFold(name, "host", KindHost)
	case 6:
		if EqualFold(name, "cookie") {
			return KindCookie
		}
		return ifFold(name, "expect", KindExpect)
	case 7:
		return ifFold(name, "upgrade", KindUpgrade)
	case 10:
		if EqualFold(name, "connection") {
			return KindConnection
		}
		if EqualFold(name, "keep-alive") {
			return KindHop
		}
		return ifFold(name, "set-cookie", KindSetCookie)
	case 14:
		return ifFold(name, "content-length", KindLength)
	case 15:
		if EqualFold(name, "x-amzn-trace-id") {
			return KindTrace
		}
		return ifFold(name, "x-forwarded-for", KindForwardedFor)
	case 16:
		if EqualFold(name, "x-forwarded-port") {
			return KindForwardedPort
		}
		return ifFold(name, "proxy-connection", KindHop)
	case 17:
		if EqualFold(name, "transfer-encoding") {
			return KindEncoding
		}
		return ifFold(name, "x-forwarded-proto", KindForwardedProto)
	default:
		return KindPlain
	}
}

func ifFold(b []byte, lower string, k Kind) Kind {
	if EqualFold(b, lower) {
		return k
	}
	return KindPlain
}

// tokenChars are the characters of a method or a field name (RFC 9110 5.6.2).
var tokenChars = func() (t [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" {
		t[c] = true
	}
	return t
}()

func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenChars[c] {
			return false
		}
	}
	return len(b) > 0
}

// notInHost are the bytes that may not stand in a Host: of a user, a path, a
// query, or a space.
var notInHost = func() (t [256]bool) {
	for c := range byte('!') {
		t[c] = true
	}
	for _, c := range []byte("@/\\?#<>\"\x7f") {
		t[c] = true
	}
	return t
}()

// cleanHost reports whether a Host is what may stand there.
func cleanHost(b []byte) bool {
	for _, c := range b {
		if notInHost[c] {
			return false
		}
	}
	return true
}

// plainName reports whether a field name is letters, digits and hyphens only,
// which is what ALB calls valid.
func plainName(b []byte) bool {
	for _, c := range b {
		if c != '-' && !isDigit(c) && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
